//! The page in a browser, which is driven over a pair of pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{FILE, HOSTILE, estate, named};
use crate::estate::Estate;

/// The widths of a telephone, a laptop and a large screen.
const WIDTHS: [u32; 3] = [390, 1280, 2560];

/// A browser with one page.
struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    number: u64,
    /// What the browser has told by itself.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser takes commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            ])
            .arg("chromium")
            .args([
                "--headless",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            // root has no sandbox; the page is ours.
            .arg("--no-sandbox")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut browser = Self {
            to: child.stdin.take().unwrap(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
            session: String::new(),
            number: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let made = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.ask(
            "Target.attachToTarget",
            &json!({"targetId": made["targetId"], "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Network", "Log", "Runtime", "Accessibility"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Has the browser do something, and returns its answer.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.to
            .write_all(format!("{message}\0").as_bytes())
            .unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == self.number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&message).unwrap()
    }

    fn open(&mut self, file: &Path) {
        self.events.clear();
        let url = format!("file://{}", file.display());
        self.ask("Page.navigate", &json!({"url": url}));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.next();
            self.events.push(event);
        }
    }

    fn is_as_wide_as(&mut self, width: u32) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}),
        );
    }

    fn value(&mut self, expression: &str) -> Value {
        let answer = self.ask(
            "Runtime.evaluate",
            &json!({"expression": expression, "returnByValue": true}),
        );
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// What assistive technology is given: roles and names.
    fn accessibility(&mut self) -> Vec<(String, String)> {
        let tree = self.ask("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let text =
            |node: &Value, key: &str| node[key]["value"].as_str().unwrap_or_default().to_owned();
        nodes
            .iter()
            .filter(|node| node["ignored"] == false)
            .map(|node| (text(node, "role"), text(node, "name")))
            .collect()
    }

    fn events(&self, method: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["method"] == method)
            .map(|event| &event["params"])
            .collect()
    }
}

fn open(estate: &Estate) -> Browser {
    estate.run(["report", FILE]);
    let mut browser = Browser::start();
    browser.open(&estate.bench.home().join(FILE));
    browser
}

/// The names of what has this role.
fn of_role<'a>(tree: &'a [(String, String)], role: &str) -> Vec<&'a str> {
    tree.iter()
        .filter(|(found, _)| found == role)
        .map(|(_, name)| name.as_str())
        .collect()
}

const VISIBLE: &str = "Array.from(document.querySelectorAll('#rows tbody tr[data-kind]'))\
    .filter(row => row.offsetParent !== null).map(row => row.querySelector('th bdi').textContent)";

#[test]
#[ignore = "needs chromium; run with --ignored"]
fn the_page_is_a_table_with_headers_and_named_controls_on_every_screen() {
    let estate = estate();
    let mut browser = open(&estate);
    for width in WIDTHS {
        browser.is_as_wide_as(width);
        let tree = browser.accessibility();
        assert_eq!(of_role(&tree, "heading").len(), 3, "{tree:?}");
        assert_eq!(of_role(&tree, "searchbox"), ["Search"]);
        assert_eq!(of_role(&tree, "combobox"), ["Kind"]);
        assert_eq!(
            of_role(&tree, "checkbox"),
            ["Critical", "Warning", "Unknown", "OK"]
        );
        assert_eq!(of_role(&tree, "button"), ["Show all"]);
        assert_eq!(of_role(&tree, "main").len(), 1);
        assert_eq!(of_role(&tree, "table").len(), 2);
        let columns = of_role(&tree, "columnheader");
        let expected = [
            "State",
            "What and where",
            "Time left",
            "Renewed by",
            "What to know and do",
        ];
        assert!(
            columns.windows(5).any(|five| five == expected),
            "{columns:?}"
        );
        let rows = of_role(&tree, "rowheader");
        assert_eq!(
            rows.iter().filter(|name| name.contains("soon")).count(),
            1,
            "{rows:?}"
        );
        let images = of_role(&tree, "image");
        assert!(images.is_empty(), "{images:?}");
    }
}

