//! Private spaces whose TLS contexts are of the worst kind.

use std::collections::{BTreeMap, BTreeSet};

use fixtures::{Bench, Finished};
use serde_json::json;
use simulator::Fault;
use simulator::faults::Action;

pub(crate) const LIST: &str = "/runtimefabric/api/organizations/*/privatespaces/*/tlsContexts";

/// Every program that has a check.
pub(crate) const PROGRAMS: [&str; 5] = [
    "cloudhub_v2",
    "dns_cf",
    "flex-renew",
    "basic-auth-policy",
    "anypoint-estate",
];

/// Names that break out of whatever they are put into without care.
pub(crate) fn hostile_names() -> [String; 4] {
    [
        "a|'x'=1;2;3 \"b\" `c` $(d) \\ {e=\"f\"} 1".to_owned(),
        "two\nlines\r\n# HELP anypoint_up no\tanypoint_up 1".to_owned(),
        "\u{1b}[2J\u{202e}<script>".to_owned(),
        "ü".repeat(300),
    ]
}

/// A private space `prod` and a client of it.
pub(crate) fn bench() -> Bench {
    Bench::with_private_space(&["manage:cloudhub_networking"])
}

/// Has the platform list TLS contexts of these names, which expire on `day`.
pub(crate) fn list(bench: &Bench, names: &[String], day: &str) {
    let contexts: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            json!({"id": number.to_string(), "name": name, "type": "custom",
                "keyStore": {"cn": name, "expirationDate": day}})
        })
        .collect();
    let answer = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: json!(contexts).to_string(),
    };
    bench.fault(Fault::on("GET", LIST, answer).always());
}

pub(crate) fn check(bench: &Bench, more: &[&str]) -> Finished {
    bench.run("cloudhub_v2", [&["check"], more].concat())
}

/// The platform does not answer from now on.
pub(crate) fn platform_fails(bench: &Bench) {
    bench.fault(Fault::on("*", "*", Action::Empty { status: 400 }).always());
}

/// A sample of a metric: its labels and its value.
pub(crate) type Sample = (BTreeMap<String, String>, f64);

/// The metrics in a text, which is read as strictly as Prometheus' format is written down.
pub(crate) fn metrics(text: &str) -> BTreeMap<String, Vec<Sample>> {
    let mut families: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut lines = text.lines().peekable();
    assert!(text.ends_with('\n'), "the last line has no end: {text}");
    while let Some(help) = lines.next() {
        let (name, _) = help
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert_eq!(lines.next().unwrap(), format!("# TYPE {name} gauge"));
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            assert!(
                series.insert(line.rsplit_once(' ').unwrap().0.to_owned()),
                "twice: {line}"
            );
            samples.push(sample(line.strip_prefix(name).unwrap()));
        }
        let keys = |sample: &Sample| sample.0.keys().cloned().collect::<Vec<_>>();
        assert!(!samples.is_empty(), "{name} has no samples");
        assert!(
            samples
                .iter()
                .all(|sample| keys(sample) == keys(&samples[0])),
            "{name}"
        );
        assert!(
            families.insert(name.to_owned(), samples).is_none(),
            "{name} stands twice"
        );
    }
    families
}

/// Reads `{label="value",…} NUMBER`.
fn sample(text: &str) -> Sample {
    let mut labels = BTreeMap::new();
    let mut rest = text.strip_prefix('{').unwrap();
    loop {
        let (label, behind) = rest.split_once("=\"").unwrap();
        assert!(
            label.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{label}"
        );
        let mut value = String::new();
        let mut chars = behind.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("\\{other} means nothing: {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "{text}");
        match &behind[end + 1..] {
            more if more.starts_with(',') => rest = &more[1..],
            last => {
                // No timestamp behind it.
                let number = last.strip_prefix("} ").unwrap().parse().unwrap();
                return (labels, number);
            }
        }
    }
}

/// The only sample of a metric.
#[track_caller]
pub(crate) fn value(metrics: &BTreeMap<String, Vec<Sample>>, name: &str) -> f64 {
    match &metrics[name][..] {
        [(_, value)] => *value,
        samples => panic!("{name}: {samples:?}"),
    }
}
