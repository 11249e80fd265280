//! Waiting until a record is served.

use std::net::SocketAddr;
use std::time::Duration;

use common::duration;
use common::error::{Error, Kind, Result};
use common::log::Output;
use common::net::dns::name::{DnsName, normal};
use common::net::dns::{self, Resolver};
use common::system::clock::SharedClock;

use crate::args::AddArgs;
use crate::zone::Place;

/// Between two looks. Authoritative servers keep no negative answers, so that asking often delays nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// What to wait for.
#[derive(Debug)]
pub(crate) struct Wait {
    limit: Duration,
    /// Servers to ask instead of the authoritative ones.
    servers: Vec<SocketAddr>,
}

/// A name server, by all its addresses.
struct Server {
    shown: String,
    resolver: Resolver,
}

impl Wait {
    /// Waits where the user asks for it, and for certbot, which does not wait by itself.
    pub(crate) fn from_args(args: &AddArgs) -> Option<Self> {
        let certbot_is_calling = args.challenge.name.is_none();
        (args.wait || certbot_is_calling).then(|| Self {
            limit: args.timeout,
            servers: args.resolver.clone(),
        })
    }

    /// Returns once every server answers `value` for `name`.
    pub(crate) fn until_served(
        &self,
        place: &Place,
        name: &DnsName,
        value: &[u8],
        clock: &SharedClock,
        out: &Output,
    ) -> Result<()> {
        let start = clock.elapsed();
        let progress = out.progress(format!("waiting until {name} is served"));
        let mut servers: Vec<Server> = Vec::new();
        let mut serving = 0;
        let mut last = "no name server has answered yet".to_owned();
        loop {
            if servers.is_empty() {
                match self.servers(place, name, out) {
                    Ok(found) => servers = found,
                    Err(err) => last = err.to_string(),
                }
            }
            // Those before `serving` have answered the value; a server does not forget it.
            while let Some(server) = servers.get(serving) {
                match server.resolver.txt_values(name.as_str()) {
                    Ok(values) if values.iter().any(|seen| seen == value) => serving += 1,
                    Ok(values) if values.is_empty() => {
                        last = format!("{} does not serve it yet", server.shown);
                        break;
                    }
                    Ok(values) => {
                        last = format!(
                            "{} serves {} other value(s) there",
                            server.shown,
                            values.len()
                        );
                        break;
                    }
                    Err(err) => {
                        last = format!("{}: {err}", server.shown);
                        break;
                    }
                }
            }
            if !servers.is_empty() && serving == servers.len() {
                // Its line would run into this one.
                drop(progress);
                out.info(format!(
                    "{name} is served by every name server asked ({serving})"
                ));
                return Ok(());
            }
            let passed = clock.elapsed().saturating_sub(start);
            if passed + PAUSE > self.limit {
                return Err(self.too_late(place, name, &servers, &last));
            }
            out.debug(&last);
            progress.tick(self.limit, &last);
            clock.sleep(PAUSE);
        }
    }

    fn servers(&self, place: &Place, name: &DnsName, out: &Output) -> Result<Vec<Server>> {
        if !self.servers.is_empty() {
            return Ok(self
                .servers
                .iter()
                .map(|address| Server {
                    shown: address.to_string(),
                    resolver: Resolver::new(vec![*address]),
                })
                .collect());
        }
        let unreachable = |what: String| Error::new(Kind::Unreachable, what);
        let zone = Resolver::system()
            .authoritative_servers(name.as_str())
            .map_err(|err| unreachable(err.to_string()))?;
        if let Some(known) = &place.zone
            && normal(&known.name) != zone.name
        {
            out.warn(format!(
                "{name} is served from zone {}, but the record stands in zone {}",
                zone.name, known.name
            ));
        }
        let servers: Vec<Server> = zone
            .servers
            .into_iter()
            .filter(|server| !server.addresses.is_empty())
            .map(|server| Server {
                resolver: Resolver::new(
                    server
                        .addresses
                        .iter()
                        .map(|ip| SocketAddr::new(*ip, dns::PORT))
                        .collect(),
                ),
                shown: server.name,
            })
            .collect();
        if servers.is_empty() {
            return Err(unreachable(format!(
                "the name servers of zone {} have no addresses",
                zone.name
            )));
        }
        let names: Vec<&str> = servers.iter().map(|server| server.shown.as_str()).collect();
        out.debug(format!(
            "asking the name servers of zone {}: {}",
            zone.name,
            names.join(", ")
        ));
        Ok(servers)
    }

    fn too_late(&self, place: &Place, name: &DnsName, servers: &[Server], last: &str) -> Error {
        let theirs = |server: &Server| {
            let known = place.zone.iter().flat_map(|zone| &zone.name_servers);
            known
                .map(|name| normal(name))
                .any(|name| name == server.shown)
        };
        let foreign: Vec<&str> = servers
            .iter()
            .filter(|server| !theirs(server))
            .map(|server| server.shown.as_str())
            .collect();
        let known = place
            .zone
            .as_ref()
            .is_some_and(|zone| !zone.name_servers.is_empty());
        let advice = if self.servers.is_empty() && known && !foreign.is_empty() {
            format!(
                "{name} is delegated to {}, which are not the name servers that Cloudflare assigned to zone {}: correct \
                 the delegation, or create the record there.",
                foreign.join(", "),
                place.shown()
            )
        } else {
            "Try again with a longer --timeout; where port 53 is blocked, name a server to ask with --resolver.".to_owned()
        };
        Error::new(
            Kind::Unproved,
            format!(
                "{name} is not served after {}: {last}",
                duration::show(self.limit)
            ),
        )
        .advise(advice)
    }
}
