//! Asks name servers, one after the other until one answers.
//!
//! Own code over `hickory-proto` rather than `hickory-resolver`: that brings an asynchronous runtime, and asks the servers
//! of the system where the view of a certain one is wanted.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};

use crate::error;
use crate::log::Log;
use crate::net::dns::error::ResolveError;
use crate::net::dns::https::{self, HttpsServer};
use crate::net::dns::server::{Server, ServerAddress};
use crate::net::dns::system;
use crate::net::dns::wire::{Question, text};
use crate::net::network::Network;
use crate::system::clock::SharedClock;

/// How often each server is asked before it counts as silent.
const ROUNDS: usize = 2;

/// Asks name servers, one after the other until one answers.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The servers, in the order in which they are asked.
    servers: Vec<Server>,
    /// How long to wait for one server that is not asked over HTTPS.
    attempt: Duration,
    /// How long to wait for the answer to one question in all.
    total: Duration,
}

/// A zone and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its name servers, sorted by name.
    pub servers: Vec<NameServer>,
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// Its name.
    pub name: String,
    /// Its addresses; empty if none could be found.
    pub addresses: Vec<IpAddr>,
}

impl Resolver {
    /// Asks these servers, up to 2 seconds each and 5 in all.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().map(Server::Plain).collect(),
            attempt: Duration::from_secs(2),
            total: Duration::from_secs(5),
        }
    }

    /// As [`Resolver::new`], also for servers that are asked over HTTPS: those get 5 seconds each. `program` is how they
    /// know the client.
    ///
    /// # Errors
    /// Those of [`Http::new`](crate::net::http::Http::new).
    pub fn over(
        program: &str,
        servers: &[ServerAddress],
        network: &Network,
        clock: &SharedClock,
        log: &Log,
    ) -> error::Result<Self> {
        let mut resolver = Self::new(Vec::new());
        for server in servers {
            resolver.servers.push(match server {
                ServerAddress::Plain(address) => Server::Plain(*address),
                ServerAddress::Https(url) => {
                    resolver.total += https::ATTEMPT;
                    let clock = SharedClock::clone(clock);
                    Server::Https(Box::new(HttpsServer::new(
                        program, url, network, clock, log,
                    )?))
                }
            });
        }
        Ok(resolver)
    }

    /// Asks the servers that the system is set up to ask.
    pub fn system() -> Self {
        Self::new(system::servers())
    }

    /// The values of the `TXT` records of a name, also behind an alias that the server follows. The strings of a record
    /// are joined, as the ACME challenge and others mean them.
    ///
    /// # Errors
    /// No server that answers, or only such as fail; a name that is none.
    pub fn txt_values(&self, name: &str) -> Result<Vec<Vec<u8>>, ResolveError> {
        self.records(name, RecordType::TXT, |data| match data {
            RData::TXT(strings) => Some(strings.txt_data.concat()),
            _ => None,
        })
    }

    /// The name that `name` is an alias of, one step on.
    ///
    /// # Errors
    /// As [`Resolver::txt_values`].
    pub fn alias(&self, name: &str) -> Result<Option<String>, ResolveError> {
        let question = Question::new(name, RecordType::CNAME)?;
        let answer = self.lookup(&question)?;
        Ok(target(&answer, &question.name).map(text))
    }

    /// The addresses of a host, IPv4 first.
    ///
    /// # Errors
    /// As [`Resolver::txt_values`]; an error for one family does not hide the addresses of the other.
    pub fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let address = |data: &RData| match data {
            RData::A(address) => Some(address.0.into()),
            RData::AAAA(address) => Some(address.0.into()),
            _ => None,
        };
        let v4 = self.records(host, RecordType::A, address);
        let v6 = self.records(host, RecordType::AAAA, address);
        let found: Vec<_> = [&v4, &v6]
            .into_iter()
            .flatten()
            .flatten()
            .copied()
            .collect();
        if found.is_empty() {
            v4.and(v6)?;
        }
        Ok(found)
    }

    /// Finds the zone that `name` lies in, and its name servers with their addresses.
    ///
    /// # Errors
    /// As [`Resolver::txt_values`]; a name without a zone above it.
    pub fn authoritative_servers(&self, name: &str) -> Result<Zone, ResolveError> {
        let zone = self.zone_of(name)?;
        let mut names = self.records(&zone, RecordType::NS, |data| match data {
            RData::NS(server) => Some(text(&server.0)),
            _ => None,
        })?;
        names.sort();
        let servers = names
            .into_iter()
            .map(|name| NameServer {
                addresses: self.addresses(&name).unwrap_or_default(),
                name,
            })
            .collect();
        Ok(Zone {
            name: zone,
            servers,
        })
    }

    /// Goes up from `name` until a `SOA` record stands at the name asked for or above it.
    fn zone_of(&self, name: &str) -> Result<String, ResolveError> {
        let mut question = Question::new(name, RecordType::SOA)?;
        while !question.name.is_root() {
            let answer = self.lookup(&question)?;
            let zone = answer
                .answers
                .iter()
                .chain(&answer.authorities)
                // An alias brings the SOA of the zone that it leads to.
                .find(|record| {
                    matches!(record.data, RData::SOA(_)) && record.name.zone_of(&question.name)
                });
            if let Some(zone) = zone {
                return Ok(text(&zone.name));
            }
            question.name = question.name.base_name();
        }
        Err(ResolveError::NoZone {
            name: name.to_owned(),
        })
    }

    /// What the records say that answer the question, aliases left aside.
    fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, ResolveError> {
        let question = Question::new(name, kind)?;
        let answer = self.lookup(&question)?;
        let end = canonical_name(&answer, &question.name);
        Ok(answer
            .answers
            .iter()
            .filter(|record| record.name == *end)
            .filter_map(|record| read(&record.data))
            .collect())
    }

    /// A server that is silent or refuses is left for the next one.
    fn lookup(&self, question: &Question) -> Result<Message, ResolveError> {
        let deadline = Instant::now() + self.total;
        let mut last = ResolveError::NoServer;
        let turns = std::iter::repeat_n(&self.servers, ROUNDS).flatten();
        for server in turns {
            let now = Instant::now();
            if now >= deadline && last != ResolveError::NoServer {
                break;
            }
            match question.ask(server, deadline.min(now + self.attempt)) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// What a name is an alias of, as the answer has it.
fn target<'a>(answer: &'a Message, name: &Name) -> Option<&'a Name> {
    let own = answer.answers.iter().filter(|record| record.name == *name);
    own.map(|record| &record.data).find_map(|data| match data {
        RData::CNAME(target) => Some(&target.0),
        _ => None,
    })
}

