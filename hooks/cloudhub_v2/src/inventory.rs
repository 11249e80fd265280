//! Looking at what is there.

use anyhow::Context as _;
use common::anypoint::tls_contexts::TlsContext;
use common::cli::exit::Outcome;
use common::error::Result;
use common::log::{Output, Report};
use common::settings::Settings;
use common::system::environment::Env;
use common::system::workers;
use serde::Serialize;

use crate::args::Args;
use crate::compare::{self, Certainty, Comparison};
use crate::deploy::context_name;
use crate::failures;
use crate::material::{Files, Identity};
use crate::targets::{self, Target};
use crate::watch::days_between;

#[derive(Debug, Serialize)]
struct Inventory {
    contexts: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    name: String,
    domains: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    client_authentication: bool,
    /// How it compares with acme.sh's certificate, where that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
}

impl Row {
    fn new(
        target: &Target,
        context: &TlsContext,
        today: jiff::civil::Date,
        local: Option<&Identity>,
    ) -> Self {
        let expires = context
            .key_store
            .expiration_date
            .as_deref()
            .map(|text| compare::date(text).to_owned());
        let days_left = expires
            .as_deref()
            .and_then(|text| text.parse::<jiff::civil::Date>().ok())
            .map(|date| days_between(today, date));
        Self {
            target: target.name.clone(),
            name: context.name.clone(),
            domains: context.domains().into_iter().map(str::to_owned).collect(),
            expires,
            days_left,
            r#type: context.kind.clone(),
            client_authentication: context.trust_store.is_some(),
            local: local.map(|identity| match compare::compare(context, identity) {
                Comparison::Same(Certainty::Fingerprint) => "current".to_owned(),
                Comparison::Same(Certainty::NamesAndDate) => {
                    "current, by names and expiry date".to_owned()
                }
                Comparison::Different(why) => format!("differs: {why}"),
            }),
        }
    }
}

impl Report for Inventory {
    fn text(&self) -> String {
        let head = [
            "TARGET", "CONTEXT", "TYPE", "EXPIRES", "DAYS", "CLIENTS", "DOMAINS",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        let dash = || "-".to_owned();
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.target.clone(),
                row.name.clone(),
                row.r#type.clone().unwrap_or_else(dash),
                row.expires.clone().unwrap_or_else(dash),
                row.days_left.map_or_else(dash, |days| days.to_string()),
                if row.client_authentication {
                    "authenticated".to_owned()
                } else {
                    "any".to_owned()
                },
                row.domains.join(", "),
            ]
        }));
        let mut text = table(&rows);
        for row in &self.contexts {
            if let Some(local) = &row.local {
                text += &format!("\n{} in {}: {local}", row.name, row.target);
            }
        }
        text
    }
}

/// Columns as wide as their widest entry; the last one is not padded.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = widths[column]))
            .collect();
        cells.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn list(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    show(args, None, env, out)
}

pub(crate) fn status(
    args: &Args,
    domain: &str,
    env: &Env,
    out: &Output,
) -> anyhow::Result<Outcome> {
    show(args, Some(domain), env, out)
}

fn show(args: &Args, domain: Option<&str>, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, domain)?;
    let targets = targets::load(&settings, &args.target, domain, out)?;
    let workers = targets::workers(&settings, &args.target)?;
    let local = match domain {
        Some(domain) => local(&settings, domain)?,
        None => None,
    };
    let today = jiff::ZonedDateTime::now().date();
    let outcomes = workers::side_by_side(&targets, workers, |target| {
        let contexts =
            contexts(target).with_context(|| format!("private space {}", target.name))?;
        let wanted = |context: &&TlsContext| {
            domain.is_none_or(|domain| {
                context.name == context_name(target, domain)
                    || compare::names_domain(context, domain)
            })
        };
        let rows = contexts
            .iter()
            .filter(wanted)
            .map(|context| Row::new(target, context, today, local.as_ref()));
        anyhow::Ok(rows.collect::<Vec<_>>())
    });
    let (rows, failed) = failures::sort(outcomes);
    let contexts: Vec<Row> = rows.into_iter().flatten().collect();
    if let Some(domain) = domain
        && contexts.is_empty()
        && failed.is_empty()
    {
        out.warn(format!("no TLS context of the targets is for {domain}"));
    }
    // A table without rows would look like an answer where there is none.
    if !contexts.is_empty() || failed.is_empty() {
        out.result(&Inventory { contexts })?;
    }
    failures::conclude(failed, targets.len(), "The others are shown.", out)?;
    Ok(Outcome::Done)
}

/// acme.sh's certificate for a domain.
fn local(settings: &Settings, domain: &str) -> Result<Option<Identity>> {
    settings
        .home()
        .and_then(|home| home.find(domain))
        .map(|stored| Identity::read(domain, &Files::from(&stored)))
        .transpose()
}

fn contexts(target: &Target) -> Result<Vec<TlsContext>> {
    let place = target.place()?;
    target.contexts(&place)
}

#[derive(Debug, Serialize)]
struct Spaces {
    organization: String,
    private_spaces: Vec<Space>,
}

#[derive(Debug, Serialize)]
struct Space {
    id: String,
    name: String,
    status: Option<String>,
    region: Option<String>,
    dns_target: Option<String>,
}

impl Report for Spaces {
    fn text(&self) -> String {
        let mut rows = vec![["NAME", "ID", "STATUS", "REGION", "DNS TARGET"].map(str::to_owned)];
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        rows.extend(self.private_spaces.iter().map(|space| {
            [
                space.name.clone(),
                space.id.clone(),
                or_dash(&space.status),
                or_dash(&space.region),
                or_dash(&space.dns_target),
            ]
        }));
        table(&rows)
    }
}

/// Shows every private space of the organization.
pub(crate) fn spaces(args: &Args, env: &Env, out: &Output) -> anyhow::Result<Outcome> {
    let settings = Settings::load(env, &args.settings, None)?;
    let account = targets::account(&settings, &args.target, out)?;
    let organization = account.organization()?;
    let known = account.spaces()?;
    let private_spaces = known.iter().map(|space| Space {
        id: space.id.clone(),
        name: space.name.clone(),
        status: space.status.clone(),
        region: space.region().map(str::to_owned),
        dns_target: space.network.dns_target.clone(),
    });
    out.result(&Spaces {
        organization: organization.to_string(),
        private_spaces: private_spaces.collect(),
    })?;
    if known.is_empty() {
        out.info(format!(
            "organization {organization} on {} has no private space that the credentials can see",
            account.client().host()
        ));
    }
    Ok(Outcome::Done)
}
