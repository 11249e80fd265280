//! A machine on which stand-ins for the four programs lie beside `anypoint-estate`: each answers what a test has said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::{Bench, Finished, program};
use serde_json::{Value, json};
use simulator::SimConfig;

pub(crate) const PROGRAMS: [&str; 4] = ["cloudhub_v2", "flex-renew", "basic-auth-policy", "dns_cf"];

/// Writes down how it was called, and with what environment, then does what `NAME.COMMAND.sh` beside it says, or answers
/// with `NAME.COMMAND.out` and the exit code in `NAME.COMMAND.code`.
const STAND_IN: &str = r#"#!/bin/sh
here=${0%/*}
me=${0##*/}
env >"$here/$me.env"
printf '%s\n' "$me $*" >>"$here/calls"
if [ -f "$here/$me.$1.sh" ]; then . "$here/$me.$1.sh"; fi
if [ -f "$here/$me.$1.err" ]; then cat "$here/$me.$1.err" >&2; fi
if [ -f "$here/$me.$1.out" ]; then cat "$here/$me.$1.out"; fi
if [ -f "$here/$me.$1.code" ]; then exit "$(cat "$here/$me.$1.code")"; fi
"#;

const LAY_OUT: &str = r#"
bin=$1 estate=$2 stand_in=$3
shift 3
mkdir "$bin"
cp "$estate" "$bin/"
for name do
  cp "$stand_in" "$bin/$name"
  chmod 755 "$bin/$name"
done
"#;

pub(crate) struct Estate {
    pub(crate) bench: Bench,
}

impl Estate {
    /// All four are set up, and have nothing to tell.
    pub(crate) fn new() -> Self {
        let mut estate = Self::without_settings();
        estate
            .bench
            .set("CH2_PRIVATE_SPACE_ID", "prod")
            .set("FLEX_RUNTIME", "linux")
            .set("ANYPOINT_ENV", "Sandbox")
            .set("API_INSTANCE_ID", "1")
            .set_secret("CF_Token", "canary-cf-token-1");
        estate.bench.write(".acme.sh/account.conf", "");
        estate
    }

    /// The programs are there, and nothing is set up for them.
    pub(crate) fn without_settings() -> Self {
        let estate = Self {
            bench: Bench::with(SimConfig::default()),
        };
        let stand_in = estate.bench.write("stand-in", STAND_IN);
        // By another program: one that this process has open for writing cannot be run while another test starts a child.
        let copied = Command::new("sh")
            .args(["-ec", LAY_OUT, "sh"])
            .arg(estate.bin())
            .arg(program("anypoint-estate"))
            .arg(stand_in)
            .args(PROGRAMS)
            .status()
            .unwrap();
        assert!(copied.success());
        for name in PROGRAMS {
            estate.finds(name, &[]);
        }
        estate
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.bench.home().join("bin")
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.bin().join(name), content).unwrap();
    }

    /// Has the check of a program find these.
    pub(crate) fn finds(&self, program: &str, items: &[Value]) {
        let checked = json!({
            "schema_version": 1,
            "program": program,
            "version": env!("CARGO_PKG_VERSION"),
            "checked_at": "2026-11-25T10:00:00Z",
            "state": "ok",
            "items": items,
        });
        let gravest = |state: &str| items.iter().any(|item| item["state"] == state);
        let code = match (
            gravest("expired"),
            items.iter().all(|item| item["state"] == "ok"),
        ) {
            (true, _) => 11,
            (false, true) => 0,
            (false, false) => 10,
        };
        self.write(&format!("{program}.check.out"), &checked.to_string());
        self.ends(program, "check", code);
    }

    /// Has a command of a program end with this code.
    pub(crate) fn ends(&self, program: &str, command: &str, code: u8) {
        self.write(&format!("{program}.{command}.code"), &code.to_string());
    }

    /// Has a command of a program print this.
    pub(crate) fn prints(&self, program: &str, command: &str, text: &str) {
        self.write(&format!("{program}.{command}.out"), text);
    }

    /// Has a command of a program tell this on standard error.
    pub(crate) fn tells(&self, program: &str, command: &str, text: &str) {
        self.write(&format!("{program}.{command}.err"), text);
    }

    /// Has a command of a program do this, before anything else.
    pub(crate) fn does(&self, program: &str, command: &str, script: &str) {
        self.write(&format!("{program}.{command}.sh"), script);
    }

    /// Has a command of a program work again.
    pub(crate) fn works_again(&self, program: &str, command: &str) {
        for kind in ["sh", "err", "code"] {
            let _ = fs::remove_file(self.bin().join(format!("{program}.{command}.{kind}")));
        }
    }

    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Finished {
        let path = self.bin().join("anypoint-estate");
        self.bench.run_other(path.to_str().unwrap(), args)
    }

    /// It as a command that has not been started.
    pub(crate) fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        self.bench
            .command_of(&self.bin().join("anypoint-estate"), args)
    }

    /// How the programs were called, in the order of their names, since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.bin().join("calls");
        let text = fs::read_to_string(&calls).unwrap_or_default();
        let _ = fs::remove_file(calls);
        let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }

    /// The environment that a program was called with.
    pub(crate) fn environment(&self, program: &str) -> String {
        fs::read_to_string(self.bin().join(format!("{program}.env"))).unwrap()
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.bench
            .home()
            .join(".local/state/anypoint-hooks/estate.json")
    }

    /// What is remembered of the only estate.
    pub(crate) fn memory(&self) -> Value {
        let state: Value =
            serde_json::from_str(&fs::read_to_string(self.state_file()).unwrap()).unwrap();
        state["estates"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap()
            .clone()
    }

    /// Changes what is remembered of the only estate.
    pub(crate) fn change_memory(&self, change: impl FnOnce(&mut Value)) {
        let mut state: Value =
            serde_json::from_str(&fs::read_to_string(self.state_file()).unwrap()).unwrap();
        let estates = state["estates"].as_object_mut().unwrap();
        change(estates.values_mut().next().unwrap());
        fs::write(self.state_file(), state.to_string()).unwrap();
    }
}

/// Something that is well.
pub(crate) fn item(kind: &str, name: &str) -> Value {
    json!({"kind": kind, "name": name, "at": {}, "state": "ok", "severity": "ok"})
}

/// Something that is not.
pub(crate) fn wrong(kind: &str, name: &str, state: &str) -> Value {
    let severity = match state {
        "expired" | "open" | "not_served" => "critical",
        "unknown" => "unknown",
        _ => "warning",
    };
    json!({
        "kind": kind, "name": name, "at": {}, "state": state, "severity": severity,
        "detail": format!("{name} is {state}"), "advice": format!("Look after {name}."),
    })
}

/// So many hours from now, as the programs write it.
pub(crate) fn in_hours(hours: i64) -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours)).to_string()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
