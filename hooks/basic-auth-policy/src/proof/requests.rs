//! The requests themselves, look after look.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::net::http::{Http, Repeat, Reply, excerpt};
use common::secret::Secret;
use common::system::polling::{Look, Pauses, poll};
use common::system::signals;
use reqwest::Method;

use super::address::Address;
use super::carried::Carried;
use super::cause::{Facts, explain, is_worth_waiting};
use super::finding::{Answer, Finding, Observation, asks_for_basic};
use super::platform::{Application, Platform};
use super::verdict::{Verdict, Verdicts};
use crate::args::RequestArgs;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Requests of each kind that every address gets in one look: behind it may be several replicas, of which one that does
/// not enforce the policy is enough to get in.
const TRIES: usize = 10;

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
    addresses: Vec<Address>,
    /// Where to connect, if not to the addresses of the host.
    connect: Option<String>,
    carried: Carried,
    expect: Vec<u16>,
    timeout: Duration,
}

/// Clients that connect anew for each request, by the address that each connects to.
type Clients = Vec<(Option<SocketAddr>, Http)>;

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Nothing,
    WrongPassword,
    PreviousPassword,
    RightPassword,
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
        let addresses = args
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
                // Settings of the network that cannot be used are found before the first request.
                call.http(&address.origin())?;
                if let Some(connect) = &args.connect {
                    address.connect(connect)?;
                }
                Ok(address)
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            addresses,
            connect: args.connect.clone(),
            carried: Carried::read(args)?,
            expect: args.expect.clone(),
            timeout: args.timeout,
        })
    }

    /// Whether there is no address.
    pub(crate) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Looks until every address is proved, or waiting does not help, or the time is over.
    pub(crate) fn run(
        &self,
        call: &Invocation,
        users: &Users<'_>,
        platform: Option<&Platform>,
    ) -> Result<Verdicts> {
        // A user with this password would be a strange accident.
        let wrong = Secret::generate(20)
            .map_err(|err| Error::config("no password can be generated").caused_by(err))?;
        let start = call.clock.elapsed();
        let progress = call.progress("waiting for the gateway");
        let mut clients: Vec<Clients> = vec![Vec::new(); self.addresses.len()];
        let mut seen: Vec<Option<Observation>> = vec![None; self.addresses.len()];
        let look = || -> Result<_, Infallible> {
            for ((address, clients), seen) in self.addresses.iter().zip(&mut clients).zip(&mut seen)
            {
                if !seen.as_ref().is_some_and(is_proved) {
                    let observation = self.look_at(call, address, clients, users, &wrong);
                    let Address { method, .. } = address;
                    call.log
                        .debug(format!("{method} {}: {observation}", address.shown()));
                    *seen = Some(observation);
                }
            }
            let all: Vec<Observation> = seen.iter().flatten().cloned().collect();
            let waits = all.iter().enumerate().any(|(index, observation)| {
                let facts = facts(platform, index, &all, None);
                !is_proved(observation)
                    && is_worth_waiting(&observation.finding, &facts, &self.addresses[index])
            });
            // Somebody who wants this to end gets what was seen.
            Ok(if waits && !signals::interrupted() {
                Look::NotYet(all)
            } else {
                Look::Done(all)
            })
        };
        let waiting = |all: &Vec<Observation>| {
            if let Some(open) = all.iter().find(|observation| !is_proved(observation)) {
                progress.tick(self.timeout, &open.to_string());
            }
        };
        let pauses = Pauses::of(PAUSE);
        let Ok(Look::Done(all) | Look::NotYet(all)) =
            poll(call.clock.as_ref(), self.timeout, pauses, look, waiting);
        drop(progress);
        let application = platform
            .filter(|_| {
                all.iter()
                    .any(|seen| matches!(seen.finding, Finding::Open(_)))
            })
            .and_then(|platform| platform.application(call));
        let verdicts = (self.addresses.iter().zip(&all).enumerate())
            .map(|(index, (address, observation))| {
                let facts = facts(platform, index, &all, application.clone());
                let explanation = explain(address, &observation.finding, &facts, self.timeout);
                Verdict::of(address, observation, explanation)
            })
            .collect();
        Ok(Verdicts {
            verdicts,
            seconds: (call.clock.elapsed() - start).as_secs(),
        })
    }

    fn clients(&self, call: &Invocation, address: &Address) -> Result<Clients> {
        let connect = self
            .connect
            .as_ref()
            .map(|text| address.connect(text))
            .transpose()?;
        let connect = connect.as_ref().map(|(host, port)| (host.as_str(), *port));
        call.http_for_each_address(&address.origin(), connect)
    }

    /// Looks at one address of the API: every kind of request, until one kind is not answered as a closed API does.
    fn look_at(
        &self,
        call: &Invocation,
        address: &Address,
        clients: &mut Clients,
        users: &Users<'_>,
        wrong: &Secret,
    ) -> Observation {
        if clients.is_empty() {
            match self.clients(call, address) {
                Ok(found) => *clients = found,
                Err(err) => {
                    return Observation {
                        finding: Finding::Unreachable(err.to_string()),
                        shown_by: (0, 0),
                        at: None,
                    };
                }
            }
        }
        let kinds = [
            Carries::Nothing,
            Carries::WrongPassword,
            Carries::PreviousPassword,
            Carries::RightPassword,
        ];
        let asked = kinds
            .into_iter()
            .filter(|kind| *kind != Carries::PreviousPassword || users.previous.is_some());
        observe(asked, clients.len(), |carries, index| {
            let password = match carries {
                Carries::Nothing => None,
                Carries::WrongPassword => Some(wrong),
                Carries::PreviousPassword => users.previous,
                Carries::RightPassword => Some(users.password),
            };
            let user = password.map(|password| (users.username, password));
            let answer = self.ask(address, &clients[index].1, user);
            match carries {
                Carries::Nothing => Finding::without_credentials(&answer),
                Carries::WrongPassword => Finding::with_wrong_ones(&answer),
                Carries::PreviousPassword => Finding::with_previous_password(&answer),
                Carries::RightPassword => Finding::with_right_ones(&answer, &self.expect),
            }
        })
        .located(clients)
    }
}

