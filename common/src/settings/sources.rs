//! Every source of a value, and the order in which they count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::file::{ConfigFile, Entry};
use super::general;
use super::registry::{ConfFile, Registry};
use super::setting::{Kind, Setting};
use super::value::{Origin, Sourced, secret_in};
use crate::acme_sh::{self, Conf, Home, Stored};
use crate::duration;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::net::http::base_url;
use crate::net::tls::Trust;
use crate::net::{Network, Proxies};
use crate::secret::Secret;
use crate::system::environment::Env;
use crate::system::files;

/// What the command line says about settings, by the name of the flag.
#[derive(Debug, Clone, Default)]
pub struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    /// The flags that were given. Several values of one are separated by commas.
    pub fn new(given: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(given.into_iter().collect())
    }
}

/// All sources of settings, read once.
#[derive(Debug, Clone)]
pub struct Settings {
    registry: &'static Registry,
    flags: Flags,
    env: Env,
    home: Option<Home>,
    domain_conf: Option<(PathBuf, Conf)>,
    account_conf: Option<(PathBuf, Conf)>,
    file: Option<ConfigFile>,
    /// Whether this is one certificate of a walk over many.
    of_certificate: bool,
    /// The entry of a list of the TOML file that this is about.
    entry: Option<Entry>,
}

impl Settings {
    /// Reads every source. When acme.sh is calling, it has said which conf files those are; else they are those of the
    /// home that `--home` or `LE_WORKING_DIR` names.
    ///
    /// # Errors
    ///
    /// A file that was named is missing, unreadable or malformed.
    pub fn load(registry: &'static Registry, env: &Env, flags: Flags) -> Result<Self> {
        let mut settings = Self::without_toml(registry, env, flags)?;
        settings.file = settings.config_file()?;
        Ok(settings)
    }

