//! What an address answers, and what its answers say about the policy.

use std::fmt;
use std::net::SocketAddr;

/// What an address answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Status {
        status: u16,
        /// Whether it asks for Basic authentication.
        basic: bool,
        redirect: Option<String>,
    },
    None(String),
}

/// What came of looking at an address once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) finding: Finding,
    /// How many of the requests that show the finding did, and of how many.
    pub(super) shown_by: (usize, usize),
    /// Where, if the host has several addresses.
    pub(super) at: Option<SocketAddr>,
}

impl Observation {
    /// Whether some of the requests that are to be refused were, and others were not.
    pub(super) fn is_mixed(&self) -> bool {
        self.finding.is_open() && self.shown_by.0 < self.shown_by.1
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (times, of) = self.shown_by;
        f.write_str(&self.finding.text())?;
        if self.finding == Finding::Proved {
            return write!(f, " ({of} of each)");
        }
        if self.is_mixed() {
            write!(f, " in {times} of {of} requests")?;
        }
        match self.at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// What the answers to all requests of a kind say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Refused without credentials and with wrong ones, let in with the right ones.
    Proved,
    /// Let in without credentials.
    Open(u16),
    /// 401 that does not ask for Basic authentication.
    OtherChallenge,
    /// 503.
    Unavailable,
    /// Let in with wrong credentials.
    WrongAccepted(u16),
    /// The previous password still works.
    PreviousAccepted(u16),
    /// The right credentials are refused.
    RightRefused,
    /// Let in, and the application answers something that was not expected.
    Unexpected(u16),
    /// Something else without credentials.
    Odd(u16),
    /// A redirect, which is not followed with credentials.
    Redirect(String),
    /// No answer.
    Unreachable(String),
}

/// Whether a `WWW-Authenticate` header offers Basic, perhaps among others.
pub(super) fn asks_for_basic(header: &str) -> bool {
    header.split(',').any(|challenge| {
        challenge
            .split_whitespace()
            .next()
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
    })
}

impl Finding {
    /// What an answer without credentials says; nothing where it is the one that a closed API gives.
    pub(super) fn without_credentials(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::None(why) => Self::Unreachable(why.clone()),
            Answer::Status {
                status: 401,
                basic: true,
                ..
            } => return None,
            Answer::Status { status: 401, .. } => Self::OtherChallenge,
            Answer::Status { status: 503, .. } => Self::Unavailable,
            Answer::Status {
                redirect: Some(to), ..
            } => Self::Redirect(to.clone()),
            Answer::Status {
                status: status @ (403 | 407 | 429 | 500 | 502 | 504),
                ..
            } => Self::Odd(*status),
            // Even a 404 comes from the application, which nobody may reach without credentials.
            Answer::Status { status, .. } => Self::Open(*status),
        })
    }

    /// What an answer with wrong credentials says; nothing where it is the one that a closed API gives.
    pub(super) fn with_wrong_ones(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::None(why) => Self::Unreachable(why.clone()),
            Answer::Status { status: 401, .. } => return None,
            Answer::Status { status: 503, .. } => Self::Unavailable,
            Answer::Status { status, .. } => Self::WrongAccepted(*status),
        })
    }

    /// What an answer with the right credentials says, where `expect` counts as success, or else every 2xx; nothing where
    /// it is that.
    pub(super) fn with_right_ones(answer: &Answer, expect: &[u16]) -> Option<Self> {
        Some(match answer {
            Answer::None(why) => Self::Unreachable(why.clone()),
            Answer::Status { status, .. } if expect.contains(status) => return None,
            Answer::Status { status: 401, .. } => Self::RightRefused,
            Answer::Status { status: 503, .. } => Self::Unavailable,
            Answer::Status { status, .. } if expect.is_empty() && (200..300).contains(status) => {
                return None;
            }
            Answer::Status {
                redirect: Some(to), ..
            } => Self::Redirect(to.clone()),
            Answer::Status { status, .. } => Self::Unexpected(*status),
        })
    }

    /// What an answer with the previous password says; nothing where it is the one that a closed API gives.
    pub(super) fn with_previous_password(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::None(why) => Self::Unreachable(why.clone()),
            Answer::Status { status: 401, .. } => return None,
            Answer::Status { status: 503, .. } => Self::Unavailable,
            Answer::Status { status, .. } => Self::PreviousAccepted(*status),
        })
    }

    /// Whether somebody gets in who should not.
    pub(super) fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Open(_) | Self::WrongAccepted(_) | Self::PreviousAccepted(_)
        )
    }

    /// What was seen, in words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Proved => {
                "401 without credentials, 401 with wrong ones, success with the right ones"
                    .to_owned()
            }
            Self::Open(status) | Self::Odd(status) => format!("{status} without credentials"),
            Self::OtherChallenge => "401 that does not ask for Basic authentication".to_owned(),
            Self::Unavailable => "503".to_owned(),
            Self::WrongAccepted(status) => format!("{status} with wrong credentials"),
            Self::PreviousAccepted(status) => format!("{status} with the previous password"),
            Self::RightRefused => "401 with the right credentials".to_owned(),
            Self::Unexpected(status) => format!("{status} with the right credentials"),
            Self::Redirect(to) => {
                format!("redirects to {to}, which is not followed with credentials")
            }
            Self::Unreachable(why) => why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, challenge: Option<&str>) -> Answer {
        Answer::Status {
            status,
            basic: challenge.is_some_and(asks_for_basic),
            redirect: None,
        }
    }

    #[test]
    fn only_a_basic_challenge_counts_as_one() {
        let found = |code, challenge| Finding::without_credentials(&status(code, challenge));
        assert_eq!(found(401, Some("Basic realm=\"mule-realm\"")), None);
        assert_eq!(found(401, Some("Bearer, basic realm=\"x\"")), None);
        assert_eq!(
            found(401, Some("Bearer realm=\"Basic\"")),
            Some(Finding::OtherChallenge)
        );
        assert_eq!(found(401, None), Some(Finding::OtherChallenge));
        assert_eq!(found(404, None), Some(Finding::Open(404)));
        assert_eq!(found(503, None), Some(Finding::Unavailable));
    }

    #[test]
    fn success_is_2xx_or_exactly_what_is_expected() {
        let found = |code, expect: &[u16]| Finding::with_right_ones(&status(code, None), expect);
        assert_eq!(found(204, &[]), None);
        assert_eq!(found(404, &[]), Some(Finding::Unexpected(404)));
        assert_eq!(found(404, &[404]), None);
        assert_eq!(found(200, &[204]), Some(Finding::Unexpected(200)));
        assert_eq!(found(401, &[]), Some(Finding::RightRefused));
    }
}
