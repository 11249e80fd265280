//! The TXT records of DNS-01 challenges.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use common::cli::exit::Outcome;
use common::cloudflare::{self, Filter, NewRecord, Record, RecordId, txt_content, txt_value};
use common::error::{Error, Kind, Result};
use common::log::{Output, Report};
use common::net::dns::name::{DnsName, normal};
use common::system::environment::Env;
use serde::Serialize;

use crate::args::ChallengeArgs;
use crate::wait::Wait;
use crate::zone::{Finder, Place};

/// Names this program in the records it creates, so that forgotten ones can be told from those of others.
pub(crate) const COMMENT: &str = "ACME challenge by anypoint-acme-hooks dns_cf";

/// How often a lost request to create a record is made again, each time after a look.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// A longer chain of aliases is a circle.
const MOST_ALIASES: usize = 8;

/// One challenge: where and what.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) name: DnsName,
    value: Vec<u8>,
    content: String,
}

impl Challenge {
    fn new(name: DnsName, value: &[u8]) -> Result<Self> {
        Ok(Self {
            name,
            value: value.to_vec(),
            content: txt_content(value)?,
        })
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
                "Give both, as in `dns_cf add _acme-challenge.example.com VALUE`; as certbot's hook, CERTBOT_DOMAIN and \
                 CERTBOT_VALIDATION stand for them.",
            )),
        }
    }

    fn matches(&self, name: &DnsName, record: &Record) -> bool {
        record.kind == "TXT"
            && normal(&record.name) == name.as_str()
            && txt_value(&record.content) == self.value
    }
}

/// What `add` and `rm` have done.
#[derive(Debug, Serialize)]
struct Done {
    /// `created`, `present`, `deleted` or `absent`.
    result: &'static str,
    /// The record's name: the target, where the challenge's name is an alias.
    name: DnsName,
    zone: String,
    /// How many records were created or deleted.
    records: usize,
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
            ("created", _) => format!("TXT record {name} created in zone {zone}"),
            ("present", _) => format!("TXT record {name} is there already in zone {zone}"),
            ("deleted", 1) => format!("TXT record {name} deleted from zone {zone}"),
            ("deleted", _) => {
                format!("{records} identical TXT records {name} deleted from zone {zone}")
            }
            _ => format!("no TXT record {name} with this value in zone {zone}: nothing to delete"),
        }
    }
}

/// Creates the record of a challenge; content with the one that is there already. One that is not served in time is
/// taken back, since no caller cleans up after an `add` that has failed.
pub(crate) fn add(
    finder: &Finder<'_>,
    challenge: &Challenge,
    ttl: u32,
    wait: Option<&Wait>,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let doing = || format!("adding TXT {}", challenge.name);
    let (place, name, put) = put(finder, challenge, ttl, out).with_context(doing)?;
    if let Some(wait) = wait
        && let Err(err) =
            wait.until_served(&place, &name, &challenge.value, finder.dns.clock(), out)
    {
        if let Some(id) = &put.id {
            take_back(finder, &place, id, out);
        }
        return Err(err).with_context(doing);
    }
    out.result(&Done {
        result: if put.id.is_some() {
            "created"
        } else {
            "present"
        },
        name,
        zone: place.shown(),
        records: usize::from(put.id.is_some()),
    })?;
    Ok(Outcome::Done)
}

fn take_back(finder: &Finder<'_>, place: &Place, id: &RecordId, out: &Output) {
    // The wait may have used up the time for requests.
    match finder.dns.for_target().delete_record(&place.id, id) {
        Ok(_) => out.info("the record has been taken back"),
        Err(err) => out.warn(format!("the record cannot be taken back: {err}")),
    }
}

/// Deletes the records with exactly this value; content with none.
pub(crate) fn remove(
    finder: &Finder<'_>,
    challenge: &Challenge,
    out: &Output,
) -> anyhow::Result<Outcome> {
    let done =
        take(finder, challenge, out).with_context(|| format!("deleting TXT {}", challenge.name))?;
    out.result(&done)?;
    Ok(Outcome::Done)
}

/// A record that is there now. `id` is missing if it was there before.
struct Put {
    id: Option<RecordId>,
}

/// Creates the record, at the end of the aliases if the name is one.
fn put(
    finder: &Finder<'_>,
    challenge: &Challenge,
    ttl: u32,
    out: &Output,
) -> Result<(Place, DnsName, Put)> {
    let mut name = challenge.name.clone();
    let mut place = finder.find(&name)?;
    for _ in 0..MOST_ALIASES {
        match create(finder, challenge, &place, &name, ttl, out) {
            Ok(put) => return Ok((place, name, put)),
            Err(err) if cloudflare::is_beside_cname(&err) => {
                name = follow(finder, &place, &name, err, out)?;
                place = finder.find_target(&name)?;
            }
            Err(err) => return Err(err),
        }
    }
    Err(too_many_aliases(&challenge.name))
}

