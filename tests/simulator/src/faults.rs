//! Faults on request: what the network and the platforms do on a bad day.

use serde::{Deserialize, Serialize};

use crate::http::Request;

/// What happens to a request that a [`Fault`] applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers this, without effect.
    Answer {
        /// HTTP status.
        status: u16,
        /// Header names and values.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Body, sent as it is.
        #[serde(default)]
        body: String,
    },
    /// Answers a gateway's HTML page, without effect.
    Html {
        /// HTTP status.
        status: u16,
    },
    /// Answers a status and an empty body, without effect.
    Empty {
        /// HTTP status.
        status: u16,
    },
    /// Resets the TCP connection, without effect.
    Reset,
    /// Closes the connection without an answer and without effect.
    Close,
    /// Never answers, without effect.
    Hang,
    /// The request takes effect; the connection is reset instead of an answer.
    LostAnswer,
    /// The request takes effect; an empty body is answered with its status.
    LostBody,
    /// The request takes effect; a gateway that got tired of waiting answers its HTML page.
    Gateway {
        /// HTTP status, as 504.
        status: u16,
    },
    /// The request takes effect; only so many bytes of the body are sent, then the connection is closed.
    Truncate {
        /// Bytes of the body that arrive.
        bytes: usize,
    },
    /// The request takes effect; the body arrives in pieces.
    SlowBody {
        /// Bytes per piece.
        piece: usize,
        /// Milliseconds before each piece.
        pause_ms: u64,
    },
    /// The request takes effect; the answer comes after so many milliseconds.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
}

/// A rule: which requests, how often, and what happens to them. The first rule that applies wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Upper case; `*` for any.
    #[serde(default = "any")]
    pub method: String,
    /// The whole path, where `*` stands for anything; compared with path and query if it holds a `?`.
    pub path: String,
    /// Matching requests that pass before the fault begins.
    #[serde(default)]
    pub after: u32,
    /// Requests that it applies to; 0 for all that follow.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens: in JSON `"reset"`, or `{"html": {"status": 502}}`.
    pub action: Action,
}

impl Action {
    /// The name that JSON knows it by.
    pub(crate) fn name(&self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            Ok(serde_json::Value::Object(map)) => map.keys().next().cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }
}

fn any() -> String {
    "*".to_owned()
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault for the next request that matches.
    pub fn on(method: &str, path: &str, action: Action) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            after: 0,
            times: 1,
            action,
        }
    }

    /// Lets `count` matching requests pass first.
    #[must_use]
    pub fn after(mut self, count: u32) -> Self {
        self.after = count;
        self
    }

    /// Applies to `count` requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = count;
        self
    }

    /// Applies to every request from now on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(0)
    }

    fn matches(&self, request: &Request) -> bool {
        let target = if self.path.contains('?') {
            format!("{}?{}", request.path, request.raw_query)
        } else {
            request.path.clone()
        };
        (self.method == "*" || self.method.eq_ignore_ascii_case(&request.method))
            && glob(&self.path, &target)
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u32,
    applied: u32,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push(Rule {
            fault,
            seen: 0,
            applied: 0,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn list(&self) -> Vec<(Fault, u32)> {
        self.rules
            .iter()
            .map(|rule| (rule.fault.clone(), rule.applied))
            .collect()
    }

    pub(crate) fn take(&mut self, request: &Request) -> Option<Action> {
        for rule in &mut self.rules {
            if !rule.fault.matches(request) {
                continue;
            }
            rule.seen += 1;
            let due = rule.seen > rule.fault.after
                && (rule.fault.times == 0 || rule.applied < rule.fault.times);
            if due {
                rule.applied += 1;
                return Some(rule.fault.action.clone());
            }
        }
        None
    }
}

/// Whether `text` is `pattern`, where `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.len() >= tail.len() && text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(glob("*", "/a/b"));
        assert!(glob("/a/*/c", "/a/b/c"));
        assert!(glob("/a/*/c*", "/a/b/b/c/d"));
        assert!(!glob("/a/*/c", "/a/b/d"));
        assert!(!glob("/a*a", "/a"));
    }
}
