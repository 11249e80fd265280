//! Runs the simulator as a program.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use simulator::{Seed, Sim, SimConfig, seed};

/// Simulates Cloudflare (API and DNS), the Anypoint Platform and a CloudHub ingress on this machine.
///
/// Prints `NAME=value` lines and then `ready`, and runs until it gets a signal.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Address of the HTTPS port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Address of the DNS server, UDP and TCP
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    dns_listen: SocketAddr,
    /// Address of the ingress
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    ingress_listen: SocketAddr,
    /// A round trip, as `50ms` or `1s`: delays each answer once and each new connection twice
    #[arg(long, default_value = "0ms", value_parser = duration, value_name = "TIME")]
    latency: Duration,
    /// What the world contains at first, instead of the demonstration data
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Prints the demonstration data as a seed file, and ends
    #[arg(long)]
    print_seed: bool,
    /// Where to write `ca.pem` and `sim.env`
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Ends when standard input is closed
    #[arg(long)]
    until_eof: bool,
}

fn duration(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits
        .parse()
        .with_context(|| format!("{text} is not a time such as 50ms"))?;
    Ok(match &text[digits.len()..] {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => bail!("{text} is not a time such as 50ms"),
    })
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut out = std::io::stdout();
    if args.print_seed {
        serde_json::to_writer_pretty(&mut out, &Seed::demo())?;
        writeln!(out)?;
        return Ok(());
    }
    let own_seed = args.seed.is_some();
    let initial = match &args.seed {
        Some(path) => read_seed(path)?,
        None => Seed::demo(),
    };
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    let sim = Sim::start(SimConfig {
        listen: args.listen,
        dns_listen: args.dns_listen,
        ingress_listen: args.ingress_listen,
        latency: args.latency,
        connect_latency: args.latency * 2,
        dir: args.dir.clone(),
        seed: initial,
    })?;

    let description = describe(&sim, !own_seed);
    if let Some(dir) = &args.dir {
        let path = dir.join("sim.env");
        std::fs::write(&path, &description)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    write!(out, "{description}")?;
    writeln!(out, "ready")?;
    out.flush()?;

    if args.until_eof {
        std::io::copy(&mut std::io::stdin().by_ref(), &mut std::io::sink())?;
    } else {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn read_seed(path: &Path) -> Result<Seed> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

/// `NAME=value` lines that a shell can read; the names are those of the hooks' settings.
fn describe(sim: &Sim, demo: bool) -> String {
    let mut lines = vec![
        ("SIM_URL", sim.url().to_owned()),
        ("SIM_DNS", sim.dns_addr().to_string()),
        ("SIM_INGRESS", sim.ingress_addr().to_string()),
        ("CA_BUNDLE", sim.ca_pem_path().display().to_string()),
        ("CF_Api", sim.cloudflare_url()),
        ("ANYPOINT_URL", sim.url().to_owned()),
    ];
    if demo {
        let data = [
            ("CF_Token", seed::CF_TOKEN),
            ("CF_Email", seed::CF_EMAIL),
            ("CF_Key", seed::CF_KEY),
            ("CF_Account_ID", seed::CF_ACCOUNT_ID),
            ("CF_Zone_ID", seed::CF_ZONE_ID),
            ("ORGANIZATION_ID", seed::ORGANIZATION_ID),
            ("ENVIRONMENT_ID", seed::SANDBOX_ID),
            ("CH2_PRIVATE_SPACE_ID", seed::PRIVATE_SPACE_ID),
            ("ANYPOINT_CLIENT_ID", seed::CLIENT_ID),
            ("ANYPOINT_CLIENT_SECRET", seed::CLIENT_SECRET),
            ("ANYPOINT_USERNAME", seed::USERNAME),
            ("ANYPOINT_PASSWORD", seed::PASSWORD),
        ];
        lines.extend(data.map(|(name, value)| (name, value.to_owned())));
    }
    lines
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}
