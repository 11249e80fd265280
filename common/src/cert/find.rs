//! Certificates and keys in files of unknown layout.

use base64::Engine as _;
use zeroize::Zeroizing;

use super::key::{curve_parameters, is_key};
use super::pem::{self, BASE64};
use super::{Certificate, PrivateKey, is_certificate};

/// Base64 within base64 within base64: a Kubernetes Secret of a file that holds encoded PEM. No deeper.
const DEEPEST: usize = 3;
/// The shortest key there is (Ed25519, PKCS#8) takes 64 characters.
const SHORTEST_RUN: usize = 64;

/// Something found in a text.
#[derive(Clone, Debug)]
pub struct Found {
    /// The line where it begins, from 1; for something inside base64, the line where that begins.
    pub line: usize,
    /// What it is.
    pub item: Item,
}

/// What can be found.
#[derive(Clone, Debug)]
pub enum Item {
    /// A certificate.
    Certificate(Box<Certificate>),
    /// An unencrypted private key.
    Key(PrivateKey),
    /// A PEM block of a certificate or key that cannot be used.
    Unusable {
        /// The block's label, such as `ENCRYPTED PRIVATE KEY`.
        label: String,
        /// Why not.
        why: String,
    },
}

/// A certificate and its key.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// The key that belongs to it.
    pub key: &'a PrivateKey,
}

/// Finds certificates and private keys anywhere in a text, whatever surrounds them.
///
/// They may be PEM, plain, indented or quoted; base64 of PEM or of DER, in one line or wrapped; or inside a text that
/// is itself base64. What is commented out with `#` is not seen. No text makes it fail.
pub fn find_pem(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    search(text, None, 0, &mut found);
    found
}

/// The certificates of `found` whose key is there too, each once, in their order.
pub fn pairs(found: &[Found]) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for certificate in found.iter().filter_map(Found::certificate) {
        if pairs.iter().any(|pair| pair.certificate == certificate) {
            continue;
        }
        let mut keys = found.iter().filter_map(Found::key);
        if let Some(key) = keys.find(|key| key.matches(certificate)) {
            pairs.push(Pair { certificate, key });
        }
    }
    pairs
}

impl Found {
    /// The certificate, if it is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.item {
            Item::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// The private key, if it is one.
    pub fn key(&self) -> Option<&PrivateKey> {
        match &self.item {
            Item::Key(key) => Some(key),
            _ => None,
        }
    }
}

/// `outer` is the line of the base64 that `text` was in.
fn search(text: &str, outer: Option<usize>, depth: usize, found: &mut Vec<Found>) {
    let blocks = pem::blocks(text);
    let curve = curve_parameters(&blocks);
    let mut between = String::with_capacity(text.len());
    let mut end = 0;
    let mut here = Vec::new();
    for block in &blocks {
        between.push_str(&text[end..block.range.start]);
        blank(&text[block.range.clone()], &mut between);
        end = block.range.end;
        let item = if is_certificate(&block.label) {
            let read = block.der.as_ref().map_err(ToString::to_string);
            read.and_then(|der| Certificate::read(der))
                .map(|certificate| Item::Certificate(Box::new(certificate)))
        } else if is_key(&block.label) {
            PrivateKey::from_block(block, curve, None)
                .map(Item::Key)
                .map_err(|error| error.to_string())
        } else {
            continue;
        };
        here.push(Found {
            line: outer.unwrap_or(block.line),
            item: item.unwrap_or_else(|why| Item::Unusable {
                label: block.label.clone(),
                why,
            }),
        });
    }
    between.push_str(&text[end..]);
    let between = Zeroizing::new(between);
    if depth < DEEPEST {
        for run in runs(&between) {
            search_run(&run, outer.unwrap_or(run.line), depth, &mut here);
        }
    }
    here.sort_by_key(|found| found.line);
    found.append(&mut here);
}

/// Stands for a block that has been dealt with; keeps the line numbers, and parts what is around it.
fn blank(block: &str, into: &mut String) {
    into.push('|');
    into.extend(block.chars().filter(|c| *c == '\n'));
    into.push('|');
}

/// Words of base64 characters that only white space parts: encoded bytes, perhaps wrapped; mostly just prose.
#[derive(Default)]
struct Run<'a> {
    line: usize,
    words: Vec<&'a str>,
}

fn search_run(run: &Run<'_>, line: usize, depth: usize, found: &mut Vec<Found>) {
    // A tag or a name may stand before the first word (`!!binary LS0t…`).
    if decode(&run.words, line, depth, found) || decode(&run.words[1..], line, depth, found) {
        return;
    }
    for word in &run.words {
        decode(&[word], line, depth, found);
    }
}

