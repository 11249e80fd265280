//! The registration of a Flex Gateway: `registration.yaml`, and the `certificate.yaml` of a split registration.
//!
//! Where in the file certificate and key stand is not published, so they are looked for as PEM, plain or base64,
//! anywhere in the text. The files are opaque otherwise: they are copied, never written anew.

use std::borrow::Cow;
use std::path::Path;

use jiff::Timestamp;
use saphyr_parser::{Event, Parser};

use crate::cert::{Certificate, Found, find_pem, pairs};
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::system::files;

/// The name that `flexctl` gives the file.
pub const FILE_NAME: &str = "registration.yaml";

/// The second file of a split registration.
pub const SPLIT_NAME: &str = "certificate.yaml";

/// A registration takes a few kilobytes.
pub const LARGEST: u64 = 1024 * 1024;

/// A longer value is no id, name or address.
const LONGEST_VALUE: usize = 300;

/// Lines of PEM have 64 characters, and nothing else in the file is as long and unbroken as half of that.
const SHORTEST_HIDDEN: usize = 32;

/// The files of a registration as they are, byte for byte. They hold a private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    /// `registration.yaml`.
    pub registration: Vec<u8>,
    /// Other files by name: `certificate.yaml` where the registration is split.
    pub others: Vec<(String, Vec<u8>)>,
}

/// What a registration says. Fields that it does not have, or that are somewhere else than expected, are `None`.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Id of the gateway, the platform's name for it is `agentId`.
    pub gateway: Option<String>,
    /// Name of the gateway.
    pub name: Option<String>,
    /// Id of the organization.
    pub organization: Option<String>,
    /// Id of the environment.
    pub environment: Option<String>,
    /// Address of the control plane.
    pub platform: Option<String>,
    /// How the gateway runs, as the file has it.
    pub mode: Option<String>,
    /// Whether the gateway keeps a connection to the platform: Connected Mode.
    pub is_connected: bool,
    /// Whether a document says that it is a registration.
    pub says_so: bool,
    /// The certificate that ends first among those whose key is there; without such, among all that are no authority.
    pub certificate: Certificate,
    /// Whether the certificate's key is there.
    pub has_key: bool,
    /// Whether the certificate stands in a second file.
    pub split: bool,
}

impl Files {
    /// Reads the registration at `path`, and the certificate file beside it where the registration needs one.
    ///
    /// # Errors
    ///
    /// Not found, or configuration: unreadable or too large.
    pub fn read(path: &Path) -> Result<Self> {
        let mut read = Self {
            registration: files::read("the registration", path, LARGEST)?,
            others: Vec::new(),
        };
        let beside = files::folder_of(path).join(SPLIT_NAME);
        // Another thing may be called so; it belongs here only if something is missing without it.
        if !read.is_complete() && path != beside && beside.is_file() {
            let bytes = files::read("the certificate of the registration", &beside, LARGEST)?;
            read.others.push((SPLIT_NAME.to_owned(), bytes));
        }
        read.hide();
        Ok(read)
    }

    /// Has the key, and the client secret of a gateway in Connected Mode, masked wherever they might show up, as in the
    /// words of a program that prints its input.
    pub fn hide(&self) {
        for text in self
            .all()
            .filter_map(|bytes| std::str::from_utf8(bytes).ok())
        {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
                .filter(|run| run.len() >= SHORTEST_HIDDEN)
                .for_each(|run| drop(Secret::new(run)));
            let mut facts = Facts::default();
            // What comes before a mistake has been read all the same.
            let _ = facts.read(text, "");
            facts
                .documents
                .iter()
                .flat_map(|document| &document.values)
                .filter(|(path, _)| path.last().is_some_and(|name| is_of_secret(name)))
                .for_each(|(_, value)| drop(Secret::new(value.as_str())));
        }
    }

