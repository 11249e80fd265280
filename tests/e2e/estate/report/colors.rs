//! The contrast of the page's colors, as WCAG 2 computes it.

use std::collections::BTreeMap;

/// What text needs.
const TEXT: f64 = 4.5;

/// What bars and frames of controls need.
const GRAPHICS: f64 = 3.0;

/// Each pair that stands on the page, in front and behind.
fn pairs() -> Vec<(String, String, f64)> {
    let pair = |front: &str, behind: &str, least| (front.to_owned(), behind.to_owned(), least);
    let mut pairs = vec![
        pair("ink", "page", TEXT),
        pair("ink", "card", TEXT),
        pair("soft", "page", TEXT),
        pair("soft", "card", TEXT),
        pair("soft", "card", GRAPHICS),
        pair("accent", "page", GRAPHICS),
        pair("accent", "card", GRAPHICS),
    ];
    for tone in ["critical", "warning", "unknown", "ok"] {
        let tint = format!("{tone}-tint");
        pairs.extend([
            pair(tone, "card", TEXT),
            pair(tone, "page", GRAPHICS),
            pair(tone, "track", GRAPHICS),
            pair(tone, &tint, TEXT),
            pair("ink", &tint, TEXT),
            pair("soft", &tint, TEXT),
        ]);
    }
    pairs
}

/// Asserts that every pair of colors in the style sheet has its contrast, in each scheme.
pub(super) fn hold(style: &str) {
    let (light, rest) = style.split_once("@media").unwrap();
    let light = colors(light);
    let mut dark = light.clone();
    dark.extend(colors(rest.split_once("* {").unwrap().0));
    assert!(light.len() >= 14 && dark.len() == light.len(), "{light:?}");
    assert!(light.iter().all(|(name, color)| dark[name] != *color));
    // Whatever is drawn in a color takes it from there.
    let used = rest.split_once("* {").unwrap().1;
    let of_print = "--page: #ffffff";
    assert!(
        !used.replace(of_print, "").contains('#'),
        "a color without a name"
    );
    for (scheme, colors) in [("light", light), ("dark", dark)] {
        for (front, behind, least) in pairs() {
            let contrast = contrast(colors[&front], colors[&behind]);
            assert!(
                contrast >= least,
                "{scheme}: {front} on {behind} has {contrast:.2}, less than {least}"
            );
        }
    }
}

fn colors(css: &str) -> BTreeMap<String, [u8; 3]> {
    let color = |line: &str| {
        let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
        let value = u32::from_str_radix(value.trim_end_matches(';'), 16).unwrap();
        let [_, red, green, blue] = value.to_be_bytes();
        Some((name.to_owned(), [red, green, blue]))
    };
    css.lines().filter_map(color).collect()
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(color: [u8; 3]) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    let [red, green, blue] = color.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[test]
fn contrast_is_what_the_standard_says() {
    let rounded = |one, other| (contrast(one, other) * 100.0).round();
    assert!((rounded([0; 3], [255; 3]) - 2100.0).abs() < 0.5);
    assert!((rounded([0x76; 3], [255; 3]) - 454.0).abs() < 0.5);
}
