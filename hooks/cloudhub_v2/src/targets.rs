//! Where to deploy: private spaces from flag, environment, saved values or the TOML file, and who logs in there.

use std::sync::Arc;

use common::anypoint::settings::{BEARER, ORGANIZATION, URL};
use common::anypoint::tls_contexts::{self, Ciphers, check_name, limits};
use common::anypoint::{self, Credentials};
use common::cert::Certificate;
use common::cli::Invocation;
use common::error::{Error, Result};
use common::settings::file::{ConfigFile, OneOrMany};
use common::settings::general::CONFIG;
use common::settings::{Origin, Setting, Settings, Sourced};
use common::system::files;

use crate::account::{Account, Login, Logins};
use crate::domain::{canonical, is_for};
use crate::settings::{
    CIPHERS, CLIENT_ID, CLIENT_SECRET, CONTEXT_NAME, Lists, PRIVATE_SPACE, TRUSTSTORE, TargetEntry,
};
use crate::target::{Target, TrustStoreFile};

/// Every target that is set. `domain` limits those of the TOML file to the ones that take it.
pub(crate) fn load(call: &Invocation, domain: Option<&str>) -> Result<Vec<Target>> {
    load_with(&mut Logins::default(), call, domain)
}

/// As [`load`], with the logins that other certificates have led to.
pub(crate) fn load_with(
    logins: &mut Logins,
    call: &Invocation,
    domain: Option<&str>,
) -> Result<Vec<Target>> {
    match listed(&call.settings)? {
        Some((file, entries)) => from_file(logins, call, file, &entries, domain),
        None => from_settings(logins, call),
    }
}

/// Whether any target is set.
pub(crate) fn are_given(call: &Invocation) -> Result<bool> {
    let settings = &call.settings;
    Ok(settings.text(&PRIVATE_SPACE)?.is_some() || listed(settings)?.is_some())
}

/// The one account that flags, environment and saved values describe.
pub(crate) fn account(call: &Invocation) -> Result<Arc<Account>> {
    Logins::default().account(call, shared_login(&call.settings)?)
}

/// Variables of the environment that would have sent this certificate of a walk elsewhere, and have no effect.
pub(crate) fn overruled_variables(settings: &Settings) -> Result<Vec<&'static str>> {
    let mut overruled = settings.overruled_variables()?;
    let space = settings.text(&PRIVATE_SPACE)?;
    if listed(settings)?.is_some() && space.is_some_and(|found| is_left_behind(settings, &found)) {
        overruled.extend(PRIVATE_SPACE.variables);
    }
    if ignores_file(settings)? {
        overruled.extend(CONFIG.variables);
    }
    let bearer = settings.secret(&BEARER)?;
    if bearer.is_some()
        && let Ok(Credentials::App { .. }) =
            Credentials::from_settings(settings, &CLIENT_ID, &CLIENT_SECRET)
    {
        overruled.extend(BEARER.variables);
    }
    Ok(overruled)
}

/// Whether a value comes from an environment that is not that of one certificate alone.
fn is_left_behind(settings: &Settings, found: &Sourced) -> bool {
    matches!(found.origin, Origin::Environment(_)) && !settings.is_near(&found.origin)
}

/// Whether the certificate has a private space saved, and only the environment of a walk leads to a TOML file, whose
/// targets would be others.
fn ignores_file(settings: &Settings) -> Result<bool> {
    let space = settings.text(&PRIVATE_SPACE)?;
    let file = settings.text(&CONFIG)?;
    let has_targets = match settings.file() {
        Some(file) => !file.lists::<Lists>()?.cloudhub_v2.target.is_empty(),
        None => false,
    };
    Ok(has_targets
        && space.is_some_and(|found| matches!(found.origin, Origin::Saved { .. }))
        && file.is_some_and(|found| is_left_behind(settings, &found)))
}

/// The targets of the TOML file, unless it has none, or a private space was given for this very call, or saved for this
/// certificate while the file was not.
fn listed(settings: &Settings) -> Result<Option<(&ConfigFile, Vec<TargetEntry>)>> {
    let given = settings.text(&PRIVATE_SPACE)?;
    let is_near = given.is_some_and(|found| settings.is_near(&found.origin));
    let Some(file) = settings.file().filter(|_| !is_near) else {
        return Ok(None);
    };
    let entries = file.lists::<Lists>()?.cloudhub_v2.target;
    let is_used = !entries.is_empty() && !ignores_file(settings)?;
    Ok(is_used.then_some((file, entries)))
}

fn shared_login(settings: &Settings) -> Result<Login> {
    Ok(Login {
        url: settings.address(&URL)?,
        credentials: Credentials::from_settings(settings, &CLIENT_ID, &CLIENT_SECRET)?,
        shared: true,
        organization: anypoint::settings::organization(settings)?,
    })
}

