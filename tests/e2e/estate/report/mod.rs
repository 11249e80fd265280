//! `report`: a page that harms nobody, asks nobody for anything, and can be read by everybody.

mod colors;
mod html;
mod needs_chromium;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::cert::sha256;
use serde_json::{Value, json};

use crate::estate::{Estate, in_hours, item, wrong};
use html::Page;

const FILE: &str = "estate.html";

/// What somebody could call something.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "' onmouseover='alert(3)",
    "</table></main></body>",
    "&lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "<!-- ]]> --",
    "javascript:alert(4)",
];

/// Some of everything: what expires, what is open, what is not known.
fn estate() -> Estate {
    let estate = Estate::new();
    let dated = |name: &str, hours: i64| {
        let mut item = item("tls_context", name);
        item["not_after"] = json!(in_hours(hours));
        item["days_left"] = json!(hours.div_euclid(24));
        item["at"] = json!({"organization": "Acme", "private_space": "prod"});
        item["renewed_by"] = json!("acme.sh");
        item
    };
    let mut gone = dated("gone", -50);
    gone["state"] = json!("expired");
    gone["severity"] = json!("critical");
    estate.finds("cloudhub_v2", &[dated("soon", 24 * 20 + 1), gone]);
    estate.finds("flex-renew", &[wrong("platform", "anypoint", "unknown")]);
    estate.finds(
        "basic-auth-policy",
        &[wrong("api", "orders", "open"), item("api", "well")],
    );
    estate
}

fn page(estate: &Estate) -> Page {
    let finished = estate.run(["report", FILE]);
    finished.prints("estate.html is written");
    Page::parse(&fs::read_to_string(estate.bench.home().join(FILE)).unwrap())
}

/// An estate with these names, at every place where a name can stand.
fn named(names: &[&str]) -> Estate {
    let estate = Estate::new();
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut item = wrong("tls_context", name, "due");
            item["at"] = json!({"private_space": name, (*name).to_owned(): "x"});
            item["renewed_by"] = json!(name);
            item["detail"] = json!(name);
            item["advice"] = json!(name);
            item
        })
        .collect();
    estate.finds("cloudhub_v2", &items);
    estate
}

#[test]
fn the_page_holds_what_check_shows_and_the_exit_code_is_that_of_check() {
    let estate = estate();
    let expected = estate.run(["check"]).code;
    let finished = estate.run(["report", FILE]);
    assert_eq!(finished.code, expected, "{finished}");
    let page = page(&estate);
    let rows = page.rows();
    let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(
        names,
        [
            "gone TLS context, private space prod, organization Acme",
            "orders API",
            "anypoint Platform",
            "soon TLS context, private space prod, organization Acme",
            "well API",
        ]
    );
    assert_eq!(rows[0][0], "expired");
    assert!(rows[0][2].starts_with("2 days ago "), "{rows:?}");
    assert!(rows[3][2].starts_with("20 days "), "{rows:?}");
    assert_eq!(rows[1][4], "orders is open Look after orders.");
    assert_eq!(page.text_of("h1"), ["3 of 5 need attention"]);
    let summary = page.text_of("li");
    assert_eq!(summary[0], "2 Critical expired, open, or not served");
    assert_eq!(summary[3], "2 OK nothing to do");
    let version = env!("CARGO_PKG_VERSION");
    assert!(page.text_of("header")[0].ends_with(&format!("by anypoint-estate {version}")));
}

#[test]
fn where_all_is_well_the_page_says_so() {
    let estate = Estate::new();
    estate.finds("basic-auth-policy", &[item("api", "orders")]);
    estate.run(["report", FILE]).code(0);
    let page = page(&estate);
    assert_eq!(
        page.text_of("h1"),
        ["Nothing is about to expire, nothing is open"]
    );
}

