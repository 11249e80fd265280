//! Exchange: the asset behind an API instance.

use serde::Deserialize;

use super::directory::OrganizationId;
use super::{Client, Permission, refusal, said};
use crate::error::{Error, Kind, Result};
use crate::net::http::{Repeat, segment};

/// Reading assets.
pub const VIEW_ASSETS: Permission = Permission {
    purpose: "to look for the asset in Exchange",
    scopes: &[("Exchange Viewer", "view:exchange")],
};

/// Creating assets.
pub const CREATE_ASSETS: Permission = Permission {
    purpose: "to create the asset in Exchange",
    scopes: &[("Exchange Contributor", "edit:exchange")],
};

/// Name and version of an asset in an organization's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetName {
    /// Its group, which for an organization's own assets is the organization.
    pub organization: OrganizationId,
    /// Lower-case letters, digits and hyphens.
    pub asset: String,
    /// As `1.0.0`.
    pub version: String,
}

/// An asset that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// `http-api`, `rest-api`, …
    pub kind: Option<String>,
    /// Its version.
    pub version: String,
}

/// What came of creating an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is there, or will be in a moment.
    Yes,
    /// This version exists, or existed once: a deleted version can never be published again.
    VersionTaken,
}

/// The asset id that Exchange's own screens make of a display name: lower case, hyphens for everything else.
pub fn asset_id(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}

impl Client {
    /// One version of an asset, if it is there.
    ///
    /// `GET /exchange/api/v2/assets/GROUP/ASSET/VERSION/asset`
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn asset(&self, name: &AssetName) -> Result<Option<Asset>> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(rename = "type")]
            kind: Option<String>,
            version: Option<String>,
        }
        let path = format!(
            "/exchange/api/v2/assets/{}/{}/{}/asset",
            name.organization.segment(),
            segment(&name.asset),
            segment(&name.version)
        );
        let reply = self.send(|http| http.get(&path))?;
        if reply.status() == 404 {
            return Ok(None);
        }
        if !reply.is_success() {
            return Err(refusal(&reply, &VIEW_ASSETS));
        }
        let wire: Wire = reply.json()?;
        Ok(Some(Asset {
            kind: wire.kind,
            version: wire.version.unwrap_or_else(|| name.version.clone()),
        }))
    }

    /// Creates an HTTP API asset, which has no file.
    ///
    /// `POST /exchange/api/v2/organizations/ORG/assets/GROUP/ASSET/VERSION`, a multipart form; synchronous publication
    /// is asked for, and an answer that only promises it is a success too: look for the asset afterwards.
    ///
    /// # Errors
    ///
    /// Refused, or no usable answer.
    pub fn create_http_api(
        &self,
        name: &AssetName,
        title: &str,
        api_version: &str,
    ) -> Result<Created> {
        let organization = name.organization.segment();
        let path = format!(
            "/exchange/api/v2/organizations/{organization}/assets/{organization}/{}/{}",
            segment(&name.asset),
            segment(&name.version)
        );
        let (content_type, body) = form(&[
            ("name", title),
            ("type", "http-api"),
            ("properties.apiVersion", api_version),
            ("status", "published"),
        ]);
        let reply = self.send(|http| {
            http.post(&path)
                .header("x-sync-publication", "true")
                .body(&content_type, body.clone())
                // A second one of the same version is refused with 409.
                .repeat(Repeat::Freely)
        })?;
        match reply.status() {
            409 => Ok(Created::VersionTaken),
            _ if reply.is_success() => Ok(Created::Yes),
            400 => Err(Error::new(
                Kind::Refused,
                format!("Exchange refused the asset {} {} with {}", name.asset, name.version, said(&reply)),
            )
            .said(said(&reply))
            .advise("An asset id consists of lower-case letters, digits and hyphens, a version is one as 1.0.0.")),
            _ => Err(refusal(&reply, &CREATE_ASSETS)),
        }
    }
}

/// A multipart form of short texts without line breaks: its content type and its body. No crate is worth four fields.
fn form(fields: &[(&str, &str)]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "----anypoint-hooks-7MA4YWxkTrZu0gW";
    let mut body = String::new();
    for (name, value) in fields {
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        body += &format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body += &format!("--{BOUNDARY}--\r\n");
    (
        format!("multipart/form-data; boundary={BOUNDARY}"),
        body.into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_id_is_made_as_exchange_makes_it() {
        assert_eq!(asset_id("Data Cloud API"), "data-cloud-api");
        assert_eq!(asset_id("  Orders (v2)! "), "orders-v2");
        assert_eq!(asset_id("öäü"), "");
    }

    #[test]
    fn a_field_cannot_break_out_of_its_part() {
        let (_, body) = form(&[("name", "a\r\n--x")]);
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains("\r\n\r\na--x\r\n"), "{text}");
    }
}