    /// As [`Settings::load`], for a call that makes the TOML file: one that is named need not be there yet.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn load_to_make_file(registry: &'static Registry, env: &Env, flags: Flags) -> Result<Self> {
        let mut settings = Self::without_toml(registry, env, flags)?;
        settings.file = match settings.config_file() {
            Err(err) if err.kind() == ErrorKind::NotFound => None,
            file => file?,
        };
        Ok(settings)
    }

    fn without_toml(registry: &'static Registry, env: &Env, flags: Flags) -> Result<Self> {
        let mut settings = Self {
            registry,
            flags,
            env: env.clone(),
            home: None,
            domain_conf: None,
            account_conf: None,
            file: None,
            of_certificate: false,
            entry: None,
        };
        settings.home = settings.given_home();
        let (account, domain) = if env.acme_is_calling() {
            (
                env.get("ACCOUNT_CONF_PATH").map(PathBuf::from),
                env.get("DOMAIN_CONF").map(PathBuf::from),
            )
        } else {
            (settings.home.as_ref().map(Home::account_conf), None)
        };
        settings.account_conf = account.map(conf_at).transpose()?;
        settings.domain_conf = domain.map(conf_at).transpose()?;
        Ok(settings)
    }

    /// The same sources with the conf file of one certificate, for a command that is about it. Without a home, or where
    /// acme.sh is calling and has named the conf file itself, nothing changes.
    ///
    /// # Errors
    ///
    /// The conf file, or the TOML file that it names, cannot be read.
    pub fn for_domain(&self, domain: &str) -> Result<Self> {
        let stored = self.home.as_ref().and_then(|home| home.find(domain));
        match stored {
            Some(stored) => self.for_stored(&stored),
            None => Ok(self.clone()),
        }
    }

    /// As [`Settings::for_domain`], of two certificates for one domain for the one that is named.
    ///
    /// # Errors
    ///
    /// The conf file, or the TOML file that it names, cannot be read.
    pub fn for_stored(&self, stored: &Stored) -> Result<Self> {
        if self.env.acme_is_calling() {
            return Ok(self.clone());
        }
        self.with_domain_conf(stored, false)
    }

    /// The same sources for one certificate of a walk over many. What decides where it goes is what was saved for it, or
    /// stands in the TOML file; the environment comes last there, since one environment cannot be right for all.
    ///
    /// # Errors
    ///
    /// The conf file, or the TOML file that it names, cannot be read.
    pub fn for_certificate(&self, stored: &Stored) -> Result<Self> {
        self.with_domain_conf(stored, true)
    }

    /// The same sources without what the command line says of a setting: what is in force but for this call.
    #[must_use]
    pub fn without_flag(&self, setting: &Setting) -> Self {
        let mut rest = self.clone();
        if let Some(flag) = setting.flag {
            rest.flags.0.remove(flag.name);
        }
        rest
    }

    /// The same sources for one entry of a list of the TOML file, `number` counting from 1. What the entry says beats
    /// everything but the command line. Its keys are the last part of those of the settings.
    ///
    /// # Errors
    ///
    /// Configuration: there is no such entry.
    pub fn for_entry(&self, list: &str, number: usize) -> Result<Self> {
        let entry = self
            .file
            .as_ref()
            .and_then(|file| file.entry(list, number))
            .ok_or_else(|| Error::config(format!("there is no [[{list}]] number {number}")))?;
        Ok(Self {
            entry: Some(entry),
            ..self.clone()
        })
    }

    /// The entry that this is about; none if it is about none.
    ///
    /// # Errors
    ///
    /// Configuration: it does not fit `T`.
    pub fn entry<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.entry.as_ref().map(Entry::read).transpose()
    }

    /// Whether a value stands in the entry that this is about.
    pub fn is_of_entry(&self, origin: &Origin) -> bool {
        let (Origin::Toml { key, .. } | Origin::File { named_by: key, .. }) = origin else {
            return false;
        };
        self.entry
            .as_ref()
            .is_some_and(|entry| key.starts_with(&entry.dotted("")))
    }

    /// The same sources as the next renewal of one certificate finds them: what is saved and the TOML file. Flags and
    /// variables of this call, which may be about something else, are not there then.
    ///
    /// # Errors
    ///
    /// The conf file, or the TOML file that it names, cannot be read.
    pub fn for_renewal(&self, stored: &Stored) -> Result<Self> {
        let saved = self
            .registry
            .settings()
            .filter(|setting| setting.saved)
            .flat_map(Setting::all_variables);
        let homes = [&general::HOME, &general::CONFIG_HOME];
        let flags = homes
            .into_iter()
            .filter_map(|setting| Some((setting.flag?.name, self.flag(setting)?.to_owned())));
        Self {
            flags: Flags::new(flags),
            env: self.env.without(saved),
            ..self.clone()
        }
        .with_domain_conf(stored, true)
    }

    fn with_domain_conf(&self, stored: &Stored, of_certificate: bool) -> Result<Self> {
        let mut settings = Self {
            domain_conf: Some(conf_at(stored.conf())?),
            of_certificate,
            ..self.clone()
        };
        settings.file = settings.config_file()?;
        Ok(settings)
    }

    /// Whether a value was given for this very call, so that it beats lists in the TOML file.
    pub fn is_near(&self, origin: &Origin) -> bool {
        match origin {
            Origin::Flag(_) => true,
            Origin::Environment(_) => !self.of_certificate,
            Origin::File { named_by, .. } => {
                named_by.starts_with("--")
                    || (!self.of_certificate && self.env.get(named_by).is_some())
            }
            Origin::Saved { .. } | Origin::Toml { .. } | Origin::Default => false,
        }
    }

    /// Variables of the environment that say something else than what is in force for this certificate of a walk.
    ///
    /// # Errors
    ///
    /// A source of settings cannot be read.
    pub fn overruled_variables(&self) -> Result<Vec<&'static str>> {
        let mut overruled = Vec::new();
        if !self.of_certificate {
            return Ok(overruled);
        }
        for setting in self.registry.settings().filter(|setting| setting.saved) {
            for (index, name) in setting.variables.iter().enumerate() {
                if self.overrules(setting, index)? {
                    overruled.push(*name);
                }
            }
        }
        Ok(overruled)
    }

    /// Whether another value is in force than the environment gives, and neither a flag nor another variable gave it.
    fn overrules(&self, setting: &Setting, index: usize) -> Result<bool> {
        let was_given_now =
            |origin: &Origin| matches!(origin, Origin::Flag(_) | Origin::Environment(_));
        if setting.kind == Kind::Secret {
            let given = match self.secret_at(Source::Environment, setting, index) {
                Ok(None) => return Ok(false),
                // One that cannot be read is another one than what is in force.
                given => given.ok().flatten(),
            };
            return Ok(match self.secret(setting)? {
                Some(found) => {
                    !was_given_now(&found.origin)
                        && given.is_none_or(|given| given.value != found.value)
                }
                None => true,
            });
        }
        let Some(given) = self.at(Source::Environment, setting, index) else {
            return Ok(false);
        };
        let found = self.text_or_default(setting)?;
        Ok(!was_given_now(&found.origin) && found.value != given.value)
    }

    /// The value of a setting that is no secret; nothing where nobody has set it.
    ///
    /// # Errors
    ///
    /// None today; a source that is read late may fail.
    pub fn text(&self, setting: &Setting) -> Result<Option<Sourced>> {
        for &source in self.order(setting) {
            for index in 0..setting.variables.len().max(setting.toml.len()).max(1) {
                if let Some(found) = self.at(source, setting, index) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The value of a setting that is no secret, its default where nobody has set it.
    ///
    /// # Errors
    ///
    /// As [`Settings::text`].
    pub fn text_or_default(&self, setting: &Setting) -> Result<Sourced> {
        Ok(self.text(setting)?.unwrap_or_else(|| Sourced {
            value: setting.default.unwrap_or_default().to_owned(),
            origin: Origin::Default,
        }))
    }

    /// The value of a setting, its default where nobody has set it, read by `parse`; nothing where there is neither.
    ///
    /// # Errors
    ///
    /// Those of `parse`, with the origin of the value in front.
    pub fn parsed<T, E: std::fmt::Display>(
        &self,
        setting: &Setting,
        parse: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<Option<Sourced<T>>> {
        let found = self.text_or_default(setting)?;
        if found.value.is_empty() {
            return Ok(None);
        }
        found.try_map(|text| parse(text.trim())).map(Some)
    }

    /// The address of an API that a setting is set to, its default where nobody has set it.
    ///
    /// # Errors
    ///
    /// Configuration: it is not the address of an API.
    pub fn address(&self, setting: &Setting) -> Result<String> {
        let found = self.text_or_default(setting)?;
        let address = found.try_map(|text| base_url(&text).map(|_| text))?;
        Ok(address.value)
    }

    /// The duration that a setting is set to, else its default, else none at all.
    ///
    /// # Errors
    ///
    /// It is no duration.
    pub fn duration(&self, setting: &Setting) -> Result<Duration> {
        Ok(self
            .parsed(setting, duration::parse)?
            .map_or(Duration::ZERO, |found| found.value))
    }

    /// The path that a setting is set to: one from the TOML file starts from that file's folder.
    ///
    /// # Errors
    ///
    /// As [`Settings::text`].
    pub fn path(&self, setting: &Setting) -> Result<Option<Sourced<PathBuf>>> {
        Ok(self.text(setting)?.map(|found| Sourced {
            value: self.path_of(&found),
            origin: found.origin,
        }))
    }

    /// The path that a value means: one from the TOML file starts from that file's folder.
    pub fn path_of(&self, found: &Sourced) -> PathBuf {
        match (&found.origin, &self.file) {
            (Origin::Toml { .. }, Some(file)) => file.path_of(&found.value),
            _ => PathBuf::from(&found.value),
        }
    }

    /// Whether a switch is on: anything but `0`, `false` and `no`.
    ///
    /// # Errors
    ///
    /// As [`Settings::text`].
    pub fn switch(&self, setting: &Setting) -> Result<bool> {
        let found = self.text(setting)?.map(|found| found.value);
        Ok(found
            .or(setting.default.map(str::to_owned))
            .is_some_and(|value| is_on(&value)))
    }

    /// The secret that a setting names: given as a value, or as a file that holds it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn secret(&self, setting: &Setting) -> Result<Option<Sourced<Secret>>> {
        Ok(self.ranked_secret(setting, None)?.map(|(_, found)| found))
    }

    /// Which of `settings` the nearest source holds, as an index; the first of them where one source holds several.
    pub fn nearest(&self, settings: &[&Setting]) -> Option<usize> {
        let holds = |source: Source, setting: &Setting| match source {
            Source::Flag => self.flag(setting).is_some(),
            Source::Entry => setting.all_toml_keys().any(|key| {
                self.entry
                    .as_ref()
                    .is_some_and(|entry| entry.value(last_part(&key)).is_some())
            }),
            Source::Toml => setting.all_toml_keys().any(|key| {
                self.file
                    .as_ref()
                    .is_some_and(|file| file.value(&key).is_some())
            }),
            _ => setting
                .all_variables()
                .any(|name| self.named(source, &name).is_some()),
        };
        let order = settings
            .first()
            .map_or(Source::ORDER, |setting| self.order(setting));
        order
            .iter()
            .find_map(|&source| settings.iter().position(|setting| holds(source, setting)))
    }

    /// A secret and the name that belongs to it, as a client secret and its id. Both come from variables of one family:
    /// the own ones before the general ones, but the nearer source first.
    ///
    /// # Errors
    ///
    /// Only one half is there, or a file cannot be read.
    pub fn pair(
        &self,
        name: &Setting,
        secret: &Setting,
    ) -> Result<Option<(Sourced, Sourced<Secret>)>> {
        let mut best: Option<(usize, Sourced, Sourced<Secret>)> = None;
        let mut half: Option<Error> = None;
        for index in 0..name.variables.len() {
            let id = self
                .order(name)
                .iter()
                .enumerate()
                .find_map(|(rank, &source)| Some((rank, self.at(source, name, index)?)));
            let key = self.ranked_secret(secret, Some(index))?;
            match (id, key) {
                (Some((rank, id)), Some((secret_rank, key))) => {
                    let rank = rank.min(secret_rank);
                    if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                        best = Some((rank, id, key));
                    }
                }
                (Some((_, id)), None) if half.is_none() => {
                    let missing = secret.variables.get(index).copied().unwrap_or_default();
                    half = Some(
                        Error::config(format!(
                            "{missing} is missing, while {} is given",
                            id.origin
                        ))
                        .advise(format!(
                            "Set {missing}, or {missing}_FILE to the path of a file that holds it."
                        )),
                    );
                }
                (None, Some((_, key))) if half.is_none() => {
                    let missing = name.variables.get(index).copied().unwrap_or_default();
                    half = Some(
                        Error::config(format!(
                            "{missing} is missing, while {} is given",
                            key.origin
                        ))
                        .advise(format!("Set {missing}.")),
                    );
                }
                _ => {}
            }
        }
        match (best, half) {
            (Some((_, id, key)), _) => Ok(Some((id, key))),
            (None, Some(err)) => Err(err),
            (None, None) => Ok(None),
        }
    }

    /// What the command line says of a setting.
    pub fn flag(&self, setting: &Setting) -> Option<&str> {
        self.flags.0.get(setting.flag?.name).map(String::as_str)
    }

    /// How the network is used.
    ///
    /// # Errors
    ///
    /// A duration is malformed.
    pub fn network(&self) -> Result<Network> {
        let path = |setting: &Setting| -> Result<Option<PathBuf>> {
            Ok(self.path(setting)?.map(|found| found.value))
        };
        Ok(Network {
            trust: Trust {
                ssl_cert_file: path(&general::SSL_CERT_FILE)?,
                ca_bundle: path(&general::CA_BUNDLE)?,
                ca_path: path(&general::CA_PATH)?,
                // As in acme.sh: any value, even 0.
                insecure: self.text(&general::INSECURE)?.is_some(),
            },
            connect_timeout: self.duration(&general::CONNECT_TIMEOUT)?,
            request_timeout: self.duration(&general::REQUEST_TIMEOUT)?,
            deadline: self.duration(&general::DEADLINE)?,
            user_agent: self.text(&general::USER_AGENT)?.map(|found| found.value),
            proxies: Proxies::of(&self.env),
        })
    }

    /// The program's settings.
    pub fn registry(&self) -> &'static Registry {
        self.registry
    }

    /// The environment.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The TOML file, if there is one.
    pub fn file(&self) -> Option<&ConfigFile> {
        self.file.as_ref()
    }

    /// acme.sh's home, if it was named.
    pub fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }

    /// The same sources where acme.sh's usual home is meant if none was named.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn with_usual_home(&self) -> Result<Self> {
        let is_named = self.for_this_call(&general::HOME).is_some();
        let Some(user) = self.env.get("HOME").filter(|_| !is_named) else {
            return Ok(self.clone());
        };
        let mut flags = self.flags.clone();
        if let Some(flag) = general::HOME.flag {
            let usual = Path::new(user).join(".acme.sh");
            flags
                .0
                .insert(flag.name, usual.to_string_lossy().into_owned());
        }
        Self::load(self.registry, &self.env, flags)
    }

    /// The same sources with another TOML file.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn with_file(&self, path: &Path) -> Result<Self> {
        let mut flags = self.flags.clone();
        if let Some(flag) = general::CONFIG.flag {
            flags
                .0
                .insert(flag.name, path.to_string_lossy().into_owned());
        }
        Self::load(self.registry, &self.env, flags)
    }

    /// Where values go that shall be kept for the next renewal. Only acme.sh's calls save.
    pub fn conf_to_save(&self, which: ConfFile) -> Option<&Path> {
        match which {
            ConfFile::Account => self.account_conf.as_ref(),
            ConfFile::Domain => self.domain_conf.as_ref(),
        }
        .filter(|_| self.env.acme_is_calling())
        .map(|(path, _)| path.as_path())
    }

    /// Whether a value stands in `account.conf`, which holds for every certificate that has none of its own.
    pub fn is_of_account(&self, origin: &Origin) -> bool {
        let (Origin::Saved { path, .. }, Some((account, _))) = (origin, &self.account_conf) else {
            return false;
        };
        path == account
    }

    /// Whether the conf file of the certificate itself holds a value for one of `settings`.
    pub fn domain_conf_holds(&self, settings: &[&Setting]) -> bool {
        self.domain_conf.as_ref().is_some_and(|(_, conf)| {
            settings.iter().any(|setting| {
                setting
                    .all_variables()
                    .any(|name| conf.saved(&name).is_some())
            })
        })
    }

    /// Whether the user gave a value in this very call, by flag or environment, so that it is to be kept for the next
    /// one. What was saved already or stands in the TOML file, also as the name of a variable, stays where it is.
    pub(super) fn is_chosen(&self, setting: &Setting, origin: &Origin) -> bool {
        let is_own = |name: &str| setting.variables.contains(&name);
        match origin {
            Origin::Flag(_) => true,
            Origin::Environment(name) => is_own(name),
            Origin::File { named_by, .. } => {
                named_by.starts_with("--")
                    || (named_by.strip_suffix("_FILE").is_some_and(is_own)
                        && self
                            .named(Source::Environment, named_by)
                            .is_some_and(|found| matches!(found.origin, Origin::Environment(_))))
            }
            Origin::Saved { .. } | Origin::Toml { .. } | Origin::Default => false,
        }
    }

    /// The sources of a setting, nearest first.
    fn order(&self, setting: &Setting) -> &'static [Source] {
        if !self.of_certificate || !setting.saved {
            Source::ORDER
        } else if setting.optional && self.has_saved_settings() {
            Source::OF_CERTIFICATE_ALONE
        } else {
            Source::OF_CERTIFICATE
        }
    }

    /// Whether the program has saved anything for the certificate.
    fn has_saved_settings(&self) -> bool {
        let saved: Vec<&Setting> = self
            .registry
            .settings()
            .filter(|setting| setting.saved)
            .collect();
        self.domain_conf_holds(&saved)
    }

    /// What is read of a home lies in the configuration home, so naming that one is enough.
    fn given_home(&self) -> Option<Home> {
        let config = self.for_this_call(&general::CONFIG_HOME);
        let home = self.for_this_call(&general::HOME).or(config.clone())?;
        let home = Home::new(
            Path::new(&home.value),
            config.as_ref().map(|found| found.value.as_str()),
            self.env.get("CERT_HOME"),
            self.env.get("ACCOUNT_CONF_PATH"),
        );
        // acme.sh knows hooks by names that are names of shell functions.
        Some(home.for_hook(self.registry.program.replace('-', "_")))
    }

    fn for_this_call(&self, setting: &Setting) -> Option<Sourced> {
        self.at(Source::Flag, setting, 0)
            .or_else(|| self.at(Source::Environment, setting, 0))
    }

    /// A file that was named has to be there; of the usual places the first that is there is taken.
    fn config_file(&self) -> Result<Option<ConfigFile>> {
        if let Some(named) = self.text(&general::CONFIG)? {
            return match &self.file {
                Some(file) if file.path == Path::new(&named.value) => Ok(Some(file.clone())),
                _ => ConfigFile::load(self.registry, Path::new(&named.value)).map(Some),
            };
        }
        self.usual_files()
            .into_iter()
            .find(|path| path.is_file())
            .map(|path| ConfigFile::load(self.registry, &path))
            .transpose()
    }

    /// Where the TOML file is looked for if none is named: the first that is there is taken.
    pub fn usual_files(&self) -> Vec<PathBuf> {
        let home = self.for_this_call(&general::HOME);
        let user = self
            .env
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(self.env.get("HOME")?).join(".config")));
        [
            home.map(|home| Path::new(&home.value).join("anypoint-hooks.toml")),
            user.map(|folder| folder.join("anypoint-hooks/config.toml")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn ranked_secret(
        &self,
        setting: &Setting,
        only: Option<usize>,
    ) -> Result<Option<(usize, Sourced<Secret>)>> {
        let indices = match only {
            Some(index) => index..index + 1,
            None => 0..setting.variables.len().max(setting.toml.len()),
        };
        for (rank, &source) in self.order(setting).iter().enumerate() {
            for index in indices.clone() {
                if let Some(found) = self.secret_at(source, setting, index)? {
                    return Ok(Some((rank, found)));
                }
            }
        }
        Ok(None)
    }

    fn secret_at(
        &self,
        source: Source,
        setting: &Setting,
        index: usize,
    ) -> Result<Option<Sourced<Secret>>> {
        let file = match source {
            Source::Flag => self
                .at(source, setting, index)
                .map(|found| (found.origin.to_string(), PathBuf::from(found.value))),
            Source::Toml => {
                let Some((dotted, file)) = setting.toml.get(index).zip(self.file.as_ref()) else {
                    return Ok(None);
                };
                return file.secret(dotted, &self.env);
            }
            Source::Entry => {
                let (Some(dotted), Some(entry), Some(file)) =
                    (setting.toml.get(index), &self.entry, &self.file)
                else {
                    return Ok(None);
                };
                let key = last_part(dotted);
                return file.secret_by(
                    &entry.dotted(key),
                    entry.value(&format!("{key}_file")).as_deref(),
                    entry.value(&format!("{key}_env")).as_deref(),
                    &self.env,
                );
            }
            _ => {
                let Some(name) = setting.variables.get(index) else {
                    return Ok(None);
                };
                if let Some(found) = self.at(source, setting, index) {
                    return Ok(Some(Sourced {
                        value: Secret::new(found.value),
                        origin: found.origin,
                    }));
                }
                let variable = format!("{name}_FILE");
                self.named(source, &variable)
                    .map(|found| (variable, PathBuf::from(found.value)))
            }
        };
        file.map(|(named_by, path)| {
            Ok(Sourced {
                value: secret_in(&named_by, &path)?,
                origin: Origin::File { named_by, path },
            })
        })
        .transpose()
    }

    fn at(&self, source: Source, setting: &Setting, index: usize) -> Option<Sourced> {
        match source {
            Source::Flag => Some(Sourced {
                value: self.flag(setting).filter(|_| index == 0)?.to_owned(),
                origin: Origin::Flag(setting.flag?.name),
            }),
            Source::Toml => {
                let file = self.file.as_ref()?;
                let dotted = setting.toml.get(index)?;
                Some(Sourced {
                    value: file.value(dotted).filter(|value| !value.is_empty())?,
                    origin: Origin::Toml {
                        key: (*dotted).to_owned(),
                        path: file.path.clone(),
                    },
                })
            }
            Source::Entry => {
                let entry = self.entry.as_ref()?;
                let key = last_part(setting.toml.get(index)?);
                Some(Sourced {
                    value: entry.value(key).filter(|value| !value.is_empty())?,
                    origin: Origin::Toml {
                        key: entry.dotted(key),
                        path: self.file.as_ref()?.path.clone(),
                    },
                })
            }
            _ => self.named(source, setting.variables.get(index)?),
        }
    }

    /// Where a variable really came from. acme.sh sources its conf files, so that a saved value arrives as a variable
    /// too: one that equals what a conf file says is a saved value, and ranks as one.
    fn sourced_from(&self, name: &str, value: &str) -> Source {
        let says = |conf: &Option<(PathBuf, Conf)>| {
            let Some((_, conf)) = conf else { return false };
            [conf.value(name), conf.saved(name)]
                .into_iter()
                .any(|saved| saved.as_deref() == Some(value))
        };
        match self.env.acme_is_calling() {
            true if says(&self.domain_conf) => Source::DomainConf,
            true if says(&self.account_conf) => Source::AccountConf,
            _ => Source::Environment,
        }
    }

    fn named(&self, source: Source, name: &str) -> Option<Sourced> {
        // A base64 value that a shell took from a conf file has not been decoded.
        let given = self.env.get(name).map(acme_sh::decode);
        let given = given.filter(|value| self.sourced_from(name, value) == source);
        let conf = match source {
            Source::Environment => {
                return Some(Sourced {
                    value: given?,
                    origin: Origin::Environment(name.to_owned()),
                });
            }
            Source::DomainConf => self.domain_conf.as_ref(),
            Source::AccountConf => self.account_conf.as_ref(),
            Source::Flag | Source::Entry | Source::Toml => None,
        };
        let (path, conf) = conf?;
        Some(Sourced {
            // acme.sh's own hooks prefer what it has sourced to what stands there under `SAVED_`.
            value: given.or_else(|| conf.saved(name))?,
            origin: Origin::Saved {
                name: name.to_owned(),
                path: path.clone(),
            },
        })
    }
}

fn conf_at(path: PathBuf) -> Result<(PathBuf, Conf)> {
    // The run that was killed while it saved may have been the last one that had anything to save.
    files::remove_left_overs_of(&path);
    Conf::load(&path).map(|conf| (path, conf))
}

/// The key itself, in the table that `dotted` names first.
fn last_part(dotted: &str) -> &str {
    dotted.rsplit('.').next().unwrap_or(dotted)
}

fn is_on(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no")
}

/// The sources of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Flag,
    Entry,
    Environment,
    DomainConf,
    AccountConf,
    Toml,
}

