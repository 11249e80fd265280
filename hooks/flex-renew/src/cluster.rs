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

/// The namespace and deployment of the documented installation.
const NAMESPACE: &str = "gateway";
const DEPLOYMENT: &str = "ingress";

/// The volume that the documented deployment mounts the registration from.
const VOLUME: &str = "registration";

const CHART: &str = "flex-gateway/flex-gateway";

/// Limit on a question to the cluster.
const LIMIT: Duration = Duration::from_secs(60);

/// Limit on a rollout, which waits for new pods.
const ROLLOUT: &str = "5m";
const ROLLOUT_LIMIT: Duration = Duration::from_secs(5 * 60 + 30);

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
    deployment: String,
    secret: String,
    chart: String,
    helm: Option<Helm>,
}

#[derive(Debug, Clone)]
struct Helm {
    release: String,
    chart: String,
}

/// A Secret as it was read; an update of an older one is refused.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) files: Files,
    version: String,
    managed_by: Option<String>,
    release: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
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
    /// How messages call the gateway.
    pub(crate) fn name(&self) -> String {
        format!(
            "{}/{}",
            self.namespace.as_deref().unwrap_or(NAMESPACE),
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
    pub(crate) fn find(given: &Coordinates) -> Result<Self> {
        let or = |given: &Option<String>, default: &str| {
            given.clone().unwrap_or_else(|| default.to_owned())
        };
        let chart = or(&given.chart, CHART);
        let mut cluster = Self {
            context: given.context.clone(),
            namespace: or(&given.namespace, NAMESPACE),
            deployment: or(&given.deployment, DEPLOYMENT),
            secret: String::new(),
            helm: given.release.clone().map(|release| Helm {
                release,
                chart: chart.clone(),
            }),
            chart,
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
            self.namespace, self.deployment, self.secret
        );
        if let Some(context) = &self.context {
            name.insert_str("kubernetes/".len(), &format!("{context}/"));
        }
        name
    }

    fn mounted_secret(&self) -> Result<String> {
        let deployment: Deployment = self.get("deployment", &self.deployment)?;
        let volumes = deployment.spec.template.spec.volumes;
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
                "deployment {}/{} has no volume {VOLUME} from a Secret",
                self.namespace, self.deployment
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
            managed_by: value(&secret.metadata.labels, "app.kubernetes.io/managed-by"),
            release: value(&secret.metadata.annotations, "meta.helm.sh/release-name"),
        })
    }

    /// Settles whether `helm` puts the registration back. It has to where a release made the Secret: the next
    /// `helm upgrade` would bring the old one back otherwise.
    pub(crate) fn settle(&mut self, stored: &Stored, log: &Log) -> Result<()> {
        if self.helm.is_some() {
            return if process::exists("helm") {
                Ok(())
            } else {
                Err(
                    Error::not_found("helm is not installed, while a release is given").advise(
                        "Install helm, or leave out --release to let kubectl replace the Secret.",
                    ),
                )
            };
        }
        if stored.managed_by.as_deref() != Some("Helm") {
            return Ok(());
        }
        match &stored.release {
            Some(release) if process::exists("helm") => {
                log.info(format!("the Secret belongs to the Helm release {release}, so helm replaces it"));
                self.helm = Some(Helm {
                    release: release.clone(),
                    chart: self.chart.clone(),
                });
            }
            _ => log.warn(format!(
                "{} belongs to a Helm release, and helm is not used here: the next helm upgrade must be given the new \
                 file (--set-file registration.content=…), or it puts the old registration back",
                self.shown_secret()
            )),
        }
        Ok(())
    }

    /// Replaces the registration. `work` is a folder of ours for what must not be an argument.
    pub(crate) fn install(&self, new: &Files, work: &Path) -> Result<()> {
        match &self.helm {
            Some(helm) => self.upgrade(helm, new, work),
            None => self.patch(new, work),
        }
    }

    fn patch(&self, new: &Files, work: &Path) -> Result<()> {
        let version = self.read()?.version;
        let mut data = BTreeMap::from([(
            FILE_NAME.to_owned(),
            BASE64_STANDARD.encode(&new.registration),
        )]);
        data.extend(
            new.others
                .iter()
                .map(|(name, bytes)| (name.clone(), BASE64_STANDARD.encode(bytes))),
        );
        let patch = serde_json::json!({ "metadata": { "resourceVersion": version }, "data": data });
        let path = in_work(work, "patch.json", patch.to_string().as_bytes())?;
        let finished = self
            .kubectl(["patch", "secret"])
            .args([&self.secret, "--type=merge"])
            .arg("--patch-file")
            .arg(&path)
            .run();
        let _ = std::fs::remove_file(&path);
        self.judge(finished?, "patch secret").map(drop)
    }

    /// The chart and its version stay: an upgrade without version would move to the newest.
    fn upgrade(&self, helm: &Helm, new: &Files, work: &Path) -> Result<()> {
        if !new.others.is_empty() {
            return Err(Error::config(
                "a split registration cannot be given to the chart, which takes one file",
            )
            .advise(
                "Register the gateway with --split=false, or manage the Secret without Helm.",
            ));
        }
        let version = self.chart_version(helm)?;
        let path = in_work(work, "content.yaml", &new.registration)?;
        let mut content = std::ffi::OsString::from("registration.content=");
        content.push(&path);
        let finished = self
            .helm(["upgrade"])
            .args([
                &helm.release,
                &helm.chart,
                "--version",
                &version,
                "--reuse-values",
                "--wait",
            ])
            .arg("--set-file")
            .arg(content)
            .limit(ROLLOUT_LIMIT)
            .succeed();
        let _ = std::fs::remove_file(&path);
        finished.map(drop)
    }

    fn chart_version(&self, helm: &Helm) -> Result<String> {
        #[derive(Deserialize)]
        struct Release {
            name: String,
            chart: String,
        }
        let filter = format!("^{}$", helm.release);
        let listed = self
            .helm(["list"])
            .args(["--filter", &filter, "--output", "json"])
            .succeed()?;
        let releases: Vec<Release> = parse(&listed.stdout, "helm list")?;
        let release = releases
            .iter()
            .find(|known| known.name == helm.release)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "there is no Helm release {} in namespace {}",
                    helm.release, self.namespace
                ))
                .advise("helm list --all-namespaces shows what there is.")
            })?;
        // NAME-VERSION, where both may hold hyphens: the version begins with the first digit behind one.
        let chart = &release.chart;
        chart
            .match_indices('-')
            .map(|(at, _)| &chart[at + 1..])
            .find(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::new(
                    Kind::Refused,
                    format!("helm list names no version in {chart}"),
                )
            })
    }

    /// Has new pods made, which read the new registration, and waits for them.
    pub(crate) fn restart(&self, clock: &SharedClock) -> Result<()> {
        let deployment = format!("deployment/{}", self.deployment);
        let restart = || self.kubectl(["rollout", "restart"]).arg(&deployment).run();
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
            .arg(&deployment)
            .arg(format!("--timeout={ROLLOUT}"))
            .limit(ROLLOUT_LIMIT)
            .run()?;
        self.judge(status, "rollout status")
            .map(drop)
            .map_err(|err| {
                err.advise(format!(
                    "Look at kubectl -n {} describe {deployment} and at the logs of its pods.",
                    self.namespace
                ))
            })
    }

    /// When the certificate expires according to `flexctl` in a pod.
    pub(crate) fn inspect_inside(&self) -> Result<Timestamp> {
        let mut before: Vec<std::ffi::OsString> =
            self.location().into_iter().map(Into::into).collect();
        before.extend([
            "exec".into(),
            format!("deployment/{}", self.deployment).into(),
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
                "Check --namespace, --deployment, --secret and --context.",
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
            "deployment {}/{} (kubernetes)",
            self.namespace, self.deployment
        )
    }
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
