//! What `anypoint-estate` tells people through `notify_cmd`, and what they therefore hold to be wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::alarm::Alarm;
use crate::program::Program;

/// The time between two nights of the crontab varies by what a run takes.
const ABOUT_A_DAY: u64 = 23;

/// What an event is about: program, kind, name and place.
type Subject = [String; 4];

/// The people, who remember what they were told.
#[derive(Debug)]
pub(crate) struct People {
    mailbox: PathBuf,
    standing: BTreeMap<Subject, Told>,
    /// Notifications so far.
    pub(crate) notified: u32,
    /// Those that said that something has recovered.
    pub(crate) recovered: u32,
}

#[derive(Debug)]
struct Told {
    at: u64,
    state: String,
    text: String,
}

impl People {
    /// They read what `notify_cmd` appends to this file, a notification in a line.
    pub(crate) fn who_read(mailbox: PathBuf) -> Self {
        Self {
            mailbox,
            standing: BTreeMap::new(),
            notified: 0,
            recovered: 0,
        }
    }

    /// Reads what has come at this hour, and returns what is wrong as far as they know. What a run could not write down
    /// (`forgetful`) it tells once more, and does not know to have recovered.
    ///
    /// # Panics
    ///
    /// They were told twice in a day of what has stayed as it is, or that something has recovered of which they never
    /// heard.
    pub(crate) fn hear(&mut self, hour: u64, forgetful: bool) -> Vec<Alarm> {
        let text = fs::read_to_string(&self.mailbox).unwrap_or_default();
        let _ = fs::remove_file(&self.mailbox);
        assert!(text.lines().count() <= 1, "hour {hour}: {text}");
        let mut once = Vec::new();
        for line in text.lines() {
            self.notified += 1;
            let notification: Value = serde_json::from_str(line).unwrap();
            for event in notification["events"].as_array().unwrap() {
                let item = &event["item"];
                let subject = ["program", "kind", "name", "at"].map(|key| match &item[key] {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                if event["event"] == "recovered" {
                    self.recovered += 1;
                    let known = self.standing.remove(&subject);
                    assert!(known.is_some() || forgetful, "hour {hour}: {event}");
                    continue;
                }
                let told = Told {
                    at: hour,
                    state: item["state"].as_str().unwrap().to_owned(),
                    text: format!("hour {hour}: anypoint-estate tells: {event}"),
                };
                if forgetful {
                    once.push(alarm(&subject, &told, hour));
                    continue;
                }
                if let Some(before) = self.standing.get(&subject) {
                    let is_news = before.state != told.state;
                    assert!(
                        is_news || hour >= before.at + ABOUT_A_DAY,
                        "hour {hour}: told twice in a day: {event}"
                    );
                }
                self.standing.insert(subject, told);
            }
        }
        let standing = self.standing.iter();
        once.extend(standing.map(|(subject, told)| alarm(subject, told, hour)));
        once
    }
}

fn alarm(subject: &Subject, told: &Told, at: u64) -> Alarm {
    let [program, _, name, _] = subject;
    // Of its own runs it tells whose step has failed.
    let whose = match Program::named(program) {
        Program::Estate => name.split(' ').next().unwrap(),
        _ => program,
    };
    Alarm {
        at,
        program: Some(Program::named(whose)),
        text: told.text.clone(),
    }
}