fn from_settings(logins: &mut Logins, call: &Invocation) -> Result<Vec<Target>> {
    let settings = &call.settings;
    // Credentials first: whoever has set nothing at all should read about them first.
    let account = logins.account(call, shared_login(settings)?)?;
    let given = settings.text(&PRIVATE_SPACE)?.ok_or_else(|| {
        Error::config("no private space is given").advise(format!(
            "Set {} to the id or the name of a private space, or to several separated by commas; \
             `cloudhub_v2 spaces` lists them.",
            PRIVATE_SPACE.how_to_give()
        ))
    })?;
    let spaces = entries(&given.value);
    if spaces.is_empty() {
        return Err(Error::config(format!(
            "{} names no private space",
            given.origin
        )));
    }
    let context_name = context_name(settings.text(&CONTEXT_NAME)?)?;
    let trust_store = trust_store(settings, settings.text(&TRUSTSTORE)?)?;
    let ciphers = ciphers(settings.text(&CIPHERS)?)?;
    Ok(spaces
        .into_iter()
        .map(|space| Target {
            name: space.clone(),
            account: Arc::clone(&account),
            space,
            context_name: context_name.clone(),
            trust_store: trust_store.clone(),
            ciphers: ciphers.clone(),
        })
        .collect())
}

fn from_file(
    logins: &mut Logins,
    call: &Invocation,
    file: &ConfigFile,
    entries: &[TargetEntry],
    domain: Option<&str>,
) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (index, target) in entries.iter().enumerate() {
        if domain.is_none_or(|domain| takes(target, domain)) {
            let entry = Entry {
                target,
                file,
                number: index + 1,
            };
            targets.extend(entry.targets(logins, call)?);
        }
    }
    match domain {
        Some(domain) if targets.is_empty() => Err(Error::config(format!(
            "no [[cloudhub_v2.target]] in {} takes {domain}",
            file.path.display()
        ))
        .advise("Add the domain to the `domains` of a target, or leave `domains` out to take every one.")),
        _ => Ok(targets),
    }
}

/// Whether a target takes a domain: it lists the domain itself, or a pattern whose `*` stands for one label.
fn takes(target: &TargetEntry, domain: &str) -> bool {
    let domain = canonical(domain);
    target.domains.is_empty()
        || target.domains.iter().any(|pattern| {
            let pattern = canonical(pattern);
            pattern == "*" || is_for(&pattern, &domain)
        })
}

fn entries(list: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for entry in list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        if !all.iter().any(|known| known == entry) {
            all.push(entry.to_owned());
        }
    }
    all
}

fn context_name(found: Option<Sourced>) -> Result<Option<String>> {
    found
        .map(|found| match check_name(&found.value) {
            Ok(()) => Ok(found.value),
            Err(err) => {
                Err(err
                    .advise("Use letters, digits, blanks and hyphens: set CH2_TLS_CONTEXT_NAME."))
            }
        })
        .transpose()
}

fn ciphers(found: Option<Sourced>) -> Result<Option<Ciphers>> {
    let Some(Sourced { value, origin }) = found else {
        return Ok(None);
    };
    let names: Vec<&str> = value
        .split([',', ' ', ':'])
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Err(Error::config(format!("{origin} names no cipher")));
    }
    Ciphers::only(names).map(Some).map_err(|unknown| {
        Error::config(format!(
            "{origin}: {unknown:?} is not a cipher of the platform"
        ))
        .advise(format!(
            "The ciphers that it knows are {}.",
            tls_contexts::CIPHERS.join(", ")
        ))
    })
}

fn trust_store(settings: &Settings, found: Option<Sourced>) -> Result<Option<TrustStoreFile>> {
    let Some(found) = found else {
        return Ok(None);
    };
    let (path, origin) = (settings.path_of(&found), &found.origin);
    let pem = files::read_text("the trust store", &path, 4 * limits::TRUST_STORE as u64)?;
    let authorities = Certificate::parse_all(&pem).map_err(|err| {
        Error::config(format!("{origin}: {}: {err}", path.display()))
            .advise("It has to hold the certificates of the authorities that issue client certificates, as PEM.")
    })?;
    let pem: String = authorities.iter().map(Certificate::to_pem).collect();
    if pem.len() > limits::TRUST_STORE {
        return Err(Error::config(format!(
            "{origin}: the trust store is {} characters long, and the platform accepts {}",
            pem.len(),
            limits::TRUST_STORE
        ))
        .advise("Take out authorities that are not needed."));
    }
    let file_name = path
        .file_name()
        .map_or_else(|| "truststore.pem".into(), |name| name.to_string_lossy())
        .chars()
        .take(limits::FILE_NAME)
        .collect();
    Ok(Some(TrustStoreFile { pem, file_name }))
}

/// One `[[cloudhub_v2.target]]` and where it stands.
#[derive(Clone, Copy)]
struct Entry<'a> {
    target: &'a TargetEntry,
    file: &'a ConfigFile,
    /// Its place among the others, from 1.
    number: usize,
}

