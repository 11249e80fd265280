//! `flexctl`, the command of Flex Gateway: one function per command in use.
//!
//! The program is closed. What is known of it comes from
//! <https://docs.mulesoft.com/gateway/latest/flex-gateway-renew-certificate>; neither its exit codes nor its error texts
//! are documented, so both are read with tolerance and decide as little as possible.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::error::{Error, Kind, Result};
use crate::net::http::excerpt;
use crate::secret::Secret;
use crate::system::hold::Hold;
use crate::system::process::{Finished, Program};

/// What a connected app or user needs, as Access Management names it.
const SCOPES: &str = "Read Servers, Manage Servers and View Organization";

/// A longer word is no version.
const LONGEST_VERSION: usize = 40;

/// Who asks for the renewal. There is no third way: `renew` knows no registration token.
#[derive(Debug, Clone)]
pub enum Login {
    /// A connected app that acts on its own behalf.
    App {
        /// Its client id.
        id: String,
        /// Its client secret.
        secret: Secret,
    },
    /// A user without multi-factor authentication.
    User {
        /// The user's name.
        name: String,
        /// The user's password.
        password: Secret,
    },
}

/// How `flexctl` is called here: by itself, or inside a container.
#[derive(Debug, Clone)]
pub struct Flexctl {
    /// The program that is run: `flexctl`, or the container engine.
    pub program: OsString,
    /// What stands before `flexctl`'s own arguments.
    pub before: Vec<OsString>,
    /// How long one call may take.
    pub limit: Duration,
    /// What a renewal keeps locked while it runs.
    pub hold: Option<Hold>,
    /// Where a renewal is run: it fails in a folder that holds a registration.
    pub folder: Option<PathBuf>,
}

/// What a renewal needs. Paths are those that `flexctl` sees.
#[derive(Debug, Clone, Copy)]
pub struct Renewal<'a> {
    /// Who asks.
    pub login: &'a Login,
    /// The registration as it is.
    pub registration: &'a Path,
    /// Where the new one goes: a folder without a registration in it.
    pub output: &'a Path,
    /// Whether environment URLs in the file are brought up to date, too.
    pub update_urls: bool,
}

/// Why a renewal failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// There is no such program.
    NotInstalled,
    /// It was ended before it was done: by its time limit, or with this process.
    NotFinished,
    /// It knows no renewal.
    TooOld,
    /// It cannot update URLs.
    CannotUpdateUrls,
    /// The user has multi-factor authentication.
    MultiFactor,
    /// The connected app or user lacks a scope.
    ScopeMissing,
    /// The credentials were refused.
    CredentialsRefused,
    /// It could not reach the platform.
    PlatformUnreachable,
    /// It reports success, and nothing was written.
    NothingWritten,
    /// Anything else.
    Other,
}

/// A renewal that failed. The error has no advice yet where the program's own settings are the cure.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// What happened.
    pub error: Error,
}

/// What `flexctl` said about a renewal that it calls a success.
#[derive(Debug, Clone)]
pub struct Renewed(Finished);

impl Flexctl {
    /// The `flexctl` of this host.
    pub fn on_host(program: impl Into<OsString>, limit: Duration) -> Self {
        Self {
            program: program.into(),
            before: Vec::new(),
            limit,
            hold: None,
            folder: None,
        }
    }

    /// Has the certificate renewed: `flexctl registration renew`.
    ///
    /// The documented call takes credentials as flags only, so the process list shows them while it runs.
    ///
    /// # Errors
    ///
    /// Credentials: refused, a scope is missing, or the user has multi-factor authentication. Unreachable: the platform
    /// was not reached, or the call did not finish in time. Else refused, with `flexctl`'s own words. Not found: there
    /// is no such program.
    pub fn renew(&self, renewal: &Renewal<'_>) -> Result<Renewed, Failed> {
        let mut call = self.call(["registration", "renew"]);
        call = match renewal.login {
            Login::App { id, secret } => call
                .arg(format!("--client-id={id}"))
                .secret_flag("--client-secret", secret),
            Login::User { name, password } => call
                .arg(format!("--username={name}"))
                .secret_flag("--password", password),
        };
        if renewal.update_urls {
            call = call.arg("--update-urls=true");
        }
        let call = call
            .arg(flag("--output-directory=", renewal.output))
            .arg(renewal.registration)
            .holding(self.hold.as_ref())
            .in_folder(self.folder.as_deref());
        let finished = call.run().map_err(Failed::to_run)?;
        if finished.status.success() {
            return Ok(Renewed(finished));
        }
        Err(judge(call.refused(&finished), &finished.all()))
    }

    /// When the certificate of `file`, or of the default registration where `flexctl` runs, expires according to
    /// `flexctl registration inspect`.
    ///
    /// # Errors
    ///
    /// The call failed, or there is no date in its answer.
    pub fn inspect(&self, file: Option<&Path>) -> Result<Timestamp> {
        let mut call = self.call(["registration", "inspect"]);
        if let Some(file) = file {
            call = call.arg(flag("--file=", file));
        }
        let finished = call.succeed()?;
        expiration_date(&finished.all()).ok_or_else(|| {
            Error::new(
                Kind::Refused,
                format!(
                    "flexctl registration inspect gave no date: {}",
                    finished.last_words()
                ),
            )
        })
    }

