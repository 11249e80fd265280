//! The API of a Kubernetes cluster, as much as `kubectl` needs for Secrets and for restarting deployments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Request};
use crate::world::World;

/// The token of the simulated user.
pub const TOKEN: &str = "simulated-kubernetes-token-01";

/// The state of the cluster.
#[derive(Debug, Default)]
pub struct Kubernetes {
    /// Secrets by namespace and name.
    pub secrets: BTreeMap<(String, String), Secret>,
    /// Deployments by namespace and name.
    pub deployments: BTreeMap<(String, String), Deployment>,
    /// What pods have written, by namespace and name.
    pub pods: BTreeMap<(String, String), Pod>,
    /// Resources that the user may not touch, as `secrets`.
    pub forbidden: Vec<String>,
    /// Resources that the user may only read.
    pub read_only: Vec<String>,
    version: u64,
}

/// A pod of a gateway.
#[derive(Debug, Default, Clone)]
pub struct Pod {
    /// What it has written.
    pub log: String,
    /// Whether it is being ended.
    pub ending: bool,
}

/// A Secret.
#[derive(Debug, Default, Clone)]
pub struct Secret {
    /// Its content, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether its content can never be changed.
    pub immutable: bool,
    /// Raised by every change.
    pub version: u64,
}

/// What runs pods.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A deployment.
    #[default]
    Deployment,
    /// A stateful set.
    StatefulSet,
    /// A daemon set.
    DaemonSet,
}

impl Kind {
    const ALL: [(Kind, &str, &str, &str); 3] = [
        (Kind::Deployment, "deployments", "Deployment", "deploy"),
        (Kind::StatefulSet, "statefulsets", "StatefulSet", "sts"),
        (Kind::DaemonSet, "daemonsets", "DaemonSet", "ds"),
    ];

    fn of(plural: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|known| known.1 == plural)
            .map(|known| known.0)
    }

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|known| known.0 == self)
            .map_or("", |known| known.2)
    }
}

/// A deployment, or another object that runs pods.
#[derive(Debug, Default, Clone)]
pub struct Deployment {
    /// What it is.
    pub kind: Kind,
    /// The pod template as it is.
    pub template: Value,
    /// Raised by every change of the template.
    pub generation: u64,
    /// How often new pods were asked for.
    pub restarts: u32,
    /// How many of the next rollouts never come to their end.
    pub failing_rollouts: u32,
    /// Whether the rollout in progress is one of these.
    pub stuck: bool,
    /// Reads for which a rollout is still in progress.
    pub slow_reads: u32,
}

impl Kubernetes {
    /// Adds a deployment `name` that mounts the registration from the Secret `secret`, which gets `registration`.
    pub fn add_gateway(&mut self, namespace: &str, name: &str, secret: &str, registration: &str) {
        let data = BTreeMap::from([(
            "registration.yaml".to_owned(),
            registration.as_bytes().to_vec(),
        )]);
        self.secrets.insert(
            key(namespace, secret),
            Secret {
                data,
                version: 1,
                ..Secret::default()
            },
        );
        let template = json!({
            "metadata": { "labels": { "app": name } },
            "spec": {
                "containers": [ { "name": "app", "image": "mulesoft/flex-gateway:1.8.2" } ],
                "volumes": [
                    { "name": "tmp", "emptyDir": {} },
                    { "name": "registration", "secret": { "secretName": secret } }
                ]
            }
        });
        let deployment = Deployment {
            template,
            generation: 1,
            ..Deployment::default()
        };
        self.deployments.insert(key(namespace, name), deployment);
    }

    /// The registration in a Secret, as text.
    pub fn registration(&self, namespace: &str, secret: &str) -> Option<String> {
        let bytes = self
            .secrets
            .get(&key(namespace, secret))?
            .data
            .get("registration.yaml")?;
        String::from_utf8(bytes.clone()).ok()
    }
}

/// A configuration of `kubectl` for the cluster at `url`, whose certificate is signed by the one in the file `ca`.
pub fn kubeconfig(url: &str, ca: &std::path::Path) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "apiVersion: v1\nkind: Config\ncurrent-context: sim\nclusters:\n- name: sim\n  cluster:\n    server: {url}\n    \
         certificate-authority: {}\nusers:\n- name: sim\n  user:\n    token: {TOKEN}\ncontexts:\n- name: sim\n  \
         context:\n    cluster: sim\n    user: sim\n",
        ca.display()
    );
    text
}

fn key(namespace: &str, name: &str) -> (String, String) {
    (namespace.to_owned(), name.to_owned())
}