    /// What the files say. `name` is how errors call them.
    ///
    /// # Errors
    ///
    /// Configuration: empty, not YAML, or without a certificate that can be read.
    pub fn parse(&self, name: &str) -> Result<Registration> {
        let mut facts = Facts::default();
        let mut found = Vec::new();
        for bytes in self.all() {
            let text = text_of(bytes, name)?;
            facts.read(text, name)?;
            found.extend(find_pem(text));
        }
        if !facts.has_mapping {
            return Err(Error::config(format!(
                "{name} is not YAML of a registration: it holds no mapping"
            ))
            .advise("Give the registration.yaml that flexctl wrote."));
        }
        let (certificate, has_key) = leading(&found, name)?;
        let facts = facts.settle();
        let mode = facts.value(&["mode"]);
        Ok(Registration {
            is_connected: match mode.as_deref() {
                Some("online" | "connected") => true,
                Some(_) => false,
                // Only such a gateway has something to log in with.
                None => facts.value(&["clientSecret"]).is_some(),
            },
            gateway: facts.value(&["agentId"]),
            name: facts.value(&["assetName", "gatewayName", "agentName"]),
            organization: facts.value(&["organizationId", "orgId", "organization"]),
            environment: facts.value(&["environmentId", "envId", "environment"]),
            platform: facts.platform(),
            mode,
            says_so: facts.says_so,
            certificate,
            has_key,
            split: !self.others.is_empty(),
        })
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.registration[..])
            .chain(self.others.iter().map(|(_, bytes)| &bytes[..]))
    }

    fn is_complete(&self) -> bool {
        std::str::from_utf8(&self.registration).is_ok_and(|text| !pairs(&find_pem(text)).is_empty())
    }
}

impl std::fmt::Debug for Files {
    /// Sizes only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("registration", &self.registration.len())
            .field("others", &self.others.len())
            .finish()
    }
}

impl Registration {
    /// The last second of the certificate's validity.
    pub fn expiry(&self) -> Timestamp {
        self.certificate.not_after
    }

    /// Fails unless certificate and key belong together.
    ///
    /// # Errors
    ///
    /// Configuration.
    pub fn check_key(&self, name: &str) -> Result<()> {
        if self.has_key {
            return Ok(());
        }
        Err(
            Error::config(format!("{name} holds no private key that belongs to its certificate")).advise(
                "Files of two registrations may have been mixed. Restore the file from a backup, or register the \
                 gateway again.",
            ),
        )
    }

    /// What differs in `new`, which should be the same gateway's registration; `None` if it is.
    pub fn differs(&self, new: &Registration) -> Option<String> {
        let pairs = [
            ("gateway", &self.gateway, &new.gateway),
            ("organization", &self.organization, &new.organization),
            ("environment", &self.environment, &new.environment),
        ];
        for (what, old, new) in pairs {
            match (old, new) {
                (Some(old), Some(new)) if old != new => {
                    return Some(format!("it is of {what} {new} instead of {old}"));
                }
                (Some(old), None) => return Some(format!("it no longer names {what} {old}")),
                _ => {}
            }
        }
        (self.says_so && !new.says_so)
            .then(|| "no document in it is a Configuration called registration".to_owned())
    }
}

/// Whether a value with this name is a secret: `clientSecret`, or what other layouts may call it.
fn is_of_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "password", "passphrase", "token"]
        .iter()
        .any(|word| name.ends_with(word))
}

fn text_of<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::config(format!("{name} is empty")).advise(
            "A registration that failed leaves an empty file behind. Restore the file from a backup, or remove it and \
             register the gateway again.",
        ));
    }
    std::str::from_utf8(bytes)
        .map_err(|_| Error::config(format!("{name} is not YAML: it is not text in UTF-8")))
}

/// The certificate that counts, and whether its key is there.
fn leading(found: &[Found], name: &str) -> Result<(Certificate, bool)> {
    let earliest = |certificates: Vec<&Certificate>| {
        certificates
            .into_iter()
            .min_by_key(|certificate| certificate.not_after)
            .cloned()
    };
    let with_key = pairs(found).iter().map(|pair| pair.certificate).collect();
    if let Some(certificate) = earliest(with_key) {
        return Ok((certificate, true));
    }
    let all: Vec<&Certificate> = found.iter().filter_map(Found::certificate).collect();
    let leaves: Vec<&Certificate> = all.iter().copied().filter(|one| !one.is_ca).collect();
    earliest(leaves)
        .or_else(|| earliest(all))
        .map(|certificate| (certificate, false))
        .ok_or_else(|| {
            let why = found.iter().find_map(|found| match &found.item {
                crate::cert::Item::Unusable { label, why } => {
                    Some(format!("; the {label} in line {} cannot be used: {why}", found.line))
                }
                _ => None,
            });
            Error::config(format!(
                "there is no certificate in {name}{}",
                why.unwrap_or_default()
            ))
            .advise(
                "Give the registration.yaml that flexctl wrote; where it is split, certificate.yaml has to be beside it.",
            )
        })
}

