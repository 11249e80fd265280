//! What the programs send to the Anypoint Platform, and what the simulator answers, held against published descriptions.
//!
//! The descriptions are third-party files in the folder that `ANYPOINT_OPENAPI_DIR` names. Their known faults are
//! corrected here, each with the reason, so that everything else in them counts.

mod needs_openapi {
    use crate::openapi::{Description, below};
    use fixtures::Bench;
    use serde_json::{Value, json};
    use simulator::pki::Validity;
    use simulator::{Entry, seed};

    const BASE: &str = "/runtimefabric/api";
    const CONTEXTS: &str =
        "/organizations/{organizationId}/privatespaces/{privateSpaceId}/tlsContexts";

    /// A path of a document as a JSON pointer.
    fn pointer(path: &str, rest: &str) -> String {
        format!("/paths/{}{rest}", path.replace('/', "~1"))
    }

    /// The vendor's own description.
    fn official() -> Description {
        let mut official = Description::read("official/cloudhub-20.yaml", BASE);
        // Plain keys are accepted, and the official Terraform provider leaves the passphrase out for them.
        official.correct(
            "/components/schemas/KeyStorePem/required",
            &json!(["source", "certificate", "key", "keyPassphrase"]),
            json!(["source", "certificate", "key"]),
        );
        // The update is described without a body; the user interface and the community client send that of a create.
        official.add(
            &pointer(&format!("{CONTEXTS}/{{contextId}}"), "/patch"),
            "requestBody",
            json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/PrivateSpaceTlsContextPemPost"}}}}),
        );
        // Lists and the answers to create and 202 are described by examples alone.
        let context = json!({"$ref": "#/components/schemas/PrivateSpaceTlsContext"});
        let schema = "/content/application~1json/schema";
        official.add(
            &pointer(CONTEXTS, &format!("/get/responses/200{schema}")),
            "items",
            context.clone(),
        );
        official.add(
            &pointer(CONTEXTS, &format!("/post/responses/201{schema}")),
            "allOf",
            json!([context]),
        );
        // Any call may be made for something that is gone, or that the app may not see.
        for (path, method) in [(CONTEXTS.to_owned(), "get"), (CONTEXTS.to_owned(), "post")] {
            for status in ["401", "403", "404"] {
                let error = json!({"content": {"application/json": {"schema": {"$ref": "#/components/schemas/type"}}}});
                official.add(
                    &pointer(&path, &format!("/{method}/responses")),
                    status,
                    error,
                );
            }
        }
        official
    }

    /// The description that comes with the community's Go client.
    fn community(file: &'static str) -> Description {
        Description::read(file, BASE)
    }

    /// A world in which the program has used every call that it knows.
    fn used() -> Bench {
        let mut bench = Bench::demo();
        bench
            .set("ORGANIZATION_ID", seed::ORGANIZATION_ID)
            .set("CH2_PRIVATE_SPACE_ID", seed::PRIVATE_SPACE_ID)
            .set("CH2_CLIENT_ID", seed::CLIENT_ID)
            .set_secret("CH2_CLIENT_SECRET", seed::CLIENT_SECRET);
        let authority = bench
            .sim
            .world()
            .authority
            .intermediate("Intermediate")
            .unwrap();
        let deploy = |bench: &Bench, more: &[&str]| {
            let leaf = authority
                .leaf(&["shop.acme.example"], Validity::days(90))
                .unwrap();
            bench.write("key", &leaf.key_pem);
            bench.write("cert", &leaf.cert_pem);
            bench.write("ca", &leaf.chain_pem);
            let args = ["deploy", "shop.acme.example", "key", "cert", "ca"];
            bench.run("cloudhub_v2", [&args[..], more].concat()).code(0);
        };
        deploy(&bench, &[]);
        deploy(&bench, &[]);
        let clients = bench.write("clients.pem", authority.pem());
        bench.set("CH2_TRUSTSTORE", clients.to_str().unwrap());
        deploy(&bench, &[]);
        bench.run("cloudhub_v2", ["spaces"]).code(0);
        bench
            .run("cloudhub_v2", ["list", "--private-space", "prod-space"])
            .code(0);
        bench
            .run(
                "cloudhub_v2",
                ["dns", "shop.acme.example", "--resolver", "127.0.0.1:1"],
            )
            .code(0);
        bench
    }

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn requests_are_as_the_vendor_describes_them() {
        let bench = used();
        let mut entries = bench.sim.requests();
        entries.retain(|entry| entry.path.contains(BASE));
        assert!(entries.iter().any(|entry| entry.method == "PATCH") && entries.len() > 10);
        // A trust store is described as an object, and that it is a list by the community: one of the two is wrong,
        // and the program tries both. Here it counts as the object.
        for entry in &mut entries {
            if entry.body.contains("\"trustStore\":[") {
                let mut body = entry.json();
                body["tlsConfig"]["trustStore"] = body["tlsConfig"]["trustStore"][0].clone();
                entry.body = body.to_string();
            }
        }
        assert_eq!(official().faults(&entries), Vec::<String>::new());

        // That a fault would be found.
        let create = entries.iter().find(|entry| entry.method == "POST").unwrap();
        for (at, wrong) in [
            ("name", json!(1)),
            ("ciphers", json!({})),
            ("tlsConfig", json!({})),
        ] {
            let mut body = create.json();
            body[at] = wrong;
            let faulty = Entry {
                body: body.to_string(),
                ..create.clone()
            };
            assert_ne!(official().faults(&[faulty]), Vec::<String>::new(), "{at}");
        }
    }

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn requests_are_as_the_community_describes_them() {
        let bench = used();
        let entries = bench.sim.requests();
        let contexts = community("community/private_space_tlscontext.yaml");
        assert_eq!(
            contexts.faults(&below(&entries, "/tlsContexts")),
            Vec::<String>::new()
        );
        let spaces = community("community/private_space.yaml");
        let of_spaces: Vec<&Entry> = below(&entries, "/privatespaces")
            .into_iter()
            .filter(|entry| !entry.path.contains("/tlsContexts"))
            .collect();
        assert!(of_spaces.len() >= 2);
        assert_eq!(spaces.faults(&of_spaces), Vec::<String>::new());
        let login = Description::read("community/authorization.yaml", "/accounts");
        let tokens = below(&entries, "/oauth2/token");
        assert!(!tokens.is_empty());
        assert_eq!(login.faults(&tokens), Vec::<String>::new());
    }

