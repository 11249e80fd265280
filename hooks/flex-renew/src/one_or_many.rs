//! The answer of a command that may be asked about several gateways.

use common::cli::Report;
use serde::Serialize;

/// One result as itself, several as a list.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(mut all: Vec<T>) -> Self {
        match all.pop() {
            Some(only) if all.is_empty() => Self::One(only),
            Some(last) => {
                all.push(last);
                Self::Many(all)
            }
            None => Self::Many(all),
        }
    }
}

impl<T: Report> Report for OneOrMany<T> {
    fn text(&self) -> String {
        match self {
            Self::One(one) => one.text(),
            Self::Many(all) => {
                let texts: Vec<String> = all.iter().map(Report::text).collect();
                // Results of one line each make a list, longer ones need room between them.
                let is_list = texts.iter().all(|text| text.lines().count() <= 1);
                texts.join(if is_list { "\n" } else { "\n\n" })
            }
        }
    }
}
