//! A stand-in for `flexctl` that does what is documented of it, and what it must not do where a test asks for that.
//!
//! | variable | meaning |
//! |---|---|
//! | `FLEXCTL_FAULT` | what goes wrong, see `renew` |
//! | `FLEXCTL_LAYOUT` | `pem` (default), `base64`, `der`, `split` |
//! | `FLEXCTL_DAYS` | lifetime of a new certificate in days, 365 |
//! | `FLEXCTL_LOG` | file that gets the arguments of each call |

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program with a plain output"
)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use common::flex::registration::{Files, Registration};
use simulator::registration::{Identity, Layout, arrange, fresh, now};

const REGISTRATION_HELP: &str = "\
Manages the registration of this gateway

Usage:
  flexctl registration [command]

Available Commands:
  create      Register a gateway
  delete      Delete a registration
  inspect     Inspect a registration
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match answer(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("{err:#}");
            ExitCode::FAILURE
        }
    }
}

fn fault() -> String {
    std::env::var("FLEXCTL_FAULT").unwrap_or_default()
}

fn answer(args: &[String]) -> Result<()> {
    if let Some(log) = std::env::var_os("FLEXCTL_LOG") {
        let mut log = OpenOptions::new().create(true).append(true).open(log)?;
        writeln!(log, "{}", args.join(" "))?;
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["registration", "renew", ..] if fault() == "old" => {
            bail!("Error: unknown command \"renew\" for \"flexctl registration\"")
        }
        ["registration", "renew", ..] if fault() == "old-help" => {
            print!("{REGISTRATION_HELP}");
            Ok(())
        }
        ["registration", "renew", ..] => renew(&args[2..]),
        ["registration", "inspect", ..] => inspect(&args[2..]),
        ["version"] => {
            println!("1.8.2");
            Ok(())
        }
        // A gateway's own container: runs until it is stopped.
        ["gateway"] => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        _ => bail!("Error: unknown command {words:?} for \"flexctl\""),
    }
}

#[derive(Default)]
struct Flags {
    client_id: Option<String>,
    client_secret: Option<String>,
    username: Option<String>,
    password: Option<String>,
    output: Option<PathBuf>,
    file: Option<PathBuf>,
    positional: Vec<PathBuf>,
}

fn flags(args: &[String]) -> Result<Flags> {
    let mut flags = Flags::default();
    for arg in args {
        let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
        let value = value.to_owned();
        match name {
            "--client-id" => flags.client_id = Some(value),
            "--client-secret" => flags.client_secret = Some(value),
            "--username" => flags.username = Some(value),
            "--password" => flags.password = Some(value),
            "--output-directory" => flags.output = Some(value.into()),
            "--file" => flags.file = Some(value.into()),
            "--update-urls" if value == "true" && fault() != "no-urls" => {}
            name if name.starts_with('-') => bail!("Error: unknown flag: {name}"),
            _ => flags.positional.push(arg.into()),
        }
    }
    Ok(flags)
}

