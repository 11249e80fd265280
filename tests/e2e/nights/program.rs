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
    Estate,
}

impl Program {
    pub(crate) const ALL: [Self; 6] = [
        Self::AcmeSh,
        Self::DnsCf,
        Self::Cloudhub,
        Self::Flex,
        Self::Policy,
        Self::Estate,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcmeSh => "acme.sh",
            Self::DnsCf => "dns_cf",
            Self::Cloudhub => "cloudhub_v2",
            Self::Flex => "flex-renew",
            Self::Policy => "basic-auth-policy",
            Self::Estate => "anypoint-estate",
        }
    }

    /// The one with this name.
    pub(crate) fn named(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|program| program.name() == name);
        known.unwrap_or_else(|| panic!("there is no program {name:?}"))
    }
}

const fn job(program: Program, arguments: &'static [&'static str]) -> Job {
    Job { program, arguments }
}

/// Who does the regular work, and who tells people what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Each program by a line of its own. cron mails what fails, and monitoring asks each.
    Programs,
    /// One line, as `scripts/install.sh --estate` writes it. It tells people itself.
    Estate,
}

/// What monitoring asks about the zone, and whoever has replaced a token.
pub(crate) const ZONE_CHECK: Job = job(Program::DnsCf, &["check", "acme.example"]);

impl Schedule {
    /// The lines of the crontab, in their order.
    pub(crate) fn night(self) -> &'static [Job] {
        const PROGRAMS: &[Job] = &[
            job(Program::AcmeSh, &["--cron"]),
            job(Program::Cloudhub, &["reconcile", "--quiet"]),
            job(Program::Flex, &["run", "--quiet"]),
            job(Program::Policy, &["apply", "--quiet"]),
        ];
        const ESTATE: &[Job] = &[
            job(Program::AcmeSh, &["--cron"]),
            job(Program::Estate, &["run", "--quiet"]),
        ];
        match self {
            Self::Programs => PROGRAMS,
            Self::Estate => ESTATE,
        }
    }

    /// What monitoring asks afterwards, to learn that something is wrong, or soon will be.
    pub(crate) fn checks(self) -> &'static [Job] {
        const PROGRAMS: &[Job] = &[
            ZONE_CHECK,
            job(Program::Cloudhub, &["check"]),
            job(Program::Flex, &["check", "--credentials"]),
            job(Program::Policy, &["check"]),
        ];
        match self {
            Self::Programs => PROGRAMS,
            Self::Estate => &[],
        }
    }

    /// Whether people learn of credentials of this program only when it needs them, which is a month before harm:
    /// `anypoint-estate` asks nobody about a gateway whose registration is not due.
    pub(crate) fn learns_late(self, program: Program) -> bool {
        self == Self::Estate && program == Program::Flex
    }
}
