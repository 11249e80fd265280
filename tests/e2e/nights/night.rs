//! The life of a machine, night by night.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use fixtures::Random;

use crate::alarm::Alarm;
use crate::disk;
use crate::fault::{self, Ends, Fault, Kind};
use crate::machine::Machine;
use crate::people::People;
use crate::program::{Program, Schedule};
use crate::watch::Watch;

/// A conf file may get a longer value.
const MORE_BYTES: u64 = 2048;

/// What `anypoint-estate` remembers, of a handful of things that are wrong.
const MEMORY_BYTES: u64 = 16 * 1024;

/// A machine, and what it renews.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) name: &'static str,
    /// The test, with its path.
    pub(crate) test: &'static str,
    pub(crate) schedule: Schedule,
    /// Of a certificate, in seconds.
    pub(crate) lifetime: u64,
    pub(crate) common_name: bool,
    /// Whether acme.sh asks the authority when to renew.
    pub(crate) renewal_info: bool,
    /// How acme.sh is told when to renew otherwise.
    pub(crate) renew: &'static [&'static str],
    /// Hours between two runs.
    pub(crate) every: u64,
    /// How long it lasts, unless `NIGHTS_DAYS` says so.
    pub(crate) days: u64,
    /// Lifetime of a registration.
    pub(crate) registration_days: u64,
}

/// Lives it, and shows the figures.
///
/// # Panics
///
/// Something expired, opened, grew or was left over; or an alarm was raised without a cause, or without a reason.
pub(crate) fn live(life: &Life) {
    if !disk::is_inside() && disk::ran_inside(life.test) {
        return;
    }
    let seed = number("NIGHTS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let hours = number("NIGHTS_DAYS").unwrap_or(life.days) * 24;
    println!("{}: NIGHTS_SEED={seed}, {hours} hours", life.name);
    let started = Instant::now();
    let mut nights = Nights::new(life, seed, hours);
    for hour in 1..=hours {
        nights.hour(hour);
    }
    nights.figures(started);
    assert!(nights.false_alarms.is_empty(), "{:#?}", nights.false_alarms);
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap())
}

/// A fault that is in force.
#[derive(Debug)]
struct Active {
    fault: Fault,
    /// When the human was told who has to mend it.
    told: Option<u64>,
}

struct Nights {
    name: &'static str,
    machine: Machine,
    watch: Watch,
    schedule: Schedule,
    people: People,
    every: u64,
    coming: Vec<Fault>,
    active: Vec<Active>,
    injected: BTreeMap<&'static str, u32>,
    runs: u32,
    /// Whether the machine was off when the crontab last had its turn.
    was_off: bool,
    /// How often it was seen that the machine had been off.
    seen_off: u32,
    false_alarms: Vec<String>,
    /// The files of the host with their sizes, after everything was set up.
    files: BTreeMap<PathBuf, u64>,
}