/// Whether there was something in it.
fn decode(words: &[&str], line: usize, depth: usize, found: &mut Vec<Found>) -> bool {
    if words.iter().map(|word| word.len()).sum::<usize>() < SHORTEST_RUN {
        return false;
    }
    let joined = Zeroizing::new(words.concat());
    let Ok(bytes) = BASE64.decode(joined.as_bytes()).map(Zeroizing::new) else {
        return false;
    };
    let before = found.len();
    if let Ok(certificate) = Certificate::from_der(&bytes) {
        let item = Item::Certificate(Box::new(certificate));
        found.push(Found { line, item });
    } else if let Some(key) = PrivateKey::from_der(&bytes) {
        let item = Item::Key(key);
        found.push(Found { line, item });
    } else if let Ok(text) = std::str::from_utf8(&bytes) {
        search(text, Some(line), depth + 1, found);
    }
    found.len() > before
}

fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = vec![Run::default()];
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            runs.push(Run::default());
            continue;
        }
        for (word, next) in words_of(line) {
            // The name of a mapping's entry is no part of the value before it.
            let is_name = next == Some(':');
            if !is_name && !word.is_empty() {
                extend(&mut runs, word, index + 1);
            }
            if is_name || word.ends_with('=') || next.is_some_and(|c| !c.is_whitespace()) {
                runs.push(Run::default());
            }
        }
    }
    runs.retain(|run| !run.words.is_empty());
    runs
}

fn extend<'a>(runs: &mut [Run<'a>], word: &'a str, line: usize) {
    if let Some(run) = runs.last_mut() {
        if run.words.is_empty() {
            run.line = line;
        }
        run.words.push(word);
    }
}

