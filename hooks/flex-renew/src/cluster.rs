//! Kubernetes: a registration in a Secret that a deployment mounts, through `kubectl` and, where it installed the
//! gateway, `helm`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::error::{Error, Kind, Result};
use common::flex::flexctl::Flexctl;
use common::flex::registration::{FILE_NAME, Files, SPLIT_NAME};
use common::log::Log;
use common::system::clock::SharedClock;
use common::system::files;
use common::system::process::{self, Finished, Program};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::workload::Workload;

use crate::state::Work;

/// The namespace and deployment of the documented installation.
const NAMESPACE: &str = "gateway";
const DEPLOYMENT: &str = "ingress";

/// The volume that the documented deployment mounts the registration from.
const VOLUME: &str = "registration";

const CHART: &str = "flex-gateway/flex-gateway";

/// The name of that chart. A release of another one may hold more than the gateway, which this chart would remove.
const CHART_NAME: &str = "flex-gateway";

/// Limit on a question to the cluster.
const LIMIT: Duration = Duration::from_secs(60);

/// How much longer than it was told to a program may take that waits for a rollout.
const MARGIN: Duration = Duration::from_secs(30);

/// Where in a cluster a gateway is, as far as somebody has said so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coordinates {
    pub(crate) context: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) chart: Option<String>,
}

/// A gateway in a cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    context: Option<String>,
    namespace: String,
    workload: Workload,
    secret: String,
    chart: String,
    /// The release that was named.
    release: Option<String>,
    helm: Option<Helm>,
    rollout_timeout: Duration,
}

/// The release that puts registrations into the Secret.
#[derive(Debug, Clone)]
struct Helm {
    release: String,
    chart: String,
    version: String,
}

/// A release as `helm list` shows it.
#[derive(Deserialize)]
struct Release {
    name: String,
    status: String,
    chart: String,
}

/// A Secret as it was read; an update of an older one is refused.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) files: Files,
    /// Every change of the Secret has another.
    version: String,
    is_immutable: bool,
    managed_by: Option<String>,
    release: Option<String>,
}

#[derive(Deserialize)]
struct PodRunner {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodSpec {
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
struct Volume {
    name: String,
    secret: Option<SecretVolume>,
    projected: Option<Projected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretVolume {
    secret_name: Option<String>,
}

#[derive(Deserialize)]
struct Projected {
    #[serde(default)]
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    secret: Option<NamedSecret>,
}

#[derive(Deserialize)]
struct NamedSecret {
    name: String,
}

#[derive(Deserialize)]
struct SecretObject {
    metadata: Metadata,
    #[serde(default)]
    immutable: bool,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Coordinates {
    /// The namespace, that of the documented installation unless another is given.
    pub(crate) fn namespace(&self) -> String {
        self.namespace
            .clone()
            .unwrap_or_else(|| NAMESPACE.to_owned())
    }

    /// How messages call the gateway.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}/{}",
            self.namespace(),
            self.deployment.as_deref().unwrap_or(DEPLOYMENT)
        )
    }
}

impl Cluster {
    /// Finds the Secret that the gateway's deployment mounts.
    ///
    /// # Errors
    ///
    /// Not found: no such deployment, or no registration in it. Else those of `kubectl`.
    pub(crate) fn find(given: &Coordinates, rollout_timeout: Duration) -> Result<Self> {
        let or = |given: &Option<String>, default: &str| {
            given.clone().unwrap_or_else(|| default.to_owned())
        };
        let mut cluster = Self {
            context: given.context.clone(),
            namespace: or(&given.namespace, NAMESPACE),
            workload: or(&given.deployment, DEPLOYMENT)
                .parse()
                .map_err(|err| Error::config(format!("--deployment: {err}")))?,
            secret: String::new(),
            chart: or(&given.chart, CHART),
            release: given.release.clone(),
            helm: None,
            rollout_timeout,
        };
        cluster.secret = match &given.secret {
            Some(secret) => secret.clone(),
            None => cluster.mounted_secret()?,
        };
        Ok(cluster)
    }

    /// How messages and the folder for backups call it.
    pub(crate) fn name(&self) -> String {
        let mut name = format!(
            "kubernetes/{}/{}/{}",
            self.namespace,
            self.workload.part(),
            self.secret
        );
        if let Some(context) = &self.context {
            name.insert_str("kubernetes/".len(), &format!("{context}/"));
        }
        name
    }

