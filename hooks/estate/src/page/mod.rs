//! The page that `report` writes: one file that asks nobody for anything, whole without its script.

mod chart;
mod rows;
mod tone;
mod words;

use std::io;
use std::path::Path;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::cert::sha256;
use common::cli::monitoring::{Item, Kind, Severity};
use common::error::{Error, Result};
use common::system::files;
use jiff::Timestamp;

use crate::view::View;
use chart::Span;
use rows::Row;
use tone::{TONES, Tone};

/// The mode of a page that is new: web servers run as somebody else, and it holds no secret.
const FOR_EVERYBODY: u32 = 0o644;

/// The one style sheet and the one script that the page may use; its policy names them by what is in them.
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    version: &'static str,
    verdict: String,
    /// For the title: what a tab of a browser has room for.
    short: String,
    at: Timestamp,
    day: String,
    checked: String,
    worst: Tone,
    counts: Vec<(Tone, usize)>,
    spans: Vec<Span>,
    kinds: Vec<(&'static str, &'static str)>,
    groups: Vec<Group>,
}

/// What has the same severity.
struct Group {
    tone: Tone,
    rows: Vec<Row>,
}

/// Finds out whether a page could be written.
///
/// # Errors
///
/// Configuration: it could not.
pub(crate) fn check_writable(file: &Path) -> Result<()> {
    files::check_replaceable(file)
        .map(drop)
        .map_err(|err| unwritable(file, err))
}

/// Writes a page of everything that was found into `file`, in one step.
///
/// # Errors
///
/// Configuration: the file cannot be written.
pub(crate) fn write(file: &Path, view: &View) -> anyhow::Result<()> {
    let page = render(view)?;
    files::replace(file, page.as_bytes(), FOR_EVERYBODY).map_err(|err| unwritable(file, err))?;
    Ok(())
}

fn unwritable(file: &Path, err: io::Error) -> Error {
    Error::config(format!("the page {} cannot be written", file.display()))
        .caused_by(err)
        .advise("Check that its folder is there, and the rights on it.")
}

fn render(view: &View) -> std::result::Result<String, askama::Error> {
    let at = view.checked_at;
    let counts = TONES.map(|tone| {
        let is_so = |item: &&Item| item.severity == tone.severity;
        (tone, view.items.iter().filter(is_so).count())
    });
    let groups = TONES.map(|tone| Group {
        tone,
        rows: view
            .items
            .iter()
            .filter(|item| item.severity == tone.severity)
            .map(|item| Row::new(item, at))
            .collect(),
    });
    let mut kinds: Vec<Kind> = view.items.iter().map(|item| item.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        version: env!("CARGO_PKG_VERSION"),
        verdict: verdict(&counts),
        short: short(&counts),
        at,
        day: words::day(at),
        checked: words::moment(at),
        worst: counts
            .iter()
            .find(|(_, rows)| *rows > 0)
            .map_or(TONES[2], |(tone, _)| *tone),
        counts: counts.to_vec(),
        spans: chart::spans(&view.items, at),
        kinds: kinds
            .into_iter()
            .map(|kind| (kind.word(), words::kind(kind)))
            .collect(),
        groups: groups
            .into_iter()
            .filter(|group| !group.rows.is_empty())
            .collect(),
    }
    .render()
}

/// Nothing may be fetched, sent or run but what stands in the page.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn verdict(counts: &[(Tone, usize)]) -> String {
    let all: usize = counts.iter().map(|(_, rows)| rows).sum();
    let ok = counts
        .iter()
        .find(|(tone, _)| tone.severity == Severity::Ok)
        .map_or(0, |(_, rows)| *rows);
    match (all, all - ok) {
        (0, _) => "Nothing was found to look at".to_owned(),
        (_, 0) => "Nothing is about to expire, nothing is open".to_owned(),
        (_, 1) => format!("1 of {all} needs attention"),
        (_, several) => format!("{several} of {all} need attention"),
    }
}

fn short(counts: &[(Tone, usize)]) -> String {
    let grave: Vec<String> = counts
        .iter()
        .filter(|(tone, rows)| *rows > 0 && tone.severity != Severity::Ok)
        .map(|(tone, rows)| format!("{rows} {}", tone.word))
        .collect();
    if grave.is_empty() {
        verdict(counts)
    } else {
        grave.join(", ")
    }
}
