//! A page as a browser reads it.

use std::collections::BTreeSet;

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// Beside these there is room, so that words do not run together.
const WITH_ROOM: [&str; 9] = [
    "caption", "h1", "li", "p", "small", "strong", "td", "th", "tr",
];

pub(super) struct Page(RcDom);

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let page = Self(parse_document(RcDom::default(), ParseOpts::default()).one(text));
        let errors: Vec<String> = page
            .0
            .errors
            .borrow()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        page
    }

    /// Every element, with those around it, the outermost first.
    fn elements(&self) -> Vec<Vec<Handle>> {
        fn collect(node: &Handle, around: &[Handle], found: &mut Vec<Vec<Handle>>) {
            let mut around = around.to_vec();
            if matches!(node.data, NodeData::Element { .. }) {
                around.push(node.clone());
                found.push(around.clone());
            }
            for child in node.children.borrow().iter() {
                collect(child, &around, found);
            }
        }
        let mut found = Vec::new();
        collect(&self.0.document, &[], &mut found);
        found
    }

    /// The elements that a selector means: words for elements within one another, each a name, `*`, `#id` or
    /// `name[attribute=value]`.
    fn select(&self, selector: &str) -> Vec<Handle> {
        let words: Vec<&str> = selector.split(' ').collect();
        let (last, outer) = words.split_last().unwrap();
        let fits = |path: &Vec<Handle>| {
            let (element, mut around) = path.split_last().unwrap();
            fits(element, last)
                && outer.iter().all(|word| {
                    let at = around.iter().position(|element| fits(element, word));
                    around = at.map_or(&[], |at| &around[at + 1..]);
                    at.is_some()
                })
        };
        let mut found = self.elements();
        found.retain(fits);
        found
            .into_iter()
            .map(|mut path| path.pop().unwrap())
            .collect()
    }

    /// The texts of these elements.
    pub(super) fn text_of(&self, selector: &str) -> Vec<String> {
        self.select(selector)
            .iter()
            .map(|node| words(node, ""))
            .collect()
    }

    /// All text but that in elements of this name, and in the style sheet and the script.
    pub(super) fn text_outside(&self, name: &str) -> String {
        words(&self.0.document, name)
    }

    /// What stands between the tags of these elements.
    pub(super) fn raw(&self, name: &str) -> Vec<String> {
        let text = |node: &Handle| {
            let mut text = String::new();
            collect(node, "", &mut text);
            text
        };
        self.select(name).iter().map(text).collect()
    }

    /// An attribute of these elements, where they have it.
    pub(super) fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        self.select(selector)
            .iter()
            .filter_map(|node| attribute(node, name))
            .collect()
    }

    /// The names of the elements that have an attribute.
    pub(super) fn with_attribute(&self, name: &str) -> Vec<String> {
        self.select("*")
            .iter()
            .filter(|node| attribute(node, name).is_some())
            .map(tag)
            .collect()
    }

    pub(super) fn attribute_names(&self) -> BTreeSet<String> {
        self.select("*").iter().flat_map(attribute_names).collect()
    }

    /// The elements with the names of their attributes, whatever the texts and values are.
    pub(super) fn shape(&self) -> Vec<String> {
        self.elements()
            .iter()
            .map(|path| {
                let element = path.last().unwrap();
                let attributes = attribute_names(element).join(" ");
                format!("{} {} {attributes}", path.len(), tag(element))
            })
            .collect()
    }

    /// The texts of the cells of every row.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.select("#rows tr");
        let rows = rows
            .iter()
            .filter(|row| attribute(row, "data-kind").is_some());
        rows.map(|row| {
            let cells = row.children.borrow();
            let cells = cells.iter().filter(|cell| !tag(cell).is_empty());
            cells.map(|cell| words(cell, "")).collect()
        })
        .collect()
    }
}

fn fits(element: &Handle, word: &str) -> bool {
    if let Some(id) = word.strip_prefix('#') {
        return attribute(element, "id").as_deref() == Some(id);
    }
    let (name, condition) = word.split_once('[').unwrap_or((word, ""));
    let condition = condition.trim_end_matches(']').split_once('=');
    (name == "*" || tag(element) == name)
        && condition.is_none_or(|(name, value)| attribute(element, name).as_deref() == Some(value))
}

fn tag(node: &Handle) -> String {
    match &node.data {
        NodeData::Element { name, .. } => name.local.to_string(),
        _ => String::new(),
    }
}

fn attribute(node: &Handle, wanted: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else {
        return None;
    };
    let attrs = attrs.borrow();
    let found = attrs.iter().find(|attr| &*attr.name.local == wanted)?;
    Some(found.value.to_string())
}

fn attribute_names(node: &Handle) -> Vec<String> {
    let NodeData::Element { attrs, .. } = &node.data else {
        return Vec::new();
    };
    let attrs = attrs.borrow();
    attrs
        .iter()
        .map(|attr| attr.name.local.to_string())
        .collect()
}

fn words(node: &Handle, without: &str) -> String {
    let mut text = String::new();
    collect(node, without, &mut text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect(node: &Handle, without: &str, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        let name = tag(child);
        let is_left_out = !name.is_empty() && name == without;
        if is_left_out || ["style", "script"].contains(&name.as_str()) {
            continue;
        }
        let room = if WITH_ROOM.contains(&name.as_str()) {
            " "
        } else {
            ""
        };
        text.push_str(room);
        collect(child, without, text);
        text.push_str(room);
    }
}
