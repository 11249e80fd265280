//! The notifiers that the README shows, as it shows them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fixtures::root;
use serde_json::Value;
use simulator::Fault;
use simulator::faults::Action;

use crate::estate::{Estate, item, text, wrong};

/// A name that breaks out of what it is put into without care.
const NAME: &str = "it's $(touch harmed) \"`touch harmed`\" \\ & <b>";

/// The only one of the README's `notify_cmd` lines that has this in it, which is shown as a comment or not.
fn line_with(text: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lines: Vec<&str> = readme
        .lines()
        .map(|line| line.trim_start_matches("# "))
        .filter(|line| line.starts_with("notify_cmd = ") && line.contains(text))
        .collect();
    match lines[..] {
        [line] => line.to_owned(),
        _ => panic!("{text}: {lines:?}"),
    }
}

/// An estate that tells people as that line of the README says, where an API is open and where the chat of the README is
/// this simulator.
fn telling(by: &str) -> Estate {
    let mut estate = Estate::new();
    let config = format!("[estate]\n{}\n", line_with(by));
    estate
        .bench
        .write(".config/anypoint-hooks/config.toml", config);
    // Its certificate is for localhost.
    let chat = estate.bench.sim.url().strip_prefix("https://").unwrap();
    let curl = format!("insecure\nconnect-to = \"::{chat}\"\n");
    estate.bench.write(".curlrc", curl);
    let tools = estate.bench.home().join("tools");
    fs::create_dir(&tools).unwrap();
    let path = std::env::var("PATH").unwrap();
    estate.bench.set("PATH", format!("{}:{path}", text(&tools)));
    estate.finds("basic-auth-policy", &[wrong("api", NAME, "open")]);
    estate
}

/// What the simulator answers to whatever the chat gets.
fn answered(estate: &Estate, status: u16) {
    estate.bench.sim.faults().clear();
    let answer = Action::Answer {
        status,
        headers: Vec::new(),
        body: "ok".to_owned(),
    };
    estate.bench.fault(Fault::on("POST", "*", answer).always());
}

/// The body of the only request to the chat, which has to be to this path.
fn posted(estate: &Estate, path: &str) -> Value {
    let requests = estate.bench.sim.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let host = requests[0].header("host");
    assert_eq!(host, Some("chat.acme.example"), "{requests:?}");
    assert_eq!(requests[0].path, path);
    let kind = requests[0].header("content-type");
    assert_eq!(kind, Some("application/json"), "{requests:?}");
    serde_json::from_str(&requests[0].body).unwrap()
}

fn assert_harmless(estate: &Estate) {
    assert!(!estate.bench.home().join("harmed").exists());
}

/// A notifier that fails, and the same once more when it works.
fn is_tried_again(estate: &Estate, mend: impl FnOnce()) {
    estate
        .run(["run"])
        .code(10)
        .tells("telling people by notify_cmd: ");
    mend();
    estate.run(["run"]).code(10).never_shows("telling people");
}

#[test]
#[ignore = "needs jq: scripts/test.sh"]
fn a_mail_has_the_text_and_goes_to_whom_the_readme_names() {
    let estate = telling("| mail ");
    let mail = estate.bench.write(
        "tools/mail",
        "#!/bin/sh\nfor part do printf '[%s]' \"$part\"; done >mailed.args\ncat >mailed\n",
    );
    fs::set_permissions(mail, fs::Permissions::from_mode(0o755)).unwrap();
    estate.run(["run"]).code(10).never_shows("telling people");
    let read = |name: &str| fs::read_to_string(estate.bench.home().join(name)).unwrap();
    assert_eq!(
        read("mailed.args"),
        "[-s][Anypoint estate][ops@acme.example]"
    );
    let mailed = read("mailed");
    let lines: Vec<&str> = mailed.lines().collect();
    assert!(lines[0].ends_with(": 1 open"), "{mailed}");
    assert!(
        lines[1].starts_with("OPEN api it's $(touch harmed) \"`"),
        "{mailed}"
    );
    assert_eq!(lines[2], "All in all: 1 open.");
    assert_harmless(&estate);
}

#[test]
#[ignore = "needs jq: scripts/test.sh"]
fn a_web_hook_gets_the_text_as_json_and_its_refusal_is_told() {
    let estate = telling("| curl ");
    answered(&estate, 410);
    is_tried_again(&estate, || {
        estate.bench.sim.clear_log();
        answered(&estate, 200);
    });
    let posted = posted(&estate, "/hook");
    assert_eq!(posted.as_object().unwrap().len(), 1);
    let text = posted["text"].as_str().unwrap();
    assert!(text.contains("\nOPEN api it's $(touch harmed)"), "{text}");
    assert_harmless(&estate);

    // Nothing has changed, and then it has.
    estate.run(["run"]).code(10);
    assert_eq!(estate.bench.sim.requests().len(), 1);
    estate.finds("basic-auth-policy", &[item("api", NAME)]);
    estate.run(["run"]).code(0);
    let last = estate.bench.sim.requests().pop().unwrap().body;
    assert!(last.contains(": 1 recovered"), "{last}");
}

mod needs_acme_sh {
    use std::process::Command;

    use fixtures::AcmeSh;

    use super::*;

    #[test]
    #[ignore = "needs acme.sh and jq: scripts/test.sh"]
    fn a_notify_hook_of_acme_sh_sends_by_what_acme_sh_has_saved() {
        let estate = telling("_send_notify");
        // acme.sh itself puts a backslash into JSON as it is.
        let name = NAME.replace('\\', "");
        estate.finds("basic-auth-policy", &[wrong("api", &name, "open")]);
        let acme = AcmeSh::without_hooks();
        let copied = Command::new("cp")
            .arg("-R")
            .arg(acme.home().join("."))
            .arg(estate.bench.home().join(".acme.sh"))
            .status()
            .unwrap();
        assert!(copied.success());
        let conf = "SAVED_TEAMS_WEBHOOK_URL='https://chat.acme.example/teams'\n";
        estate.bench.write(".acme.sh/account.conf", conf);
        answered(&estate, 200);
        estate.run(["run"]).code(10).never_shows("telling people");
        let posted = posted(&estate, "/teams");
        let parts = &posted["attachments"][0]["content"]["body"];
        let subject = parts[0]["text"].as_str().unwrap();
        assert!(subject.contains(": 1 open by "), "{posted:#}");
        assert_eq!(parts[0]["color"], "Attention");
        let text = parts[1]["text"].as_str().unwrap();
        assert!(text.contains("OPEN api it's $(touch harmed)"), "{posted:#}");
        assert_harmless(&estate);
    }

    #[test]
    #[ignore = "needs acme.sh and jq: scripts/test.sh"]
    fn a_notify_hook_of_acme_sh_that_fails_is_told() {
        let estate = telling("_send_notify");
        is_tried_again(&estate, || {
            let acme = "#!/bin/sh\nprintf '[%s]' \"$@\" >sent\n";
            let acme = estate.bench.write(".acme.sh/acme.sh", acme);
            fs::set_permissions(acme, fs::Permissions::from_mode(0o755)).unwrap();
        });
        let sent = fs::read_to_string(estate.bench.home().join(".acme.sh/sent")).unwrap();
        assert!(sent.starts_with("[_send_notify][anypoint-estate on "));
        assert!(sent.ends_with("][teams][1]"), "{sent}");
    }
}
