//! What must hold, hour by hour.

use common::cert::Certificate;
use jiff::{SignedDuration, Timestamp};

use crate::alarm::Alarm;
use crate::fault::Kind;
use crate::machine::Machine;

/// How long before something ends an alarm has to have come.
const NOTICE: u64 = 24;

/// How long before its end `flex-renew run` renews a registration.
const REGISTRATION_DUE: u64 = 30 * 24;

const SOON: u64 = 10 * 24;

/// One run of the crontab.
#[derive(Debug)]
struct Run {
    at: u64,
    hinders_certificate: bool,
    hinders_registration: bool,
}

/// Something that ends, and since when it could have been renewed.
#[derive(Debug)]
struct Ending {
    /// What it is, byte for byte.
    bytes: Vec<u8>,
    due: u64,
    /// The first hour in which it is over.
    end: u64,
}

/// What has been seen so far.
#[derive(Debug)]
pub(crate) struct Watch {
    start: Timestamp,
    runs: Vec<Run>,
    pub(crate) alarms: Vec<Alarm>,
    certificate: Option<Ending>,
    registration: Option<Ending>,
    /// Certificates that were served, and registrations that were installed.
    pub(crate) renewed: u32,
    pub(crate) reregistered: u32,
    /// Hours in which something was over that nobody could have helped.
    pub(crate) excused: u32,
}

impl Watch {
    pub(crate) fn from(start: Timestamp) -> Self {
        Self {
            start,
            runs: Vec::new(),
            alarms: Vec::new(),
            certificate: None,
            registration: None,
            renewed: 0,
            reregistered: 0,
            excused: 0,
        }
    }

    /// The hour that a moment falls into.
    fn hour_of(&self, time: Timestamp) -> u64 {
        let since = time.duration_since(self.start).max(SignedDuration::ZERO);
        u64::try_from(since.as_hours()).unwrap()
    }

    /// The crontab had its turn, or would have had, with these faults in force.
    pub(crate) fn ran(&mut self, at: u64, active: &[Kind]) {
        self.runs.push(Run {
            at,
            hinders_certificate: active.iter().any(|kind| kind.hinders_certificate()),
            hinders_registration: active.iter().any(|kind| kind.hinders_registration()),
        });
    }

    /// Whether something that this kind of fault hinders is due within some days, but not within hours.
    pub(crate) fn is_due_soon(&self, kind: Kind, hour: u64) -> bool {
        let soon = |ending: &Option<Ending>| {
            let due = ending.as_ref().map(|ending| ending.due);
            due.is_some_and(|due| (hour + 6..hour + SOON).contains(&due))
        };
        kind.hinders_certificate() && soon(&self.certificate)
            || kind.hinders_registration() && soon(&self.registration)
    }

    /// Asserts what has to hold at any hour.
    pub(crate) fn look(&mut self, machine: &Machine, hour: u64, active: &[Kind]) {
        self.look_at_certificate(machine, hour, active);
        self.look_at_registration(machine, hour);
        // Whoever switches the policy off opens the API until a run can close it.
        let answers = machine.answers();
        let may_be_open = active.contains(&Kind::PolicyOff) && answers == [200, 200];
        assert!(
            answers == [401, 200] || may_be_open,
            "hour {hour}: the API answers {answers:?}"
        );
    }

    fn look_at_certificate(&mut self, machine: &Machine, hour: u64, active: &[Kind]) {
        let Some(served) = machine.served() else {
            let deleted = active.contains(&Kind::ContextDeleted);
            assert!(deleted, "hour {hour}: no certificate is served");
            return;
        };
        if is_new(self.certificate.as_ref(), &served) {
            let by_hand = active.contains(&Kind::CertificateReplaced);
            // One that somebody has put there is to be replaced at once.
            let due = if by_hand {
                hour
            } else {
                self.renewed += 1;
                self.hour_of(machine.planned_renewal()) + 1
            };
            let end = Certificate::from_der(&served).unwrap().not_after;
            self.certificate = Some(Ending {
                bytes: served,
                due,
                end: self.hour_of(end) + 1,
            });
        }
        let ending = self.certificate.as_ref().unwrap();
        if hour >= ending.end {
            let hindered = |run: &Run| run.hinders_certificate;
            self.excuse(
                "the certificate",
                ending,
                hindered,
                Alarm::is_about_certificate,
            );
            self.excused += 1;
        }
    }

    fn look_at_registration(&mut self, machine: &Machine, hour: u64) {
        let installed = machine.registration();
        if is_new(self.registration.as_ref(), &installed) {
            self.reregistered += 1;
            let end = self.hour_of(machine.registration_end()) + 1;
            self.registration = Some(Ending {
                bytes: installed,
                due: hour.max(end.saturating_sub(REGISTRATION_DUE)) + 1,
                end,
            });
        }
        let ending = self.registration.as_ref().unwrap();
        if hour >= ending.end {
            let hindered = |run: &Run| run.hinders_registration;
            self.excuse(
                "the registration",
                ending,
                hindered,
                Alarm::is_about_registration,
            );
            self.excused += 1;
        }
    }

    /// No run could have renewed it in time, and somebody was told a day before.
    fn excuse(
        &self,
        what: &str,
        ending: &Ending,
        hindered: impl Fn(&Run) -> bool,
        is_about: impl Fn(&Alarm) -> bool,
    ) {
        let Ending { due, end, .. } = ending;
        let mut chances = self
            .runs
            .iter()
            .filter(|run| (*due..*end).contains(&run.at));
        if let Some(run) = chances.find(|run| !hindered(run)) {
            panic!("{what} ended at hour {end}, though it was due from hour {due} on: {run:?}");
        }
        let told = self.alarms.iter().any(|alarm| {
            (due.saturating_sub(2 * NOTICE)..=end - NOTICE).contains(&alarm.at) && is_about(alarm)
        });
        assert!(
            told,
            "{what} ended at hour {end}, and nobody was told a day before"
        );
    }
}

fn is_new(known: Option<&Ending>, bytes: &[u8]) -> bool {
    known.is_none_or(|known| known.bytes != bytes)
}
