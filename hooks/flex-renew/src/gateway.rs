//! Which gateways are meant, and what was said about each: flags, its own table in the TOML file, settings for all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::cli;
use common::duration;
use common::error::{Error, Result};
use common::flex::flexctl::Login;
use common::secret::Secret;
use common::settings::file::OneOrMany;
use common::settings::{Origin, Setting, Settings, Sourced};
use common::system::process::shell_word;

use crate::args::RenewArgs;
use crate::cluster::Coordinates;
use crate::discovery::{self, Reason};
use crate::restart::{RestartPolicy, RestartTimes};
use crate::runtime::Runtime;
use crate::settings::{
    CLIENT_ID, CLIENT_SECRET, Entry, FILE, FLEXCTL, FLEXCTL_TIMEOUT, IMAGE, KEEP, Lists, PASSWORD,
    PULL, RESTART_CMD, RESTART_TIMEOUT, ROLLOUT_TIMEOUT, RUNTIME, STATE_DIR, TIMEOUT, UPDATE_URLS,
    USERNAME, WATCH, WITHIN,
};

/// A gateway and how it is to be treated.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    /// How messages call it.
    pub(crate) name: String,
    pub(crate) location: Location,
    /// `None`: to be detected.
    runtime: Option<Runtime>,
    /// Where `flexctl` runs for a gateway in a cluster.
    via: Option<Runtime>,
    /// The program, if somebody said which one it is.
    pub(crate) flexctl: Option<Sourced>,
    pub(crate) flexctl_timeout: Duration,
    pub(crate) image: Option<Sourced>,
    /// Whether the newest image is fetched first.
    pub(crate) pull: bool,
    pub(crate) update_urls: UpdateUrls,
    pub(crate) restart: RestartPolicy,
    pub(crate) restart_times: RestartTimes,
    /// How long a rollout in a cluster may take.
    pub(crate) rollout_timeout: Duration,
    pub(crate) within: Duration,
    /// How much earlier it is due, since the next call comes that late.
    pub(crate) ahead: Duration,
    pub(crate) keep: usize,
    pub(crate) state_dir: Option<PathBuf>,
    /// How long replicas may take to report a new certificate.
    pub(crate) timeout: Duration,
    /// Other gateways of the TOML file that have the same registration, and are restarted with this one.
    pub(crate) siblings: Vec<Gateway>,
    entry: Entry,
}

/// Whether the environment URLs in a registration are updated with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateUrls {
    /// Somebody said so.
    Asked,
    /// Nobody said anything: wherever `flexctl` can.
    Usual,
    No,
}

impl UpdateUrls {
    fn of(settings: &Settings, args: &RenewArgs, entry: &Entry) -> Result<Self> {
        let own = if args.update_urls || args.no_update_urls {
            Some(args.update_urls)
        } else {
            entry.update_urls
        };
        let is_set = own.is_some() || settings.text(&UPDATE_URLS)?.is_some();
        let on = match own {
            Some(own) => own,
            None => settings.switch(&UPDATE_URLS)?,
        };
        Ok(match (on, is_set) {
            (true, true) => UpdateUrls::Asked,
            (true, false) => UpdateUrls::Usual,
            (false, _) => UpdateUrls::No,
        })
    }
}

/// Where the registration is.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A file of this host.
    File(PathBuf),
    /// A Secret of a cluster.
    Cluster(Coordinates),
}

/// What two gateways with one registration have in common.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    /// Context, namespace, name.
    Secret(Option<String>, String, String),
}

/// The gateways that a command means: the one that is named, else those of the TOML file, else whatever is in the usual
/// places.
pub(crate) fn named(settings: &Settings, args: &RenewArgs) -> Result<Vec<Gateway>> {
    let listed = match settings.file() {
        Some(file) => file.lists::<Lists>()?.flex.gateway,
        None => Vec::new(),
    };
    let mut gateways = meant(settings, args, &listed)?;
    // Who says what is to be restarted means that alone.
    let restart = &args.restart;
    let says_all =
        restart.no_restart || !restart.restart.is_empty() || settings.flag(&RESTART_CMD).is_some();
    if !says_all {
        join_siblings(settings, &listed, &mut gateways);
    }
    Ok(gateways)
}

/// The one gateway that a command means.
///
/// # Errors
///
/// Configuration: it could be several. Else those of [`named`].
pub(crate) fn only(settings: &Settings, args: &RenewArgs) -> Result<Gateway> {
    let mut gateways = named(settings, args)?;
    match gateways.pop() {
        Some(only) if gateways.is_empty() => Ok(only),
        last => {
            gateways.extend(last);
            let names: Vec<&str> = gateways.iter().map(|known| known.name.as_str()).collect();
            Err(Error::config(format!(
                "there are several registrations: {}",
                names.join(", ")
            ))
            .advise("Name one by its path or name; flex-renew run renews all that are due."))
        }
    }
}

