//! The programs that are called: what is asked of each, and whether there is anything to ask.

use std::path::PathBuf;

use common::acme_sh::Conf;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::settings::{Setting, Settings};
use common::system::process;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::settings::{PROGRAMS, SERVED, STEPS};

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    CloudhubV2,
    FlexRenew,
    BasicAuthPolicy,
    DnsCf,
}

/// A program that is called.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) part: Part,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Whether it was found to have something to do. Else only the program itself can tell.
    pub(crate) is_set_up: bool,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [
        Self::CloudhubV2,
        Self::FlexRenew,
        Self::BasicAuthPolicy,
        Self::DnsCf,
    ];

    /// The name of the program.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::CloudhubV2 => "cloudhub_v2",
            Self::FlexRenew => "flex-renew",
            Self::BasicAuthPolicy => "basic-auth-policy",
            Self::DnsCf => "dns_cf",
        }
    }

    /// The arguments that have it tell all it knows.
    ///
    /// # Errors
    ///
    /// A source of settings is wrong.
    pub(crate) fn check(self, settings: &Settings) -> Result<&'static [&'static str]> {
        Ok(match self {
            Self::CloudhubV2 if settings.switch(&SERVED)? => &["check", "--served"],
            Self::FlexRenew => {
                // The platform can be asked for replicas where it is said in which environment.
                let has_environment = settings.text(&ENVIRONMENT)?.is_some();
                match (has_environment, has_flex_credentials(settings)?) {
                    (true, true) => &["check", "--replicas", "--credentials"],
                    (true, false) => &["check", "--replicas"],
                    (false, true) => &["check", "--credentials"],
                    (false, false) => &["check"],
                }
            }
            Self::BasicAuthPolicy => &["check", "--all"],
            Self::CloudhubV2 | Self::DnsCf => &["check"],
        })
    }

    /// The arguments that have it do its regular work, if it has any.
    pub(crate) fn step(self) -> Option<&'static [&'static str]> {
        match self {
            Self::CloudhubV2 => Some(&["reconcile"]),
            Self::FlexRenew => Some(&["run"]),
            Self::BasicAuthPolicy => Some(&["apply"]),
            Self::DnsCf => None,
        }
    }

    /// The tables of the TOML file that may name its secrets.
    pub(crate) fn tables(self) -> &'static [&'static str] {
        match self {
            Self::CloudhubV2 => &["anypoint", "cloudhub_v2"],
            Self::FlexRenew => &["anypoint", "flex"],
            Self::BasicAuthPolicy => &["anypoint", "basic_auth_policy"],
            Self::DnsCf => &["dns_cf"],
        }
    }

    /// What tells by itself that it has something to do, wherever that is set.
    fn sign(self) -> &'static Setting {
        match self {
            Self::CloudhubV2 => &CLOUDHUB_V2,
            Self::FlexRenew => &FLEX_RENEW,
            Self::BasicAuthPolicy => &BASIC_AUTH_POLICY,
            Self::DnsCf => &DNS_CF,
        }
    }

    fn parse(name: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|part| part.program() == name)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::program).join(", ");
                format!("{name:?} is none of {known}")
            })
    }
}

static CLOUDHUB_V2: Setting =
    Setting::text(&["CH2_PRIVATE_SPACE_ID"], "private spaces").toml(&["cloudhub_v2.private_space"]);

static FLEX_RENEW: Setting = Setting::text(
    &["FLEX_REGISTRATION_FILE", "FLEX_RUNTIME"],
    "registration, or where the gateway runs",
)
.toml(&["flex.runtime"]);

static ENVIRONMENT: Setting =
    Setting::text(&["ANYPOINT_ENV"], "environment").toml(&["anypoint.environment"]);

/// Of every gateway that has none of its own.
static FLEX_CREDENTIALS: Setting =
    Setting::text(&["FLEX_CLIENT_ID", "FLEX_USERNAME"], "app, or user")
        .toml(&["flex.client_id", "flex.username"]);

static BASIC_AUTH_POLICY: Setting = Setting::text(
    &["API_INSTANCE_ID", "ENVIRONMENT_ID"],
    "API, or environment",
)
.toml(&[
    "basic_auth_policy.api_instance",
    "basic_auth_policy.environment",
]);

/// An environment alone is to be looked at: it says of no API what its policy is to be.
static APPLIED_TO: Setting =
    Setting::text(&["API_INSTANCE_ID"], "API").toml(&["basic_auth_policy.api_instance"]);

/// Not as secrets: that they are there is all that is asked.
static DNS_CF: Setting = Setting::text(
    &["CF_Token", "CF_Token_FILE", "CF_Key", "CF_Key_FILE"],
    "token, or key",
)
.toml(&[
    "dns_cf.token_file",
    "dns_cf.token_env",
    "dns_cf.key_file",
    "dns_cf.key_env",
]);