    fn mounted_secret(&self) -> Result<String> {
        let kind = self.workload.kind.to_string();
        let read: PodRunner = self.get(&kind, &self.workload.name)?;
        let volumes = read.spec.template.spec.volumes;
        let secret_of = |volume: &Volume| -> Option<String> {
            let direct = volume
                .secret
                .as_ref()
                .and_then(|secret| secret.secret_name.clone());
            direct.or_else(|| {
                let sources = &volume.projected.as_ref()?.sources;
                sources
                    .iter()
                    .find_map(|source| Some(source.secret.as_ref()?.name.clone()))
            })
        };
        let named = volumes
            .iter()
            .find(|volume| volume.name == VOLUME)
            .and_then(secret_of);
        named.ok_or_else(|| {
            Error::not_found(format!(
                "{} {}/{} has no volume {VOLUME} from a Secret",
                self.workload.kind, self.namespace, self.workload.name
            ))
            .advise("Name the deployment of the gateway with --deployment, or the Secret with --secret.")
        })
    }

    /// Reads the registration.
    pub(crate) fn read(&self) -> Result<Stored> {
        let secret: SecretObject = self.get("secret", &self.secret)?;
        let shown = self.shown_secret();
        let decode = |key: &str| -> Result<Option<Vec<u8>>> {
            let Some(value) = secret.data.get(key) else {
                return Ok(None);
            };
            BASE64_STANDARD
                .decode(value.trim())
                .map(Some)
                .map_err(|_| Error::config(format!("{key} of {shown} is not base64")))
        };
        let registration = decode(FILE_NAME)?.ok_or_else(|| {
            let keys: Vec<&str> = secret.data.keys().map(String::as_str).collect();
            Error::not_found(format!(
                "{shown} has no key {FILE_NAME}, only: {}",
                keys.join(", ")
            ))
            .advise("Name the Secret that holds the registration with --secret.")
        })?;
        let others = decode(SPLIT_NAME)?
            .map(|bytes| (SPLIT_NAME.to_owned(), bytes))
            .into_iter()
            .collect();
        let files = Files {
            registration,
            others,
        };
        files.hide();
        let value = |map: &BTreeMap<String, String>, key: &str| map.get(key).cloned();
        Ok(Stored {
            files,
            version: secret.metadata.resource_version,
            is_immutable: secret.immutable,
            managed_by: value(&secret.metadata.labels, "app.kubernetes.io/managed-by"),
            release: value(&secret.metadata.annotations, "meta.helm.sh/release-name"),
        })
    }

    /// Settles whether `helm` puts the registration back, and checks whether all that is to be done may be done. `helm` has
    /// to where a release made the Secret: the next `helm upgrade` would bring the old one back otherwise.
    ///
    /// # Errors
    ///
    /// Configuration: the Secret cannot be changed. Credentials: the user may not do what has to be done. Not found: no such
    /// release, or no `helm` for it. Refused: something else is being done to the release.
    pub(crate) fn settle(&mut self, stored: &Stored, rolls_out: bool, log: &Log) -> Result<()> {
        self.helm = self.helm_for(stored, log)?;
        let rollout = ("patch", self.workload.reference());
        let mut needed = match &self.helm {
            // It keeps its own records in Secrets.
            Some(_) => vec![("create", "secrets".to_owned())],
            None => Vec::new(),
        };
        if stored.is_immutable {
            return Err(Error::config(format!(
                "{} is immutable, so the new registration cannot be put into it",
                self.shown_secret()
            ))
            .advise(
                "Replace it with one that is not (immutable: false), then run flex-renew again. Nothing was changed.",
            ));
        }
        needed.push(("patch", format!("secret/{}", self.secret)));
        needed.extend(rolls_out.then_some(rollout));
        for (verb, what) in needed {
            self.check_right(verb, &what)?;
        }
        Ok(())
    }

    fn check_right(&self, verb: &str, what: &str) -> Result<()> {
        let asked = self.kubectl(["auth", "can-i"]).args([verb, what]).run()?;
        if asked.status.success() || asked.stdout.trim() != "no" {
            // A cluster that does not answer this question says no when it is time.
            return Ok(());
        }
        Err(Error::new(
            Kind::Credentials,
            format!(
                "the user of this Kubernetes configuration may not {verb} {what} in namespace {}",
                self.namespace
            ),
        )
        .advise(
            "It needs get and patch on the Secret and on the deployment, and for a Helm release what helm needs. Nothing \
             was changed.",
        ))
    }

