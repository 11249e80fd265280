//! With pebble as the ACME server.

mod accounts;
mod alias;
mod issuing;
mod refusals;
mod shells;
mod toml_targets;

use fixtures::{AcmeSh, Finished, Pebble};

use crate::fixture::{CONTEXT, DOMAIN, Environment, Fixture};

/// A fixture with an ACME server.
pub(crate) struct Issuer {
    pub(crate) fixture: Fixture,
    pub(crate) pebble: Pebble,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Self::with(AcmeSh::install())
    }

    pub(crate) fn with(acme: AcmeSh) -> Self {
        let fixture = Fixture::with(acme);
        let pebble = Pebble::start(&fixture.sim);
        Self { fixture, pebble }
    }

    pub(crate) fn issue(
        &self,
        environment: &Environment,
        names: &[&str],
        more: &[&str],
    ) -> Finished {
        self.fixture
            .acme
            .run(environment, self.issue_arguments(names, more))
    }

    pub(crate) fn issue_arguments<'a>(
        &'a self,
        names: &[&'a str],
        more: &[&'a str],
    ) -> Vec<&'a str> {
        let mut arguments = vec!["--issue", "--dns", "dns_cf", "--dnssleep", "1"];
        arguments.extend(["--server", self.pebble.directory()]);
        for name in names {
            arguments.extend(["-d", *name]);
        }
        arguments.extend(more);
        arguments
    }

    pub(crate) fn renew(&self, domain: &str) -> Finished {
        let arguments = ["--renew", "--force", "-d", domain];
        self.fixture.acme.run(&[], arguments)
    }

    /// As the line in the crontab does it, with everything due.
    pub(crate) fn cron(&self) -> Finished {
        self.fixture.acme.run(&[], ["--cron", "--force"])
    }

    /// The certificate that acme.sh holds is the one that the context carries, and no challenge is left.
    #[track_caller]
    pub(crate) fn is_in_order(&self) {
        let Self { fixture, .. } = self;
        assert_eq!(fixture.deployed(CONTEXT), Some(fixture.issued(DOMAIN)));
        assert_eq!(fixture.challenges(), 0);
        assert!(fixture.sim.unexpected().is_empty());
    }
}
