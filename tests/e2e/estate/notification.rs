//! Telling people: once when something changes, and at most once a day for what stays.

use std::fs;

use fixtures::{assert_is_checked, root};
use serde_json::{Value, json};

use crate::estate::{Estate, in_hours, item, wrong};

/// Has each notification appended to a file, one a line.
fn notified_estate() -> Estate {
    let estate = Estate::new();
    notify_by(&estate, "tr -d '\\n' >>notified; echo >>notified");
    estate
}

fn notify_by(estate: &Estate, command: &str) {
    estate.bench.write(
        ".config/anypoint-hooks/config.toml",
        format!("[estate]\nnotify_timeout = \"5s\"\nnotify_cmd = '''{command}'''\n"),
    );
}

/// What was notified since the last time: the event and the name of each item.
fn notified(estate: &Estate) -> Vec<(String, String)> {
    let file = estate.bench.home().join("notified");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(file);
    text.lines()
        .flat_map(|line| {
            let notification: Value = serde_json::from_str(line).unwrap();
            assert_valid(&notification);
            notification["events"].as_array().unwrap().clone()
        })
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let reminder = if event["is_reminder"] == true {
                " again"
            } else {
                ""
            };
            (
                text(&event["event"]) + reminder,
                text(&event["item"]["name"]),
            )
        })
        .collect()
}

fn assert_valid(notification: &Value) {
    let path = root().join("common/schema/notification.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let errors: Vec<String> = validator
        .iter_errors(notification)
        .map(|err| err.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{notification:#}");
    // Its items are those of a check.
    let items: Vec<&Value> = notification["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["item"])
        .collect();
    assert_is_checked(&json!({
        "schema_version": 1,
        "program": notification["program"],
        "version": notification["version"],
        "checked_at": notification["checked_at"],
        "state": "ok",
        "items": items,
    }));
}

fn pairs(events: &[(&str, &str)]) -> Vec<(String, String)> {
    events
        .iter()
        .map(|(event, name)| ((*event).to_owned(), (*name).to_owned()))
        .collect()
}

#[test]
fn people_are_told_when_something_changes_and_not_again() {
    let estate = notified_estate();
    estate.run(["run"]).code(0);
    assert_eq!(notified(&estate), []);

    estate.finds(
        "cloudhub_v2",
        &[wrong("tls_context", "a", "due"), item("tls_context", "b")],
    );
    estate.finds("basic-auth-policy", &[wrong("api", "orders", "open")]);
    estate.finds("flex-renew", &[wrong("replica", "r", "unknown")]);
    estate.run(["run"]).code(10);
    assert_eq!(
        notified(&estate),
        pairs(&[("open", "orders"), ("due", "a"), ("failed", "r")])
    );
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), []);

    // From due to expired is a change, and so is from bad to good.
    estate.finds(
        "cloudhub_v2",
        &[
            wrong("tls_context", "a", "expired"),
            item("tls_context", "b"),
        ],
    );
    estate.finds("basic-auth-policy", &[item("api", "orders")]);
    estate.finds("flex-renew", &[]);
    estate.run(["run"]).code(11);
    let mut told = notified(&estate);
    told.sort();
    assert_eq!(
        told,
        pairs(&[("due", "a"), ("recovered", "orders"), ("recovered", "r")])
    );
    estate.run(["run"]).code(11);
    assert_eq!(notified(&estate), []);
}

#[test]
fn what_stays_is_told_again_after_a_day() {
    let estate = notified_estate();
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "due")]);
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), pairs(&[("due", "a")]));
    let since = estate.memory()["alarms"][0]["since"].clone();
    for (hours, expected) in [(-23, &[][..]), (-25, &[("due again", "a")])] {
        estate.change_memory(|memory| memory["alarms"][0]["told"] = in_hours(hours).into());
        estate.run(["run"]).code(10);
        assert_eq!(notified(&estate), pairs(expected), "{hours}");
    }
    assert_eq!(estate.memory()["alarms"][0]["since"], since);
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), []);
}

#[test]
fn the_same_name_in_two_places_is_two_things() {
    let estate = notified_estate();
    let at = |space: &str| {
        let mut item = wrong("tls_context", "a", "due");
        item["at"] = json!({"private_space": space});
        item
    };
    estate.finds("cloudhub_v2", &[at("one"), at("two")]);
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate).len(), 2);
    estate.finds("cloudhub_v2", &[at("two")]);
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), pairs(&[("recovered", "a")]));
}

