//! Cloudflare's error codes in words: cause and cure.
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
    pub(super) cure: &'static str,
}

/// What is known about a code.
pub(super) fn of(code: i64) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.codes.contains(&code))
}

const PERMISSIONS: &str = "Give the token Zone / Zone / Read and Zone / DNS / Edit for this zone \
     (dash.cloudflare.com, Manage Account or My Profile, API Tokens); `dns_cf check DOMAIN` shows what is missing.";

const KNOWN: &[Known] = &[
    Known {
        codes: &[0],
        kind: Kind::Credentials,
        cause: "The token may not list zones, or not those of the account that CF_Account_ID names.",
        cure: "Set CF_Zone_ID to the zone's id (dashboard, zone, Overview, API), give the token Zone / Zone / Read, \
               or correct CF_Account_ID.",
    },
    Known {
        codes: &[1000],
        kind: Kind::Credentials,
        cause: "Cloudflare does not know this API token.",
        cure: "It was rolled, deleted or copied incompletely: create a new one and set CF_Token.",
    },
    Known {
        codes: &[1004],
        kind: Kind::Refused,
        cause: "The record is not valid.",
        cure: "Correct what the message names.",
    },
    Known {
        codes: &[1009],
        kind: Kind::Credentials,
        cause: "The token may not change this record.",
        cure: PERMISSIONS,
    },
    Known {
        codes: &[1043],
        kind: Kind::Refused,
        cause: "Another Cloudflare product manages this record.",
        cure: "Change or remove it in that product.",
    },
    Known {
        codes: &[6003],
        kind: Kind::Credentials,
        cause: "The credentials do not have the form that Cloudflare expects.",
        cure: "Set CF_Token to an API token alone, without quotes, blanks or `Bearer`; CF_Key and CF_Email are for the \
               global API key only.",
    },
    Known {
        codes: &[6102],
        kind: Kind::Credentials,
        cause: "CF_Email is not an e-mail address as Cloudflare expects it.",
        cure: "Set it to the address you log in with, or use an API token in CF_Token instead.",
    },
    Known {
        codes: &[6103],
        kind: Kind::Credentials,
        cause: "CF_Key is not a global API key: often an API token was put there, or the key was cut off.",
        cure: "Put an API token into CF_Token, and unset CF_Key and CF_Email.",
    },
    Known {
        codes: &[6111],
        kind: Kind::Credentials,
        cause: "The API token has a blank, line break or quotes in it, was cut off, or is dead.",
        cure: "Copy it again, or create a new one, and set CF_Token to it alone.",
    },
    Known {
        codes: &[7000, 7003],
        kind: Kind::NotFound,
        cause: "The id of a zone or record does not exist or is malformed.",
        cure: "Correct CF_Zone_ID: it has 32 hexadecimal digits and is not the domain name (dashboard, zone, Overview, API).",
    },
    Known {
        codes: &[9000],
        kind: Kind::Refused,
        cause: "The name of the record is not valid.",
        cure: "Check the name for typing errors.",
    },
    Known {
        codes: &[9004, 9005, 9006, 9007, 9009, 9039, 9041],
        kind: Kind::Refused,
        cause: "The content does not fit the type of the record.",
        cure: "Correct what the message names.",
    },
    Known {
        codes: &[9015],
        kind: Kind::Refused,
        cause: "The content is too long for one record.",
        cure: "A TXT record holds at most 4096 bytes as it goes over the wire.",
    },
    Known {
        codes: &[9021],
        kind: Kind::Refused,
        cause: "The TTL is out of range.",
        cure: "Use 1 (automatic) or 60 to 86400 seconds, on Enterprise from 30.",
    },
    Known {
        codes: &[9103],
        kind: Kind::Credentials,
        cause: "The global API key and the e-mail address do not belong together.",
        cure: "Check CF_Key and CF_Email, or use an API token in CF_Token instead.",
    },
    Known {
        codes: &[9106],
        kind: Kind::Credentials,
        cause: "The credentials are empty.",
        cure: "Set CF_Token, or CF_Key and CF_Email.",
    },
    Known {
        codes: &[9109],
        kind: Kind::Credentials,
        cause: "The token was revoked or is unknown, or it does not cover this zone; after many failures Cloudflare also \
                locks out for a while.",
        cure: "Check that the token is active and covers the zone, that CF_Zone_ID is the zone's own id, and create a new \
               token if need be; `dns_cf check` tells which it is.",
    },
    Known {
        codes: &[9300],
        kind: Kind::Refused,
        cause: "The plan of this zone allows no (more) tags on records.",
        cure: "Remove the tags.",
    },
    Known {
        codes: &[9301],
        kind: Kind::Refused,
        cause: "The comment of the record is too long for the plan of this zone.",
        cure: "Shorten it.",
    },
    Known {
        codes: &[10000],
        kind: Kind::Credentials,
        cause: "The token lacks a permission, or may not be used for this.",
        cure: PERMISSIONS,
    },
    Known {
        codes: &[10001],
        kind: Kind::Credentials,
        cause: "The credentials are missing or garbled.",
        cure: "Set CF_Token, or CF_Key and CF_Email, but not a mixture of both.",
    },
    Known {
        codes: &[10013],
        kind: Kind::Unreachable,
        cause: "Cloudflare has a problem of its own.",
        cure: "Try again later; see www.cloudflarestatus.com.",
    },
    Known {
        codes: &[81044],
        kind: Kind::NotFound,
        cause: "The record is gone already.",
        cure: "Nothing has to be done.",
    },
    Known {
        codes: &[81045],
        kind: Kind::Refused,
        cause: "The zone holds as many records as its plan allows.",
        cure: "Delete records that are no longer needed; `dns_cf sweep DOMAIN` removes forgotten challenges.",
    },
    Known {
        codes: &[81053],
        kind: Kind::Refused,
        cause: "An A, AAAA or CNAME record stands at this name, and a CNAME can stand beside nothing else.",
        cure: "Remove it first, or let `dns_cf cname set … --replace` do it.",
    },
    Known {
        codes: &[81054],
        kind: Kind::Refused,
        cause: "A CNAME stands at this name, and nothing can stand beside it.",
        cure: "Use the name it points to (acme.sh: --challenge-alias or --domain-alias), or remove the CNAME.",
    },
    Known {
        codes: &[81056],
        kind: Kind::Refused,
        cause: "NS records delegate this name to other name servers, so nothing else can stand there.",
        cure: "Create the record at those name servers, or remove the delegation.",
    },
    Known {
        codes: &[81057, 81058],
        kind: Kind::Refused,
        cause: "The same record exists already.",
        cure: "Nothing has to be done.",
    },
    Known {
        codes: &[83011],
        kind: Kind::Refused,
        cause: "Too many TXT records are left at this name from earlier runs.",
        cure: "Remove them with `dns_cf sweep DOMAIN --older-than 1h`, or in the dashboard.",
    },
    Known {
        codes: &[971, 10429],
        kind: Kind::Unreachable,
        cause: "Too many requests: Cloudflare allows 1200 in five minutes, all programs and the dashboard together.",
        cure: "Try again in five minutes, with fewer runs side by side.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_is_known_from_the_field_has_cause_and_cure() {
        let field = [
            0, 1000, 1004, 1009, 6003, 6102, 6103, 6111, 7000, 7003, 9000, 9005, 9021, 9015, 9103,
            9106, 9109, 9300, 10000, 10001, 10013, 81044, 81045, 81053, 81054, 81056, 81057, 81058,
            83011, 971, 10429,
        ];
        for code in field {
            let known = of(code).unwrap_or_else(|| panic!("{code} is unknown"));
            assert!(
                known.cause.ends_with('.') && known.cure.len() > 10,
                "{code}"
            );
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
