//! A leaf and the certificates that lead from it towards a root.

use std::error::Error;
use std::fmt;

use super::Certificate;

/// A certificate chain in order: each certificate is issued by the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The certificate that a server shows as its own.
    pub leaf: Certificate,
    /// What a server sends along, the leaf's issuer first. No root among them.
    pub intermediates: Vec<Certificate>,
    /// The self-signed root, if it stood at the end. Clients have their own copy and ignore one that is sent.
    pub root: Option<Certificate>,
}

/// Why certificates are no chain. Positions count from 1; the leaf is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// There is none.
    Empty,
    /// The first one is an authority, and the leaf stands behind it.
    LeafNotFirst {
        /// Who stands first.
        first: String,
        /// Who should.
        leaf: String,
        /// Where that one stands.
        position: usize,
    },
    /// A certificate is there twice.
    Duplicate {
        /// Whose it is.
        subject: String,
        /// Where it stands first.
        first: usize,
        /// Where it stands again.
        again: usize,
    },
    /// A certificate did not issue the one before it.
    NotIssuer {
        /// Where the certificate stands whose issuer should follow.
        position: usize,
        /// Whose it is.
        subject: String,
        /// The issuer that it names.
        issuer: String,
        /// Who follows instead.
        found: String,
        /// Where the issuer stands, if it is there at all.
        issuer_position: Option<usize>,
    },
    /// A certificate has the issuer's name, but another key.
    BadSignature {
        /// Where the certificate stands whose signature is not right.
        position: usize,
        /// Whose it is.
        subject: String,
        /// The namesake of its issuer that follows.
        issuer: String,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the chain holds no certificate"),
            Self::LeafNotFirst {
                first,
                leaf,
                position,
            } => write!(
                f,
                "the chain is out of order: certificate 1 ({first}) is an authority's; the leaf ({leaf}) stands at \
                 position {position} and has to be first"
            ),
            Self::Duplicate {
                subject,
                first,
                again,
            } => write!(
                f,
                "certificate {again} ({subject}) is the same as certificate {first}"
            ),
            Self::NotIssuer {
                position,
                subject,
                issuer,
                found,
                issuer_position,
            } => {
                write!(
                    f,
                    "certificate {} ({found}) did not issue certificate {position} ({subject}): its issuer ({issuer}) ",
                    position + 1
                )?;
                match issuer_position {
                    Some(at) => write!(f, "stands at position {at}"),
                    None => f.write_str("is not in the chain"),
                }
            }
            Self::BadSignature {
                position,
                subject,
                issuer,
            } => write!(
                f,
                "certificate {} ({issuer}) has the name of the issuer of certificate {position} ({subject}), but its \
                 key did not sign it",
                position + 1
            ),
        }
    }
}

impl Error for ChainError {}

impl Chain {
    /// Takes a full chain: the leaf first, then its issuers.
    ///
    /// Signatures are verified where ring knows the algorithm (all but P-521 and other rare ones). A chain that
    /// stops below a root is complete; whether its end leads to a trusted root is a matter of [`crate::net::tls::Judge`].
    ///
    /// # Errors
    /// Duplicates, a wrong order, a certificate that did not issue the one before it.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, ChainError> {
        check_leaf_first(&certificates)?;
        check_duplicates(&certificates)?;
        for position in 1..certificates.len() {
            check_link(&certificates, position)?;
        }
        let mut rest = certificates.into_iter();
        let leaf = rest.next().ok_or(ChainError::Empty)?;
        let mut intermediates: Vec<_> = rest.collect();
        let root = intermediates.pop_if(|last| last.is_self_issued());
        Ok(Self {
            leaf,
            intermediates,
            root,
        })
    }

    /// Takes the leaf and the rest of the chain, as acme.sh's CERTFILE and CAFILE hold them.
    ///
    /// The rest may begin with the leaf again, as a full chain does.
    ///
    /// # Errors
    /// See [`Chain::new`].
    pub fn from_parts(leaf: Certificate, rest: Vec<Certificate>) -> Result<Self, ChainError> {
        let repeated = usize::from(rest.first() == Some(&leaf));
        let certificates = std::iter::once(leaf).chain(rest.into_iter().skip(repeated));
        Self::new(certificates.collect())
    }

    /// What a server should send: leaf and intermediates, no root.
    pub fn served(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }
}

fn check_leaf_first(certificates: &[Certificate]) -> Result<(), ChainError> {
    let first = certificates.first().ok_or(ChainError::Empty)?;
    let is_leaf = |candidate: &Certificate| {
        !candidate.is_ca
            && !certificates
                .iter()
                .any(|other| issued_other(candidate, other))
    };
    if !first.is_ca {
        return Ok(());
    }
    match certificates.iter().position(is_leaf) {
        Some(at) => Err(ChainError::LeafNotFirst {
            first: first.subject.clone(),
            leaf: certificates[at].subject.clone(),
            position: at + 1,
        }),
        None => Ok(()),
    }
}

fn issued_other(issuer: &Certificate, other: &Certificate) -> bool {
    other != issuer && other.names_issuer(issuer)
}

