//! What goes wrong in the world, and when.

use fixtures::Random;

use crate::program::Program;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    CloudflareDown,
    AnypointDown,
    AcmeDown,
    CloudflareLimited,
    AnypointLimited,
    AcmeLimited,
    TokenRevoked,
    SecretExpired(App),
    DiskFull,
    MachineOff,
    ContextDeleted,
    CertificateReplaced,
    SpaceRenamed,
    PolicyOff,
    /// The fault of the stand-in `flexctl`.
    Flexctl(&'static str),
}

/// Whose credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    Cloudhub,
    Flex,
    Policy,
}

/// What `flexctl` does instead of its work.
const FLEXCTL: [&str; 12] = [
    "platform",
    "empty",
    "garbage",
    "html",
    "lie",
    "cut",
    "exit",
    "scope",
    "no-certificate",
    "same-date",
    "other-gateway",
    "wrong-key",
];

/// How a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// By itself, after so many hours.
    After(u64),
    /// Somebody mends it so many hours after the first alarm.
    Mended(u64),
    /// It was one act, which the next run finds.
    AtOnce,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Hour of the simulated time.
    pub(crate) begins: u64,
    pub(crate) ends: Ends,
    /// Whether it waits for the worst moment, a renewal that is due, if there is one soon.
    pub(crate) lurks: bool,
}

impl Kind {
    /// For the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CloudflareDown => "outage of Cloudflare",
            Self::AnypointDown => "outage of Anypoint",
            Self::AcmeDown => "outage of the ACME server",
            Self::CloudflareLimited => "rate limit of Cloudflare",
            Self::AnypointLimited => "rate limit of Anypoint",
            Self::AcmeLimited => "rate limit of the ACME server",
            Self::TokenRevoked => "revoked token",
            Self::SecretExpired(_) => "expired client secret",
            Self::DiskFull => "full disk",
            Self::MachineOff => "machine off",
            Self::ContextDeleted => "TLS context deleted",
            Self::CertificateReplaced => "certificate replaced by hand",
            Self::SpaceRenamed => "private space renamed",
            Self::PolicyOff => "policy switched off by hand",
            Self::Flexctl(_) => "flexctl that fails",
        }
    }

    /// The programs that it may keep from their work, or have raise an alarm.
    pub(crate) fn touches(self, program: Program) -> bool {
        use Program::{AcmeSh, Cloudhub, DnsCf, Estate, Flex, Policy};
        // Whatever fails, its run has not succeeded.
        if program == Estate {
            return self != Self::MachineOff;
        }
        match self {
            Self::CloudflareDown | Self::CloudflareLimited | Self::TokenRevoked => {
                [AcmeSh, DnsCf, Cloudhub].contains(&program)
            }
            Self::AcmeDown | Self::AcmeLimited => [AcmeSh, Cloudhub].contains(&program),
            Self::AnypointDown | Self::AnypointLimited => program != DnsCf,
            Self::SecretExpired(App::Cloudhub) | Self::SpaceRenamed => {
                [AcmeSh, Cloudhub].contains(&program)
            }
            Self::SecretExpired(App::Flex) | Self::Flexctl(_) => program == Flex,
            Self::SecretExpired(App::Policy) | Self::PolicyOff => program == Policy,
            Self::ContextDeleted | Self::CertificateReplaced => program == Cloudhub,
            Self::DiskFull => true,
            // Nothing runs that could raise one.
            Self::MachineOff => false,
        }
    }

    /// Whether a certificate cannot reach the ingress meanwhile.
    pub(crate) fn hinders_certificate(self) -> bool {
        self == Self::MachineOff
            || (self.touches(Program::AcmeSh) || self.touches(Program::Cloudhub))
                && self.undone_by().is_none()
    }

    /// Whether a registration cannot be renewed meanwhile.
    pub(crate) fn hinders_registration(self) -> bool {
        self == Self::MachineOff || self.touches(Program::Flex)
    }

    /// What undoes what somebody has done by hand.
    pub(crate) fn undone_by(self) -> Option<Program> {
        match self {
            Self::ContextDeleted | Self::CertificateReplaced => Some(Program::Cloudhub),
            Self::PolicyOff => Some(Program::Policy),
            _ => None,
        }
    }

    /// Whether the program cannot undo it meanwhile.
    pub(crate) fn stops(self, program: Program) -> bool {
        match self {
            Self::AnypointDown | Self::AnypointLimited | Self::DiskFull | Self::MachineOff => true,
            Self::SecretExpired(_) | Self::SpaceRenamed => self.touches(program),
            _ => false,
        }
    }

    /// Whether nobody but a human can end it, who has to be told on the first night.
    pub(crate) fn mended_by(self) -> Option<Program> {
        match self {
            Self::TokenRevoked => Some(Program::DnsCf),
            Self::SecretExpired(App::Cloudhub) | Self::SpaceRenamed => Some(Program::Cloudhub),
            Self::SecretExpired(App::Flex) => Some(Program::Flex),
            Self::SecretExpired(App::Policy) => Some(Program::Policy),
            _ => None,
        }
    }
}

const DAY: u64 = 24;

/// The faults of so many hours: each kind once in random order, then once more, and now and then some quiet nights, which
/// come `every` so many hours.
pub(crate) fn plan(random: &mut Random, hours: u64, every: u64, can_fill_disk: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut coming: Vec<Kind> = Vec::new();
    let mut at = 2 * every + random.below(5 * every);
    while at < hours {
        if coming.is_empty() {
            coming = kinds(random);
            coming.retain(|kind| can_fill_disk || *kind != Kind::DiskFull);
        }
        let kind = coming.swap_remove(random.index(coming.len()));
        let ends = length(kind, random);
        faults.push(Fault {
            kind,
            begins: at,
            ends,
            lurks: random.below(2) == 0,
        });
        let lasts = match ends {
            Ends::After(hours) => hours,
            Ends::Mended(hours) => hours + DAY,
            Ends::AtOnce => DAY,
        };
        // Every third begins while the one before is still on.
        at += if random.below(3) == 0 {
            1 + random.below(lasts)
        } else {
            lasts + every + random.below(9 * every)
        };
    }
    faults
}

fn kinds(random: &mut Random) -> Vec<Kind> {
    let apps = [App::Cloudhub, App::Flex, App::Policy];
    vec![
        Kind::CloudflareDown,
        Kind::AnypointDown,
        Kind::AcmeDown,
        Kind::CloudflareLimited,
        Kind::AnypointLimited,
        Kind::AcmeLimited,
        Kind::TokenRevoked,
        Kind::SecretExpired(apps[random.index(apps.len())]),
        Kind::DiskFull,
        Kind::MachineOff,
        Kind::ContextDeleted,
        Kind::CertificateReplaced,
        Kind::SpaceRenamed,
        Kind::PolicyOff,
        Kind::Flexctl(FLEXCTL[random.index(FLEXCTL.len())]),
    ]
}

fn length(kind: Kind, random: &mut Random) -> Ends {
    match kind {
        Kind::MachineOff => Ends::After(7 * DAY),
        _ if kind.undone_by().is_some() => Ends::AtOnce,
        _ if kind.mended_by().is_some() => Ends::Mended(DAY + random.below(3 * DAY)),
        _ => Ends::After(DAY + random.below(4 * DAY + 1)),
    }
}
