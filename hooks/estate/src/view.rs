//! One view of the whole estate: what every program has found, who tries what again and when, the most urgent first.

use std::cmp::Reverse;

use common::cli::monitoring::{Checked, Item, Kind, Severity, State};
use common::cli::{Invocation, Outcome, Report, table};
use common::error::Result;
use common::system::workers::side_by_side;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::child::{self, Failure};
use crate::parts::{Part, Program};
use crate::settings::EVERY;

/// Who renews certificates, once a day.
const ACME_SH: &str = "acme.sh";

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Less is not enough for somebody to do what no program did.
const LEAST_SLACK_HOURS: i64 = 24;

/// The same call, where acme.sh's usual home is meant if none was named and it is there. Every program gets that one.
///
/// # Errors
///
/// A source of settings cannot be read.
pub(crate) fn with_usual_home(call: &Invocation) -> Result<Invocation> {
    let usual = call.settings.with_usual_home()?;
    let is_there = usual.home().is_some_and(|home| home.config.is_dir());
    Ok(if call.settings.home().is_none() && !is_there {
        call.clone()
    } else {
        call.with_settings(usual)
    })
}

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct View {
    /// When it was looked at.
    pub(crate) checked_at: Timestamp,
    /// The most urgent first.
    pub(crate) rows: Vec<Row>,
    /// The programs whose check failed, in their order, so that not everything is known.
    #[serde(skip)]
    pub(crate) failures: Vec<(Part, Failure)>,
    /// How many programs were asked.
    #[serde(skip)]
    pub(crate) asked: usize,
}

/// One finding, as its program told it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// The program that found it.
    pub(crate) program: &'static str,
    #[serde(flatten)]
    pub(crate) item: Item,
    /// When it is renewed next without being asked; none where nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_try: Option<Timestamp>,
    /// Whole hours from then until it expires: how long the renewal may go on failing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) slack_hours: Option<i64>,
}

/// Asks every program, side by side. One that cannot answer is a row itself, and stops no other.
///
/// # Errors
///
/// A setting is wrong, or a program is missing.
pub(crate) fn look(call: &Invocation) -> Result<View> {
    let programs = child::programs(call)?;
    let tries = Tries {
        now: call.clock.now(),
        every: SignedDuration::try_from(call.settings.duration(&EVERY)?).unwrap_or_default(),
    };
    let answers = side_by_side(&programs, programs.len(), |program| {
        child::check(call, program)
    });
    let mut view = View {
        checked_at: tries.now,
        rows: Vec::new(),
        failures: Vec::new(),
        asked: programs.len(),
    };
    for (program, answer) in programs.iter().zip(answers) {
        view.add(program, answer?, &tries);
    }
    view.rows.sort_by_cached_key(Row::urgency);
    Ok(view)
}

impl View {
    fn add(&mut self, program: &Program, answer: child::Answer, tries: &Tries) {
        let part = program.part;
        let items = answer
            .checked
            .map_or_else(Vec::new, |checked| checked.items);
        let tells = items.iter().any(|item| item.state == State::Unknown);
        self.rows.extend(
            items
                .into_iter()
                .map(|item| Row::of(part.program(), item, tries)),
        );
        if let Some(failure) = answer.failure {
            if !tells {
                let mut item = Item::new(
                    Kind::Platform,
                    format!("{} check", part.program()),
                    State::Unknown,
                );
                item.detail = Some(failure.detail.clone());
                self.rows.push(Row::of(part.program(), item, tries));
            }
            self.failures.push((part, failure));
        }
    }

    /// The findings in the form that all checks have.
    pub(crate) fn checked(&self) -> Checked {
        let items = self.rows.iter().map(|row| row.item.clone()).collect();
        Checked::new("anypoint-estate", self.checked_at, items)
    }

