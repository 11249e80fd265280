//! PEM blocks (RFC 7468), wherever and however they stand in a text.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Lenient about what does no harm: missing padding, and bits left over in the last character.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// Longer than any label in use; what is longer is no label.
const LONGEST_LABEL: usize = 64;

/// A block between a BEGIN and an END line.
pub(super) struct Block {
    pub(super) label: String,
    /// The line of its beginning, from 1.
    pub(super) line: usize,
    /// Where it stands in the text, in bytes.
    pub(super) range: std::ops::Range<usize>,
    pub(super) der: Result<Zeroizing<Vec<u8>>, PemError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PemError {
    NoEnd,
    NotBase64,
    /// The encryption of PEM itself (RFC 1421), which OpenSSL used before PKCS#8.
    LegacyEncryption,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEnd => "its END line is missing",
            Self::NotBase64 => "its text is not base64",
            Self::LegacyEncryption => {
                "it is encrypted in OpenSSL's old way (Proc-Type: 4,ENCRYPTED)"
            }
        })
    }
}

/// Every block of `text`.
///
/// Indentation, CRLF, line breaks written as `\n` in a quoted string, or none at all: all are read. A block that is
/// commented out with `#` is not there.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut from = 0;
    let mut lines = LineCounter::default();
    while let Some(begin) = text[from..].find(BEGIN).map(|at| from + at) {
        from = begin + BEGIN.len();
        let Some(label) = label_at(&text[from..]) else {
            continue;
        };
        from += label.len() + DASHES.len();
        if is_commented_out(&text[..begin]) {
            continue;
        }
        let body = &text[from..];
        let end = format!("-----END {label}-----");
        // A block without end must not swallow the next one.
        let next = body.find(BEGIN).unwrap_or(body.len());
        let (der, length) = match body[..next].find(&end) {
            Some(length) => (decode(&body[..length]), length + end.len()),
            None => (Err(PemError::NoEnd), 0),
        };
        from += length;
        blocks.push(Block {
            label: label.to_owned(),
            line: lines.line_of(text, begin),
            range: begin..from,
            der,
        });
    }
    blocks
}

/// One block with lines of 64 characters that end in LF.
pub(super) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(der));
    // Reserved at once: growing would leave copies of a key behind.
    let mut pem = Zeroizing::new(String::with_capacity(body.len() * 66 / 64 + 128));
    pem.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = next;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

fn label_at(text: &str) -> Option<&str> {
    let label = &text[..text.find(DASHES)?];
    let fits = label.len() <= LONGEST_LABEL
        && label
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    fits.then_some(label)
}

fn is_commented_out(before: &str) -> bool {
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    before[line_start..].trim_start().starts_with('#')
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let unquoted = Zeroizing::new(unescape(body));
    let mut base64 = Zeroizing::new(String::with_capacity(unquoted.len()));
    for line in unquoted.lines() {
        if line.contains(':') {
            if line.contains("ENCRYPTED") {
                return Err(PemError::LegacyEncryption);
            }
            continue;
        }
        base64.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
    }
    match BASE64.decode(base64.as_bytes()) {
        Ok(der) if !der.is_empty() => Ok(Zeroizing::new(der)),
        _ => Err(PemError::NotBase64),
    }
}

/// Undoes what JSON and double-quoted YAML do to line breaks and slashes.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'r' | 't' | '\n' | '\r') => plain.push('\n'),
                Some('/') => plain.push('/'),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            other => plain.push(other),
        }
    }
    plain
}

/// Line numbers of ascending positions, in one pass.
#[derive(Default)]
struct LineCounter {
    position: usize,
    breaks: usize,
}

impl LineCounter {
    fn line_of(&mut self, text: &str, position: usize) -> usize {
        let between = &text.as_bytes()[self.position..position];
        self.breaks += between.iter().filter(|b| **b == b'\n').count();
        self.position = position;
        self.breaks + 1
    }
}
