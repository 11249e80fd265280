use reqwest::Method;
use serde_json::{Value, json};
use simulator::cloudflare::{RateLimit, Reach, Status, TextForm, Token, Zone, ZoneStatus};
use simulator::seed::{CF_EMAIL, CF_KEY, CF_SUB_ZONE_ID, CF_TOKEN, CF_ZONE_ID};

use crate::{Bench, parts};

impl Bench {
    fn cf(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.cf_as(CF_TOKEN, method, path, body)
    }

    fn cf_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self
            .http
            .request(method, self.url(&format!("/client/v4{path}")))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        parts(request.send().unwrap())
    }

    fn create(&self, body: Value) -> (u16, Value) {
        self.cf(
            Method::POST,
            &format!("/zones/{CF_ZONE_ID}/dns_records"),
            Some(body),
        )
    }

    fn list(&self, query: &str) -> Vec<String> {
        let (status, body) = self.cf(
            Method::GET,
            &format!("/zones/{CF_ZONE_ID}/dns_records?{query}"),
            None,
        );
        assert_eq!(status, 200, "{body}");
        let records = body["result"].as_array().unwrap();
        records
            .iter()
            .map(|record| record["content"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn code(answer: &(u16, Value)) -> (u16, u64) {
    (answer.0, answer.1["errors"][0]["code"].as_u64().unwrap())
}

fn txt(name: &str, content: &str) -> Value {
    json!({ "type": "TXT", "name": name, "content": content, "ttl": 120 })
}

#[test]
fn the_form_of_the_headers_is_checked_before_the_credentials() {
    let bench = Bench::new();
    let get = || bench.http.get(bench.url("/client/v4/zones"));
    let send = |request: reqwest::blocking::RequestBuilder| parts(request.send().unwrap());

    let missing = send(get());
    assert_eq!(code(&missing), (400, 9106));
    assert!(
        missing.1.get("result").is_none(),
        "the gateway's refusals are bare"
    );

    let malformed = send(get().header("Authorization", "Bearer bad token"));
    assert_eq!(code(&malformed), (400, 6003));
    assert_eq!(malformed.1["errors"][0]["error_chain"][0]["code"], 6111);

    let email = send(
        get()
            .header("X-Auth-Email", "admin")
            .header("X-Auth-Key", CF_KEY),
    );
    assert_eq!(email.1["errors"][0]["error_chain"][0]["code"], 6102);
    let key = send(
        get()
            .header("X-Auth-Email", CF_EMAIL)
            .header("X-Auth-Key", CF_TOKEN),
    );
    assert_eq!(key.1["errors"][0]["error_chain"][0]["code"], 6103);

    let unknown = send(get().bearer_auth("a".repeat(40)));
    assert_eq!(code(&unknown), (403, 9109));
    let pair = send(
        get()
            .header("X-Auth-Email", CF_EMAIL)
            .header("X-Auth-Key", "0".repeat(37)),
    );
    assert_eq!(code(&pair), (403, 9103));
    let right = send(
        get()
            .header("X-Auth-Email", CF_EMAIL)
            .header("X-Auth-Key", CF_KEY),
    );
    assert_eq!(right.0, 200);
}

#[test]
fn credentials_are_checked_before_route_permission_and_body() {
    let bench = Bench::new();
    let nonsense = Some(json!({ "type": "TXT" }));
    let dead = "b".repeat(40);
    let path = "/zones/not-an-id/dns_records";
    assert_eq!(
        code(&bench.cf_as(&dead, Method::POST, path, nonsense.clone())),
        (403, 9109)
    );
    assert_eq!(
        code(&bench.cf(Method::POST, path, nonsense.clone())),
        (404, 7003)
    );

    let reader = bench.sim.world().cloudflare.insert_token(Token {
        dns_edit: Reach::None,
        ..Token::default()
    });
    let path = format!("/zones/{CF_ZONE_ID}/dns_records");
    assert_eq!(
        code(&bench.cf_as(&reader, Method::POST, &path, nonsense.clone())),
        (403, 10000)
    );
    assert_eq!(code(&bench.cf(Method::POST, &path, nonsense)), (400, 9207));
}

#[test]
fn a_zone_outside_the_token_s_reach_is_refused_and_not_listed() {
    let bench = Bench::new();
    let only = Reach::Only(vec!["acme.example".to_owned()]);
    let token = bench.sim.world().cloudflare.insert_token(Token {
        zone_read: only.clone(),
        dns_read: only.clone(),
        dns_edit: only,
        list_zones: false,
        ..Token::default()
    });
    let get = |path: &str| bench.cf_as(&token, Method::GET, path, None);
    assert_eq!(code(&get(&format!("/zones/{CF_SUB_ZONE_ID}"))), (403, 9109));
    assert_eq!(
        get("/zones?name=acme.example").1["result_info"]["total_count"],
        1
    );
    assert_eq!(
        get("/zones?name=sub.acme.example").1["result_info"]["total_count"],
        0
    );
    assert_eq!(code(&get("/zones")), (403, 0));
}

#[test]
fn only_the_verification_tells_what_became_of_a_token() {
    let bench = Bench::new();
    let token = bench.sim.world().cloudflare.insert_token(Token {
        status: Status::Expired,
        ..Token::default()
    });
    let (status, body) = bench.cf_as(&token, Method::GET, "/user/tokens/verify", None);
    assert_eq!(
        (status, body["result"]["status"].as_str()),
        (200, Some("expired"))
    );
    assert_eq!(
        code(&bench.cf_as(&token, Method::GET, "/zones", None)),
        (403, 9109)
    );
    let unknown = "c".repeat(40);
    assert_eq!(
        code(&bench.cf_as(&unknown, Method::GET, "/user/tokens/verify", None)),
        (401, 1000)
    );
}

#[test]
fn a_page_of_zones_holds_fifty_at_most_and_pages_past_the_end_are_empty() {
    let bench = Bench::new();
    for number in 0..58 {
        bench
            .sim
            .world()
            .cloudflare
            .add_zone(&format!("zone{number}.example.com"));
    }
    let page = |query: &str| bench.cf(Method::GET, &format!("/zones?{query}"), None).1;
    let sizes: Vec<_> = (1..=3)
        .map(|n| page(&format!("per_page=100&page={n}"))["result_info"].clone())
        .collect();
    let counts: Vec<_> = sizes
        .iter()
        .map(|info| info["count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [50, 10, 0]);
    assert_eq!(
        (
            sizes[0]["per_page"].as_u64(),
            sizes[0]["total_pages"].as_u64()
        ),
        (Some(50), Some(2))
    );
    assert_eq!(page("name=contains:zone5")["result_info"]["total_count"], 9);
    assert_eq!(
        page("name=zone5.EXAMPLE.com")["result_info"]["total_count"],
        1
    );
}

#[test]
fn zones_of_one_name_are_told_apart_by_account_and_status() {
    let bench = Bench::new();
    let account = bench.sim.world().cloudflare.add_account("Other");
    bench.sim.world().cloudflare.insert_zone(Zone {
        name: "acme.example".to_owned(),
        account: simulator::cloudflare::Account {
            id: account.clone(),
            name: "Other".to_owned(),
        },
        status: ZoneStatus::Pending,
        ..Zone::default()
    });
    let count = |query: &str| {
        bench.cf(Method::GET, &format!("/zones?{query}"), None).1["result_info"]["count"].clone()
    };
    assert_eq!(count("name=acme.example"), 2);
    assert_eq!(count("name=acme.example&status=active"), 1);
    assert_eq!(count(&format!("name=acme.example&account.id={account}")), 1);
    assert_eq!(count("name=acme.example&account.id=nobody"), 0);
}

#[test]
fn an_identical_record_is_refused_and_a_second_value_is_not() {
    let bench = Bench::new();
    let (status, body) = bench.create(txt("_acme-challenge.acme.example", "\"one\""));
    assert_eq!(
        (status, body["result"]["content"].as_str()),
        (200, Some("\"one\""))
    );
    assert_eq!(
        code(&bench.create(txt("_acme-challenge", "\"one\""))),
        (400, 81058)
    );
    assert_eq!(
        bench.create(txt("_acme-challenge", "one")).0,
        200,
        "judged on the stored text"
    );
    bench.sim.world().cloudflare.switches.identical_by = TextForm::DnsData;
    assert_eq!(
        code(&bench.create(txt("_acme-challenge", "one"))),
        (400, 81058)
    );
    assert_eq!(bench.create(txt("_acme-challenge", "two")).0, 200);
    assert_eq!(
        bench
            .sim
            .world()
            .cloudflare
            .txt("_acme-challenge.acme.example"),
        ["\"one\"", "one", "two"]
    );
}

#[test]
fn the_content_filter_compares_stored_text_or_dns_data() {
    let bench = Bench::new();
    bench.create(txt("a", "\"Value\""));
    bench.create(txt("a", "value"));
    assert_eq!(bench.list("content=value"), ["value"]);
    assert_eq!(bench.list("content.exact=%22VALUE%22"), ["\"Value\""]);
    bench.sim.world().cloudflare.switches.content_filter = TextForm::DnsData;
    assert_eq!(
        bench.list("type=TXT&name=A.acme.example&content=value"),
        ["\"Value\"", "value"]
    );
    assert_eq!(bench.list("name.startswith=b"), [""; 0]);
}

#[test]
fn a_cname_tolerates_no_neighbour() {
    let bench = Bench::new();
    let cname = |name: &str| json!({ "type": "CNAME", "name": name, "content": "target.example.net", "ttl": 1 });
    assert_eq!(bench.create(cname("www")).0, 200);
    assert_eq!(code(&bench.create(txt("www", "x"))), (400, 81054));
    assert_eq!(bench.create(txt("api", "x")).0, 200);
    assert_eq!(code(&bench.create(cname("api"))), (400, 81053));
    let ip = json!({ "type": "CNAME", "name": "ip", "content": "192.0.2.1", "ttl": 1 });
    assert_eq!(code(&bench.create(ip)), (400, 9007));
}

#[test]
fn stale_values_under_one_name_add_up_to_a_limit() {
    let bench = Bench::new();
    let long = |letter: &str| txt("_acme-challenge", &letter.repeat(4000));
    assert_eq!(bench.create(long("a")).0, 200);
    assert_eq!(bench.create(long("b")).0, 200);
    assert_eq!(code(&bench.create(long("c"))), (400, 83011));
    assert_eq!(
        code(&bench.create(txt("x", &"d".repeat(4096)))),
        (400, 9015)
    );
}

#[test]
fn a_record_is_changed_overwritten_and_deleted_by_id() {
    let bench = Bench::new();
    let mut body = txt("a", "one");
    body["comment"] = json!("acme");
    let id = bench.create(body).1["result"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/zones/{CF_ZONE_ID}/dns_records/{id}");
    let changed = bench
        .cf(Method::PATCH, &path, Some(json!({ "content": "two" })))
        .1;
    assert_eq!(
        (
            changed["result"]["ttl"].as_u64(),
            changed["result"]["comment"].as_str()
        ),
        (Some(120), Some("acme"))
    );
    let overwritten = bench
        .cf(
            Method::PUT,
            &path,
            Some(json!({ "type": "TXT", "name": "a", "content": "three" })),
        )
        .1;
    assert_eq!(
        (
            overwritten["result"]["ttl"].as_u64(),
            &overwritten["result"]["comment"]
        ),
        (Some(1), &Value::Null)
    );
    assert_eq!(
        bench.cf(Method::DELETE, &path, None),
        (
            200,
            json!({
                "result": { "id": id }, "success": true, "errors": [], "messages": []
            })
        )
    );
    assert_eq!(code(&bench.cf(Method::DELETE, &path, None)), (404, 81044));
}

#[test]
fn a_batch_leaves_nothing_behind_if_one_part_is_refused() {
    let bench = Bench::new();
    let id = bench
        .create(json!({ "type": "A", "name": "www", "content": "192.0.2.1", "ttl": 1 }))
        .1["result"]["id"]
        .clone();
    let cname =
        json!({ "type": "CNAME", "name": "www", "content": "target.example.net", "ttl": 1 });
    let path = format!("/zones/{CF_ZONE_ID}/dns_records/batch");
    let batch = |posts: Value| {
        bench.cf(
            Method::POST,
            &path,
            Some(json!({ "deletes": [{ "id": id }], "posts": posts })),
        )
    };
    assert_eq!(code(&batch(json!([cname, txt("www", "x")]))), (400, 81054));
    assert_eq!(bench.list("name=www.acme.example"), ["192.0.2.1"]);
    let (status, body) = batch(json!([cname]));
    assert_eq!(
        (status, body["result"]["posts"][0]["type"].as_str()),
        (200, Some("CNAME"))
    );
    assert_eq!(bench.list("name=www.acme.example"), ["target.example.net"]);
}

#[test]
fn requests_beyond_the_quota_are_refused_for_a_window() {
    let bench = Bench::new();
    bench.sim.world().cloudflare.switches.rate_limit = Some(RateLimit {
        quota: 2,
        window_s: 300,
    });
    let get = || {
        bench
            .http
            .get(bench.url("/client/v4/zones"))
            .bearer_auth(CF_TOKEN)
            .send()
            .unwrap()
    };
    assert_eq!(get().headers()["ratelimit"], "\"default\";r=1;t=300");
    assert_eq!(get().headers()["ratelimit-policy"], "\"default\";q=2;w=300");
    let refused = get();
    assert_eq!(refused.headers()["retry-after"], "300");
    assert_eq!(code(&parts(refused)), (429, 10429));
    bench.sim.advance(std::time::Duration::from_secs(301));
    assert_eq!(get().status(), 200);
}

#[test]
fn what_nobody_modelled_is_noted() {
    let bench = Bench::new();
    assert_eq!(bench.cf(Method::GET, "/zones?page=1", None).0, 200);
    assert!(bench.sim.unexpected().is_empty());
    assert_eq!(bench.cf(Method::GET, "/zones?colour=red", None).0, 400);
    assert_eq!(bench.cf(Method::GET, "/radar", None).0, 404);
    assert_eq!(
        bench
            .cf(
                Method::GET,
                &format!("/zones/{CF_ZONE_ID}/dns_records?colour=red"),
                None
            )
            .0,
        400
    );
    let notes: Vec<_> = bench
        .sim
        .unexpected()
        .into_iter()
        .filter_map(|entry| entry.unexpected)
        .collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
}