    /// The release that replaces the registration; none where `kubectl` does.
    fn helm_for(&self, stored: &Stored, log: &Log) -> Result<Option<Helm>> {
        let named = self.release.is_some();
        let owner = match stored.managed_by.as_deref() {
            Some("Helm") => Some(stored.release.as_ref()),
            _ => None,
        };
        let by_kubectl = |release: Option<&String>, why: &str| {
            log.warn(format!(
                "kubectl replaces {}, which belongs to {}: {why}. The next helm upgrade must be given the new file \
                 (--set-file registration.content=…), or it puts the old registration back",
                self.shown_secret(),
                release.map_or_else(
                    || "a Helm release".to_owned(),
                    |release| format!("the Helm release {release}")
                )
            ));
            Ok(None)
        };
        let release = match (&self.release, owner) {
            (Some(named), _) => named,
            (None, Some(Some(own))) => own,
            (None, Some(None)) => return by_kubectl(None, "it does not say which"),
            (None, None) => return Ok(None),
        };
        if !process::exists("helm") {
            if !named {
                return by_kubectl(Some(release), "helm is not installed here");
            }
            return Err(
                Error::not_found("helm is not installed, while a release is given").advise(
                    "Install helm, or leave out --release to let kubectl replace the Secret.",
                ),
            );
        }
        let listed = self.listed(release)?;
        let (chart, version) = split_chart(&listed.chart).ok_or_else(|| {
            Error::new(
                Kind::Refused,
                format!("helm list names no version in {}", listed.chart),
            )
        })?;
        if chart != CHART_NAME {
            let why = format!(
                "the release is of the chart {chart}, and {} would remove all else that is in it",
                self.chart
            );
            if !named {
                return by_kubectl(Some(release), &why);
            }
            return Err(
                Error::config(format!("the release {release} cannot be upgraded: {why}")).advise(
                    "Leave out --release to let kubectl replace the Secret. Nothing was changed.",
                ),
            );
        }
        if listed.status.starts_with("pending") || listed.status == "uninstalling" {
            return Err(Error::new(
                Kind::Refused,
                format!("the Helm release {release} is in the state {}", listed.status),
            )
            .advise(format!(
                "Another helm is at work on it, or was killed. Once none is running, get it out of that state with helm \
                 --namespace {} rollback {release}, then run flex-renew again. Nothing was changed.",
                self.namespace
            )));
        }
        if !named {
            log.info(format!(
                "the Secret belongs to the Helm release {release}, so helm replaces it"
            ));
        }
        Ok(Some(Helm {
            release: release.clone(),
            chart: self.chart.clone(),
            version: version.to_owned(),
        }))
    }

    /// Replaces the registration that is `stored`, without the keys `gone`. `work` is a folder of ours for what must not be
    /// an argument.
    pub(crate) fn install(
        &self,
        new: &Files,
        gone: &[&str],
        stored: &Stored,
        work: &Work,
    ) -> Result<()> {
        match &self.helm {
            Some(helm) => self.upgrade(helm, new, work),
            None => self.patch(new, gone, &stored.version, work.path()),
        }
    }

    fn patch(&self, new: &Files, gone: &[&str], version: &str, work: &Path) -> Result<()> {
        let encoded = |bytes: &[u8]| serde_json::Value::from(BASE64_STANDARD.encode(bytes));
        let mut data = BTreeMap::from([(FILE_NAME, encoded(&new.registration))]);
        data.extend(
            new.others
                .iter()
                .map(|(name, bytes)| (name.as_str(), encoded(bytes))),
        );
        data.extend(gone.iter().map(|name| (*name, serde_json::Value::Null)));
        let patch = serde_json::json!({ "metadata": { "resourceVersion": version }, "data": data });
        let path = in_work(work, "patch.json", patch.to_string().as_bytes())?;
        let finished = self
            .kubectl(["patch", "secret"])
            .args([&self.secret, "--type=merge"])
            .arg("--patch-file")
            .arg(&path)
            .run();
        let _ = std::fs::remove_file(&path);
        let patched = finished.and_then(|finished| self.judge(finished, "patch secret"));
        match patched {
            // The answer may have been lost.
            Err(err) if self.read().is_ok_and(|there| there.files == *new) => {
                drop(err);
                Ok(())
            }
            patched => patched.map(drop),
        }
    }

