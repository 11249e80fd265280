//! Man pages and completions, from the same command line and registry as `--help`.
//!
//! Only `scripts/manual.sh` builds the programs with this: a run that does its work carries none of it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use jiff::Timestamp;
use roff::{Inline, Roff, bold, roman};

use super::{args, exit};
use crate::log::write_to_stderr;
use crate::settings::Registry;
use crate::system::clock;

/// What `scripts/manual.sh` calls a program with, followed by a folder.
const WORD: &str = "write-manual";

/// By this the installer knows, at the end of completions, what it may replace and remove.
const OURS: &str = "# Part of anypoint-acme-hooks\n";

/// Writes the pages and completions of a program if that is what it was called for.
pub(super) fn asked_for(command: &Command, registry: &Registry) -> Option<ExitCode> {
    let mut given = std::env::args_os().skip(1);
    if given.next().as_deref() != Some(OsStr::new(WORD)) {
        return None;
    }
    let folder = given.next().unwrap_or_else(|| ".".into());
    Some(match write(command, registry, Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            write_to_stderr(&format!("{WORD}: {err}\n"));
            ExitCode::FAILURE
        }
    })
}

fn write(command: &Command, registry: &Registry, folder: &Path) -> io::Result<()> {
    let mut command = command.clone();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let folder = folder.join(shell.to_string());
        fs::create_dir_all(&folder)?;
        let file = clap_complete::generate_to(shell, &mut command, registry.program, folder)?;
        let mut completions = fs::read_to_string(&file)?;
        completions.push_str(OURS);
        fs::write(file, completions)?;
    }
    let pages = folder.join("man1");
    fs::create_dir_all(&pages)?;
    // Flags and arguments that all commands share reach them only so.
    command.build();
    let program = Topics::of(&command);
    write_pages(&command, &mut Vec::new(), &program, registry, &pages)
}

fn write_pages(
    command: &Command,
    path: &mut Vec<String>,
    program: &Topics,
    registry: &Registry,
    folder: &Path,
) -> io::Result<()> {
    path.push(command.get_name().to_owned());
    write_page(command, path, program, registry, folder)?;
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" && !inner.is_hide_set() {
            write_pages(inner, path, program, registry, folder)?;
        }
    }
    path.pop();
    Ok(())
}

fn write_page(
    command: &Command,
    path: &[String],
    program: &Topics,
    registry: &Registry,
    folder: &Path,
) -> io::Result<()> {
    let name = path.join("-");
    let is_program = path.len() == 1;
    let mut file = Vec::new();
    // clap wants to keep names for the life of the process, which ends when the pages are written.
    let kept: &'static str = name.clone().leak();
    let shown = command
        .clone()
        .name(kept)
        .display_name(name.clone())
        .bin_name(path.join(" "));
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(shown)
        .title(name.to_uppercase())
        .date(day())
        .source(format!("anypoint-acme-hooks {version}"))
        .manual("anypoint-acme-hooks");
    man.render_title(&mut file)?;
    man.render_name_section(&mut file)?;
    man.render_synopsis_section(&mut file)?;
    man.render_description_section(&mut file)?;
    man.render_options_section(&mut file)?;
    if command.has_subcommands() {
        let mut page = Roff::new();
        commands(&mut page, command, path);
        page.to_writer(&mut file)?;
    }
    let mut page = Roff::new();
    if is_program {
        for (heading, body) in &program.0 {
            if heading != "Files" {
                section(&mut page, heading, body);
            }
        }
    } else {
        section(&mut page, "Examples", &program.examples(command, path));
    }
    environment(&mut page, registry);
    if is_program {
        section(&mut page, "Configuration file", &args::keys(registry));
        for (heading, body) in &Topics::read(args::SHARED).0 {
            section(&mut page, heading, body);
        }
    }
    section(&mut page, "Files", program.body("Files"));
    let codes = exit::HELP.split_once('\n').map_or("", |(_, codes)| codes);
    section(&mut page, "Exit status", &as_code(codes));
    let others: Vec<String> = match is_program {
        true => command
            .get_subcommands()
            .filter(|inner| inner.get_name() != "help" && !inner.is_hide_set())
            .map(|inner| format!("{name}-{}(1)", inner.get_name()))
            .collect(),
        false => vec![format!("{}(1)", path[..path.len() - 1].join("-"))],
    };
    section(&mut page, "See also", &format!("  {}", others.join(", ")));
    page.to_writer(&mut file)?;
    fs::write(folder.join(format!("{name}.1")), without_breaks(&file))
}

/// Line breaks beside an empty line mean nothing, and are warned of.
fn without_breaks(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page);
    let lines: Vec<&str> = page.lines().collect();
    let is_empty = |at: Option<usize>| at.and_then(|at| lines.get(at)) == Some(&"");
    let mut kept = String::new();
    for (at, line) in lines.iter().enumerate() {
        let is_beside = is_empty(at.checked_sub(1)) || is_empty(Some(at + 1));
        match *line {
            ".br" if is_beside => {}
            "" => kept.push_str(".sp\n"),
            line => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

/// The day that the pages are of: that of the source, so that the same source gives the same pages.
fn day() -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    let epoch = epoch.and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok());
    let time = epoch.unwrap_or_else(|| clock::system().now());
    time.strftime("%Y-%m-%d").to_string()
}