/// Has each gateway know the others of the list with the same registration: once it is renewed, all have to be restarted,
/// and it is due when it is for one of them. One that cannot be made sense of is for its own turn to tell.
fn join_siblings(settings: &Settings, listed: &[Entry], gateways: &mut [Gateway]) {
    let usual = RenewArgs::default();
    let all: Vec<(Option<Place>, Gateway)> = listed
        .iter()
        .filter_map(|entry| Gateway::resolve(settings, &usual, entry.clone(), None).ok())
        .map(|known| (known.place(), known))
        .collect();
    for gateway in gateways {
        let place = gateway.place();
        let is_sibling = |there: &Option<Place>, known: &Gateway| {
            place.is_some() && *there == place && !gateway.is_same_entry(known)
        };
        gateway.siblings = all
            .iter()
            .filter(|(there, known)| is_sibling(there, known))
            .map(|(_, known)| known.clone())
            .collect();
        let longest = gateway.siblings.iter().map(|known| known.within).max();
        gateway.within = gateway.within.max(longest.unwrap_or_default());
    }
}

fn meant(settings: &Settings, args: &RenewArgs, listed: &[Entry]) -> Result<Vec<Gateway>> {
    if let Some(named) = &args.look.file {
        let by_name = |entry: &&Entry| {
            entry
                .name
                .as_deref()
                .is_some_and(|name| Path::new(name) == named)
        };
        return match listed.iter().find(by_name) {
            Some(entry) => Gateway::resolve(settings, args, entry.clone(), None),
            None => at(settings, args, listed, named),
        }
        .map(|gateway| vec![gateway]);
    }
    let flags_say_cluster = settings
        .flag(&RUNTIME)
        .is_some_and(|word| Runtime::parse(word) == Ok(Runtime::Kubernetes))
        || args.look.cluster.given().next().is_some();
    if !flags_say_cluster {
        let given = settings.path(&FILE)?;
        let is_near = |given: &Sourced<PathBuf>| settings.is_near(&given.origin);
        if let Some(given) = given.filter(|given| listed.is_empty() || is_near(given)) {
            return at(settings, args, listed, &given.value).map(|gateway| vec![gateway]);
        }
        if !listed.is_empty() {
            return listed
                .iter()
                .map(|entry| Gateway::resolve(settings, args, entry.clone(), None))
                .collect();
        }
    }
    let nothing = Entry::default();
    let runtime = runtime_of(settings, &nothing)?.map(|runtime| runtime.value);
    let is_in_cluster = flags_say_cluster || runtime == Some(Runtime::Kubernetes);
    if is_in_cluster {
        return Gateway::resolve(settings, args, nothing, None).map(|gateway| vec![gateway]);
    }
    discovery::registrations(runtime)?
        .into_iter()
        .map(|path| Gateway::resolve(settings, args, nothing.clone(), Some(path)))
        .collect()
}

/// The gateway of the registration at `path`, with what the TOML file says about it.
fn at(settings: &Settings, args: &RenewArgs, listed: &[Entry], path: &Path) -> Result<Gateway> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let entry = listed.iter().find(|entry| {
        let file = entry.file.as_deref().map(|file| in_toml(settings, file));
        file.is_some_and(|file| real(&file) == real(path))
    });
    let entry = entry.cloned().unwrap_or_default();
    Gateway::resolve(settings, args, entry, Some(path.to_owned()))
}

