//! What the page calls things.

use crate::text::clean;
use common::cli::monitoring::{Item, Kind, State};
use jiff::{SignedDuration, Timestamp};

const DAY: i64 = 24 * 60 * 60;

pub(super) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::TlsContext => "TLS context",
        Kind::ServedCertificate => "Served certificate",
        Kind::Certificate => "Certificate of acme.sh",
        Kind::Registration => "Registration",
        Kind::Replica => "Replica",
        Kind::Api => "API",
        Kind::ApiToken => "API token",
        Kind::Zone => "DNS zone",
        Kind::UnfinishedWork => "Unfinished work",
        Kind::Platform => "Platform",
        Kind::Run => "Regular run",
    }
}

pub(super) fn state(item: &Item) -> &'static str {
    match (item.state, item.kind) {
        (State::Ok, Kind::Api) => "protected",
        (State::Ok, Kind::ServedCertificate) => "served",
        (State::NotServed, _) => "not served",
        (state, _) => state.word(),
    }
}

/// Where something is, the closest first, each with what it is.
pub(super) fn places(item: &Item) -> Vec<(String, String)> {
    let known = item.kind.places();
    let closest_first = known.iter().rev().map(|key| (*key).to_owned());
    let others = item
        .at
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .cloned();
    closest_first
        .chain(others)
        .filter_map(|key| {
            let place = clean(item.at.get(&key)?);
            (place != item.name).then(|| (what(&key), place))
        })
        .collect()
}

fn what(key: &str) -> String {
    match key {
        "api_instance" => "instance".to_owned(),
        key => clean(&key.replace('_', " ")),
    }
}

pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%b %-d, %Y").to_string()
}

pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%A, %B %-d, %Y, %H:%M UTC").to_string()
}

/// What is left, or how long ago it ended.
pub(super) fn left(left: SignedDuration) -> String {
    if left.is_negative() {
        format!("{} ago", amount(left.abs()))
    } else {
        amount(left)
    }
}

pub(super) fn slack(slack: SignedDuration) -> String {
    if slack.is_negative() {
        format!("next try {} too late", amount(slack.abs()))
    } else {
        format!("slack {}", amount(slack))
    }
}

/// Days where there is at least one, else hours: whole ones, so that no more is said than is there.
fn amount(time: SignedDuration) -> String {
    let (number, unit) = match time.as_secs() {
        seconds if seconds >= DAY => (seconds / DAY, "day"),
        seconds => (seconds / 3600, "hour"),
    };
    match number {
        0 => format!("less than 1 {unit}"),
        1 => format!("1 {unit}"),
        more => format!("{more} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_days_or_hours_never_rounded_up() {
        let of = |hours: i64| left(SignedDuration::from_hours(hours));
        assert_eq!(of(49), "2 days");
        assert_eq!(of(47), "1 day");
        assert_eq!(of(23), "23 hours");
        assert_eq!(of(1), "1 hour");
        assert_eq!(of(0), "less than 1 hour");
        assert_eq!(of(-25), "1 day ago");
        assert_eq!(
            slack(SignedDuration::from_hours(-72)),
            "next try 3 days too late"
        );
        assert_eq!(slack(SignedDuration::from_hours(5)), "slack 5 hours");
    }
}
