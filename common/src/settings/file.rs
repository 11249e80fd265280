//! The TOML configuration file: what may stand in it.
//!
//! One file serves all programs, so all tables are known here; an unknown key is an error that names key and line.
//! A single value is looked up by [`crate::settings`] under its dotted name; lists are read from [`Config`].

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::system::files;

const LARGEST: u64 = 1024 * 1024;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What every program uses to reach the network.
    pub network: Network,
    /// What every Anypoint program uses.
    pub anypoint: Anypoint,
    /// `dns_cf`.
    pub dns_cf: DnsCf,
    /// `cloudhub_v2`.
    pub cloudhub_v2: CloudhubV2,
    /// `flex-renew`.
    pub flex: Flex,
    /// `basic-auth-policy`.
    pub basic_auth_policy: BasicAuthPolicy,
}

/// `[network]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// PEM file of certificates to trust beside the system's.
    pub ca_bundle: Option<String>,
    /// Folder of such files.
    pub ca_path: Option<String>,
    /// `90s`: limit on making a connection.
    pub connect_timeout: Option<String>,
    /// `90s`: limit on one request.
    pub request_timeout: Option<String>,
    /// `90s`: limit on all requests for one target.
    pub deadline: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
}

/// `[anypoint]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Anypoint {
    /// Address of the control plane.
    pub url: Option<String>,
    /// Organization or business group, name or id.
    pub organization: Option<String>,
    /// Environment, name or id.
    pub environment: Option<String>,
    /// Client id of the connected app.
    pub client_id: Option<String>,
    /// File that holds its secret.
    pub client_secret_file: Option<String>,
    /// Environment variable that holds its secret.
    pub client_secret_env: Option<String>,
}

/// `[dns_cf]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DnsCf {
    /// File that holds the API token.
    pub token_file: Option<String>,
    /// Environment variable that holds the API token.
    pub token_env: Option<String>,
    /// File that holds the token that reads zones.
    pub zone_token_file: Option<String>,
    /// Environment variable that holds the token that reads zones.
    pub zone_token_env: Option<String>,
    /// File that holds the global API key.
    pub key_file: Option<String>,
    /// Environment variable that holds the global API key.
    pub key_env: Option<String>,
    /// Account e-mail address that belongs to the key.
    pub email: Option<String>,
    /// Account id, 32 hexadecimal digits.
    pub account_id: Option<String>,
    /// Zone id, 32 hexadecimal digits.
    pub zone_id: Option<String>,
    /// Base URL of the API.
    pub api: Option<String>,
    /// Lifetime of new TXT records in seconds.
    pub ttl: Option<u32>,
}

/// `[cloudhub_v2]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloudhubV2 {
    /// One or several private spaces, name or id.
    pub private_space: Option<OneOrMany>,
    /// Client id of the connected app.
    pub client_id: Option<String>,
    /// File that holds its secret.
    pub client_secret_file: Option<String>,
    /// Environment variable that holds its secret.
    pub client_secret_env: Option<String>,
    /// Name of the TLS context instead of the one made from the domain.
    pub tls_context_name: Option<String>,
    /// File that holds the passphrase of the private key.
    pub key_passphrase_file: Option<String>,
    /// PEM file of the trust store for client authentication.
    pub truststore: Option<String>,
    /// Ciphers to switch on, all others off.
    pub ciphers: Option<String>,
    /// Prove by a handshake that the new certificate is served.
    pub verify: Option<bool>,
    /// How many targets are worked on side by side.
    pub workers: Option<usize>,
    /// Requests per second to one control plane; 0 for as many as possible.
    pub rate: Option<u32>,
    /// Private spaces to serve, each with its own account.
    pub target: Vec<CloudhubTarget>,
}

