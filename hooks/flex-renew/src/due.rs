//! Whether a registration is due.

use std::time::Duration;

use common::cert::Certificate;
use jiff::{SignedDuration, Timestamp};

/// Whether a certificate is due, and why that is not what the setting says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    Yes,
    /// The certificate is so new that a renewal would bring no other.
    TooNew {
        lifetime: Duration,
    },
}

impl Due {
    /// Judges a certificate by what is left of it.
    ///
    /// One that is new is not due, however long `within` is: the next one would be due as soon, and every run would
    /// renew and restart the gateway.
    pub(crate) fn of(certificate: &Certificate, within: Duration, now: Timestamp) -> Self {
        Self::judge(lifetime(certificate), certificate.time_left(now), within)
    }

    /// When a certificate becomes due.
    pub(crate) fn moment(certificate: &Certificate, within: Duration) -> Timestamp {
        certificate
            .not_after
            .checked_sub(left_when_due(lifetime(certificate), within))
            .unwrap_or(certificate.not_before)
    }

    /// Judges a certificate whose registration the gateway calls outdated: due unless it is new.
    pub(crate) fn of_version_1(certificate: &Certificate, now: Timestamp) -> Self {
        Self::of(certificate, Duration::MAX, now)
    }

    fn judge(lifetime: Duration, left: SignedDuration, within: Duration) -> Self {
        let is_left = |time| SignedDuration::try_from(time).is_ok_and(|time| left > time);
        if is_left(within) {
            Due::No
        } else if is_left(longest_left(lifetime)) {
            Due::TooNew { lifetime }
        } else {
            Due::Yes
        }
    }

    /// What is wrong with `within`, where it would have a new certificate renewed.
    pub(crate) fn objection(self, within: Duration) -> Option<String> {
        let Due::TooNew { lifetime } = self else {
            return None;
        };
        let days = |time: Duration| time.as_secs() / (24 * 60 * 60);
        Some(format!(
            "a certificate of {} days is not renewed before a quarter of that has passed, although {} days are not left \
             of it: choose a shorter --within",
            days(lifetime),
            days(within)
        ))
    }
}

fn lifetime(certificate: &Certificate) -> Duration {
    certificate
        .not_after
        .duration_since(certificate.not_before)
        .unsigned_abs()
}

/// What may be left of a certificate that is not new.
fn longest_left(lifetime: Duration) -> Duration {
    lifetime / 4 * 3
}

/// What is left of a certificate at the moment from which it is due.
fn left_when_due(lifetime: Duration, within: Duration) -> Duration {
    within.min(longest_left(lifetime))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn due(left: i64, within: u32) -> Due {
        Due::judge(
            DAY * 100,
            SignedDuration::from_hours(24 * left),
            DAY * within,
        )
    }

    #[test]
    fn a_certificate_is_due_from_the_moment_that_is_foretold() {
        for (within, days) in [(30, 30), (0, 0), (75, 75), (76, 75), (400, 75)] {
            let left = left_when_due(DAY * 100, DAY * within);
            assert_eq!(left, DAY * days);
            assert_eq!(due(i64::from(days), within), Due::Yes);
            assert_ne!(due(i64::from(days) + 1, within), Due::Yes);
        }
    }

    #[test]
    fn what_is_left_decides_unless_the_certificate_is_new() {
        assert_eq!(due(31, 30), Due::No);
        assert_eq!(due(30, 30), Due::Yes);
        assert_eq!(due(-3, 0), Due::Yes);
        assert_eq!(due(75, 400), Due::Yes);
        let new = Due::TooNew {
            lifetime: DAY * 100,
        };
        assert_eq!(due(76, 76), new);
        assert_eq!(due(100, 400), new);
        let objection = new.objection(DAY * 400).unwrap();
        assert!(
            objection.contains("100 days") && objection.contains("--within"),
            "{objection}"
        );
        assert_eq!(due(30, 30).objection(DAY), None);
    }
}
