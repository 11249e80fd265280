use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use simulator::anypoint::tls_contexts::CIPHERS;
use simulator::anypoint::{CreateAnswer, Environment, Grant, Patch};
use simulator::pki::{self, Authority, Leaf, Validity};
use simulator::seed::{CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRIVATE_SPACE_ID};

use crate::{Bench, parts};

impl Bench {
    fn token(&self) -> String {
        let body = json!({
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials",
        });
        let (_, body) = parts(
            self.http
                .post(self.url("/accounts/api/v2/oauth2/token"))
                .json(&body)
                .send()
                .unwrap(),
        );
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn call(&self, token: &str, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        parts(request.send().unwrap())
    }

    fn deploy(&self, token: &str, body: &Value) -> (u16, Value) {
        // Tests here create more contexts per second than the platform allows.
        self.sim.world().anypoint.switches.requests_per_second = None;
        self.call(token, Method::POST, &contexts(), Some(body))
    }

    fn served(&self, name: &str) -> CertificateDer<'static> {
        served(self.sim.ingress_addr(), name)
    }
}

fn contexts() -> String {
    format!(
        "/runtimefabric/api/organizations/{ORGANIZATION_ID}/privatespaces/{PRIVATE_SPACE_ID}/tlsContexts"
    )
}

fn body(name: &str, leaf: &Leaf) -> Value {
    json!({ "name": name, "tlsConfig": { "keyStore": {
        "source": "PEM", "certificate": leaf.cert_pem, "key": leaf.key_pem, "capath": leaf.chain_pem,
    } } })
}

fn leaf(names: &[&str]) -> Leaf {
    let root = Authority::root("Test Root").unwrap();
    root.intermediate("Test Intermediate")
        .unwrap()
        .leaf(names, Validity::default())
        .unwrap()
}

fn der(leaf: &Leaf) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(leaf.cert_pem.as_bytes()).unwrap()
}

/// The leaf that a TLS client is shown for this server name.
fn served(address: std::net::SocketAddr, name: &str) -> CertificateDer<'static> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAnything(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut tcp = std::net::TcpStream::connect(address).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).unwrap();
    }
    tls.peer_certificates().unwrap()[0].clone().into_owned()
}

