//! Where a value comes from: flag, environment, acme.sh's saved values, the TOML file. Alone reads the environment.

pub mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::acme_sh::{self, Conf, Home};
use crate::duration;
use crate::error::{Error, Result};
use crate::net::tls::Trust;
use crate::net::{Network, Proxies};
use crate::secret::Secret;
use crate::settings::file::ConfigFile;
use crate::system::environment::Env;
use crate::system::files;

/// A secret fits into this many bytes, with room to spare.
const LARGEST_SECRET: u64 = 64 * 1024;

/// The flags of every program that say where settings come from and how the network is used.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingsArgs {
    /// TOML configuration file [env: ANYPOINT_HOOKS_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// acme.sh's home, to read the values saved there [env: LE_WORKING_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// PEM file of certificates to trust beside the system's [env: CA_BUNDLE]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_bundle: Option<PathBuf>,

    /// Do not verify server certificates [env: HTTPS_INSECURE]
    #[arg(long, global = true)]
    pub insecure: bool,

    /// Limit on making a connection [default: 10s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub connect_timeout: Option<Duration>,

    /// Limit on one request [default: 60s]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub request_timeout: Option<Duration>,

    /// Limit on all requests for one target, retries included [default: 5m]
    #[arg(long, global = true, value_name = "TIME", value_parser = duration::parse)]
    pub deadline: Option<Duration>,
}

/// One thing that can be set.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its flag, as `--zone-id`, if it has one.
    pub flag: Option<&'static str>,
    /// Its variables: the program's own first, then the general ones.
    pub names: &'static [&'static str],
    /// Its dotted names in the TOML file, in the same order. Of a secret, without `_file` and `_env`.
    pub toml: &'static [&'static str],
}

