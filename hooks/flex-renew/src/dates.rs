//! Moments and what is left until them, for people.

use jiff::Timestamp;

/// A moment to the minute.
pub(crate) fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Whole days until `expires`; negative once it has passed.
pub(crate) fn days_left(expires: Timestamp, now: Timestamp) -> i64 {
    expires.duration_since(now).as_hours().div_euclid(24)
}
