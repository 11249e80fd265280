//! Registrations of Flex Gateways, composed for tests: the real layout of the certificate part is not published.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::pki::{Authority, Leaf, Validity};

/// What a gateway in Connected Mode logs in with, beside its certificate.
pub const CLIENT_SECRET: &str = "canary-of-a-registration-26";

/// Whose registration it is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Id of the gateway.
    pub agent: String,
    /// Name of the gateway.
    pub name: String,
    /// Id of the organization.
    pub organization: String,
    /// Id of the environment.
    pub environment: String,
    /// Address of the control plane.
    pub platform: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            agent: "2f0c6f3e-0000-4000-8000-000000000001".to_owned(),
            name: "edge-1".to_owned(),
            organization: crate::seed::ORGANIZATION_ID.to_owned(),
            environment: crate::seed::PRODUCTION_ID.to_owned(),
            platform: "https://anypoint.mulesoft.com".to_owned(),
        }
    }
}

/// How certificate and key stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// PEM in block scalars.
    Pem,
    /// Base64 of PEM.
    Base64,
    /// Base64 of DER, in a second YAML document.
    Der,
    /// The certificate in a file of its own.
    Split,
}

impl Layout {
    /// Reads `pem`, `base64`, `der`, `split`.
    ///
    /// # Errors
    ///
    /// Another word.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "pem" => Self::Pem,
            "base64" => Self::Base64,
            "der" => Self::Der,
            "split" => Self::Split,
            _ => bail!("no layout {text:?}"),
        })
    }
}

/// `registration.yaml`, and `certificate.yaml` where the layout has it.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The first file.
    pub registration: String,
    /// The second file.
    pub certificate: Option<String>,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A certificate that has been in use for long, and its key, that end at `not_after` (seconds since 1970).
///
/// # Errors
///
/// The certificate cannot be made.
pub fn material(identity: &Identity, not_after: u64) -> Result<Leaf> {
    let validity = Validity {
        not_before: not_after.min(now()).saturating_sub(400 * 24 * 60 * 60),
        not_after,
    };
    Authority::root("Managed PKI")?.leaf(&[&identity.agent], validity)
}

/// A certificate that was issued just now, and its key, that end at `not_after` (seconds since 1970).
///
/// # Errors
///
/// The certificate cannot be made.
pub fn fresh(identity: &Identity, not_after: u64) -> Result<Leaf> {
    let validity = Validity {
        not_before: not_after.min(now()).saturating_sub(60),
        not_after,
    };
    Authority::root("Managed PKI")?.leaf(&[&identity.agent], validity)
}

/// A whole registration that ends at `not_after`.
///
/// # Errors
///
/// The certificate cannot be made.
pub fn compose(identity: &Identity, layout: Layout, not_after: u64) -> Result<Composed> {
    arrange(identity, layout, &material(identity, not_after)?)
}

/// A registration of given certificate and key.
///
/// # Errors
///
/// They are no PEM.
pub fn arrange(identity: &Identity, layout: Layout, leaf: &Leaf) -> Result<Composed> {
    let Identity {
        agent,
        name,
        organization,
        environment,
        platform,
    } = identity;
    let head = format!(
        "---\napiVersion: gateway.mulesoft.com/v1alpha1\nkind: Configuration\nmetadata:\n  name: registration\nspec:\n  \
         platformConnection:\n    agentId: {agent}\n    assetName: {name}\n    mode: online\n    clientId: 26c1\n    \
         clientSecret: {CLIENT_SECRET}\n    anypoint:\n      \
         url: {platform}\n      organizationId: {organization}\n      environmentId: {environment}\n"
    );
    let (cert, key) = (&leaf.cert_pem, &leaf.key_pem);
    let encoded = |pem: &str| BASE64_STANDARD.encode(pem);
    let (registration, certificate) = match layout {
        Layout::Pem => (
            format!(
                "{head}    certificate:\n{}{}",
                block("cert", cert),
                block("key", key)
            ),
            None,
        ),
        Layout::Base64 => (
            format!(
                "{head}    certificate:\n      cert: {}\n      key: {}\n",
                encoded(cert),
                encoded(key)
            ),
            None,
        ),
        Layout::Der => (
            format!(
                "{head}---\napiVersion: gateway.mulesoft.com/v1alpha1\nkind: Certificate\ndata:\n- {}\n- {}\n",
                body(cert)?,
                body(key)?
            ),
            None,
        ),
        Layout::Split => (
            format!("{head}    certificate:\n{}", block("key", key)),
            Some(format!(
                "apiVersion: gateway.mulesoft.com/v1alpha1\nkind: Configuration\nmetadata:\n  name: certificate\nspec:\n  \
                 certificate:\n{}",
                block("cert", cert)
            )),
        ),
    };
    Ok(Composed {
        registration,
        certificate,
    })
}

fn block(name: &str, pem: &str) -> String {
    let lines: String = pem
        .lines()
        .map(|line| format!("        {line}\n"))
        .collect();
    format!("      {name}: |\n{lines}")
}

fn body(pem: &str) -> Result<String> {
    let lines: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    (!lines.is_empty())
        .then_some(lines)
        .context("an empty PEM block")
}