    /// Sends a request to the simulator as an app that may do everything.
    struct Platform {
        bench: Bench,
        http: reqwest::blocking::Client,
    }

    impl Platform {
        fn new() -> Self {
            let bench = used();
            let ca = std::fs::read(bench.sim.ca_pem_path()).unwrap();
            let token = bench.bearer();
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
            let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            let mut roots = rustls::RootCertStore::empty();
            use rustls::pki_types::pem::PemObject as _;
            roots
                .add(rustls::pki_types::CertificateDer::from_pem_slice(&ca).unwrap())
                .unwrap();
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let http = reqwest::blocking::Client::builder()
                .tls_backend_preconfigured(tls)
                .default_headers(headers)
                .build()
                .unwrap();
            bench.sim.world().anypoint.switches.requests_per_second = None;
            Self { bench, http }
        }

        fn send(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
            let method = method.parse::<reqwest::Method>().unwrap();
            let mut request = self
                .http
                .request(method, format!("{}{path}", self.bench.sim.url()));
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().unwrap();
            let status = answer.status().as_u16();
            (status, answer.json().unwrap_or(Value::Null))
        }
    }

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn the_simulator_answers_as_described() {
        let platform = Platform::new();
        let spaces = format!(
            "{BASE}/organizations/{}/privatespaces",
            seed::ORGANIZATION_ID
        );
        let contexts = format!("{spaces}/{}/tlsContexts", seed::PRIVATE_SPACE_ID);
        let sent = platform.bench.sim.requests();
        let mut create = below(&sent, "/tlsContexts")
            .iter()
            .find(|entry| entry.method == "POST")
            .unwrap()
            .json();
        let (_, list) = platform.send("GET", &contexts, None);
        let id = list
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["type"] == "custom")
            .unwrap()["id"]
            .clone();
        // A trust store is shown in the form of the description, which is not the one that it is sent in.
        platform.bench.sim.world().anypoint.spaces[0]
            .contexts
            .last_mut()
            .unwrap()
            .trust_store = None;
        let one = format!("{contexts}/{}", id.as_str().unwrap());
        let nowhere = format!("{spaces}/05000000-0000-4000-8000-00000000ffff/tlsContexts");

        let official = official();
        let community = community("community/private_space_tlscontext.yaml");
        let check = |method: &str, path: &str, body: Option<&Value>, expected: u16, both: bool| {
            let (status, answer) = platform.send(method, path, body);
            assert_eq!(status, expected, "{method} {path}: {answer}");
            let mut faults = official.answer_faults(method, path, status, &answer);
            if both {
                faults.extend(community.answer_faults(method, path, status, &answer));
            }
            assert_eq!(faults, Vec::<String>::new(), "{answer}");
            answer
        };
        check("GET", &contexts, None, 200, true);
        check("GET", &one, None, 200, true);
        check("PATCH", &one, Some(&create), 200, true);
        create["name"] = json!("second");
        let second = check("POST", &contexts, Some(&create), 201, true);
        check("POST", &contexts, Some(&create), 409, false);
        create["name"] = json!("with.dots");
        check("POST", &contexts, Some(&create), 400, false);
        check("GET", &nowhere, None, 404, false);
        // 204 by the community, 200 by the vendor: the program takes both.
        check(
            "DELETE",
            &format!("{contexts}/{}", second["id"].as_str().unwrap()),
            None,
            200,
            false,
        );
    }
}
