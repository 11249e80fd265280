//! The arguments that programs share, and the flags that follow from their settings.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use super::exit;
use super::report::Format;
use crate::duration;
use crate::log::Verbosity;
use crate::settings::{Flag, Flags, Kind, Registry, Setting};

/// The flags of every program that decide what is shown.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Form of the result on standard output
    #[arg(long, value_enum, global = true, default_value_t, value_name = "FORM")]
    pub output: Format,

    #[command(flatten)]
    /// How much is told on standard error.
    pub verbosity: VerbosityArgs,
}

/// The flags that decide how much is told.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct VerbosityArgs {
    /// Report more on standard error; twice reports each request
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Report only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl OutputArgs {
    /// The form of the result, and how much is told.
    pub fn choice(&self) -> (Format, Verbosity) {
        (self.output, self.verbosity.into())
    }
}

impl From<VerbosityArgs> for Verbosity {
    fn from(args: VerbosityArgs) -> Self {
        Self {
            verbose: args.verbose,
            quiet: args.quiet,
        }
    }
}

/// The command line with the flags of every setting.
pub(super) fn with_flags(mut command: Command, registry: &Registry) -> Command {
    for setting in registry.settings() {
        let Some(flag) = setting.flag else { continue };
        if flag.commands.is_empty() {
            command = command.arg(arg(setting, flag).global(true));
        }
        for path in flag.commands {
            command = with_arg(command, path, &arg(setting, flag));
        }
    }
    command
}

/// What the manuals of all programs share.
pub(super) const SHARED: &str = include_str!("manual.txt");

/// The command line whose `--help` ends with what is looked up: the program's own topics, the variables that no flag
/// stands for, the keys of the TOML file, what all programs share, and the exit codes.
pub(super) fn with_manual(command: Command, registry: &Registry) -> Command {
    let own = command.get_after_long_help().map(ToString::to_string);
    let variables: String = registry
        .settings()
        .filter(|setting| setting.flag.is_none())
        .map(variable)
        .collect();
    command.after_long_help(format!(
        "{}\nVariables without a flag:\n{variables}\nKeys of the TOML file, and what else sets the same:\n{}\n{SHARED}\n{}",
        own.unwrap_or_default(),
        keys(registry),
        exit::HELP
    ))
}

fn variable(setting: &Setting) -> String {
    let names: Vec<String> = setting.all_variables().collect();
    let default = match setting.default {
        Some(default) => format!(" [default: {default}]"),
        None => String::new(),
    };
    format!("  {}\n      {}{default}\n", names.join(", "), setting.help)
}

/// The keys of the TOML file, a line each.
pub(super) fn keys(registry: &Registry) -> String {
    let mut text = String::new();
    for setting in registry.settings() {
        let same = setting.flag.map(|flag| flag.name);
        let same = same.or_else(|| setting.variables.first().copied());
        for key in setting.toml {
            // A secret stands in the file by where it is.
            let key = match setting.kind {
                Kind::Secret => format!("{key}_file, ..._env"),
                _ => (*key).to_owned(),
            };
            text.push_str(&format!(
                "    {key:<42}  {}\n",
                same.unwrap_or(setting.help)
            ));
        }
    }
    text
}

fn with_arg(command: Command, path: &str, arg: &Arg) -> Command {
    let (first, rest) = match path.split_once(' ') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    command.mut_subcommand(first, |command| match rest {
        Some(rest) => with_arg(command, rest, arg),
        None => command.arg(arg.clone()),
    })
}

fn arg(setting: &Setting, flag: Flag) -> Arg {
    let arg = Arg::new(id(flag))
        .long(id(flag))
        .help(help(setting, flag))
        .help_heading(flag.heading);
    match setting.kind {
        Kind::Switch => return arg.action(ArgAction::SetTrue),
        Kind::List => return arg.action(ArgAction::Append).value_name(flag.value_name),
        _ => {}
    }
    let arg = arg.value_name(flag.value_name);
    match setting.kind {
        Kind::Duration => arg.value_parser(duration::parse),
        Kind::Number => arg.value_parser(clap::value_parser!(u64)),
        Kind::Choice(words) => arg.value_parser(words.to_vec()),
        _ => arg,
    }
}

/// By this name other arguments can conflict with it: `password-file`.
fn id(flag: Flag) -> &'static str {
    flag.name.trim_start_matches('-')
}

fn help(setting: &Setting, flag: Flag) -> String {
    let mut text = setting.help.to_owned();
    if let Some(first) = text.get(..1) {
        let first = first.to_uppercase();
        text.replace_range(..1, &first);
    }
    if setting.kind == Kind::Secret && flag.value_name == "FILE" {
        text = format!("File that holds the {}", setting.help);
    }
    let variables: Vec<String> = setting.all_variables().collect();
    if !variables.is_empty() {
        text = format!("{text} [env: {}]", variables.join(", "));
    }
    match setting.default {
        Some(default) => format!("{text} [default: {default}]"),
        None => text,
    }
}

/// What the command line says about settings.
pub(super) fn flags(matches: &ArgMatches, registry: &Registry) -> Flags {
    // What is said before a command is known to it, too.
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let given = registry.settings().filter_map(|setting| {
        let flag = setting.flag?;
        let is_given = innermost.try_contains_id(id(flag)).unwrap_or(false)
            && innermost.value_source(id(flag)) == Some(ValueSource::CommandLine);
        let raw = innermost
            .try_get_raw(id(flag))
            .ok()
            .flatten()
            .filter(|_| is_given)?;
        let values: Vec<_> = raw.map(|value| value.to_string_lossy()).collect();
        Some((flag.name, values.join(",")))
    });
    Flags::new(given)
}