#[test]
fn nothing_has_recovered_because_its_program_has_no_answer() {
    let estate = notified_estate();
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "due")]);
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), pairs(&[("due", "a")]));
    estate.prints("cloudhub_v2", "check", "");
    estate.ends("cloudhub_v2", "check", 6);
    estate.run(["run"]).code(6);
    assert_eq!(notified(&estate), pairs(&[("failed", "cloudhub_v2 check")]));
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "due")]);
    estate.run(["run"]).code(10);
    assert_eq!(
        notified(&estate),
        pairs(&[("recovered", "cloudhub_v2 check")])
    );
}

#[test]
fn what_one_run_leaves_out_has_not_recovered_and_what_all_leave_out_is_forgotten() {
    let estate = notified_estate();
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "due")]);
    estate.ends("flex-renew", "run", 6);
    estate.run(["run"]).code(6);
    let mut told = notified(&estate);
    told.sort();
    assert_eq!(told, pairs(&[("due", "a"), ("failed", "flex-renew run")]));
    let left_out = ["run", "--only", "dns_cf"];
    estate.run(left_out).code(10).prints("flex-renew run");
    estate.run(["run"]).code(6);
    assert_eq!(notified(&estate), []);

    estate.change_memory(|memory| {
        memory["failed_steps"]["flex-renew run"]["at"] = in_hours(-8 * 24).into();
        for alarm in memory["alarms"].as_array_mut().unwrap() {
            alarm["told"] = in_hours(-8 * 24).into();
        }
    });
    estate.run(left_out).code(0);
    assert_eq!(notified(&estate), pairs(&[("recovered", "flex-renew run")]));
    assert_eq!(estate.memory()["alarms"], json!([]));
}

#[test]
fn a_step_that_fails_is_told_and_its_recovery_too() {
    let estate = notified_estate();
    estate.ends("flex-renew", "run", 6);
    estate.run(["run"]).code(6);
    assert_eq!(notified(&estate), pairs(&[("failed", "flex-renew run")]));
    estate.works_again("flex-renew", "run");
    estate.run(["run"]).code(0);
    assert_eq!(notified(&estate), pairs(&[("recovered", "flex-renew run")]));
}

#[test]
fn a_notification_has_a_subject_and_a_text_for_people() {
    let estate = notified_estate();
    notify_by(&estate, "cat >notified");
    let mut open = wrong("api", "orders\u{1b}[2J", "open");
    open["at"] = json!({"environment": "Sandbox", "api_instance": "17"});
    let mut items = vec![open];
    items.extend((0..40).map(|number| wrong("tls_context", &format!("c{number}"), "due")));
    estate.finds("basic-auth-policy", &items);
    estate.run(["run"]).code(10);
    let text = fs::read_to_string(estate.bench.home().join("notified")).unwrap();
    let notification: Value = serde_json::from_str(&text).unwrap();
    assert_valid(&notification);
    let subject = notification["subject"].as_str().unwrap();
    assert!(
        subject.starts_with("anypoint-estate on ") && subject.ends_with(": 1 open, 40 due"),
        "{subject}"
    );
    let text = notification["text"].as_str().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], subject);
    assert_eq!(
        lines[1],
        "OPEN api orders\\u{1b}[2J (Sandbox, 17): orders\\u{1b}[2J is open. Look after orders\\u{1b}[2J."
    );
    assert_eq!(lines[lines.len() - 2], "and 11 more");
    assert_eq!(lines[lines.len() - 1], "All in all: 1 open, 40 due.");
    assert_eq!(notification["events"].as_array().unwrap().len(), 41);
}

#[test]
fn a_notifier_that_fails_or_hangs_changes_no_result_and_is_tried_again() {
    let estate = notified_estate();
    estate.finds("cloudhub_v2", &[wrong("tls_context", "a", "due")]);
    for (command, how) in [
        (
            "cat >/dev/null; echo no route to host >&2; exit 3",
            "ended with exit code 3: no route to host",
        ),
        ("exit 4", "ended with exit code 4"),
        ("while :; do sleep 1; done", "did not finish within 5s"),
        ("no-such-program", "ended with exit code 127"),
    ] {
        notify_by(&estate, command);
        estate
            .run(["run"])
            .code(10)
            .tells("telling people by notify_cmd: ")
            .tells(how);
    }
    notify_by(&estate, "tr -d '\\n' >>notified");
    estate.run(["run"]).code(10);
    assert_eq!(notified(&estate), pairs(&[("due", "a")]));

    // A recovery that nobody heard of is told again, too.
    estate.finds("cloudhub_v2", &[item("tls_context", "a")]);
    notify_by(&estate, "exit 1");
    estate.run(["run"]).code(0).tells("telling people");
    notify_by(&estate, "tr -d '\\n' >>notified");
    estate.run(["run"]).code(0);
    assert_eq!(notified(&estate), pairs(&[("recovered", "a")]));
}
