//! The rule of when a request is sent again.

use std::time::Duration;

/// Waits before the second, third, … attempt; jitter is taken off.
const BACKOFF: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Whether a request may be sent a second time without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice is the same as sending it once.
    Freely,
    /// Only when it surely was not executed.
    IfNotExecuted,
    /// Not at all: what the first attempt brings is the answer.
    Never,
}

/// What became of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// A whole answer came.
    Answered {
        status: u16,
        /// How long the answer asks to wait.
        asked: Option<Duration>,
    },
    /// The other side was not reached.
    BrokenBeforeSending,
    /// The request went out, and no whole answer came.
    BrokenAfterwards,
}

/// What the rule judges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) happened: Happened,
    pub(super) repeat: Repeat,
    /// Whether the request is meant to change something.
    pub(super) changes: bool,
    /// 1 for the first.
    pub(super) number: usize,
    /// How much time is left for everything.
    pub(super) left: Duration,
    /// A random number from 0 to 999. Equal waits of many machines would meet again, so up to half is taken off.
    pub(super) random: u32,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The answer is one to return.
    Return,
    /// It is not, and another attempt is not allowed, or would come too late.
    GiveUp,
    /// Another attempt after this time.
    Wait(Duration),
}

/// The judgment of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgment {
    pub(super) next: Next,
    /// Whether the attempt may have been executed without an answer that says so. Later attempts do not take that back.
    pub(super) effect_unknown: bool,
}

/// Judges one attempt.
pub(super) fn judge(attempt: &Attempt) -> Judgment {
    let (temporary, executed, asked) = match attempt.happened {
        Happened::Answered { status, asked } => (is_temporary(status), status != 429, asked),
        Happened::BrokenBeforeSending => (true, false, None),
        Happened::BrokenAfterwards => (true, true, None),
    };
    let answered = matches!(attempt.happened, Happened::Answered { .. });
    let once = attempt.repeat == Repeat::IfNotExecuted;
    let effect_unknown = temporary
        && executed
        && attempt.repeat != Repeat::Never
        && (once || attempt.changes && !answered);
    let next = if !temporary {
        Next::Return
    } else if attempt.repeat == Repeat::Never || executed && once {
        Next::GiveUp
    } else {
        match BACKOFF.get(attempt.number - 1) {
            Some(backoff) => {
                let wait = asked.unwrap_or(*backoff - *backoff / 2 * attempt.random / 1000);
                if wait < attempt.left {
                    Next::Wait(wait)
                } else {
                    Next::GiveUp
                }
            }
            None => Next::GiveUp,
        }
    };
    Judgment {
        next,
        effect_unknown,
    }
}

/// Statuses after which the same request may succeed. 52x and 530 are Cloudflare's edge.
fn is_temporary(status: u16) -> bool {
    matches!(
        status,
        408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=527 | 530
    )
}

#[cfg(test)]
mod tests {
    use super::Happened::{BrokenAfterwards, BrokenBeforeSending};
    use super::Next::{GiveUp, Return, Wait};
    use super::Repeat::{Freely, IfNotExecuted, Never};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(status: u16) -> Happened {
        Happened::Answered {
            status,
            asked: None,
        }
    }

    fn asking(status: u16, seconds: u32) -> Happened {
        Happened::Answered {
            status,
            asked: Some(SECOND * seconds),
        }
    }

    /// A first attempt with plenty of time left and no jitter.
    fn first(happened: Happened, repeat: Repeat, changes: bool) -> Attempt {
        Attempt {
            happened,
            repeat,
            changes,
            number: 1,
            left: SECOND * 300,
            random: 0,
        }
    }

    #[test]
    fn what_happened_and_what_may_be_repeated_decide() {
        let (reads, writes) = (false, true);
        let again = Wait(SECOND);
        // What happened, whether it may be repeated, reads or writes; what comes next, whether the effect is unknown.
        let table = [
            (answered(200), Freely, reads, Return, false),
            (answered(404), Freely, writes, Return, false),
            (answered(409), IfNotExecuted, writes, Return, false),
            (answered(501), IfNotExecuted, writes, Return, false),
            (answered(200), Never, writes, Return, false),
            (answered(503), Freely, reads, again, false),
            (answered(503), Freely, writes, again, false),
            (answered(503), IfNotExecuted, writes, GiveUp, true),
            (answered(408), IfNotExecuted, writes, GiveUp, true),
            (answered(503), Never, writes, GiveUp, false),
            (answered(429), Freely, reads, again, false),
            (answered(429), IfNotExecuted, writes, again, false),
            (answered(429), Never, reads, GiveUp, false),
            (answered(522), Freely, reads, again, false),
            (BrokenBeforeSending, Freely, reads, again, false),
            (BrokenBeforeSending, IfNotExecuted, writes, again, false),
            (BrokenBeforeSending, Never, writes, GiveUp, false),
            (BrokenAfterwards, Freely, reads, again, false),
            (BrokenAfterwards, Freely, writes, again, true),
            (BrokenAfterwards, IfNotExecuted, writes, GiveUp, true),
            (BrokenAfterwards, IfNotExecuted, reads, GiveUp, true),
            (BrokenAfterwards, Never, writes, GiveUp, false),
        ];
        for (happened, repeat, changes, next, effect_unknown) in table {
            assert_eq!(
                judge(&first(happened, repeat, changes)),
                Judgment {
                    next,
                    effect_unknown
                },
                "{happened:?}, {repeat:?}, changes: {changes}"
            );
        }
    }

    #[test]
    fn waits_grow_and_end_after_five_attempts_or_with_the_time() {
        let seconds = |seconds: u32| SECOND * seconds;
        // The attempt, seconds left, what happened; what comes next.
        let table = [
            (1, 300, answered(503), Wait(seconds(1))),
            (2, 300, answered(503), Wait(seconds(2))),
            (3, 300, BrokenAfterwards, Wait(seconds(4))),
            (4, 300, BrokenBeforeSending, Wait(seconds(8))),
            (5, 300, answered(503), GiveUp),
            (5, 300, asking(429, 1), GiveUp),
            (5, 300, answered(200), Return),
            (4, 9, answered(503), Wait(seconds(8))),
            (4, 8, answered(503), GiveUp),
            (1, 0, answered(200), Return),
            (1, 0, answered(503), GiveUp),
            (1, 300, asking(429, 0), Wait(seconds(0))),
            (1, 300, asking(503, 60), Wait(seconds(60))),
            (1, 60, asking(503, 60), GiveUp),
        ];
        for (number, left, happened, next) in table {
            let attempt = Attempt {
                number,
                left: seconds(left),
                ..first(happened, Freely, false)
            };
            assert_eq!(judge(&attempt).next, next, "{attempt:?}");
        }
    }

    #[test]
    fn jitter_shortens_a_wait_by_half_at_most_and_never_one_that_was_asked_for() {
        let wait = |happened, random| {
            let attempt = Attempt {
                number: 3,
                random,
                ..first(happened, Freely, false)
            };
            judge(&attempt).next
        };
        assert_eq!(wait(answered(503), 500), Wait(SECOND * 3));
        assert_eq!(wait(answered(503), 999), Wait(Duration::from_millis(2002)));
        assert_eq!(wait(asking(503, 4), 999), Wait(SECOND * 4));
    }
}
