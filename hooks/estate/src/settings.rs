//! Every setting: variables, flags, keys of the TOML file.

use common::settings::{ConfFile, Registry, Setting};

/// All of them.
pub(crate) static SETTINGS: Registry = Registry {
    program: "anypoint-estate",
    own: &[&PROGRAMS, &EVERY, &CHECK_TIMEOUT, &GRACE],
    lists: &[],
    saves_to: ConfFile::Account,
};

pub(crate) static PROGRAMS: Setting = Setting::list(
    &[],
    "the programs to call, separated by commas; those that something is set up for unless given",
)
.flag("--only", "PROGRAMS")
.toml(&["estate.programs"])
.optional();

pub(crate) static EVERY: Setting = Setting::duration(
    &[],
    "how often `anypoint-estate run`, or what does its work, is started: what is due is tried again so often",
)
.flag("--every", "TIME")
.toml(&["estate.every"])
.default("6h");

pub(crate) static CHECK_TIMEOUT: Setting =
    Setting::duration(&[], "limit on the check of one program")
        .flag("--check-timeout", "TIME")
        .toml(&["estate.check_timeout"])
        .default("10m");

pub(crate) static GRACE: Setting = Setting::duration(
    &[],
    "how long a program may take to end by itself, once it was told to",
)
.flag("--grace", "TIME")
.toml(&["estate.grace"])
.default("60s");