impl Gateway {
    /// What a flag says, else the gateway's own table, else what is said about all.
    fn resolve(
        settings: &Settings,
        args: &RenewArgs,
        entry: Entry,
        file: Option<PathBuf>,
    ) -> Result<Self> {
        let coordinates = coordinates_of(args, &entry);
        let file = file.or_else(|| entry.file.as_deref().map(|file| in_toml(settings, file)));
        let name = match (&entry.name, &file) {
            (Some(name), _) => name.clone(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => coordinates.name(),
        };
        let mut runtime = runtime_of(settings, &entry)?;
        if is_in_cluster_only(args, &entry) && file.is_none() {
            // What is said about all gateways is said about those of this host.
            runtime = runtime.filter(|runtime| is_about(&runtime.origin));
        }
        let location = locate(&name, file, coordinates, args, &entry, runtime.as_ref())?;
        let via = match (args.via, &entry.via) {
            (None, Some(own)) => Some(parse_own(own, "via", via)?),
            (flag, _) => flag,
        };
        let gateway = Self {
            runtime: runtime.map(|runtime| runtime.value),
            via,
            flexctl: own_or(settings, &FLEXCTL, entry.flexctl.as_ref(), "flexctl")?,
            flexctl_timeout: settings.duration(&FLEXCTL_TIMEOUT)?,
            image: own_or(settings, &IMAGE, entry.image.as_ref(), "image")?,
            pull: match entry.pull {
                Some(own) if settings.flag(&PULL).is_none() => own,
                _ => settings.switch(&PULL)?,
            },
            update_urls: UpdateUrls::of(settings, args, &entry)?,
            restart: restart_of(settings, args, &entry)?,
            restart_times: RestartTimes {
                limit: settings.duration(&RESTART_TIMEOUT)?,
                watch: settings.duration(&WATCH)?,
            },
            rollout_timeout: settings.duration(&ROLLOUT_TIMEOUT)?,
            within: match &entry.within {
                Some(own) if settings.flag(&WITHIN).is_none() => {
                    parse_own(own, "within", duration::parse)?
                }
                _ => settings.duration(&WITHIN)?,
            },
            keep: settings
                .parsed(&KEEP, str::parse::<usize>)?
                .map_or(0, |found| found.value),
            state_dir: settings.path(&STATE_DIR)?.map(|found| found.value),
            timeout: settings.duration(&TIMEOUT)?,
            siblings: Vec::new(),
            ahead: Duration::ZERO,
            name,
            location,
            entry,
        };
        gateway.refuse_flags_that_do_not_apply(args)?;
        Ok(gateway)
    }

    /// Whether the other one has the same registration, and is restarted with this one.
    pub(crate) fn is_joined_by(&self, other: &Gateway) -> bool {
        self.siblings.iter().any(|known| known.is_same_entry(other))
    }

    fn is_same_entry(&self, other: &Gateway) -> bool {
        self.entry == other.entry
    }

    /// Where its registration is, if that is known without asking a cluster.
    fn place(&self) -> Option<Place> {
        match &self.location {
            Location::File(file) => file.canonicalize().ok().map(Place::File),
            Location::Cluster(there) => {
                let secret = there.secret.clone()?;
                Some(Place::Secret(
                    there.context.clone(),
                    there.namespace(),
                    secret,
                ))
            }
        }
    }

    /// A flag that has no effect on this gateway would let the user believe that it had one.
    fn refuse_flags_that_do_not_apply(&self, args: &RenewArgs) -> Result<()> {
        let (flag, where_it_is) = match &self.location {
            Location::File(_) => {
                let restart = &args.restart;
                let of_cluster = [
                    ("--via", args.via.is_some()),
                    ("--release", restart.release.is_some()),
                    ("--chart", restart.chart.is_some()),
                ];
                let flag = args.look.cluster.given().next().or_else(|| {
                    of_cluster
                        .iter()
                        .find_map(|(flag, given)| given.then_some(*flag))
                });
                (flag, "its registration is a file on this host")
            }
            Location::Cluster(_) => (
                (!args.restart.restart.is_empty()).then_some("--restart"),
                "its deployment in Kubernetes is restarted by a rollout",
            ),
        };
        match flag {
            None => Ok(()),
            Some(flag) => Err(Error::config(format!(
                "{flag} does not apply to {}: {where_it_is}",
                self.name
            ))
            .advise(format!("Leave out {flag}, or name another gateway."))),
        }
    }

    /// What names it in a call of this program, for a shell.
    pub(crate) fn on_the_command_line(&self) -> String {
        match &self.location {
            Location::Cluster(there) if self.entry.name.is_none() => {
                let flags = [
                    ("--context", &there.context),
                    ("--namespace", &there.namespace),
                    ("--deployment", &there.deployment),
                    ("--secret", &there.secret),
                ];
                let given = flags.into_iter().filter_map(|(flag, value)| {
                    Some(format!(" {flag} {}", shell_word(value.as_deref()?)))
                });
                format!("--runtime kubernetes{}", given.collect::<String>())
            }
            _ => shell_word(&self.name).into_owned(),
        }
    }

    /// Where its registration is said to be.
    pub(crate) fn place_in_words(&self) -> String {
        match &self.location {
            Location::File(file) => file.display().to_string(),
            Location::Cluster(there) => format!("kubernetes/{}", there.name()),
        }
    }

    /// Where it runs, and how that is known.
    pub(crate) fn runtime(&self) -> Result<(Runtime, Reason)> {
        match (&self.location, self.runtime) {
            (Location::Cluster(_), _) => Ok((Runtime::Kubernetes, Reason::Set)),
            (Location::File(_), Some(runtime)) => Ok((runtime, Reason::Set)),
            (Location::File(file), None) => discovery::runtime(self.named_flexctl(), Some(file)),
        }
    }

    /// Where `flexctl` runs for a gateway that runs in `runtime`.
    pub(crate) fn runtime_of_flexctl(&self, runtime: Runtime) -> Result<Runtime> {
        match (runtime, self.via) {
            (Runtime::Kubernetes, Some(via)) => Ok(via),
            (Runtime::Kubernetes, None) => {
                discovery::runtime(self.named_flexctl(), None).map(|(runtime, _)| runtime)
            }
            (own, _) => Ok(own),
        }
    }

    /// The program that somebody named.
    fn named_flexctl(&self) -> Option<&str> {
        self.flexctl.as_ref().map(|flexctl| flexctl.value.as_str())
    }

    /// Who asks the platform for the renewal: the gateway's own credentials, else those for all, else somebody at the
    /// terminal.
    ///
    /// # Errors
    ///
    /// Configuration: none, or only half of them.
    pub(crate) fn login(&self, settings: &Settings) -> Result<Login> {
        if let Some(login) = self.own_login(settings)? {
            return Ok(login);
        }
        if let Some((id, secret)) = settings.pair(&CLIENT_ID, &CLIENT_SECRET)? {
            return Ok(Login::App {
                id: id.value,
                secret: secret.value,
            });
        }
        let half = match settings.pair(&USERNAME, &PASSWORD) {
            Ok(Some((name, password))) => {
                return Ok(Login::User {
                    name: name.value,
                    password: password.value,
                });
            }
            Ok(None) => return Err(no_credentials()),
            Err(half) => half,
        };
        let Some(name) = settings.text(&USERNAME)? else {
            return Err(half);
        };
        match cli::ask_secret(&format!("Password of {}", name.value))? {
            Some(password) => Ok(Login::User {
                name: name.value,
                password,
            }),
            None => Err(half),
        }
    }

    fn own_login(&self, settings: &Settings) -> Result<Option<Login>> {
        let own = &self.entry;
        let secret = |key: &str, file: &Option<String>, variable: &Option<String>| {
            let Some(toml) = settings.file() else {
                return Ok(None);
            };
            let dotted = format!("flex.gateway.{key}");
            let found = toml.secret_by(
                &dotted,
                file.as_deref(),
                variable.as_deref(),
                settings.env(),
            );
            found.map(|found| found.map(|found| found.value))
        };
        let client_secret: Option<Secret> = secret(
            "client_secret",
            &own.client_secret_file,
            &own.client_secret_env,
        )?;
        let password: Option<Secret> = secret("password", &own.password_file, &own.password_env)?;
        match (&own.client_id, client_secret, &own.username, password) {
            (Some(id), Some(secret), ..) => Ok(Some(Login::App {
                id: id.clone(),
                secret,
            })),
            (_, _, Some(name), Some(password)) => Ok(Some(Login::User {
                name: name.clone(),
                password,
            })),
            (None, None, None, None) => Ok(None),
            _ => Err(Error::config(format!(
                "[[flex.gateway]] {} has only half of its credentials",
                self.name
            ))
            .advise(
                "Give client_id with client_secret_file or client_secret_env, or username with password_file or \
                 password_env.",
            )),
        }
    }
}

/// Where the registration is, by what was said about the gateway.
fn locate(
    name: &str,
    file: Option<PathBuf>,
    coordinates: Coordinates,
    args: &RenewArgs,
    entry: &Entry,
    runtime: Option<&Sourced<Runtime>>,
) -> Result<Location> {
    match (runtime, file) {
        (Some(runtime), Some(file)) if runtime.value == Runtime::Kubernetes => {
            Err(Error::config(format!(
                "{} says that {name} is in Kubernetes, but its registration is the file {}",
                runtime.origin,
                file.display()
            ))
            .advise("Name another runtime, or leave out the file."))
        }
        (_, Some(file)) => Ok(Location::File(file)),
        (Some(runtime), None) if runtime.value == Runtime::Kubernetes => {
            Ok(Location::Cluster(coordinates))
        }
        (None, None) if is_in_cluster_only(args, entry) => Ok(Location::Cluster(coordinates)),
        (Some(runtime), None) if is_in_cluster_only(args, entry) => Err(Error::config(format!(
            "{} does not apply to {name}, which is in Kubernetes",
            runtime.origin
        ))
        .advise("Leave it out, or name another gateway.")),
        (_, None) => Err(
            Error::config(format!("{name}: no registration file is given"))
                .advise("Give its path as file in [[flex.gateway]], or as FILE."),
        ),
    }
}

/// Whether somebody said where in a cluster the gateway is.
fn is_in_cluster_only(args: &RenewArgs, entry: &Entry) -> bool {
    let own = [
        &entry.namespace,
        &entry.deployment,
        &entry.secret,
        &entry.context,
    ];
    args.look.cluster.given().next().is_some()
        || own.iter().any(|given| given.is_some())
        || entry
            .runtime
            .as_deref()
            .is_some_and(|own| Runtime::parse(own) == Ok(Runtime::Kubernetes))
}

/// Whether a value was given for this gateway alone.
fn is_about(origin: &Origin) -> bool {
    match origin {
        Origin::Flag(_) => true,
        Origin::Toml { key, .. } => key.starts_with("flex.gateway."),
        _ => false,
    }
}

fn coordinates_of(args: &RenewArgs, entry: &Entry) -> Coordinates {
    let either = |flag: &Option<String>, own: &Option<String>| flag.clone().or(own.clone());
    let cluster = &args.look.cluster;
    Coordinates {
        context: either(&cluster.context, &entry.context),
        namespace: either(&cluster.namespace, &entry.namespace),
        deployment: either(&cluster.deployment, &entry.deployment),
        secret: either(&cluster.secret, &entry.secret),
        release: either(&args.restart.release, &entry.release),
        chart: either(&args.restart.chart, &entry.chart),
    }
}

fn runtime_of(settings: &Settings, entry: &Entry) -> Result<Option<Sourced<Runtime>>> {
    own_or(settings, &RUNTIME, entry.runtime.as_ref(), "runtime")?
        .map(|found| found.try_map(|text| Runtime::parse(&text)))
        .transpose()
}

/// What a flag says, else the gateway's own table, else what is said about all.
fn own_or(
    settings: &Settings,
    setting: &Setting,
    own: Option<&String>,
    key: &str,
) -> Result<Option<Sourced>> {
    match (own, settings.file()) {
        (Some(own), Some(file)) if settings.flag(setting).is_none() => Ok(Some(Sourced {
            value: own.clone(),
            origin: Origin::Toml {
                key: format!("flex.gateway.{key}"),
                path: file.path.clone(),
            },
        })),
        _ => settings.text(setting),
    }
}

fn restart_of(settings: &Settings, args: &RenewArgs, entry: &Entry) -> Result<RestartPolicy> {
    let given = &args.restart;
    if given.no_restart {
        return Ok(RestartPolicy::Nothing);
    }
    if !given.restart.is_empty() {
        return Ok(RestartPolicy::Named(given.restart.clone()));
    }
    if let Some(command) = settings.flag(&RESTART_CMD) {
        return Ok(RestartPolicy::Command(command.to_owned()));
    }
    if entry.no_restart == Some(true) {
        return Ok(RestartPolicy::Nothing);
    }
    if let Some(command) = &entry.restart_cmd {
        return Ok(RestartPolicy::Command(command.clone()));
    }
    if let Some(names) = entry.restart.as_ref().map(OneOrMany::entries) {
        return Ok(RestartPolicy::Named(names));
    }
    Ok(match settings.text(&RESTART_CMD)? {
        Some(found) => RestartPolicy::Command(found.value),
        None => RestartPolicy::Usual,
    })
}

fn in_toml(settings: &Settings, path: &str) -> PathBuf {
    settings
        .file()
        .map_or_else(|| PathBuf::from(path), |file| file.path_of(path))
}

fn parse_own<T>(
    text: &str,
    key: &str,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
) -> Result<T> {
    parse(text).map_err(|err| Error::config(format!("flex.gateway.{key}: {err}")))
}

fn via(text: &str) -> std::result::Result<Runtime, String> {
    match Runtime::parse(text)? {
        Runtime::Kubernetes => Err(format!(
            "flexctl runs in one of {}, not in kubernetes",
            Runtime::OF_FLEXCTL.join(", ")
        )),
        other => Ok(other),
    }
}

fn no_credentials() -> Error {
    Error::config("no credentials for flexctl: FLEX_CLIENT_ID and FLEX_CLIENT_SECRET are not set").advise(
        "Create a connected app that acts on its own behalf with the scopes Read Servers, Manage Servers and View \
         Organization and set both, or set FLEX_USERNAME and FLEX_PASSWORD of a user without multi-factor \
         authentication. A secret can also stand in a file: append _FILE to the variable.",
    )
}
