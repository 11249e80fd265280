//! The certificate that certbot or lego hands over to a deploy hook, by variables instead of arguments.
//!
//! certbot: <https://eff-certbot.readthedocs.io/en/stable/using.html#renewing-certificates>, `--deploy-hook`; lego:
//! <https://go-acme.github.io/lego/advanced/hooks/>, and its version 4 with other names.

use std::path::{Path, PathBuf};

use common::error::{Error, Result};
use common::system::environment::Env;

use crate::domain::canonical;
use crate::material::Files;

/// A certificate, and the name that it goes by.
#[derive(Debug)]
pub(crate) struct HandedOver {
    pub(crate) domain: String,
    pub(crate) files: Files,
}

/// What a caller other than acme.sh hands over, if one is calling.
pub(crate) fn handed_over(env: &Env) -> Result<HandedOver> {
    if let Some(lineage) = env.get("RENEWED_LINEAGE") {
        let domains = env.get("RENEWED_DOMAINS").unwrap_or_default();
        return of_certbot(Path::new(lineage), domains);
    }
    if let Some(certificate) = env.get("LEGO_HOOK_CERT_PATH") {
        return of_lego(certificate, env, "LEGO_HOOK_");
    }
    if let Some(certificate) = env.get("LEGO_CERT_PATH") {
        return of_lego(certificate, env, "LEGO_");
    }
    Err(Error::config("no certificate is given").advise(
        "Pass DOMAIN, KEYFILE and CERTFILE; or have acme.sh, certbot (--deploy-hook) or lego (--deploy-hook) call it.",
    ))
}

fn of_certbot(lineage: &Path, domains: &str) -> Result<HandedOver> {
    let domains: Vec<&str> = domains.split_whitespace().collect();
    let name = lineage.file_name().unwrap_or_default().to_string_lossy();
    let domain = main_name(without_number(&name), &domains).ok_or_else(|| {
        Error::config("RENEWED_LINEAGE is set, but RENEWED_DOMAINS names no domain")
            .advise("certbot sets both when it calls a deploy hook.")
    })?;
    let file = |name: &str| lineage.join(name);
    Ok(HandedOver {
        domain,
        files: Files {
            key: file("privkey.pem"),
            certificate: file("cert.pem"),
            ca: Some(file("chain.pem")),
            fullchain: Some(file("fullchain.pem")),
            named: false,
        },
    })
}

fn of_lego(certificate: &str, env: &Env, prefix: &str) -> Result<HandedOver> {
    let variable = |name: &str| env.get(&format!("{prefix}{name}"));
    let missing = |name: &str| {
        Error::config(format!(
            "{prefix}CERT_PATH is set, but {prefix}{name} is not"
        ))
    };
    let domains: Vec<&str> = variable("CERT_DOMAINS")
        .unwrap_or_default()
        .split([',', ' '])
        .filter(|name| !name.is_empty())
        .collect();
    // Since version 5 a certificate can have a name that is no domain.
    let domain = match (variable("CERT_DOMAIN"), variable("CERT_NAME")) {
        (Some(domain), _) => Some(domain.to_owned()),
        (None, Some(name)) if domains.is_empty() => Some(name.to_owned()),
        (None, name) => main_name(name.unwrap_or_default(), &domains),
    };
    let key = variable("CERT_KEY_PATH").ok_or_else(|| {
        missing("CERT_KEY_PATH").advise(
            "A certificate for a CSR of one's own has no key here: pass the files as arguments.",
        )
    })?;
    Ok(HandedOver {
        domain: domain.ok_or_else(|| missing("CERT_DOMAIN"))?,
        files: Files {
            key: PathBuf::from(key),
            certificate: PathBuf::from(certificate),
            // Leaf and chain are in one file, unless lego is told otherwise.
            ca: variable("ISSUER_CERT_PATH").map(PathBuf::from),
            fullchain: None,
            named: false,
        },
    })
}

/// The name that stays the same from renewal to renewal, whatever order the names come in: that of the certificate's
/// folder where it is one of its domains, also as a wildcard; else the first domain.
fn main_name(name: &str, domains: &[&str]) -> Option<String> {
    let is = |wanted: &str| {
        let mut known = domains.iter();
        known.find(|domain| canonical(domain) == canonical(wanted))
    };
    is(name)
        .or_else(|| is(&format!("*.{name}")))
        .or_else(|| domains.first())
        .map(|domain| (*domain).to_owned())
}

/// A lineage's name without the number that certbot adds where the name is taken: `acme.example-0001`.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((rest, number)) if number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) => {
            rest
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(variables: &[(&str, &str)]) -> String {
        let env = Env::from_pairs(variables.iter().copied());
        handed_over(&env).map_or_else(|err| err.to_string(), |over| over.domain)
    }

    #[test]
    fn the_name_of_a_certificate_does_not_depend_on_the_order_of_its_domains() {
        let certbot = |lineage: &str, domains: &str| {
            let lineage = format!("/etc/letsencrypt/live/{lineage}");
            domain(&[("RENEWED_LINEAGE", &lineage), ("RENEWED_DOMAINS", domains)])
        };
        assert_eq!(
            certbot("acme.example", "www.acme.example acme.example"),
            "acme.example"
        );
        assert_eq!(
            certbot("acme.example", "acme.example www.acme.example"),
            "acme.example"
        );
        assert_eq!(
            certbot("acme.example-0001", "a.example acme.example"),
            "acme.example"
        );
        assert_eq!(certbot("acme.example", "*.acme.example"), "*.acme.example");
        assert_eq!(
            certbot("shop", "www.acme.example acme.example"),
            "www.acme.example"
        );
        assert!(certbot("acme.example", "").contains("RENEWED_DOMAINS names no domain"));
    }

    #[test]
    fn both_generations_of_lego_are_understood() {
        let four = [
            ("LEGO_CERT_DOMAIN", "*.acme.example"),
            ("LEGO_CERT_PATH", "/lego/_.acme.example.crt"),
            ("LEGO_CERT_KEY_PATH", "/lego/_.acme.example.key"),
        ];
        assert_eq!(domain(&four), "*.acme.example");
        let five = |name, domains| {
            domain(&[
                ("LEGO_HOOK_CERT_NAME", name),
                ("LEGO_HOOK_CERT_DOMAINS", domains),
                ("LEGO_HOOK_CERT_PATH", "/lego/shop.crt"),
                ("LEGO_HOOK_CERT_KEY_PATH", "/lego/shop.key"),
            ])
        };
        assert_eq!(
            five("acme.example", "*.acme.example, acme.example"),
            "acme.example"
        );
        assert_eq!(
            five("shop", "shop.acme.example,acme.example"),
            "shop.acme.example"
        );
        assert_eq!(five("acme.example", ""), "acme.example");
        assert!(domain(&four[..2]).contains("LEGO_CERT_KEY_PATH is not"));
        assert_eq!(domain(&[]), "no certificate is given");
    }
}
