//! How much runs out when.

use common::cli::monitoring::Item;
use jiff::Timestamp;

use super::tone::TONES;

/// Whole days from which on something is in the next span, and what the page calls those before it.
const LIMITS: [(i64, &str); 6] = [
    (0, "Expired"),
    (7, "Within 7 days"),
    (14, "Within 14 days"),
    (30, "Within 30 days"),
    (60, "Within 60 days"),
    (90, "Within 90 days"),
];

const LATER: &str = "Later";

/// So many units are the width of the largest span.
const BAR: usize = 1000;

/// A span of time, and what runs out in it.
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) rows: usize,
    pub(super) parts: Vec<Part>,
}

/// A stretch of a bar.
pub(super) struct Part {
    /// Its class.
    pub(super) word: &'static str,
    pub(super) from: usize,
    pub(super) width: usize,
}

pub(super) fn spans(items: &[Item], now: Timestamp) -> Vec<Span> {
    let names = LIMITS.iter().map(|(_, name)| *name).chain([LATER]);
    let mut counts = [[0_usize; TONES.len()]; LIMITS.len() + 1];
    for item in items {
        let Some(until) = item.not_after else {
            continue;
        };
        let days = until.duration_since(now).as_secs().div_euclid(24 * 60 * 60);
        let span = LIMITS.iter().position(|(limit, _)| days < *limit);
        let tone = TONES.iter().position(|tone| tone.severity == item.severity);
        if let Some(tone) = tone {
            counts[span.unwrap_or(LIMITS.len())][tone] += 1;
        }
    }
    let largest = counts.iter().map(|tones| tones.iter().sum()).max();
    let largest: usize = largest.unwrap_or(0).max(1);
    names
        .zip(counts)
        .map(|(name, tones)| Span {
            name,
            rows: tones.iter().sum(),
            parts: parts(&tones, largest),
        })
        .collect()
}

/// The ends are computed, not the widths: rounding leaves no gap.
fn parts(tones: &[usize; TONES.len()], largest: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut from, mut sum) = (0, 0);
    for (tone, rows) in TONES.iter().zip(tones) {
        sum += rows;
        let end = sum * BAR / largest;
        if end > from {
            parts.push(Part {
                word: tone.word,
                from,
                width: end - from,
            });
            from = end;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use common::cli::monitoring::{Kind, State};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn each_thing_is_in_the_span_that_its_days_say_and_bars_end_where_the_largest_does() {
        let now = Timestamp::UNIX_EPOCH;
        let item = |hours: i64, state: State| {
            Item::new(Kind::TlsContext, "a", state)
                .until(now + SignedDuration::from_hours(hours), now)
        };
        let items = [
            item(-1, State::Expired),
            item(0, State::Due),
            item(24 * 7 - 1, State::Due),
            item(24 * 7, State::Ok),
            item(24 * 90, State::Ok),
            Item::new(Kind::Api, "without a date", State::Ok),
        ];
        let spans = spans(&items, now);
        let rows: Vec<usize> = spans.iter().map(|span| span.rows).collect();
        assert_eq!(rows, [1, 2, 1, 0, 0, 0, 1]);
        assert_eq!(spans[1].parts[0].width, BAR);
        assert_eq!(spans[0].parts[0].word, "critical");
        assert!(spans[3].parts.is_empty());
    }

    #[test]
    fn parts_of_a_bar_leave_no_gap() {
        let parts = parts(&[1, 1, 0, 1], 3);
        let ends: Vec<(usize, usize)> = parts.iter().map(|part| (part.from, part.width)).collect();
        assert_eq!(ends, [(0, 333), (333, 333), (666, 334)]);
    }
}
