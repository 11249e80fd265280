//! Cloudflare's error codes in words: cause, and the cure where it does not depend on the program.
//!
//! There is no complete official list; texts change, codes do not. A code that is not here is shown as it came.

use crate::error::Kind;

/// Codes from here on are about records: the credentials were accepted before.
pub(super) const FIRST_OF_RECORDS: i64 = 81_000;

/// What is known about some codes.
pub(super) struct Known {
    codes: &'static [i64],
    pub(super) kind: Kind,
    pub(super) cause: &'static str,
    pub(super) cure: Cure,
}

/// What to do about it.
pub(super) enum Cure {
    /// The same whatever the program.
    Plain(&'static str),
    /// It takes a setting or command that only the program knows.
    OfProgram(Refusal),
}

/// A refusal that a program's own settings or commands can cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The token may not list zones, or not those of the account that is set.
    ZonesNotListed,
    /// Cloudflare does not know the token.
    UnknownToken,
    /// The credentials lack a permission.
    NoPermission,
    /// The credentials do not have the form that Cloudflare expects.
    MalformedCredentials,
    /// The e-mail address is none.
    MalformedEmail,
    /// What was given as the global API key is none.
    NotAGlobalKey,
    /// The token has stray characters in it, was cut off, or is dead.
    MalformedToken,
    /// There is no zone or record with the id that was given.
    UnknownId,
    /// The global API key and the e-mail address do not belong together.
    KeyOfAnotherUser,
    /// The credentials are empty.
    NoCredentials,
    /// The token was revoked or does not cover the zone.
    RevokedOrOutOfReach,
    /// The credentials are missing or garbled.
    GarbledCredentials,
    /// The zone holds as many records as its plan allows.
    ZoneIsFull,
    /// Another record stands where a CNAME is to stand.
    NameIsTaken,
    /// Too many TXT records are left at the name.
    TooManyChallenges,
}

/// What is known about a code.
pub(super) fn of(code: i64) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.codes.contains(&code))
}