/// The words of base64 characters of a line, each with the character behind it. A line break written as `\n` counts
/// as white space.
fn words_of(line: &str) -> Vec<(&str, Option<char>)> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let length = rest.find(|c| !is_base64(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(length);
        let mut chars = tail.chars();
        let Some(next) = chars.next() else {
            words.push((word, None));
            return words;
        };
        let escape = tail.strip_prefix("\\n").or(tail.strip_prefix("\\r"));
        match escape {
            Some(after) => {
                words.push((word, Some(' ')));
                rest = after;
            }
            None => {
                words.push((word, Some(next)));
                rest = chars.as_str();
            }
        }
    }
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::super::test_support::*;
    use super::*;

    struct Material {
        certificate: Certificate,
        authority: Certificate,
        key: PrivateKey,
    }

    fn material() -> Material {
        let issuer = root("Flex Root");
        let (certificate, key) = leaf(&["gateway.example.com"], &issuer);
        Material {
            certificate,
            authority: certificate_of(&issuer),
            key,
        }
    }

    fn certificate_of(authority: &Authority) -> Certificate {
        super::super::test_support::certificate(authority)
    }

    fn indented(text: &str) -> String {
        text.lines().map(|line| format!("      {line}\n")).collect()
    }

    fn wrapped(text: &str, columns: usize) -> String {
        text.as_bytes()
            .chunks(columns)
            .map(|line| format!("    {}\n", str::from_utf8(line).unwrap()))
            .collect()
    }

    fn assert_pair(text: &str, material: &Material) {
        let found = find_pem(text);
        let pairs = pairs(&found);
        assert_eq!(pairs.len(), 1, "{found:?} in\n{text}");
        assert_eq!(*pairs[0].certificate, material.certificate);
        assert_eq!(pairs[0].key.pkcs8_der(), material.key.pkcs8_der());
    }

    #[test]
    fn pem_is_found_in_every_dress() {
        let m = material();
        let (cert, key) = (m.certificate.to_pem(), m.key.to_pkcs8_pem());
        let (cert64, key64) = (BASE64.encode(&cert), BASE64.encode(key.as_bytes()));
        let (der64, keyder64) = (
            BASE64.encode(&m.certificate.der),
            BASE64.encode(m.key.pkcs8_der()),
        );
        let escape = |pem: &str| pem.replace('\n', "\\n");
        let registration = format!(
            "kind: Configuration\nspec:\n  agentId: 1b7c\n  cert: |\n{}  key: |\n{}  url: https://x.example.com\n",
            indented(&cert),
            indented(&key)
        );
        let texts = [
            format!("{cert}{}", *key),
            registration.clone(),
            registration.replace('\n', "\r\n"),
            format!("cert: \"{}\"\nkey: \"{}\"\n", escape(&cert), escape(&key)),
            format!(
                "{{\"cert\":\"{}\",\"key\":\"{}\"}}",
                escape(&cert),
                escape(&key)
            ),
            format!("cert: {cert64}\nkey: {key64}\nother: value\n"),
            format!("cert: '{cert64}' # base64\nkey: !!binary {key64}\n"),
            format!(
                "cert: >-\n{}\nkey: |\n{}\nname: y\n",
                wrapped(&cert64, 76),
                wrapped(&key64, 64)
            ),
            format!("a:\n- {der64}\n- {keyder64}\n- b\n"),
            format!(
                "cert: |\n{}key: |\n{}",
                wrapped(&der64, 64),
                wrapped(&keyder64, 64)
            ),
            format!(
                "data:\n  registration.yaml: {}\n",
                BASE64.encode(&registration)
            ),
            format!(
                "data:\n  registration.yaml: {}\n",
                BASE64.encode(format!("cert: {cert64}\nkey: {key64}\n"))
            ),
        ];
        for text in &texts {
            assert_pair(text, &m);
        }
    }

    #[test]
    fn base64_without_padding_ends_where_the_next_name_begins() {
        let m = material();
        let bare = |bytes: &[u8]| BASE64.encode(bytes).trim_end_matches('=').to_owned();
        let cert = bare(m.certificate.to_pem().as_bytes());
        let key = bare(m.key.to_pkcs8_pem().as_bytes());
        assert_pair(&format!("cert: {cert}\nkey: {key}\nend: x"), &m);
    }

    #[test]
    fn an_authority_without_key_is_no_pair() {
        let m = material();
        let text = format!(
            "{}{}{}{}",
            m.authority.to_pem(),
            m.certificate.to_pem(),
            m.certificate.to_pem(),
            *m.key.to_pkcs8_pem()
        );
        assert_pair(&text, &m);
        assert_eq!(find_pem(&text).len(), 4);
    }

    #[test]
    fn each_certificate_finds_its_own_key() {
        let (one, two) = (material(), material());
        let text = format!(
            "{}{}{}{}",
            *two.key.to_pkcs8_pem(),
            *one.key.to_pkcs8_pem(),
            one.certificate.to_pem(),
            two.certificate.to_pem()
        );
        let found = find_pem(&text);
        let pairs = pairs(&found);
        assert_eq!(pairs.len(), 2);
        assert!(pairs.iter().all(|pair| pair.key.matches(pair.certificate)));
        assert_eq!(*pairs[0].certificate, one.certificate);
    }

    #[test]
    fn what_is_found_tells_its_line() {
        let m = material();
        let text = format!(
            "a: b\n{}key: {}",
            m.certificate.to_pem(),
            BASE64.encode(m.key.pkcs8_der())
        );
        let lines: Vec<_> = find_pem(&text).iter().map(|found| found.line).collect();
        let last = text.lines().count();
        assert_eq!(lines, [2, last]);
    }

    #[test]
    fn commented_out_blocks_and_values_are_not_there() {
        let m = material();
        let commented: String = m
            .certificate
            .to_pem()
            .lines()
            .map(|l| format!("  # {l}\n"))
            .collect();
        let value = format!("# cert: {}\n", BASE64.encode(m.certificate.to_pem()));
        assert!(find_pem(&format!("{commented}{value}")).is_empty());
    }

    #[test]
    fn blocks_that_cannot_be_used_say_why() {
        let encrypted = openssl(
            "pkcs8 -topk8 -passout pass:canary-pass",
            &material().key.to_pkcs8_pem(),
        );
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB\n";
        let found = find_pem(&format!("{encrypted}{cut}"));
        let [first, second] = &found[..] else {
            panic!("{found:?}");
        };
        assert!(matches!(&first.item, Item::Unusable { label, why }
            if label == "ENCRYPTED PRIVATE KEY" && why.contains("encrypted")));
        assert!(matches!(&second.item, Item::Unusable { why, .. } if why.contains("END")));
    }

    #[test]
    fn prose_and_ids_are_nothing() {
        let text = "agentId: 0f3d1c1e-7a11-4f0e-9a5c-2b6f9a000000\nurl: https://anypoint.mulesoft.com/very/long/path/that/looks/like/base64/characters/only\n";
        assert!(find_pem(text).is_empty());
    }

    #[test]
    fn debug_shows_no_key() {
        let m = material();
        let found = find_pem(&m.key.to_pkcs8_pem());
        let body = BASE64.encode(m.key.pkcs8_der());
        assert!(!format!("{found:?}").contains(&body[..40]));
    }
}
