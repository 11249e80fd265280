//! Every command of the README, from the first to the last, in one shell; what it prints is what the README shows.
//!
//! Written anew by `GENERATE=1 cargo test -p tests --test e2e_readme -- --ignored`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::{AcmeSh, Pebble, program, root};
use simulator::registration::{Identity, Layout, compose, now};
use simulator::{Seed, Sim, SimConfig, seed};

use crate::blocks::{Block, Shown, blocks, with_commands};
use crate::readme;

/// The place that the README's reader is in: a home with an acme.sh, and the platforms.
struct Place {
    sim: Sim,
    pebble: Pebble,
    acme: AcmeSh,
    /// Programs that go before those of the system.
    first: PathBuf,
}

impl Place {
    fn new() -> Self {
        let sim = Sim::start(SimConfig {
            seed: Seed::demo(),
            ..SimConfig::default()
        })
        .unwrap();
        let pebble = Pebble::start(&sim);
        let acme = AcmeSh::without_hooks();
        let first = acme.folder().join("first");
        fs::create_dir(&first).unwrap();
        let place = Self {
            sim,
            pebble,
            acme,
            first,
        };
        let registration = compose(
            &Identity::default(),
            Layout::Pem,
            now() + 200 * 24 * 60 * 60,
        );
        fs::write(
            place.home().join("registration.yaml"),
            registration.unwrap().registration,
        )
        .unwrap();
        // Of the gateways and APIs in it, the README shows the form.
        let config = format!(
            "[anypoint]\nenvironment = \"Production\"\n\n[[flex.gateway]]\nname = \"edge\"\nfile = \"{}\"\n\n\
             [[basic_auth_policy.api]]\napi_instance = \"orders-api\"\nusername = \"svc\"\n",
            place.home().join("registration.yaml").display()
        );
        fs::write(place.acme.home().join("anypoint-hooks.toml"), config).unwrap();
        symlink(place.acme.home(), place.home().join(".acme.sh")).unwrap();
        symlink(root().join("scripts"), place.home().join("scripts")).unwrap();
        // A reader's system trusts the platforms, and the authority whose certificates it gets.
        let trusted =
            fs::read_to_string(place.sim.ca_pem_path()).unwrap() + &place.pebble.root_pem();
        fs::write(place.trusted(), trusted).unwrap();
        place.put_programs_first();
        place
    }

    fn trusted(&self) -> PathBuf {
        self.acme.folder().join("trusted.pem")
    }

    /// `HOME`, where the commands run.
    fn home(&self) -> PathBuf {
        self.acme.folder().join("user")
    }

