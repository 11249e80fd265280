//! Lifetimes of records.

use common::error::{Error, Result};

/// Cloudflare's word for "as it thinks best".
pub(crate) const AUTOMATIC: u32 = 1;

/// A TTL that Cloudflare accepts.
pub(crate) fn checked(seconds: u32) -> Result<u32> {
    if seconds == AUTOMATIC || (30..=86_400).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Error::config(format!(
            "Cloudflare accepts no TTL of {seconds} seconds: 1 (automatic) or 60 to 86400 seconds, on Enterprise from 30"
        )))
    }
}

/// A TTL as it is written in a setting.
pub(crate) fn parse(text: &str) -> Result<u32> {
    let seconds = text
        .parse()
        .map_err(|_| Error::config(format!("{text:?} is not a number of seconds")))?;
    checked(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_one_that_cloudflare_accepts() {
        for seconds in [1, 30, 120, 86_400] {
            assert_eq!(parse(&seconds.to_string()).unwrap(), seconds);
        }
        for text in ["0", "2", "29", "86401", "-60", "soon"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
