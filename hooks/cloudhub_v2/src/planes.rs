//! Which of the published control planes accept the credentials.

use common::anypoint::settings::URL;
use common::anypoint::{Client, Credentials, PLANES};
use common::cli::{Invocation, Outcome, Report, table};
use common::error::{Error, Kind};
use serde::Serialize;

use crate::settings::{CLIENT_ID, CLIENT_SECRET};

#[derive(Debug, Serialize)]
struct Planes {
    planes: Vec<Plane>,
}

#[derive(Debug, Serialize)]
struct Plane {
    plane: &'static str,
    host: &'static str,
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Report for Planes {
    fn text(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .planes
            .iter()
            .map(|plane| {
                let told = match &plane.reason {
                    None => "accepts the credentials".to_owned(),
                    Some(reason) => reason.clone(),
                };
                [plane.plane.to_owned(), plane.host.to_owned(), told]
            })
            .collect();
        table(&rows)
    }
}

/// Tries the credentials on every published control plane. No other command does, since it shows them to other hosts.
pub(crate) fn run(call: &Invocation) -> anyhow::Result<Outcome> {
    let settings = &call.settings;
    let http = call.http(&settings.address(&URL)?)?;
    let host = http.base().host_str().unwrap_or_default();
    if !PLANES.iter().any(|(_, known)| *known == host) || http.base().port().is_some() {
        return Err(Error::config(format!(
            "{host} is not one of the published control planes, so the credentials are not tried on those"
        ))
        .advise("Only credentials for one of them can belong to another: set ANYPOINT_URL to the one you mean.")
        .into());
    }
    let credentials = Credentials::from_settings(settings, &CLIENT_ID, &CLIENT_SECRET)?;
    if matches!(credentials, Credentials::Bearer(_)) {
        return Err(Error::config(
            "an access token (ANYPOINT_BEARER) cannot be tried on other control planes",
        )
        .advise("Set CH2_CLIENT_ID and CH2_CLIENT_SECRET.")
        .into());
    }
    let mut planes = Vec::new();
    for (plane, host) in PLANES {
        let refusal = Client::new(call.http(host)?, credentials.clone())
            .log_in()
            .err();
        planes.push(Plane {
            plane,
            host,
            accepted: refusal.is_none(),
            reason: refusal.map(|err| err.to_string()),
        });
    }
    let accepting: Vec<&str> = planes
        .iter()
        .filter(|plane| plane.accepted)
        .map(|plane| plane.host)
        .collect();
    let advice = match accepting[..] {
        [] => {
            "No control plane accepts them: check CH2_CLIENT_ID and CH2_CLIENT_SECRET.".to_owned()
        }
        _ => format!(
            "Set ANYPOINT_URL to https://{}.",
            accepting.join(" or https://")
        ),
    };
    let here = accepting.contains(&host);
    call.result(&Planes { planes })?;
    if here {
        Ok(Outcome::Done)
    } else {
        Err(Error::new(
            Kind::Credentials,
            format!("{host} does not accept the credentials"),
        )
        .advise(advice)
        .into())
    }
}
