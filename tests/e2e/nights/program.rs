//! What runs at night, and what monitoring asks afterwards. A new program is one more line.

/// A program as the crontab calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    pub(crate) program: Program,
    pub(crate) arguments: &'static [&'static str],
}

/// Whose failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    AcmeSh,
    DnsCf,
    Cloudhub,
    Flex,
    Policy,
}

impl Program {
    pub(crate) const ALL: [Self; 5] = [
        Self::AcmeSh,
        Self::DnsCf,
        Self::Cloudhub,
        Self::Flex,
        Self::Policy,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcmeSh => "acme.sh",
            Self::DnsCf => "dns_cf",
            Self::Cloudhub => "cloudhub_v2",
            Self::Flex => "flex-renew",
            Self::Policy => "basic-auth-policy",
        }
    }
}

const fn job(program: Program, arguments: &'static [&'static str]) -> Job {
    Job { program, arguments }
}

/// The lines of the crontab, in their order.
pub(crate) const NIGHT: &[Job] = &[
    job(Program::AcmeSh, &["--cron"]),
    job(Program::Cloudhub, &["reconcile", "--quiet"]),
    job(Program::Flex, &["run", "--quiet"]),
    job(Program::Policy, &["apply", "--quiet"]),
];

/// What tells monitoring that something is wrong, or soon will be.
pub(crate) const CHECKS: &[Job] = &[
    job(Program::DnsCf, &["check", "acme.example"]),
    job(Program::Cloudhub, &["check"]),
    job(Program::Flex, &["check", "--credentials"]),
    job(Program::Policy, &["check"]),
];
