//! One line as plugins of Nagios print it.
//!
//! <https://www.monitoring-plugins.org/doc/guidelines.html>

use std::ffi::{OsStr, OsString};

use super::checked::{Checked, Item, Severity, State};
use crate::secret::mask_forms;

/// What is read of a line is limited; old NRPE takes the least, a kilobyte.
const LONGEST: usize = 700;

/// No name is told in full that leaves no room for others.
const LONGEST_NAME: usize = 60;

const LONGEST_DETAIL: usize = 240;

/// The states in the order in which they are counted.
const STATES: [State; 9] = [
    State::Expired,
    State::Open,
    State::NotServed,
    State::Due,
    State::Missing,
    State::Differs,
    State::Unfinished,
    State::Unknown,
    State::Ok,
];

/// The state, what is wrong, the gravest first, and performance data: how many items there are in each severity, and the
/// days left to the first of each kind to expire. Their labels are the same in every run of a program.
pub(in crate::cli) fn line(checked: &Checked) -> String {
    let head = format!(
        "{} {}",
        checked.program.to_uppercase(),
        checked.state.word().to_uppercase()
    );
    let mut wrong: Vec<&Item> = checked
        .items
        .iter()
        .filter(|item| item.severity != Severity::Ok)
        .collect();
    wrong.sort_by_key(|item| {
        let days = item.days_left.unwrap_or(i64::MAX);
        (std::cmp::Reverse(item.severity), days, &item.name)
    });
    let mut told = match (&wrong[..], &checked.items[..]) {
        ([], []) => format!("{head}: nothing to check"),
        ([], items) => {
            let first = items.iter().filter(|item| item.days_left.is_some());
            let soonest = first
                .min_by_key(|item| item.days_left)
                .map_or_else(String::new, |item| {
                    format!("; the first to expire is {}", days(item))
                });
            format!("{head}: {} ok{soonest}", items.len())
        }
        _ => format!("{head}: {}", counted(&checked.items)),
    };
    for (told_so_far, item) in wrong.iter().enumerate() {
        let next = format!("; {}", described(item));
        let rest = format!("; and {} more", wrong.len() - told_so_far);
        if told.len() + next.len() + rest.len() > LONGEST {
            told.push_str(&rest);
            break;
        }
        told.push_str(&next);
    }
    format!("{told} | {}", performance(checked))
}

/// How many there are in each state, such as `1 open, 2 due, 40 ok`.
pub fn counted(items: &[Item]) -> String {
    let counts = STATES.iter().filter_map(|state| {
        let count = items.iter().filter(|item| item.state == *state).count();
        (count > 0).then(|| format!("{count} {}", state.word().replace('_', " ")))
    });
    counts.collect::<Vec<_>>().join(", ")
}

fn described(item: &Item) -> String {
    let name = shortened(&cleaned(&item.name), LONGEST_NAME);
    let mut text = format!("{name} {}", item.state.word().replace('_', " "));
    if let Some(days) = item.days_left {
        text += &format!(", {} left", in_days(days));
    }
    if let Some(detail) = &item.detail {
        text += &format!(": {}", shortened(&cleaned(detail), LONGEST_DETAIL));
    }
    text
}

fn days(item: &Item) -> String {
    let name = shortened(&cleaned(&item.name), LONGEST_NAME);
    format!("{name} in {}", in_days(item.days_left.unwrap_or_default()))
}