/// Answers a request.
pub fn answer(world: &mut World, request: &Request) -> Answer {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return status(401, "Unauthorized", "Unauthorized");
    }
    let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let cluster = &mut world.kubernetes;
    match (request.method.as_str(), &path[..]) {
        ("GET", ["api"]) => {
            Answer::json(200, &json!({ "kind": "APIVersions", "versions": ["v1"] }))
        }
        ("GET", ["apis"]) => Answer::json(200, &groups()),
        ("GET", ["api", "v1"]) => Answer::json(
            200,
            &all_resources(
                "v1",
                &[
                    resource("secrets", "Secret", &[]),
                    resource("pods", "Pod", &["po"]),
                ],
            ),
        ),
        (
            "POST",
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ],
        ) => cluster.review(request),
        ("GET", ["apis", "authorization.k8s.io", "v1"]) => Answer::json(
            200,
            &resources(
                "authorization.k8s.io/v1",
                "selfsubjectaccessreviews",
                "SelfSubjectAccessReview",
                &[],
            ),
        ),
        ("GET", ["apis", "apps", "v1"]) => Answer::json(
            200,
            &all_resources(
                "apps/v1",
                &Kind::ALL.map(|(_, plural, kind, short)| resource(plural, kind, &[short])),
            ),
        ),
        (method, ["api", "v1", "namespaces", namespace, "secrets", name]) => {
            if !cluster.may(method, "secrets") {
                return forbidden("secrets", name, method);
            }
            cluster.secret(method, namespace, name, request)
        }
        (method, ["apis", "apps", "v1", "namespaces", namespace, plural, name])
            if Kind::of(plural).is_some() =>
        {
            if !cluster.may(method, plural) {
                return forbidden(plural, name, method);
            }
            cluster.deployment(method, namespace, plural, name, request)
        }
        ("GET", ["apis", "apps", "v1", "namespaces", namespace, plural])
            if Kind::of(plural).is_some() =>
        {
            cluster.list_deployments(namespace, plural, request)
        }
        // kubectl asks after something was not found in it.
        ("GET", ["api", "v1", "namespaces", namespace]) => {
            if cluster
                .deployments
                .keys()
                .any(|(known, _)| known == namespace)
            {
                let metadata = json!({ "name": namespace });
                Answer::json(
                    200,
                    &json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": metadata }),
                )
            } else {
                not_found("namespaces", namespace)
            }
        }
        // kubectl looks for pods before it runs a command in one.
        ("GET", ["api", "v1", "namespaces", namespace, "pods", rest @ ..]) => {
            if !cluster.may("GET", "pods") {
                return forbidden("pods", rest.first().unwrap_or(&""), "GET");
            }
            cluster.pods(namespace, rest)
        }
        ("GET", ["version"]) => Answer::json(
            200,
            &json!({ "major": "1", "minor": "32", "gitVersion": "v1.32.0" }),
        ),
        ("GET", ["openapi", ..]) => status(
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        _ => status(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
        .unexpected(format!("route {} {}", request.method, request.path)),
    }
}

impl Kubernetes {
    fn may(&self, verb: &str, resource: &str) -> bool {
        let is_in = |list: &[String]| list.iter().any(|kind| kind == resource);
        let reads = matches!(verb.to_lowercase().as_str(), "get" | "list" | "watch");
        !is_in(&self.forbidden) && (reads || !is_in(&self.read_only))
    }

    /// Answers `kubectl auth can-i`, which asks in Kubernetes' form of protocol buffers, in older versions in JSON, and reads
    /// JSON as well.
    fn review(&self, request: &Request) -> Answer {
        // `Unknown.raw`, in it `SelfSubjectAccessReview.spec`, in that `resourceAttributes`, with `verb` and `resource`:
        // <https://github.com/kubernetes/api/blob/master/authorization/v1/generated.proto>.
        let asked = request
            .body
            .strip_prefix(b"k8s\0")
            .and_then(|unknown| field(field(field(unknown, 2)?, 2)?, 1));
        let text = |number| std::str::from_utf8(field(asked?, number)?).ok();
        let json = request.json().unwrap_or_default();
        let in_json = |name| json["spec"]["resourceAttributes"][name].as_str();
        let (verb, resource) = (
            text(2).or_else(|| in_json("verb")),
            text(5).or_else(|| in_json("resource")),
        );
        let (Some(verb), Some(resource)) = (verb, resource) else {
            return status(400, "BadRequest", "the body is no review of an access");
        };
        let allowed = self.may(verb, resource);
        Answer::json(
            201,
            &json!({
                "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
                "spec": {}, "status": { "allowed": allowed },
            }),
        )
    }

