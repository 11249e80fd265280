//! Looking at what is there.

use anyhow::Context as _;
use common::anypoint::tls_contexts::TlsContext;
use common::env::Env;
use common::error::Result;
use common::exit::Outcome;
use common::output::{Output, Report};
use common::settings::Settings;
use serde::Serialize;

use crate::args::Args;
use crate::compare;
use crate::deploy::context_name;
use crate::targets::{self, Target};

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
}

impl Row {
    fn new(target: &Target, context: &TlsContext, today: jiff::civil::Date) -> Self {
        let expires = context
            .key_store
            .expiration_date
            .as_deref()
            .map(|text| compare::date(text).to_owned());
        let days_left = expires
            .as_deref()
            .and_then(|text| text.parse::<jiff::civil::Date>().ok())
            .and_then(|date| Some(date.since(today).ok()?.get_days().into()));
        Self {
            target: target.name.clone(),
            name: context.name.clone(),
            domains: context.domains().into_iter().map(str::to_owned).collect(),
            expires,
            days_left,
            r#type: context.kind.clone(),
            client_authentication: context.trust_store.is_some(),
        }
    }
}

impl Report for Inventory {
    fn text(&self) -> String {
        let mut rows =
            vec![["TARGET", "CONTEXT", "TYPE", "EXPIRES", "DAYS", "DOMAINS"].map(str::to_owned)];
        let dash = || "-".to_owned();
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.target.clone(),
                row.name.clone(),
                row.r#type.clone().unwrap_or_else(dash),
                row.expires.clone().unwrap_or_else(dash),
                row.days_left.map_or_else(dash, |days| days.to_string()),
                row.domains.join(", "),
            ]
        }));
        table(&rows)
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
    let today = jiff::Zoned::now().date();
    let mut inventory = Inventory {
        contexts: Vec::new(),
    };
    for target in &targets {
        let contexts =
            contexts(target).with_context(|| format!("private space {}", target.name))?;
        let wanted = contexts.iter().filter(|context| {
            domain.is_none_or(|domain| {
                context.name == context_name(target, domain)
                    || compare::names_domain(context, domain)
            })
        });
        inventory
            .contexts
            .extend(wanted.map(|context| Row::new(target, context, today)));
    }
    out.result(&inventory)?;
    Ok(Outcome::Done)
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
