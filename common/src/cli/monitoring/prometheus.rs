//! Metrics in the text format of Prometheus.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;

use super::checked::{Checked, Item, Kind, Severity, State};
use crate::cli::exit::Outcome;
use crate::log::printable;

/// How the run went whose findings are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// When it ended.
    pub(super) ended: Timestamp,
    /// Its exit code as the table has it.
    pub(super) code: u8,
    /// When a run last found everything out, as far as that is known.
    pub(super) last_success: Option<Timestamp>,
}

impl Run {
    /// A run of which nothing is known but how it ended.
    pub(super) fn new(ended: Timestamp, code: u8) -> Self {
        let mut run = Self {
            ended,
            code,
            last_success: None,
        };
        run.last_success = run.is_success().then_some(ended);
        run
    }

    /// Whether everything was found out, however bad it is.
    pub(super) fn is_success(&self) -> bool {
        let all = [Outcome::Done, Outcome::Due, Outcome::Expired];
        all.iter().any(|outcome| outcome.code() == self.code)
    }
}

/// Its name ends with what this says. One of these is made for each kind that has dates.
const DATES: [Date; 3] = [
    Date {
        suffix: "not_before_timestamp_seconds",
        help: "From when it is valid",
        of: |item| item.not_before,
    },
    Date {
        suffix: "not_after_timestamp_seconds",
        help: "Until when it is valid",
        of: |item| item.not_after,
    },
    Date {
        suffix: "renewal_due_timestamp_seconds",
        help: "When its next automatic renewal is planned",
        of: |item| item.renewal_due,
    },
];

const LAST_RUN: &str = "anypoint_last_run_timestamp_seconds";
const LAST_SUCCESS: &str = "anypoint_last_success_timestamp_seconds";
const LAST_CODE: &str = "anypoint_last_exit_code";

struct Date {
    suffix: &'static str,
    help: &'static str,
    of: fn(&Item) -> Option<Timestamp>,
}

/// What was found, and how the run went.
///
/// Labels are the same for all metrics of a kind: the places of the kind, and the name. What is not known of them is
/// empty, which Prometheus takes for no label.
pub(super) fn text(checked: &Checked, run: &Run) -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        let items = || checked.items.iter().filter(move |item| item.kind == kind);
        for date in &DATES {
            let values = items().filter_map(|item| Some((item, (date.of)(item)?.as_second())));
            let name = format!("anypoint_{}_{}", kind.word(), date.suffix);
            family(
                &mut text,
                &name,
                &format!("{}: {}.", date.help, what(kind)),
                values,
            );
        }
        let values = items().filter_map(|item| Some((item, i64::from(is_well(item)?))));
        match kind {
            Kind::ServedCertificate => {
                let help = "Whether an ingress serves the certificate that it is meant to serve.";
                family(
                    &mut text,
                    "anypoint_served_certificate_matches",
                    help,
                    values,
                );
            }
            Kind::Api => {
                let help = "Whether an API asks for authentication.";
                family(&mut text, "anypoint_api_protected", help, values);
            }
            _ => {}
        }
    }
    counts(&mut text, checked);
    let seconds = Timestamp::as_second;
    let of_run = [
        (
            LAST_RUN,
            "When the program was last run.",
            Some(seconds(run.ended)),
        ),
        (
            LAST_SUCCESS,
            "When the program last found out everything that it looks for, 0 for never.",
            run.last_success.map(seconds),
        ),
        (
            LAST_CODE,
            "Exit code of the last run: 0 all is well, 10 something is due, 11 expired, others that it failed.",
            Some(i64::from(run.code)),
        ),
    ];
    for (name, help, value) in of_run {
        let Some(value) = value else { continue };
        head(&mut text, name, help);
        let program = escaped(&checked.program);
        let _ = writeln!(text, "{name}{{program=\"{program}\"}} {value}");
    }
    text
}

/// When a run last found everything out, by what it wrote then.
pub(super) fn last_success(text: &str, program: &str) -> Option<Timestamp> {
    let start = format!("{LAST_SUCCESS}{{program=\"{}\"}} ", escaped(program));
    let value = text.lines().find_map(|line| line.strip_prefix(&start))?;
    let seconds = value.trim().parse().ok().filter(|seconds| *seconds > 0)?;
    Timestamp::from_second(seconds).ok()
}

fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::TlsContext => "the certificate of a TLS context",
        Kind::ServedCertificate => "the certificate that an ingress serves",
        Kind::Certificate => "a certificate that acme.sh has",
        Kind::Registration => "the certificate of a Flex Gateway's registration",
        Kind::Replica => "the certificate of a Flex Gateway's replica",
        Kind::Api => "an API",
        Kind::ApiToken => "a token of a DNS provider",
        Kind::Zone => "a DNS zone",
        Kind::UnfinishedWork => "unfinished work",
        Kind::Platform => "what could not be asked",
        Kind::Run => "what is run regularly",
    }
}

/// `None` where it is not known.
fn is_well(item: &Item) -> Option<bool> {
    match item.state {
        State::Unknown => None,
        State::Open | State::Missing | State::NotServed => Some(false),
        State::Ok | State::Due | State::Differs | State::Unfinished | State::Expired => Some(true),
    }
}

