//! acme.sh's data folders, and the certificates that it keeps there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::conf::Conf;
use crate::error::{Error, Result};

/// A certificate that acme.sh keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The main name as given with `-d`, for example `*.acme.example`.
    pub domain: String,
    /// Its folder, `DOMAIN` or `DOMAIN_ecc`.
    pub folder: PathBuf,
}

impl Stored {
    /// The domain conf.
    pub fn conf(&self) -> PathBuf {
        self.folder.join(format!("{}.conf", self.domain))
    }

    /// The private key, PEM.
    pub fn key(&self) -> PathBuf {
        self.folder.join(format!("{}.key", self.domain))
    }

    /// The leaf certificate, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join(format!("{}.cer", self.domain))
    }

    /// The rest of the chain, PEM. Not rewritten when the CA sent a single certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.cer")
    }

    /// Leaf and chain, PEM.
    pub fn fullchain(&self) -> PathBuf {
        self.folder.join("fullchain.cer")
    }
}

/// acme.sh's data folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `LE_CONFIG_HOME`, where `account.conf` is.
    pub config: PathBuf,
    /// `CERT_HOME`, where the domain folders are.
    pub certificates: PathBuf,
    account_conf: Option<PathBuf>,
}

impl Home {
    /// The home at `home`; the other folders default to it, as for acme.sh.
    pub fn new(
        home: &Path,
        config: Option<&str>,
        certificates: Option<&str>,
        account_conf: Option<&str>,
    ) -> Self {
        let config = config.map_or_else(|| home.to_owned(), PathBuf::from);
        let saved = || {
            Conf::load(&config.join("account.conf"))
                .ok()?
                .value("CERT_HOME")
        };
        let certificates = certificates
            .map(str::to_owned)
            .or_else(saved)
            .map_or_else(|| config.clone(), PathBuf::from);
        Self {
            config,
            certificates,
            account_conf: account_conf.map(PathBuf::from),
        }
    }

    /// The account conf.
    pub fn account_conf(&self) -> PathBuf {
        self.account_conf
            .clone()
            .unwrap_or_else(|| self.config.join("account.conf"))
    }

    /// The certificate for `domain`: the RSA folder if there is one, else the `_ecc` folder, as `acme.sh --deploy` does.
    pub fn find(&self, domain: &str) -> Option<Stored> {
        self.all_of(domain).into_iter().next()
    }

    /// The certificates for `domain`: RSA, ECC, both or none.
    pub fn all_of(&self, domain: &str) -> Vec<Stored> {
        [domain.to_owned(), format!("{domain}_ecc")]
            .into_iter()
            .map(|name| Stored {
                domain: domain.to_owned(),
                folder: self.certificates.join(name),
            })
            .filter(|stored| stored.conf().is_file())
            .collect()
    }

    /// Every certificate in the home, RSA and ECC, by folder name; also one whose conf file cannot be looked at, so that
    /// whoever walks over them says so.
    ///
    /// # Errors
    ///
    /// The home is missing or cannot be read.
    pub fn list(&self) -> Result<Vec<Stored>> {
        let shown = self.certificates.display();
        let entries = fs::read_dir(&self.certificates).map_err(|err| {
            if err.kind() == io::ErrorKind::NotFound {
                Error::not_found(format!("there is no acme.sh home at {shown}"))
                    .advise("Name it with --home or LE_WORKING_DIR.")
            } else {
                Error::config(format!("acme.sh's home {shown} cannot be read")).caused_by(err)
            }
        })?;
        let mut found: Vec<Stored> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let domain = name.strip_suffix("_ecc").unwrap_or(&name).to_owned();
                let stored = Stored {
                    domain,
                    folder: self.certificates.join(&name),
                };
                match fs::metadata(stored.conf()) {
                    Ok(meta) => meta.is_file(),
                    Err(err) => !is_absent(&err),
                }
                .then_some(stored)
            })
            .collect();
        found.sort_by(|a, b| a.folder.cmp(&b.folder));
        Ok(found)
    }
}

fn is_absent(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_lists_rsa_and_ecc_certificates_with_wildcards() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["*.acme.example_ecc", "www.acme.example", "dnsapi"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for conf in [
            "*.acme.example_ecc/*.acme.example.conf",
            "www.acme.example/www.acme.example.conf",
        ] {
            fs::write(folder.path().join(conf), "").unwrap();
        }
        let home = Home::new(folder.path(), None, None, None);
        let domains: Vec<_> = home.list().unwrap().into_iter().map(|s| s.domain).collect();
        assert_eq!(domains, ["*.acme.example", "www.acme.example"]);

        // root reads everything; a loop nobody can.
        let unreadable = folder.path().join("loop.example");
        fs::create_dir(&unreadable).unwrap();
        std::os::unix::fs::symlink("loop.example.conf", unreadable.join("loop.example.conf"))
            .unwrap();
        let domains: Vec<_> = home.list().unwrap().into_iter().map(|s| s.domain).collect();
        assert_eq!(
            domains,
            ["*.acme.example", "loop.example", "www.acme.example"]
        );
        assert!(
            home.find("*.acme.example")
                .unwrap()
                .folder
                .ends_with("*.acme.example_ecc")
        );
    }
}