    /// Which version it is by its own account: `flexctl version`.
    ///
    /// # Errors
    ///
    /// The call failed, or it says none.
    pub fn version(&self) -> Result<String> {
        let finished = self.call(["version"]).succeed()?;
        version_in(&finished.stdout).ok_or_else(|| {
            Error::new(
                Kind::Refused,
                format!("flexctl version names none: {}", finished.last_words()),
            )
        })
    }

    fn call<const N: usize>(&self, command: [&str; N]) -> Program {
        Program::new(&self.program)
            .args(&self.before)
            .args(command)
            .limit(self.limit)
    }
}

impl Failed {
    fn new(failure: Failure, error: Error) -> Self {
        Self { failure, error }
    }

    fn to_run(err: Error) -> Self {
        let failure = match err.kind() {
            Kind::Unreachable => Failure::NotFinished,
            Kind::NotFound => Failure::NotInstalled,
            _ => Failure::Other,
        };
        Self::new(failure, err)
    }
}

impl Renewed {
    /// Whether the documented success message is there. Only extra evidence.
    pub fn says_completed(&self) -> bool {
        self.0.all().contains("Registration renewal completed")
    }

    /// The error for a success that left no registration behind.
    pub fn without_file(&self) -> Failed {
        let said = self.0.all();
        if knows_no_renew(&said.to_lowercase()) {
            return too_old(&self.0.last_words());
        }
        let err = Error::new(
            Kind::Unproved,
            format!(
                "flexctl reported success but wrote no registration; it said: {}",
                excerpt(&said)
            ),
        )
        .advise("Nothing was changed. Use the newest flexctl, and try flexctl registration renew by hand in an empty folder.");
        Failed::new(Failure::NothingWritten, err)
    }
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

fn too_old(said: &str) -> Failed {
    let err = Error::new(
        Kind::Refused,
        format!("this flexctl is too old to renew a registration: {said}"),
    );
    Failed::new(Failure::TooOld, err)
}

/// Commands of this family answer an unknown subcommand with their help, and some with exit code 0.
fn knows_no_renew(said: &str) -> bool {
    said.contains("unknown command \"renew\"")
        || (said.contains("available commands:") && !mentions_command(said, "renew"))
}

fn mentions_command(help: &str, command: &str) -> bool {
    help.lines()
        .any(|line| line.split_whitespace().next() == Some(command))
}

/// Works out from its words what a failed call means.
fn judge(err: Error, said: &str) -> Failed {
    // One line with spaces at both ends, so that a status differs from digits of an id.
    let said = said.to_lowercase();
    let line = format!(
        " {} ",
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    );
    let any = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if knows_no_renew(&said) {
        return too_old(&excerpt(&said));
    }
    if any(&["unknown flag: --update-urls"]) {
        return Failed::new(Failure::CannotUpdateUrls, err);
    }
    if any(&[
        "multi-factor",
        "multifactor",
        "two-factor",
        " mfa",
        "mfa ",
        "verification code",
    ]) {
        return Failed::new(Failure::MultiFactor, err.as_kind(Kind::Credentials));
    }
    // Documented: this is how a missing permission shows.
    let scope_missing = any(&[
        "handler returned neither error nor response message",
        " 403 ",
        "forbidden",
        "permission denied on",
        "not authorized",
        "insufficient scope",
        "insufficient permission",
        "missing scope",
        "permissiondenied",
    ]);
    if scope_missing {
        let err = err.as_kind(Kind::Credentials).advise(format!(
            "Give the connected app or user the scopes {SCOPES} (read:servers, manage:servers, read:organization) for \
             the gateway's organization and environment, in Access Management.",
        ));
        return Failed::new(Failure::ScopeMissing, err);
    }
    let refused = any(&[
        " 401 ",
        "unauthorized",
        "unauthenticated",
        "invalid credentials",
        "invalid_client",
        "invalid client",
        "invalid username",
        "bad credentials",
        "authentication failed",
    ]);
    if refused {
        return Failed::new(Failure::CredentialsRefused, err.as_kind(Kind::Credentials));
    }
    let unreachable = any(&[
        "dial tcp",
        "no such host",
        "connection refused",
        "connection reset",
        "network is unreachable",
        "i/o timeout",
        "deadline exceeded",
        "tls handshake",
        "x509:",
        "proxyconnect",
        "failed connecting to",
        "unexpected eof",
        "500 internal",
        "502 bad gateway",
        "503 service",
        "504 gateway",
        "429 too many",
        "code = unavailable",
    ]);
    if unreachable {
        let err = err.as_kind(Kind::Unreachable).advise(
            "Check that the platform can be reached from where flexctl runs: network, DNS, proxy, certificates. Else \
             try again later.",
        );
        return Failed::new(Failure::PlatformUnreachable, err);
    }
    let err = if any(&["file already exists"]) {
        err.advise(
            "The folder for the new registration was empty when flexctl started; look at its message above.",
        )
    } else {
        err.advise(
            "Nothing was changed. Try the call by hand: flexctl registration renew --help shows its flags.",
        )
    };
    Failed::new(Failure::Other, err)
}

/// The first word that is a version, such as `1.8.2` or `v1.8.2-rc1`.
fn version_in(answer: &str) -> Option<String> {
    answer
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | ':' | '{' | '}'))
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.chars().take(LONGEST_VERSION).collect())
}