fn renew(args: &[String]) -> Result<()> {
    let flags = flags(args)?;
    let [input] = &flags.positional[..] else {
        bail!(
            "Error: accepts 1 arg(s), received {}",
            flags.positional.len()
        );
    };
    let old = Files::read(input)?.parse("the registration")?;
    let output = flags.output.clone().unwrap_or_else(|| PathBuf::from("."));
    fs::create_dir_all(&output)?;
    let target = output.join("registration.yaml");
    for taken in [target.as_path(), Path::new("registration.yaml")] {
        if taken.exists() {
            bail!("[flexctl][error] {}: file already exists", taken.display());
        }
    }
    log_in(&flags, &target)?;
    let not_after = new_end(&old);
    let identity = identity_of(&old);
    let done = || println!("Registration renewal completed");
    match fault().as_str() {
        "" | "no-urls" => {
            write(&output, &identity, not_after)?;
            done();
        }
        // It overlooks where it was told to write.
        "here" => {
            write(Path::new("."), &identity, not_after)?;
            done();
        }
        "extra" => {
            write(&output, &identity, not_after)?;
            fs::write(output.join("metrics.yaml"), "kind: Configuration\n")?;
            done();
        }
        "silent" => write(&output, &identity, not_after)?,
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        "hang-after-writing" => {
            write(&output, &identity, not_after)?;
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        "lie" => done(),
        "platform" => {
            fs::write(&target, "")?;
            bail!(
                "[flexctl][error] reg facade call returned error response:\nHTTP/1.1 400 Bad Request\nContent-Type: \
                 application/json\n\n{{\"message\":\"an active target with the same name already exists in this \
                 organization and environment\"}}"
            );
        }
        "empty" => {
            fs::write(&target, "")?;
            done();
        }
        "garbage" => {
            fs::write(&target, [0xff, 0xfe, 0x00, 0x9f, 0x92, 0x96])?;
            done();
        }
        "html" => {
            fs::write(&target, "<html><body>502 Bad Gateway</body></html>\n")?;
            done();
        }
        "cut" => {
            write(&output, &identity, not_after)?;
            let text = fs::read(&target)?;
            fs::write(&target, &text[..text.len() / 2])?;
            done();
        }
        "no-certificate" => {
            fs::write(
                &target,
                "kind: Configuration\nmetadata:\n  name: registration\nspec: {}\n",
            )?;
            done();
        }
        "same-date" => {
            write(&output, &identity, end_of(&old))?;
            done();
        }
        "copy" => {
            fs::copy(input, &target)?;
            done();
        }
        "other-gateway" => {
            let agent = "2f0c6f3e-0000-4000-8000-0000000000ff".to_owned();
            write(&output, &Identity { agent, ..identity }, not_after)?;
            done();
        }
        "other-organization" => {
            let organization = "0a000000-0000-4000-8000-0000000000ff".to_owned();
            write(
                &output,
                &Identity {
                    organization,
                    ..identity
                },
                not_after,
            )?;
            done();
        }
        "wrong-key" => {
            let mut leaf = fresh(&identity, not_after)?;
            leaf.key_pem = fresh(&identity, not_after)?.key_pem;
            write_composed(&output, &arrange(&identity, layout()?, &leaf)?)?;
            done();
        }
        "echo" => {
            // The input with its key, as a program in trouble might print it.
            eprintln!("{}", fs::read_to_string(input)?);
            bail!("Error: cannot parse {}", args.join(" "));
        }
        "exit" => {
            write(&output, &identity, not_after)?;
            bail!("[flexctl][error] something went wrong after all");
        }
        other => bail!("no fault {other:?}"),
    }
    Ok(())
}

fn log_in(flags: &Flags, target: &Path) -> Result<()> {
    match fault().as_str() {
        "unreachable" => bail!(
            "Error: failed connecting to https://anypoint.mulesoft.com: dial tcp: lookup anypoint.mulesoft.com: no such \
             host"
        ),
        "mfa" => bail!("Error: login failed: multi-factor authentication is enabled for this user"),
        "scope" => {
            fs::write(target, "")?;
            bail!(
                "Couldn't execute register command successfully: rpc error: code = Internal desc = handler returned \
                 neither error nor response message"
            );
        }
        _ => {}
    }
    let secret = match (
        &flags.client_id,
        &flags.client_secret,
        &flags.username,
        &flags.password,
    ) {
        (Some(_), Some(secret), None, None) | (None, None, Some(_), Some(secret)) => secret,
        _ => bail!("Error: exactly one way to authenticate is needed"),
    };
    if secret.starts_with("wrong") {
        bail!("[flexctl][error] login failed: HTTP/1.1 401 Unauthorized");
    }
    Ok(())
}

fn identity_of(old: &Registration) -> Identity {
    let or = |value: &Option<String>| value.clone().unwrap_or_default();
    Identity {
        agent: or(&old.gateway),
        name: or(&old.name),
        organization: or(&old.organization),
        environment: or(&old.environment),
        platform: or(&old.platform),
    }
}

fn end_of(old: &Registration) -> u64 {
    u64::try_from(old.expiry().as_second()).unwrap_or_default()
}

fn new_end(old: &Registration) -> u64 {
    let days: u64 = std::env::var("FLEXCTL_DAYS")
        .ok()
        .and_then(|days| days.parse().ok())
        .unwrap_or(365);
    (now() + days * 24 * 60 * 60 + 12 * 60 * 60).max(end_of(old) + 1)
}

fn layout() -> Result<Layout> {
    std::env::var("FLEXCTL_LAYOUT").map_or(Ok(Layout::Pem), |name| Layout::parse(&name))
}

fn write(folder: &Path, identity: &Identity, not_after: u64) -> Result<()> {
    let leaf = fresh(identity, not_after)?;
    write_composed(folder, &arrange(identity, layout()?, &leaf)?)
}

fn write_composed(folder: &Path, composed: &simulator::registration::Composed) -> Result<()> {
    fs::write(folder.join("registration.yaml"), &composed.registration)?;
    if let Some(certificate) = &composed.certificate {
        fs::write(folder.join("certificate.yaml"), certificate)?;
    }
    Ok(())
}

fn inspect(args: &[String]) -> Result<()> {
    let file = flags(args)?.file.unwrap_or_else(|| {
        "/usr/local/share/mulesoft/flex-gateway/conf.d/registration.yaml".into()
    });
    let read = Files::read(&file)?
        .parse("the registration")
        .context("Error: no registration config")?;
    let expiry = match fault().as_str() {
        "inspect-differs" => "2001-02-03T04:05:06Z".parse()?,
        _ => read.expiry(),
    };
    println!("{}", common::flex::flexctl::inspect_form(expiry));
    Ok(())
}
