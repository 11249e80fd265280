//! One DNS-01 challenge, and what became of its TXT record.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::cli::Report;
use common::cloudflare::{Record, txt_content, txt_value};
use common::error::{Error, Result};
use common::net::dns::name::{DnsName, normal};
use common::system::environment::Env;
use serde::Serialize;

use crate::args::ChallengeArgs;
use crate::zone::ResolvedZone;

/// Names this program in the records it creates, so that forgotten ones can be told from those of others.
pub(crate) const COMMENT: &str = "ACME challenge by anypoint-acme-hooks dns_cf";

/// One challenge: where and what.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) name: DnsName,
    /// What the record has to say.
    pub(crate) value: Vec<u8>,
    /// The same in Cloudflare's form.
    pub(crate) content: String,
}

impl Challenge {
    fn new(name: DnsName, value: &[u8]) -> Result<Self> {
        Ok(Self {
            name,
            value: value.to_vec(),
            content: txt_content(value)?,
        })
    }

    /// The name as the user gave it, for acme.sh may keep the certificate under it.
    pub(crate) fn given_name<'a>(&'a self, args: &'a ChallengeArgs) -> &'a str {
        args.name.as_deref().unwrap_or(self.name.as_str())
    }

    /// Reads the arguments of acme.sh, lego (both modes) or people, or the variables of certbot.
    pub(crate) fn from_args(args: &ChallengeArgs, env: &Env) -> Result<Self> {
        match (&args.name, &args.value, &args.key_authorization) {
            (Some(name), Some(value), None) => Self::new(DnsName::parse(name)?, value.as_bytes()),
            (Some(domain), Some(token), Some(key)) => {
                Self::of_key_authorization(domain, token, key)
            }
            _ => Self::of_certbot(env),
        }
    }

    /// lego with `EXEC_MODE=RAW`: the value is the digest of the key authorization (RFC 8555, section 8.4).
    fn of_key_authorization(domain: &str, token: &OsStr, key: &OsStr) -> Result<Self> {
        let begins_with_token = key
            .as_bytes()
            .strip_prefix(token.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"."));
        if !begins_with_token {
            return Err(Error::config(
                "three arguments are lego's DOMAIN TOKEN KEYAUTH, but the third is not TOKEN, a dot and a thumbprint",
            )
            .advise("Give FULLDOMAIN and VALUE alone. A flag that does not exist counts as an argument: see --help."));
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        let value = BASE64_URL_SAFE_NO_PAD.encode(digest);
        Self::new(DnsName::of_challenge(domain)?, value.as_bytes())
    }

    fn of_certbot(env: &Env) -> Result<Self> {
        match (env.get("CERTBOT_DOMAIN"), env.get("CERTBOT_VALIDATION")) {
            (Some(domain), Some(value)) => Self::new(DnsName::of_challenge(domain)?, value.as_bytes()),
            _ => Err(Error::config("FULLDOMAIN and VALUE are missing").advise(
                "Give both, for example `dns_cf add _acme-challenge.example.com VALUE`; in certbot's hooks, \
                 CERTBOT_DOMAIN and CERTBOT_VALIDATION take their place.",
            )),
        }
    }

    /// Whether `record` answers the challenge at `name`.
    pub(crate) fn matches(&self, name: &DnsName, record: &Record) -> bool {
        record.kind == "TXT"
            && normal(&record.name) == name.as_str()
            && txt_value(&record.content) == self.value
    }
}

/// What became of the records of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Created,
    /// It was already there.
    Present,
    Deleted,
    /// There was none.
    Absent,
}

/// The result of `add` and `rm`.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    result: Change,
    /// The record's name: the target, where the challenge's name is an alias.
    name: DnsName,
    zone: String,
    /// How many records were created or deleted.
    records: usize,
}

impl Done {
    pub(crate) fn new(result: Change, name: DnsName, zone: &ResolvedZone, records: usize) -> Self {
        Self {
            result,
            name,
            zone: zone.shown(),
            records,
        }
    }
}

impl Report for Done {
    fn text(&self) -> String {
        let Self {
            name,
            zone,
            records,
            ..
        } = self;
        match (self.result, records) {
            (Change::Created, _) => format!("TXT record {name} created in zone {zone}"),
            (Change::Present, _) => format!("TXT record {name} already present in zone {zone}"),
            (Change::Deleted, 1) => format!("TXT record {name} deleted from zone {zone}"),
            (Change::Deleted, _) => {
                format!("{records} identical TXT records {name} deleted from zone {zone}")
            }
            (Change::Absent, _) => {
                format!("no TXT record {name} with this value in zone {zone}: nothing to delete")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::error::Kind;

    use super::*;

    fn challenge(arguments: [Option<&str>; 3], env: &[(&str, &str)]) -> Result<Challenge> {
        let [name, value, key] = arguments;
        let args = ChallengeArgs {
            name: name.map(str::to_owned),
            value: value.map(Into::into),
            key_authorization: key.map(Into::into),
        };
        Challenge::from_args(&args, &Env::from_pairs(env.iter().copied()))
    }

    #[test]
    fn two_arguments_are_name_and_value() {
        let challenge = challenge(
            [Some("_acme-challenge.Example.com."), Some("-v"), None],
            &[],
        )
        .unwrap();
        assert_eq!(challenge.name.as_str(), "_acme-challenge.example.com");
        assert_eq!(
            (challenge.value.as_slice(), challenge.content.as_str()),
            (&b"-v"[..], "\"-v\"")
        );
    }

    #[test]
    fn three_arguments_are_a_key_authorization_to_digest() {
        // RFC 8555, section 8.1: the example of a key authorization. The digest is of openssl.
        let token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
        let key = format!("{token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI");
        let raw = challenge([Some("*.example.com"), Some(token), Some(&key)], &[]).unwrap();
        assert_eq!(raw.name.as_str(), "_acme-challenge.example.com");
        assert_eq!(raw.value, b"lCM7cZyQXcVHK2nnW3jjAhNT3Fvm18UN-kWZZknKoYM");
        let err = challenge(
            [Some("example.com"), Some(token), Some("--no-such-flag")],
            &[],
        )
        .unwrap_err();
        assert_eq!(err.kind(), Kind::Config);
    }

    #[test]
    fn without_arguments_certbots_variables_count() {
        let env = [
            ("CERTBOT_DOMAIN", "example.com"),
            ("CERTBOT_VALIDATION", "v"),
        ];
        let certbots = challenge([None, None, None], &env).unwrap();
        assert_eq!(certbots.name.as_str(), "_acme-challenge.example.com");
        assert!(challenge([None, None, None], &env[..1]).is_err());
    }
}
