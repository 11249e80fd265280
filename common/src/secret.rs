//! A value that cannot be printed, and the mask that catches what slips through elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{PoisonError, RwLock};

use ring::rand::{SecureRandom as _, SystemRandom};

/// Shorter values are not masked in free text: they would blot out ordinary words.
const SHORTEST_MASKED: usize = 6;

/// Every secret that this process has seen, longest first, so that one that contains another is masked whole.
static SEEN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// A token, key or password. `Debug` shows `***`; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret, and has [`mask`] hide it from now on.
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        remember(&value);
        Self(value)
    }

    /// Makes one of `length` letters and digits from the system's generator: just under 6 bits each.
    ///
    /// Nothing else is used, so that it means the same in a shell, in a URL and in a policy's configuration.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers.
    pub fn generate(length: usize) -> io::Result<Self> {
        const CHARACTERS: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        // The largest multiple of 62 in a byte: what lies above would make some characters likelier.
        const FAIR: u8 = 248;
        let random = SystemRandom::new();
        let mut value = String::with_capacity(length);
        while value.len() < length {
            let mut bytes = [0; 64];
            random.fill(&mut bytes).map_err(|_| {
                io::Error::other("the system's random number generator does not work")
            })?;
            let fair = bytes.iter().filter(|&&byte| byte < FAIR);
            let characters = fair.map(|&byte| char::from(CHARACTERS[usize::from(byte % 62)]));
            value.extend(characters.take(length - value.len()));
        }
        Ok(Self::new(value))
    }

    /// The value itself. The only way out.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces every secret that this process has seen by `***`.
///
/// The second line of defence: remote systems echo what was sent to them, and error texts quote their input.
pub fn mask(text: &str) -> Cow<'_, str> {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    let mut masked = Cow::Borrowed(text);
    for secret in seen.iter() {
        if masked.contains(secret.as_str()) {
            masked = Cow::Owned(masked.replace(secret.as_str(), "***"));
        }
    }
    masked
}

/// Whether `value` as a whole is a secret that this process has seen.
pub fn is_known(value: &str) -> bool {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    seen.iter().any(|secret| secret == value)
}

fn remember(value: &str) {
    let mut forms = vec![value.to_owned()];
    // A body is quoted in messages as JSON, where quotes and backslashes are escaped.
    if let Ok(json) = serde_json::to_string(value) {
        forms.push(json[1..json.len() - 1].to_owned());
    }
    forms.extend(value.lines().map(|line| line.trim().to_owned()));
    let mut seen = SEEN.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if form.len() >= SHORTEST_MASKED && !form.starts_with("-----") && !seen.contains(&form) {
            seen.push(form);
        }
    }
    seen.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_of_letters_and_digits_and_never_the_same() {
        let one = Secret::generate(24).unwrap();
        assert_eq!(one.expose().len(), 24);
        assert!(one.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(one, Secret::generate(24).unwrap());
    }

    #[test]
    fn a_secret_has_no_readable_debug_form() {
        assert_eq!(format!("{:?}", Secret::new("canary-secret-7d1e")), "***");
    }

    #[test]
    fn a_seen_secret_is_masked_in_plain_and_json_form() {
        let _secret = Secret::new("canary\"quoted\\55a0");
        assert_eq!(mask(r#"got canary"quoted\55a0!"#), "got ***!");
        assert_eq!(
            mask(r#"{"password":"canary\"quoted\\55a0"}"#),
            r#"{"password":"***"}"#
        );
    }

    #[test]
    fn lines_of_a_key_are_masked_but_its_frame_is_not() {
        let _key = Secret::new(
            "-----BEGIN PRIVATE KEY-----\nMIIEcanary91\nAbcdcanary92\n-----END PRIVATE KEY-----\n",
        );
        assert_eq!(
            mask("-----BEGIN PRIVATE KEY----- Abcdcanary92"),
            "-----BEGIN PRIVATE KEY----- ***"
        );
    }

    #[test]
    fn short_values_do_not_blot_out_words() {
        let _secret = Secret::new("on");
        assert_eq!(mask("connection"), "connection");
    }
}