/// The short values of a YAML stream with the names on the way to them.
#[derive(Default)]
struct Facts {
    documents: Vec<Document>,
    has_mapping: bool,
}

#[derive(Default)]
struct Document {
    values: Vec<(Vec<String>, String)>,
}

/// Where the reader is: in a list, or in a mapping, there at a name or at the value behind one.
enum Level {
    List,
    Mapping(Option<String>),
}

impl Facts {
    /// Walks through the events rather than building a tree: neither depth nor aliases can make it large.
    fn read(&mut self, text: &str, name: &str) -> Result<()> {
        let mut levels: Vec<Level> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, _) = event.map_err(|err| {
                Error::config(format!(
                    "{name} is not YAML: {} (line {})",
                    err.info(),
                    err.marker().line()
                ))
            })?;
            match event {
                Event::DocumentStart(_) => self.documents.push(Document::default()),
                Event::MappingStart(..) => {
                    self.has_mapping = true;
                    levels.push(Level::Mapping(None));
                }
                Event::SequenceStart(..) => levels.push(Level::List),
                Event::MappingEnd | Event::SequenceEnd => {
                    levels.pop();
                    value_is_over(&mut levels);
                }
                Event::Alias(_) => self.scalar(&mut levels, Cow::Borrowed("")),
                Event::Scalar(value, ..) => self.scalar(&mut levels, value),
                _ => {}
            }
        }
        Ok(())
    }

    fn scalar(&mut self, levels: &mut [Level], value: Cow<'_, str>) {
        if let Some(Level::Mapping(name @ None)) = levels.last_mut() {
            let short = value.chars().take(LONGEST_VALUE).collect();
            *name = Some(short);
            return;
        }
        if !value.is_empty()
            && value.len() <= LONGEST_VALUE
            && levels.len() <= 16
            && let Some(document) = self.documents.last_mut()
        {
            let path = levels.iter().filter_map(|level| match level {
                Level::Mapping(name) => name.clone(),
                Level::List => None,
            });
            document.values.push((path.collect(), value.into_owned()));
        }
        value_is_over(levels);
    }

    /// The documents that say that they are a registration; all, where none says so.
    fn settle(self) -> Settled {
        let is = |document: &Document| {
            document.at(&["kind"]) == Some("Configuration")
                && document.at(&["metadata", "name"]) == Some("registration")
        };
        let says_so = self.documents.iter().any(is);
        let values = self
            .documents
            .into_iter()
            .filter(|document| !says_so || is(document))
            .flat_map(|document| document.values)
            .collect();
        Settled { values, says_so }
    }
}

impl Document {
    fn at(&self, path: &[&str]) -> Option<&str> {
        self.values
            .iter()
            .find(|(here, _)| here == path)
            .map(|(_, value)| value.as_str())
    }
}

fn value_is_over(levels: &mut [Level]) {
    if let Some(Level::Mapping(name)) = levels.last_mut() {
        *name = None;
    }
}

struct Settled {
    values: Vec<(Vec<String>, String)>,
    says_so: bool,
}

