//! A TOML file for all programs, as somebody who knows them would begin one: what is set and what was found is in force,
//! everything else that it may hold is a line that is switched off.

mod found;
mod registry;
mod values;

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) use found::{Found, look};
pub(crate) use registry::Registry;
pub(crate) use values::Values;

use crate::text::clean;
use found::{Api, Deployed, Known, Registration, Space};
use registry::{Form, List, Setting};

/// The tables of the file, and what each is for.
const TABLES: [(&str, &str); 7] = [
    ("network", "How the network is used, by every program."),
    (
        "anypoint",
        "The platform, and the connected app for every program that has no other.",
    ),
    ("dns_cf", "Cloudflare."),
    ("cloudhub_v2", "TLS contexts of private spaces."),
    ("flex", "Registrations of Flex Gateways."),
    (
        "basic_auth_policy",
        "The Basic Authentication policy of APIs.",
    ),
    (
        "estate",
        "anypoint-estate itself, which calls the other programs.",
    ),
];

/// Where editors find what the file may hold.
const SCHEMA: &str = "common/schema/anypoint-hooks.schema.json";

const HEAD: &str = "\
# Settings of dns_cf, cloudhub_v2, flex-renew, basic-auth-policy and anypoint-estate.
#
# A line that begins with `#` and a key is switched off: it shows the default, or the form of a value. A variable of the
# environment, and what acme.sh has saved for a certificate, beat this file. A secret never stands here, only the file
# (…_file, relative to this one) or the variable (…_env) that holds it. `PROGRAM config` shows what is in force.
";

/// The text of the file; nothing that was found where `found` is not there yet.
pub(crate) fn compose(registries: &[Registry], values: &Values, found: Option<&Found>) -> String {
    let mut text = format!("#:schema {}\n{HEAD}", schema());
    for (table, what) in TABLES {
        text += &format!("\n# {what}\n[{table}]\n");
        let mut known = BTreeSet::new();
        for registry in registries {
            for (key, setting) in registry.in_table(table) {
                if known.insert(key) {
                    text += &line(table, key, setting, values);
                }
            }
        }
        for list in registries.iter().flat_map(|registry| &registry.lists) {
            if list.name.starts_with(&format!("{table}.")) && list.keys.is_empty() {
                text += &format!("\n#{} = [\"…\"]\n", last(&list.name));
            }
        }
        if let Some(found) = found {
            text += &match table {
                "cloudhub_v2" => targets(found, values.get("cloudhub_v2.private_space").is_some()),
                "flex" => gateways(&found.registrations),
                "basic_auth_policy" => apis(found),
                _ => String::new(),
            };
        }
        for list in registries.iter().flat_map(|registry| &registry.lists) {
            if list.name.starts_with(&format!("{table}.")) && !list.keys.is_empty() {
                text += &pattern(list);
            }
        }
    }
    text
}

fn schema() -> String {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let path = repository
        .strip_prefix("https://github.com/")
        .unwrap_or(repository);
    format!("https://raw.githubusercontent.com/{path}/main/{SCHEMA}")
}

/// A key with what it is for.
fn line(table: &str, key: &str, setting: &Setting, values: &Values) -> String {
    let dotted = format!("{table}.{key}");
    let mut text = match (setting.secret, key.strip_suffix("_env")) {
        // The one with `_file` has said it.
        (true, Some(_)) => String::new(),
        _ => format!("\n# {}\n", about(setting, &dotted)),
    };
    if let Some(why) = values.why_missing(&dotted) {
        text += &format!("# Switched off: {why}.\n");
    }
    text += &match values.get(&dotted) {
        Some(value) => format!("{key} = {}\n", toml(value)),
        None => format!("#{key} = {}\n", form(setting, key)),
    };
    text
}

