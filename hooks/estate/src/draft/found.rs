//! What there is to take care of: certificates of acme.sh, registrations on this host, private spaces and APIs.

use common::acme_sh::{Conf, Home};
use common::cli::Invocation;
use common::error::Result;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::child;
use crate::parts::{Part, Program};

/// What was found of something, or why it is not known.
pub(crate) type Known<T> = std::result::Result<T, String>;

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Certificates that acme.sh deploys with `cloudhub_v2`.
    pub(crate) certificates: Known<Vec<Deployed>>,
    pub(crate) spaces: Known<Vec<Space>>,
    pub(crate) registrations: Known<Vec<Registration>>,
    pub(crate) apis: Known<Apis>,
}

/// A certificate, and the private spaces that were saved for it.
#[derive(Debug, Clone)]
pub(crate) struct Deployed {
    pub(crate) domain: String,
    pub(crate) spaces: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Spaces {
    private_spaces: Vec<Space>,
}

/// A private space that the credentials see.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Space {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) region: Option<String>,
}

impl Space {
    /// The domains of the certificates that go there.
    pub(crate) fn domains(&self, certificates: &[Deployed]) -> Vec<String> {
        let is_here = |named: &String| *named == self.name || Some(named) == self.id.as_ref();
        let here = certificates
            .iter()
            .filter(|certificate| certificate.spaces.iter().any(is_here));
        let mut domains: Vec<String> = here.map(|certificate| certificate.domain.clone()).collect();
        // RSA and ECC
        domains.dedup();
        domains
    }
}

/// A registration on this host.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Registration {
    /// Its path.
    pub(crate) registration: String,
    pub(crate) name: Option<String>,
    pub(crate) gateway: Option<String>,
}

/// One gateway is shown by itself. Of several, one that could not be read is an error with none of these fields.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Inspected {
    One(Registration),
    Many(Vec<Inspection>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Inspection {
    Done(Registration),
    Failed {},
}

/// The APIs of an environment.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Apis {
    pub(crate) environment: String,
    pub(crate) apis: Vec<Api>,
}

/// An API instance.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Api {
    pub(crate) api_instance_id: u64,
    pub(crate) api: String,
    pub(crate) label: Option<String>,
    pub(crate) authenticated: bool,
    #[serde(default)]
    pub(crate) policies: Vec<Policy>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Policy {
    pub(crate) username: Option<String>,
}

impl Api {
    /// The user that its Basic Authentication policy lets in.
    pub(crate) fn username(&self) -> Option<&str> {
        self.policies
            .iter()
            .find_map(|policy| policy.username.as_deref())
    }
}

/// Looks for everything. What cannot be found out stops nothing.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn look(call: &Invocation, programs: &[Program]) -> Result<Found> {
    let ask = |part: Part, words: &[&str]| -> Result<Known<String>> {
        match programs.iter().find(|program| program.part == part) {
            Some(program) => {
                let _progress = call.progress(format!("asking {}", part.program()));
                child::ask(call, program, words)
            }
            None => Ok(Err(format!("{} is not installed here", part.program()))),
        }
    };
    let spaces = ask(Part::CloudhubV2, &["spaces"])?;
    let registrations = ask(Part::FlexRenew, &["inspect"])?;
    let apis = ask(Part::BasicAuthPolicy, &["status", "--all"])?;
    Ok(Found {
        certificates: certificates(call.settings.home()),
        spaces: read::<Spaces>(spaces).map(|found| found.private_spaces),
        registrations: read(registrations).map(|found| match found {
            Inspected::One(one) => vec![one],
            Inspected::Many(many) => many
                .into_iter()
                .filter_map(|inspection| match inspection {
                    Inspection::Done(one) => Some(one),
                    Inspection::Failed {} => None,
                })
                .collect(),
        }),
        apis: read(apis),
    })
}

fn read<T: DeserializeOwned>(answer: Known<String>) -> Known<T> {
    let answer = answer?;
    serde_json::from_str(&answer).map_err(|err| format!("the answer cannot be understood: {err}"))
}

fn certificates(home: Option<&Home>) -> Known<Vec<Deployed>> {
    let home = home.ok_or("no home of acme.sh was found")?;
    let stored = home.list().map_err(|err| err.to_string())?;
    let deployed = stored.iter().filter_map(|stored| {
        let conf = Conf::load(&stored.conf()).ok()?;
        let spaces = conf.saved("CH2_PRIVATE_SPACE_ID").unwrap_or_default();
        let spaces = spaces.split(',').map(str::trim);
        conf.names_hook(Part::CloudhubV2.program())
            .then(|| Deployed {
                domain: stored.domain.clone(),
                spaces: spaces
                    .filter(|space| !space.is_empty())
                    .map(str::to_owned)
                    .collect(),
            })
    });
    Ok(deployed.collect())
}