#[test]
fn a_new_page_is_for_everybody_and_one_that_is_there_keeps_its_mode_and_its_link() {
    let estate = estate();
    let home = estate.bench.home();
    let mode = || fs::metadata(home.join(FILE)).unwrap().permissions().mode() & 0o777;
    page(&estate);
    assert_eq!(mode(), 0o644);
    fs::set_permissions(home.join(FILE), fs::Permissions::from_mode(0o600)).unwrap();
    page(&estate);
    assert_eq!(mode(), 0o600);
    symlink(FILE, home.join("link.html")).unwrap();
    fs::write(home.join(FILE), "old").unwrap();
    estate.run(["report", "link.html"]).code(11);
    assert!(
        fs::symlink_metadata(home.join("link.html"))
            .unwrap()
            .is_symlink()
    );
    assert!(
        fs::read_to_string(home.join(FILE))
            .unwrap()
            .starts_with("<!doctype html>")
    );
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_before_any_program_is_called() {
    let estate = estate();
    estate
        .run(["report", "nowhere/estate.html"])
        .code(2)
        .tells("nowhere/estate.html cannot be written");
    assert_eq!(estate.calls(), Vec::<String>::new());
}

#[test]
fn a_program_that_fails_leaves_the_rest_of_the_page() {
    let estate = estate();
    estate.tells("dns_cf", "check", "dns_cf: error: <b>refused</b>\n");
    estate.ends("dns_cf", "check", 3);
    estate.run(["report", FILE]).code(3);
    let text = fs::read_to_string(estate.bench.home().join(FILE)).unwrap();
    assert!(text.contains("&#60;b&#62;refused&#60;/b&#62;"), "{text}");
    assert!(text.contains("orders"), "{text}");
}

#[test]
fn whatever_others_have_named_is_text_and_nothing_else() {
    let plain = page(&named(&["a", "b", "c", "d", "e", "f", "g"]));
    let hostile = page(&named(&HOSTILE));
    assert_eq!(hostile.shape(), plain.shape());
    let names = hostile.text_of("tbody bdi");
    for name in HOSTILE {
        assert!(names.iter().any(|shown| shown == name), "{name}: {names:?}");
    }
}

#[test]
fn text_that_turns_around_what_is_beside_it_is_isolated_and_spelled_out() {
    let names = ["\u{202e}gpj.exe", "\u{2066}a\u{2069}", "a\u{7}b", "שלום"];
    let page = page(&named(&names));
    let shown = page.text_of("tbody bdi");
    for name in [
        "\\u{202e}gpj.exe",
        "\\u{2066}a\\u{2069}",
        "a\\u{7}b",
        "שלום",
    ] {
        assert!(shown.iter().any(|text| text == name), "{name}: {shown:?}");
    }
    let outside = page.text_outside("bdi");
    assert!(!outside.contains("שלום"), "{outside}");
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let estate = estate();
    page(&estate);
    let text = fs::read_to_string(estate.bench.home().join(FILE)).unwrap();
    for wanted in [
        "http:", "https:", "src=", "url(", "@import", "//", "ping=", "action=",
    ] {
        let found = text.match_indices(wanted).map(|(at, _)| &text[at..]);
        let found: Vec<&str> = found
            // A comment of the script.
            .filter(|rest| !rest.starts_with("// "))
            .collect();
        assert!(found.is_empty(), "{wanted}: {found:?}");
    }
    let page = Page::parse(&text);
    let links = page.attributes("link", "href");
    assert_eq!(links, ["data:,"]);
    for href in page
        .attributes("a", "href")
        .iter()
        .chain(&page.attributes("use", "href"))
    {
        assert!(href.starts_with('#'), "{href}");
    }
}

#[test]
fn the_policy_of_the_page_lets_its_own_style_and_script_through_and_nothing_else() {
    let page = page(&estate());
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())));
    let (style, script) = (page.raw("style"), page.raw("script"));
    assert_eq!((style.len(), script.len()), (1, 1));
    assert_eq!(
        page.attributes("meta[http-equiv=Content-Security-Policy]", "content"),
        [format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            hash(&style[0]),
            hash(&script[0])
        )]
    );
    assert!(page.with_attribute("style").is_empty());
    assert!(
        page.attribute_names()
            .iter()
            .all(|name| !name.starts_with("on"))
    );
}

