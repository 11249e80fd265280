//! Runs another program: arguments as a list, never a shell, a time limit, its output kept for the error.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::duration;
use crate::error::{Error, Kind, Result};
use crate::secret::{self, Secret};
use crate::system::environment;
use crate::system::hold::Hold;
use crate::system::signals::Signals;
use crate::system::streams::{LARGEST_OUTPUT, Streams, drain};

/// How much of a program's words an error shows, in characters.
const LONGEST_WORDS: usize = 500;

/// How often the time limit and signals are looked at while the program is silent.
const TICK: Duration = Duration::from_millis(50);

/// How long the streams may stay open after the program has ended: something it left running may hold them.
const GRACE: Duration = Duration::from_secs(1);

/// How long a program that was handed a signal may take to end by itself, unless the caller says otherwise.
const LONGEST_END: Duration = Duration::from_secs(60);

/// A program that is about to be run.
///
/// It inherits the environment, without the variables that hold secrets of ours, and gets nothing on standard input.
pub struct Program {
    name: OsString,
    args: Vec<OsString>,
    limit: Duration,
    folder: Option<PathBuf>,
    held: Option<Hold>,
    input: Option<Vec<u8>>,
    handed_on: BTreeSet<String>,
    largest_output: usize,
    on_signal: OnSignal,
    longest_end: Duration,
    at_limit: AtLimit,
}

/// What becomes of a program whose time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtLimit {
    Kill,
    /// It is asked to end by `SIGTERM`, and killed only if it does not.
    Ask,
}

/// What becomes of a program when this process is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnSignal {
    /// It gets the same signal, and some time to end by itself.
    HandOn,
    /// It is waited for, as long as its time limit says.
    WaitForEnd,
}

/// How a program ended, and what it said.
#[derive(Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, cut at 1 MiB; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