    /// How the run ends: with what has expired, else with the failure of the first program whose check failed, else with
    /// what is to be done.
    pub(crate) fn conclude(&self, call: &Invocation) -> anyhow::Result<Outcome> {
        let outcome = self.checked().outcome();
        let Some((part, failure)) = self.failures.first() else {
            return Ok(outcome);
        };
        let failed = failure.error(format!(
            "{} of {} checks failed, that of {} first",
            self.failures.len(),
            self.asked,
            part.program()
        ));
        if outcome == Outcome::Expired {
            call.log.failure(&failed);
            return Ok(outcome);
        }
        Err(failed)
    }
}

impl Row {
    fn of(program: &'static str, mut item: Item, tries: &Tries) -> Self {
        let next_try = tries.of(&item);
        let slack_hours = item
            .not_after
            .zip(next_try)
            .map(|(until, next)| until.duration_since(next).as_hours());
        if let (State::Ok, Some(hours)) = (item.state, slack_hours)
            && hours < LEAST_SLACK_HOURS
        {
            item.state = State::Due;
            item.severity = State::Due.severity();
            item.detail = Some(format!(
                "the next renewal comes {} before it expires",
                match hours {
                    ..0 => "not".to_owned(),
                    hours => format!("only {hours} hours"),
                }
            ));
        }
        Self {
            program,
            item,
            next_try,
            slack_hours,
        }
    }

    /// What is worse comes first, and of what is equally bad that with the least time.
    fn urgency(&self) -> impl Ord + use<> {
        let item = &self.item;
        let hours = self
            .slack_hours
            .or(item.days_left.map(|days| days.saturating_mul(24)));
        (
            Reverse(item.severity == Severity::Critical),
            Reverse(item.severity == Severity::Warning),
            Reverse(item.severity == Severity::Unknown),
            hours.is_none(),
            hours,
            self.program,
            item.kind,
            item.name.clone(),
            item.at.values().cloned().collect::<Vec<_>>(),
        )
    }
}

/// When something is tried again without being asked.
#[derive(Debug, Clone, Copy)]
struct Tries {
    now: Timestamp,
    every: SignedDuration,
}

impl Tries {
    /// The first that comes once it is due; none for what nobody renews.
    fn of(&self, item: &Item) -> Option<Timestamp> {
        let every = match item.renewed_by.as_deref()? {
            ACME_SH => DAY,
            _ => self.every,
        };
        let due = item.renewal_due.map_or(self.now, |due| due.max(self.now));
        due.checked_add(every).ok()
    }
}

impl Report for View {
    fn text(&self) -> String {
        let head = [
            "STATE",
            "WHAT",
            "NAME",
            "WHERE",
            "DAYS",
            "SLACK",
            "RENEWED BY",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.rows.iter().map(Row::cells));
        let mut text = table(&rows);
        for row in self.rows.iter().filter(|row| row.item.state != State::Ok) {
            let item = &row.item;
            let said = [item.detail.as_deref(), item.advice.as_deref()];
            let said: Vec<&str> = said.into_iter().flatten().collect();
            if !said.is_empty() {
                text += &format!("\n{}: {}", item.name, said.join(". "));
            }
        }
        text
    }
}

impl Row {
    fn cells(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        let item = &self.item;
        let places: Vec<&str> = item.at.values().map(String::as_str).collect();
        [
            item.state.word().to_uppercase(),
            kind(item.kind).to_owned(),
            item.name.clone(),
            if places.is_empty() {
                dash()
            } else {
                places.join(", ")
            },
            item.days_left.map_or_else(dash, |days| days.to_string()),
            self.slack_hours.map_or_else(dash, slack),
            item.renewed_by.clone().unwrap_or_else(dash),
        ]
    }
}

/// Such as `12d` or `7h`.
fn slack(hours: i64) -> String {
    match hours / 24 {
        -1..=1 => format!("{hours}h"),
        days => format!("{days}d"),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::TlsContext => "TLS context",
        Kind::ServedCertificate => "served",
        Kind::Certificate => "certificate",
        Kind::Registration => "registration",
        Kind::Replica => "replica",
        Kind::Api => "API",
        Kind::ApiToken => "token",
        Kind::Zone => "zone",
        Kind::UnfinishedWork => "unfinished",
        Kind::Platform => "check",
    }
}
