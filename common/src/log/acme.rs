//! acme.sh's voice: its own log lines, on the terminal, in its log file and in the system's log.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::line::{Level, PLAIN, RED, YELLOW, write_to_stderr};
use crate::system::environment::{self, Env};

/// acme.sh's own logging rules: functions `_info`, `_err`, `_debug`, `_debug2` of acme.sh 3.1.4.
#[derive(Debug)]
pub(super) struct AcmeLog {
    debug: u8,
    log_file: Option<PathBuf>,
    log_level: u8,
    sys_log: u8,
    timestamp: bool,
    colour_out: bool,
    colour_err: bool,
}

impl AcmeLog {
    pub(super) fn new(env: &Env) -> Self {
        let number = |name: &str, default: u8| match env.get(name) {
            None => default,
            Some(text) => text.trim().parse().unwrap_or(default),
        };
        let colour = |terminal: bool| {
            env.get("ACME_FORCE_COLOR").is_some_and(|v| v == "1")
                || (terminal && env.get("ACME_NO_COLOR").is_none_or(|v| v == "0"))
        };
        Self {
            debug: number("DEBUG", 0),
            log_file: env.get("LOG_FILE").map(PathBuf::from),
            // acme.sh: DEFAULT_LOG_LEVEL is LOG_LEVEL_2.
            log_level: number("LOG_LEVEL", 2),
            sys_log: number("SYS_LOG", 0),
            timestamp: env.get("NO_TIMESTAMP").is_none_or(|v| v == "0"),
            colour_out: colour(io::stdout().is_terminal()),
            colour_err: colour(io::stderr().is_terminal()),
        }
    }

    pub(super) fn write(&self, level: Level, message: &str) {
        let (shown, logged, syslog) = match level {
            Level::Error | Level::Advice => (true, true, self.sys_log != 0),
            // acme.sh knows no warnings. They go where cron's mail finds them.
            Level::Warning => (true, true, self.sys_log != 0),
            Level::Info => (true, true, self.sys_log >= 6),
            Level::Debug(depth) => (
                self.debug >= depth,
                self.log_level >= depth,
                self.sys_log >= 6 + depth,
            ),
        };
        if !(shown || logged && self.log_file.is_some() || syslog) {
            return;
        }
        for line in message.lines() {
            let stamped = if self.timestamp {
                format!("[{}] {line}", date())
            } else {
                line.to_owned()
            };
            if shown {
                self.show(level, &stamped);
            }
            if logged {
                self.append(&stamped);
            }
            if syslog {
                send_to_syslog(level, line);
            }
        }
    }

    fn show(&self, level: Level, line: &str) {
        if level == Level::Info {
            let mut stdout = io::stdout().lock();
            let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
            return;
        }
        let paint = match level {
            Level::Error | Level::Advice if self.colour_err => RED,
            Level::Warning if self.colour_err && self.colour_out => YELLOW,
            _ => "",
        };
        if paint.is_empty() {
            write_to_stderr(&format!("{line}\n"));
        } else {
            write_to_stderr(&format!("{paint}{line}{PLAIN}\n"));
        }
    }

    /// A log that cannot be written must not stop a renewal, and acme.sh complains about it by itself.
    fn append(&self, line: &str) {
        if let Some(path) = &self.log_file
            && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
        {
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// The text of `date` without options in the C locale, which is what cron has.
fn date() -> String {
    jiff::ZonedDateTime::now()
        .strftime("%a %b %e %H:%M:%S %Z %Y")
        .to_string()
}

fn send_to_syslog(level: Level, line: &str) {
    let priority = match level {
        Level::Error | Level::Advice => "user.error",
        Level::Warning => "user.warning",
        Level::Info => "user.info",
        Level::Debug(_) => "user.debug",
    };
    let mut logger = Command::new("logger");
    environment::withhold_secrets(&mut logger);
    let _ = logger
        .args(["-i", "-t", "acme.sh", "-p", priority, "--", line])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme(pairs: &[(&str, &str)]) -> AcmeLog {
        AcmeLog::new(&Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_log_file_gets_debug_lines_although_the_terminal_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.sh.log");
        let log = acme(&[("LOG_FILE", path.to_str().unwrap()), ("NO_TIMESTAMP", "1")]);
        log.write(Level::Debug(2), "asking");
        log.write(Level::Debug(3), "too fine");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "asking\n");
    }

    #[test]
    fn a_line_carries_the_date_as_acme_sh_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        acme(&[("LOG_FILE", path.to_str().unwrap())]).write(Level::Debug(1), "adding");
        let line = std::fs::read_to_string(&path).unwrap();
        let (stamp, rest) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
            .unwrap();
        assert_eq!(rest, "adding\n");
        assert_eq!(stamp.split_whitespace().count(), 6, "{stamp}");
    }
}
