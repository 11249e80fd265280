//! What the people hear: who raised an alarm, when, and why.

use fixtures::Finished;

use crate::program::{Job, Program};

/// A run that failed, a check that says that something is wrong, or the silence of a machine that should report.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    /// Hour of the simulated time.
    pub(crate) at: u64,
    /// None for the silence of a machine.
    pub(crate) program: Option<Program>,
    pub(crate) text: String,
}

impl Alarm {
    /// The alarm that a run of a job is, if it is one.
    ///
    /// # Panics
    ///
    /// It failed without naming a reason, or in a way that no run may.
    pub(crate) fn of(job: &Job, run: &Finished, at: u64) -> Option<Self> {
        // Standard error is what cron mails: on a good night, nothing.
        if run.code == Some(0) && run.stderr.is_empty() {
            return None;
        }
        let name = job.program.name();
        let what = format!("hour {at}: {name} {}: {run}", job.arguments.join(" "));
        match job.program {
            Program::AcmeSh => assert!(
                matches!(run.code, Some(0 | 1)) && !run.stderr.is_empty(),
                "{what}"
            ),
            _ => {
                let code = run.code.unwrap_or_else(|| panic!("{what}"));
                let says = run.stderr.contains(name) || code == 0;
                let looks = job.arguments[0] == "check" || job.program == Program::Estate;
                let checked = looks && !run.stdout.is_empty();
                match code {
                    0 | 2..=7 => assert!(says, "no reason is named: {what}"),
                    10 | 11 => assert!(checked, "no reason is named: {what}"),
                    _ => panic!("{what}"),
                }
            }
        }
        Some(Self {
            at,
            program: Some(job.program),
            text: what,
        })
    }

    /// A night without a report.
    pub(crate) fn silence(at: u64) -> Self {
        Self {
            at,
            program: None,
            text: format!("hour {at}: the machine does not report"),
        }
    }

    /// Whether it is about the certificate.
    pub(crate) fn is_about_certificate(&self) -> bool {
        self.program.is_none_or(|program| {
            [Program::AcmeSh, Program::DnsCf, Program::Cloudhub].contains(&program)
        })
    }

    /// Whether it is about the registration.
    pub(crate) fn is_about_registration(&self) -> bool {
        self.program.is_none_or(|program| program == Program::Flex)
    }
}