impl Source {
    /// Nearest first.
    const ORDER: &[Source] = &[
        Source::Flag,
        Source::Entry,
        Source::Environment,
        Source::DomainConf,
        Source::AccountConf,
        Source::Toml,
    ];

    /// For one certificate of many, of what decides where it goes.
    const OF_CERTIFICATE: &[Source] = &[
        Source::Flag,
        Source::Entry,
        Source::DomainConf,
        Source::AccountConf,
        Source::Toml,
        Source::Environment,
    ];

    /// The same without the environment.
    const OF_CERTIFICATE_ALONE: &[Source] = &[
        Source::Flag,
        Source::Entry,
        Source::DomainConf,
        Source::AccountConf,
        Source::Toml,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    static TOKEN: Setting = Setting::secret(&["CF_Token"], "token")
        .toml(&["dns_cf.token"])
        .saved();
    static ID: Setting = Setting::text(&["CH2_CLIENT_ID", "ANYPOINT_CLIENT_ID"], "client id")
        .toml(&["cloudhub_v2.client_id", "anypoint.client_id"])
        .saved();
    static SECRET: Setting = Setting::secret(
        &["CH2_CLIENT_SECRET", "ANYPOINT_CLIENT_SECRET"],
        "client secret",
    )
    .toml(&["cloudhub_v2.client_secret", "anypoint.client_secret"])
    .partner(&ID)
    .saved();
    static SPACE: Setting = Setting::text(&["CH2_PRIVATE_SPACE_ID"], "private space")
        .flag("--private-space", "SPACES")
        .toml(&["cloudhub_v2.private_space"])
        .saved();
    static URL: Setting = Setting::address(&["ANYPOINT_URL"], "control plane")
        .default("https://platform.example")
        .saved();
    static STORE: Setting = Setting::file(&["CH2_TRUSTSTORE"], "trust store").saved();
    static DEPLOY: Registry = Registry {
        program: "test",
        own: &[&TOKEN, &ID, &SECRET, &SPACE, &URL, &STORE],
        lists: &[],
        saves_to: ConfFile::Domain,
    };
    static DNS: Registry = Registry {
        program: "test",
        own: &[&TOKEN, &SPACE],
        lists: &[],
        saves_to: ConfFile::Account,
    };

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, name: &str, text: &str) -> String {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    fn load(pairs: &[(&str, &str)]) -> Settings {
        let env = Env::from_pairs(pairs.iter().copied());
        Settings::load(&DEPLOY, &env, Flags::default()).unwrap()
    }

    #[test]
    fn the_environment_beats_the_domain_conf_and_that_the_account_conf() {
        let folder = Folder::new();
        let account = folder.write("account.conf", "SAVED_CF_Token='from-account'\n");
        let domain = folder.write("d.conf", "CF_Token='from-domain'\n");
        let acme = [
            ("ANYPOINT_HOOKS_VOICE", "acme"),
            ("ACCOUNT_CONF_PATH", account.as_str()),
            ("DOMAIN_CONF", domain.as_str()),
        ];
        let token = |extra: &[(&str, &str)]| {
            let found = load(&[&acme[..], extra].concat()).secret(&TOKEN).unwrap();
            found.unwrap().value.expose().to_owned()
        };
        assert_eq!(
            token(&[("CF_Token", "from-environment")]),
            "from-environment"
        );
        assert_eq!(token(&[]), "from-domain");
        assert_eq!(token(&[("DOMAIN_CONF", "")]), "from-account");
    }

    #[test]
    fn a_plain_call_reads_no_conf_file_of_acme_sh_unless_its_home_is_named() {
        let folder = Folder::new();
        folder.write("account.conf", "SAVED_CF_Token='from-account'\n");
        let home = folder.0.path().to_str().unwrap();
        assert_eq!(load(&[]).secret(&TOKEN).unwrap(), None);
        let found = load(&[("LE_WORKING_DIR", home)]).secret(&TOKEN).unwrap();
        assert_eq!(found.unwrap().value.expose(), "from-account");
    }

    #[test]
    fn a_secret_can_stand_in_a_file_and_its_newline_is_not_part_of_it() {
        let folder = Folder::new();
        let path = folder.write("token", "canary-file\n");
        let found = load(&[("CF_Token_FILE", &path)])
            .secret(&TOKEN)
            .unwrap()
            .unwrap();
        assert_eq!(found.value.expose(), "canary-file");
        assert_eq!(found.origin.to_string(), format!("CF_Token_FILE ({path})"));
        let err = load(&[("CF_Token_FILE", "/nowhere/token")])
            .secret(&TOKEN)
            .unwrap_err();
        assert_eq!(err.kind(), Kind::NotFound);
    }

    #[test]
    fn a_client_id_is_never_paired_with_a_secret_of_another_family() {
        let own = [
            ("CH2_CLIENT_ID", "own"),
            ("CH2_CLIENT_SECRET", "own-secret"),
        ];
        let general = [
            ("ANYPOINT_CLIENT_ID", "general"),
            ("ANYPOINT_CLIENT_SECRET", "general-secret"),
        ];
        let pair = |pairs: &[(&str, &str)]| load(pairs).pair(&ID, &SECRET);
        let (id, secret) = pair(&[own, general].concat()).unwrap().unwrap();
        assert_eq!(
            (id.value.as_str(), secret.value.expose()),
            ("own", "own-secret")
        );
        let (id, secret) = pair(&[&own[..1], &general[..]].concat()).unwrap().unwrap();
        assert_eq!(
            (id.value.as_str(), secret.value.expose()),
            ("general", "general-secret")
        );
        let err = pair(&own[..1]).unwrap_err();
        assert_eq!(
            err.to_string(),
            "CH2_CLIENT_SECRET is missing, while CH2_CLIENT_ID (environment) is given"
        );
    }

    #[test]
    fn a_toml_secret_comes_from_a_file_beside_it_or_a_variable() {
        let folder = Folder::new();
        folder.write("token", "from-file\n");
        let path = folder.write("c.toml", "[dns_cf]\ntoken_file = \"token\"\n");
        let found = load(&[("ANYPOINT_HOOKS_CONFIG", &path)])
            .secret(&TOKEN)
            .unwrap();
        assert_eq!(found.unwrap().value.expose(), "from-file");
        let path = folder.write("c.toml", "[dns_cf]\ntoken_env = \"MY_TOKEN\"\n");
        let pairs = [
            ("ANYPOINT_HOOKS_CONFIG", path.as_str()),
            ("MY_TOKEN", "from-variable"),
        ];
        let found = load(&pairs).secret(&TOKEN).unwrap();
        assert_eq!(found.unwrap().value.expose(), "from-variable");
    }

    #[test]
    fn a_secret_that_the_toml_file_leads_to_is_not_saved() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        let path = folder.write("c.toml", "[dns_cf]\ntoken_env = \"MY_TOKEN\"\n");
        let text = saved(
            &conf,
            "",
            &[
                ("ANYPOINT_HOOKS_CONFIG", path.as_str()),
                ("MY_TOKEN", "canary-own"),
            ],
        );
        assert_eq!(text, format!("SAVED_ANYPOINT_HOOKS_CONFIG='{path}'\n"));
    }

