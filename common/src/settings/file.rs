//! The TOML configuration file. One file serves all programs; each holds its own tables, and those that all share, to
//! its registry, so that a slip in the table of one program stops no other.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::registry::{Form, Registry};
use super::setting::Kind;
use super::value::{Origin, Sourced, secret_in};
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::system::environment::{self, Env};
use crate::system::files;

const LARGEST: u64 = 1024 * 1024;

/// The tables of the file: those that programs share, and one for each program.
const TABLES: [&str; 7] = [
    "network",
    "anypoint",
    "dns_cf",
    "cloudhub_v2",
    "flex",
    "basic_auth_policy",
    "estate",
];

/// Keys of the tables that programs share which some of them do not take: one file serves all.
const OF_OTHERS: [(&str, &str, Kind); 1] = [("anypoint", "environment", Kind::Text)];

/// One string or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One, or several separated by commas.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The entries, trimmed, without empty ones.
    pub fn entries(&self) -> Vec<String> {
        let all: Vec<&str> = match self {
            OneOrMany::One(text) => text.split(',').collect(),
            OneOrMany::Many(list) => list.iter().map(String::as_str).collect(),
        };
        all.into_iter()
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// An entry of a list.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    name: String,
    table: toml::Table,
}

impl Entry {
    /// The value of a key, as text; lists joined by commas.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        text_of(self.table.get(key)?)
    }

    /// All of it.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(self.table.clone())
            .map_err(|err| Error::config(format!("{}: {}", self.name, err.message())))
    }

    /// How a key of this entry is called in messages.
    pub(super) fn dotted(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }
}

/// A configuration file that has been read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    text: String,
    table: toml::Table,
}

impl ConfigFile {
    /// Reads the file at `path`, and holds it to what the registry says.
    ///
    /// # Errors
    ///
    /// Not found, or configuration: the line and what is wrong there.
    pub fn load(registry: &Registry, path: &Path) -> Result<Self> {
        let text = files::read_text("the configuration file", path, LARGEST)?;
        let file = Self::parse(registry, path, text)?;
        // Before the first of them is read: child programs may be started earlier than that.
        environment::keep_from_children(secret_variables(&file.table));
        Ok(file)
    }

    /// Reads `text`, which stands in the file at `path`.
    ///
    /// # Errors
    ///
    /// Configuration: the line and what is wrong there.
    pub fn parse(registry: &Registry, path: &Path, text: String) -> Result<Self> {
        let wrong = |err: toml::de::Error| {
            // The message alone: the long form quotes the line, which may hold a value.
            error_at(
                path,
                &text,
                err.span().map(|span| span.start),
                err.message(),
            )
        };
        let spanned = DeTable::parse(&text).map_err(wrong)?;
        if let Err((at, what)) = hold_to(registry, spanned.get_ref()) {
            return Err(error_at(path, &text, Some(at), &what));
        }
        for list in registry.lists {
            (list.check)(&text).map_err(wrong)?;
        }
        Ok(Self {
            path: path.to_owned(),
            table: toml::from_str(&text).map_err(wrong)?,
            text,
        })
    }

    /// The value under a dotted name such as `dns_cf.zone_id`, as text; lists joined by commas.
    pub fn value(&self, dotted: &str) -> Option<String> {
        let (table, key) = dotted.split_once('.')?;
        text_of(self.table.get(table)?.get(key)?)
    }

    /// One entry of a list, `number` counting from 1.
    pub(super) fn entry(&self, list: &str, number: usize) -> Option<Entry> {
        let (table, key) = list.split_once('.')?;
        let entries = self.table.get(table)?.get(key)?.as_array()?;
        Some(Entry {
            name: format!("{list}[{number}]"),
            table: entries.get(number.checked_sub(1)?)?.as_table()?.clone(),
        })
    }

    /// The lists of a program, which its registry names.
    ///
    /// # Errors
    ///
    /// Configuration: they do not fit `T`.
    pub fn lists<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|err| {
            error_at(
                &self.path,
                &self.text,
                err.span().map(|span| span.start),
                err.message(),
            )
        })
    }

    /// The secret that `dotted_env` or `dotted_file` leads to.
    ///
    /// # Errors
    ///
    /// The variable is not set, or the file cannot be read.
    pub fn secret(&self, dotted: &str, env: &Env) -> Result<Option<Sourced<Secret>>> {
        let variable = self.value(&format!("{dotted}_env"));
        let file = self.value(&format!("{dotted}_file"));
        self.secret_by(dotted, file.as_deref(), variable.as_deref(), env)
    }

    /// The secret that an entry of a list leads to: by the name of a variable, or of a file. `dotted` is the key without
    /// `_file` and `_env`.
    ///
    /// # Errors
    ///
    /// The variable is not set, or the file cannot be read.
    pub fn secret_by(
        &self,
        dotted: &str,
        file: Option<&str>,
        variable: Option<&str>,
        env: &Env,
    ) -> Result<Option<Sourced<Secret>>> {
        if let Some(variable) = variable {
            let value = env.get(variable).ok_or_else(|| {
                Error::config(format!(
                    "{dotted}_env in {} names the variable {variable}, which is not set",
                    self.path.display()
                ))
            })?;
            return Ok(Some(Sourced {
                value: Secret::new(value),
                origin: Origin::Environment(variable.to_owned()),
            }));
        }
        file.map(|file| {
            let named_by = format!("{dotted}_file");
            let path = self.path_of(file);
            Ok(Sourced {
                value: secret_in(&named_by, &path)?,
                origin: Origin::File { named_by, path },
            })
        })
        .transpose()
    }

    /// The variables that these tables of the file name as holding secrets.
    pub fn secret_variables_of(&self, tables: &[&str]) -> Vec<String> {
        let mut named = toml::Table::new();
        for table in tables {
            if let Some(value) = self.table.get(*table) {
                named.insert((*table).to_owned(), value.clone());
            }
        }
        secret_variables(&named)
    }

    /// A path that stands in the file: relative ones start from the file's folder.
    pub fn path_of(&self, path: &str) -> PathBuf {
        files::folder_of(&self.path).join(path)
    }
}