/// Asks every one of so many addresses, again and again, with each kind of request in turn. What lets somebody in who
/// should not get in counts before everything else that may be wrong.
fn observe(
    kinds: impl Iterator<Item = Carries>,
    addresses: usize,
    mut ask: impl FnMut(Carries, usize) -> Option<Finding>,
) -> Located {
    let of = TRIES * addresses;
    for kind in kinds {
        let mut found: Vec<(usize, Finding)> = Vec::new();
        let mut silent = vec![false; addresses];
        for index in (0..of).map(|number| number % addresses) {
            // Each silence costs a timeout.
            if silent[index] {
                continue;
            }
            if let Some(finding) = ask(kind, index) {
                silent[index] = matches!(finding, Finding::Unreachable(_));
                found.push((index, finding));
            }
        }
        let times = |wanted: fn(&Finding) -> bool| {
            found.iter().filter(|(_, finding)| wanted(finding)).count()
        };
        let open = found.iter().position(|(_, finding)| finding.is_open());
        let worst = open.or(if found.is_empty() { None } else { Some(0) });
        if let Some(worst) = worst {
            let times = times(Finding::is_open);
            let (index, finding) = found.swap_remove(worst);
            return Located {
                finding,
                shown_by: (times, of),
                index: Some(index),
            };
        }
    }
    Located {
        finding: Finding::Proved,
        shown_by: (of, of),
        index: None,
    }
}

/// An observation, and at which of the addresses it was made.
#[derive(Debug, PartialEq, Eq)]
struct Located {
    finding: Finding,
    shown_by: (usize, usize),
    index: Option<usize>,
}

