//! Taking back a change of ours. What somebody else has changed since then stays.

use std::collections::BTreeSet;

use common::anypoint::deployments::Deployment;

use super::backup::Backup;
use super::properties::Changes;

/// What has to change so that nothing is left of the change that `backup` tells of, and the properties that others have
/// changed since.
pub(crate) fn changes(backup: &Backup, now: &Deployment) -> (Changes, Vec<String>) {
    let Backup { before, after, .. } = backup;
    let mut properties = now.properties.clone();
    let mut words = Vec::new();
    let mut kept = Vec::new();
    let hides = now.secure_names.is_empty();
    let ours: BTreeSet<&String> = after
        .secure_names
        .difference(&before.secure_names)
        .collect();
    let mut secure_names = now.secure_names.clone();
    let mut taken_back = Vec::new();
    for &name in &ours {
        let is_protected = hides || secure_names.remove(name);
        let is_plain = properties.contains_key(name);
        match before.properties.get(name) {
            _ if !is_protected || is_plain => kept.push(name.clone()),
            // The value is not shown: it has become a protected one.
            Some(old) => {
                properties.insert(name.clone(), old.clone());
                taken_back.push(format!("{name}: not protected any more"));
            }
            None => taken_back.push(format!("{name}: removed")),
        }
    }
    let names: BTreeSet<&String> = before
        .properties
        .keys()
        .chain(after.properties.keys())
        .collect();
    for name in names.into_iter().filter(|name| !ours.contains(name)) {
        let [old, new, current] =
            [&before.properties, &after.properties, &now.properties].map(|of| of.get(name));
        match (old, new) {
            _ if old == new || current == old => {}
            _ if current != new => kept.push(name.clone()),
            (Some(old), _) => {
                words.push(match new {
                    Some(new) => format!("{name}: {new} → {old}"),
                    None => format!("{name}: {old}"),
                });
                properties.insert(name.clone(), old.clone());
            }
            (None, _) => {
                properties.remove(name);
                words.push(format!("{name}: removed"));
            }
        }
    }
    // What is not shown cannot be told from what is gone: alone it is no reason for a restart.
    if !hides || !words.is_empty() {
        words.append(&mut taken_back);
    }
    let mut changes = Changes {
        properties: (!words.is_empty()).then_some(properties),
        secure_names,
        version: None,
        words,
    };
    if before.version != after.version
        && let Some(old) = &before.version
    {
        match now.version() {
            current if current == Some(old) => {}
            current if current == after.version.as_deref() => {
                let new = current.unwrap_or("unknown");
                changes.words.push(format!("version: {new} → {old}"));
                changes.version = Some(old.clone());
            }
            _ => kept.push("version".to_owned()),
        }
    }
    (changes, kept)
}
