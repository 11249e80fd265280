//! Every setting: variables, flags, keys of the TOML file.

use common::settings::{ConfFile, Registry, Setting};

/// All of them.
pub(crate) static SETTINGS: Registry = Registry {
    program: "anypoint-estate",
    own: &[
        &PROGRAMS,
        &STEPS,
        &SERVED,
        &EVERY,
        &CHECK_TIMEOUT,
        &STEP_TIMEOUT,
        &GRACE,
        &TEXTFILE,
        &REPORT,
        &NOTIFY_CMD,
        &NOTIFY_TIMEOUT,
    ],
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

pub(crate) static STEPS: Setting = Setting::list(
    &[],
    "those of the programs that `run` lets change something, `none` for no one; all unless given",
)
.flag("--steps", "PROGRAMS")
.only_for(&["run"])
.toml(&["estate.steps"])
.optional();

pub(crate) static SERVED: Setting = Setting::switch(
    &[],
    "whether the check looks at what ingresses serve: `false` where they cannot be reached from this host",
)
.toml(&["estate.served"])
.default("true");

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

pub(crate) static STEP_TIMEOUT: Setting =
    Setting::duration(&[], "limit on what `run` has one program change")
        .flag("--step-timeout", "TIME")
        .only_for(&["run"])
        .toml(&["estate.step_timeout"])
        .default("1h");

/// Longer than a rollout may take.
pub(crate) static GRACE: Setting = Setting::duration(
    &[],
    "how long a program may take to end by itself after a signal, or when its time is up",
)
.flag("--grace", "TIME")
.toml(&["estate.grace"])
.default("10m");

pub(crate) static TEXTFILE: Setting = Setting::file(
    &[],
    "file that `run` replaces with metrics for Prometheus' node exporter, as --textfile does",
)
.toml(&["estate.textfile"])
.optional();

pub(crate) static REPORT: Setting = Setting::file(
    &[],
    "web page that `run` writes at its end, as `anypoint-estate report` does",
)
.flag("--report", "FILE.html")
.only_for(&["run"])
.toml(&["estate.report"])
.optional();

pub(crate) static NOTIFY_CMD: Setting = Setting::text(
    &[],
    "command that `run` starts by /bin/sh -c when something has changed, with JSON on its standard input",
)
.toml(&["estate.notify_cmd"])
.optional();

pub(crate) static NOTIFY_TIMEOUT: Setting = Setting::duration(&[], "limit on that command")
    .toml(&["estate.notify_timeout"])
    .default("60s");