#[derive(Debug)]
struct TrustAnything(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn a_token_is_issued_for_json_and_form_and_ends() {
    let bench = Bench::new();
    let url = bench.url("/accounts/api/v2/oauth2/token");
    let form = format!(
        "client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&grant_type=client_credentials"
    );
    let by_form = bench
        .http
        .post(&url)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(by_form.send().unwrap().status(), 200);
    let wrong = json!({ "client_id": CLIENT_ID, "client_secret": "wrong", "grant_type": "client_credentials" });
    assert_eq!(
        bench.http.post(&url).json(&wrong).send().unwrap().status(),
        401
    );

    let token = bench.token();
    assert_eq!(
        bench.call(&token, Method::GET, "/accounts/api/me", None).1["client"]["client_id"],
        CLIENT_ID
    );
    let (_, user) = bench.call(&token, Method::GET, "/accounts/api/users/me", None);
    assert_eq!(user["memberOfOrganizations"][0]["id"], ORGANIZATION_ID);
    bench.sim.advance(Duration::from_secs(3601));
    assert_eq!(
        bench.call(&token, Method::GET, "/accounts/api/me", None).0,
        401
    );
}

#[test]
fn environments_come_in_pages_of_25() {
    let bench = Bench::new();
    {
        let mut world = bench.sim.world();
        let more = (0..30).map(|n| Environment {
            id: format!("env-{n}"),
            name: format!("E{n}"),
            ..Environment::default()
        });
        world.anypoint.organizations[0].environments.extend(more);
    }
    let token = bench.token();
    let path = format!("/accounts/api/organizations/{ORGANIZATION_ID}/environments");
    let get = |query: &str| {
        bench
            .call(&token, Method::GET, &format!("{path}?{query}"), None)
            .1
    };
    assert_eq!(
        (get("")["data"].as_array().unwrap().len(), &get("")["total"]),
        (25, &json!(32))
    );
    assert_eq!(get("offset=25")["data"].as_array().unwrap().len(), 7);
    assert_eq!(get("name=E29")["data"][0]["id"], "env-29");
    assert_eq!(get("name=e29")["total"], 0);
}

#[test]
fn a_missing_scope_is_told_from_a_bad_token() {
    let bench = Bench::new();
    bench.sim.world().anypoint.apps[0].scopes = vec![Grant::of("read:cloudhub_networking")];
    let token = bench.token();
    assert_eq!(bench.call(&token, Method::GET, &contexts(), None).0, 200);
    let (status, body) = bench.deploy(&token, &body("a", &leaf(&["api.acme.example"])));
    assert_eq!(
        (status, body["message"].as_str()),
        (403, Some("You are not authorized to perform this request"))
    );
    assert_eq!(
        bench.call("nonsense", Method::GET, &contexts(), None).0,
        401
    );
    let other = contexts().replace(ORGANIZATION_ID, "0a000000-0000-4000-8000-000000000009");
    assert_eq!(bench.call(&token, Method::GET, &other, None).0, 403);
}

#[test]
fn an_uploaded_certificate_is_served_by_server_name() {
    let bench = Bench::new();
    let token = bench.token();
    let (wild, exact) = (leaf(&["*.acme.example"]), leaf(&["api.acme.example"]));
    let (status, created) = bench.deploy(&token, &body("wild", &wild));
    assert_eq!(
        (status, created["type"].as_str()),
        (201, Some("custom")),
        "{created}"
    );
    assert_eq!(created["keyStore"]["san"], json!(["*.acme.example"]));
    assert_eq!(bench.deploy(&token, &body("exact", &exact)).0, 201);
    assert_eq!(bench.served("www.acme.example"), der(&wild));
    assert_eq!(bench.served("API.acme.example"), der(&exact));
    let fallback = bench.served("a.b.acme.example");
    assert!(fallback != der(&wild) && fallback != der(&exact));

    let id = created["id"].as_str().unwrap();
    assert_eq!(
        bench
            .call(
                &token,
                Method::DELETE,
                &format!("{}/{id}", contexts()),
                None
            )
            .0,
        200
    );
    assert_ne!(bench.served("www.acme.example"), der(&wild));
}

#[test]
fn an_ingress_of_one_space_knows_the_certificates_of_that_space_only() {
    let bench = Bench::new();
    let token = bench.token();
    let leaf = leaf(&["api.acme.example"]);
    bench.deploy(&token, &body("a", &leaf));
    let other = {
        let world = &mut *bench.sim.world();
        world
            .anypoint
            .add_space(&mut world.ids, &world.authority, ORGANIZATION_ID, "other")
            .unwrap()
    };
    let own = bench.sim.open_ingress(PRIVATE_SPACE_ID).unwrap();
    let other = bench.sim.open_ingress(&other).unwrap();
    assert_eq!(served(own, "api.acme.example"), der(&leaf));
    assert_ne!(served(other, "api.acme.example"), der(&leaf));
}

#[test]
fn material_that_cannot_be_served_is_refused() {
    let bench = Bench::new();
    let token = bench.token();
    let good = leaf(&["api.acme.example"]);
    let with = |change: &dyn Fn(&mut Leaf)| {
        let mut leaf = good.clone();
        change(&mut leaf);
        bench.deploy(&token, &body("a", &leaf))
    };
    let refusals = [
        with(&|leaf| leaf.key_pem = pki::ec_key().unwrap()),
        with(&|leaf| leaf.cert_pem = leaf.fullchain_pem()),
        with(&|leaf| leaf.cert_pem = "not PEM".to_owned()),
        with(&|leaf| leaf.key_pem = "not PEM".to_owned()),
        with(&|leaf| leaf.chain_pem = "not PEM".to_owned()),
        with(&|leaf| leaf.cert_pem.push_str(&" ".repeat(4096))),
        with(&|leaf| leaf.key_pem.push_str(&" ".repeat(6144))),
        with(&|leaf| leaf.chain_pem.push_str(&" ".repeat(28_672))),
        with(&|leaf| {
            let root = Authority::root("Test Root").unwrap();
            *leaf = root
                .leaf(&["api.acme.example"], Validity::expired())
                .unwrap();
        }),
    ];
    for (number, (status, body)) in refusals.iter().enumerate() {
        assert_eq!(*status, 400, "{number}: {body}");
        assert!(body["message"].is_string(), "{number}: {body}");
    }
    assert!(
        refusals[0].1["message"]
            .as_str()
            .unwrap()
            .contains("does not match"),
        "{}",
        refusals[0].1
    );
    assert_eq!(with(&|_| ()).0, 201);
}

#[test]
fn keys_of_every_usual_kind_and_form_are_taken() {
    let bench = Bench::new();
    let token = bench.token();
    let root = Authority::root("Test Root").unwrap();
    let ec = pki::ec_key().unwrap();
    let p384 = pki::p384_key().unwrap();
    let rsa = pki::rsa_key(2048).unwrap();
    let sent = [
        (&ec, ec.clone(), None),
        (&ec, pki::traditional(&ec).unwrap(), None),
        (&p384, p384.clone(), None),
        (&rsa, rsa.clone(), None),
        (&rsa, pki::traditional(&rsa).unwrap(), None),
        (
            &rsa,
            pki::encrypted(&rsa, "passphrase").unwrap(),
            Some("passphrase"),
        ),
        (
            &ec,
            pki::encrypted(&ec, "passphrase").unwrap(),
            Some("passphrase"),
        ),
    ];
    for (number, (key, form, passphrase)) in sent.into_iter().enumerate() {
        let leaf = root
            .leaf_with_key(&["api.acme.example"], Validity::default(), key)
            .unwrap();
        let mut body = body(
            &format!("context {number}"),
            &Leaf {
                key_pem: form,
                ..leaf
            },
        );
        if let Some(passphrase) = passphrase {
            body["tlsConfig"]["keyStore"]["keyPassphrase"] = json!(passphrase);
        }
        assert_eq!(bench.deploy(&token, &body).0, 201, "{number}");
        if passphrase.is_some() {
            body["name"] = json!("wrong");
            body["tlsConfig"]["keyStore"]["keyPassphrase"] = json!("wrong");
            assert_eq!(bench.deploy(&token, &body).0, 400, "{number}");
        }
    }
    bench
        .sim
        .world()
        .anypoint
        .switches
        .tls_contexts
        .traditional_keys = false;
    let leaf = root
        .leaf_with_key(&["api.acme.example"], Validity::default(), &ec)
        .unwrap();
    let leaf = Leaf {
        key_pem: pki::traditional(&ec).unwrap(),
        ..leaf
    };
    assert_eq!(bench.deploy(&token, &body("sec1", &leaf)).0, 400);
}

#[test]
fn names_are_checked_and_limited_in_number() {
    let bench = Bench::new();
    let token = bench.token();
    let leaf = leaf(&["api.acme.example"]);
    let create = |name: &str| bench.deploy(&token, &body(name, &leaf));
    assert_eq!(create("api.acme.example").1["errors"][0]["code"], "XX005");
    assert_eq!(create("context 0").0, 201);
    assert_eq!(create("context 0"), (409, Value::Null));
    for number in 1..10 {
        assert_eq!(create(&format!("context {number}")).0, 201);
    }
    assert_eq!(create("context 10").1["errors"][0]["code"], "XX006");
    let default = bench
        .sim
        .world()
        .anypoint
        .space(PRIVATE_SPACE_ID)
        .unwrap()
        .contexts[0]
        .id
        .clone();
    assert_eq!(
        bench
            .call(
                &token,
                Method::DELETE,
                &format!("{}/{default}", contexts()),
                None
            )
            .0,
        400
    );
    let text = bench
        .http
        .post(bench.url(&contexts()))
        .bearer_auth(&token)
        .body("{}")
        .send()
        .unwrap();
    assert_eq!(text.status(), 415);
}

#[test]
fn an_update_keeps_what_it_does_not_mention_and_may_take_its_time() {
    let bench = Bench::new();
    let token = bench.token();
    let (old, new) = (leaf(&["api.acme.example"]), leaf(&["api.acme.example"]));
    let mut first = body("a", &old);
    first["ciphers"] = CIPHERS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), json!(true)))
        .collect();
    first["tlsConfig"]["trustStore"] = json!({ "type": "PEM", "fileName": "clients.pem" });
    let id = bench.deploy(&token, &first).1["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{}/{id}", contexts());

    bench.sim.world().anypoint.switches.tls_contexts.patch = Patch::Accepted;
    bench
        .sim
        .world()
        .anypoint
        .switches
        .tls_contexts
        .update_delay_ms = 60_000;
    let (status, updated) = bench.call(&token, Method::PATCH, &path, Some(&body("a", &new)));
    assert_eq!(
        (status, &updated["ciphers"]["aes128Sha256"]),
        (202, &json!(true))
    );
    assert_eq!(updated["trustStore"]["fileName"], "clients.pem");
    assert_eq!(bench.served("api.acme.example"), der(&old));
    bench.sim.advance(Duration::from_secs(61));
    assert_eq!(bench.served("api.acme.example"), der(&new));

    bench.sim.world().anypoint.switches.tls_contexts.patch = Patch::NotAllowed;
    bench
        .sim
        .world()
        .anypoint
        .switches
        .tls_contexts
        .update_keeps_trust_store = false;
    assert_eq!(
        bench
            .call(&token, Method::PATCH, &path, Some(&body("a", &new)))
            .0,
        405
    );
    let (status, updated) = bench.call(&token, Method::PUT, &path, Some(&body("a", &new)));
    assert_eq!((status, updated.get("trustStore")), (200, None));
}