impl Nights {
    fn new(life: &Life, seed: u64, hours: u64) -> Self {
        let machine = Machine::new(life);
        let watch = Watch::from(machine.now());
        let files = machine.files();
        let mut coming = fault::plan(
            &mut Random::new(seed),
            hours,
            life.every,
            machine.can_fill_disk(),
        );
        coming.reverse();
        Self {
            name: life.name,
            schedule: life.schedule,
            people: People::who_read(machine.mailbox()),
            machine,
            watch,
            every: life.every,
            coming,
            active: Vec::new(),
            injected: BTreeMap::new(),
            runs: 0,
            was_off: false,
            seen_off: 0,
            false_alarms: Vec::new(),
            files,
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        self.active.iter().map(|one| one.fault.kind).collect()
    }

    fn hour(&mut self, hour: u64) {
        self.machine.pass_hour();
        self.change(hour);
        if hour.is_multiple_of(self.every) {
            self.run(hour);
        }
        let kinds = self.kinds();
        self.watch.look(&self.machine, hour, &kinds);
    }

    /// Faults begin and end, by themselves or by a human.
    fn change(&mut self, hour: u64) {
        let before = self.kinds();
        let watch = &self.watch;
        let begins = |fault: &mut Fault| {
            fault.begins <= hour && !(fault.lurks && watch.is_due_soon(fault.kind, hour))
        };
        let begun: Vec<Fault> = std::iter::from_fn(|| self.coming.pop_if(begins)).collect();
        for mut fault in begun {
            fault.begins = hour;
            // One at a time of a kind: a second outage of the same is the same one.
            if self
                .kinds()
                .iter()
                .any(|kind| kind.name() == fault.kind.name())
            {
                continue;
            }
            println!(
                "{}: hour {hour}: {:?}, {:?}",
                self.name, fault.kind, fault.ends
            );
            *self.injected.entry(fault.kind.name()).or_default() += 1;
            self.machine.begin(fault.kind);
            self.active.push(Active { fault, told: None });
        }
        let is_on = !self.kinds().contains(&Kind::MachineOff);
        let machine = &mut self.machine;
        self.active.retain(|one| match (one.fault.ends, one.told) {
            (Ends::After(hours), _) => hour < one.fault.begins + hours,
            // Whom it does not work for tries again a day later.
            (Ends::Mended(hours), Some(told)) => {
                let due = told + hours;
                let at_work = is_on && hour >= due && (hour - due).is_multiple_of(24);
                !(at_work && machine.mend(one.fault.kind))
            }
            (Ends::Mended(_) | Ends::AtOnce, _) => true,
        });
        if self.kinds() != before || self.kinds().contains(&Kind::AcmeLimited) {
            self.machine.suffer(&self.kinds());
        }
    }

    fn run(&mut self, hour: u64) {
        let kinds = self.kinds();
        self.watch.ran(hour, &kinds);
        if kinds.contains(&Kind::MachineOff) {
            self.watch.alarms.push(Alarm::silence(hour));
            self.was_off = true;
            return;
        }
        if std::mem::take(&mut self.was_off) && self.schedule == Schedule::Estate {
            self.machine.shows_that_no_run_succeeded(hour);
            self.seen_off += 1;
        }
        self.runs += 1;
        let mut raised = Vec::new();
        for job in self.schedule.night().iter().chain(self.schedule.checks()) {
            let run = self.machine.run(job);
            let alarm = Alarm::of(job, &run, hour);
            if job.program == Program::Estate {
                let is_forgetful = kinds.contains(&Kind::DiskFull);
                let told = self.people.hear(hour, is_forgetful);
                let fails = alarm.is_some();
                assert!(
                    fails == !told.is_empty() || is_forgetful,
                    "hour {hour}: people were told {told:#?}, and {run}"
                );
                assert!(fails || run.stdout.is_empty(), "hour {hour}: {run}");
                if !is_forgetful {
                    self.machine.shows_in_textfile(hour, &run);
                }
                raised.extend(told);
            }
            raised.extend(alarm);
        }
        for alarm in &raised {
            let program = alarm.program.unwrap();
            if !kinds.iter().any(|kind| kind.touches(program)) {
                let text = format!("a false alarm, with {kinds:?} in force: {}", alarm.text);
                println!("{}: {text}", self.name);
                self.false_alarms.push(text);
            }
        }
        for one in &mut self.active {
            if let Some(program) = one.fault.kind.mended_by()
                && one.told.is_none()
            {
                let told = raised.iter().any(|alarm| alarm.program == Some(program));
                // It asks for no more than the work takes: see Schedule::learns_late.
                assert!(
                    told || self.schedule.learns_late(program),
                    "hour {hour}: nobody is told of {:?}",
                    one.fault.kind
                );
                one.told = told.then_some(hour);
            }
        }
        self.watch.alarms.extend(raised);
        self.past_acts();
        self.is_tidy(hour);
        self.machine.sim.clear_log();
    }

    /// What was done by hand is undone by the first run that can.
    fn past_acts(&mut self) {
        let kinds = self.kinds();
        self.active.retain(|one| {
            let undone_by = one.fault.kind.undone_by();
            undone_by.is_none_or(|program| kinds.iter().any(|kind| kind.stops(program)))
        });
    }

    /// Nothing is left over, nothing grows.
    fn is_tidy(&self, hour: u64) {
        let machine = &self.machine;
        assert!(
            machine.sim.unexpected().is_empty(),
            "{:?}",
            machine.sim.unexpected()
        );
        assert_eq!(machine.challenges(), [""; 0], "hour {hour}: the zone");
        let deleted = self.kinds().contains(&Kind::ContextDeleted);
        assert!(
            machine.contexts() == ["x-acme-example"] || deleted && machine.contexts().is_empty(),
            "hour {hour}: {:?}",
            machine.contexts()
        );
        assert!(
            machine.temporary().is_empty(),
            "hour {hour}: {:?}",
            machine.temporary()
        );
        for (path, size) in machine.files() {
            let allowed = match self.files.get(&path) {
                Some(at_first) => size <= at_first + MORE_BYTES,
                None => path.starts_with(machine.backups()) && size < MORE_BYTES,
            };
            let allowed = allowed || path.ends_with("estate.json") && size < MEMORY_BYTES;
            assert!(allowed, "hour {hour}: {} of {size} bytes", path.display());
        }
    }

    fn figures(&self, started: Instant) {
        let (name, alarms) = (self.name, &self.watch.alarms);
        let of = |program: Option<Program>| {
            let count = alarms.iter().filter(|alarm| alarm.program == program);
            count.count()
        };
        println!(
            "{name}: {} runs of {} programs; {} certificates served, {} registrations installed; {} faults injected, {} \
             alarms raised, {} false alarms; {} hours past an end that no run could have prevented; {:.0?}",
            self.runs,
            self.schedule.night().len(),
            self.watch.renewed,
            self.watch.reregistered,
            self.injected.values().sum::<u32>(),
            alarms.len(),
            self.false_alarms.len(),
            self.watch.excused,
            started.elapsed(),
        );
        for (kind, count) in &self.injected {
            println!("{name}: {count:4} times {kind}");
        }
        if !self.machine.can_fill_disk() {
            println!("{name}: NOT RUN: a full disk, which takes a mount namespace");
        }
        if self.schedule == Schedule::Estate {
            let People {
                notified,
                recovered,
                ..
            } = self.people;
            println!(
                "{name}: {notified} notifications, {recovered} things recovered, {} times seen that the machine was off",
                self.seen_off
            );
        }
        println!("{name}: {:4} alarms: silence of the machine", of(None));
        for program in Program::ALL {
            let count = of(Some(program));
            println!("{name}: {count:4} alarms of {}", program.name());
        }
    }
}
