//! One private space to work on.

use std::sync::Arc;

use common::anypoint::Client;
use common::anypoint::directory::{OrganizationId, is_uuid};
use common::anypoint::private_spaces::{self, PrivateSpace, SpaceId};
use common::anypoint::tls_contexts::{Ciphers, TlsContext};
use common::error::{Error, Kind, Result};

use crate::account::Account;
use crate::cure;
use crate::domain;

/// One private space to work on.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What it is called in the output.
    pub(crate) name: String,
    pub(crate) account: Arc<Account>,
    /// The private space as it was given, id or name.
    pub(crate) space: String,
    /// Name of the TLS context, if not the one made from the domain.
    pub(crate) context_name: Option<String>,
    pub(crate) trust_store: Option<TrustStoreFile>,
    pub(crate) ciphers: Option<Ciphers>,
}

/// PEM of the authorities that clients are authenticated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustStoreFile {
    pub(crate) pem: String,
    pub(crate) file_name: String,
}

/// A target with its ids looked up.
#[derive(Debug)]
pub(crate) struct ResolvedTarget {
    pub(crate) client: Client,
    pub(crate) organization: OrganizationId,
    pub(crate) space: SpaceId,
}

impl ResolvedTarget {
    /// Whether both lead to one private space, whoever logs in there.
    pub(crate) fn is_same_space(&self, other: &Self) -> bool {
        self.client.host() == other.client.host()
            && self.organization == other.organization
            && self.space == other.space
    }
}

impl Target {
    /// The name of the TLS context for `domain`.
    pub(crate) fn context_for(&self, domain: &str) -> String {
        self.context_name
            .clone()
            .unwrap_or_else(|| domain::context_name(domain))
    }

    /// Whether `other` leads to the same TLS context for `domain`. The platform is asked only where one names the private
    /// space by its id and the other by its name; without its answer they count as two.
    pub(crate) fn is_same_context(&self, other: &Self, domain: &str) -> bool {
        Arc::ptr_eq(&self.account, &other.account)
            && self.context_for(domain) == other.context_for(domain)
            && self.is_same_space(other)
    }

    fn is_same_space(&self, other: &Self) -> bool {
        match (is_uuid(&self.space), is_uuid(&other.space)) {
            (true, true) => self.space.eq_ignore_ascii_case(&other.space),
            (false, false) => self.space == other.space,
            _ => match (self.resolve(), other.resolve()) {
                (Ok(one), Ok(other)) => one.space == other.space,
                _ => false,
            },
        }
    }

    /// Looks up organization and private space. Ids are taken as they are, without a request.
    pub(crate) fn resolve(&self) -> Result<ResolvedTarget> {
        self.account.log_in()?;
        let organization = self.account.organization()?;
        let space = if is_uuid(&self.space) {
            SpaceId::new(self.space.to_ascii_lowercase())
        } else {
            let spaces = self.account.spaces()?;
            let host = self.account.host();
            private_spaces::pick(&spaces, &self.space, &organization, host)?.id()?
        };
        Ok(ResolvedTarget {
            client: self.account.fresh(),
            organization,
            space,
        })
    }

    /// The private space with everything that is known of it.
    pub(crate) fn private_space(&self) -> Result<PrivateSpace> {
        let resolved = self.resolve()?;
        match resolved
            .client
            .private_space(&resolved.organization, &resolved.space)?
        {
            Some(space) => Ok(space),
            None => Err(self.no_such_space(&resolved.organization)),
        }
    }

    /// The TLS contexts that are there.
    pub(crate) fn contexts(&self, resolved: &ResolvedTarget) -> Result<Vec<TlsContext>> {
        match resolved
            .client
            .tls_contexts(&resolved.organization, &resolved.space)
        {
            // The answer does not say which part of the address is wrong; the list of private spaces does.
            Err(err) if err.kind() == Kind::NotFound => {
                Err(self.no_such_space(&resolved.organization))
            }
            answer => answer.map_err(cure::of),
        }
    }

    fn no_such_space(&self, organization: &OrganizationId) -> Error {
        match self.account.spaces() {
            Ok(spaces) => {
                let host = self.account.host();
                private_spaces::no_such_space(&spaces, &self.space, organization, host)
            }
            Err(err) => err,
        }
    }
}
