//! Imports run one way: no circle of files in `common` or in a hook, and no room of `common` that uses a later one.
//!
//! Only `use` lines are read, and of a re-export those who use it: that a `mod.rs` shows what lies below it is no use.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path from the root of its crate, which is empty.
type Module = Vec<String>;

/// The modules of one crate, without those for tests.
#[derive(Default)]
struct Tree {
    modules: BTreeMap<Module, Source>,
}

struct Source {
    file: PathBuf,
    uses: Vec<Use>,
}

/// One name that is brought in, written out in full.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    path: Vec<String>,
    /// The name that it goes by here.
    name: String,
    is_re_export: bool,
}

impl Tree {
    fn read(src: &Path) -> Self {
        let mut tree = Self::default();
        let root = ["lib.rs", "main.rs"].map(|name| src.join(name));
        let root = root.iter().find(|file| file.is_file()).unwrap();
        tree.add(Vec::new(), root, src);
        tree
    }

    /// Adds the module in `file`, and those below it, which lie in `folder`.
    fn add(&mut self, module: Module, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap();
        let statements = statements(&text);
        for name in statements.iter().filter_map(|text| declared(text)) {
            let below = folder.join(name);
            let child = [module.clone(), vec![name.to_owned()]].concat();
            let files = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
            let file = files.iter().find(|file| file.is_file());
            let file = file.unwrap_or_else(|| panic!("{}: no module {name}", folder.display()));
            self.add(child, file, &below);
        }
        let uses = statements.iter().flat_map(|text| uses(text)).collect();
        let file = file.to_owned();
        self.modules.insert(module, Source { file, uses });
    }

    /// The module that defines what `path` means in `from`; `None` for what is not of this crate.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len() - 1].to_vec(),
            child => {
                let child = [&from[..], &[child.to_owned()]].concat();
                self.modules.get(&child)?;
                child
            }
        };
        for (index, name) in path.iter().enumerate().skip(1) {
            if name == "super" {
                at.pop();
                continue;
            }
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let shown = self.modules[&at]
                .uses
                .iter()
                .find(|shown| shown.is_re_export && shown.name == *name);
            return match shown {
                Some(shown) => {
                    let path = [&shown.path[..], &path[index + 1..]].concat();
                    self.target(&at, &path)
                }
                None => Some(at),
            };
        }
        Some(at)
    }

    /// Which modules each module uses.
    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        self.modules
            .iter()
            .map(|(module, source)| {
                let used = source.uses.iter().filter(|used| !used.is_re_export);
                let targets = used
                    .filter_map(|used| self.target(module, &used.path))
                    .filter(|target| target != module);
                (module, targets.collect())
            })
            .collect()
    }

    /// Groups of files each of which uses, by way of others, each other.
    fn circles(&self) -> Vec<Vec<&Path>> {
        let edges = self.edges();
        let reach = |from: &Module| -> BTreeSet<Module> {
            let mut seen = BTreeSet::new();
            let mut open = vec![from.clone()];
            while let Some(next) = open.pop() {
                for target in &edges[&next] {
                    if seen.insert(target.clone()) {
                        open.push(target.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> = edges
            .keys()
            .map(|module| (*module, reach(module)))
            .collect();
        let mut circles: BTreeSet<Vec<&Path>> = BTreeSet::new();
        for (module, reaches) in &reached {
            if reaches.contains(*module) {
                let mutual = reached
                    .iter()
                    .filter(|(other, back)| reaches.contains(**other) && back.contains(*module));
                circles.insert(
                    mutual
                        .map(|(other, _)| self.modules[*other].file.as_path())
                        .collect(),
                );
            }
        }
        circles.into_iter().collect()
    }

    /// Files that use a room which the root declares after their own.
    fn uses_of_later_rooms(&self, order: &[&str]) -> Vec<String> {
        let place = |module: &Module| {
            let room = module.first()?;
            let place = order.iter().position(|name| name == room);
            Some(place.unwrap_or_else(|| panic!("{room} is no room")))
        };
        let mut found = Vec::new();
        for (module, targets) in self.edges() {
            for target in targets {
                if place(module).is_some() && place(&target) > place(module) {
                    let file = self.modules[module].file.display();
                    found.push(format!("{file} uses {}", target.join("::")));
                }
            }
        }
        found
    }
}

/// The `use` and `mod NAME;` statements of a file outside its test modules, comments left out.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim_end());
    let mut for_tests = false;
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            for_tests = true;
            continue;
        }
        let item = without_visibility(line);
        if for_tests && line.ends_with('{') {
            // The module for tests ends the file.
            break;
        }
        if item.starts_with("use ") || item.starts_with("mod ") && item.ends_with(';') {
            let mut statement = line.trim().to_owned();
            while !statement.ends_with(';') {
                statement.push_str(lines.next().unwrap().trim());
            }
            if !for_tests {
                found.push(statement);
            }
        }
        if !line.starts_with("#[") {
            for_tests = false;
        }
    }
    found
}

fn without_visibility(line: &str) -> &str {
    let line = line.trim_start();
    match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ").map_or(line, |(_, item)| item),
        None => line.strip_prefix("pub ").unwrap_or(line),
    }
}

