//! One view of the whole estate: what every program has found, who tries what again and when, the most urgent first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use common::cli::monitoring::{Item, Kind, Severity, State};
use common::cli::{Invocation, Outcome, table};
use common::error::Result;
use common::log::printable;
use common::system::process;
use common::system::workers::side_by_side;
use jiff::{SignedDuration, Timestamp};

use crate::child::{self, Failure};
use crate::parts::Program;
use crate::settings::EVERY;
use crate::state::{Memory, Store};

/// This program.
const OWN: &str = "anypoint-estate";

/// Who renews certificates, once a day.
const ACME_SH: &str = "acme.sh";

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Less is not enough for somebody to do what no program did.
const LEAST_SLACK_HOURS: i64 = 24;

/// After so many that did not succeed, somebody has to look.
const RUNS_THAT_MAY_FAIL: i32 = 3;

/// Everything that was found.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// When it was looked at.
    pub(crate) checked_at: Timestamp,
    /// The most urgent first.
    pub(crate) items: Vec<Item>,
    /// The steps, then the checks, that failed, in the order of the programs.
    pub(crate) failures: Vec<Failure>,
    /// The programs that were asked, and this one, which knows of its own runs.
    pub(crate) asked: BTreeSet<&'static str>,
    /// Those whose check failed.
    pub(crate) failed: BTreeSet<&'static str>,
    /// How many steps and checks there were.
    tried: usize,
}

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

/// Everything that is set up here, and what is known of the last runs.
///
/// # Errors
///
/// A setting is wrong, or a program is missing.
pub(crate) fn look(call: &Invocation) -> Result<View> {
    let memory = Store::of(call).map(|store| store.peek());
    let mut view = ask(call, &child::programs(call)?)?;
    view.add_runs(&memory.unwrap_or_default(), call.settings.duration(&EVERY)?);
    Ok(view)
}

/// Asks these programs, side by side. One that cannot answer is an item itself, and stops no other.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn ask(call: &Invocation, programs: &[Program]) -> Result<View> {
    let now = call.clock.now();
    let tries = Tries {
        now,
        every: call.settings.duration(&EVERY)?.try_into().unwrap_or(DAY),
    };
    let answers = side_by_side(programs, programs.len(), |program| {
        child::check(call, program)
    });
    let mut view = View {
        checked_at: now,
        items: Vec::new(),
        failures: Vec::new(),
        asked: BTreeSet::from([OWN]),
        failed: BTreeSet::new(),
        tried: programs.len(),
    };
    for (program, answer) in programs.iter().zip(answers) {
        view.add(program.part.program(), answer?, &tries);
    }
    view.sort();
    Ok(view)
}

impl View {
    fn add(&mut self, program: &'static str, answer: child::Answer, tries: &Tries) {
        self.asked.insert(program);
        let mut items = answer
            .checked
            .map_or_else(Vec::new, |checked| checked.items);
        if let Some(failure) = answer.failure {
            let tells = items.iter().any(|item| item.state == State::Unknown);
            if !tells {
                let mut item = Item::new(Kind::Platform, &failure.command, State::Unknown);
                item.detail = Some(failure.detail.clone());
                items.push(item);
            }
            self.failed.insert(program);
            self.failures.push(failure);
        }
        for item in &mut items {
            item.program = Some(program.to_owned());
            tries.judge(item);
        }
        self.items.append(&mut items);
    }

    /// Adds what went wrong in the runs that are to happen regularly: the last one's steps that failed, and that none has
    /// succeeded for too long. Where there was none, nobody has set them up.
    pub(crate) fn add_runs(&mut self, memory: &Memory, every: Duration) {
        let every = SignedDuration::try_from(every).unwrap_or(DAY);
        let mut runs: Vec<Item> = memory
            .failed_steps
            .iter()
            .map(|(command, failed)| {
                let mut item = Item::new(Kind::Run, command, State::Unfinished);
                item.detail = Some(format!(
                    "its last run failed with exit code {}: {}",
                    failed.exit_code, failed.detail
                ));
                item
            })
            .collect();
        if let Some(since) = memory.last_success.or(memory.first_run)
            && self.checked_at.duration_since(since) > every * RUNS_THAT_MAY_FAIL
        {
            runs.push(stalled(memory, since));
        }
        let host = process::host_name();
        for item in &mut runs {
            item.program = Some(OWN.to_owned());
            item.at.insert("host".to_owned(), host.clone());
        }
        self.items.append(&mut runs);
        self.sort();
    }

    fn sort(&mut self) {
        self.items.sort_by_cached_key(urgency);
    }

    /// Puts the steps that were done before in front of the checks.
    pub(crate) fn begin_with(&mut self, steps: &[std::result::Result<String, Failure>]) {
        let failed = steps.iter().filter_map(|step| step.as_ref().err().cloned());
        self.failures.splice(0..0, failed);
        self.tried += steps.len();
    }

    /// Leaves the findings to be shown, with `text` for people, and says how the run ends: with the first failure, else
    /// with the gravest finding. They may be many, so they are handed over rather than copied.
    pub(crate) fn conclude(self, call: &Invocation, text: &str) -> anyhow::Result<Outcome> {
        let outcome = call.found(self.checked_at, self.items, text);
        match self.failures.first() {
            None => Ok(outcome),
            Some(first) => Err(first.error(format!(
                "{} of {} calls failed, {} first",
                self.failures.len(),
                self.tried,
                first.command
            ))),
        }
    }