fn commands(page: &mut Roff, command: &Command, path: &[String]) {
    page.control("SH", ["COMMANDS"]);
    for inner in command.get_subcommands() {
        if inner.get_name() == "help" || inner.is_hide_set() {
            continue;
        }
        page.control("TP", []);
        page.text([bold(format!("{}-{}(1)", path.join("-"), inner.get_name()))]);
        let about = inner.get_about().map(ToString::to_string);
        page.text([roman(about.unwrap_or_default())]);
    }
}

fn environment(page: &mut Roff, registry: &Registry) {
    page.control("SH", ["ENVIRONMENT"]);
    for setting in registry.settings() {
        let names: Vec<String> = setting.all_variables().collect();
        if names.is_empty() {
            continue;
        }
        page.control("TP", []);
        page.text([bold(names.join(", "))]);
        let mut text = setting.help.to_owned();
        if let Some(default) = setting.default {
            text.push_str(&format!(" (default {default})"));
        }
        page.text(inlines(&text));
    }
}

/// Headings with what stands below them: a line that ends with a colon at the margin, then lines that are indented.
struct Topics(Vec<(String, String)>);

impl Topics {
    fn of(command: &Command) -> Self {
        let text = command.get_after_long_help().or(command.get_after_help());
        Self::read(&text.map(ToString::to_string).unwrap_or_default())
    }

    fn read(text: &str) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match (line.strip_suffix(':'), all.last_mut()) {
                (Some(heading), _) if !line.starts_with(' ') => {
                    all.push((heading.to_owned(), String::new()));
                }
                (_, Some((_, body))) => {
                    body.push_str(line);
                    body.push('\n');
                }
                (_, None) => {}
            }
        }
        all.retain(|(heading, _)| heading != "Exit codes");
        for (heading, body) in &mut all {
            if heading == "Examples" {
                *body = as_code(body);
            }
        }
        Self(all)
    }

    fn body(&self, heading: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == heading)
            .map_or("", |(_, body)| body)
    }

    /// The examples of a command: its own, else those of the program that call it.
    fn examples(&self, command: &Command, path: &[String]) -> String {
        let own = Self::of(command);
        let own = own.body("Examples");
        if !own.is_empty() {
            return own.to_owned();
        }
        let call = path.join(" ");
        let calls = |line: &&str| {
            let after = line.split_once(&call).map(|(_, after)| after);
            after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        };
        let lines: Vec<&str> = self.body("Examples").lines().filter(calls).collect();
        lines.join("\n")
    }
}

/// Shown line by line.
fn as_code(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Text that is indented by two is flowed, by more shown as it stands.
fn section(page: &mut Roff, heading: &str, body: &str) {
    if body.trim().is_empty() {
        return;
    }
    page.control("SH", [heading.to_uppercase().as_str()]);
    let mut paragraph = String::new();
    let mut code: Vec<&str> = Vec::new();
    let mut is_first = true;
    for line in body.lines().chain([""]) {
        let is_code = line.starts_with("    ");
        if !is_code && !line.trim().is_empty() {
            show_code(page, &mut code, &mut is_first);
        }
        if is_code {
            show_text(page, &mut paragraph, &mut is_first);
            code.push(line.trim_start_matches("    "));
        } else if line.trim().is_empty() {
            show_text(page, &mut paragraph, &mut is_first);
            if !code.is_empty() {
                code.push("");
            }
        } else {
            paragraph.push_str(line.trim());
            paragraph.push(' ');
        }
    }
    show_code(page, &mut code, &mut is_first);
}

fn show_text(page: &mut Roff, paragraph: &mut String, is_first: &mut bool) {
    if paragraph.is_empty() {
        return;
    }
    if !*is_first {
        page.control("PP", []);
    }
    *is_first = false;
    page.text(inlines(paragraph.trim()));
    paragraph.clear();
}

fn show_code(page: &mut Roff, code: &mut Vec<&str>, is_first: &mut bool) {
    while code.last().is_some_and(|line| line.is_empty()) {
        code.pop();
    }
    if code.is_empty() {
        return;
    }
    if !*is_first {
        page.control("PP", []);
    }
    *is_first = false;
    page.control("RS", ["4"]);
    page.control("nf", []);
    for line in code.iter() {
        page.text([roman(*line)]);
    }
    page.control("fi", []);
    page.control("RE", []);
    code.clear();
}

/// What stands between backticks is bold.
fn inlines(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(number, part)| match number % 2 {
            0 => roman(part),
            _ => bold(part),
        })
        .collect()
}
