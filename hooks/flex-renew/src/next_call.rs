//! When acme.sh calls this program again: it does so only after it has renewed the certificate.

use std::time::Duration;

use common::acme_sh::Conf;
use common::cli::Invocation;
use common::error::Result;
use common::settings::ConfFile;
use jiff::{SignedDuration, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far apart renewals are where acme.sh has not planned the next one: older versions renew every 60 days.
const USUAL: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// How long it is until then; nothing where it is not acme.sh that calls.
///
/// # Errors
///
/// The certificate's conf file cannot be read.
pub(crate) fn in_how_long(call: &Invocation) -> Result<Duration> {
    match call.settings.conf_to_save(ConfFile::Domain) {
        Some(path) => Ok(until_next(&Conf::load(path)?, call.clock.now())),
        None => Ok(Duration::ZERO),
    }
}

fn until_next(conf: &Conf, now: Timestamp) -> Duration {
    let planned = conf
        .value("Le_NextRenewTime")
        .and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    match planned.map(|planned| planned.duration_since(now)) {
        // acme.sh looks once a day what it has planned.
        Some(left) if left > SignedDuration::ZERO => left.unsigned_abs() + DAY,
        _ => USUAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acme_sh_has_planned_counts_and_else_what_it_usually_does() {
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let in_days = |days: i64| {
            let planned = now.as_second() + days * 24 * 60 * 60;
            until_next(&Conf::parse(format!("Le_NextRenewTime='{planned}'\n")), now)
        };
        assert_eq!(in_days(29), DAY * 30);
        assert_eq!(in_days(-2), USUAL);
        assert_eq!(
            until_next(&Conf::parse("Le_NextRenewTime='soon'\n"), now),
            USUAL
        );
        assert_eq!(until_next(&Conf::default(), now), USUAL);
    }
}
