//! `dns_cf check`: what the credentials can and cannot do, until when, and which permission is missing.

use anyhow::Context;
use common::cli::monitoring::{Item, Kind as What, State};
use common::cli::{Invocation, Outcome, exit};
use common::cloudflare::{Zone, may_lack_permission};
use common::error::{Error, Kind, Result};
use common::net::dns::name::DnsName;

use crate::args::CheckArgs;
use crate::certificate::call_about;
use crate::permissions::{self, CheckedZone};
use crate::tokens::{self, CheckedToken};
use crate::zone::{Finder, ResolvedZone};

/// More zones are not tried one by one: each costs two requests, and five minutes allow 1200.
const MOST_ZONES: usize = 50;

/// Reports on the zone of a domain, or on every visible one.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    let name = args.domain.as_deref().map(challenge_name).transpose()?;
    let call = match &args.domain {
        Some(domain) => call_about(call, domain)?,
        None => call.clone(),
    };
    let finder = Finder::of(&call, name.as_ref())?;
    let within = args.within;
    let (zones, more_zones) = match zones(&finder, name.as_ref()) {
        Ok(found) => found,
        Err(err) => {
            let (tokens, err) = tokens::explained(&call, &finder, err, within);
            let checked = Checked {
                tokens,
                ..Checked::default()
            };
            checked.report(&call, &finder);
            return Err(err).context("checking the credentials");
        }
    };
    let mut checked = Checked {
        tokens: tokens::check(&call, &finder, &zones, within).context("checking the token")?,
        more_zones,
        ..Checked::default()
    };
    for zone in &zones {
        let read = permissions::check_zone(&call, &finder, zone, name.as_ref(), args.write);
        match read.with_context(|| format!("checking zone {}", zone.shown())) {
            Ok(zone) => checked.zones.push(zone),
            Err(err) => checked.failed.push((zone.shown(), err)),
        }
    }
    let outcome = checked.report(&call, &finder);
    checked.conclude(&call)?;
    Ok(outcome)
}

/// What was found.
#[derive(Default)]
struct Checked {
    tokens: Vec<CheckedToken>,
    zones: Vec<CheckedZone>,
    /// Zones that could not be asked about, with the reason.
    failed: Vec<(String, anyhow::Error)>,
    /// Zones that are visible and were not tried.
    more_zones: u64,
}

impl Checked {
    /// Reports everything that was found out; nothing else where that is nothing.
    fn report(&self, call: &Invocation, finder: &Finder) -> Outcome {
        let now = call.clock.now();
        let tokens = self.tokens.iter().map(|token| token.item(now));
        let zones = self.zones.iter().map(CheckedZone::item);
        let failed = self
            .failed
            .iter()
            .map(|(zone, err)| unasked(finder.dns.host(), zone, err));
        let mut items: Vec<Item> = tokens.chain(zones).chain(failed).collect();
        if let Some(credentials) = items.first_mut()
            && self.more_zones > 0
        {
            let more = self.more_zones.to_string();
            credentials.at.insert("zones_not_tried".to_owned(), more);
        }
        if items.is_empty() {
            return Outcome::Done;
        }
        let mut lines = vec![format!(
            "credentials: {}",
            finder.account.credentials.label()
        )];
        lines.extend(self.tokens.iter().flat_map(CheckedToken::lines));
        lines.extend(self.zones.iter().flat_map(CheckedZone::lines));
        if self.more_zones > 0 {
            lines.push(format!(
                "{} more zones: give a DOMAIN to check its zone",
                self.more_zones
            ));
        }
        let missing = self.zones.iter().flat_map(CheckedZone::missing);
        lines.extend(missing.map(|missing| format!("missing: {missing}")));
        call.found(now, items, &lines.join("\n"))
    }

    /// Whether the credentials are fine: for the given zone; without one, if any zone can be edited.
    fn conclude(mut self, call: &Invocation) -> anyhow::Result<()> {
        if self.tokens.iter().any(CheckedToken::is_dead) {
            let err = Error::new(Kind::Credentials, "the API token is not active");
            return Err(err.advise(tokens::CURE).into());
        }
        let zones: Vec<String> = self.zones.iter().map(CheckedZone::shown).collect();
        let all = zones.len() + self.failed.len();
        if all == 1
            && let Some((_, only)) = self.failed.pop()
        {
            return Err(only);
        }
        if let Some((_, first)) = self.failed.first() {
            let kind = exit::kind_of(first).unwrap_or(Kind::Refused);
            for (_, failure) in &self.failed {
                call.log.failure(failure);
            }
            let failed = self.failed.len();
            let err = Error::new(
                kind,
                format!("{failed} of {all} zones could not be checked"),
            );
            return Err(err.advise("The others are shown.").into());
        }
        if self.zones.iter().any(|zone| zone.edit_records.allowed) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Credentials,
            format!("the credentials may not edit records in {}", zones.join(", ")),
        )
        .advise("Add Zone / DNS / Edit for the zone to the token (dash.cloudflare.com, API Tokens), or use another token.")
        .into())
    }
}

/// A zone that could not be asked about, as a row of its own.
fn unasked(host: &str, zone: &str, err: &anyhow::Error) -> Item {
    Item::new(What::Platform, format!("zone {zone}"), State::Unknown)
        .at("host", host)
        .because(err)
}

fn zones(finder: &Finder, name: Option<&DnsName>) -> Result<(Vec<ResolvedZone>, u64)> {
    if let Some(name) = name {
        return Ok((vec![finder.find(name)?], 0));
    }
    if let Some(id) = &finder.account.zone_id {
        let details = match finder.dns.zone(&id.value) {
            Ok(zone) => Some(zone),
            Err(err) if may_lack_permission(&err) => None,
            Err(err) => return Err(err),
        };
        let id = id.value.clone();
        return Ok((vec![ResolvedZone { id, details }], 0));
    }
    let account = finder
        .account
        .account_id
        .as_ref()
        .map(|found| found.value.as_str());
    let (zones, total) = finder.dns.first_zones(account)?;
    if zones.is_empty() {
        return Err(Error::new(Kind::Credentials, format!("the {} sees no zone", finder.account.credentials.label())).advise(
            "Add Zone / Zone / Read and Zone / DNS / Edit to the token for the zones it is meant for, or set CF_Zone_ID \
             and give it Zone / DNS / Edit alone.",
        ));
    }
    let tried = zones.len().min(MOST_ZONES);
    let more = total.unwrap_or(tried as u64).saturating_sub(tried as u64);
    let resolved = |zone: Zone| ResolvedZone {
        id: zone.id.clone(),
        details: Some(zone),
    };
    Ok((zones.into_iter().take(tried).map(resolved).collect(), more))
}

/// The challenge's name for a domain; one that is a challenge's name already stays.
fn challenge_name(domain: &str) -> Result<DnsName> {
    if domain.starts_with('_') {
        DnsName::parse(domain)
    } else {
        DnsName::of_challenge(domain)
    }
}
