//! One call of a program: what every command gets besides its own arguments.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::exit::Outcome;
use super::monitoring::{Findings, Item, Textfile};
use super::progress::Progress;
use super::report::{self, Format, Report};
use crate::error::{Error, Result};
use crate::log::{Log, printable};
use crate::net::dns::{Resolver, ServerAddress};
use crate::net::http::Http;
use crate::secret::mask_forms;
use crate::settings::Settings;
use crate::system::clock::SharedClock;
use crate::system::environment::Env;

/// One call of a program: its settings, its clock, where it tells what it does, and where its result goes.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What is set, and where.
    pub settings: Settings,
    /// What is told while working.
    pub log: Log,
    /// The time.
    pub clock: SharedClock,
    /// The form of the result.
    pub format: Format,
    /// Where results go, if they are not shown at once.
    pub(super) collected: Option<Collected>,
    /// Where a check leaves what it finds.
    pub(super) findings: Findings,
}

/// Results of several calls, kept to be shown as one.
#[derive(Debug, Clone, Default)]
pub struct Collected(Arc<Mutex<Vec<Kept>>>);

/// A result that is not shown yet.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its text form.
    pub text: String,
    /// Its JSON form.
    pub json: serde_json::Value,
}

impl Collected {
    /// What was collected, oldest first.
    pub fn take(&self) -> Vec<Kept> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Invocation {
    /// The same call for one certificate: with what was saved for it, if acme.sh's home is known.
    ///
    /// # Errors
    ///
    /// The certificate's conf file cannot be read.
    pub fn for_domain(&self, domain: &str) -> Result<Self> {
        Ok(self.with_settings(self.settings.for_domain(domain)?))
    }

    /// The same call with other settings.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self {
            settings,
            ..self.clone()
        }
    }

    /// The same call, where each message begins with `target`: for work on several side by side.
    #[must_use]
    pub fn about(&self, target: &str) -> Self {
        Self {
            log: self.log.about(target),
            ..self.clone()
        }
    }

    /// The same call, whose results are kept instead of shown.
    #[must_use]
    pub fn collecting(&self) -> (Self, Collected) {
        let collected = Collected::default();
        let call = Self {
            collected: Some(collected.clone()),
            ..self.clone()
        };
        (call, collected)
    }

    /// The environment.
    pub fn env(&self) -> &Env {
        self.settings.env()
    }

    /// An HTTP client for the API at `base`.
    ///
    /// # Errors
    ///
    /// Those of [`Http::new`], or a setting of the network is malformed.
    pub fn http(&self, base: &str) -> Result<Http> {
        Http::new(
            self.settings.registry().program,
            base,
            &self.settings.network()?,
            self.clock.clone(),
            &self.log,
        )
    }

    /// Asks these name servers; those that the system is set up to ask where there are none.
    ///
    /// # Errors
    ///
    /// Those of [`Resolver::over`], or a setting of the network is malformed.
    pub fn resolver(&self, servers: &[ServerAddress]) -> Result<Resolver> {
        if servers.is_empty() {
            return Ok(Resolver::system());
        }
        Resolver::over(
            self.settings.registry().program,
            servers,
            &self.settings.network()?,
            &self.clock,
            &self.log,
        )
    }

    /// Clients that connect anew for each request, one for each address of the host of `base`.
    ///
    /// # Errors
    ///
    /// Those of [`Http::for_each_address`], or a setting of the network is malformed.
    pub fn http_for_each_address(
        &self,
        base: &str,
        connect: Option<(&str, u16)>,
    ) -> Result<Vec<(Option<SocketAddr>, Http)>> {
        Http::for_each_address(
            self.settings.registry().program,
            base,
            &self.settings.network()?,
            &self.clock,
            &self.log,
            connect,
        )
    }

    /// Shows the result of the command, in the form that the user asked for. What remote systems have put into it does
    /// nothing to a terminal, and shows no secret that is known by its form; others may be what the result is about.
    ///
    /// # Errors
    ///
    /// Standard output cannot be written. A reader that has gone away is no error.
    pub fn result(&self, report: &impl Report) -> Result<()> {
        if let Some(Collected(kept)) = &self.collected {
            let json = serde_json::to_value(report)
                .map_err(|err| Error::config("the result does not fit into JSON").caused_by(err))?;
            let text = report.text();
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Kept { text, json });
            return Ok(());
        }
        if self.log.is_acme() {
            for line in report.text().lines() {
                self.log.info(line);
            }
            return Ok(());
        }
        match self.format {
            Format::Text => report::print(&printable(&mask_forms(&report.text()))),
            Format::Json => report::print_json(report, |json| mask_forms(json).into_owned()),
            // It is refused before a command begins.
            Format::Nagios | Format::Prometheus => {
                Err(Error::config("this form of output is for checks only"))
            }
        }
    }

    /// Reports what a check has found, as of `checked_at`, with `text` for people. It is shown when the run ends, in the
    /// form that the user asked for; standard output is read by monitoring, whoever is calling. Parts of a check may
    /// report one after the other.
    ///
    /// Returned is the outcome as far as something was found out. What failed beside it is for the command to return, with
    /// an item among these that says so.
    pub fn found(&self, checked_at: Timestamp, items: Vec<Item>, text: &str) -> Outcome {
        let outcomes = items.iter().map(|item| item.state.outcome());
        let worst = outcomes.max().unwrap_or(Outcome::Done);
        self.findings.add(checked_at, items, text);
        worst
    }

    /// Has the metrics of this check written into the file at `path`, as `--textfile` does, which comes first.
    ///
    /// # Errors
    ///
    /// Configuration: it cannot be replaced.
    pub fn write_textfile(&self, path: &Path) -> Result<()> {
        self.findings.write_textfile(Textfile::prepare(path)?);
        Ok(())
    }

    /// Has the file of metrics stay as it is, because another run is about to replace it.
    pub fn leave_textfile(&self) {
        self.findings.leave_textfile();
    }

    /// Shows on a terminal that something is being waited for, until the value is dropped.
    pub fn progress(&self, what: impl Into<String>) -> Progress {
        Progress::new(&self.log, what)
    }
}
