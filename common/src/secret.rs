//! A value that cannot be printed, and the mask that catches what slips through elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{PoisonError, RwLock};

use ring::rand::{SecureRandom as _, SystemRandom};

/// What Cloudflare's tokens and keys begin with, so that one is known wherever it comes from.
const TOKEN_FORMS: [&str; 3] = ["cfut_", "cfat_", "cfk_"];

/// A shorter rest is the name of such a form, not a token.
const SHORTEST_TOKEN: usize = 8;

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

/// Replaces every secret that this process has seen by `***`, and whatever has the form of one: see [`mask_forms`].
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
    match mask_forms(&masked) {
        Cow::Borrowed(_) => masked,
        Cow::Owned(text) => Cow::Owned(text),
    }
}

/// Replaces what is a secret by its form alone: tokens of Cloudflare's, and user and password in an address.
pub fn mask_forms(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    // What stands before is in `masked` already.
    let mut done = 0;
    let mut at = 0;
    while let Some((start, end)) = next_form(text, at) {
        masked.push_str(&text[done..start]);
        masked.push_str("***");
        (done, at) = (end, end);
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// Where the next secret begins and ends that is known by its form.
fn next_form(text: &str, from: usize) -> Option<(usize, usize)> {
    let token = TOKEN_FORMS.iter().filter_map(|form| {
        text[from..].match_indices(form).find_map(|(index, _)| {
            let start = from + index;
            let rest = &text[start + form.len()..];
            let length = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
            (length >= SHORTEST_TOKEN).then_some((start, start + form.len() + length))
        })
    });
    let credentials = text[from..].match_indices("://").find_map(|(index, _)| {
        let start = from + index + 3;
        let rest = &text[start..];
        let authority = &rest[..rest.find(ends_authority).unwrap_or(rest.len())];
        let end = authority.rfind('@')?;
        (&authority[..end] != "***").then_some((start, start + end))
    });
    token.chain(credentials).min()
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn ends_authority(c: char) -> bool {
    c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'')
}

/// An address as it may be shown, even if it is malformed: without user and password.
pub fn without_credentials(address: &str) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => Cow::Owned(format!("{scheme}://***@{host}")),
            None => Cow::Owned(format!("***@{host}")),
        },
        None => Cow::Borrowed(address),
    }
}

/// Whether `value` as a whole is a secret that this process has seen.
pub fn is_known(value: &str) -> bool {
    let seen = SEEN.read().unwrap_or_else(PoisonError::into_inner);
    seen.iter().any(|secret| secret == value)
}

fn remember(value: &str) {
    let mut forms = vec![
        value.to_owned(),
        // Messages are put on one line before they are shown, here or where they come from.
        value.split_whitespace().collect::<Vec<_>>().join(" "),
        percent_encoded(value),
    ];
    // A body is quoted in messages as JSON, where quotes and backslashes are escaped.
    if let Ok(json) = serde_json::to_string(value) {
        forms.push(json[1..json.len() - 1].to_owned());
    }
    // The headers of a PEM file say how it is encrypted, which explanations quote.
    let is_pem = value.contains("-----BEGIN");
    let lines = value.lines().map(str::trim);
    forms.extend(
        lines
            .filter(|line| !is_pem || line.bytes().all(is_of_base64))
            .map(str::to_owned),
    );
    let mut seen = SEEN.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if form.len() >= SHORTEST_MASKED && !form.starts_with("-----") && !seen.contains(&form) {
            seen.push(form);
        }
    }
    seen.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// As in an address or a form.
fn percent_encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
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
    fn what_a_key_file_says_of_its_encryption_is_not_masked() {
        let _key = Secret::new(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIEcanary93\n",
        );
        let explanation = "encrypted in OpenSSL's old way (Proc-Type: 4,ENCRYPTED)";
        assert_eq!(mask(explanation), explanation);
        assert_eq!(mask("MIIEcanary93"), "***");
    }

    #[test]
    fn a_secret_with_blanks_is_masked_however_it_is_echoed() {
        let _secret = Secret::new("canary  of two&blanks");
        for echo in [
            "canary  of two&blanks",
            "canary of two&blanks",
            "canary%20%20of%20two%26blanks",
        ] {
            assert_eq!(mask(echo), "***");
        }
    }

    #[test]
    fn tokens_and_credentials_are_known_by_their_form() {
        for (text, masked) in [
            ("token cfut_0123456789abcdef!", "token ***!"),
            ("cfat_0123456789, cfk_0123456789", "***, ***"),
            (
                "the forms cfut_, cfat_ and cfk_",
                "the forms cfut_, cfat_ and cfk_",
            ),
            ("31mcfut_0123456789", "31m***"),
            (
                "https://user:pa@ss@acme.example/a@b?c=d@e",
                "https://***@acme.example/a@b?c=d@e",
            ),
            (
                "https://acme.example and mail@acme.example",
                "https://acme.example and mail@acme.example",
            ),
            (
                "http://a@b cfut_0123456789 ftp://c:d@e",
                "http://***@b *** ftp://***@e",
            ),
            ("über cfut_0123456789ü", "über ***ü"),
        ] {
            assert_eq!(mask_forms(text), masked);
            assert_eq!(mask_forms(masked), masked);
        }
    }

    #[test]
    fn short_values_do_not_blot_out_words() {
        let _secret = Secret::new("on");
        assert_eq!(mask("connection"), "connection");
    }
}