/// The programs to call, in the order of [`Part::ALL`]. Each is installed.
///
/// # Errors
///
/// Configuration: one is not, or a source of settings is wrong.
pub(crate) fn programs(call: &Invocation) -> Result<Vec<Program>> {
    let chosen = chosen(&call.settings)?;
    let mut programs = Vec::new();
    for part in Part::ALL {
        let name = part.program();
        let is_set_up = match &chosen {
            Some(chosen) if !chosen.contains(&part) => continue,
            Some(_) => true,
            None => is_set_up(part, &call.settings)?,
        };
        // It looks for registrations in more places than the settings.
        if !is_set_up && part != Part::FlexRenew {
            call.log.debug(format!(
                "{name} is left out: nothing is set up for it. --only {name} calls it all the same."
            ));
            continue;
        }
        match process::beside_or_on_path(name) {
            Some(path) => programs.push(Program {
                part,
                path,
                is_set_up,
            }),
            None if !is_set_up => call.log.debug(format!(
                "{name} is left out: nothing is set up for it, and the program is not installed"
            )),
            None => {
                return Err(Error::config(format!(
                    "the program {name} is neither beside anypoint-estate nor on PATH"
                ))
                .advise(format!(
                    "Install it with scripts/install.sh {name}, or choose programs with --only (estate.programs)."
                )));
            }
        }
    }
    Ok(programs)
}

/// Every program that is installed, whatever is set up.
pub(crate) fn installed() -> Vec<Program> {
    let found = Part::ALL.into_iter().filter_map(|part| {
        Some(Program {
            part,
            path: process::beside_or_on_path(part.program())?,
            is_set_up: true,
        })
    });
    found.collect()
}

fn chosen(settings: &Settings) -> Result<Option<Vec<Part>>> {
    Ok(settings
        .parsed(&PROGRAMS, parse_all)?
        .map(|found| found.value))
}

fn parse_all(text: &str) -> std::result::Result<Vec<Part>, String> {
    let names = text.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(Part::parse).collect()
}

/// Those that are to do their regular work, with the arguments for it.
///
/// # Errors
///
/// A source of settings is wrong.
pub(crate) fn steps<'a>(
    call: &Invocation,
    programs: &'a [Program],
) -> Result<Vec<(&'a Program, &'static [&'static str])>> {
    let parse = |text: &str| match text.trim() {
        "none" => Ok(Vec::new()),
        names => parse_all(names),
    };
    let chosen = call.settings.parsed(&STEPS, parse)?;
    let mut steps = Vec::new();
    for program in programs {
        let Some(words) = program.part.step() else {
            continue;
        };
        let is_meant = match &chosen {
            Some(chosen) => chosen.value.contains(&program.part),
            None => has_work(program.part, &call.settings)?,
        };
        if is_meant {
            steps.push((program, words));
        }
    }
    Ok(steps)
}

/// Whether there is something that a program may change, rather than look at alone.
fn has_work(part: Part, settings: &Settings) -> Result<bool> {
    Ok(match part {
        Part::CloudhubV2 => settings.home().is_some(),
        Part::FlexRenew => true,
        Part::BasicAuthPolicy => {
            settings.text(&APPLIED_TO)?.is_some() || has_entries(part, settings)?
        }
        Part::DnsCf => false,
    })
}

fn is_set_up(part: Part, settings: &Settings) -> Result<bool> {
    if settings.text(part.sign())?.is_some() || has_entries(part, settings)? {
        return Ok(true);
    }
    Ok(part == Part::CloudhubV2 && has_certificates(settings)?)
}

/// The lists of the TOML file: what the programs make of their entries is theirs to judge.
#[derive(Debug, Default, Deserialize)]
struct Lists {
    #[serde(default)]
    cloudhub_v2: Targets,
    #[serde(default)]
    flex: Gateways,
    #[serde(default)]
    basic_auth_policy: Apis,
    #[serde(default)]
    dns_cf: Accounts,
}

#[derive(Debug, Default, Deserialize)]
struct Targets {
    #[serde(default)]
    target: Vec<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
struct Gateways {
    #[serde(default)]
    gateway: Vec<Login>,
}

/// Whom a gateway is renewed as, if it says so itself.
#[derive(Debug, Default, Deserialize)]
struct Login {
    client_id: Option<IgnoredAny>,
    username: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
struct Apis {
    #[serde(default)]
    api: Vec<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
struct Accounts {
    #[serde(default)]
    account: Vec<IgnoredAny>,
}

/// Whether every gateway has credentials to be renewed with, so that those which are refused are found out at once, rather
/// than when a renewal is due. A host that only looks has none.
fn has_flex_credentials(settings: &Settings) -> Result<bool> {
    if settings.text(&FLEX_CREDENTIALS)?.is_some() {
        return Ok(true);
    }
    let Some(file) = settings.file() else {
        return Ok(false);
    };
    let gateways = file.lists::<Lists>()?.flex.gateway;
    let has_own = |one: &Login| one.client_id.is_some() || one.username.is_some();
    Ok(!gateways.is_empty() && gateways.iter().all(has_own))
}

fn has_entries(part: Part, settings: &Settings) -> Result<bool> {
    let Some(file) = settings.file() else {
        return Ok(false);
    };
    let lists: Lists = file.lists()?;
    Ok(match part {
        Part::CloudhubV2 => !lists.cloudhub_v2.target.is_empty(),
        Part::FlexRenew => !lists.flex.gateway.is_empty(),
        Part::BasicAuthPolicy => !lists.basic_auth_policy.api.is_empty(),
        Part::DnsCf => !lists.dns_cf.account.is_empty(),
    })
}

/// Whether acme.sh deploys a certificate with the program, or it cannot be told.
fn has_certificates(settings: &Settings) -> Result<bool> {
    let Some(home) = settings.home() else {
        return Ok(false);
    };
    let hook = Part::CloudhubV2.program();
    let names_hook = |conf: Result<Conf>| conf.map_or(true, |conf| conf.names_hook(hook));
    Ok(home
        .list()?
        .iter()
        .any(|stored| names_hook(Conf::load(&stored.conf()))))
}
