//! What is kept for the next renewal, and in which of acme.sh's conf files.
//!
//! What goes where follows acme.sh's own `dnsapi/dns_cf.sh` (3.1.4), so that a user can go back to it.

use common::cli::Invocation;
use common::error::Result;
use common::log::sentence;
use common::settings::general::CONFIG;
use common::settings::{ConfFile, Saving, Setting};

use crate::account::Account;
use crate::settings::{ACCOUNT_ID, API, EMAIL, KEY, TOKEN, TTL, ZONE_ID, ZONE_TOKEN};
use crate::zone::Finder;

/// What is to be saved once Cloudflare has accepted the credentials.
#[derive(Debug)]
pub(crate) struct Pending(Vec<Saving>);

impl Pending {
    /// Nothing is pending unless acme.sh is calling and something would change.
    ///
    /// # Errors
    ///
    /// Configuration: a conf file that has to be changed cannot be written.
    pub(crate) fn of(call: &Invocation, account: &Account) -> Result<Self> {
        let settings = &call.settings;
        let is_token = account.credentials.are_token();
        // A certificate that has credentials of its own keeps everything of its own.
        let usual = if settings.domain_conf_holds(&[&TOKEN, &ZONE_TOKEN, &KEY, &EMAIL]) {
            ConfFile::Domain
        } else {
            ConfFile::Account
        };
        let has_conf = settings.conf_to_save(ConfFile::Domain).is_some();
        let of_credentials = if is_token && account.zone_id.is_some() && has_conf {
            ConfFile::Domain
        } else {
            usual
        };
        let (credentials, replaced): (&[&Setting], &[&Setting]) = if account.listed.is_some() {
            // They stay in the TOML file.
            (&[], &[])
        } else if is_token {
            (&[&TOKEN, &ZONE_TOKEN, &ACCOUNT_ID], &[])
        } else {
            // A token in the same file would win.
            (&[&KEY, &EMAIL, &ZONE_TOKEN, &ACCOUNT_ID], &[&TOKEN])
        };
        Ok(Self(vec![
            settings.saving_of(of_credentials, credentials, replaced)?,
            // The zone of one certificate is not that of the others.
            settings.saving_of(ConfFile::Domain, &[&ZONE_ID], &[])?,
            settings.saving_of(usual, &[&API, &TTL, &CONFIG], &[])?,
        ]))
    }

    /// Saves if Cloudflare has accepted the credentials, even if the rest has failed: a renewal needs them again.
    pub(crate) fn finish(&self, call: &Invocation, finder: &Finder) {
        if !finder.dns.accepted() || finder.refuted_account() {
            return;
        }
        for saving in self.0.iter().filter(|saving| !saving.is_empty()) {
            match saving.finish() {
                Ok(()) => call
                    .log
                    .debug(format!("settings saved in {}", saving.path().display())),
                // The challenge itself may be fine.
                Err(err) => {
                    let advice = err.advice().unwrap_or_default().to_owned();
                    call.log
                        .warn(format!("{}. {advice}", sentence(&err.into())));
                }
            }
        }
    }
}
