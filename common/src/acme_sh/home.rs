//! acme.sh's data folders, and the certificates that it keeps there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::conf::Conf;
use crate::cert::Certificate;
use crate::error::{Error, Result};
use crate::system::files;

/// No PEM file of a certificate is larger.
const LARGEST: u64 = 1024 * 1024;

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

    fn leaf(&self) -> Option<Certificate> {
        let path = self.certificate();
        let text = files::read_text("the certificate", &path, LARGEST).ok()?;
        Certificate::parse_all(&text).ok()?.into_iter().next()
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
    hook: Option<String>,
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
            hook: None,
        }
    }

    /// The same home, where certificates that acme.sh deploys with `hook` come before others for the same domain.
    #[must_use]
    pub fn for_hook(self, hook: impl Into<String>) -> Self {
        Self {
            hook: Some(hook.into()),
            ..self
        }
    }

    /// The account conf.
    pub fn account_conf(&self) -> PathBuf {
        self.account_conf
            .clone()
            .unwrap_or_else(|| self.config.join("account.conf"))
    }

    /// The certificate that counts for `domain`, the first of [`Home::of_domain`].
    pub fn find(&self, domain: &str) -> Option<Stored> {
        self.of_domain(domain).into_iter().next()
    }

    /// The certificates for `domain`, RSA and ECC: those that acme.sh deploys with the hook, or if there is none, all. The one
    /// that supersedes the other comes first; it counts wherever both would go.
    pub fn of_domain(&self, domain: &str) -> Vec<Stored> {
        let folders = [domain.to_owned(), format!("{domain}_ecc")].into_iter();
        let mut found: Vec<Stored> = folders
            .map(|name| Stored {
                domain: domain.to_owned(),
                folder: self.certificates.join(name),
            })
            .filter(|stored| stored.conf().is_file())
            .collect();
        let is_deployed = |stored: &Stored| {
            let conf = Conf::load(&stored.conf());
            let hook = self.hook.as_deref();
            conf.is_ok_and(|conf| hook.is_some_and(|hook| conf.names_hook(hook)))
        };
        if found.iter().any(is_deployed) {
            found.retain(is_deployed);
        }
        if let [rsa, ecc] = &found[..] {
            let is_first = match (rsa.leaf(), ecc.leaf()) {
                (Some(rsa), Some(ecc)) => ecc.supersedes(&rsa),
                (rsa, ecc) => rsa.is_none() && ecc.is_some(),
            };
            if is_first {
                found.swap(0, 1);
            }
        }
        found
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
    #[test]
    fn of_two_certificates_the_younger_counts_and_one_that_the_hook_deploys_before_all() {
        use rcgen::{CertificateParams, KeyPair, date_time_ymd};
        let folder = tempfile::tempdir().unwrap();
        let keep = |name: &str, year: i32, hooks: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            let mut params = CertificateParams::new(vec!["a.example".into()]).unwrap();
            params.not_before = date_time_ymd(year, 1, 1);
            let leaf = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            fs::write(path.join("a.example.cer"), leaf.pem()).unwrap();
            let conf = format!("Le_DeployHook='{hooks}'\n");
            fs::write(path.join("a.example.conf"), conf).unwrap();
        };
        let home = Home::new(folder.path(), None, None, None).for_hook("deploys");
        let found = || -> Vec<String> {
            let name = |stored: Stored| {
                let name = stored.folder.file_name().unwrap();
                name.to_str().unwrap().to_owned()
            };
            home.of_domain("a.example").into_iter().map(name).collect()
        };
        let (rsa, ecc) = ("a.example", "a.example_ecc");
        assert!(home.find("a.example").is_none());
        keep(rsa, 2026, "");
        keep(ecc, 2026, "");
        assert_eq!(found(), [rsa, ecc]);
        keep(ecc, 2027, "");
        assert_eq!(found(), [ecc, rsa]);
        keep(rsa, 2026, "nginx,deploys,");
        assert_eq!(found(), [rsa]);
        keep(ecc, 2027, "deploys,");
        assert_eq!(found(), [ecc, rsa]);
        // One that cannot be read is younger than none.
        fs::write(folder.path().join(ecc).join("a.example.cer"), "x").unwrap();
        assert_eq!(found(), [rsa, ecc]);
    }
}
