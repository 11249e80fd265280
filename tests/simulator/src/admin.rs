//! The administration interface under `/_sim`, for use from shell scripts; its requests are not logged.
//!
//! | request | effect |
//! |---|---|
//! | `GET /_sim/requests` | the log; `?unexpected=1` only what nobody modelled |
//! | `DELETE /_sim/requests` | clears log and totals |
//! | `GET /_sim/stats` | totals: requests, connections, TLS handshakes, DNS questions |
//! | `GET /_sim/questions` | DNS questions |
//! | `GET`, `POST`, `DELETE /_sim/faults` | lists, adds (one, or an array), removes all faults |
//! | `POST /_sim/seed` | adds what a [`Seed`] holds, and sets switches |
//! | `POST /_sim/clock` | `{"advance_s": 3600}` puts the clock forward |
//! | `POST /_sim/latency` | `{"request_ms": 50, "connect_ms": 100}` |
//! | `GET /_sim/state` | zones with records, private spaces with TLS contexts, switches |

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::http::{Answer, Request};
use crate::seed::Seed;
use crate::world::{Latency, Shared};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Pace {
    request_ms: u64,
    connect_ms: u64,
}

pub(crate) fn answer(shared: &Shared, request: &Request) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_sim/requests") => {
            let only_unexpected = request.param("unexpected").is_some();
            let log = shared.log();
            let entries: Vec<_> = log
                .entries
                .iter()
                .filter(|entry| !only_unexpected || entry.unexpected.is_some())
                .collect();
            Answer::json(200, &entries)
        }
        ("DELETE", "/_sim/requests") => {
            shared.log().clear();
            Answer::empty(204)
        }
        ("GET", "/_sim/stats") => Answer::json(200, &shared.log().stats),
        ("GET", "/_sim/questions") => Answer::json(200, &shared.log().questions),
        ("GET", "/_sim/faults") => {
            let rules = shared.faults().list();
            let rules: Vec<_> = rules
                .iter()
                .map(|(fault, applied)| json!({ "fault": fault, "applied": applied }))
                .collect();
            Answer::json(200, &rules)
        }
        ("POST", "/_sim/faults") => with_body(request, |body: Value| {
            let rules = match body {
                Value::Array(rules) => rules,
                rule => vec![rule],
            };
            let faults: Result<Vec<Fault>, _> =
                rules.into_iter().map(serde_json::from_value).collect();
            for fault in faults.map_err(|err| err.to_string())? {
                shared.faults().add(fault);
            }
            Ok(())
        }),
        ("DELETE", "/_sim/faults") => {
            shared.faults().clear();
            Answer::empty(204)
        }
        ("POST", "/_sim/seed") => with_body(request, |seed: Seed| {
            seed.apply(&mut shared.world())
                .map_err(|err| format!("{err:#}"))
        }),
        ("POST", "/_sim/clock") => with_body(request, |body: Advance| {
            shared
                .world()
                .clock
                .advance(Duration::from_secs(body.advance_s));
            Ok(())
        }),
        ("POST", "/_sim/latency") => with_body(request, |body: Pace| {
            shared.set_latency(Latency {
                request: Duration::from_millis(body.request_ms),
                connect: Duration::from_millis(body.connect_ms),
            });
            Ok(())
        }),
        ("GET", "/_sim/state") => {
            let world = shared.world();
            Answer::json(
                200,
                &json!({ "cloudflare": world.cloudflare.state(), "anypoint": world.anypoint.state() }),
            )
        }
        (method, path) => Answer::text(404, &format!("no such administration: {method} {path}\n")),
    }
}

fn with_body<T: DeserializeOwned>(
    request: &Request,
    act: impl FnOnce(T) -> Result<(), String>,
) -> Answer {
    let done = serde_json::from_slice(&request.body)
        .map_err(|err| err.to_string())
        .and_then(act);
    match done {
        Ok(()) => Answer::empty(204),
        Err(why) => Answer::text(400, &format!("{why}\n")),
    }
}