#[test]
fn a_create_may_be_answered_without_a_body_and_a_single_read_may_be_missing() {
    let bench = Bench::new();
    let token = bench.token();
    bench.sim.world().anypoint.switches.tls_contexts.create = CreateAnswer::Location;
    bench.sim.world().anypoint.switches.tls_contexts.single_read = false;
    let url = bench.url(&contexts());
    let answer = bench
        .http
        .post(url)
        .bearer_auth(&token)
        .json(&body("a", &leaf(&["a.acme.example"])))
        .send()
        .unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(
        (answer.status().as_u16(), answer.text().unwrap()),
        (201, String::new())
    );
    assert_eq!(bench.call(&token, Method::GET, &location, None).0, 404);
    assert_eq!(
        bench
            .call(&token, Method::GET, &contexts(), None)
            .1
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn more_than_15_requests_in_a_second_are_refused() {
    let bench = Bench::new();
    let token = bench.token();
    let answers: Vec<_> = (0..16)
        .map(|_| {
            bench
                .http
                .get(bench.url(&contexts()))
                .bearer_auth(&token)
                .send()
                .unwrap()
        })
        .collect();
    // A slow machine needs more than a second for them, and is not refused.
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status() == 429)
        .collect();
    let span = bench.sim.requests()[16]
        .time
        .duration_since(bench.sim.requests()[1].time);
    assert_eq!(refused.is_empty(), span.as_secs() >= 1);
    assert!(
        refused
            .iter()
            .all(|answer| answer.headers()["retry-after"] == "1")
    );
}
