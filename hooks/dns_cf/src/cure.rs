//! What this program can do about a refusal of Cloudflare's.

use common::cloudflare::Refusal;

const PERMISSIONS: &str = "Give the token Zone / Zone / Read and Zone / DNS / Edit for this zone \
     (dash.cloudflare.com, Manage Account or My Profile, API Tokens); `dns_cf check DOMAIN` shows what is missing.";

/// The settings and commands that help.
pub(crate) fn of(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ZonesNotListed => {
            "Set CF_Zone_ID to the zone's id (dashboard, zone, Overview, API), give the token Zone / Zone / Read, \
             or correct CF_Account_ID."
        }
        Refusal::UnknownToken => {
            "It was rolled, deleted or copied incompletely: create a new one and set CF_Token."
        }
        Refusal::NoPermission => PERMISSIONS,
        Refusal::MalformedCredentials => {
            "Set CF_Token to an API token alone, without quotes, spaces or `Bearer`; CF_Key and CF_Email are for the \
             global API key only."
        }
        Refusal::MalformedEmail => {
            "Set CF_Email to the address you log in with, or use an API token in CF_Token instead."
        }
        Refusal::NotAGlobalKey => "Put an API token into CF_Token, and unset CF_Key and CF_Email.",
        Refusal::MalformedToken => {
            "Copy it again, or create a new one, and set CF_Token to it alone."
        }
        Refusal::UnknownId => {
            "Correct CF_Zone_ID: it has 32 hexadecimal digits and is not the domain name (dashboard, zone, Overview, API)."
        }
        Refusal::KeyOfAnotherUser => {
            "Check CF_Key and CF_Email, or use an API token in CF_Token instead."
        }
        Refusal::NoCredentials => "Set CF_Token, or CF_Key and CF_Email.",
        Refusal::RevokedOrOutOfReach => {
            "Check that the token is active and covers the zone, that CF_Zone_ID is the zone's own id, and create a new \
             token if need be; `dns_cf check` shows which it is."
        }
        Refusal::GarbledCredentials => {
            "Set CF_Token, or CF_Key and CF_Email, but not a mixture of both."
        }
        Refusal::ZoneIsFull => {
            "Delete records that are no longer needed; `dns_cf sweep DOMAIN` removes forgotten challenges."
        }
        Refusal::NameIsTaken => "Remove it first, or let `dns_cf cname set … --replace` do it.",
        Refusal::TooManyChallenges => {
            "Remove them with `dns_cf sweep DOMAIN --older-than 1h`, or in the dashboard."
        }
    }
}