    fn secret(&mut self, method: &str, namespace: &str, name: &str, request: &Request) -> Answer {
        let Some(secret) = self.secrets.get_mut(&key(namespace, name)) else {
            return not_found("secrets", name);
        };
        match method {
            "GET" => Answer::json(200, &secret.json(namespace, name)),
            "PATCH" => {
                let Ok(patch) = request.json() else {
                    return status(400, "BadRequest", "the body is no JSON");
                };
                let wanted = patch["metadata"]["resourceVersion"].as_str();
                if wanted.is_some_and(|wanted| wanted != secret.version.to_string()) {
                    return status(
                        409,
                        "Conflict",
                        &format!(
                            "Operation cannot be fulfilled on secrets \"{name}\": the object has been modified; please \
                             apply your changes to the latest version and try again"
                        ),
                    );
                }
                if secret.immutable {
                    let message = format!(
                        "Secret \"{name}\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
                    );
                    return status(422, "Invalid", &message);
                }
                let empty = Map::new();
                for (key, value) in patch["data"].as_object().unwrap_or(&empty) {
                    if value.is_null() {
                        secret.data.remove(key);
                        continue;
                    }
                    let Some(bytes) = value
                        .as_str()
                        .and_then(|text| BASE64_STANDARD.decode(text).ok())
                    else {
                        return status(422, "Invalid", "data is no base64");
                    };
                    secret.data.insert(key.clone(), bytes);
                }
                secret.version += 1;
                Answer::json(200, &secret.json(namespace, name))
            }
            _ => status(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        }
    }

    fn deployment(
        &mut self,
        method: &str,
        namespace: &str,
        plural: &str,
        name: &str,
        request: &Request,
    ) -> Answer {
        self.version += 1;
        let version = self.version;
        let found = self.deployments.get_mut(&key(namespace, name));
        let Some(deployment) = found.filter(|found| Kind::of(plural) == Some(found.kind)) else {
            return not_found(&format!("{plural}.apps"), name);
        };
        match method {
            "GET" => Answer::json(200, &deployment.json(namespace, name, version)),
            "PATCH" => {
                let Ok(patch) = request.json() else {
                    return status(400, "BadRequest", "the body is no JSON");
                };
                let template = &patch["spec"]["template"];
                if template.is_object() {
                    merge(&mut deployment.template, template);
                    deployment.generation += 1;
                    deployment.restarts += 1;
                    deployment.stuck = deployment.failing_rollouts > 0;
                    deployment.failing_rollouts = deployment.failing_rollouts.saturating_sub(1);
                }
                Answer::json(200, &deployment.json(namespace, name, version))
            }
            _ => status(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ),
        }
    }

    fn pods(&self, namespace: &str, rest: &[&str]) -> Answer {
        let found = |name: &str| self.pods.get(&key(namespace, name));
        match rest {
            [] => {
                let items: Vec<Value> = self
                    .pods
                    .iter()
                    .filter(|((space, _), _)| space == namespace)
                    .map(|((_, name), pod)| pod.json(namespace, name))
                    .collect();
                let list = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items });
                Answer::json(200, &list)
            }
            [name] => match found(name) {
                Some(pod) => Answer::json(200, &pod.json(namespace, name)),
                None => not_found("pods", name),
            },
            [name, "log"] => match found(name) {
                Some(pod) => Answer::text(200, &pod.log),
                None => not_found("pods", name),
            },
            _ => status(
                404,
                "NotFound",
                "the server could not find the requested resource",
            )
            .unexpected(format!("pods {}", rest.join("/"))),
        }
    }

    /// What `rollout status` asks for. A watch ends at once; clients list again then.
    fn list_deployments(&mut self, namespace: &str, plural: &str, request: &Request) -> Answer {
        if request.param("watch").is_some() {
            return Answer::empty(200).header("Content-Type", "application/json");
        }
        self.version += 1;
        let wanted = request
            .param("fieldSelector")
            .and_then(|selector| selector.strip_prefix("metadata.name="));
        let version = self.version;
        let items: Vec<Value> = self
            .deployments
            .iter_mut()
            .filter(|((space, name), found)| {
                space == namespace
                    && wanted.is_none_or(|wanted| wanted == name)
                    && Kind::of(plural) == Some(found.kind)
            })
            .map(|((space, name), deployment)| {
                let json = deployment.json(space, name, version);
                deployment.slow_reads = deployment.slow_reads.saturating_sub(1);
                json
            })
            .collect();
        Answer::json(
            200,
            &json!({
                "kind": format!("{}List", Kind::of(plural).unwrap_or_default().name()), "apiVersion": "apps/v1",
                "metadata": { "resourceVersion": version.to_string() }, "items": items,
            }),
        )
    }
}