/// The name at the end of the aliases in the answer; the name asked for if it is no alias.
fn canonical_name<'a>(answer: &'a Message, asked: &'a Name) -> &'a Name {
    let mut name = asked;
    // As many steps as there are records: more is a loop.
    for _ in &answer.answers {
        match target(answer, name) {
            Some(next) => name = next,
            None => break,
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, UdpSocket};
    use std::sync::atomic::Ordering;

    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS};

    use super::*;
    use crate::net::dns::server::Server as Asked;
    use crate::net::dns::test_support::{Server, name, reply, soa, txt, with, zone};

    fn resolver(server: &Server) -> Resolver {
        Resolver::new(vec![server.address])
    }

    #[test]
    fn addresses_of_both_families_and_aliases_are_read() {
        let server = zone(vec![
            ("a.example.com", RData::A(A::new(192, 0, 2, 1))),
            ("a.example.com", RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            (
                "alias.example.com",
                RData::CNAME(CNAME(name("A.Example.COM"))),
            ),
        ]);
        let resolver = resolver(&server);
        assert_eq!(
            resolver.addresses("a.example.com").unwrap(),
            [IpAddr::from([192, 0, 2, 1]), Ipv6Addr::LOCALHOST.into()]
        );
        assert_eq!(
            resolver.alias("ALIAS.example.com.").unwrap().as_deref(),
            Some("a.example.com")
        );
        assert_eq!(resolver.alias("a.example.com").unwrap(), None);
    }

    #[test]
    fn each_record_is_a_value_and_its_strings_are_one() {
        let server = zone(vec![
            ("_acme-challenge.example.com", txt(&[b"abc", b"def"])),
            ("_acme-challenge.example.com", txt(&[b"\xff-bytes"])),
        ]);
        assert_eq!(
            resolver(&server)
                .txt_values("_acme-challenge.example.com")
                .unwrap(),
            [b"abcdef".to_vec(), b"\xff-bytes".to_vec()]
        );
    }

    #[test]
    fn no_such_name_and_no_such_record_are_answers() {
        let server = zone(vec![("a.example.com", RData::A(A::new(192, 0, 2, 1)))]);
        assert!(
            resolver(&server)
                .txt_values("a.example.com")
                .unwrap()
                .is_empty()
        );
        assert!(
            resolver(&server)
                .txt_values("b.example.com")
                .unwrap()
                .is_empty()
        );
        assert!(
            resolver(&server)
                .addresses("b.example.com")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn an_alias_in_the_answer_is_followed() {
        let server = Server::new(|question, _| {
            let records = vec![
                ("b.example.com", RData::CNAME(CNAME(name("c.example.com")))),
                ("a.example.com", RData::CNAME(CNAME(name("b.example.com")))),
                ("c.example.com", txt(&[b"value"])),
                ("other.example.com", txt(&[b"stray"])),
            ];
            vec![with(question, records)]
        });
        assert_eq!(
            resolver(&server).alias("a.example.com").unwrap().as_deref(),
            Some("b.example.com")
        );
        assert_eq!(
            resolver(&server).txt_values("a.example.com").unwrap(),
            [b"value"]
        );
    }

    #[test]
    fn a_loop_of_aliases_ends() {
        let server = Server::new(|question, _| {
            let records = vec![
                ("a.example.com", RData::CNAME(CNAME(name("b.example.com")))),
                ("b.example.com", RData::CNAME(CNAME(name("a.example.com")))),
            ];
            vec![with(question, records)]
        });
        assert!(
            resolver(&server)
                .txt_values("a.example.com")
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_next_server_is_asked_when_one_fails_refuses_or_is_not_there() {
        let failing = Server::new(|question, _| vec![reply(question, ResponseCode::ServFail)]);
        let silent = Server::new(|_, _| vec![]);
        let closed = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let good = zone(vec![("example.com", txt(&[b"x"]))]);
        let resolver = Resolver {
            servers: [failing.address, silent.address, closed, good.address]
                .map(Asked::Plain)
                .to_vec(),
            attempt: Duration::from_millis(50),
            total: Duration::from_secs(5),
        };
        resolver.txt_values("example.com").unwrap();
        assert_eq!(good.asked.load(Ordering::SeqCst), 1);
        assert_eq!(failing.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failure_names_server_and_code() {
        let server = Server::new(|question, _| vec![reply(question, ResponseCode::ServFail)]);
        let error = resolver(&server).txt_values("example.com").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "example.com TXT: name server {} answered SERVFAIL",
                server.address
            )
        );
    }

    #[test]
    fn a_silent_server_is_given_up_when_the_time_is_over() {
        let silent = Server::new(|_, _| vec![]);
        let resolver = Resolver {
            attempt: Duration::from_secs(60),
            total: Duration::from_millis(60),
            ..resolver(&silent)
        };
        let error = resolver.alias("example.com").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("did not answer: no answer in time"),
            "{error}"
        );
        assert_eq!(silent.asked.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn the_zone_and_its_servers_are_found_from_a_name_below() {
        let server = zone(vec![
            ("example.com", soa()),
            ("example.com", RData::NS(NS(name("ns2.example.com")))),
            ("example.com", RData::NS(NS(name("ns1.example.com")))),
            ("ns1.example.com", RData::A(A::new(192, 0, 2, 1))),
            ("ns1.example.com", RData::AAAA(AAAA(Ipv6Addr::LOCALHOST))),
            (
                "alias.example.com",
                RData::CNAME(CNAME(name("example.org"))),
            ),
        ]);
        for below in [
            "_acme-challenge.api.example.com",
            "example.com",
            "alias.example.com",
        ] {
            let zone = resolver(&server).authoritative_servers(below).unwrap();
            assert_eq!(zone.name, "example.com");
            assert_eq!(zone.servers[0].name, "ns1.example.com");
            assert_eq!(zone.servers[0].addresses.len(), 2);
            assert_eq!(zone.servers[1].addresses, [] as [IpAddr; 0]);
        }
    }

    #[test]
    fn a_name_without_zone_is_told() {
        let server = Server::new(|question, _| vec![with(question, vec![])]);
        assert_eq!(
            resolver(&server).authoritative_servers("a.example.com"),
            Err(ResolveError::NoZone {
                name: "a.example.com".into()
            })
        );
    }

    #[test]
    fn servers_with_ipv6_addresses_are_asked() {
        let server = Server::on(Ipv6Addr::LOCALHOST.into(), |question, _| {
            vec![with(question, vec![("example.com", txt(&[b"six"]))])]
        });
        assert_eq!(
            resolver(&server).txt_values("example.com").unwrap(),
            [b"six"]
        );
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        let resolver = Resolver::new(vec![]);
        let long = "x".repeat(64);
        for bad in ["a..b", long.as_str()] {
            let error = resolver.addresses(bad).unwrap_err();
            assert!(matches!(error, ResolveError::BadName { .. }), "{error}");
        }
        assert_eq!(
            resolver.txt_values("*.example.com"),
            Err(ResolveError::NoServer)
        );
    }
}
