//! `spaces`: shows every private space of the organization.

use common::cli::{Invocation, Outcome, Report, table};
use serde::Serialize;

use crate::args::SpacesArgs;
use crate::targets;

#[derive(Debug, Serialize)]
struct Spaces {
    organization: String,
    private_spaces: Vec<Space>,
}

#[derive(Debug, Serialize)]
struct Space {
    id: Option<String>,
    name: String,
    status: Option<String>,
    region: Option<String>,
    dns_target: Option<String>,
}

impl Report for Spaces {
    fn text(&self) -> String {
        let mut rows = vec![["NAME", "ID", "STATUS", "REGION", "DNS TARGET"].map(str::to_owned)];
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        rows.extend(self.private_spaces.iter().map(|space| {
            [
                space.name.clone(),
                or_dash(&space.id),
                or_dash(&space.status),
                or_dash(&space.region),
                or_dash(&space.dns_target),
            ]
        }));
        table(&rows)
    }
}

pub(crate) fn run(call: &Invocation, _args: &SpacesArgs) -> anyhow::Result<Outcome> {
    let account = targets::account(call)?;
    let organization = account.organization()?;
    let known = account.spaces()?;
    let private_spaces = known.iter().map(|space| Space {
        id: space.listed_id.clone(),
        name: space.name.clone(),
        status: space.status.clone(),
        region: space.region().map(str::to_owned),
        dns_target: space.network.dns_target.clone(),
    });
    call.result(&Spaces {
        organization: organization.to_string(),
        private_spaces: private_spaces.collect(),
    })?;
    if known.is_empty() {
        call.log.info(format!(
            "organization {organization} on {} has no private space that the credentials can see",
            account.host()
        ));
    }
    Ok(Outcome::Done)
}