impl Secret {
    fn json(&self, namespace: &str, name: &str) -> Value {
        let data: BTreeMap<&String, String> = self
            .data
            .iter()
            .map(|(key, bytes)| (key, BASE64_STANDARD.encode(bytes)))
            .collect();
        json!({
            "kind": "Secret", "apiVersion": "v1", "type": "Opaque",
            "metadata": {
                "name": name, "namespace": namespace, "resourceVersion": self.version.to_string(),
                "labels": self.labels, "annotations": self.annotations,
            },
            "data": data, "immutable": self.immutable,
        })
    }
}

impl Pod {
    fn json(&self, namespace: &str, name: &str) -> Value {
        let mut metadata =
            json!({ "name": name, "namespace": namespace, "labels": { "app": "ingress" } });
        if self.ending {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        json!({
            "kind": "Pod", "apiVersion": "v1", "metadata": metadata,
            "spec": { "containers": [ { "name": "app", "image": "mulesoft/flex-gateway:1.8.2" } ] },
            "status": { "phase": "Running" },
        })
    }
}

impl Deployment {
    fn json(&self, namespace: &str, name: &str, version: u64) -> Value {
        let mut status = json!({
            "observedGeneration": self.generation,
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "currentRevision": "r", "updateRevision": "r",
            "desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1,
            "conditions": [ { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" } ],
        });
        if self.stuck {
            status["conditions"] = json!([
                { "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded" }
            ]);
            status["updatedReplicas"] = json!(0);
        } else if self.slow_reads > 0 {
            status["updatedReplicas"] = json!(0);
        }
        json!({
            "kind": self.kind.name(), "apiVersion": "apps/v1",
            "metadata": {
                "name": name, "namespace": namespace, "generation": self.generation,
                "resourceVersion": version.to_string(), "uid": "0d000000-0000-4000-8000-000000000001",
            },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": { "app": name } },
                "strategy": { "type": "RollingUpdate" },
                "updateStrategy": { "type": "RollingUpdate" },
                "template": self.template,
            },
            "status": status,
        })
    }
}

/// The first field of this number in a message of protocol buffers, if it is one that has a length.
fn field(mut message: &[u8], number: u64) -> Option<&[u8]> {
    fn varint(message: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = message.split_first()?;
            *message = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    loop {
        let key = varint(&mut message)?;
        let length = match key & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (content, rest) = message.split_at_checked(length)?;
        if key == number << 3 | 2 {
            return Some(content);
        }
        message = rest;
    }
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

fn groups() -> Value {
    let group = |name: &str| {
        let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
        json!({ "name": name, "versions": [version], "preferredVersion": version })
    };
    json!({
        "kind": "APIGroupList", "apiVersion": "v1",
        "groups": [ group("apps"), group("authorization.k8s.io") ],
    })
}

fn resources(group_version: &str, name: &str, kind: &str, short: &[&str]) -> Value {
    all_resources(group_version, &[resource(name, kind, short)])
}

fn all_resources(group_version: &str, resources: &[Value]) -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    })
}

fn resource(name: &str, kind: &str, short: &[&str]) -> Value {
    json!({
        "name": name, "singularName": kind.to_lowercase(), "namespaced": true, "kind": kind, "shortNames": short,
        "verbs": ["get", "list", "patch", "watch"],
    })
}

fn not_found(kind: &str, name: &str) -> Answer {
    let (plain, group) = kind.split_once('.').unwrap_or((kind, ""));
    failure(
        404,
        "NotFound",
        &format!("{kind} \"{name}\" not found"),
        &json!({ "name": name, "group": group, "kind": plain }),
    )
}

fn forbidden(kind: &str, name: &str, method: &str) -> Answer {
    let verb = method.to_lowercase();
    let message = format!(
        "{kind} \"{name}\" is forbidden: User \"sim\" cannot {verb} resource \"{kind}\" in API group \"\""
    );
    status(403, "Forbidden", &message)
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    failure(code, reason, message, &json!({}))
}

fn failure(code: u16, reason: &str, message: &str, details: &Value) -> Answer {
    Answer::json(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code,
        }),
    )
}