/// `[[cloudhub_v2.target]]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloudhubTarget {
    /// Name of the target in the output; the private space unless given.
    pub name: Option<String>,
    /// Address of the control plane.
    pub url: Option<String>,
    /// Organization or business group, name or id.
    pub organization: Option<String>,
    /// Private space, name or id.
    pub private_space: Option<OneOrMany>,
    /// Client id of the connected app.
    pub client_id: Option<String>,
    /// File that holds its secret.
    pub client_secret_file: Option<String>,
    /// Environment variable that holds its secret.
    pub client_secret_env: Option<String>,
    /// Name of the TLS context instead of the one made from the domain.
    pub tls_context_name: Option<String>,
    /// PEM file of the trust store for client authentication.
    pub truststore: Option<String>,
    /// Ciphers to switch on, all others off.
    pub ciphers: Option<String>,
    /// Domains that this target takes, as `*.acme.example`; all unless given.
    pub domains: Vec<String>,
}

/// `[flex]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flex {
    /// Client id of the connected app that `flexctl` uses.
    pub client_id: Option<String>,
    /// File that holds its secret.
    pub client_secret_file: Option<String>,
    /// Environment variable that holds its secret.
    pub client_secret_env: Option<String>,
    /// User that `flexctl` uses instead of a connected app.
    pub username: Option<String>,
    /// File that holds the user's password.
    pub password_file: Option<String>,
    /// Environment variable that holds the user's password.
    pub password_env: Option<String>,
    /// The `flexctl` program.
    pub flexctl: Option<String>,
    /// `5m`: limit on one call of `flexctl`.
    pub flexctl_timeout: Option<String>,
    /// Container image that holds `flexctl`.
    pub image: Option<String>,
    /// `linux`, `docker`, `podman` or `kubernetes`.
    pub runtime: Option<String>,
    /// Command that restarts the gateway.
    pub restart_cmd: Option<String>,
    /// Folder for backups and work in progress.
    pub state_dir: Option<String>,
    /// How many old registrations are kept.
    pub keep: Option<usize>,
    /// How long before the expiry a registration is due.
    pub within: Option<String>,
    /// How many gateways are worked on side by side.
    pub workers: Option<usize>,
    /// The gateways that `run` takes care of.
    pub gateway: Vec<FlexGateway>,
}

/// `[[flex.gateway]]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlexGateway {
    /// Name in the output; the path of the registration unless given.
    pub name: Option<String>,
    /// The registration file.
    pub file: Option<String>,
    /// `linux`, `docker`, `podman` or `kubernetes`.
    pub runtime: Option<String>,
    /// The `flexctl` program.
    pub flexctl: Option<String>,
    /// Container image that holds `flexctl`.
    pub image: Option<String>,
    /// Container, or systemd unit, to restart; one or several.
    pub restart: Option<OneOrMany>,
    /// Command that restarts the gateway instead.
    pub restart_cmd: Option<String>,
    /// Leave the restart to somebody else.
    pub no_restart: Option<bool>,
    /// Kubernetes namespace.
    pub namespace: Option<String>,
    /// Kubernetes deployment.
    pub deployment: Option<String>,
    /// Kubernetes Secret that holds the registration; the one that the deployment mounts unless given.
    pub secret: Option<String>,
    /// Helm release.
    pub release: Option<String>,
    /// Helm chart of the release.
    pub chart: Option<String>,
    /// Context of the Kubernetes configuration.
    pub context: Option<String>,
    /// Where `flexctl` runs for a gateway in Kubernetes: `linux`, `docker` or `podman`.
    pub via: Option<String>,
    /// How long before the expiry the registration is due.
    pub within: Option<String>,
    /// Also update the environment URLs in the registration.
    pub update_urls: Option<bool>,
    /// Client id of the connected app that `flexctl` uses.
    pub client_id: Option<String>,
    /// File that holds its secret.
    pub client_secret_file: Option<String>,
    /// Environment variable that holds its secret.
    pub client_secret_env: Option<String>,
    /// User that `flexctl` uses instead of a connected app.
    pub username: Option<String>,
    /// File that holds the user's password.
    pub password_file: Option<String>,
    /// Environment variable that holds the user's password.
    pub password_env: Option<String>,
}

