//! `init`: a configuration file for all programs, from what is found here.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::cli::{Invocation, Outcome, Report, config};
use common::error::{Error, Kind, Result};
use common::settings::general;
use common::system::files;
use common::system::fingerprints::private_folder;
use serde::Serialize;

use crate::args::InitArgs;
use crate::child;
use crate::draft::{self, Registry, Values};
use crate::parts::{self, Program};
use crate::view;

#[derive(Debug, Serialize)]
struct Written {
    file: String,
    /// How many values are in force.
    settings: usize,
}

impl Report for Written {
    fn text(&self) -> String {
        format!(
            "{} is written, with {} settings in force. Look it through, then: anypoint-estate check --config {}",
            self.file, self.settings, self.file
        )
    }
}

pub(crate) fn run(call: &Invocation, args: &InitArgs) -> anyhow::Result<Outcome> {
    let target = target(call, args)?;
    if target.symlink_metadata().is_ok() {
        return Err(is_there(&target).into());
    }
    // The programs are asked with what will stand in the file, and with nothing that another file says.
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let path = folder.path().join("anypoint-hooks.toml");
    let call = &with_draft(call, &path, "")?;
    let programs = parts::installed();
    let registries = registries(call, &programs)?;
    let mut values = Values::of(call.env(), &registries);
    values.ask(&registries)?;
    let call = &with_draft(call, &path, &draft::compose(&registries, &values, None))?;
    let found = draft::look(call, &programs)?;
    let text = draft::compose(&registries, &values, Some(&found));
    prove(call, &programs, &path, &text)?;
    write(&target, &text)?;
    call.result(&Written {
        file: target.display().to_string(),
        settings: values.len(),
    })?;
    Ok(Outcome::Done)
}

/// The file that was named, else the first of those that the programs look for.
fn target(call: &Invocation, args: &InitArgs) -> Result<PathBuf> {
    if let Some(file) = &args.file {
        return Ok(file.clone());
    }
    if let Some(named) = call.settings.text(&general::CONFIG)? {
        return Ok(PathBuf::from(named.value));
    }
    let usual = call.settings.usual_files();
    // Beside one that is there, another would hide it, or never be read.
    if let Some(there) = usual.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(is_there(there));
    }
    let first = usual.into_iter().next().ok_or_else(|| {
        Error::config("no file is named, and HOME is not set").advise("Name the FILE to write.")
    })?;
    private_folder(&files::folder_of(&first)).map_err(|err| unwritable(&first, err))?;
    Ok(first)
}

fn is_there(path: &Path) -> Error {
    Error::config(format!(
        "{} is there already, and is left alone",
        path.display()
    ))
    .advise("Name another FILE, and take from it what you need.")
}

/// The same call with `text` as its TOML file, and with acme.sh's usual home.
fn with_draft(call: &Invocation, path: &Path, text: &str) -> anyhow::Result<Invocation> {
    files::replace(path, text.as_bytes(), files::PRIVATE)
        .with_context(|| format!("writing {}", path.display()))?;
    let call = call.with_settings(call.settings.with_file(path)?);
    Ok(view::with_usual_home(&call)?)
}

/// What each program that is here can be set, this one last.
fn registries(call: &Invocation, programs: &[Program]) -> anyhow::Result<Vec<Registry>> {
    let mut registries = Vec::new();
    for program in programs {
        let name = program.part.program();
        let shown = child::ask(call, program, &["config", "--registry"])?
            .map_err(|why| Error::new(Kind::Refused, format!("{name} config: {why}")))?;
        registries.push(Registry::parse(name, &shown)?);
    }
    let own = call.settings.registry();
    registries.push(Registry::parse(
        own.program,
        &config::registry_as_json(own)?,
    )?);
    Ok(registries)
}

/// Has every program read the file: what one of them refused would stop it.
fn prove(call: &Invocation, programs: &[Program], path: &Path, text: &str) -> anyhow::Result<()> {
    let call = &with_draft(call, path, text).context("reading what was to be written")?;
    for program in programs {
        let name = program.part.program();
        child::ask(call, program, &["config", "--registry"])?
            .map_err(|why| anyhow::anyhow!("{name} does not take what was to be written: {why}"))?;
    }
    Ok(())
}

fn write(target: &Path, text: &str) -> Result<()> {
    files::create(target, text.as_bytes(), files::PRIVATE).map_err(|err| match err.kind() {
        ErrorKind::AlreadyExists => is_there(target),
        _ => unwritable(target, err),
    })
}

fn unwritable(path: &Path, err: std::io::Error) -> Error {
    Error::config(format!(
        "the configuration file {} cannot be written",
        path.display()
    ))
    .caused_by(err)
    .advise("Check that its folder is there, and the rights on it.")
}