impl Located {
    fn located(self, clients: &Clients) -> Observation {
        let several = clients.len() > 1;
        Observation {
            at: self
                .index
                .filter(|_| several)
                .and_then(|index| clients[index].0),
            finding: self.finding,
            shown_by: self.shown_by,
        }
    }
}

fn is_proved(observation: &Observation) -> bool {
    observation.finding == Finding::Proved
}

fn facts<'a>(
    platform: Option<&'a Platform>,
    index: usize,
    all: &[Observation],
    application: Option<Application>,
) -> Facts<'a> {
    Facts {
        activity: platform.map(|platform| platform.api.activity),
        policy: platform.map(|platform| platform.policy.as_ref()),
        application,
        some_refuse: all[index].is_mixed(),
        another_is_closed: all
            .iter()
            .enumerate()
            .any(|(other, observation)| other != index && is_proved(observation)),
    }
}

impl Proof {
    fn ask(&self, address: &Address, http: &Http, user: Option<(&str, &Secret)>) -> Answer {
        self.request(address, http, user).map_or_else(
            |err| Answer::None(err.to_string()),
            |reply| Answer::Status {
                status: reply.status(),
                basic: reply.header_lines("www-authenticate").any(asks_for_basic),
                redirect: reply
                    .header("location")
                    .filter(|_| (300..400).contains(&reply.status()))
                    .map(excerpt),
            },
        )
    }

    fn request(
        &self,
        address: &Address,
        http: &Http,
        user: Option<(&str, &Secret)>,
    ) -> Result<Reply> {
        let mut http = http.for_target();
        if let Some((username, password)) = user {
            let pair = format!("{username}:{}", password.expose());
            let header = Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair)));
            http = http.with_header("authorization", &header)?;
        }
        let request = http.request(address.method.clone(), &address.target());
        self.carried.add_to(request).repeat(Repeat::Never).send()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Carries; 3] = [
        Carries::Nothing,
        Carries::WrongPassword,
        Carries::RightPassword,
    ];

    fn seen(
        addresses: usize,
        ask: impl FnMut(Carries, usize) -> Option<Finding>,
    ) -> (Finding, (usize, usize), Option<usize>) {
        let Located {
            finding,
            shown_by,
            index,
        } = observe(KINDS.into_iter(), addresses, ask);
        (finding, shown_by, index)
    }

    #[test]
    fn ten_of_each_kind_at_every_address_are_a_proof() {
        let mut asked = Vec::new();
        let found = seen(2, |kind, index| {
            asked.push((kind, index));
            None
        });
        assert_eq!(found, (Finding::Proved, (20, 20), None));
        for kind in KINDS {
            for index in 0..2 {
                let times = asked.iter().filter(|one| **one == (kind, index)).count();
                assert_eq!(times, 10, "{kind:?} at {index}");
            }
        }
    }

    #[test]
    fn a_single_request_that_gets_through_means_open() {
        let mut number = 0;
        let found = seen(2, |kind, index| {
            number += 1;
            match (kind, index) {
                // Something else is wrong first.
                (Carries::Nothing, 0) => Some(Finding::Unavailable),
                (Carries::Nothing, 1) if number == 20 => Some(Finding::Open(200)),
                _ => None,
            }
        });
        assert_eq!(found, (Finding::Open(200), (1, 20), Some(1)));
        let found = seen(1, |kind, _| {
            number += 1;
            (kind == Carries::WrongPassword && number % 7 == 0)
                .then_some(Finding::WrongAccepted(200))
        });
        assert_eq!(found.0, Finding::WrongAccepted(200));
    }

    #[test]
    fn an_address_that_does_not_answer_is_not_asked_again_and_proves_nothing() {
        let mut asked = 0;
        let found = seen(2, |_, index| {
            asked += usize::from(index == 1);
            (index == 1).then(|| Finding::Unreachable("silence".to_owned()))
        });
        assert_eq!(found.0, Finding::Unreachable("silence".to_owned()));
        assert_eq!((found.2, asked), (Some(1), 1));
    }
}
