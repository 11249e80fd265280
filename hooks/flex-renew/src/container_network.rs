//! What `flexctl` in a container has to know of this host's network: proxies, and certificates to trust.
//!
//! `flexctl` is taken to be a program in Go, as its messages are: those obey `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and
//! `SSL_CERT_DIR`.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use common::cli::Invocation;
use common::error::{Error, Result};
use common::system::files;

use crate::containers::WORK;

/// The variables of proxies. Their values may hold a password, so the engine takes them from its own environment.
const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// The folder in a renewal's folder for certificates that are trusted in addition to those of the image.
const ADDED: &str = "ca";

/// The folder for those that are trusted instead.
const INSTEAD: &str = "ca-only";

/// Where images keep the certificates that they trust.
const USUAL_FOLDERS: &str = "/etc/ssl/certs:/etc/pki/tls/certs";

/// A bundle of all authorities there are takes a quarter of this.
const LARGEST: u64 = 1024 * 1024;

/// The arguments for the engine. Certificates are copied into the renewal's folder `work`, which the container has.
///
/// # Errors
///
/// Not found, or configuration: a file of certificates cannot be read.
pub(crate) fn arguments(call: &Invocation, work: &Path) -> Result<Vec<OsString>> {
    let set = PROXIES
        .into_iter()
        .filter(|name| call.env().get(name).is_some());
    let mut arguments: Vec<OsString> = set.flat_map(|name| ["--env".into(), name.into()]).collect();
    let trust = call.settings.network()?.trust;
    if let Some(file) = &trust.ssl_cert_file {
        copy(file, work, INSTEAD, "all.pem")?;
        arguments.extend(variable(format!("SSL_CERT_FILE={WORK}/{INSTEAD}/all.pem")));
    }
    let mut added = Vec::new();
    added.extend(trust.ca_bundle);
    if let Some(folder) = trust.ca_path {
        let entries = fs::read_dir(&folder).map_err(|err| {
            Error::config(format!("CA_PATH {} cannot be read", folder.display())).caused_by(err)
        })?;
        added.extend(
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.is_file()),
        );
    }
    for (index, file) in added.iter().enumerate() {
        copy(file, work, ADDED, &format!("{index}.pem"))?;
    }
    if !added.is_empty() {
        arguments.extend(variable(format!(
            "SSL_CERT_DIR={WORK}/{ADDED}:{USUAL_FOLDERS}"
        )));
    }
    Ok(arguments)
}

fn variable(assignment: String) -> [OsString; 2] {
    ["--env".into(), assignment.into()]
}

fn copy(file: &Path, work: &Path, folder: &str, name: &str) -> Result<()> {
    let bytes = files::read("the file of certificates to trust", file, LARGEST)?;
    let folder = work.join(folder);
    make(&folder)
        .and_then(|()| fs::write(folder.join(name), bytes))
        .map_err(|err| {
            Error::config(format!("{} cannot be written", folder.display())).caused_by(err)
        })
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
