//! Telling people what has changed: once when it happens, and at most once a day for what stays.

use std::collections::BTreeSet;

use common::cli::Invocation;
use common::cli::monitoring::{Item, Kind, State, counted};
use common::error::{Error, Result};
use common::secret::mask;
use common::system::process::{self, Program};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::settings::{NOTIFY_CMD, NOTIFY_TIMEOUT};
use crate::state::{Alarm, Subject, is_kept};
use crate::view::{View, in_one_line, place};

/// The version of the JSON form, which `common/schema/notification.schema.json` writes down.
const SCHEMA_VERSION: u32 = 1;

/// How long nobody is told again of what stays as it is.
const REMINDER: SignedDuration = SignedDuration::from_hours(24);

/// So many events are spelled out in the text; all are in the list.
const LONGEST_TEXT: usize = 30;

/// What has changed, and what is wrong now.
#[derive(Debug)]
pub(crate) struct News {
    events: Vec<Event>,
    /// To be remembered once people have been told.
    pub(crate) alarms: Vec<Alarm>,
}

/// One thing that people are told of.
#[derive(Debug, Clone, Serialize)]
struct Event {
    event: What,
    /// Whether they were told before, and nothing has changed.
    is_reminder: bool,
    /// Since when it is so, as far as runs have seen it.
    since: Timestamp,
    item: Item,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Due,
    Failed,
    Open,
    Recovered,
}

impl What {
    fn of(item: &Item) -> Option<Self> {
        Some(match (item.kind, item.state) {
            (_, State::Ok) => return None,
            (Kind::Run, _) | (_, State::Unknown | State::NotServed) => Self::Failed,
            (_, State::Open) => Self::Open,
            _ => Self::Due,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Failed => "failed",
            Self::Open => "open",
            Self::Recovered => "recovered",
        }
    }
}

impl Subject {
    fn of(item: &Item) -> Self {
        Self {
            program: item.program.clone().unwrap_or_default(),
            kind: item.kind,
            name: item.name.clone(),
            at: item.at.clone(),
        }
    }
}

impl News {
    /// Compares what is wrong now with what people were told. Of a program whose check failed, or that was not asked,
    /// nothing has recovered.
    pub(crate) fn of(view: &View, told: &[Alarm]) -> Self {
        let now = view.checked_at;
        let mut news = Self {
            events: Vec::new(),
            alarms: Vec::new(),
        };
        let mut seen = BTreeSet::new();
        for item in &view.items {
            let Some(what) = What::of(item) else { continue };
            let subject = Subject::of(item);
            if !seen.insert(subject.clone()) {
                continue;
            }
            let before = told.iter().find(|alarm| alarm.subject == subject);
            let same = before.filter(|alarm| alarm.state == item.state);
            let since = same.map_or(now, |alarm| alarm.since);
            let told = same.map(|alarm| alarm.told);
            let is_due = told.is_none_or(|told| now.duration_since(told) >= REMINDER);
            if is_due {
                news.events.push(Event {
                    event: what,
                    is_reminder: same.is_some(),
                    since,
                    item: item.clone(),
                });
            }
            news.alarms.push(Alarm {
                subject,
                state: item.state,
                since,
                told: told.filter(|_| !is_due).unwrap_or(now),
            });
        }
        for alarm in told.iter().filter(|alarm| !seen.contains(&alarm.subject)) {
            let program = alarm.subject.program.as_str();
            let is_asked = view.asked.contains(program);
            if is_asked && !view.failed.contains(program) {
                news.events.push(recovered(alarm, now));
            } else if is_asked || is_kept(alarm.told, now) {
                news.alarms.push(alarm.clone());
            }
        }
        news
    }

    /// Tells people, if there is anything to tell, and somebody has said how.
    ///
    /// # Errors
    ///
    /// The command failed, or did not end in time.
    pub(crate) fn send(&self, call: &Invocation, view: &View) -> Result<()> {
        let Some(command) = call.settings.text(&NOTIFY_CMD)? else {
            return Ok(());
        };
        if self.events.is_empty() {
            return Ok(());
        }
        let json = serde_json::to_string_pretty(&self.notification(view)).map_err(|err| {
            Error::config("the notification does not fit into JSON").caused_by(err)
        })?;
        let finished = Program::new("/bin/sh")
            .arg("-c")
            .arg(&command.value)
            .with_input(mask(&json).into_owned())
            .limit(call.settings.duration(&NOTIFY_TIMEOUT)?)
            .succeed()?;
        call.log.debug(format!(
            "{} events were handed to notify_cmd; it said: {}",
            self.events.len(),
            finished.last_words()
        ));
        Ok(())
    }

    fn notification(&self, view: &View) -> Notification<'_> {
        let host = process::host_name();
        let counts = [What::Open, What::Due, What::Failed, What::Recovered]
            .into_iter()
            .map(|what| {
                let events = self.events.iter().filter(|event| event.event == what);
                (events.count(), what.word())
            })
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect::<Vec<_>>()
            .join(", ");
        let subject = format!("anypoint-estate on {host}: {counts}");
        let mut lines = vec![subject.clone()];
        lines.extend(self.events.iter().take(LONGEST_TEXT).map(Event::line));
        if self.events.len() > LONGEST_TEXT {
            lines.push(format!("and {} more", self.events.len() - LONGEST_TEXT));
        }
        lines.push(format!("All in all: {}.", counted(&view.items)));
        Notification {
            schema_version: SCHEMA_VERSION,
            program: "anypoint-estate",
            version: env!("CARGO_PKG_VERSION"),
            host,
            checked_at: view.checked_at,
            subject,
            text: lines.join("\n"),
            events: &self.events,
        }
    }
}

fn recovered(alarm: &Alarm, now: Timestamp) -> Event {
    let subject = &alarm.subject;
    let mut item = Item::new(subject.kind, &subject.name, State::Ok);
    item.program = Some(subject.program.clone());
    item.at.clone_from(&subject.at);
    item.detail = Some(format!(
        "was {} since {}",
        alarm.state.word().replace('_', " "),
        alarm.since
    ));
    Event {
        event: What::Recovered,
        is_reminder: false,
        since: now,
        item,
    }
}

impl Event {
    /// Such as `OPEN api orders (environment Sandbox): no policy asks for credentials. Apply one.`
    fn line(&self) -> String {
        let item = &self.item;
        let word = match self.event {
            What::Recovered => "RECOVERED".to_owned(),
            _ => item.state.word().replace('_', " ").to_uppercase(),
        };
        let mut line = format!(
            "{word} {} {}",
            item.kind.word().replace('_', " "),
            item.name
        );
        if let Some(place) = place(item) {
            line += &format!(" ({place})");
        }
        if let Some(days) = item.days_left {
            line += &format!(", {days} days left");
        }
        let said: Vec<&str> = [item.detail.as_deref(), item.advice.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        if !said.is_empty() {
            line += &format!(": {}", said.join(". "));
        }
        if self.is_reminder {
            line += &format!(" (so since {})", self.since);
        }
        in_one_line(&line)
    }
}

/// What the command reads.
#[derive(Debug, Serialize)]
struct Notification<'a> {
    schema_version: u32,
    program: &'static str,
    version: &'static str,
    host: String,
    checked_at: Timestamp,
    /// For the head of a mail.
    subject: String,
    /// For people, in lines.
    text: String,
    events: &'a [Event],
}