#[test]
#[ignore = "needs chromium; run with --ignored"]
fn nothing_is_asked_for_and_nothing_goes_wrong() {
    let estate = named(&HOSTILE);
    let mut browser = open(&estate);
    assert_eq!(browser.value("document.scripts.length"), 1);
    let requests: Vec<&str> = browser
        .events("Network.requestWillBeSent")
        .iter()
        .map(|request| request["request"]["url"].as_str().unwrap())
        .filter(|url| !url.starts_with("data:"))
        .collect();
    assert_eq!(requests.len(), 1, "{requests:?}");
    for method in [
        "Log.entryAdded",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
    ] {
        let events = browser.events(method);
        assert!(events.is_empty(), "{events:?}");
    }
}

#[test]
#[ignore = "needs chromium; run with --ignored"]
fn the_filter_shows_what_fits_and_says_how_much() {
    let estate = estate();
    let mut browser = open(&estate);
    let says = "document.getElementById('found').textContent";
    assert_eq!(browser.value(says), "All 5 are shown.");
    let change = |field: &str, what: &str| {
        format!(
            "{{ const field = document.querySelector('{field}'); field.{what}; \
             field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}"
        )
    };
    browser.value(&change("#words", "value = 'PROD soon'"));
    assert_eq!(browser.value(VISIBLE), json!(["soon"]));
    assert_eq!(browser.value(says), "1 of 5 are shown.");
    browser.value(&change("#words", "value = ''"));
    browser.value(&change("[name=critical]", "checked = false"));
    assert_eq!(browser.value(VISIBLE), json!(["anypoint", "soon", "well"]));
    browser.value(&change("#kind", "value = 'api'"));
    assert_eq!(browser.value(VISIBLE), json!(["well"]));
    browser.value(&change("#words", "value = 'no such thing'"));
    assert_eq!(browser.value(VISIBLE), json!([]));
    assert_eq!(
        browser.value("document.getElementById('nothing').offsetParent !== null"),
        true
    );
    browser.value("document.querySelector('#filter button').click()");
    // The form is emptied after whoever listens has been told.
    browser.ask(
        "Runtime.evaluate",
        &json!({"expression": "new Promise(done => setTimeout(done))", "awaitPromise": true}),
    );
    assert_eq!(browser.value(says), "All 5 are shown.");
}

#[test]
#[ignore = "needs chromium; run with --ignored"]
fn without_scripts_all_is_there_but_the_filter() {
    let estate = estate();
    estate.run(["report", FILE]);
    let mut browser = Browser::start();
    browser.ask(
        "Emulation.setScriptExecutionDisabled",
        &json!({"value": true}),
    );
    browser.open(&estate.bench.home().join(FILE));
    let tree = browser.accessibility();
    assert!(of_role(&tree, "searchbox").is_empty(), "{tree:?}");
    let rows = of_role(&tree, "rowheader");
    assert!(rows.iter().any(|name| name.contains("soon")), "{rows:?}");
}

#[test]
#[ignore = "needs chromium; run with --ignored"]
fn no_name_is_too_long_for_any_screen_or_paper() {
    let word = "w".repeat(300);
    let words = "many words ".repeat(30);
    let estate = named(&[&word, &words, &"東京".repeat(150)]);
    let mut browser = open(&estate);
    for width in WIDTHS {
        browser.is_as_wide_as(width);
        let needed = browser.value("document.documentElement.scrollWidth");
        assert!(
            needed.as_u64().unwrap() <= u64::from(width),
            "{needed} of {width}"
        );
    }
    let printed = browser.ask("Page.printToPDF", &json!({"printBackground": true}));
    assert!(printed["data"].as_str().unwrap().starts_with("JVBERi"));
    browser.ask("Emulation.setEmulatedMedia", &json!({"media": "print"}));
    browser.is_as_wide_as(720);
    let needed = browser.value("document.documentElement.scrollWidth");
    assert!(needed.as_u64().unwrap() <= 720, "{needed}");
    assert_eq!(
        browser.value("document.getElementById('filter').offsetParent"),
        Value::Null
    );
}
