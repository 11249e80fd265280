//! `scripts/vanity-api.sh`: from a bare domain to an API that is served under it and closed to strangers.

mod input;
mod needs_acme_sh;
mod road;