/// The date in an answer of `registration inspect`, as `{"expiration_date": "2025-09-25 19:27:32 +0000 UTC"}`: Go's
/// text for a time. The documentation shows typographic quotes, so whatever stands around it is passed over.
fn expiration_date(answer: &str) -> Option<Timestamp> {
    let (_, after) = answer.split_once("expiration_date")?;
    let start = after.find(|c: char| c.is_ascii_digit())?;
    let words: Vec<&str> = after[start..].splitn(4, ' ').take(3).collect();
    let [day, time, offset] = words[..] else {
        return None;
    };
    let text = format!("{day} {time} {}", offset.get(..5)?);
    Timestamp::strptime("%Y-%m-%d %H:%M:%S%.f %z", text).ok()
}

/// A moment in the form in which `registration inspect` writes it.
pub fn inspect_form(expiry: Timestamp) -> String {
    format!(
        "{{\"expiration_date\": \"{}\"}}",
        expiry.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_for(said: &str) -> Kind {
        judge(Error::new(Kind::Refused, "flexctl"), said)
            .error
            .kind()
    }

    #[test]
    fn the_date_is_found_in_every_dress() {
        let expected: Timestamp = "2025-09-25T19:27:32Z".parse().unwrap();
        for answer in [
            r#"{"expiration_date": "2025-09-25 19:27:32 +0000 UTC"}"#,
            "{“expiration_date”: “2025-09-25 19:27:32 +0000 UTC”}",
            r#"{"agent":"x","expiration_date":"2025-09-25 21:27:32 +0200 CEST","v":1}"#,
        ] {
            assert_eq!(expiration_date(answer), Some(expected), "{answer}");
        }
        let fraction = r#"{"expiration_date": "2025-09-25 19:27:32.123456789 +0000 UTC"}"#;
        assert_eq!(
            expiration_date(fraction).unwrap().as_second(),
            expected.as_second()
        );
        assert_eq!(
            inspect_form(expected),
            r#"{"expiration_date": "2025-09-25 19:27:32 +0000 UTC"}"#
        );
        for answer in [
            "",
            "{}",
            "expiration_date: soon",
            "expiration_date 2025-09-25",
        ] {
            assert_eq!(expiration_date(answer), None, "{answer}");
        }
    }

    #[test]
    fn the_version_is_found_in_every_dress() {
        for (answer, version) in [
            ("1.8.2\n", Some("1.8.2")),
            ("flexctl version v1.11.0-rc1 (linux)", Some("1.11.0-rc1")),
            ("{\"version\":\"1.9.0\"}", Some("1.9.0")),
            ("", None),
            ("unknown", None),
        ] {
            assert_eq!(version_in(answer).as_deref(), version, "{answer}");
        }
    }

    #[test]
    fn words_of_flexctl_become_the_kind_that_helps() {
        let missing = "Couldn't execute register command successfully: rpc error: code = Internal desc = handler \
                       returned neither error nor response message";
        assert_eq!(kind_for(missing), Kind::Credentials);
        assert_eq!(kind_for("HTTP/1.1 401 Unauthorized"), Kind::Credentials);
        assert_eq!(
            kind_for("agent 40301401-0000-4000-8000-000000000401: no"),
            Kind::Refused
        );
        assert_eq!(
            kind_for("Error: multi-factor authentication required"),
            Kind::Credentials
        );
        assert_eq!(
            kind_for("Error: failed connecting to https://x: dial tcp: lookup x: no such host"),
            Kind::Unreachable
        );
        assert_eq!(
            kind_for("reg facade call returned error response: 400 Bad Request"),
            Kind::Refused
        );
    }

    #[test]
    fn an_old_flexctl_is_distinguished_from_a_failure() {
        let failed = judge(
            Error::new(Kind::Refused, "flexctl"),
            "Error: unknown command \"renew\" for \"flexctl registration\"",
        );
        assert_eq!(failed.failure, Failure::TooOld);
        let help = "Usage:\n  flexctl registration [command]\n\nAvailable Commands:\n  create  Register\n  inspect  Look\n";
        assert!(knows_no_renew(&help.to_lowercase()));
        let newer = format!("{help}  renew  Renew\n");
        assert!(!knows_no_renew(&newer.to_lowercase()));
    }
}