impl Program {
    /// The program `name`, looked up on `PATH` unless it holds a slash, with five minutes to finish.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            args: Vec::new(),
            limit: Duration::from_secs(5 * 60),
            folder: None,
            held: None,
            input: None,
            handed_on: BTreeSet::new(),
            largest_output: LARGEST_OUTPUT,
            on_signal: OnSignal::HandOn,
            longest_end: LONGEST_END,
            at_limit: AtLimit::Kill,
        }
    }

    /// Has the program come to its own end when this process is told to stop: for what must not be left half done, and
    /// would be by a program that obeys the signal, such as a restart.
    #[must_use]
    pub fn to_its_end(mut self) -> Self {
        self.on_signal = OnSignal::WaitForEnd;
        self
    }

    /// Has a program that is handed a signal take so long to end by itself before it is killed.
    #[must_use]
    pub fn ends_within(mut self, time: Duration) -> Self {
        self.longest_end = time;
        self
    }

    /// Has the program asked to end, as by a signal to this process, when its time is up: for one that has something to
    /// put in order.
    #[must_use]
    pub fn asked_to_end(mut self) -> Self {
        self.at_limit = AtLimit::Ask;
        self
    }

    /// Has the program inherit these variables although they hold secrets: for one that needs them.
    #[must_use]
    pub fn handing_on<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.handed_on.extend(names.into_iter().map(Into::into));
        self
    }

    /// Has so many bytes of the program's standard output kept, instead of 1 MiB.
    #[must_use]
    pub fn with_output_up_to(mut self, bytes: usize) -> Self {
        self.largest_output = bytes;
        self
    }

    /// Gives the program something on standard input. It need not read it.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Has the program run in `folder`. A relative name of the program keeps its meaning.
    #[must_use]
    pub fn in_folder(mut self, folder: Option<&Path>) -> Self {
        self.folder = folder.map(Path::to_owned);
        if self.folder.is_some()
            && Path::new(&self.name).components().count() > 1
            && let Ok(absolute) = std::path::absolute(&self.name)
        {
            self.name = absolute.into();
        }
        self
    }

    /// Has the program keep `hold`, which it gets as its standard input: an empty one, as otherwise.
    #[must_use]
    pub fn holding(mut self, hold: Option<&Hold>) -> Self {
        self.held = hold.cloned();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds `--flag=SECRET`. The process list shows it while the program runs: only for programs that know no other way.
    #[must_use]
    pub fn secret_flag(self, flag: &str, value: &Secret) -> Self {
        self.arg(format!("{flag}={}", value.expose()))
    }

    /// Sets the time limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The program's name as it is called.
    pub fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Whether there is such a program.
    pub fn exists(&self) -> bool {
        exists(&self.name)
    }

    /// Runs the program to its end, whatever that is.
    ///
    /// # Errors
    ///
    /// Not found: there is no such program. Configuration: it may not be run. Unreachable: it did not finish in time, and
    /// was killed with all it started in its process group; or this process was told to stop, and so was the program.
    pub fn run(&self) -> Result<Finished> {
        let signals = Signals::listen();
        let mut child = self.spawn()?;
        let streams = drain(&mut child, self.largest_output);
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input.clone()) {
            // On its own: a program that does not read would keep this one from looking at the time.
            thread::spawn(move || {
                let _ = stdin.write_all(&input);
            });
        }
        let status = self.wait(&mut child, &streams, &signals);
        let (stdout, stderr) = streams.into_texts();
        Ok(Finished {
            status: status?,
            stdout,
            stderr,
        })
    }

    /// Runs the program; only exit code 0 is a success.
    ///
    /// # Errors
    ///
    /// Those of [`Program::run`]; else refused, with the last words of the program.
    pub fn succeed(&self) -> Result<Finished> {
        let finished = self.run()?;
        if finished.status.success() {
            Ok(finished)
        } else {
            Err(self.refused(&finished))
        }
    }

    /// The error that an exit code other than 0 is: "refused", unless the caller knows better.
    pub fn refused(&self, finished: &Finished) -> Error {
        let said = finished.last_words();
        let said = if said.is_empty() {
            "it said nothing".to_owned()
        } else {
            said
        };
        Error::new(
            Kind::Refused,
            format!("{} {}: {said}", self.shown(), finished.how()),
        )
    }

    /// The name with its first plain arguments, for messages: `kubectl rollout status`.
    fn shown(&self) -> String {
        let name = Path::new(&self.name)
            .file_name()
            .map_or_else(|| self.name(), |name| name.to_string_lossy().into_owned());
        let words = self
            .args
            .iter()
            .map(|arg| arg.to_string_lossy())
            .filter(|arg| !arg.is_empty() && arg.chars().all(|c| c.is_ascii_lowercase()))
            .take(2);
        std::iter::once(name)
            .chain(words.map(std::borrow::Cow::into_owned))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.name);
        command
            .args(&self.args)
            .stdin(self.stdin())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own can be killed as a whole.
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        environment::withhold_secrets_but(&mut command, &self.handed_on);
        let name = self.name();
        let child = command.spawn().map_err(|err| match err.kind() {
            ErrorKind::NotFound => Error::not_found(format!("the program {name} is not there"))
                .advise(format!(
                    "Install it, or give its full path: PATH is {}.",
                    std::env::var("PATH").unwrap_or_default()
                )),
            _ => Error::config(format!("the program {name} cannot be run")).caused_by(err),
        })?;
        if let Some(held) = &self.held {
            // Without it the program cannot be ended by a later run, only waited for.
            let _ = held.kept_by(&child);
        }
        Ok(child)
    }

    fn stdin(&self) -> Stdio {
        if self.input.is_some() {
            return Stdio::piped();
        }
        match self.held.as_ref().map(Hold::stdin) {
            Some(Ok(file)) => file,
            _ => Stdio::null(),
        }
    }

    fn wait(&self, child: &mut Child, streams: &Streams, signals: &Signals) -> Result<ExitStatus> {
        let started = Instant::now();
        // One that is started after a signal finishes what has begun.
        let hands_on = self.on_signal == OnSignal::HandOn && signals.arrived().is_none();
        // Since when it has been ending, and why.
        let mut ending: Option<(Instant, String)> = None;
        let broken = |err: io::Error| {
            Error::config(format!("{} cannot be waited for", self.shown())).caused_by(err)
        };
        loop {
            let silent = streams.wait(TICK);
            if let Some(status) = child.try_wait().map_err(broken)? {
                streams.wait(GRACE);
                return match ending {
                    Some((_, why)) if !status.success() => Err(self.unfinished(&why, streams)),
                    _ => Ok(status),
                };
            }
            if hands_on
                && ending.is_none()
                && let Some(signal) = signals.arrived()
            {
                send(child, signal);
                ending = Some((Instant::now(), "was stopped by a signal".to_owned()));
            }
            let is_over = started.elapsed() >= self.limit;
            let late = || format!("did not finish within {}", duration::show(self.limit));
            if is_over && ending.is_none() && self.at_limit == AtLimit::Ask {
                send(child, Signal::TERM);
                ending = Some((Instant::now(), late()));
            }
            let why = match &ending {
                Some((since, why)) if since.elapsed() >= self.longest_end => {
                    format!("{why}, and had to be killed")
                }
                None if is_over => late(),
                // One that is ending has its time for that.
                Some(_) if self.at_limit == AtLimit::Kill && is_over => late(),
                _ => {
                    // Closed streams without an end: the last moments of a program, or a daemon.
                    if !silent {
                        thread::sleep(Duration::from_millis(1));
                    }
                    continue;
                }
            };
            send(child, Signal::KILL);
            let _ = child.wait();
            streams.wait(GRACE);
            return Err(self.unfinished(&why, streams));
        }
    }

    fn unfinished(&self, why: &str, streams: &Streams) -> Error {
        let said = last_words(&streams.stderr());
        let said = if said.is_empty() {
            said
        } else {
            format!("; its last words: {said}")
        };
        Error::new(Kind::Unreachable, format!("{} {why}{said}", self.shown()))
    }
}