fn about(setting: &Setting, dotted: &str) -> String {
    let mut text = capitalized(&setting.help);
    if !setting.words.is_empty() {
        text += &format!(": one of {}", setting.words.join(", "));
    }
    if let Some(variable) = setting.variable_of(dotted) {
        text += &format!(" ({variable})");
    }
    text
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// What could stand there.
fn form(setting: &Setting, key: &str) -> String {
    if key.ends_with("_env") && setting.secret {
        return "\"VARIABLE\"".to_owned();
    }
    match (&setting.default, &setting.forms[..]) {
        (Some(default), [Form::Number | Form::Switch]) => default.clone(),
        (Some(default), _) => toml(&Value::from(default.as_str())),
        (None, forms) => example(forms, &setting.words),
    }
}

fn example(forms: &[Form], words: &[String]) -> String {
    match forms {
        [Form::Number] => "1".to_owned(),
        [Form::Switch] => "true".to_owned(),
        forms if forms.contains(&Form::Texts) => "[\"…\"]".to_owned(),
        _ => toml(&Value::from(words.first().map_or("…", String::as_str))),
    }
}

/// An entry of a list with every key that it may have, switched off.
fn pattern(list: &List) -> String {
    let mut text = format!("\n#[[{}]]\n", list.name);
    for key in &list.keys {
        let value = example(&key.forms, &key.words);
        text += &format!("#{} = {value}  # {}\n", key.name, key.help);
    }
    text
}

/// The private spaces that were found. `is_set` says that `private_space` is set for all certificates, whose place a
/// target would take.
fn targets(found: &Found, is_set: bool) -> String {
    let mut text = String::from("\n");
    let certificates = match &found.certificates {
        Ok(certificates) => &certificates[..],
        Err(why) => {
            text += &comment(&format!(
                "Certificates of acme.sh were not looked for: {why}."
            ));
            &[]
        }
    };
    for certificate in certificates {
        text += &comment(&deployed(certificate));
    }
    match &found.spaces {
        Err(why) => {
            text += &comment(&format!(
                "The private spaces could not be asked for: {why}."
            ));
        }
        Ok(spaces) if spaces.is_empty() => {
            text += &comment("The credentials see no private space.");
        }
        Ok(spaces) => {
            for space in spaces {
                text += &target(space, spaces, certificates, is_set);
            }
        }
    }
    text
}

/// Only one to which acme.sh deploys certificates already is in force, and for them alone: a target takes every
/// certificate that names no other.
fn target(space: &Space, all: &[Space], certificates: &[Deployed], is_set: bool) -> String {
    let domains = space.domains(certificates);
    let about = match (is_set, domains.is_empty()) {
        (true, _) => {
            "the private_space above is what counts. Targets in force would take its place."
        }
        (false, true) => {
            "no certificate of acme.sh goes there by itself. In force, it would take every certificate that names no \
             private space; domains = [\"*.example.com\"] limits that."
        }
        (false, false) => "where acme.sh deploys these already.",
    };
    let is_in_force = !is_set && !domains.is_empty();
    let domains = (!domains.is_empty()).then(|| Value::from(domains));
    let keys = entry(&[
        ("private_space", Some(Value::from(named(space, all)))),
        ("domains", domains),
    ]);
    let entry = format!("[[cloudhub_v2.target]]\n{keys}\n");
    let entry = if is_in_force { entry } else { off(&entry) };
    format!("{}{entry}", comment(&format!("{}: {about}", shown(space))))
}

fn deployed(certificate: &Deployed) -> String {
    let goes = match &certificate.spaces[..] {
        [] => "to the targets below, as it names no private space".to_owned(),
        spaces => format!("to {}", spaces.join(", ")),
    };
    format!("acme.sh deploys {} {goes}.", certificate.domain)
}

fn shown(space: &Space) -> String {
    let region = space.region.as_deref().unwrap_or("region not known");
    format!("Private space {}, {region}", space.name)
}

/// Its name, unless another has the same.
fn named(space: &Space, all: &[Space]) -> String {
    let is_unique = all.iter().filter(|other| other.name == space.name).count() == 1;
    match &space.id {
        Some(id) if !is_unique => id.clone(),
        _ => space.name.clone(),
    }
}

fn gateways(found: &Known<Vec<Registration>>) -> String {
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            return format!(
                "\n{}",
                comment(&format!("No registration was found on this host: {why}."))
            );
        }
    };
    let mut text = String::new();
    let mut names = BTreeSet::new();
    for registration in found {
        let name = registration.name.as_ref().or(registration.gateway.as_ref());
        let name = name.filter(|name| names.insert(*name));
        let entry = entry(&[
            ("name", name.map(|name| Value::from(name.as_str()))),
            (
                "file",
                Some(Value::from(registration.registration.as_str())),
            ),
        ]);
        text += &format!("\n[[flex.gateway]]\n{entry}");
    }
    text
}

/// The APIs, switched off: nobody but their users knows the password, and `apply` closes what is listed.
fn apis(found: &Found) -> String {
    let found = match &found.apis {
        Ok(found) => found,
        Err(why) => {
            return format!(
                "\n{}",
                comment(&format!("The APIs could not be asked for: {why}."))
            );
        }
    };
    if found.apis.is_empty() {
        let text = format!("There is no API in the environment {}.", found.environment);
        return format!("\n{}", comment(&text));
    }
    let mut text = format!(
        "\n{}",
        comment(
            "APIs that were found. Each is switched off, as the platform tells no password: name the file that holds it, \
             and `basic-auth-policy apply` keeps the API closed."
        )
    );
    for api in &found.apis {
        let entry = entry(&[
            ("api_instance", Some(Value::from(api.api_instance_id))),
            ("environment", Some(Value::from(found.environment.as_str()))),
            ("username", Some(Value::from(api.username().unwrap_or("…")))),
            (
                "password_file",
                Some(Value::from(format!("{}.password", api.api_instance_id))),
            ),
        ]);
        text += &comment(&told(api));
        text += &off(&format!("[[basic_auth_policy.api]]\n{entry}\n"));
    }
    text
}