fn in_days(days: i64) -> String {
    match days {
        1 => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

fn performance(checked: &Checked) -> String {
    let count = |severity| {
        let items = checked.items.iter();
        items.filter(|item| item.severity == severity).count()
    };
    // A threshold is passed by what lies outside of 0 to the number given, and `0:` by what is negative.
    let mut data = vec![
        format!("'items'={};;;0", checked.items.len()),
        format!("'warning'={};0;;0", count(Severity::Warning)),
        format!("'critical'={};;0;0", count(Severity::Critical)),
        format!("'unknown'={};;;0", count(Severity::Unknown)),
    ];
    for kind in super::checked::Kind::ALL {
        let of_kind = checked.items.iter().filter(|item| item.kind == kind);
        if let Some(least) = of_kind.filter_map(|item| item.days_left).min() {
            data.push(format!("'{}_days_left'={least};;0:", kind.word()));
        }
    }
    data.join(" ")
}

/// A text of remote systems that breaks neither the line nor its parts, and means nothing to the shell that a monitoring
/// system may pass it to.
fn cleaned(text: &str) -> String {
    let kept = text.chars().filter_map(|c| match c {
        '|' => Some('/'),
        '\'' | '"' | '`' => None,
        '<' | '>' | '$' | '\\' => Some('_'),
        // Marks that turn the direction of what follows.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => Some(' '),
        c => Some(c),
    });
    let kept: String = kept.collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many bytes.
fn shortened(text: &str, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| end + MARK.len() <= most)
        .last()
        .unwrap_or(0);
    format!("{}{MARK}", &text[..end])
}

/// Whether a command line asks for this form. It may be one that cannot be understood otherwise.
pub(in crate::cli) fn is_asked_for(args: &[OsString]) -> bool {
    let next = args.iter().skip(1).map(Some).chain([None]);
    args.iter().zip(next).any(|(arg, next)| {
        arg == OsStr::new("--output=nagios")
            || arg == OsStr::new("--output")
                && next.is_some_and(|next| next == OsStr::new("nagios"))
    })
}

/// The line for a command line that cannot be understood, with what was said about it.
pub(in crate::cli) fn refusal(program: &str, said: &str) -> String {
    let first = said.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let first = shortened(&cleaned(&mask_forms(first)), LONGEST_DETAIL);
    format!("{} UNKNOWN: {first}", program.to_uppercase())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cli::monitoring::Kind;

    fn checked(items: Vec<Item>) -> Checked {
        Checked::new("dns_cf", Timestamp::UNIX_EPOCH, items)
    }

    fn item(name: &str, state: State, days: i64) -> Item {
        let now = Timestamp::UNIX_EPOCH;
        let end = now + jiff::SignedDuration::from_hours(24 * days + 1);
        Item::new(Kind::ApiToken, name, state).until(end, now)
    }

    #[test]
    fn what_is_well_says_what_expires_first() {
        let items = vec![item("a", State::Ok, 90), item("b", State::Ok, 40)];
        assert_eq!(
            line(&checked(items)),
            "DNS_CF OK: 2 ok; the first to expire is b in 40 days | 'items'=2;;;0 'warning'=0;0;;0 'critical'=0;;0;0 \
             'unknown'=0;;;0 'api_token_days_left'=40;;0:"
        );
        let nothing = line(&checked(Vec::new()));
        assert!(
            nothing.starts_with("DNS_CF OK: nothing to check | "),
            "{nothing}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_the_gravest_first() {
        let mut unknown = Item::new(Kind::Platform, "p", State::Unknown);
        unknown.detail = Some("no\nanswer".to_owned());
        let items = vec![
            item("fine", State::Ok, 90),
            unknown,
            item("late", State::Due, 9),
            item("later", State::Due, 5),
            item("over", State::Expired, -2),
        ];
        let line = line(&checked(items));
        assert!(
            line.starts_with(
                "DNS_CF CRITICAL: 1 expired, 2 due, 1 unknown, 1 ok; over expired, -2 days left; later due, 5 days left; \
                 late due, 9 days left; p unknown: no answer | 'items'=5;;;0 'warning'=2;0;;0 'critical'=1;;0;0 "
            ),
            "{line}"
        );
    }

    #[test]
    fn whatever_it_is_called_the_line_stays_one_and_short() {
        let hostile = "a|'x'=1;\n\"`$(b)`\u{1b}[2J\u{202e}".to_owned() + &"é".repeat(300);
        let items = (0..1000).map(|_| {
            let mut item = item(&hostile, State::Due, 1);
            item.detail = Some(hostile.clone());
            item
        });
        let line = line(&checked(items.collect()));
        assert!(line.len() < 1024, "{} {line}", line.len());
        assert_eq!(line.matches('|').count(), 1, "{line}");
        assert!(!line.contains(char::is_control), "{line}");
        assert!(!line.contains(['"', '`', '$', '\u{202e}']), "{line}");
        assert!(
            line.contains("a/x=1; _(b) [2J") && line.contains(" more | 'items'=1000;"),
            "{line}"
        );
    }

    #[test]
    fn the_form_is_found_in_a_command_line_that_is_wrong_otherwise() {
        let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(is_asked_for(&args("p check --output nagios --nonsense")));
        assert!(is_asked_for(&args("p --output=nagios")));
        assert!(!is_asked_for(&args("p check nagios --output")));
        assert_eq!(
            refusal(
                "p",
                "error: unexpected argument '--nonsense' found\n\nUsage: x"
            ),
            "P UNKNOWN: unexpected argument --nonsense found"
        );
    }
}
