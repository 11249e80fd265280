//! A lock that shows whether a program which a run started still lives, also after that run was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::system::files;

/// Between two looks at the lock.
const TICK: Duration = Duration::from_millis(50);

/// How long the lock may stay after the program was killed.
const LONGEST_END: Duration = Duration::from_secs(10);

/// A locked file that is open in this process and in programs that were given it, so that the lock lasts as long as one
/// of them lives. It outlives this process being killed, and shows the next one that a program was left running.
#[derive(Debug, Clone)]
pub struct Hold(Arc<File>);

impl Hold {
    /// Makes and locks the file at `path`.
    ///
    /// # Errors
    ///
    /// It is there already, or cannot be made or locked.
    pub fn new(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(files::PRIVATE)
            .open(path)?;
        file.lock()?;
        Ok(Self(Arc::new(file)))
    }

    /// The standard input of a program that is to keep it.
    pub(super) fn stdin(&self) -> io::Result<Stdio> {
        self.0.try_clone().map(Stdio::from)
    }

    /// Notes who keeps it, and leads a process group: for systems without `/proc`, see [`holders`].
    pub(super) fn kept_by(&self, child: &Child) -> io::Result<()> {
        let mut file = &*self.0;
        // The one before it has ended.
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(child.id().to_string().as_bytes())
    }

    /// Waits until nobody holds the file at `path`; after `limit`, whatever does is killed. Whether there was anything
    /// at all.
    ///
    /// # Errors
    ///
    /// It is still held, or cannot be read. A file that is not there is held by nobody.
    pub fn wait_for_end(path: &Path, limit: Duration) -> io::Result<bool> {
        let mut file = match File::open(path) {
            Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        if file.try_lock().is_ok() {
            return Ok(false);
        }
        if until_free(&file, limit) {
            return Ok(true);
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // Somebody of the group lives, or the file would be free, so the number has not been given to another.
        let group = text.trim().parse().ok().and_then(Pid::from_raw);
        let mut killed = group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok());
        let started = Instant::now();
        loop {
            for holder in holders(&file)? {
                killed |= kill_process(holder, Signal::KILL).is_ok();
            }
            if until_free(&file, TICK) {
                return Ok(true);
            }
            if !killed || started.elapsed() >= LONGEST_END {
                return Err(io::Error::other(format!(
                    "{} is still held",
                    path.display()
                )));
            }
        }
    }
}

/// The programs that have `file` as their standard input, according to the kernel: a run that was killed may have had
/// no time to write down which program it started. None where there is no `/proc`.
fn holders(file: &File) -> io::Result<Vec<Pid>> {
    let held = file.metadata()?;
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Ok(Vec::new());
    };
    Ok(processes
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // Only that one: between fork and exec, a child of this process has copies of all that is open here.
            let input = std::fs::metadata(entry.path().join("fd/0")).ok()?;
            ((input.dev(), input.ino()) == (held.dev(), held.ino())).then_some(pid)
        })
        .filter_map(Pid::from_raw)
        .collect())
}

fn until_free(file: &File, limit: Duration) -> bool {
    let started = Instant::now();
    loop {
        if file.try_lock().is_ok() {
            return true;
        }
        if started.elapsed() >= limit {
            return false;
        }
        thread::sleep(TICK.min(limit));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    /// A program that keeps the file at `path`, as a run leaves it that is killed at once.
    fn left_holding(path: &Path) -> Child {
        let hold = Hold::new(path).unwrap();
        Command::new("sleep")
            .arg("1000")
            .stdin(hold.stdin().unwrap())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    #[test]
    fn what_holds_a_file_is_waited_for_and_then_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!Hold::wait_for_end(&path, Duration::ZERO).unwrap());
        let mut child = left_holding(&path);
        std::fs::write(&path, child.id().to_string()).unwrap();
        assert!(Hold::wait_for_end(&path, Duration::from_millis(100)).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!Hold::wait_for_end(&path, Duration::ZERO).unwrap());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_nobody_wrote_down_is_found_by_the_file_that_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let mut child = left_holding(&path);
        assert!(Hold::wait_for_end(&path, Duration::ZERO).unwrap());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn what_cannot_be_ended_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // Not as standard input of anything, and no number is written down.
        let _hold = Hold::new(&path).unwrap();
        let err = Hold::wait_for_end(&path, Duration::ZERO).unwrap_err();
        assert!(err.to_string().ends_with("is still held"), "{err}");
    }
}