    /// What has to be told here and not by its reader: the ACME server, where the ingress is, and what is built already.
    fn put_programs_first(&self) {
        let acme = self.acme.home().display();
        let server = self.pebble.directory();
        let ingress = self.sim.ingress_addr();
        let scripts = [
            (
                "acme.sh",
                format!(
                    "PATH=${{PATH#*:}}; exec sh {acme}/acme.sh --home {acme} --server {server} --dnssleep 1 \"$@\""
                ),
            ),
            (
                "curl",
                format!(
                    "PATH=${{PATH#*:}}; exec curl --connect-to ::{ingress} --cacert \"$CA_BUNDLE\" \"$@\""
                ),
            ),
        ];
        for (name, text) in scripts {
            let path = self.first.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let bin = self.acme.folder().join("bin");
        let tools = self.acme.folder().join("tools");
        let path = std::env::var("PATH").unwrap();
        let ingress = self.sim.ingress_addr().to_string();
        [
            ("HOME", text(&self.home())),
            (
                "PATH",
                format!(
                    "{}:{}:{}:{path}",
                    text(&self.first),
                    text(&bin),
                    text(&tools)
                ),
            ),
            ("CA_BUNDLE", text(&self.trusted())),
            ("CF_Api", self.sim.cloudflare_url()),
            ("ANYPOINT_URL", self.sim.url().to_owned()),
            ("CH2_VERIFY_CONNECT", ingress.clone()),
            ("CH2_VERIFY_RESOLVER", self.sim.dns_addr().to_string()),
        ]
        .into()
    }

    /// What the README leaves to its reader: `NAME=…`.
    fn filled_in(&self, command: &str) -> String {
        let values = [
            ("CF_Token", seed::CF_TOKEN),
            ("CH2_CLIENT_ID", seed::CLIENT_ID),
            ("CH2_CLIENT_SECRET", seed::CLIENT_SECRET),
            ("ANYPOINT_CLIENT_ID", seed::CLIENT_ID),
            ("ANYPOINT_CLIENT_SECRET", seed::CLIENT_SECRET),
            ("ORGANIZATION_ID", seed::ORGANIZATION_ID),
            ("CH2_PRIVATE_SPACE_ID", seed::PRIVATE_SPACE_ID),
        ];
        let mut filled = command.to_owned();
        for (name, value) in values {
            filled = filled.replace(&format!("{name}=…"), &format!("{name}='{value}'"));
        }
        assert!(!filled.contains('…'), "nothing to fill in: {command}");
        filled
    }

    /// The command as it is run here: of what builds or installs, nothing outside of this place is touched.
    fn here(&self, command: &str) -> Option<String> {
        let ingress = self.sim.ingress_addr();
        match command {
            // Run by the tests of the scripts, and by whoever reads this.
            "scripts/demo.sh" | "scripts/test.sh" => None,
            "scripts/install.sh" => {
                let built = program("dns_cf");
                for name in [
                    "cloudhub_v2",
                    "flex-renew",
                    "basic-auth-policy",
                    "anypoint-estate",
                ] {
                    program(name);
                }
                Some(format!(
                    "scripts/install.sh --from {} --bin-dir {}",
                    built.parent().unwrap().display(),
                    self.acme.folder().join("bin").display()
                ))
            }
            command => {
                let here = match command.split_whitespace().next() {
                    // Nobody is there to be asked, and DNS leads to port 443, which is not the simulator's.
                    Some("scripts/vanity-api.sh") => format!(" --yes --verify-connect {ingress}"),
                    Some("basic-auth-policy") if command.contains(" verify ") => {
                        format!(" --connect {ingress}")
                    }
                    _ => String::new(),
                };
                Some(self.filled_in(command) + &here)
            }
        }
    }

    /// The text as a reader with a usual home would see it, columns included.
    fn without_places(&self, text: &str) -> String {
        let places = [(self.acme.home(), "~/.acme.sh"), (&self.home(), "~")];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (place, shown) in places {
            let place = place.to_str().unwrap();
            for line in &mut lines {
                let Some((head, tail)) = line.split_once(place) else {
                    continue;
                };
                let column = tail.find("  ").map(|at| tail.split_at(at));
                let gap = " ".repeat(place.len() - shown.len());
                *line = match column {
                    Some((word, rest)) => format!("{head}{shown}{word}{gap}{rest}"),
                    None => format!("{head}{shown}{tail}"),
                };
            }
        }
        lines.join("\n")
    }

    /// Runs the commands in one shell, and returns what each printed. Each has to end with 0.
    fn run(&self, commands: &[Shown]) -> Vec<Shown> {
        let results = self.acme.folder().join("results");
        fs::create_dir(&results).unwrap();
        let mut script = String::new();
        let file = |kind: &str, number: usize| results.join(format!("{kind}.{number}"));
        for (number, one) in commands.iter().enumerate() {
            if let Some(command) = self.here(&one.command) {
                script.push_str(&format!(
                    "{{ {command}\n}} >{} 2>&1 || {{ echo $? >{}; exit 1; }}\n",
                    file("out", number).display(),
                    file("code", number).display()
                ));
            }
        }
        let status = Command::new("sh")
            .args(["-c", &script])
            .env_clear()
            .envs(self.environment())
            .current_dir(self.home())
            .stdin(Stdio::null())
            .status()
            .unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        for (number, one) in commands.iter().enumerate() {
            let code = read(file("code", number));
            assert!(
                code.is_empty(),
                "{} ends with {code}{}",
                one.command,
                read(file("out", number))
            );
        }
        assert!(status.success(), "{status}");
        (0..commands.len())
            .map(|number| Shown {
                command: commands[number].command.clone(),
                output: self.without_places(read(file("out", number)).trim_end()),
            })
            .collect()
    }
}

/// The text without what differs from run to run: numbers, dates, ids, and the width of columns.
fn alike(text: &str) -> String {
    let mut alike = String::new();
    for word in text.split_whitespace() {
        let is_id = word.len() >= 16 && word.chars().filter(char::is_ascii_hexdigit).count() >= 16;
        let word: String = match is_id {
            true => "ID".to_owned(),
            false => word.chars().filter(|c| !c.is_ascii_digit()).collect(),
        };
        alike.push_str(&word);
        alike.push(' ');
    }
    alike
}

#[test]
#[ignore = "needs acme.sh and pebble: cargo test -p tests --test e2e_readme -- --ignored"]
fn every_command_does_what_the_readme_shows() {
    let place = Place::new();
    let text = readme();
    let all = blocks(&text);
    let commands: Vec<(bool, Shown)> = all
        .iter()
        .flat_map(|block| {
            let is_shown = block.language == "console";
            Block::commands(block)
                .into_iter()
                .map(move |one| (is_shown, one))
        })
        .collect();
    let (shown, commands): (Vec<bool>, Vec<Shown>) = commands.into_iter().unzip();
    let ran = place.run(&commands);
    let ran: Vec<Shown> = ran
        .into_iter()
        .zip(&shown)
        .filter_map(|(one, shown)| shown.then_some(one))
        .collect();
    if std::env::var_os("GENERATE").is_some() {
        fs::write(root().join("README.md"), with_commands(&text, &ran)).unwrap();
        return;
    }
    let written = commands
        .iter()
        .zip(&shown)
        .filter_map(|(one, shown)| shown.then_some(one));
    for (written, ran) in written.zip(&ran) {
        assert_eq!(
            alike(&written.output),
            alike(&ran.output),
            "{} prints:\n{}",
            written.command,
            ran.output
        );
    }
}