fn check_duplicates(certificates: &[Certificate]) -> Result<(), ChainError> {
    for (again, certificate) in certificates.iter().enumerate() {
        if let Some(first) = certificates[..again].iter().position(|c| c == certificate) {
            return Err(ChainError::Duplicate {
                subject: certificate.subject.clone(),
                first: first + 1,
                again: again + 1,
            });
        }
    }
    Ok(())
}

/// `position` counts from 1 and is that of the issued certificate; its issuer has to follow.
fn check_link(certificates: &[Certificate], position: usize) -> Result<(), ChainError> {
    let (issued, next) = (&certificates[position - 1], &certificates[position]);
    if !issued.names_issuer(next) {
        let at = certificates
            .iter()
            .position(|other| issued != other && issued.names_issuer(other));
        return Err(ChainError::NotIssuer {
            position,
            subject: issued.subject.clone(),
            issuer: issued.issuer.clone(),
            found: next.subject.clone(),
            issuer_position: at.map(|at| at + 1),
        });
    }
    if issued.is_signed_by(next) == Some(false) {
        return Err(ChainError::BadSignature {
            position,
            subject: issued.subject.clone(),
            issuer: next.subject.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_support::*;
    use super::*;

    struct World {
        root: Certificate,
        upper: Certificate,
        lower: Certificate,
        leaf: Certificate,
    }

    fn world() -> World {
        let root_ca = root("Root");
        let upper_ca = intermediate("Upper", &root_ca);
        let lower_ca = intermediate("Lower", &upper_ca);
        World {
            root: certificate(&root_ca),
            upper: certificate(&upper_ca),
            lower: certificate(&lower_ca),
            leaf: leaf(&["api.example.com"], &lower_ca).0,
        }
    }

    fn refusal(certificates: &[&Certificate]) -> String {
        Chain::new(certificates.iter().map(|c| (*c).clone()).collect())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn leaf_first_and_each_issued_by_the_next_is_a_chain() {
        let w = world();
        let full = vec![w.leaf.clone(), w.lower.clone(), w.upper.clone()];
        let chain = Chain::new(full.clone()).unwrap();
        assert_eq!(chain.served().cloned().collect::<Vec<_>>(), full);
        assert_eq!(chain.root, None);
    }

    #[test]
    fn a_root_at_the_end_is_set_apart() {
        let w = world();
        let rest = vec![w.lower.clone(), w.upper.clone(), w.root.clone()];
        let chain = Chain::from_parts(w.leaf, rest).unwrap();
        assert_eq!(chain.intermediates, [w.lower, w.upper]);
        assert_eq!(chain.root, Some(w.root));
    }

    #[test]
    fn the_chain_file_may_repeat_the_leaf_or_be_empty() {
        let w = world();
        let chain = Chain::from_parts(w.leaf.clone(), vec![w.leaf.clone(), w.lower.clone()]);
        assert_eq!(chain.unwrap().intermediates, [w.lower]);
        assert!(
            Chain::from_parts(w.leaf, vec![])
                .unwrap()
                .intermediates
                .is_empty()
        );
    }

    #[test]
    fn a_self_signed_leaf_is_a_leaf() {
        let leaf = self_signed("a", &["a.example.com"]);
        assert_eq!(Chain::new(vec![leaf.clone()]).unwrap().leaf, leaf);
        let root = certificate(&root("Root"));
        assert_eq!(Chain::new(vec![root.clone()]).unwrap().leaf, root);
    }

    #[test]
    fn a_wrong_order_names_who_stands_where() {
        let w = world();
        assert_eq!(
            refusal(&[&w.lower, &w.upper, &w.leaf]),
            "the chain is out of order: certificate 1 (CN=Lower) is an authority's; the leaf (CN=api.example.com) \
             stands at position 3 and has to be first"
        );
        assert_eq!(
            refusal(&[&w.leaf, &w.upper, &w.lower]),
            "certificate 2 (CN=Upper) did not issue certificate 1 (CN=api.example.com): its issuer (CN=Lower) \
             stands at position 3"
        );
    }

    #[test]
    fn a_gap_names_the_missing_issuer() {
        let w = world();
        assert_eq!(
            refusal(&[&w.leaf, &w.upper]),
            "certificate 2 (CN=Upper) did not issue certificate 1 (CN=api.example.com): its issuer (CN=Lower) is \
             not in the chain"
        );
    }

    #[test]
    fn a_duplicate_is_named() {
        let w = world();
        assert_eq!(
            refusal(&[&w.leaf, &w.lower, &w.lower]),
            "certificate 3 (CN=Lower) is the same as certificate 2"
        );
        assert_eq!(refusal(&[]), "the chain holds no certificate");
    }

    #[test]
    fn a_namesake_of_the_issuer_with_another_key_is_refused() {
        let w = world();
        let namesake = certificate(&intermediate("Lower", &root("Root")));
        assert_eq!(
            refusal(&[&w.leaf, &namesake]),
            "certificate 2 (CN=Lower) has the name of the issuer of certificate 1 (CN=api.example.com), but its \
             key did not sign it"
        );
    }

    #[test]
    fn signatures_that_cannot_be_checked_are_taken_by_name() {
        let key = openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "");
        let own = openssl_certificate(&key);
        assert_eq!(own.is_signed_by(&own), None);
        let (leaf, _) = leaf(&["api.example.com"], &root("Root"));
        assert_eq!(leaf.is_signed_by(&leaf), Some(false));
    }
}