impl Finished {
    /// What it said on both streams, for a search.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// The end of what it said, standard error first, cut to a length.
    pub fn last_words(&self) -> String {
        let said = last_words(&self.stderr);
        if said.is_empty() {
            last_words(&self.stdout)
        } else {
            said
        }
    }

    fn how(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("ended with exit code {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        }
    }
}

impl std::fmt::Debug for Program {
    /// The name alone: arguments may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Finished {
    /// The status alone: programs print what they like.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finished")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A word of a command as a shell reads it: for commands that people are advised to run.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// Whether `program` is there: a path to an executable file, or the name of one on `PATH`.
pub fn exists(program: impl AsRef<OsStr>) -> bool {
    let program = Path::new(program.as_ref());
    if program.components().count() > 1 {
        return is_executable(program);
    }
    on_path(program).iter().any(|path| is_executable(path))
}

/// The program `name` in the folder of the one that is running, where programs that were installed together lie, else on
/// `PATH`.
pub fn beside_or_on_path(name: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|me| Some(me.parent()?.join(name)));
    beside
        .into_iter()
        .chain(on_path(name))
        .find(|path| is_executable(path))
}

fn on_path(name: impl AsRef<Path>) -> Vec<PathBuf> {
    std::env::var_os("PATH").map_or_else(Vec::new, |path| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(&name))
            .collect()
    })
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What this machine is called.
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The user and group that this process acts as.
pub fn user() -> (u32, u32) {
    (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    )
}

/// What matters of a program's words, as one line: the first that speaks of an error, and the last three.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tail = lines.len().saturating_sub(3);
    let first = lines[..tail]
        .iter()
        .find(|line| line.to_ascii_lowercase().contains("error"));
    let words: Vec<&str> = first.into_iter().chain(&lines[tail..]).copied().collect();
    let words = secret::mask(&words.join(" / ")).into_owned();
    match words.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// To the program and all it started in its process group.