/// The module that a statement declares.
fn declared(statement: &str) -> Option<&str> {
    let name = without_visibility(statement).strip_prefix("mod ")?;
    name.strip_suffix(';')
}

/// What a statement brings in.
fn uses(statement: &str) -> Vec<Use> {
    let Some(tree) = without_visibility(statement).strip_prefix("use ") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    expand(&[], tree.trim_end_matches(';'), &mut |path, name| {
        found.push(Use {
            path,
            name,
            is_re_export: statement.starts_with("pub"),
        });
    });
    found
}

fn expand(before: &[String], tree: &str, found: &mut impl FnMut(Vec<String>, String)) {
    let tree = tree.trim();
    if let Some((path, group)) = tree.split_once('{') {
        let path = path
            .split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let before: Vec<String> = before
            .iter()
            .cloned()
            .chain(path.map(str::to_owned))
            .collect();
        let group = group.strip_suffix('}').unwrap();
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !group[start..at].trim().is_empty() {
                        expand(&before, &group[start..at], found);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    let (path, name) = match tree.split_once(" as ") {
        Some((path, name)) => (path, Some(name)),
        None => (tree, None),
    };
    let mut path: Vec<String> = before
        .iter()
        .cloned()
        .chain(path.split("::").map(str::to_owned))
        .collect();
    // `use a::{self, b}`
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = name.map_or_else(|| path.last().unwrap().clone(), str::to_owned);
    found(path, name);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn without_circle(crates: &[PathBuf]) {
    let trees: Vec<Tree> = crates.iter().map(|src| Tree::read(src)).collect();
    assert!(trees.iter().all(|tree| tree.modules.len() > 1));
    let circles: Vec<Vec<&Path>> = trees.iter().flat_map(Tree::circles).collect();
    assert!(
        circles.is_empty(),
        "files that use each other: {circles:#?}"
    );
}

#[test]
fn no_files_of_common_use_each_other() {
    without_circle(&[root().join("common/src")]);
}

#[test]
fn no_files_of_a_hook_use_each_other() {
    let hooks = fs::read_dir(root().join("hooks")).unwrap();
    let hooks: Vec<PathBuf> = hooks.map(|hook| hook.unwrap().path().join("src")).collect();
    assert!(hooks.len() >= 4, "{hooks:?}");
    without_circle(&hooks);
}

#[test]
fn a_room_uses_only_those_above_it() {
    let src = root().join("common/src");
    let text = fs::read_to_string(src.join("lib.rs")).unwrap();
    let statements = statements(&text);
    let order: Vec<&str> = statements
        .iter()
        .filter_map(|text| declared(text))
        .collect();
    assert!(order.contains(&"net"), "{order:?}");
    let wrong = Tree::read(&src).uses_of_later_rooms(&order);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

mod reading {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::read(folder.path());
        (folder, tree)
    }

    #[test]
    fn groups_and_other_names_are_written_out() {
        let shown: Vec<String> = uses("pub(crate) use crate::a::{self, b::{C, D as E}, f::*};")
            .iter()
            .map(|used| format!("{} as {}", used.path.join("::"), used.name))
            .collect();
        assert_eq!(
            shown,
            [
                "crate::a as a",
                "crate::a::b::C as C",
                "crate::a::b::D as E",
                "crate::a::f::* as *"
            ]
        );
    }

    #[test]
    fn a_circle_is_found_through_a_re_export_and_over_several_lines() {
        let (folder, tree) = tree(&[
            ("lib.rs", "pub mod a;\npub mod b;\n"),
            ("a/mod.rs", "mod one;\npub use one::One;\n"),
            ("a/one.rs", "use crate::b::{\n    Two,\n    Three,\n};\n"),
            ("b.rs", "pub(crate) enum Cause {}\nuse crate::a::One;\n"),
        ]);
        let circle = ["a/one.rs", "b.rs"].map(|name| folder.path().join(name));
        assert_eq!(
            tree.circles(),
            [circle.iter().map(PathBuf::as_path).collect::<Vec<_>>()]
        );
        assert_eq!(tree.uses_of_later_rooms(&["a", "b"]).len(), 1);
        assert!(tree.uses_of_later_rooms(&["b", "a"])[0].ends_with("b.rs uses a::one"));
    }

    #[test]
    fn what_a_folder_shows_and_what_tests_use_makes_no_circle() {
        let (_folder, tree) = tree(&[
            ("lib.rs", "pub mod a;\n#[cfg(test)]\nmod help;\n"),
            ("a/mod.rs", "mod one;\npub use one::One;\npub struct Two;\n"),
            (
                "a/one.rs",
                "use super::Two;\nuse std::fmt;\n\n#[cfg(test)]\nmod tests {\n    use crate::help::Help;\n}\n",
            ),
            ("help.rs", "use crate::a::One;\n"),
        ]);
        assert!(tree.circles().is_empty());
        assert_eq!(tree.modules.len(), 3);
    }
}