impl Settled {
    /// The first value under one of these names, at any depth; the first name goes first.
    fn value(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|wanted| {
            self.values
                .iter()
                .find(|(path, _)| {
                    path.last()
                        .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
                })
                .map(|(_, value)| value.clone())
        })
    }

    fn platform(&self) -> Option<String> {
        let urls = || {
            self.values
                .iter()
                .filter(|(_, value)| value.starts_with("https://") || value.starts_with("http://"))
        };
        let of_anypoint = |(path, _): &&(Vec<String>, String)| {
            path.iter()
                .any(|name| name.to_ascii_lowercase().contains("anypoint"))
        };
        urls()
            .find(of_anypoint)
            .or_else(|| {
                urls().find(|(path, _)| {
                    path.last()
                        .is_some_and(|name| name.eq_ignore_ascii_case("url"))
                })
            })
            .map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::error::Kind;

    const HEAD: &str = "\
---
apiVersion: gateway.mulesoft.com/v1alpha1
kind: Configuration
metadata:
  name: registration
spec:
  platformConnection:
    agentId: 2f0c6f3e-0000-4000-8000-000000000001
    assetName: edge-1
    mode: online
    anypoint:
      url: https://eu1.anypoint.mulesoft.com
      organizationId: 2f0c6f3e-0000-4000-8000-0000000000aa
      environmentId: 2f0c6f3e-0000-4000-8000-0000000000bb
";

    struct Made {
        cert: String,
        key: String,
    }

    fn made(year: i32) -> Made {
        let mut params = CertificateParams::new(vec!["gateway.example.com".into()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        Made {
            cert: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn block(name: &str, pem: &str) -> String {
        let lines: String = pem
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect();
        format!("      {name}: |\n{lines}")
    }

    fn plain(made: &Made) -> String {
        format!(
            "{HEAD}    certificate:\n{}{}",
            block("cert", &made.cert),
            block("key", &made.key)
        )
    }

    fn files(text: &str) -> Files {
        Files {
            registration: text.into(),
            others: Vec::new(),
        }
    }

    fn parsed(text: &str) -> Registration {
        files(text).parse("the file").unwrap()
    }

    fn refused(text: &str) -> String {
        let err = files(text).parse("the file").unwrap_err();
        assert_eq!(err.kind(), Kind::Config);
        err.to_string()
    }

    #[test]
    fn everything_is_read_from_the_plain_form() {
        let read = parsed(&plain(&made(2031)));
        assert_eq!(
            read.gateway.as_deref(),
            Some("2f0c6f3e-0000-4000-8000-000000000001")
        );
        assert_eq!(read.name.as_deref(), Some("edge-1"));
        assert_eq!(
            read.organization.as_deref(),
            Some("2f0c6f3e-0000-4000-8000-0000000000aa")
        );
        assert_eq!(
            read.environment.as_deref(),
            Some("2f0c6f3e-0000-4000-8000-0000000000bb")
        );
        assert_eq!(
            read.platform.as_deref(),
            Some("https://eu1.anypoint.mulesoft.com")
        );
        assert_eq!(read.mode.as_deref(), Some("online"));
        assert_eq!(read.expiry().to_string(), "2031-01-01T00:00:00Z");
        assert!(read.has_key && read.says_so && !read.split && read.is_connected);
        let local = plain(&made(2031)).replace("mode: online", "mode: local");
        assert!(!parsed(&local).is_connected);
        let unsaid = plain(&made(2031)).replace("mode: online", "clientSecret: abc");
        assert!(parsed(&unsaid).is_connected);
    }

    #[test]
    fn the_layout_makes_no_difference() {
        let made = made(2031);
        let (cert, key) = (
            BASE64_STANDARD.encode(&made.cert),
            BASE64_STANDARD.encode(&made.key),
        );
        let other =
            "---\nkind: Configuration\nmetadata:\n  name: forward-proxy\nspec:\n  agentId: wrong\n";
        let listed = HEAD.replace(
            "platformConnection:\n    agentId",
            "platformConnection:\n  - agentId",
        );
        for text in [
            format!("{HEAD}    keys: [{cert}, {key}]\n"),
            format!("{other}{HEAD}    certificate: {{cert: {cert}, key: {key}}}\n"),
            format!(
                "{listed}    pem: \"{}\"\n",
                (made.key.clone() + &made.cert).replace('\n', "\\n")
            ),
            format!("{HEAD}\n---\nkind: Certificate\ndata: {cert}\nsecret: {key}\n"),
        ] {
            let read = parsed(&text);
            assert!(read.has_key, "{text}");
            assert_eq!(
                read.gateway.as_deref(),
                Some("2f0c6f3e-0000-4000-8000-000000000001"),
                "{text}"
            );
            assert_eq!(read.expiry().to_string(), "2031-01-01T00:00:00Z");
        }
    }

    #[test]
    fn of_two_certificates_with_keys_the_earlier_end_counts_and_one_without_key_does_not() {
        let (early, late, stranger) = (made(2030), made(2031), made(2029));
        let text = format!(
            "{}{}{}",
            plain(&late),
            block("b", &early.cert),
            block("k", &early.key)
        );
        assert_eq!(parsed(&text).expiry().to_string(), "2030-01-01T00:00:00Z");
        let text = format!("{}{}", plain(&late), block("ca", &stranger.cert));
        assert_eq!(parsed(&text).expiry().to_string(), "2031-01-01T00:00:00Z");
    }

    #[test]
    fn a_key_of_another_certificate_is_noticed() {
        let mut mixed = made(2031);
        mixed.key = made(2031).key;
        let read = parsed(&plain(&mixed));
        assert!(!read.has_key);
        assert_eq!(read.check_key("x").unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn a_split_registration_is_read_as_one_and_a_stranger_beside_a_whole_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let made = made(2031);
        let path = folder.path().join(FILE_NAME);
        std::fs::write(
            &path,
            format!("{HEAD}    key: {}\n", BASE64_STANDARD.encode(&made.key)),
        )
        .unwrap();
        let second = format!(
            "kind: Configuration\nmetadata:\n  name: certificate\nspec:\n{}",
            block("c", &made.cert)
        );
        std::fs::write(folder.path().join(SPLIT_NAME), second).unwrap();
        let read = Files::read(&path).unwrap().parse("the file").unwrap();
        assert!(read.split && read.has_key);
        assert_eq!(read.name.as_deref(), Some("edge-1"));
        std::fs::write(&path, plain(&made)).unwrap();
        assert!(Files::read(&path).unwrap().others.is_empty());
    }

    #[test]
    fn what_is_no_registration_is_refused_with_its_reason() {
        assert_eq!(refused(" \n"), "the file is empty");
        assert!(refused("hello world").contains("no mapping"));
        assert!(refused("a: [b\nc: }").contains("not YAML"));
        assert_eq!(refused(HEAD), "there is no certificate in the file");
        let cut = format!("{HEAD}    c: |\n      -----BEGIN CERTIFICATE-----\n      MIIB\n");
        assert!(refused(&cut).contains("line 16"), "{}", refused(&cut));
        let err = Files {
            registration: vec![0xff, 0xfe, 1],
            others: Vec::new(),
        }
        .parse("x")
        .unwrap_err();
        assert!(err.to_string().contains("UTF-8"));
    }

    #[test]
    fn another_gateway_or_organization_is_noticed() {
        let old = parsed(&plain(&made(2030)));
        let text = plain(&made(2031));
        assert_eq!(old.differs(&parsed(&text)), None);
        let other = parsed(&text.replace("000000000001", "000000000002"));
        assert!(old.differs(&other).unwrap().contains("gateway"));
        let other = parsed(&text.replace("0000000000aa", "0000000000ab"));
        assert!(old.differs(&other).unwrap().contains("organization"));
        let other = parsed(&text.replace("name: registration", "name: forward-proxy"));
        assert!(old.differs(&other).unwrap().contains("called registration"));
    }

    #[test]
    fn no_nesting_is_deep_enough_to_break_the_reader() {
        let deep = "[".repeat(100_000);
        assert!(files(&deep).parse("x").is_err());
        let deep = "- ".repeat(50_000);
        assert!(files(&deep).parse("x").is_err());
    }

    #[test]
    fn nothing_shows_the_key() {
        let made = made(2031);
        let text = plain(&made);
        let line = made.key.lines().nth(1).unwrap();
        assert!(!format!("{:?} {:?}", files(&text), parsed(&text)).contains(line));
        files(&text).hide();
        assert!(!crate::secret::mask(&text).contains(line));
        let secret = "canary-of-26-in-the-file";
        let with_secret = format!("{text}    arm:\n      clientSecret: {secret}\n");
        for text in [with_secret.clone(), format!("{with_secret}}} no YAML")] {
            files(&text).hide();
            assert!(!crate::secret::mask(&text).contains(secret), "{text}");
        }
    }
}
