//! When the certificate of a TLS context expires.

use common::anypoint::tls_contexts::TlsContext;
use common::system::clock::Clock;
use jiff::civil::Date;

use crate::compare;

/// What the platform reports: the day alone.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    /// As the platform writes it, without a time of day.
    pub(crate) date: Option<String>,
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
        Self {
            date: date.map(str::to_owned),
            days_left: date
                .and_then(|date| date.parse().ok())
                .map(|date| days_between(today, date)),
        }
    }
}

/// Today in UTC: the time zone of the platform's dates is not documented.
pub(crate) fn today(clock: &dyn Clock) -> Date {
    clock
        .now()
        .to_zoned_datetime(jiff::tz::TimeZone::UTC)
        .date()
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
}
