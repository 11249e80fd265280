//! A zone with a token, and the program run on it.

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::{Bench, Finished};
use simulator::cloudflare::{Reach, Token};

pub(crate) const ZONE: &str = "acme.example";
pub(crate) const NAME: &str = "_acme-challenge.acme.example";
pub(crate) const RECORDS: &str = "/client/v4/zones/*/dns_records";
pub(crate) const RECORD: &str = "/client/v4/zones/*/dns_records/*";
pub(crate) const COMMENT: &str = "ACME challenge by anypoint-acme-hooks dns_cf";

/// A zone `acme.example`, and a token for it that no output may show.
pub(crate) fn bench() -> Bench {
    Bench::with_zone(ZONE)
}

/// It edits records in zones that it cannot look for.
pub(crate) fn without_zone_read() -> Token {
    Token {
        zone_read: Reach::None,
        ..Token::default()
    }
}

pub(crate) fn zone_id(bench: &Bench, name: &str) -> String {
    bench.sim.world().cloudflare.zone(name).unwrap().id.clone()
}

pub(crate) fn dns_cf(bench: &Bench, args: &[&str]) -> Finished {
    bench.run("dns_cf", args)
}

pub(crate) fn add(bench: &Bench, name: &str, value: &str) -> Finished {
    dns_cf(bench, &["add", name, value])
}

pub(crate) fn rm(bench: &Bench, name: &str, value: &str) -> Finished {
    dns_cf(bench, &["rm", name, value])
}

/// The values of the TXT records, in order, without the quotes.
pub(crate) fn txt(bench: &Bench, name: &str) -> Vec<String> {
    let stored = bench.sim.world().cloudflare.txt(name);
    stored
        .iter()
        .map(|content| content.trim_matches('"').to_owned())
        .collect()
}

pub(crate) fn lines(bench: &Bench) -> Vec<String> {
    bench
        .sim
        .requests()
        .iter()
        .map(|entry| entry.line().replace("/client/v4/", ""))
        .collect()
}

pub(crate) fn records_in(bench: &Bench, zone: &str) -> usize {
    bench
        .sim
        .world()
        .cloudflare
        .zone(zone)
        .unwrap()
        .records
        .len()
}

/// Calls as the shim does, and returns the path of the account conf, which does not exist yet.
pub(crate) fn as_hook(bench: &mut Bench) -> PathBuf {
    let folder = bench.home().join("acme");
    fs::create_dir(&folder).unwrap();
    let account = folder.join("account.conf");
    let domain = folder.join("acme.example.conf");
    bench
        .called_by_acme_sh(&domain)
        .set("ACCOUNT_CONF_PATH", account.to_str().unwrap());
    account
}

pub(crate) fn domain_conf(account_conf: &Path) -> PathBuf {
    account_conf.with_file_name("acme.example.conf")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
