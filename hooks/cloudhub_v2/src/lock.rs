//! One run at a time for each TLS context: a deploy hook and `reconcile` may be at the same one at the same moment.

use std::io;

use common::cert::sha256_hex;
use common::cli::Invocation;
use common::system::files::{self, FileLock};
use common::system::fingerprints::{private_folder, state_folder};

/// Digits of a hash that distinguish the contexts of one user.
const DIGITS: usize = 32;

/// Holds the TLS context that `context` describes until dropped. Nothing where no lock can be had: then two runs at the same
/// moment may both write the same certificate, which does no harm.
pub(crate) fn hold(call: &Invocation, context: &str) -> Option<FileLock> {
    let folder = state_folder(call.env())?.join("locks");
    let path = folder.join(&sha256_hex(context.as_bytes())[..DIGITS]);
    let lock = || -> io::Result<FileLock> {
        private_folder(&folder)?;
        files::lock_file(&path, || {
            call.log
                .info("another run is at the same TLS context: waiting for it");
        })
    };
    lock()
        .inspect_err(|err| call.log.debug(format!("{}: {err}", path.display())))
        .ok()
}