/// Creates the record once. A request whose answer was lost is not repeated before a look whether it took effect.
fn create(
    finder: &Finder<'_>,
    challenge: &Challenge,
    place: &Place,
    name: &DnsName,
    ttl: u32,
    out: &Output,
) -> Result<Put> {
    let dns = finder.dns;
    let new = NewRecord {
        kind: "TXT",
        name,
        content: &challenge.content,
        ttl,
        proxied: None,
        comment: Some(COMMENT),
    };
    let mut waits = WAITS.iter();
    loop {
        let err = match dns.create_record(&place.id, &new) {
            Ok(record) => return in_place(finder, place, name, record),
            Err(err) if cloudflare::is_identical(&err) => return Ok(Put { id: None }),
            Err(err) if err.effect_unknown() => err,
            Err(err) => return Err(err),
        };
        out.debug(format!("{err}; looking whether the record was created"));
        match look(finder, challenge, place, name) {
            Ok(Some(record)) => {
                return Ok(Put {
                    id: Some(record.id),
                });
            }
            Ok(None) => {}
            Err(look) => {
                return Err(Error::new(
                    Kind::Unproved,
                    format!("{err}; whether the record was created cannot be seen either: {look}"),
                )
                .advise(format!(
                    "Once Cloudflare can be reached, `dns_cf rm` with the same arguments removes what may be left, or \
                     `dns_cf sweep {name} --older-than 1h`."
                )));
            }
        }
        let Some(wait) = waits.next() else {
            return Err(err);
        };
        dns.clock().sleep(*wait);
    }
}

/// Cloudflare completes a name that does not lie in the zone, so that a wrong zone id yields a wrong record.
fn in_place(finder: &Finder<'_>, place: &Place, name: &DnsName, record: Record) -> Result<Put> {
    if normal(&record.name) == name.as_str() {
        return Ok(Put {
            id: Some(record.id),
        });
    }
    finder.dns.delete_record(&place.id, &record.id)?;
    Err(Error::config(format!(
        "{name} does not lie in the zone with the id {}: Cloudflare made {} of it, which was deleted again",
        place.id, record.name
    ))
    .advise("Unset CF_Zone_ID to have the zone found by name, or set it to the id of the right zone."))
}

fn look(
    finder: &Finder<'_>,
    challenge: &Challenge,
    place: &Place,
    name: &DnsName,
) -> Result<Option<Record>> {
    let filter = Filter {
        name: Some(name),
        kind: Some("TXT"),
    };
    let records = finder.dns.list_records(&place.id, filter)?;
    Ok(records
        .into_iter()
        .find(|record| challenge.matches(name, record)))
}

/// Where the alias at `name` leads; `err` is why something is known to be there.
fn follow(
    finder: &Finder<'_>,
    place: &Place,
    name: &DnsName,
    err: Error,
    out: &Output,
) -> Result<DnsName> {
    let filter = Filter {
        name: Some(name),
        kind: Some("CNAME"),
    };
    let records = finder.dns.list_records(&place.id, filter)?;
    let Some(target) = records.first().map(|record| record.content.clone()) else {
        return Err(err);
    };
    out.info(format!(
        "{name} is an alias (CNAME) of {target}: the record belongs there"
    ));
    DnsName::parse(&target)
}

fn too_many_aliases(name: &DnsName) -> Error {
    Error::config(format!(
        "the aliases (CNAME) that begin at {name} lead nowhere or in a circle"
    ))
    .advise("Correct the CNAME records.")
}

/// Deletes what matches, at the end of the aliases if the name is one.
fn take(finder: &Finder<'_>, challenge: &Challenge, out: &Output) -> Result<Done> {
    let mut name = challenge.name.clone();
    let mut place = finder.find(&name)?;
    for _ in 0..MOST_ALIASES {
        // All types, to learn of an alias in the same request.
        let filter = Filter {
            name: Some(&name),
            kind: None,
        };
        let records = finder.dns.list_records(&place.id, filter)?;
        let matching: Vec<&Record> = records
            .iter()
            .filter(|record| challenge.matches(&name, record))
            .collect();
        let alias = records
            .iter()
            .find(|record| record.kind == "CNAME" && normal(&record.name) == name.as_str());
        if let (true, Some(alias)) = (matching.is_empty(), alias) {
            out.debug(format!("{name} is an alias (CNAME) of {}", alias.content));
            name = DnsName::parse(&alias.content)?;
            place = finder.find_target(&name)?;
            continue;
        }
        let deleted = delete_all(finder, &place, &matching)?;
        return Ok(Done {
            result: if deleted == 0 { "absent" } else { "deleted" },
            zone: place.shown(),
            name,
            records: deleted,
        });
    }
    Err(too_many_aliases(&challenge.name))
}

/// Tries them all, whatever becomes of the first.
fn delete_all(finder: &Finder<'_>, place: &Place, records: &[&Record]) -> Result<usize> {
    let results: Vec<Result<bool>> = records
        .iter()
        .map(|record| finder.dns.delete_record(&place.id, &record.id))
        .collect();
    results
        .into_iter()
        .try_fold(0, |deleted, result| Ok(deleted + usize::from(result?)))
}

#[cfg(test)]
mod tests {
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
