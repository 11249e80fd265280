//! Text of others: names that somebody gave, and words of remote systems.

use common::secret::mask;

/// Text of others, with what would be invisible or would turn the text around it spelled out.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in mask(text).chars() {
        if c.is_control() || turns_text(c) {
            cleaned.extend(c.escape_unicode());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// The marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_around_or_cannot_be_seen_is_spelled_out() {
        assert_eq!(
            clean("a\u{202e}b\0\u{2066}c\n"),
            "a\\u{202e}b\\u{0}\\u{2066}c\\u{a}"
        );
        // Words of a language that is written from the right are left alone.
        assert_eq!(clean("שלום 東京"), "שלום 東京");
    }
}
