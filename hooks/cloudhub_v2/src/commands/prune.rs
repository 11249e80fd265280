//! `prune`: shows the TLS contexts that this program made for certificates that are in acme.sh's home no more.
//!
//! It deletes nothing: whether the home of another machine has the certificate cannot be seen from here.

use common::anypoint::tls_contexts::TlsContext;
use common::cli::{Invocation, Outcome, Report, table};
use common::error::{Error, Result};
use common::system::workers;
use serde::Serialize;

use crate::account::Logins;
use crate::args::PruneArgs;
use crate::material::is_our_file_name;
use crate::target::Target;
use crate::{compare, domain, failures, settings, spaces, targets, walk};

pub(crate) fn run(call: &Invocation, _args: &PruneArgs) -> anyhow::Result<Outcome> {
    let call = call.with_settings(call.settings.with_usual_home()?);
    let home = call.settings.home().ok_or_else(|| {
        Error::config("no acme.sh home is given").advise("Name it with --home or LE_WORKING_DIR.")
    })?;
    // Also those that are deployed in another way now.
    let kept: Vec<String> = home.list()?.into_iter().map(|one| one.domain).collect();
    let mut logins = Logins::default();
    let mut all: Vec<Target> = Vec::new();
    let mut failed = Vec::new();
    for one in walk::certificates(home)? {
        match targets_of(&call, &one, &mut logins) {
            Ok(targets) => all.extend(targets),
            Err(err) => failed.push(anyhow::Error::new(err).context(one.domain)),
        }
    }
    if all.is_empty() && failed.is_empty() || targets::are_given(&call)? {
        all.extend(targets::load_with(&mut logins, &call, None)?);
    }
    let workers = settings::workers(&call.settings)?;
    let all: Vec<&Target> = all.iter().collect();
    let (spaces, refused) = spaces::distinct(&all, workers);
    failed.extend(refused.into_iter().map(|refused| refused.err));
    let mut contexts = Vec::new();
    let read = workers::side_by_side(&spaces, workers, |space| space.contexts());
    for (space, there) in spaces.iter().zip(read) {
        match there {
            Ok(there) => {
                let left = there
                    .iter()
                    .filter(|context| is_left_behind(context, &kept));
                contexts.extend(left.map(|context| Row::new(space.target, context)));
            }
            Err(err) => failed.push(err),
        }
    }
    let outcome = if contexts.is_empty() {
        Outcome::Done
    } else {
        Outcome::Due
    };
    let all = spaces.len() + failed.len();
    call.result(&Pruned { contexts })?;
    failures::conclude(failed, all, "The others are shown.", &call.log)?;
    Ok(outcome)
}

#[derive(Debug, Serialize)]
struct Pruned {
    contexts: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    name: String,
    domains: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What removes it.
    command: String,
}

impl Row {
    fn new(target: &Target, context: &TlsContext) -> Self {
        let domains: Vec<String> = context.domains().into_iter().map(str::to_owned).collect();
        Self {
            target: target.name.clone(),
            command: remove_command(target, context, &domains),
            name: context.name.clone(),
            domains,
            expires: context.key_store.expiration_date.clone(),
        }
    }
}

/// The command that removes it, once somebody has made sure that no other home has the certificate.
fn remove_command(target: &Target, context: &TlsContext, domains: &[String]) -> String {
    let mut all = domains.iter();
    let own = all.find(|one| domain::context_name(one) == context.name);
    let (domain, named) = match own {
        Some(domain) => (domain.as_str(), String::new()),
        None => (
            domains.first().map_or("DOMAIN", String::as_str),
            format!(" --context-name '{}'", context.name),
        ),
    };
    format!(
        "cloudhub_v2 remove '{domain}' --private-space '{}'{named}",
        target.space
    )
}

impl Report for Pruned {
    fn text(&self) -> String {
        if self.contexts.is_empty() {
            return "no TLS context is left of a certificate that is gone".to_owned();
        }
        let mut rows = vec![["TARGET", "CONTEXT", "EXPIRES", "DOMAINS"].map(str::to_owned)];
        rows.extend(self.contexts.iter().map(|row| {
            [
                row.target.clone(),
                row.name.clone(),
                row.expires.clone().unwrap_or_else(|| "-".to_owned()),
                row.domains.join(", "),
            ]
        }));
        let commands = self.contexts.iter().map(|row| row.command.as_str());
        let commands: Vec<&str> = commands.collect();
        format!(
            "{}\nUnless another machine has the certificate:\n{}",
            table(&rows),
            commands.join("\n")
        )
    }
}

fn targets_of(
    call: &Invocation,
    walked: &walk::Walked,
    logins: &mut Logins,
) -> Result<Vec<Target>> {
    let call = call.with_settings(call.settings.for_certificate(&walked.stored)?);
    targets::load_with(logins, &call, Some(&walked.domain))
}

/// Whether this program made it, for a domain that is none of `kept`.
fn is_left_behind(context: &TlsContext, kept: &[String]) -> bool {
    let file_name = context.key_store.file_name.as_deref();
    !context.is_default()
        && file_name.is_some_and(is_our_file_name)
        && !kept.iter().any(|domain| compare::belongs(context, domain))
}
