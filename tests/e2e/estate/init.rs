//! `init`: a configuration file from what is set and found, with the real programs.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use fixtures::{Bench, Finished, program, root};
use serde_json::Value;
use simulator::registration::{Identity, Layout, compose, now};
use simulator::seed;

use crate::estate::{Estate, PROGRAMS, text};

const WRITTEN: &str = ".config/anypoint-hooks/config.toml";

/// The programs lie beside one another only once each has been built.
fn built(bench: Bench) -> Bench {
    for name in PROGRAMS {
        program(name);
    }
    bench
}

fn init(bench: &Bench, args: &[&str]) -> Finished {
    bench.run("anypoint-estate", ["init"].iter().chain(args))
}

fn read(bench: &Bench) -> String {
    fs::read_to_string(bench.home().join(WRITTEN)).unwrap()
}

/// The lines that are in force.
fn in_force(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn accepted_by_all(bench: &Bench, file: &Path) {
    fits_the_schema(file);
    for name in PROGRAMS.iter().chain(&["anypoint-estate"]) {
        bench.run(name, ["config", "--config", text(file)]).code(0);
    }
}

/// Whether an editor would mark nothing in it.
fn fits_the_schema(file: &Path) {
    let schema = root().join("common/schema/anypoint-hooks.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let written: Value = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&written)
        .map(|err| format!("{} at {}", err, err.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn what_is_set_and_found_stands_in_the_file_and_every_program_takes_it() {
    let mut bench = built(Bench::with_api("canary-password-of-init-1"));
    let end = now() + 100 * 24 * 60 * 60;
    let composed = compose(&Identity::default(), Layout::Pem, end).unwrap();
    let registration = bench.write("edge/registration.yaml", composed.registration);
    bench.set("FLEX_REGISTRATION_FILE", text(&registration));
    bench.write("registrations/token", "canary-token-of-init-2");
    bench
        .set("CF_Token_FILE", "registrations/token")
        .set(
            "CH2_CIPHERS",
            "tlsAes256GcmSha384,tlsChacha20Poly1305Sha256",
        )
        .set("CF_TTL", "300")
        .set("CH2_VERIFY", "1");
    bench.write(
        ".acme.sh/*.acme.example_ecc/*.acme.example.conf",
        "Le_Domain='*.acme.example'\nLe_DeployHook='cloudhub_v2,'\nSAVED_CH2_PRIVATE_SPACE_ID='prod-space'\n",
    );
    init(&bench, &[]).code(0).prints("is written");

    let file = bench.home().join(WRITTEN);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    accepted_by_all(&bench, &file);
    let written = read(&bench);
    let lines = in_force(&written);
    let token = format!(
        "token_file = \"{}\"",
        bench.home().join("registrations/token").display()
    );
    for line in [
        &format!("url = \"{}\"", bench.sim.url()),
        &format!("organization = \"{}\"", seed::ORGANIZATION_ID),
        &format!("client_id = \"{}\"", seed::CLIENT_ID),
        "client_secret_env = \"ANYPOINT_CLIENT_SECRET\"",
        "environment = \"Sandbox\"",
        &token,
        "ttl = 300",
        "verify = true",
        "ciphers = [\"tlsAes256GcmSha384\", \"tlsChacha20Poly1305Sha256\"]",
        "[[flex.gateway]]",
        &format!("file = \"{}\"", text(&registration)),
        "[[cloudhub_v2.target]]",
        "private_space = \"prod-space\"",
        "domains = [\"*.acme.example\"]",
        "username = \"svc\"",
        "password_env = \"BASIC_AUTH_PASSWORD\"",
    ] {
        assert!(lines.contains(&line), "{line}\n{written}");
    }
    // The API that was found, whose password the platform does not tell.
    assert!(
        written.contains(&format!("#api_instance = {}", seed::API_INSTANCE_ID)),
        "{written}"
    );
    assert!(!written.contains("canary"), "{written}");
}

#[test]
fn the_file_is_one_that_editors_know() {
    let bench = built(Bench::demo());
    init(&bench, &["hooks.toml"]).code(0);
    let text = fs::read_to_string(bench.home().join("hooks.toml")).unwrap();
    let repository =
        env!("CARGO_PKG_REPOSITORY").replace("github.com", "raw.githubusercontent.com");
    assert_eq!(
        text.lines().next().unwrap(),
        format!("#:schema {repository}/main/common/schema/anypoint-hooks.schema.json")
    );
}

#[test]
fn every_line_that_is_switched_off_can_be_switched_on() {
    let bench = built(Bench::demo());
    init(&bench, &["hooks.toml"]).code(0);
    let text = fs::read_to_string(bench.home().join("hooks.toml")).unwrap();
    let keys: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| {
            let key = line.strip_prefix('#').unwrap_or_default();
            key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')
        })
        .map(|(index, _)| index)
        .collect();
    assert!(keys.len() > 100, "{text}");
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
                format!("{key}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let file = bench.write("all.toml", all);
    fits_the_schema(&file);
    for name in PROGRAMS.iter().chain(&["anypoint-estate"]) {
        bench
            .run(
                name,
                [
                    "config",
                    "--registry",
                    "--config",
                    crate::estate::text(&file),
                ],
            )
            .code(0);
    }
}

#[test]
fn what_cannot_be_found_out_is_a_comment_with_the_reason() {
    let mut bench = built(Bench::demo());
    // Containers of this host may mount registrations.
    bench.set("PATH", "/nowhere");
    init(&bench, &[]).code(0);
    let text = read(&bench);
    for reason in [
        "# Switched off: it is not set here, and there was no terminal to ask on.\n#client_id = ",
        "# The private spaces could not be asked for: ",
        "# The APIs could not be asked for: ",
        "# No registration was found on this host: ",
        "# Certificates of acme.sh were not looked for: no home of acme.sh was found.",
    ] {
        assert!(text.contains(reason), "{reason}\n{text}");
    }
    accepted_by_all(&bench, &bench.home().join(WRITTEN));
    assert!(bench.sim.requests().is_empty());
}

#[test]
fn a_file_that_is_there_is_left_alone_whichever_way_it_is_found() {
    let mut bench = built(Bench::demo());
    let user = bench.write(WRITTEN, "# mine\n");
    let home = bench.write("acme/anypoint-hooks.toml", "# mine, too\n");
    let other = bench.write("other.toml", "# mine as well\n");
    for args in [
        &[][..],
        &["other.toml"],
        &["--config", "other.toml"],
        &["--home", "acme"],
    ] {
        init(&bench, args).code(2).tells("is there already");
    }
    bench.set("ANYPOINT_HOOKS_CONFIG", text(&other));
    init(&bench, &[])
        .code(2)
        .tells("other.toml is there already");
    assert_eq!(fs::read_to_string(user).unwrap(), "# mine\n");
    assert_eq!(fs::read_to_string(home).unwrap(), "# mine, too\n");
    assert_eq!(fs::read_to_string(other).unwrap(), "# mine as well\n");
}

#[test]
fn a_file_that_is_named_need_not_be_there() {
    let mut bench = built(Bench::demo());
    init(&bench, &["--config", "named.toml"]).code(0);
    accepted_by_all(&bench, &bench.home().join("named.toml"));
    bench.set("ANYPOINT_HOOKS_CONFIG", "set.toml");
    init(&bench, &[]).code(0);
    assert!(bench.home().join("set.toml").is_file());
    fs::create_dir(bench.home().join("acme")).unwrap();
    bench.unset("ANYPOINT_HOOKS_CONFIG");
    init(&bench, &["--home", "acme"]).code(0);
    assert!(bench.home().join("acme/anypoint-hooks.toml").is_file());
    assert!(!bench.home().join(WRITTEN).exists());
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let bench = built(Bench::demo());
    init(&bench, &["nowhere/hooks.toml"])
        .code(2)
        .tells("nowhere/hooks.toml cannot be written");
    assert!(!bench.home().join("nowhere").exists());
}

#[test]
fn a_program_that_is_not_installed_is_left_out() {
    let estate = Estate::without_settings();
    for name in PROGRAMS {
        fs::remove_file(estate.bin().join(name)).unwrap();
    }
    let file = estate.bench.home().join("hooks.toml");
    let path = estate.bin().join("anypoint-estate");
    estate
        .bench
        .run_other(text(&path), ["init", text(&file)])
        .code(0);
    let written = fs::read_to_string(&file).unwrap();
    assert!(
        written.contains("flex-renew is not installed here"),
        "{written}"
    );
    assert!(written.contains("#notify_cmd = "), "{written}");
}

/// What a terminal shows while `answers` are typed into it.
fn on_a_terminal(bench: &Bench, args: &[&str], answers: &str) -> (Option<i32>, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let keyboard: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let screen = || {
        let path = Path::new(name.to_str().unwrap());
        fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    let mut child = bench
        .command("anypoint-estate", ["init"].iter().chain(args))
        .stdin(Stdio::from(screen()))
        .stderr(Stdio::from(screen()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut keyboard = fs::File::from(keyboard);
    keyboard.write_all(answers.as_bytes()).unwrap();
    let mut shown = Vec::new();
    let mut part = [0; 4096];
    // Reading fails once nobody has the other end any more.
    while let Ok(read) = keyboard.read(&mut part) {
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&part[..read]);
    }
    let code = child.wait().unwrap().code();
    (code, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn on_a_terminal_what_is_missing_is_asked_for_and_used_to_look_further() {
    let bench = built(Bench::demo());
    bench.write("secret", seed::CLIENT_SECRET);
    let answers = format!(
        "{}\nsecret\n{}\nSandbox\n\n\n\n",
        seed::CLIENT_ID,
        seed::ORGANIZATION_ID
    );
    let (code, shown) = on_a_terminal(&bench, &["hooks.toml"], &answers);
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.contains("Client id of the connected app at Anypoint"),
        "{shown}"
    );
    let file = bench.home().join("hooks.toml");
    let text = fs::read_to_string(&file).unwrap();
    let secret = format!(
        "client_secret_file = \"{}\"",
        bench.home().join("secret").display()
    );
    assert!(in_force(&text).contains(&secret.as_str()), "{text}");
    // With these the platform has answered.
    assert!(text.contains("Private space prod-space"), "{text}");
    assert!(
        text.contains(&format!("#api_instance = {}", seed::API_INSTANCE_ID)),
        "{text}"
    );
    assert!(
        text.contains("it is not set here, and was left out"),
        "{text}"
    );
    assert!(!text.contains(seed::CLIENT_SECRET), "{text}");
    accepted_by_all(&bench, &file);
}
