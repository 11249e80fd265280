//! The requests themselves, round after round.

use std::convert::Infallible;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::net::http::{Http, Repeat, Reply, excerpt};
use common::secret::Secret;
use common::system::polling::{Look, Pauses, poll};
use reqwest::Method;

use super::address::Address;
use super::cause::{Facts, explain, is_worth_waiting};
use super::finding::{Answer, Finding, asks_for_basic};
use super::platform::{Application, Platform};
use super::verdict::{Verdict, Verdicts};
use crate::args::RequestArgs;

/// Between two rounds of requests.
const PAUSE: Duration = Duration::from_secs(2);

/// Whose requests are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Users<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a Secret,
    /// The previous password, which is to be refused.
    pub(crate) previous: Option<&'a Secret>,
}

/// The requests of a proof.
#[derive(Debug)]
pub(crate) struct Proof {
    endpoints: Vec<Endpoint>,
    expect: Vec<u16>,
    timeout: Duration,
}

/// An address and the connection to it.
#[derive(Debug)]
struct Endpoint {
    address: Address,
    http: Http,
}

impl Proof {
    /// Reads the addresses, without a request.
    pub(crate) fn prepare(call: &Invocation, args: &RequestArgs) -> Result<Self> {
        let method =
            Method::from_bytes(args.method.to_ascii_uppercase().as_bytes()).map_err(|_| {
                Error::config(format!("--method {:?} is not an HTTP method", args.method))
            })?;
        let is_odd = |status: &&u16| !(200..600).contains(*status) || **status == 401;
        if let Some(odd) = args.expect.iter().find(is_odd) {
            return Err(Error::config(format!(
                "--expect {odd} is not a status that can be told from a refusal"
            ))
            .advise("Give statuses such as 200,204."));
        }
        let endpoints = args
            .url
            .iter()
            .map(|url| {
                let address = Address::parse(url, args.path.as_deref(), &method)?;
                if address.is_readable() {
                    call.log.warn(format!(
                        "{} is not encrypted: everybody on the way can read user and password",
                        address.shown()
                    ));
                }
                Ok(Endpoint {
                    http: call.http(&address.origin())?,
                    address,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            endpoints,
            expect: args.expect.clone(),
            timeout: args.timeout,
        })
    }

    /// Whether there is no address.
    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Sends requests until every address is proved `rounds` times in a row, or waiting does not help, or the time is
    /// over.
    pub(crate) fn run(
        &self,
        call: &Invocation,
        users: &Users<'_>,
        platform: Option<&Platform>,
        rounds: usize,
    ) -> Result<Verdicts> {
        // A user with this password would be a strange accident.
        let wrong = Secret::generate(20)
            .map_err(|err| Error::config("no password can be generated").caused_by(err))?;
        let start = call.clock.elapsed();
        let progress = call.progress("waiting for the gateway");
        let mut proved = vec![0; self.endpoints.len()];
        let look = || -> Result<_, Infallible> {
            let findings = self.round(call, users, &wrong, rounds, &mut proved);
            let waits = proved.iter().enumerate().any(|(index, &times)| {
                let facts = facts(platform, index, &findings, None);
                let address = &self.endpoints[index].address;
                times < rounds && is_worth_waiting(&findings[index], &facts, address)
            });
            Ok(if waits {
                Look::NotYet(findings)
            } else {
                Look::Done(findings)
            })
        };
        let waiting = |findings: &Vec<Finding>| {
            let open = findings.iter().find(|finding| **finding != Finding::Proved);
            let seen = open.map_or_else(|| "closed, looking once more".to_owned(), Finding::text);
            progress.tick(self.timeout, &seen);
        };
        let pauses = Pauses::of(PAUSE);
        let Ok(Look::Done(findings) | Look::NotYet(findings)) =
            poll(call.clock.as_ref(), self.timeout, pauses, look, waiting);
        drop(progress);
        let is_open = |finding: &Finding| matches!(finding, Finding::Open(_));
        let application = platform
            .filter(|_| findings.iter().any(is_open))
            .and_then(|platform| platform.application(call));
        let verdicts = (self.endpoints.iter().zip(&findings).enumerate())
            .map(|(index, (endpoint, finding))| {
                let facts = facts(platform, index, &findings, application.clone());
                let explanation = explain(&endpoint.address, finding, &facts, self.timeout);
                Verdict::of(&endpoint.address, finding, explanation)
            })
            .collect();
        Ok(Verdicts {
            verdicts,
            seconds: (call.clock.elapsed() - start).as_secs(),
        })
    }

    /// One round over the addresses that are not proved often enough. Each `proved` counts rounds in a row.
    fn round(
        &self,
        call: &Invocation,
        users: &Users<'_>,
        wrong: &Secret,
        rounds: usize,
        proved: &mut [usize],
    ) -> Vec<Finding> {
        let examine = |(endpoint, proved): (&Endpoint, &mut usize)| {
            let finding = if *proved >= rounds {
                Finding::Proved
            } else {
                endpoint.examine(users, wrong, &self.expect)
            };
            *proved = match finding {
                Finding::Proved => *proved + 1,
                _ => 0,
            };
            let Address { method, .. } = &endpoint.address;
            call.log.debug(format!(
                "{method} {}: {}",
                endpoint.address.shown(),
                finding.text()
            ));
            finding
        };
        self.endpoints.iter().zip(proved).map(examine).collect()
    }
}

fn facts<'a>(
    platform: Option<&'a Platform>,
    index: usize,
    findings: &[Finding],
    application: Option<Application>,
) -> Facts<'a> {
    Facts {
        activity: platform.map(|platform| platform.api.activity),
        policy: platform.map(|platform| platform.policy.as_ref()),
        application,
        another_is_closed: findings
            .iter()
            .enumerate()
            .any(|(other, finding)| other != index && *finding == Finding::Proved),
    }
}

impl Endpoint {
    fn examine(&self, users: &Users<'_>, wrong: &Secret, expect: &[u16]) -> Finding {
        if let Some(finding) = Finding::without_credentials(&self.ask(None)) {
            return finding;
        }
        let with = |password| self.ask(Some((users.username, password)));
        if let Some(finding) = Finding::with_wrong_ones(&with(wrong)) {
            return finding;
        }
        let right = Finding::with_right_ones(&with(users.password), expect);
        match users.previous {
            Some(previous) if right == Finding::Proved => {
                Finding::with_previous_password(&with(previous))
            }
            _ => right,
        }
    }

    fn ask(&self, user: Option<(&str, &Secret)>) -> Answer {
        self.request(user).map_or_else(
            |err| Answer::None(err.to_string()),
            |reply| Answer::Status {
                status: reply.status(),
                basic: reply.header("www-authenticate").is_some_and(asks_for_basic),
                redirect: reply
                    .header("location")
                    .filter(|_| (300..400).contains(&reply.status()))
                    .map(excerpt),
            },
        )
    }

    fn request(&self, user: Option<(&str, &Secret)>) -> Result<Reply> {
        let mut http = self.http.for_target();
        if let Some((username, password)) = user {
            let pair = format!("{username}:{}", password.expose());
            let header = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)));
            http = http.with_header("authorization", &header)?;
        }
        http.request(self.address.method.clone(), &self.address.target())
            .repeat(Repeat::Never)
            .send()
    }
}