#[test]
fn a_screen_reader_finds_its_way() {
    let page = page(&estate());
    assert_eq!(page.attributes("html", "lang"), ["en"]);
    assert_eq!(page.text_of("h1").len(), 1);
    assert_eq!(page.text_of("title").len(), 1);
    assert_eq!(page.text_of("main").len(), 1);
    assert_eq!(page.text_of("#rows caption").len(), 1);
    let columns = page.attributes("#rows thead th", "scope");
    assert_eq!(columns, ["col"; 5]);
    // A header for each row, and one for each severity.
    let scopes = page.attributes("#rows tbody th", "scope");
    assert_eq!(scopes.iter().filter(|scope| *scope == "row").count(), 5);
    assert_eq!(
        scopes.iter().filter(|scope| *scope == "rowgroup").count(),
        3
    );
    // What a narrow screen lays out anew stays a table.
    for (element, role) in [
        ("#rows thead th", "columnheader"),
        ("#rows tbody th", "rowheader"),
        ("#rows td", "cell"),
        ("#rows tr", "row"),
    ] {
        let roles = page.attributes(element, "role");
        assert!(
            !roles.is_empty() && roles.iter().all(|found| found == role),
            "{element}"
        );
        assert_eq!(roles.len(), page.text_of(element).len(), "{element}");
    }
    let ids = page.attributes("*", "id");
    assert_eq!(
        ids.iter().collect::<BTreeSet<_>>().len(),
        ids.len(),
        "{ids:?}"
    );
    let targets = page.attributes("a", "href");
    let uses = page.attributes("use", "href");
    assert!(!targets.is_empty());
    for href in targets.iter().chain(&uses) {
        assert!(ids.contains(&href[1..].to_owned()), "{href}");
    }
    for label in page.attributes("*", "aria-labelledby") {
        assert!(ids.contains(&label), "{label}");
    }
    for id in page
        .attributes("input[type=search]", "id")
        .iter()
        .chain(&page.attributes("select", "id"))
    {
        assert!(page.attributes("label", "for").contains(id), "{id}");
    }
    // Others stand within their label.
    let boxes = page.attributes("input[type=checkbox]", "name").len();
    assert_eq!(
        page.attributes("label input[type=checkbox]", "name").len(),
        boxes
    );
    assert_eq!(page.text_of("fieldset legend"), ["Severity"]);
    let drawings = page.text_of("svg").len();
    assert_eq!(page.attributes("svg", "aria-hidden").len(), drawings);
}

#[test]
fn without_its_script_the_page_is_whole() {
    let page = page(&estate());
    // The filter, which does nothing then, and what it says where nothing fits.
    let hidden = page.with_attribute("hidden");
    assert_eq!(hidden, ["svg", "form", "p"]);
    assert_eq!(page.rows().len(), 5);
}

#[test]
fn every_text_stands_out_from_what_is_behind_it_in_light_and_dark() {
    let page = page(&estate());
    colors::hold(&page.raw("style")[0]);
}

#[test]
fn a_row_takes_less_than_a_kilobyte_however_many_there_are() {
    let size = |count: usize| {
        let estate = Estate::new();
        let items = |kind: &'static str| -> Vec<Value> {
            let one = |number: usize| {
                let mut item = item(kind, &format!("x-team-{number}-acme-example"));
                item["not_after"] = json!("2027-01-31T00:00:00Z");
                item["at"] = json!({
                    "organization": "Acme Europe", "private_space": "production-eu", "environment": "Production",
                });
                item["renewed_by"] = json!("acme.sh");
                item["detail"] = json!("less than a quarter of its lifetime of 90 days is left");
                item
            };
            (0..count).map(one).collect()
        };
        estate.finds(
            "cloudhub_v2",
            &[items("tls_context"), items("served_certificate")].concat(),
        );
        estate.finds(
            "flex-renew",
            &[items("registration"), items("replica")].concat(),
        );
        estate.finds("basic-auth-policy", &items("api"));
        estate.run(["report", FILE]);
        fs::metadata(estate.bench.home().join(FILE)).unwrap().len()
    };
    let (few, many) = (size(10), size(1000));
    let row = (many - few) / (5 * 990);
    eprintln!("10 of each kind: {few} bytes; 1000 of each: {many} bytes; {row} bytes a row");
    assert!(row < 1000, "{row}");
}