fn error_at(path: &Path, text: &str, at: Option<usize>, what: &str) -> Error {
    let line = at.map_or(String::new(), |at| {
        let before = &text.as_bytes()[..at.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!(", line {line}")
    });
    Error::config(format!("{}{line}: {what}", path.display()))
        .advise("The README lists the tables and keys that the configuration file may hold.")
}

/// Where something stands that should not, and what is wrong with it.
type Slip = (usize, String);

fn hold_to(registry: &Registry, file: &DeTable<'_>) -> std::result::Result<(), Slip> {
    for (name, value) in file {
        let table = name.get_ref().as_ref();
        if !TABLES.contains(&table) {
            return Err((
                name.span().start,
                format!(
                    "unknown table `{table}`, expected one of `{}`",
                    TABLES.join("`, `")
                ),
            ));
        }
        let allowed = allowed_in(registry, table);
        if allowed.is_empty() {
            continue;
        }
        let DeValue::Table(entries) = value.get_ref() else {
            return Err((value.span().start, format!("`{table}` has to be a table")));
        };
        for (key, value) in entries {
            hold_key_to(table, &allowed, key, value)?;
        }
    }
    Ok(())
}

/// The keys that a table may hold. Lists are checked on their own.
fn allowed_in(registry: &Registry, table: &str) -> Vec<(String, Option<Kind>)> {
    let of_table = |dotted: &str| {
        dotted
            .strip_prefix(table)
            .and_then(|rest| rest.strip_prefix('.'))
            .map(str::to_owned)
    };
    let settings = registry.settings().flat_map(|setting| {
        let keys: Vec<String> = setting
            .all_toml_keys()
            .filter_map(|key| of_table(&key))
            .collect();
        keys.into_iter().map(move |key| (key, Some(setting.kind)))
    });
    let settings: Vec<_> = settings.collect();
    // A table of which the program takes nothing is not judged at all.
    let others = OF_OTHERS
        .iter()
        .filter(|(shared, ..)| *shared == table && !settings.is_empty())
        .map(|(_, key, kind)| ((*key).to_owned(), Some(*kind)));
    let others: Vec<_> = others.collect();
    let lists = registry
        .lists
        .iter()
        .filter_map(|list| of_table(list.name).map(|key| (key, None)));
    settings.into_iter().chain(others).chain(lists).collect()
}

fn hold_key_to(
    table: &str,
    allowed: &[(String, Option<Kind>)],
    key: &Spanned<toml::de::DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) -> std::result::Result<(), Slip> {
    let name = key.get_ref().as_ref();
    let Some((_, kind)) = allowed.iter().find(|(known, _)| known == name) else {
        let file = format!("{name}_file");
        let what = if allowed.iter().any(|(known, _)| *known == file) {
            format!(
                "a secret does not belong in this file: instead of `{name}` in [{table}], `{file}` takes the path of a \
                 file that holds it, and `{name}_env` the name of a variable"
            )
        } else {
            let known: Vec<&str> = allowed.iter().map(|(known, _)| known.as_str()).collect();
            format!(
                "unknown key `{name}` in [{table}], expected one of `{}`",
                known.join("`, `")
            )
        };
        return Err((key.span().start, what));
    };
    let Some(kind) = *kind else {
        return Ok(());
    };
    if form_of(value.get_ref()).is_some_and(|form| form.fits(kind)) {
        return Ok(());
    }
    let wanted = match kind {
        Kind::Switch => "true or false",
        Kind::Number => "a whole number",
        Kind::List => "a string, or a list of strings",
        Kind::Duration => "a duration such as \"90s\"",
        _ => "a string",
    };
    Err((
        value.span().start,
        format!("`{name}` in [{table}] has to be {wanted}"),
    ))
}

fn form_of(value: &DeValue<'_>) -> Option<Form> {
    let is_text = |value: &DeValue<'_>| matches!(value, DeValue::String(_));
    match value {
        DeValue::String(_) => Some(Form::Text),
        DeValue::Integer(_) => Some(Form::Number),
        DeValue::Boolean(_) => Some(Form::Switch),
        DeValue::Array(list) => list
            .iter()
            .all(|item| is_text(item.get_ref()))
            .then_some(Form::Texts),
        _ => None,
    }
}

/// The variables that the file names as holding secrets, also those of other programs.
fn secret_variables(table: &toml::Table) -> Vec<String> {
    fn collect(key: &str, value: &toml::Value, names: &mut Vec<String>) {
        match value {
            toml::Value::String(name) if key.ends_with("_env") => names.push(name.clone()),
            toml::Value::Array(list) => list.iter().for_each(|item| collect(key, item, names)),
            toml::Value::Table(table) => {
                table
                    .iter()
                    .for_each(|(key, value)| collect(key, value, names));
            }
            _ => {}
        }
    }
    let mut names = Vec::new();
    table
        .iter()
        .for_each(|(key, value)| collect(key, value, &mut names));
    names
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(on) => Some(on.to_string()),
        toml::Value::Array(list) => Some(
            list.iter()
                .filter_map(text_of)
                .collect::<Vec<_>>()
                .join(","),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::registry::{ConfFile, List, fits};
    use crate::settings::setting::Setting;

    static ZONE: Setting = Setting::text(&["CF_Zone_ID"], "zone").toml(&["dns_cf.zone_id"]);
    static TOKEN: Setting = Setting::secret(&["CF_Token"], "token").toml(&["dns_cf.token"]);
    static TTL: Setting = Setting::number(&["CF_TTL"], "lifetime").toml(&["dns_cf.ttl"]);
    static NAMES: Setting = Setting::list(&[], "names").toml(&["dns_cf.names"]);
    static VERIFY: Setting = Setting::switch(&[], "proof").toml(&["dns_cf.verify"]);

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its form counts")]
    struct Lists {
        #[serde(default)]
        dns_cf: Section,
    }

    #[derive(Deserialize, Default)]
    #[allow(dead_code, reason = "only its form counts")]
    struct Section {
        #[serde(default)]
        account: Vec<Account>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its form counts")]
    struct Account {
        name: String,
    }

    static REGISTRY: Registry = Registry {
        program: "test",
        own: &[&ZONE, &TOKEN, &TTL, &NAMES, &VERIFY],
        lists: &[List {
            name: "dns_cf.account",
            check: fits::<Lists>,
            keys: &[],
        }],
        saves_to: ConfFile::Account,
    };

    fn parse(text: &str) -> Result<ConfigFile> {
        ConfigFile::parse(&REGISTRY, Path::new("/etc/hooks.toml"), text.to_owned())
    }

    fn slip(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = slip("[dns_cf]\nzone_id = \"0\"\nzoneid = \"1\"\n");
        assert!(
            text.starts_with("/etc/hooks.toml, line 3: unknown key `zoneid`"),
            "{text}"
        );
        let text = slip("\n[dnscf]\n");
        assert!(
            text.starts_with("/etc/hooks.toml, line 2: unknown table `dnscf`"),
            "{text}"
        );
        let text = slip("[[dns_cf.account]]\nname = \"a\"\nnane = \"b\"\n");
        assert!(
            text.starts_with("/etc/hooks.toml, line 3: unknown field `nane`"),
            "{text}"
        );
    }

    #[test]
    fn the_table_of_another_program_is_not_judged() {
        assert!(parse("[flex]\nwhatever = 1\n").is_ok());
    }

    #[test]
    fn a_secret_in_the_file_itself_is_refused_and_not_quoted() {
        let text = slip("[dns_cf]\ntoken = \"canary-toml-51ab\"\n");
        assert!(
            text.contains("`token_file`") && text.contains("`token_env`"),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_type_says_which_one_it_takes() {
        for (line, wanted) in [
            ("ttl = \"soon\"", "a whole number"),
            ("verify = 1", "true or false"),
            ("names = [1]", "a string, or a list of strings"),
            ("zone_id = true", "a string"),
        ] {
            assert!(
                slip(&format!("[dns_cf]\n{line}\n")).contains(wanted),
                "{line}"
            );
        }
    }

    #[test]
    fn variables_that_hold_secrets_are_found_in_every_table() {
        let text = "[dns_cf]\ntoken_env = \"A\"\nzone_id = \"B\"\n[[flex.gateway]]\npassword_env = \"C\"\n";
        let table: toml::Table = toml::from_str(text).unwrap();
        assert_eq!(secret_variables(&table), ["A", "C"]);
    }

    #[test]
    fn values_are_found_by_their_dotted_name() {
        let file = parse("[dns_cf]\nttl = 120\nnames = [\"a\", \"b\"]\nverify = true\n").unwrap();
        assert_eq!(file.value("dns_cf.ttl").as_deref(), Some("120"));
        assert_eq!(file.value("dns_cf.names").as_deref(), Some("a,b"));
        assert_eq!(file.value("dns_cf.verify").as_deref(), Some("true"));
        assert_eq!(file.value("dns_cf.zone_id"), None);
        assert_eq!(file.path_of("key"), Path::new("/etc/key"));
        assert_eq!(file.path_of("/key"), Path::new("/key"));
    }
}
