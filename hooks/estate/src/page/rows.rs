//! A row of the page's table.

use common::cli::monitoring::Item;
use jiff::{SignedDuration, Timestamp};

use super::words;
use crate::text::clean;

/// So many units are the whole width of a bar.
const BAR: i64 = 180;

/// So many seconds are a whole bar.
const WHOLE: i64 = 90 * 24 * 60 * 60;

/// Something expired still has a bar to see.
const LEAST: i64 = 3;

pub(super) struct Row {
    pub(super) key: &'static str,
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
    pub(super) name: String,
    pub(super) places: Vec<(String, String)>,
    pub(super) left: Option<Left>,
    pub(super) renewed_by: Option<String>,
    pub(super) slack: Option<String>,
    pub(super) is_too_late: bool,
    pub(super) detail: Option<String>,
    pub(super) advice: Option<String>,
}

/// What is left of its time.
pub(super) struct Left {
    pub(super) words: String,
    pub(super) until: Timestamp,
    pub(super) day: String,
    pub(super) width: i64,
    /// Where in the bar the next automatic try is.
    pub(super) mark: Option<i64>,
}

impl Row {
    pub(super) fn new(item: &Item, now: Timestamp) -> Self {
        let slack = item.slack_hours.map(SignedDuration::from_hours);
        let text = |text: &Option<String>| text.as_deref().map(clean);
        Self {
            key: item.kind.word(),
            kind: words::kind(item.kind),
            state: words::state(item),
            name: clean(&item.name),
            places: words::places(item),
            left: Left::of(item, slack, now),
            renewed_by: text(&item.renewed_by),
            slack: slack.map(words::slack),
            is_too_late: slack.is_some_and(|slack| slack.is_negative()),
            detail: text(&item.detail),
            advice: text(&item.advice),
        }
    }
}

impl Left {
    fn of(item: &Item, slack: Option<SignedDuration>, now: Timestamp) -> Option<Self> {
        let until = item.not_after?;
        let left = until.duration_since(now);
        let units = |time: SignedDuration| time.as_secs().saturating_mul(BAR) / WHOLE;
        let next_try = slack.map(|slack| units(left.saturating_sub(slack)));
        Some(Self {
            words: words::left(left),
            day: words::day(until),
            until,
            width: units(left).clamp(LEAST, BAR),
            // What has ended has no bar for it to be in.
            mark: next_try.filter(|mark| left.is_positive() && (1..BAR).contains(mark)),
        })
    }
}

#[cfg(test)]
mod tests {
    use common::cli::monitoring::{Kind, State};

    use super::*;

    fn left(days: i64, slack: Option<i64>) -> Left {
        let now = Timestamp::UNIX_EPOCH;
        let day = |days: i64| SignedDuration::from_hours(24 * days);
        let item = Item::new(Kind::TlsContext, "a", State::Ok).until(now + day(days), now);
        Left::of(&item, slack.map(day), now).unwrap()
    }

    #[test]
    fn a_bar_is_whole_from_ninety_days_on_and_never_empty() {
        let widths = [-400, 0, 45, 90, 4000].map(|days| left(days, None).width);
        assert_eq!(widths, [3, 3, 90, 180, 180]);
    }

    #[test]
    fn the_mark_is_the_next_try_if_it_lies_within_the_bar() {
        let marks = [(30, 20), (10, -4), (400, 1), (30, 30), (-2, -3)];
        let marks = marks.map(|(days, slack)| left(days, Some(slack)).mark);
        assert_eq!(marks, [Some(20), Some(28), None, None, None]);
        assert_eq!(left(30, None).mark, None);
    }
}
