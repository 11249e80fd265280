//! When the certificate of a TLS context expires, and when it is due.

use std::time::Duration;

use common::acme_sh::Conf;
use common::anypoint::tls_contexts::TlsContext;
use common::cert::Certificate;
use common::duration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::compare;

/// However long the lifetime: this much left is due at the latest.
const MOST: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Where the lifetime is not known. A certificate of 45 days, which is renewed with a third left, is not due then.
const DAYS_OF_UNKNOWN: i64 = 10;

/// acme.sh's jobs run once a day or more often.
const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// What the platform reports: the day alone.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    /// As the platform writes it, without a time of day.
    pub(crate) date: Option<String>,
    /// The first second of that day: it is not known to be valid for longer.
    pub(crate) at_least: Option<Timestamp>,
    /// Negative when it has passed.
    pub(crate) days_left: Option<i64>,
}

impl Expiry {
    /// The expiry of what `context` holds, seen from `today`.
    pub(crate) fn of(context: &TlsContext, today: Date) -> Self {
        let date = context
            .key_store
            .expiration_date
            .as_deref()
            .map(compare::date);
        let day: Option<Date> = date.and_then(|date| date.parse().ok());
        let start = |day: Date| day.to_zoned_datetime(TimeZone::UTC).ok();
        Self {
            date: date.map(str::to_owned),
            at_least: day.and_then(start).map(|start| start.timestamp()),
            days_left: day.map(|day| days_between(today, day)),
        }
    }
}

/// How long before its expiry a certificate is due; unless it is given, less than a quarter of its lifetime.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Within(pub(crate) Option<Duration>);

impl Within {
    /// Whether a certificate is due whose lifetime is known.
    pub(crate) fn is_due(self, leaf: &Certificate, now: Timestamp) -> bool {
        let left = leaf.time_left(now);
        match self.0 {
            Some(within) => left <= SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX),
            None => {
                let lifetime = leaf.not_after.duration_since(leaf.not_before);
                left < (lifetime / 4).min(MOST)
            }
        }
    }

    /// What to say of a certificate that is due.
    pub(crate) fn why(self, leaf: &Certificate) -> String {
        let rule = match self.0 {
            Some(within) => format!("{} or less", duration::show(within)),
            None if leaf.not_after.duration_since(leaf.not_before) > MOST * 4 => {
                "less than 30 days".to_owned()
            }
            None => "less than a quarter of its lifetime".to_owned(),
        };
        format!("{rule} left, until {}", leaf.not_after)
    }

    /// Whether a certificate is due of which only the day of its expiry is known, so a day that is touched counts.
    pub(crate) fn is_due_by_date(self, days_left: i64) -> bool {
        let days = self.0.map_or(DAYS_OF_UNKNOWN, |within| {
            i64::try_from(within.as_secs().div_ceil(24 * 60 * 60)).unwrap_or(i64::MAX)
        });
        days_left <= days
    }
}

/// When acme.sh means to renew a certificate. The time is moved on by every renewal.
pub(crate) fn planned_renewal(conf: &Conf) -> Option<Timestamp> {
    let planned = conf.value("Le_NextRenewTime")?;
    Timestamp::from_second(planned.trim().parse().ok()?).ok()
}

/// When acme.sh was to renew a certificate, if that was more than a day ago.
pub(crate) fn missed_renewal(conf: &Conf, now: Timestamp) -> Option<Timestamp> {
    planned_renewal(conf).filter(|planned| now.duration_since(*planned) > GRACE)
}

/// Why a certificate of acme.sh's has to be renewed, if it has to be.
pub(crate) fn due(conf: &Conf, leaf: &Certificate, now: Timestamp) -> Option<String> {
    let within = Within::default();
    missed_renewal(conf, now)
        .map(missed)
        .or_else(|| within.is_due(leaf, now).then(|| within.why(leaf)))
}

/// What to say of a renewal that did not happen.
pub(crate) fn missed(planned: Timestamp) -> String {
    format!(
        "acme.sh planned to renew it on {} and has not",
        date_of(planned)
    )
}

/// The day in UTC: the time zone of the platform's dates is not documented.
pub(crate) fn date_of(time: Timestamp) -> Date {
    time.to_zoned_datetime(TimeZone::UTC).date()
}

/// Days from one date to another; negative when it has passed.
fn days_between(from: Date, to: Date) -> i64 {
    // Differences of dates are in days unless other units are asked for, and fit an i64 for all dates there are.
    from.until(to).map_or(0, |span| span.get_days().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_years_and_into_the_past() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days_between(date("2026-01-31"), date("2026-03-01")), 29);
        assert_eq!(days_between(date("2026-11-22"), date("2027-11-22")), 365);
        assert_eq!(days_between(date("2026-11-22"), date("2026-11-21")), -1);
    }

    #[test]
    fn a_renewal_counts_as_missed_a_day_after_it_was_planned() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let missed = |planned: &str| {
            let conf = Conf::parse(format!("Le_NextRenewTime='{planned}'\n"));
            missed_renewal(&conf, now).is_some()
        };
        assert!(missed(&(1_800_000_000 - 86_401).to_string()));
        assert!(!missed(&(1_800_000_000 - 86_400).to_string()));
        assert!(!missed("1900000000"));
        assert!(!missed(""));
        assert!(!missed("soon"));
    }
}
