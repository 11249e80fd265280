//! Durations as people write them: `90s`, `10m`, `12h`, `30d`.

use std::time::Duration;

/// Reads a duration. Fits `clap`'s `value_parser`.
///
/// # Errors
///
/// A sentence that says which forms are understood.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let unit = |name: char| match name {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(60 * 60),
        'd' => Some(24 * 60 * 60),
        _ => None,
    };
    text.chars()
        .next_back()
        .and_then(unit)
        .and_then(|seconds| {
            let count: u64 = text[..text.len() - 1].parse().ok()?;
            // A thousand years: longer is a slip, and would overflow a date.
            count
                .checked_mul(seconds)
                .filter(|&all| all <= 1000 * 366 * 24 * 60 * 60)
        })
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is not a duration such as 90s, 10m, 12h or 30d"))
}

/// Writes a duration in the largest unit that says it exactly.
pub fn show(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(24 * 60 * 60, 'd'), (60 * 60, 'h'), (60, 'm')];
    units
        .iter()
        .find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size))
        .map_or_else(
            || format!("{seconds}s"),
            |(size, unit)| format!("{}{unit}", seconds / size),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_units_are_understood_and_written_back() {
        for text in ["90s", "10m", "12h", "30d", "0s"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "10",
            "m",
            "-5m",
            "1w",
            "1.5h",
            "99999999999999999999d",
            "9ü",
            "400000000d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
