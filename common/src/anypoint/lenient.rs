//! Reading answers of which a few fields are needed: what has another form than expected is as if it were not there.
//!
//! A list holds what other people and other versions have made. One odd entry of theirs must not keep the programs from
//! their own; whoever needs a field that is missing says so, and of what.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value, or its default.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// An id, which some answers give as a number.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(id) if !id.is_empty() => Some(id),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    })
}

/// The entries of a list that can be read; none where there is no list.
pub(super) fn entries<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(list) => readable(list),
        _ => Vec::new(),
    })
}

/// The entries that can be read.
pub(super) fn readable<T: DeserializeOwned>(list: Vec<Value>) -> Vec<T> {
    let read = |entry| serde_json::from_value(entry).ok();
    list.into_iter().filter_map(read).collect()
}