/// `[basic_auth_policy]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BasicAuthPolicy {
    /// API instance id.
    pub api_instance: Option<u64>,
    /// Environment, name or id.
    pub environment: Option<String>,
    /// User of the policy.
    pub username: Option<String>,
    /// File that holds the password of the policy.
    pub password_file: Option<String>,
    /// Environment variable that holds the password of the policy.
    pub password_env: Option<String>,
    /// Label of the API instance, where an API has several.
    pub label: Option<String>,
    /// Version of the policy instead of the latest.
    pub policy_version: Option<String>,
    /// Place among the policies of the API, from 1.
    pub order: Option<u32>,
    /// Only for these methods.
    pub methods: Vec<String>,
    /// Only for paths that one of these regular expressions matches.
    pub paths: Vec<String>,
    /// Accept a password that is easy to guess.
    pub allow_weak: Option<bool>,
}

/// One string or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One, or several separated by commas.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The entries, trimmed, without empty ones.
    pub fn entries(&self) -> Vec<String> {
        let all: Vec<&str> = match self {
            OneOrMany::One(text) => text.split(',').collect(),
            OneOrMany::Many(list) => list.iter().map(String::as_str).collect(),
        };
        all.into_iter()
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// A configuration file that has been read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub config: Config,
    table: toml::Table,
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// Not found, or configuration: the line and what is wrong there.
    pub fn load(path: &Path) -> Result<Self> {
        let text = files::read_text("the configuration file", path, LARGEST)?;
        Self::parse(path, &text)
    }

    /// Reads `text`, which stands in the file at `path`.
    ///
    /// # Errors
    ///
    /// Configuration: the line and what is wrong there.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |err: toml::de::Error| {
            let line = err.span().map_or(String::new(), |span| {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!(", line {line}")
            });
            // The message alone: the long form quotes the line, which may hold a value.
            Error::config(format!("{}{line}: {}", path.display(), err.message())).advise(
                "The README lists the tables and keys that the configuration file may hold.",
            )
        };
        Ok(Self {
            path: path.to_owned(),
            config: toml::from_str(text).map_err(wrong)?,
            table: toml::from_str(text).map_err(wrong)?,
        })
    }

    /// The value under a dotted name such as `dns_cf.zone_id`, as text; lists joined by commas.
    pub fn value(&self, dotted: &str) -> Option<String> {
        let (table, key) = dotted.split_once('.')?;
        text_of(self.table.get(table)?.get(key)?)
    }

    /// A path that stands in the file: relative ones start from the file's folder.
    pub fn path_of(&self, path: &str) -> PathBuf {
        files::folder_of(&self.path).join(path)
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(list) => Some(
            list.iter()
                .filter_map(text_of)
                .collect::<Vec<_>>()
                .join(","),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let err = ConfigFile::parse(
            Path::new("hooks.toml"),
            "[dns_cf]\nzone_id = \"0\"\nzoneid = \"1\"\n",
        )
        .unwrap_err();
        let text = err.to_string();
        assert!(text.starts_with("hooks.toml, line 3: "), "{text}");
        assert!(text.contains("`zoneid`"), "{text}");
    }

    #[test]
    fn values_are_found_by_their_dotted_name() {
        let file = ConfigFile::parse(
            Path::new("/etc/hooks.toml"),
            "[dns_cf]\nttl = 120\n[cloudhub_v2]\nprivate_space = [\"a\", \"b\"]\nverify = true\n",
        )
        .unwrap();
        assert_eq!(file.value("dns_cf.ttl").as_deref(), Some("120"));
        assert_eq!(
            file.value("cloudhub_v2.private_space").as_deref(),
            Some("a,b")
        );
        assert_eq!(file.value("cloudhub_v2.verify").as_deref(), Some("true"));
        assert_eq!(file.value("cloudhub_v2.client_id"), None);
        assert_eq!(file.path_of("key"), Path::new("/etc/key"));
        assert_eq!(file.path_of("/key"), Path::new("/key"));
    }
}
