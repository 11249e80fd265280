//! Published API descriptions (OpenAPI 3.0), and bodies held against them.

use std::borrow::Borrow;
use std::path::PathBuf;

use jsonschema::Draft;
use serde_json::{Map, Value, json};
use simulator::Entry;

/// A description with the path that its own paths begin at.
pub(crate) struct Description {
    file: &'static str,
    base: &'static str,
    document: Value,
}

impl Description {
    /// Reads `file` of the folder that `ANYPOINT_OPENAPI_DIR` names. Its paths begin at `base`.
    pub(crate) fn read(file: &'static str, base: &'static str) -> Self {
        let folder = std::env::var_os("ANYPOINT_OPENAPI_DIR")
            .expect("ANYPOINT_OPENAPI_DIR names the folder of the descriptions");
        let mut folder = PathBuf::from(folder);
        if folder.is_relative() {
            // Tests run in the folder of their package, people call from the one above.
            folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("..")
                .join(folder);
        }
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        let document =
            serde_saphyr::from_str(&text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        Self {
            file,
            base,
            document,
        }
    }

    /// Corrects a known fault. It has to be there still, or the list of faults has gone stale.
    pub(crate) fn correct(&mut self, pointer: &str, wrong: &Value, right: Value) {
        let at = self
            .document
            .pointer_mut(pointer)
            .unwrap_or_else(|| panic!("{}: nothing at {pointer}", self.file));
        assert_eq!(at, wrong, "{}: {pointer} is not as it was", self.file);
        *at = right;
    }

    /// Adds what the description lacks. It must not be there yet.
    pub(crate) fn add(&mut self, pointer: &str, key: &str, value: Value) {
        let object = self
            .document
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .unwrap_or_else(|| panic!("{}: nothing at {pointer}", self.file));
        let before = object.insert(key.to_owned(), value);
        assert_eq!(before, None, "{}: {pointer}/{key} is there now", self.file);
    }

    /// What is wrong with these requests.
    pub(crate) fn faults<E: Borrow<Entry>>(&self, entries: &[E]) -> Vec<String> {
        entries
            .iter()
            .map(Borrow::borrow)
            .flat_map(|entry: &Entry| {
                let body = if entry.body.is_empty() {
                    Value::Null
                } else {
                    entry.json()
                };
                let pairs = entry.query.split('&').filter(|pair| !pair.is_empty());
                let names: Vec<String> = pairs
                    .map(|pair| pair.split('=').next().unwrap_or_default().to_owned())
                    .collect();
                self.request_faults(&entry.method, &entry.path, &names, &body)
            })
            .collect()
    }

    /// What is wrong with a request: path, method, query parameters, body.
    fn request_faults(
        &self,
        method: &str,
        path: &str,
        query: &[String],
        body: &Value,
    ) -> Vec<String> {
        let operation = match self.operation(method, path) {
            Ok(operation) => operation,
            Err(fault) => return vec![fault],
        };
        let mut faults: Vec<String> = query
            .iter()
            .filter(|name| !self.takes(operation, name))
            .map(|name| format!("{method} {path}: the parameter {name} is not described"))
            .collect();
        match operation.pointer("/requestBody/content/application~1json/schema") {
            Some(schema) => faults.extend(self.check(schema, body, &format!("{method} {path}"))),
            None if body.is_null() => {}
            None => faults.push(format!("{method} {path}: no body is described")),
        }
        faults
    }

    /// What is wrong with an answer: its status and body.
    pub(crate) fn answer_faults(
        &self,
        method: &str,
        path: &str,
        status: u16,
        body: &Value,
    ) -> Vec<String> {
        let operation = match self.operation(method, path) {
            Ok(operation) => operation,
            Err(fault) => return vec![fault],
        };
        let what = format!("{method} {path} → {status}");
        let Some(answer) = operation["responses"].get(status.to_string()) else {
            return vec![format!("{what}: this status is not described")];
        };
        match self
            .resolve(answer)
            .pointer("/content/application~1json/schema")
        {
            Some(schema) => self.check(schema, body, &what),
            None if body.is_null() => Vec::new(),
            None => vec![format!("{what}: no body is described")],
        }
    }

    fn operation(&self, method: &str, path: &str) -> Result<&Value, String> {
        let rest = path
            .strip_prefix(self.base)
            .ok_or_else(|| format!("{path} does not begin with {}", self.base))?;
        let paths = self.document["paths"].as_object().into_iter().flatten();
        let mut fitting: Vec<(&String, &Value)> =
            paths.filter(|(template, _)| fits(template, rest)).collect();
        // A template without variables is meant before one with some.
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        fitting
            .iter()
            .find_map(|(_, item)| item.get(method.to_ascii_lowercase()))
            .ok_or_else(|| format!("{}: {method} {rest} is not described", self.file))
    }

    fn takes(&self, operation: &Value, name: &str) -> bool {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters
            .map(|parameter| self.resolve(parameter))
            .any(|parameter| parameter["in"] == "query" && parameter["name"] == *name)
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|to| to.strip_prefix('#')) {
            Some(pointer) => self.document.pointer(pointer).unwrap_or(value),
            None => value,
        }
    }

    fn check(&self, schema: &Value, body: &Value, what: &str) -> Vec<String> {
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .build(&in_json_schema(whole))
            .unwrap_or_else(|err| panic!("{}: {what}: {err}", self.file));
        validator
            .iter_errors(body)
            // Its own text quotes the body, which may hold a key.
            .map(|err| {
                format!(
                    "{}: {what}: at {:?}: {}",
                    self.file,
                    err.instance_path().to_string(),
                    err.schema_path()
                )
            })
            .collect()
    }
}

/// The requests whose path holds `part`.
pub(crate) fn below<'a>(entries: &'a [Entry], part: &str) -> Vec<&'a Entry> {
    entries
        .iter()
        .filter(|entry| entry.path.contains(part))
        .collect()
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.trim_end_matches('/'), path.trim_end_matches('/'));
    template.split('/').count() == path.split('/').count()
        && template
            .split('/')
            .zip(path.split('/'))
            .all(|(wanted, given)| wanted == given || wanted.starts_with('{') && !given.is_empty())
}

/// Writes what OpenAPI 3.0 and the vendor's tool say in their own words as JSON Schema says it.
fn in_json_schema(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(in_json_schema).collect(),
        Value::Object(object) => {
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            let mut object: Map<String, Value> = object
                .into_iter()
                .filter(|(key, _)| !matches!(key.as_str(), "example" | "x-amf-examples"))
                .map(|(key, value)| {
                    let key = if key == "x-amf-union" {
                        "anyOf".to_owned()
                    } else {
                        key
                    };
                    (key, in_json_schema(value))
                })
                .collect();
            if nullable && let Some(kind) = object.get("type").cloned() {
                object.insert("type".to_owned(), json!([kind, "null"]));
            }
            Value::Object(object)
        }
        other => other,
    }
}