    #[test]
    fn a_coded_value_that_a_shell_passed_on_is_decoded() {
        let settings = load(&[(
            "CF_Token",
            "__ACME_BASE64__START_aXQncw==__ACME_BASE64__END_",
        )]);
        assert_eq!(
            settings.secret(&TOKEN).unwrap().unwrap().value.expose(),
            "it's"
        );
    }

    #[test]
    fn a_malformed_duration_names_where_it_stands() {
        let err = load(&[("ANYPOINT_HOOKS_DEADLINE", "soon")])
            .network()
            .unwrap_err();
        assert!(
            err.to_string()
                .starts_with("ANYPOINT_HOOKS_DEADLINE (environment): \"soon\" is not"),
            "{err}"
        );
    }

    /// A conf file of a certificate, and what a hook that acme.sh calls finds in the environment.
    fn as_hook<'a>(conf: &'a str, extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        [
            &[("ANYPOINT_HOOKS_VOICE", "acme"), ("DOMAIN_CONF", conf)][..],
            extra,
        ]
        .concat()
    }

    fn saved(conf: &str, text: &str, extra: &[(&str, &str)]) -> String {
        std::fs::write(conf, text).unwrap();
        load(&as_hook(conf, extra))
            .saving()
            .unwrap()
            .finish()
            .unwrap();
        std::fs::read_to_string(conf).unwrap()
    }

    #[test]
    fn what_the_user_gave_in_this_call_is_saved_under_the_programs_own_variable() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        let text = saved(
            &conf,
            "Le_Domain='a'\n",
            &[
                ("ANYPOINT_CLIENT_ID", "id"),
                ("ANYPOINT_CLIENT_SECRET", "it's secret"),
                ("CH2_PRIVATE_SPACE_ID", "prod,dr"),
                ("ANYPOINT_URL", "eu.example"),
                ("CH2_TRUSTSTORE", "/etc/clients.pem"),
            ],
        );
        assert_eq!(
            text,
            "Le_Domain='a'\nSAVED_CH2_CLIENT_ID='id'\n\
             SAVED_CH2_CLIENT_SECRET='__ACME_BASE64__START_aXQncyBzZWNyZXQ=__ACME_BASE64__END_'\n\
             SAVED_CH2_PRIVATE_SPACE_ID='prod,dr'\nSAVED_ANYPOINT_URL='https://eu.example'\n\
             SAVED_CH2_TRUSTSTORE='/etc/clients.pem'\n"
        );
    }

    #[test]
    fn a_value_that_a_conf_file_holds_stays_where_it_is() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        // acme.sh has sourced the plain name, and the user may have exported what was saved.
        let text = "CH2_PRIVATE_SPACE_ID='prod'\nSAVED_CF_Token='canary-stays'\n";
        let given = [
            ("CH2_PRIVATE_SPACE_ID", "prod"),
            ("CF_Token", "canary-stays"),
        ];
        assert_eq!(saved(&conf, text, &given), text);
        assert!(load(&as_hook(&conf, &given)).saving().unwrap().is_empty());
    }

    #[test]
    fn what_acme_sh_sourced_from_the_account_conf_does_not_hide_a_certificates_own_value() {
        let folder = Folder::new();
        let account = folder.write(
            "account.conf",
            "SAVED_CF_Token='canary-newer'\nCF_Token='canary-account'\n",
        );
        let domain = folder.write("d.conf", "SAVED_CF_Token='canary-own'\n");
        let token = |domain: &str| {
            let settings = load(&[
                ("ANYPOINT_HOOKS_VOICE", "acme"),
                ("ACCOUNT_CONF_PATH", account.as_str()),
                ("DOMAIN_CONF", domain),
                ("CF_Token", "canary-account"),
            ]);
            assert!(settings.saving().unwrap().is_empty());
            settings.secret(&TOKEN).unwrap().unwrap().value
        };
        assert_eq!(token(&domain).expose(), "canary-own");
        // Nor does what stands there under `SAVED_`, which stock hooks take second.
        assert_eq!(token("").expose(), "canary-account");
    }

    #[test]
    fn half_a_pair_is_not_saved_and_a_default_is_saved_as_none() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        assert_eq!(saved(&conf, "", &[("CH2_CLIENT_ID", "id")]), "");
        let text = saved(
            &conf,
            "SAVED_ANYPOINT_URL='https://eu.example'\n",
            &[("ANYPOINT_URL", "https://platform.example")],
        );
        assert_eq!(text, "");
    }

    #[test]
    fn a_secret_in_a_file_is_saved_as_its_path_and_replaces_a_saved_value() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        let file = folder.write("token", "canary-file-2b\n");
        let text = saved(
            &conf,
            "SAVED_CF_Token='old'\n",
            &[("CF_Token_FILE", file.as_str())],
        );
        assert_eq!(text, format!("SAVED_CF_Token_FILE='{file}'\n"));
    }

    #[test]
    fn the_name_of_the_toml_file_is_saved_and_found_again() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "");
        let toml = folder.write("h.toml", "[cloudhub_v2]\nprivate_space = \"prod\"\n");
        let text = saved(&conf, "", &[("ANYPOINT_HOOKS_CONFIG", toml.as_str())]);
        assert_eq!(text, format!("SAVED_ANYPOINT_HOOKS_CONFIG='{toml}'\n"));
        let found = load(&as_hook(&conf, &[])).text(&SPACE).unwrap().unwrap();
        assert_eq!(found.value, "prod");
    }

    #[test]
    fn a_renewal_finds_neither_the_flags_nor_the_variables_of_this_call() {
        let folder = Folder::new();
        let stored = Stored {
            domain: "a.example".to_owned(),
            folder: folder.0.path().to_owned(),
        };
        let env = Env::from_pairs([("CH2_PRIVATE_SPACE_ID", "exported")]);
        let flags = Flags::new([("--private-space", "flagged".to_owned())]);
        let settings = Settings::load(&DEPLOY, &env, flags).unwrap();
        let space = |conf: &str| {
            std::fs::write(stored.conf(), conf).unwrap();
            let found = settings.for_renewal(&stored).unwrap().text(&SPACE);
            found.unwrap().map(|found| found.value)
        };
        let saved = space("SAVED_CH2_PRIVATE_SPACE_ID='own'\n");
        assert_eq!(saved.as_deref(), Some("own"));
        assert_eq!(space(""), None);
        let unflagged = settings.without_flag(&SPACE).text(&SPACE).unwrap();
        assert_eq!(unflagged.unwrap().value, "exported");
    }

    #[test]
    fn a_program_that_saves_to_the_account_keeps_plain_names_in_a_domain_conf() {
        let folder = Folder::new();
        let conf = folder.write("d.conf", "SAVED_CF_Token='canary-old'\n");
        let env = Env::from_pairs(as_hook(&conf, &[("CF_Token", "canary-new")]));
        let settings = Settings::load(&DNS, &env, Flags::default()).unwrap();
        assert!(settings.domain_conf_holds(&[&TOKEN]));
        let saving = settings.saving_of(ConfFile::Domain, &[&TOKEN], &[]);
        saving.unwrap().finish().unwrap();
        let text = std::fs::read_to_string(&conf).unwrap();
        assert_eq!(text, "CF_Token='canary-new'\n");
    }

    #[test]
    fn for_one_certificate_of_many_what_was_saved_beats_the_environment() {
        let folder = Folder::new();
        let home = folder.0.path();
        let stored = Stored {
            domain: "a.example".to_owned(),
            folder: home.join("a.example"),
        };
        std::fs::create_dir(&stored.folder).unwrap();
        std::fs::write(stored.conf(), "SAVED_CH2_PRIVATE_SPACE_ID='own'\n").unwrap();
        let settings = load(&[("CH2_PRIVATE_SPACE_ID", "exported")]);
        let space = |settings: &Settings| settings.text(&SPACE).unwrap().unwrap().value;
        assert_eq!(space(&settings), "exported");
        let own = settings.for_certificate(&stored).unwrap();
        assert_eq!(space(&own), "own");
        assert_eq!(own.overruled_variables().unwrap(), ["CH2_PRIVATE_SPACE_ID"]);
        let flags = Flags::new([("--private-space", "flagged".to_owned())]);
        let env = Env::from_pairs([("CH2_PRIVATE_SPACE_ID", "exported")]);
        let flagged = Settings::load(&DEPLOY, &env, flags).unwrap();
        let certificate = flagged.for_certificate(&stored).unwrap();
        assert_eq!(space(&certificate), "flagged");
        assert!(certificate.overruled_variables().unwrap().is_empty());
    }

    #[test]
    fn for_one_certificate_of_many_what_was_not_saved_with_the_rest_was_not_set() {
        let folder = Folder::new();
        let secret = folder.write("secret", "exported");
        let env = [
            ("ANYPOINT_URL", "https://elsewhere.example"),
            ("ANYPOINT_CLIENT_ID", "exported"),
            ("ANYPOINT_CLIENT_SECRET_FILE", secret.as_str()),
        ];
        let of = |conf: &str| {
            let stored = Stored {
                domain: "a.example".to_owned(),
                folder: folder.0.path().to_owned(),
            };
            std::fs::write(stored.conf(), conf).unwrap();
            load(&env).for_certificate(&stored).unwrap()
        };
        let url = |settings: &Settings| settings.text_or_default(&URL).unwrap().value;
        let id = |settings: &Settings| settings.pair(&ID, &SECRET).unwrap().unwrap().0.value;

        let nothing_saved = of("Le_Domain='a.example'\n");
        assert_eq!(url(&nothing_saved), "https://elsewhere.example");
        assert!(nothing_saved.overruled_variables().unwrap().is_empty());

        let without_credentials = of("SAVED_CH2_PRIVATE_SPACE_ID='own'\n");
        assert_eq!(url(&without_credentials), "https://platform.example");
        assert_eq!(id(&without_credentials), "exported");
        assert_eq!(
            without_credentials.overruled_variables().unwrap(),
            ["ANYPOINT_URL"]
        );

        let with_all = of("SAVED_CH2_CLIENT_ID='own'\nSAVED_CH2_CLIENT_SECRET='own'\n");
        assert_eq!(id(&with_all), "own");
        assert_eq!(
            with_all.overruled_variables().unwrap(),
            [
                "ANYPOINT_CLIENT_ID",
                "ANYPOINT_CLIENT_SECRET",
                "ANYPOINT_URL"
            ]
        );
    }
}