/// How many items there are, by kind and severity; of a kind that is not there, nothing.
fn counts(text: &mut String, checked: &Checked) {
    const NAME: &str = "anypoint_check_items";
    let mut counts: BTreeMap<(Kind, Severity), usize> = BTreeMap::new();
    for item in &checked.items {
        for severity in [
            Severity::Ok,
            Severity::Warning,
            Severity::Critical,
            Severity::Unknown,
        ] {
            let count = counts.entry((item.kind, severity)).or_default();
            *count += usize::from(item.severity == severity);
        }
    }
    if counts.is_empty() {
        return;
    }
    head(
        text,
        NAME,
        "How many things were looked at, by kind and severity.",
    );
    for ((kind, severity), count) in counts {
        let _ = writeln!(
            text,
            "{NAME}{{program=\"{}\",kind=\"{}\",severity=\"{}\"}} {count}",
            escaped(&checked.program),
            kind.word(),
            severity.word(),
        );
    }
}

/// One metric with all its samples. Of two with the same labels the smaller counts: it ends earlier, or is not well.
fn family<'a>(
    text: &mut String,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (&'a Item, i64)>,
) {
    let mut samples: BTreeMap<String, i64> = BTreeMap::new();
    for (item, value) in values {
        let sample = samples.entry(labels(item)).or_insert(value);
        *sample = value.min(*sample);
    }
    if samples.is_empty() {
        return;
    }
    head(text, name, help);
    for (labels, value) in samples {
        let _ = writeln!(text, "{name}{{{labels}}} {value}");
    }
}

fn head(text: &mut String, name: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
}

fn labels(item: &Item) -> String {
    let places = item.kind.places().iter().map(|place| {
        let value = item.at.get(*place).map_or("", String::as_str);
        format!("{place}=\"{}\"", escaped(value))
    });
    let name = format!("name=\"{}\"", escaped(&item.name));
    places.chain([name]).collect::<Vec<_>>().join(",")
}

/// The value of a label.
fn escaped(value: &str) -> String {
    printable(value)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: u8) -> Run {
        Run::new(time(1_800_000_000), code)
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn families_stand_together_and_labels_are_escaped() {
        let now = time(1_790_000_000);
        let items = [
            ("a\\b\"c\nd\u{1b}", 1_791_000_000),
            ("same", 1_792_000_000),
            ("same", 1_791_500_000),
        ]
        .map(|(name, end)| {
            Item::new(Kind::TlsContext, name, State::Ok)
                .at("private_space", "prod")
                .at("beside", "x")
                .until(time(end), now)
        });
        let text = text(&Checked::new("p", now, items.to_vec()), &run(0));
        let expected = "\
# HELP anypoint_tls_context_not_after_timestamp_seconds Until when it is valid: the certificate of a TLS context.
# TYPE anypoint_tls_context_not_after_timestamp_seconds gauge
anypoint_tls_context_not_after_timestamp_seconds{organization=\"\",private_space=\"prod\",name=\"a\\\\b\\\"c\\nd\\\\u{1b}\"} 1791000000
anypoint_tls_context_not_after_timestamp_seconds{organization=\"\",private_space=\"prod\",name=\"same\"} 1791500000
# HELP anypoint_check_items ";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("anypoint_last_exit_code{program=\"p\"} 0\n"));
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let states = [State::Ok, State::Open, State::Unknown];
        let items = states.map(|state| Item::new(Kind::Api, state.word(), state));
        let text = text(&Checked::new("p", time(0), items.to_vec()), &run(10));
        let samples: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("anypoint_api_protected{"))
            .filter_map(|line| line.split_once("name="))
            .map(|(_, rest)| rest)
            .collect();
        assert_eq!(samples, ["\"ok\"} 1", "\"open\"} 0"]);
    }

    #[test]
    fn the_last_success_is_read_back() {
        let checked = Checked::new("p", time(0), Vec::new());
        let mut run = run(6);
        let unknown = text(&checked, &run);
        assert!(!unknown.contains(LAST_SUCCESS));
        run.last_success = Some(Timestamp::UNIX_EPOCH);
        let never = text(&checked, &run);
        assert!(never.contains(&format!("{LAST_SUCCESS}{{program=\"p\"}} 0\n")));
        assert_eq!(last_success(&never, "p"), None);
        run.last_success = Some(time(1_700_000_000));
        let text = text(&checked, &run);
        assert_eq!(last_success(&text, "p"), run.last_success);
        assert_eq!(last_success(&text, "q"), None);
        assert_eq!(last_success("", "p"), None);
    }

    #[test]
    fn a_run_that_finds_something_wrong_is_a_success_and_one_that_fails_is_none() {
        let successes: Vec<u8> = (0..20).filter(|code| run(*code).is_success()).collect();
        assert_eq!(successes, [0, 10, 11]);
    }

    mod needs_promtool {
        use std::io::Write as _;
        use std::process::{Command, Stdio};

        use super::*;

        #[test]
        #[ignore = "needs promtool, of Debian's prometheus: scripts/test.sh"]
        fn promtool_accepts_every_metric_that_there_is() {
            let now = time(1_800_000_000);
            let items = Kind::ALL.map(|kind| {
                let mut item = Item::new(kind, "n", State::Ok).until(now, now);
                item.not_before = Some(now);
                item.renewal_due = Some(now);
                item
            });
            let text = text(&Checked::new("p", now, items.to_vec()), &run(0));
            let mut tool = Command::new("promtool")
                .args(["check", "metrics"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = tool.stdin.take().unwrap();
            input.write_all(text.as_bytes()).unwrap();
            drop(input);
            let output = tool.wait_with_output().unwrap();
            let is_silent = output.stdout.is_empty() && output.stderr.is_empty();
            assert!(output.status.success() && is_silent, "{output:?}\n{text}");
        }
    }
}