    /// The chart and its version stay: an upgrade without version would move to the newest.
    fn upgrade(&self, helm: &Helm, new: &Files, work: &Work) -> Result<()> {
        if !new.others.is_empty() {
            return Err(Error::config(
                "a split registration cannot be given to the chart, which takes one file",
            )
            .advise(
                "Register the gateway with --split=false, or manage the Secret without Helm.",
            ));
        }
        let path = in_work(work.path(), "content.yaml", &new.registration)?;
        let mut content = std::ffi::OsString::from("registration.content=");
        content.push(&path);
        let finished = self
            .helm(["upgrade"])
            .args([
                &helm.release,
                &helm.chart,
                "--version",
                &helm.version,
                "--reuse-values",
                "--wait",
            ])
            .args(["--timeout", &format!("{}s", self.rollout_timeout.as_secs())])
            .arg("--set-file")
            .arg(content)
            .limit(self.rollout_timeout + MARGIN)
            .holding(Some(&work.hold))
            .to_its_end()
            .succeed();
        let _ = std::fs::remove_file(&path);
        finished.map(drop)
    }

    /// Plain `helm list` hides a release whose upgrade was interrupted.
    fn listed(&self, release: &str) -> Result<Release> {
        let filter = format!("^{release}$");
        let listed = self
            .helm(["list"])
            .args(["--deployed", "--failed", "--pending", "--uninstalling"])
            .args(["--filter", &filter, "--output", "json"])
            .succeed()?;
        let releases: Vec<Release> = parse(&listed.stdout, "helm list")?;
        releases
            .into_iter()
            .find(|known| known.name == release)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "there is no Helm release {release} in namespace {}",
                    self.namespace
                ))
                .advise("helm list --all-namespaces shows what there is.")
            })
    }

    /// Has new pods made, which read the new registration, and waits for them.
    pub(crate) fn restart(&self, clock: &SharedClock) -> Result<()> {
        let workload = self.workload.reference();
        let restart = || {
            let program = self.kubectl(["rollout", "restart"]).arg(&workload);
            program.to_its_end().run()
        };
        let mut restarted = restart()?;
        // A restart is a time stamp to the second, and the one before it may have failed at once. Older releases of kubectl
        // speak of an empty patch.
        let too_soon = ["within the past second", "empty patch"];
        if too_soon
            .iter()
            .any(|words| restarted.stderr.contains(words))
        {
            clock.sleep(Duration::from_secs(1));
            restarted = restart()?;
        }
        self.judge(restarted, "rollout restart")?;
        let status = self
            .kubectl(["rollout", "status"])
            .arg(&workload)
            .arg(format!("--timeout={}s", self.rollout_timeout.as_secs()))
            .limit(self.rollout_timeout + MARGIN)
            .to_its_end()
            .run()?;
        self.judge(status, "rollout status")
            .map(drop)
            .map_err(|err| {
                err.advise(format!(
                    "Look at kubectl -n {} describe {workload} and at the logs of its pods.",
                    self.namespace
                ))
            })
    }

    /// What each pod of the gateway has written since it was started, at most so many lines. A pod that is being ended is
    /// none of them.
    pub(crate) fn logs(&self, lines: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Selecting {
            spec: Selection,
        }
        #[derive(Deserialize)]
        struct Selection {
            selector: Selector,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Selector {
            #[serde(default)]
            match_labels: BTreeMap<String, String>,
        }
        #[derive(Deserialize)]
        struct Pods {
            items: Vec<Pod>,
        }
        #[derive(Deserialize)]
        struct Pod {
            metadata: PodMetadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PodMetadata {
            name: String,
            deletion_timestamp: Option<String>,
        }
        let kind = self.workload.kind.to_string();
        let selecting: Selecting = self.get(&kind, &self.workload.name)?;
        let labels: Vec<String> = selecting
            .spec
            .selector
            .match_labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        let listed = self
            .kubectl(["get", "pods"])
            .args(["--selector", &labels.join(","), "--output", "json"])
            .run()?;
        let listed = self.judge(listed, "get pods")?;
        let pods: Pods = parse(&listed.stdout, "kubectl")?;
        pods.items
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .map(|pod| {
                let log = self
                    .kubectl(["logs", "--all-containers"])
                    .arg(format!("--tail={lines}"))
                    .arg(&pod.metadata.name)
                    .run()?;
                self.judge(log, "logs").map(|log| log.stdout)
            })
            .collect()
    }

    /// When the certificate expires according to `flexctl` in a pod.
    pub(crate) fn inspect_inside(&self) -> Result<Timestamp> {
        let mut before: Vec<std::ffi::OsString> =
            self.location().into_iter().map(Into::into).collect();
        before.extend([
            "exec".into(),
            self.workload.reference().into(),
            "--".into(),
            "flexctl".into(),
        ]);
        Flexctl {
            program: "kubectl".into(),
            before,
            limit: LIMIT,
            hold: None,
            folder: None,
        }
        .inspect(None)
    }

    fn get<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<T> {
        let finished = self
            .kubectl(["get", kind])
            .args([name, "--output", "json"])
            .run()?;
        let finished = self.judge(finished, &format!("get {kind}"))?;
        parse(&finished.stdout, "kubectl")
    }

    fn kubectl<const N: usize>(&self, command: [&str; N]) -> Program {
        Program::new("kubectl")
            .args(self.location())
            .args(command)
            .limit(LIMIT)
    }

    fn location(&self) -> Vec<String> {
        let mut args = vec![format!("--namespace={}", self.namespace)];
        args.extend(
            self.context
                .as_ref()
                .map(|context| format!("--context={context}")),
        );
        args
    }

    fn helm<const N: usize>(&self, command: [&str; N]) -> Program {
        let context = self
            .context
            .as_ref()
            .map(|context| format!("--kube-context={context}"));
        Program::new("helm")
            .arg(format!("--namespace={}", self.namespace))
            .args(context)
            .args(command)
            .limit(LIMIT)
    }

    /// Works out what a failure means from the words of `kubectl`: its exit code is the same for all.
    fn judge(&self, finished: Finished, what: &str) -> Result<Finished> {
        if finished.status.success() {
            return Ok(finished);
        }
        let said = finished.last_words();
        let any = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let (kind, advice) = if any(&["(NotFound)"]) {
            (
                Kind::NotFound,
                "Check --namespace, --deployment (NAME, statefulset/NAME or daemonset/NAME), --secret and --context.",
            )
        } else if any(&["(Forbidden)", "(Unauthorized)", "You must be logged in"]) {
            (
                Kind::Credentials,
                "The user of this Kubernetes configuration needs get and patch on the Secret and on the deployment.",
            )
        } else if any(&[
            "connection refused",
            "no such host",
            "i/o timeout",
            "Unable to connect to the server",
            "was refused",
            "TLS handshake",
            "x509:",
            "(ServiceUnavailable)",
        ]) {
            (
                Kind::Unreachable,
                "Check that the cluster can be reached from here, and --context.",
            )
        } else if any(&["(Conflict)"]) {
            (
                Kind::Refused,
                "Somebody else has changed the Secret in the meantime: try again.",
            )
        } else {
            (Kind::Refused, "Try the same command by hand.")
        };
        Err(Error::new(kind, format!("kubectl {what}: {said}")).advise(advice))
    }

    fn shown_secret(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.secret)
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{} (kubernetes)",
            self.workload.kind, self.namespace, self.workload.name
        )
    }
}

/// The name and the version in NAME-VERSION, where both may hold hyphens: the version begins with the first digit behind
/// one.
fn split_chart(chart: &str) -> Option<(&str, &str)> {
    chart
        .match_indices('-')
        .map(|(at, _)| (&chart[..at], &chart[at + 1..]))
        .find(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn in_work(work: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let path = work.join(name);
    files::replace(&path, content, files::PRIVATE).map_err(|err| {
        Error::config(format!("{} cannot be written", path.display())).caused_by(err)
    })?;
    Ok(path)
}

fn parse<T: DeserializeOwned>(json: &str, whose: &str) -> Result<T> {
    // The message of the parser may quote a value of a Secret.
    serde_json::from_str(json).map_err(|_| {
        Error::new(
            Kind::Unreachable,
            format!("the answer of {whose} is not understood"),
        )
    })
}
