//! The example alerts, from the file that a run writes through the node exporter into Prometheus, all three as Debian has
//! them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fixtures::{root, wait_until};
use serde_json::{Value, json};

use crate::estate::{Estate, in_hours, item, text, wrong};

/// A server that listens on a port of its own choice; stops when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &str, args: &[&str], folder: &Path) -> Self {
        let log = folder.join(format!("{program}.log"));
        let file = File::create(&log).unwrap();
        let child = Command::new(program)
            .args(args)
            .arg("--web.listen-address=127.0.0.1:0")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            address: String::new(),
        };
        wait_until(&format!("{program} listens"), || {
            let log = fs::read_to_string(&log).unwrap();
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program} ended: {ended:?}\n{log}");
            let address = log.split_once("msg=\"Listening on\" address=");
            if let Some((address, _)) = address.and_then(|(_, rest)| rest.split_once('\n')) {
                address.clone_into(&mut server.address);
            }
            !server.address.is_empty()
        });
        server
    }

    /// The body of its answer.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // By this version, the body is all that comes after the head.
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.split(' ').nth(1) == Some("200"), "{answer}");
        body.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An estate whose file a node exporter reads, which Prometheus scrapes.
struct Monitored {
    estate: Estate,
    file: PathBuf,
    exporter: Server,
    prometheus: Server,
}

impl Monitored {
    fn new() -> Self {
        let estate = Estate::new();
        let folder = estate.bench.home().join("textfile");
        fs::create_dir(&folder).unwrap();
        let exporter = Server::start(
            "prometheus-node-exporter",
            &[
                "--collector.disable-defaults",
                "--collector.textfile",
                "--collector.textfile.directory",
                text(&folder),
            ],
            estate.bench.home(),
        );
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [root().join("scripts/prometheus/anypoint-alerts.yml")],
            "scrape_configs": [
                {"job_name": "node", "static_configs": [{"targets": [exporter.address]}]}
            ],
        });
        // JSON is YAML.
        let config = estate.bench.write("prometheus.yml", config.to_string());
        let data = estate.bench.home().join("prometheus");
        let prometheus = Server::start(
            "prometheus",
            &[
                "--config.file",
                text(&config),
                "--storage.tsdb.path",
                text(&data),
            ],
            estate.bench.home(),
        );
        Self {
            file: folder.join("anypoint.prom"),
            estate,
            exporter,
            prometheus,
        }
    }

    fn run(&self, code: i32) {
        let run = ["run", "--textfile", text(&self.file)];
        self.estate.run(run).code(code);
    }

    /// The alerts that fire: their names, and what each is about.
    fn firing(&self) -> BTreeSet<(String, String)> {
        let answer: Value = serde_json::from_str(&self.prometheus.get("/api/v1/alerts")).unwrap();
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        alerts
            .iter()
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| {
                let labels = &alert["labels"];
                let label = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
                let about = [label("kind"), label("name")].join(" ");
                (label("alertname"), about.trim().to_owned())
            })
            .collect()
    }

    /// Waits until these fire, and no others.
    fn alarms_by(&self, expected: &[(&str, &str)]) {
        let pairs = expected
            .iter()
            .map(|(alert, about)| ((*alert).to_owned(), (*about).to_owned()));
        let expected: BTreeSet<_> = pairs.collect();
        wait_until(&format!("these alerts fire: {expected:?}"), || {
            self.firing() == expected
        });
    }

    /// Nothing that would fire has been left out because Prometheus could not evaluate it.
    fn no_rule_has_failed(&self) {
        let answer: Value = serde_json::from_str(&self.prometheus.get("/api/v1/rules")).unwrap();
        let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap();
        assert!(rules.len() > 5, "{answer:#}");
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule:#}");
        }
    }
}

fn until(kind: &str, name: &str, hours: i64) -> Value {
    let mut item = match hours {
        ..=0 => wrong(kind, name, "expired"),
        _ => item(kind, name),
    };
    item["not_after"] = json!(in_hours(hours));
    item
}

#[test]
#[ignore = "needs prometheus and prometheus-node-exporter: scripts/test.sh"]
fn the_example_alerts_fire_by_what_a_run_finds_and_cease_when_it_is_mended() {
    let monitored = Monitored::new();
    let estate = &monitored.estate;
    estate.finds(
        "cloudhub_v2",
        &[
            until("tls_context", "past", -24),
            until("tls_context", "near", 5 * 24),
            until("tls_context", "far", 60 * 24),
            // Of the same name and place as one of the contexts.
            until("certificate", "near", 6 * 24),
            wrong("served_certificate", "far", "not_served"),
            wrong("registration", "edge", "missing"),
            wrong("registration", "spare", "unknown"),
        ],
    );
    estate.finds(
        "basic-auth-policy",
        &[wrong("api", "orders", "open"), item("api", "well")],
    );
    estate.finds("dns_cf", &[until("api_token", "CF_Token", 3 * 24)]);
    estate.ends("flex-renew", "run", 6);
    monitored.run(6);
    monitored.alarms_by(&[
        ("AnypointExpired", "tls_context past"),
        ("AnypointExpiresSoon", "tls_context near"),
        ("AnypointExpiresSoon", "certificate near"),
        ("AnypointExpiresSoon", "api_token CF_Token"),
        ("AnypointNotServed", "far"),
        ("AnypointApiOpen", "orders"),
        ("AnypointNeedsAttention", "registration"),
        ("AnypointNeedsAttention", "run"),
        // It never had one.
        ("AnypointNoSuccess", ""),
    ]);
    monitored.no_rule_has_failed();
    assert!(
        monitored
            .exporter
            .get("/metrics")
            .contains("node_textfile_scrape_error 0\n")
    );

    estate.finds(
        "cloudhub_v2",
        &[
            until("tls_context", "past", 90 * 24),
            until("tls_context", "near", 90 * 24),
            until("tls_context", "far", 60 * 24),
            until("certificate", "near", 90 * 24),
            item("served_certificate", "far"),
        ],
    );
    estate.works_again("flex-renew", "run");
    estate.finds("dns_cf", &[until("api_token", "CF_Token", 3 * 24)]);
    estate.finds(
        "basic-auth-policy",
        &[item("api", "orders"), item("api", "well")],
    );
    monitored.run(0);
    monitored.alarms_by(&[("AnypointExpiresSoon", "api_token CF_Token")]);
    estate.finds("dns_cf", &[until("api_token", "CF_Token", 90 * 24)]);
    monitored.run(0);
    monitored.alarms_by(&[]);
    monitored.no_rule_has_failed();
}