impl Entry<'_> {
    /// The private spaces that it names.
    fn targets(self, logins: &mut Logins, call: &Invocation) -> Result<Vec<Target>> {
        let (settings, own) = (&call.settings, self.target);
        self.check_flags(settings)?;
        let account = logins.account(call, self.login(settings)?)?;
        let spaces = self
            .target
            .private_space
            .as_ref()
            .map(OneOrMany::entries)
            .unwrap_or_default();
        if spaces.is_empty() {
            return Err(Error::config(format!(
                "{} is missing",
                self.at("private_space")
            )));
        }
        let or_shared = |key: &str, value: Option<String>, setting: &Setting| match value {
            Some(value) => Ok(Some(self.sourced(key, value))),
            None => settings.text(setting),
        };
        let list = own.ciphers.as_ref().map(|list| list.entries().join(","));
        let context_name = context_name(or_shared(
            "tls_context_name",
            own.tls_context_name.clone(),
            &CONTEXT_NAME,
        )?)?;
        let trust_store = trust_store(
            settings,
            or_shared("truststore", own.truststore.clone(), &TRUSTSTORE)?,
        )?;
        let ciphers = ciphers(or_shared("ciphers", list, &CIPHERS)?)?;
        let several = spaces.len() > 1;
        let targets = spaces.into_iter().map(|space| Target {
            name: match &own.name {
                Some(name) if several => format!("{name}/{space}"),
                Some(name) => name.clone(),
                None => space.clone(),
            },
            account: Arc::clone(&account),
            space,
            context_name: context_name.clone(),
            trust_store: trust_store.clone(),
            ciphers: ciphers.clone(),
        });
        Ok(targets.collect())
    }

    /// A flag is for this very call, so it must not lose silently against what the file says.
    fn check_flags(self, settings: &Settings) -> Result<()> {
        let own = self.target;
        for (setting, key, is_set) in [
            (
                &CONTEXT_NAME,
                "tls_context_name",
                own.tls_context_name.is_some(),
            ),
            (&URL, "url", own.url.is_some()),
            (&ORGANIZATION, "organization", own.organization.is_some()),
        ] {
            let Some(flag) = setting
                .flag
                .filter(|_| is_set && settings.flag(setting).is_some())
            else {
                continue;
            };
            return Err(Error::config(format!(
                "{} cannot apply: {} is set",
                flag.name,
                self.at(key)
            ))
            .advise(format!(
                "Leave {} out or change the file; or name the private spaces with --private-space: then the targets of \
                 the file are not used.",
                flag.name
            )));
        }
        Ok(())
    }

    fn login(self, settings: &Settings) -> Result<Login> {
        let own = self.credentials(settings)?;
        let own_organization = self
            .target
            .organization
            .clone()
            .map(|organization| self.sourced("organization", organization));
        Ok(Login {
            url: match &self.target.url {
                Some(url) => url.clone(),
                None => settings.address(&URL)?,
            },
            shared: own.is_none(),
            credentials: match own {
                Some(own) => own,
                None => Credentials::from_settings(settings, &CLIENT_ID, &CLIENT_SECRET)?,
            },
            organization: match own_organization {
                Some(own) => own,
                None => anypoint::settings::organization(settings)?,
            },
        })
    }

    fn dotted(self, key: &str) -> String {
        format!("cloudhub_v2.target[{}].{key}", self.number)
    }

    fn at(self, key: &str) -> Origin {
        Origin::Toml {
            key: self.dotted(key),
            path: self.file.path.clone(),
        }
    }

    fn sourced(self, key: &str, value: String) -> Sourced {
        Sourced {
            value,
            origin: self.at(key),
        }
    }

    /// The credentials that it has of its own.
    fn credentials(self, settings: &Settings) -> Result<Option<Credentials>> {
        let target = self.target;
        let id = target
            .client_id
            .clone()
            .map(|id| self.sourced("client_id", id));
        let secret = self.file.secret_by(
            &self.dotted("client_secret"),
            target.client_secret_file.as_deref(),
            target.client_secret_env.as_deref(),
            settings.env(),
        )?;
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(Some(Credentials::App { id, secret })),
            (None, None) => Ok(None),
            (Some(id), None) => Err(Error::config(format!(
                "{} is given without client_secret_file or client_secret_env",
                id.origin
            ))),
            (None, Some(_)) => Err(Error::config(format!(
                "{} is missing, while its secret is given",
                self.at("client_id")
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_takes_the_domains_that_it_lists() {
        let target = |domains: &[&str]| TargetEntry {
            domains: domains.iter().map(ToString::to_string).collect(),
            ..TargetEntry::default()
        };
        assert!(takes(&target(&[]), "api.example.com"));
        assert!(takes(&target(&["*.Acme.example"]), "*.acme.example"));
        assert!(takes(&target(&["*.acme.example"]), "api.acme.example"));
        assert!(takes(&target(&["a.example", "b.example"]), "B.example."));
        assert!(!takes(&target(&["*.acme.example"]), "acme.example"));
        assert!(!takes(&target(&["*.acme.example"]), "a.b.acme.example"));
    }

    #[test]
    fn a_space_that_is_listed_twice_is_one_target() {
        assert_eq!(entries(" a, b,,a "), ["a", "b"]);
    }
}