    /// These findings as a table, and below it what speaks for each and what to do.
    pub(crate) fn table<'a>(&'a self, shown: impl Fn(&&'a Item) -> bool) -> String {
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
        let items: Vec<&Item> = self.items.iter().filter(shown).collect();
        if items.is_empty() {
            return String::new();
        }
        rows.extend(items.iter().map(|item| cells(item)));
        let mut text = table(&rows);
        for item in items {
            let said = [item.detail.as_deref(), item.advice.as_deref()];
            let said: Vec<&str> = said.into_iter().flatten().collect();
            if item.state != State::Ok && !said.is_empty() {
                text += "\n";
                text += &in_one_line(&format!("{}: {}", item.name, said.join(". ")));
            }
        }
        text
    }
}

fn stalled(memory: &Memory, since: Timestamp) -> Item {
    let mut item = Item::new(Kind::Run, "anypoint-estate run", State::Due);
    let last = match (memory.last_run, memory.last_exit_code) {
        (Some(last), Some(code)) => format!(", the last one was at {last} and ended with {code}"),
        _ => String::new(),
    };
    item.detail = Some(match memory.last_success {
        Some(_) => format!("no run has succeeded since {since}{last}"),
        None => format!("no run has succeeded yet, and the first was at {since}{last}"),
    });
    item.advice = Some(
        "See whether its timer is on (systemctl list-timers, crontab -l), and what `anypoint-estate run` says."
            .to_owned(),
    );
    item
}

/// What is worse comes first, and of what is equally bad that with the least time.
fn urgency(item: &Item) -> impl Ord + use<> {
    let hours = item
        .slack_hours
        .or(item.days_left.map(|days| days.saturating_mul(24)));
    (
        Reverse(item.severity == Severity::Critical),
        Reverse(item.severity == Severity::Warning),
        Reverse(item.severity == Severity::Unknown),
        hours.is_none(),
        hours,
        item.not_after,
        item.kind,
        item.name.clone(),
        item.at.values().cloned().collect::<Vec<_>>(),
        item.program.clone(),
    )
}

/// When something is tried again without being asked.
#[derive(Debug, Clone, Copy)]
struct Tries {
    now: Timestamp,
    every: SignedDuration,
}

impl Tries {
    /// Says when something is tried next, and what time that leaves. Too little is a finding of its own.
    fn judge(&self, item: &mut Item) {
        item.next_try = self.of(item);
        item.slack_hours = item
            .not_after
            .zip(item.next_try)
            .map(|(until, next)| until.duration_since(next).as_hours());
        let Some(hours) = item.slack_hours.filter(|hours| *hours < LEAST_SLACK_HOURS) else {
            return;
        };
        if item.state == State::Ok {
            item.state = State::Due;
            item.severity = State::Due.severity();
            item.detail = Some(if hours < 0 {
                "it expires before its renewal is tried next".to_owned()
            } else {
                format!("its renewal is tried next only {hours} hours before it expires")
            });
        }
    }

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

/// Names are what remote systems say they are.
pub(crate) fn in_one_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// Where something is, in the words that tell people most. Everything that is known stands in the other forms.
pub(crate) fn place(item: &Item) -> Option<String> {
    let keys: &[&[&str]] = match item.kind {
        Kind::TlsContext => &[&["private_space"]],
        Kind::ServedCertificate => &[&["private_space"], &["host"]],
        Kind::Certificate => &[&["home"], &["key_type"]],
        Kind::Registration => &[&["registration", "gateway"]],
        Kind::Replica => &[&["environment"]],
        Kind::Api => &[&["environment"], &["api_instance"]],
        Kind::ApiToken => &[&["account"]],
        Kind::Zone => &[&["account_name", "account"]],
        Kind::UnfinishedWork => &[&["target"]],
        Kind::Platform | Kind::Run => &[&["host", "target"]],
    };
    let places: Vec<String> = keys
        .iter()
        .filter_map(|names| names.iter().find_map(|name| item.at.get(*name)))
        .map(|place| shortened(place))
        .collect();
    (!places.is_empty()).then(|| in_one_line(&places.join(", ")))
}

/// Ids by their beginning, which tells most of them apart.
fn shortened(place: &str) -> String {
    const SHOWN: usize = 8;
    let is_id = place.len() >= 32 && place.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_id {
        format!("{}…", &place[..SHOWN])
    } else {
        place.to_owned()
    }
}

fn cells(item: &Item) -> [String; 7] {
    let dash = || "-".to_owned();
    [
        item.state.word().replace('_', " ").to_uppercase(),
        item.kind.word().replace('_', " "),
        in_one_line(&item.name),
        place(item).unwrap_or_else(dash),
        item.days_left.map_or_else(dash, |days| days.to_string()),
        item.slack_hours
            .map_or_else(dash, |hours| match hours / 24 {
                -1..=1 => format!("{hours}h"),
                days => format!("{days}d"),
            }),
        item.renewed_by.clone().unwrap_or_else(dash),
    ]
}
