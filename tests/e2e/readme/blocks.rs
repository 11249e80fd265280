//! The fenced blocks of the README.

use std::fmt::Write as _;

/// A fenced block: what it is, and its lines.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

/// The blocks of a text, in its order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        all.push(Block {
            language: language.to_owned(),
            lines: lines
                .by_ref()
                .take_while(|line| *line != "```")
                .map(str::to_owned)
                .collect(),
        });
    }
    all
}

/// A command with what it prints, as a block of the language `console` shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) command: String,
    pub(crate) output: String,
}

impl Block {
    /// The commands of the block: with their output in a block `console`, without in a block `sh`.
    pub(crate) fn commands(&self) -> Vec<Shown> {
        match self.language.as_str() {
            "sh" => self.lines(),
            "console" => self.console(),
            _ => Vec::new(),
        }
    }

    /// Each line is a command, unless it goes on in the next.
    fn lines(&self) -> Vec<Shown> {
        let text = self.lines.join("\n").replace("\\\n", "\\\u{0}");
        text.lines()
            .filter(|line| !line.is_empty())
            .map(|line| Shown {
                command: line.replace('\u{0}', "\n"),
                output: String::new(),
            })
            .collect()
    }

    fn console(&self) -> Vec<Shown> {
        let mut all: Vec<Shown> = Vec::new();
        let mut continues = false;
        for line in &self.lines {
            if let Some(command) = line.strip_prefix("$ ") {
                all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                });
            } else if let Some(last) = all.last_mut() {
                let part = if continues {
                    &mut last.command
                } else {
                    &mut last.output
                };
                write!(part, "\n{line}").expect("a text takes more");
            }
            continues = line.ends_with('\\');
        }
        for one in &mut all {
            one.output = one.output.trim_start_matches('\n').to_owned();
        }
        all
    }
}

/// The text, where each block `console` shows `all` in turn.
pub(crate) fn with_commands(text: &str, all: &[Shown]) -> String {
    let mut rest = all.iter();
    let mut new = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        writeln!(new, "{line}").expect("a text takes more");
        if line != "```console" {
            continue;
        }
        let old: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let count = old.iter().filter(|line| line.starts_with("$ ")).count();
        for shown in rest.by_ref().take(count) {
            writeln!(new, "$ {}", shown.command).expect("a text takes more");
            if !shown.output.is_empty() {
                writeln!(new, "{}", shown.output).expect("a text takes more");
            }
        }
        new.push_str("```\n");
    }
    new
}

#[test]
fn a_block_is_read_and_written_as_it_stands() {
    let text = "a\n```console\n$ one \\\n    two\nout\n$ three\n```\n```sh\nfour\n\nfive \\\n  six\n```\nb\n";
    let all = blocks(text);
    let shown: Vec<Shown> = all.iter().flat_map(Block::commands).collect();
    let pairs: Vec<(&str, &str)> = shown
        .iter()
        .map(|one| (one.command.as_str(), one.output.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("one \\\n    two", "out"),
            ("three", ""),
            ("four", ""),
            ("five \\\n  six", "")
        ]
    );
    assert_eq!(with_commands(text, &shown[..2]), text);
}