impl Key {
    /// A thing without a flag.
    pub const fn new(names: &'static [&'static str], toml: &'static [&'static str]) -> Self {
        Self {
            flag: None,
            names,
            toml,
        }
    }

    /// The same thing with a flag.
    #[must_use]
    pub const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    /// How to give it, for an error that misses it: the program's own variable first.
    pub fn how_to_give(&self) -> String {
        let mut ways: Vec<&str> = self.names.to_vec();
        ways.extend(self.flag);
        ways.join(" or ")
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T = String> {
    /// The value.
    pub value: T,
    /// Its origin, for errors about it.
    pub origin: Origin,
}

impl<T> Found<T> {
    /// The same origin with another value.
    ///
    /// # Errors
    ///
    /// Those of `change`, with the origin put in front.
    pub fn try_map<U, E: fmt::Display>(
        self,
        change: impl FnOnce(T) -> std::result::Result<U, E>,
    ) -> Result<Found<U>> {
        match change(self.value) {
            Ok(value) => Ok(Found {
                value,
                origin: self.origin,
            }),
            Err(err) => Err(Error::config(format!("{}: {err}", self.origin))),
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Environment(String),
    /// A file that a variable, saved value or TOML key names.
    File {
        /// The variable or key.
        named_by: String,
        /// The file.
        path: PathBuf,
    },
    /// A conf file of acme.sh.
    Saved {
        /// The variable.
        name: String,
        /// The conf file.
        path: PathBuf,
    },
    /// The TOML file.
    Toml {
        /// The dotted key.
        key: String,
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => f.write_str(flag),
            Origin::Environment(name) => write!(f, "{name} (environment)"),
            Origin::File { named_by, path } => write!(f, "{named_by} ({})", path.display()),
            Origin::Saved { name, path } => write!(f, "{name} (saved in {})", path.display()),
            Origin::Toml { key, path } => write!(f, "{key} in {}", path.display()),
        }
    }
}

/// All sources of settings, read once.
#[derive(Debug, Clone)]
pub struct Settings {
    env: Env,
    args: SettingsArgs,
    home: Option<Home>,
    domain_conf: Option<(PathBuf, Conf)>,
    account_conf: Option<(PathBuf, Conf)>,
    file: Option<ConfigFile>,
}

impl Settings {
    /// Reads every source. `domain` is the certificate's main name where a command line call is about one.
    ///
    /// # Errors
    ///
    /// A file that was named is missing, unreadable or malformed.
    pub fn load(env: &Env, args: &SettingsArgs, domain: Option<&str>) -> Result<Self> {
        let home = args
            .home
            .clone()
            .or_else(|| env.get("LE_WORKING_DIR").map(PathBuf::from))
            .map(|home| {
                Home::new(
                    &home,
                    env.get("LE_CONFIG_HOME"),
                    env.get("CERT_HOME"),
                    env.get("ACCOUNT_CONF_PATH"),
                )
            });
        let (account, domain) = if env.acme_is_calling() {
            (
                env.get("ACCOUNT_CONF_PATH").map(PathBuf::from),
                env.get("DOMAIN_CONF").map(PathBuf::from),
            )
        } else {
            let stored = domain.and_then(|domain| home.as_ref()?.find(domain));
            (
                home.as_ref().map(Home::account_conf),
                stored.map(|stored| stored.conf()),
            )
        };
        let load = |path: Option<PathBuf>| -> Result<Option<(PathBuf, Conf)>> {
            path.map(|path| Conf::load(&path).map(|conf| (path, conf)))
                .transpose()
        };
        Ok(Self {
            env: env.clone(),
            args: args.clone(),
            domain_conf: load(domain)?,
            account_conf: load(account)?,
            file: config_file(env, args)?,
            home,
        })
    }

    /// The same sources, with another domain conf: for walking through acme.sh's home.
    ///
    /// # Errors
    ///
    /// The conf file cannot be read.
    pub fn for_domain_conf(&self, path: &Path) -> Result<Self> {
        let conf = Conf::load(path)?;
        Ok(Self {
            domain_conf: Some((path.to_owned(), conf)),
            ..self.clone()
        })
    }

    /// The value of `key`, `flag` being what the command line says.
    ///
    /// # Errors
    ///
    /// A file that holds the value cannot be read.
    pub fn text(&self, key: &Key, flag: Option<&str>) -> Result<Option<Found>> {
        if let (Some(value), Some(name)) = (flag, key.flag) {
            return Ok(Some(Found {
                value: value.to_owned(),
                origin: Origin::Flag(name),
            }));
        }
        for source in Source::ALL {
            for index in 0..key.names.len().max(key.toml.len()) {
                if let Some(found) = self.at(source, key, index) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// The secret that `key` names: given as a value, or as a file that holds it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn secret(&self, key: &Key) -> Result<Option<Found<Secret>>> {
        Ok(self.ranked_secret(key, None)?.map(|(_, found)| found))
    }

    /// Which of `keys` the nearest source holds, as an index; the first of them where one source holds several.
    pub fn nearest(&self, keys: &[&Key]) -> Option<usize> {
        let holds = |source, key: &Key| {
            let by_name = |name: &&str| {
                self.named(source, name).is_some()
                    || self.named(source, &format!("{name}_FILE")).is_some()
            };
            let by_dotted = |dotted: &&str| {
                ["", "_file", "_env"].iter().any(|suffix| {
                    self.file
                        .as_ref()
                        .is_some_and(|file| file.value(&format!("{dotted}{suffix}")).is_some())
                })
            };
            match source {
                Source::Toml => key.toml.iter().any(by_dotted),
                _ => key.names.iter().any(by_name),
            }
        };
        Source::ALL
            .into_iter()
            .find_map(|source| keys.iter().position(|key| holds(source, key)))
    }

    /// A name and the secret that belongs to it, as a client id and its secret. Both come from variables of one
    /// family: the own ones before the general ones, but the nearer source first.
    ///
    /// # Errors
    ///
    /// Only one half is there, or a file cannot be read.
    pub fn pair(
        &self,
        name: &Key,
        secret: &Key,
        flag: Option<&str>,
    ) -> Result<Option<(Found, Found<Secret>)>> {
        let mut best: Option<(usize, Found, Found<Secret>)> = None;
        let mut half: Option<Error> = None;
        for index in 0..name.names.len() {
            let id = match (flag, name.flag) {
                (Some(value), Some(flag)) => Some((
                    0,
                    Found {
                        value: value.to_owned(),
                        origin: Origin::Flag(flag),
                    },
                )),
                _ => Source::ALL
                    .into_iter()
                    .enumerate()
                    .find_map(|(rank, source)| Some((rank, self.at(source, name, index)?))),
            };
            let key = self.ranked_secret(secret, Some(index))?;
            match (id, key) {
                (Some((rank, id)), Some((secret_rank, key))) => {
                    let rank = rank.min(secret_rank);
                    if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                        best = Some((rank, id, key));
                    }
                }
                (Some((_, id)), None) if half.is_none() => {
                    let missing = secret.names.get(index).copied().unwrap_or_default();
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
                    let missing = name.names.get(index).copied().unwrap_or_default();
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

    /// Whether a switch is on: anything but empty, `0`, `false` or `no`.
    ///
    /// # Errors
    ///
    /// A file that holds the value cannot be read.
    pub fn switch(&self, key: &Key, flag: bool) -> Result<bool> {
        Ok(flag
            || self.text(key, None)?.is_some_and(|found| {
                !matches!(
                    found.value.to_ascii_lowercase().as_str(),
                    "0" | "false" | "no"
                )
            }))
    }

    /// Whether the user chose a value in this very call, by flag or environment, so that it may be saved for the next
    /// one. What was saved already or stands in the TOML file, also as the name of a variable, stays where it is.
    pub fn is_chosen(&self, key: &Key, origin: &Origin) -> bool {
        match origin {
            Origin::Flag(_) => true,
            Origin::Environment(name) => key.names.contains(&name.as_str()),
            Origin::File { named_by, .. } => {
                named_by
                    .strip_suffix("_FILE")
                    .is_some_and(|name| key.names.contains(&name))
                    && self.env.get(named_by).is_some()
            }
            Origin::Saved { .. } | Origin::Toml { .. } => false,
        }
    }

    /// How the network is used.
    ///
    /// # Errors
    ///
    /// A duration is malformed.
    pub fn network(&self) -> Result<Network> {
        let time = |flag: Option<Duration>, key: &Key, default: Duration| -> Result<Duration> {
            match (flag, self.text(key, None)?) {
                (Some(time), _) => Ok(time),
                (None, Some(found)) => Ok(found.try_map(|text| duration::parse(&text))?.value),
                (None, None) => Ok(default),
            }
        };
        let path = |key: &Key| -> Result<Option<PathBuf>> {
            Ok(self.text(key, None)?.map(|found| self.path(&found)))
        };
        let default = Network::default();
        Ok(Network {
            trust: Trust {
                ssl_cert_file: self.env.get("SSL_CERT_FILE").map(PathBuf::from),
                ca_bundle: match &self.args.ca_bundle {
                    Some(path) => Some(path.clone()),
                    None => path(&CA_BUNDLE)?,
                },
                ca_path: path(&CA_PATH)?,
                // As in acme.sh: any value, even 0.
                insecure: self.args.insecure || self.env.get("HTTPS_INSECURE").is_some(),
            },
            connect_timeout: time(
                self.args.connect_timeout,
                &CONNECT_TIMEOUT,
                default.connect_timeout,
            )?,
            request_timeout: time(
                self.args.request_timeout,
                &REQUEST_TIMEOUT,
                default.request_timeout,
            )?,
            deadline: time(self.args.deadline, &DEADLINE, default.deadline)?,
            user_agent: self.text(&USER_AGENT, None)?.map(|found| found.value),
            proxies: Proxies::of(&self.env),
        })
    }

    /// The path that a value means: one from the TOML file is relative to that file.
    pub fn path(&self, found: &Found) -> PathBuf {
        match (&found.origin, &self.file) {
            (Origin::Toml { .. }, Some(file)) => file.path_of(&found.value),
            _ => PathBuf::from(&found.value),
        }
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

    /// The account conf to save to. Only acme.sh's calls save.
    pub fn account_conf_to_save(&self) -> Option<&Path> {
        self.to_save(self.account_conf.as_ref())
    }

    /// The domain conf to save to. Only acme.sh's calls save.
    pub fn domain_conf_to_save(&self) -> Option<&Path> {
        self.to_save(self.domain_conf.as_ref())
    }

    fn to_save<'a>(&self, conf: Option<&'a (PathBuf, Conf)>) -> Option<&'a Path> {
        conf.filter(|_| self.env.acme_is_calling())
            .map(|(path, _)| path.as_path())
    }

    fn ranked_secret(
        &self,
        key: &Key,
        only: Option<usize>,
    ) -> Result<Option<(usize, Found<Secret>)>> {
        let indices = match only {
            Some(index) => index..index + 1,
            None => 0..key.names.len().max(key.toml.len()),
        };
        for (rank, source) in Source::ALL.into_iter().enumerate() {
            for index in indices.clone() {
                if let Some(found) = self.secret_at(source, key, index)? {
                    return Ok(Some((rank, found)));
                }
            }
        }
        Ok(None)
    }

    fn secret_at(&self, source: Source, key: &Key, index: usize) -> Result<Option<Found<Secret>>> {
        let file = match source {
            Source::Toml => {
                let Some((dotted, file)) = key.toml.get(index).zip(self.file.as_ref()) else {
                    return Ok(None);
                };
                if let Some(variable) = file.value(&format!("{dotted}_env")) {
                    let value = self.env.get(&variable).ok_or_else(|| {
                        Error::config(format!(
                            "{dotted}_env in {} names the variable {variable}, which is not set",
                            file.path.display()
                        ))
                    })?;
                    return Ok(Some(Found {
                        value: Secret::new(value),
                        origin: Origin::Environment(variable),
                    }));
                }
                file.value(&format!("{dotted}_file"))
                    .map(|path| (format!("{dotted}_file"), file.path_of(&path)))
            }
            _ => {
                let Some(name) = key.names.get(index) else {
                    return Ok(None);
                };
                if let Some(found) = self.at(source, key, index) {
                    return Ok(Some(Found {
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
            Ok(Found {
                value: secret_in(&named_by, &path)?,
                origin: Origin::File { named_by, path },
            })
        })
        .transpose()
    }

    fn at(&self, source: Source, key: &Key, index: usize) -> Option<Found> {
        match source {
            Source::Toml => {
                let file = self.file.as_ref()?;
                let dotted = key.toml.get(index)?;
                Some(Found {
                    value: file.value(dotted).filter(|value| !value.is_empty())?,
                    origin: Origin::Toml {
                        key: (*dotted).to_owned(),
                        path: file.path.clone(),
                    },
                })
            }
            _ => self.named(source, key.names.get(index)?),
        }
    }

    /// Where a variable really came from: acme.sh sources its conf files, plain assignments there become variables.
    fn sourced_from(&self, name: &str, value: &str) -> Origin {
        [&self.domain_conf, &self.account_conf]
            .into_iter()
            .flatten()
            .find(|(_, conf)| {
                self.env.acme_is_calling() && conf.value(name).as_deref() == Some(value)
            })
            .map_or_else(
                || Origin::Environment(name.to_owned()),
                |(path, _)| Origin::Saved {
                    name: name.to_owned(),
                    path: path.clone(),
                },
            )
    }

    fn named(&self, source: Source, name: &str) -> Option<Found> {
        let conf = match source {
            Source::Environment => {
                // A base64 value that a shell took from a conf file has not been decoded.
                let value = acme_sh::decode(self.env.get(name)?);
                let origin = self.sourced_from(name, &value);
                return Some(Found { value, origin });
            }
            Source::DomainConf => self.domain_conf.as_ref(),
            Source::AccountConf => self.account_conf.as_ref(),
            Source::Toml => None,
        };
        let (path, conf) = conf?;
        Some(Found {
            value: conf
                .value(&format!("SAVED_{name}"))
                .or_else(|| conf.value(name))?,
            origin: Origin::Saved {
                name: name.to_owned(),
                path: path.clone(),
            },
        })
    }
}

/// Reads the file that holds a secret. A final newline does not belong to it.
///
/// # Errors
///
/// The file is missing, unreadable, or empty.
pub fn secret_in(named_by: &str, path: &Path) -> Result<Secret> {
    let text = files::read_text(
        &format!("the file that {named_by} names,"),
        path,
        LARGEST_SECRET,
    )?;
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(Error::config(format!(
            "the file that {named_by} names, {}, is empty",
            path.display()
        )));
    }
    Ok(Secret::new(value))
}

const CA_BUNDLE: Key = Key::new(&["CA_BUNDLE"], &["network.ca_bundle"]);
const CA_PATH: Key = Key::new(&["CA_PATH"], &["network.ca_path"]);
const USER_AGENT: Key = Key::new(&["USER_AGENT"], &["network.user_agent"]);
const CONNECT_TIMEOUT: Key = Key::new(
    &["ANYPOINT_HOOKS_CONNECT_TIMEOUT"],
    &["network.connect_timeout"],
);
const REQUEST_TIMEOUT: Key = Key::new(
    &["ANYPOINT_HOOKS_REQUEST_TIMEOUT"],
    &["network.request_timeout"],
);
const DEADLINE: Key = Key::new(&["ANYPOINT_HOOKS_DEADLINE"], &["network.deadline"]);

/// The sources after the flag, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Environment,
    DomainConf,
    AccountConf,
    Toml,
}

impl Source {
    const ALL: [Source; 4] = [
        Source::Environment,
        Source::DomainConf,
        Source::AccountConf,
        Source::Toml,
    ];
}

/// A file that was named has to be there; of the default places the first that is there is taken.
fn config_file(env: &Env, args: &SettingsArgs) -> Result<Option<ConfigFile>> {
    let named = args
        .config
        .clone()
        .or_else(|| env.get("ANYPOINT_HOOKS_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        return ConfigFile::load(&path).map(Some);
    }
    let in_home = |folder: PathBuf| folder.join("anypoint-hooks.toml");
    let user = env
        .get("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| env.get("HOME").map(|home| Path::new(home).join(".config")));
    [
        args.home.clone().map(in_home),
        env.get("LE_WORKING_DIR").map(PathBuf::from).map(in_home),
        user.map(|folder| folder.join("anypoint-hooks/config.toml")),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_file())
    .map(|path| ConfigFile::load(&path))
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const TOKEN: Key = Key::new(&["CF_Token"], &["dns_cf.token"]);
    const ID: Key = Key::new(
        &["CH2_CLIENT_ID", "ANYPOINT_CLIENT_ID"],
        &["cloudhub_v2.client_id", "anypoint.client_id"],
    );
    const SECRET: Key = Key::new(
        &["CH2_CLIENT_SECRET", "ANYPOINT_CLIENT_SECRET"],
        &["cloudhub_v2.client_secret", "anypoint.client_secret"],
    );

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
        Settings::load(&env, &SettingsArgs::default(), None).unwrap()
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
        let pair = |pairs: &[(&str, &str)]| load(pairs).pair(&ID, &SECRET, None);
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
    fn a_secret_that_the_toml_file_leads_to_is_not_chosen_for_saving() {
        let folder = Folder::new();
        let path = folder.write("c.toml", "[dns_cf]\ntoken_env = \"MY_TOKEN\"\n");
        let settings = load(&[("ANYPOINT_HOOKS_CONFIG", &path), ("MY_TOKEN", "x")]);
        let found = settings.secret(&TOKEN).unwrap().unwrap();
        assert!(!settings.is_chosen(&TOKEN, &found.origin));
        let settings = load(&[("CF_Token", "x")]);
        let found = settings.secret(&TOKEN).unwrap().unwrap();
        assert!(settings.is_chosen(&TOKEN, &found.origin));
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
}
