//! What every command line shares: from the arguments to the exit code.

pub mod exit;