const KNOWN: &[Known] = &[
    Known {
        codes: &[0],
        kind: Kind::Credentials,
        cause: "The token may not list zones, or not those of the account that is set.",
        cure: Cure::OfProgram(Refusal::ZonesNotListed),
    },
    Known {
        codes: &[1000],
        kind: Kind::Credentials,
        cause: "Cloudflare does not know this API token.",
        cure: Cure::OfProgram(Refusal::UnknownToken),
    },
    Known {
        codes: &[1004],
        kind: Kind::Refused,
        cause: "The record is not valid.",
        cure: Cure::Plain("Correct what the message names."),
    },
    Known {
        codes: &[1009],
        kind: Kind::Credentials,
        cause: "The token may not change this record.",
        cure: Cure::OfProgram(Refusal::NoPermission),
    },
    Known {
        codes: &[1043],
        kind: Kind::Refused,
        cause: "Another Cloudflare product manages this record.",
        cure: Cure::Plain("Change or remove it in that product."),
    },
    Known {
        codes: &[6003],
        kind: Kind::Credentials,
        cause: "The credentials do not have the form that Cloudflare expects.",
        cure: Cure::OfProgram(Refusal::MalformedCredentials),
    },
    Known {
        codes: &[6102],
        kind: Kind::Credentials,
        cause: "The e-mail address does not have the form that Cloudflare expects.",
        cure: Cure::OfProgram(Refusal::MalformedEmail),
    },
    Known {
        codes: &[6103],
        kind: Kind::Credentials,
        cause: "The global API key is none: often an API token was put there, or the key was cut off.",
        cure: Cure::OfProgram(Refusal::NotAGlobalKey),
    },
    Known {
        codes: &[6111],
        kind: Kind::Credentials,
        cause: "The API token has a blank, line break or quotes in it, was cut off, or is dead.",
        cure: Cure::OfProgram(Refusal::MalformedToken),
    },
    Known {
        codes: &[7000, 7003],
        kind: Kind::NotFound,
        cause: "The id of a zone or record does not exist or is malformed.",
        cure: Cure::OfProgram(Refusal::UnknownId),
    },
    Known {
        codes: &[9000],
        kind: Kind::Refused,
        cause: "The name of the record is not valid.",
        cure: Cure::Plain("Check the name for typing errors."),
    },
    Known {
        codes: &[9004, 9005, 9006, 9007, 9009, 9039, 9041],
        kind: Kind::Refused,
        cause: "The content does not fit the type of the record.",
        cure: Cure::Plain("Correct what the message names."),
    },
    Known {
        codes: &[9015],
        kind: Kind::Refused,
        cause: "The content is too long for one record.",
        cure: Cure::Plain("A TXT record holds at most 4096 bytes as it goes over the wire."),
    },
    Known {
        codes: &[9021],
        kind: Kind::Refused,
        cause: "The TTL is out of range.",
        cure: Cure::Plain("Use 1 (automatic) or 60 to 86400 seconds, on Enterprise from 30."),
    },
    Known {
        codes: &[9103],
        kind: Kind::Credentials,
        cause: "The global API key and the e-mail address do not belong together.",
        cure: Cure::OfProgram(Refusal::KeyOfAnotherUser),
    },
    Known {
        codes: &[9106],
        kind: Kind::Credentials,
        cause: "The credentials are empty.",
        cure: Cure::OfProgram(Refusal::NoCredentials),
    },
    Known {
        codes: &[9109],
        kind: Kind::Credentials,
        cause: "The token was revoked or is unknown, or it does not cover this zone; after many failures Cloudflare also \
                locks out for a while.",
        cure: Cure::OfProgram(Refusal::RevokedOrOutOfReach),
    },
    Known {
        codes: &[9300],
        kind: Kind::Refused,
        cause: "The plan of this zone allows no (more) tags on records.",
        cure: Cure::Plain("Remove the tags."),
    },
    Known {
        codes: &[9301],
        kind: Kind::Refused,
        cause: "The comment of the record is too long for the plan of this zone.",
        cure: Cure::Plain("Shorten it."),
    },
    Known {
        codes: &[10000],
        kind: Kind::Credentials,
        cause: "The token lacks a permission, or may not be used for this.",
        cure: Cure::OfProgram(Refusal::NoPermission),
    },
    Known {
        codes: &[10001],
        kind: Kind::Credentials,
        cause: "The credentials are missing or garbled.",
        cure: Cure::OfProgram(Refusal::GarbledCredentials),
    },
    Known {
        codes: &[10300],
        kind: Kind::Refused,
        cause: "More records at once than Cloudflare takes: 200 on a free plan, 3500 on others.",
        cure: Cure::Plain("Delete some of the records first, then try again."),
    },
    Known {
        codes: &[10013],
        kind: Kind::Unreachable,
        cause: "Cloudflare has a problem of its own.",
        cure: Cure::Plain("Try again later; see www.cloudflarestatus.com."),
    },
    Known {
        codes: &[81044],
        kind: Kind::NotFound,
        cause: "The record is gone already.",
        cure: Cure::Plain("Nothing has to be done."),
    },
    Known {
        codes: &[81045],
        kind: Kind::Refused,
        cause: "The zone holds as many records as its plan allows.",
        cure: Cure::OfProgram(Refusal::ZoneIsFull),
    },
    Known {
        codes: &[81053],
        kind: Kind::Refused,
        cause: "An A, AAAA or CNAME record stands at this name, and a CNAME can stand beside nothing else.",
        cure: Cure::OfProgram(Refusal::NameIsTaken),
    },
    Known {
        codes: &[81054],
        kind: Kind::Refused,
        cause: "A CNAME stands at this name, and nothing can stand beside it.",
        cure: Cure::Plain(
            "Use the name it points to (acme.sh: --challenge-alias or --domain-alias), or remove the CNAME.",
        ),
    },
    Known {
        codes: &[81056],
        kind: Kind::Refused,
        cause: "NS records delegate this name to other name servers, so nothing else can stand there.",
        cure: Cure::Plain("Create the record at those name servers, or remove the delegation."),
    },
    Known {
        codes: &[81057, 81058],
        kind: Kind::Refused,
        cause: "The same record exists already.",
        cure: Cure::Plain("Nothing has to be done."),
    },
    Known {
        codes: &[83011],
        kind: Kind::Refused,
        cause: "Too many TXT records are left at this name from earlier runs.",
        cure: Cure::OfProgram(Refusal::TooManyChallenges),
    },
    Known {
        codes: &[971, 10429],
        kind: Kind::Unreachable,
        cause: "Too many requests: Cloudflare allows 1200 in five minutes, all programs and the dashboard together.",
        cure: Cure::Plain("Try again in five minutes, with fewer runs side by side."),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_is_known_from_the_field_has_cause_and_cure() {
        let field = [
            0, 1000, 1004, 1009, 6003, 6102, 6103, 6111, 7000, 7003, 9000, 9005, 9021, 9015, 9103,
            9106, 9109, 9300, 10000, 10001, 10013, 10300, 81044, 81045, 81053, 81054, 81056, 81057,
            81058, 83011, 971, 10429,
        ];
        for code in field {
            let known = of(code).unwrap_or_else(|| panic!("{code} is unknown"));
            let cure = match known.cure {
                Cure::Plain(text) => text.ends_with('.'),
                Cure::OfProgram(_) => true,
            };
            assert!(known.cause.ends_with('.') && cure, "{code}");
        }
    }

    #[test]
    fn a_code_stands_in_one_place() {
        let mut codes: Vec<i64> = KNOWN
            .iter()
            .flat_map(|known| known.codes)
            .copied()
            .collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn refused_credentials_and_missing_permissions_are_told_from_invalid_records() {
        for code in [
            0, 1000, 1009, 6003, 6103, 6111, 9103, 9106, 9109, 10000, 10001,
        ] {
            assert_eq!(
                of(code).map(|known| known.kind),
                Some(Kind::Credentials),
                "{code}"
            );
        }
        for code in [9000, 9015, 81045, 81054, 83011] {
            assert_eq!(
                of(code).map(|known| known.kind),
                Some(Kind::Refused),
                "{code}"
            );
        }
    }
}