fn send(child: &Child, signal: Signal) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // The child has not been waited for, so the number is still its own.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::streams::LARGEST_OUTPUT;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").arg("-c").arg(script)
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_read_something_else() {
        assert_eq!(shell_word("/srv/edge-1.yaml"), "/srv/edge-1.yaml");
        assert_eq!(shell_word(""), "''");
        let nasty = "it's $(here);\n<b>";
        let echo = format!("printf %s {}", shell_word(nasty));
        let told = Command::new("sh").args(["-c", &echo]).output().unwrap();
        assert_eq!(String::from_utf8(told.stdout).unwrap(), nasty);
    }

    #[test]
    fn both_streams_and_the_exit_code_are_kept() {
        let finished = shell("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!(finished.stdout, "out\n");
        assert_eq!(finished.stderr, "err\n");
        let err = shell("echo why >&2; exit 3").succeed().unwrap_err();
        assert_eq!(err.to_string(), "sh ended with exit code 3: why");
        assert_eq!(err.kind(), Kind::Refused);
    }

    #[test]
    fn a_program_that_is_asked_to_end_can_put_things_in_order_and_is_killed_if_it_does_not_listen()
    {
        let orderly = "trap 'echo in order >&2; exit 3' TERM; while :; do sleep 0.01; done";
        let err = shell(orderly)
            .limit(Duration::from_millis(200))
            .asked_to_end()
            .run()
            .unwrap_err()
            .to_string();
        assert!(err.contains("did not finish within 0s"), "{err}");
        assert!(err.ends_with("in order"), "{err}");
        let err = shell("trap '' TERM; while :; do sleep 0.01; done")
            .limit(Duration::from_millis(100))
            .asked_to_end()
            .ends_within(Duration::from_millis(200))
            .run()
            .unwrap_err()
            .to_string();
        assert!(err.contains("and had to be killed"), "{err}");
    }

    #[test]
    fn a_program_reads_what_it_is_given_and_need_not() {
        let large = "x".repeat(1 << 20);
        let counted = shell("wc -c").with_input(large.as_str()).run().unwrap();
        assert_eq!(counted.stdout.trim(), large.len().to_string());
        let unread = shell("exit 0").with_input(large.as_str()).run().unwrap();
        assert!(unread.status.success());
    }

    #[test]
    fn as_much_is_kept_as_the_caller_needs() {
        let script = format!("head -c {} /dev/zero", LARGEST_OUTPUT + 5);
        let kept = |program: Program| program.run().unwrap().stdout.len();
        assert_eq!(kept(shell(&script)), LARGEST_OUTPUT);
        let more = shell(&script).with_output_up_to(2 * LARGEST_OUTPUT);
        assert_eq!(kept(more), LARGEST_OUTPUT + 5);
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let started = Instant::now();
        let err = shell(&script)
            .limit(Duration::from_millis(300))
            .run()
            .unwrap_err();
        assert_eq!(err.kind(), Kind::Unreachable);
        assert!(started.elapsed() < Duration::from_secs(30));
        let pid = std::fs::read_to_string(pid).unwrap();
        // Nobody may have waited for the orphan yet, so a zombie counts as dead.
        let stat = format!("/proc/{}/stat", pid.trim());
        let alive = || std::fs::read_to_string(&stat).is_ok_and(|state| !state.contains(") Z"));
        while alive() {
            assert!(started.elapsed() < Duration::from_secs(30), "still running");
            thread::yield_now();
        }
    }

    #[test]
    fn something_left_running_does_not_keep_us_waiting() {
        let started = Instant::now();
        let finished = shell("echo done; sleep 20 &").run().unwrap();
        assert_eq!(finished.stdout, "done\n");
        assert!(started.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn more_output_than_is_kept_does_not_block_the_program() {
        let finished = shell("yes | head -c 3000000").run().unwrap();
        assert_eq!(finished.stdout.len(), LARGEST_OUTPUT);
    }

    #[test]
    fn a_program_runs_in_the_folder_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().canonicalize().unwrap();
        let finished = shell("pwd -P").in_folder(Some(&there)).run().unwrap();
        assert_eq!(finished.stdout.trim_end(), there.to_str().unwrap());
    }

    #[test]
    fn arguments_reach_the_program_as_they_are() {
        let finished = Program::new("printf")
            .args(["%s|", "a b", "$HOME", "*", "'"])
            .run()
            .unwrap();
        assert_eq!(finished.stdout, "a b|$HOME|*|'|");
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        let err = Program::new("no-such-program-here").run().unwrap_err();
        assert_eq!(err.kind(), Kind::NotFound);
        assert!(!Program::new("no-such-program-here").exists());
        assert!(Program::new("sh").exists());
        assert!(Program::new("/bin/sh").exists());
    }
}
