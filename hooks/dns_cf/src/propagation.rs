//! Waiting until a record is served by the name servers.

use std::net::SocketAddr;
use std::time::Duration;

use common::cli::Invocation;
use common::duration;
use common::error::{Error, Kind, Result};
use common::net::dns::name::{DnsName, normal};
use common::net::dns::{self, Resolver, ServerAddress};
use common::system::polling::{Look, Pauses, poll};
use common::system::signals::go_on;

use crate::args::AddArgs;
use crate::zone::ResolvedZone;

/// Between two looks. Authoritative servers keep no negative answers, so querying them often delays nothing.
const PAUSE: Duration = Duration::from_secs(2);

/// What to wait for.
#[derive(Debug)]
pub(crate) struct Wait {
    limit: Duration,
    /// Servers to query instead of the authoritative ones.
    servers: Vec<ServerAddress>,
}

/// A name server, by all its addresses.
struct Server {
    shown: String,
    resolver: Resolver,
}

impl Server {
    /// What it serves at `name` instead of `value`; nothing if that is served.
    fn seen(&self, name: &DnsName, value: &[u8]) -> Option<String> {
        match self.resolver.txt_values(name.as_str()) {
            Ok(values) if values.iter().any(|seen| seen == value) => None,
            Ok(values) if values.is_empty() => {
                Some(format!("{} does not serve it yet", self.shown))
            }
            Ok(values) => Some(format!(
                "{} serves {} other value(s) there",
                self.shown,
                values.len()
            )),
            Err(err) => Some(format!("{}: {err}", self.shown)),
        }
    }
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
        call: &Invocation,
        zone: &ResolvedZone,
        name: &DnsName,
        value: &[u8],
    ) -> Result<()> {
        let progress = call.progress(format!("waiting until {name} is served"));
        let mut servers: Vec<Server> = Vec::new();
        // The first so many have answered the value; a server does not forget it.
        let mut serving = 0;
        let look = || -> Result<Look<(), String>> {
            go_on()?;
            if servers.is_empty() {
                match self.servers(call, zone, name) {
                    Ok(found) => servers = found,
                    Err(err) => return Ok(Look::NotYet(err.to_string())),
                }
            }
            while let Some(server) = servers.get(serving) {
                match server.seen(name, value) {
                    None => serving += 1,
                    Some(instead) => return Ok(Look::NotYet(instead)),
                }
            }
            Ok(Look::Done(()))
        };
        let waiting = |seen: &String| {
            call.log.debug(seen);
            progress.tick(self.limit, seen);
        };
        let last = poll(
            call.clock.as_ref(),
            self.limit,
            Pauses::of(PAUSE),
            look,
            waiting,
        )?;
        // Its line would run into the next one.
        drop(progress);
        match last {
            Look::Done(()) => {
                call.log.info(format!(
                    "{name} is served by every name server queried ({serving})"
                ));
                Ok(())
            }
            Look::NotYet(seen) => Err(self.too_late(zone, name, &servers, &seen)),
        }
    }

    fn servers(
        &self,
        call: &Invocation,
        zone: &ResolvedZone,
        name: &DnsName,
    ) -> Result<Vec<Server>> {
        if !self.servers.is_empty() {
            return self
                .servers
                .iter()
                .map(|address| {
                    Ok(Server {
                        shown: address.to_string(),
                        resolver: call.resolver(std::slice::from_ref(address))?,
                    })
                })
                .collect();
        }
        let unreachable = |what: String| Error::new(Kind::Unreachable, what);
        let served = Resolver::system()
            .authoritative_servers(name.as_str())
            .map_err(|err| unreachable(err.to_string()))?;
        if let Some(known) = &zone.details
            && normal(&known.name) != served.name
        {
            call.log.warn(format!(
                "{name} is served from zone {}, but the record is in zone {}",
                served.name, known.name
            ));
        }
        let servers: Vec<Server> = served
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
                served.name
            )));
        }
        let names: Vec<&str> = servers.iter().map(|server| server.shown.as_str()).collect();
        call.log.debug(format!(
            "querying the name servers of zone {}: {}",
            served.name,
            names.join(", ")
        ));
        Ok(servers)
    }

    fn too_late(
        &self,
        zone: &ResolvedZone,
        name: &DnsName,
        servers: &[Server],
        last: &str,
    ) -> Error {
        let theirs = |server: &Server| {
            let known = zone.details.iter().flat_map(|zone| &zone.name_servers);
            known
                .map(|name| normal(name))
                .any(|name| name == server.shown)
        };
        let foreign: Vec<&str> = servers
            .iter()
            .filter(|server| !theirs(server))
            .map(|server| server.shown.as_str())
            .collect();
        let known = zone
            .details
            .as_ref()
            .is_some_and(|zone| !zone.name_servers.is_empty());
        let advice = if self.servers.is_empty() && known && !foreign.is_empty() {
            format!(
                "{name} is delegated to {}, which are not the name servers that Cloudflare assigned to zone {}: correct \
                 the delegation, or create the record there.",
                foreign.join(", "),
                zone.shown()
            )
        } else {
            "Try again with a longer --timeout; where port 53 is blocked, name a server to query with --resolver.".to_owned()
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