fn told(api: &Api) -> String {
    let label = api
        .label
        .as_ref()
        .map_or_else(String::new, |label| format!(" ({label})"));
    let state = if api.authenticated {
        "asks callers who they are"
    } else {
        "OPEN: nothing asks callers who they are"
    };
    format!("{}{label}: {state}", api.api)
}

/// The keys of a table, with a line for each that has a value.
fn entry(keys: &[(&str, Option<Value>)]) -> String {
    keys.iter()
        .filter_map(|(key, value)| Some(format!("{key} = {}\n", toml(value.as_ref()?))))
        .collect()
}

/// A comment of one line, whatever others have put into it.
fn comment(text: &str) -> String {
    format!("# {}\n", clean(text))
}

/// The same lines, switched off.
fn off(lines: &str) -> String {
    lines
        .lines()
        .map(|line| match line {
            "" => "\n".to_owned(),
            line => format!("#{line}\n"),
        })
        .collect()
}

fn last(dotted: &str) -> &str {
    dotted.rsplit('.').next().unwrap_or(dotted)
}

/// A value as TOML writes it: as JSON does, but for one control character.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(entries) => {
            let entries: Vec<String> = entries.iter().map(toml).collect();
            format!("[{}]", entries.join(", "))
        }
        value => value.to_string().replace('\u{7f}', "\\u007f"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            certificates: Ok(Vec::new()),
            spaces: Err("it is not known".to_owned()),
            registrations: Ok(Vec::new()),
            apis: Err("it is not known".to_owned()),
        }
    }

    fn space(name: &str, id: &str) -> Space {
        Space {
            id: Some(id.to_owned()),
            name: name.to_owned(),
            region: None,
        }
    }

    #[test]
    fn what_others_have_named_stays_in_its_line() {
        let mut found = found();
        found.spaces = Ok(vec![
            space("a\n[estate]\n", "1"),
            space("b\"\\\u{7f}\u{202e}", "2"),
        ]);
        let text = compose(&[], &Values::default(), Some(&found));
        assert!(text.lines().all(|line| line.is_empty()
            || line.starts_with('#')
            || TABLES.iter().any(|(table, _)| line == format!("[{table}]"))));
        assert!(text.contains(r#"#private_space = "b\"\\\u007f"#), "{text}");
    }

    #[test]
    fn only_a_space_that_has_certificates_is_in_force_and_for_them_alone() {
        let mut found = found();
        found.certificates = Ok(vec![Deployed {
            domain: "*.acme.example".to_owned(),
            spaces: vec!["2".to_owned()],
        }]);
        found.spaces = Ok(vec![
            space("same", "1"),
            space("same", "2"),
            space("other", "3"),
        ]);
        let text = compose(&[], &Values::default(), Some(&found));
        let in_force =
            "\n[[cloudhub_v2.target]]\nprivate_space = \"2\"\ndomains = [\"*.acme.example\"]\n";
        assert!(text.contains(in_force), "{text}");
        assert_eq!(text.matches("\n[[cloudhub_v2.target]]").count(), 1);
        assert!(text.contains("#private_space = \"other\""), "{text}");
    }

    #[test]
    fn no_target_takes_the_place_of_a_private_space_that_is_set() {
        let mut found = found();
        found.certificates = Ok(vec![Deployed {
            domain: "*.acme.example".to_owned(),
            spaces: vec!["1".to_owned()],
        }]);
        found.spaces = Ok(vec![space("prod", "1")]);
        let text = targets(&found, true);
        assert!(text.contains("\n#[[cloudhub_v2.target]]\n"), "{text}");
        assert!(!text.contains("\n[[cloudhub_v2.target]]\n"), "{text}");
    }

    #[test]
    fn two_gateways_of_one_name_are_told_apart_by_their_files() {
        let one = |file: &str| Registration {
            registration: file.to_owned(),
            name: Some("edge".to_owned()),
            gateway: None,
        };
        let text = gateways(&Ok(vec![one("/a"), one("/b")]));
        assert_eq!(
            text,
            "\n[[flex.gateway]]\nname = \"edge\"\nfile = \"/a\"\n\n[[flex.gateway]]\nfile = \"/b\"\n"
        );
    }
}
