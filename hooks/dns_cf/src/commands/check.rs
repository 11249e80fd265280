//! `dns_cf check`: what the credentials can and cannot do, until when, and which permission is missing.

use anyhow::Context;
use common::cli::monitoring::{Item, Kind as What, State};
use common::cli::{Invocation, Outcome, exit};
use common::cloudflare::{Zone, may_lack_permission};
use common::error::{Error, Kind, Result};
use common::net::dns::name::DnsName;
use common::system::workers;
use jiff::Timestamp;

use crate::account::Account;
use crate::args::CheckArgs;
use crate::certificate::call_about;
use crate::credentials::Credentials;
use crate::listed::{self, ListedAccount};
use crate::permissions::{self, CheckedZone};
use crate::tokens::{self, CheckedToken};
use crate::zone::{Finder, ResolvedZone};

/// More zones are not tried one by one: each costs two requests, and five minutes allow 1200.
const MOST_ZONES: usize = 50;

/// One that is slow to answer does not keep the others waiting.
const MOST_ACCOUNTS_AT_ONCE: usize = 4;

/// Reports on the zone of a domain; without one, on every account, with its zones.
pub(crate) fn run(call: &Invocation, args: &CheckArgs) -> anyhow::Result<Outcome> {
    if let Some(domain) = &args.domain {
        let name = challenge_name(domain)?;
        let call = call_about(call, domain)?;
        let finder = Finder::of(&call, Some(&name))?;
        return Part::of(&call, args, &finder, &[name]).report(&call);
    }
    let listed = listed::all(&call.settings)?;
    if listed.is_empty() {
        let finder = Finder::of(call, None)?;
        return Part::of(call, args, &finder, &[]).report(call);
    }
    let mut accounts: Vec<(Option<&ListedAccount<'_>>, &[DnsName])> = listed
        .iter()
        .map(|(account, zones)| (Some(account), zones.as_slice()))
        .collect();
    // What is not in the list is done with these.
    if Credentials::are_set(&call.settings) {
        accounts.push((None, &[]));
    }
    // A record that is written to prove something is to be gone before the next.
    let limit = if args.write { 1 } else { MOST_ACCOUNTS_AT_ONCE };
    let parts = workers::side_by_side(&accounts, limit, |(account, zones)| {
        Part::of_account(call, args, *account, zones)
    });
    let mut worst = Outcome::Done;
    let mut failures = Vec::new();
    for part in parts {
        match part.report(call) {
            Ok(outcome) => worst = worst.max(outcome),
            Err(err) => failures.push(err),
        }
    }
    let all = accounts.len();
    together(call, failures, all, |failed| {
        format!("{failed} of {all} accounts did not pass the check")
    })?;
    Ok(worst)
}

/// What there is to report of one account.
struct Part {
    items: Vec<Item>,
    text: String,
    failure: Option<anyhow::Error>,
}

impl Part {
    /// Looks at the zones of these names; without any, at every zone that is visible.
    fn of(call: &Invocation, args: &CheckArgs, finder: &Finder, names: &[DnsName]) -> Self {
        match Checked::of(call, args, finder, names) {
            Ok(checked) => checked.part(call, finder),
            Err(err) => Self::failed(err),
        }
    }

    /// One of several: a row says so where nothing else tells that it failed.
    fn of_account(
        call: &Invocation,
        args: &CheckArgs,
        listed: Option<&ListedAccount<'_>>,
        zones: &[DnsName],
    ) -> Self {
        let label = match listed {
            Some(listed) => listed.label(),
            None => "the account that is set beside the list".to_owned(),
        };
        let looked = || {
            let finder = Finder::with(call, Account::of(&call.settings, listed)?)?;
            let names = zones
                .iter()
                .map(|zone| DnsName::of_challenge(zone.as_str()));
            let names: Vec<DnsName> = names.collect::<Result<_>>()?;
            Ok::<_, Error>(Self::of(call, args, &finder, &names))
        };
        let mut part = looked().unwrap_or_else(|err| Self::failed(err.into()));
        part.failure = part.failure.map(|err| err.context(label.clone()));
        if let Some(err) = &part.failure
            && part.items.iter().all(|item| item.state == State::Ok)
        {
            let item = Item::new(What::Platform, label, State::Unknown);
            part.items.push(item.because(err));
        }
        part
    }

    fn failed(err: anyhow::Error) -> Self {
        Self {
            items: Vec::new(),
            text: String::new(),
            failure: Some(err),
        }
    }

    /// Reports everything that was found out; nothing else where that is nothing.
    fn report(self, call: &Invocation) -> anyhow::Result<Outcome> {
        let outcome = match self.items.is_empty() {
            true => Outcome::Done,
            false => call.found(call.clock.now(), self.items, &self.text),
        };
        match self.failure {
            Some(err) => Err(err),
            None => Ok(outcome),
        }
    }
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
    /// Why no zone was found at all.
    no_zone: Option<anyhow::Error>,
}

impl Checked {
    fn of(
        call: &Invocation,
        args: &CheckArgs,
        finder: &Finder,
        names: &[DnsName],
    ) -> anyhow::Result<Self> {
        let found = match names {
            [] => visible(finder),
            names => named(finder, names),
        };
        let found = match found {
            Ok(found) => found,
            Err(err) => {
                let (tokens, err) = tokens::explained(call, finder, err, args.within);
                let err = anyhow::Error::new(err).context("checking the credentials");
                return Ok(Self {
                    tokens,
                    no_zone: Some(err),
                    ..Self::default()
                });
            }
        };
        let zones: Vec<&ResolvedZone> = found.zones.iter().map(|(zone, _)| zone).collect();
        let mut checked = Self {
            tokens: tokens::check(call, finder, &zones, args.within)
                .context("checking the token")?,
            more_zones: found.more,
            failed: found.failed,
            ..Self::default()
        };
        for (zone, name) in &found.zones {
            let read = permissions::check_zone(call, finder, zone, *name, args.write);
            match read.with_context(|| format!("checking zone {}", zone.shown())) {
                Ok(zone) => checked.zones.push(zone),
                Err(err) => checked.failed.push((zone.shown(), err)),
            }
        }
        Ok(checked)
    }

    fn part(self, call: &Invocation, finder: &Finder) -> Part {
        let items = self.items(call.clock.now(), finder);
        let text = match items.is_empty() {
            true => String::new(),
            false => self.text(finder),
        };
        Part {
            items,
            text,
            failure: self.conclude(call).err(),
        }
    }

    fn items(&self, now: Timestamp, finder: &Finder) -> Vec<Item> {
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
        items
    }

    fn text(&self, finder: &Finder) -> String {
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
        lines.join("\n")
    }

    /// Whether the credentials are fine: for the given zones; without one, if any zone can be edited.
    fn conclude(self, call: &Invocation) -> anyhow::Result<()> {
        if let Some(err) = self.no_zone {
            return Err(err);
        }
        if self.tokens.iter().any(CheckedToken::is_dead) {
            let err = Error::new(Kind::Credentials, "the API token is not active");
            return Err(err.advise(tokens::CURE).into());
        }
        let zones: Vec<String> = self.zones.iter().map(CheckedZone::shown).collect();
        let all = zones.len() + self.failed.len();
        let failures = self.failed.into_iter().map(|(_, err)| err).collect();
        together(call, failures, all, |failed| {
            format!("{failed} of {all} zones could not be checked")
        })?;
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

/// Makes one error of several, of the kind of the first. One that is all there was is returned as it is.
fn together(
    call: &Invocation,
    mut failures: Vec<anyhow::Error>,
    all: usize,
    summary: impl Fn(usize) -> String,
) -> anyhow::Result<()> {
    let Some(first) = failures.first() else {
        return Ok(());
    };
    if all == 1 {
        return Err(failures.remove(0));
    }
    let kind = exit::kind_of(first).unwrap_or(Kind::Refused);
    for failure in &failures {
        call.log.failure(failure);
    }
    let err = Error::new(kind, summary(failures.len()));
    Err(err.advise("The others are shown.").into())
}

/// A zone that could not be asked about, as a row of its own.
fn unasked(host: &str, zone: &str, err: &anyhow::Error) -> Item {
    Item::new(What::Platform, format!("zone {zone}"), State::Unknown)
        .at("host", host)
        .because(err)
}

/// The zones to look at, each with the name in it that is asked about.
#[derive(Default)]
struct Found<'a> {
    zones: Vec<(ResolvedZone, Option<&'a DnsName>)>,
    failed: Vec<(String, anyhow::Error)>,
    more: u64,
}

/// Those of these names. It is an error only if there is none at all.
fn named<'a>(finder: &Finder, names: &'a [DnsName]) -> Result<Found<'a>> {
    let mut found = Found::default();
    let mut failures = Vec::new();
    for name in names {
        match finder.find(name) {
            Ok(zone) if found.zones.iter().any(|(known, _)| known.id == zone.id) => {}
            Ok(zone) => found.zones.push((zone, Some(name))),
            Err(err) => failures.push((name, err)),
        }
    }
    if found.zones.is_empty() && !failures.is_empty() {
        return Err(failures.remove(0).1);
    }
    let zone = |name: &DnsName| {
        let name = name.as_str();
        let bare = name.strip_prefix("_acme-challenge.");
        bare.unwrap_or(name).to_owned()
    };
    let failed = failures.into_iter();
    found.failed = failed.map(|(name, err)| (zone(name), err.into())).collect();
    Ok(found)
}

/// All that the credentials see.
fn visible(finder: &Finder) -> Result<Found<'static>> {
    if let Some(id) = &finder.account.zone_id {
        let details = match finder.dns.zone(&id.value) {
            Ok(zone) => Some(zone),
            Err(err) if may_lack_permission(&err) => None,
            Err(err) => return Err(err),
        };
        let id = id.value.clone();
        return Ok(Found {
            zones: vec![(ResolvedZone { id, details }, None)],
            ..Found::default()
        });
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
    let zones = zones.into_iter().take(tried);
    Ok(Found {
        zones: zones.map(|zone| (resolved(zone), None)).collect(),
        more,
        ..Found::default()
    })
}

/// The challenge's name for a domain; one that is a challenge's name already stays.
fn challenge_name(domain: &str) -> Result<DnsName> {
    if domain.starts_with('_') {
        DnsName::parse(domain)
    } else {
        DnsName::of_challenge(domain)
    }
}
