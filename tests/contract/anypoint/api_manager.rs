//! What `basic-auth-policy` sends to API Manager and Application Manager, and what the simulator answers, held against
//! published descriptions in the folder that `ANYPOINT_OPENAPI_DIR` names.

mod needs_openapi {
    use fixtures::Bench;
    use serde_json::json;
    use simulator::Entry;

    use crate::openapi::{Description, below};

    const API_MANAGER: &str = "/apimanager/api/v1";
    const POLICIES: &str = "/paths/~1organizations~1{organizationId}~1environments~1{environmentId}~1apis~1{environmentApiId}~1policies";

    /// The vendor's own description of API Manager.
    fn official() -> Description {
        let mut official = Description::read("official/api-manager-extract.yaml", API_MANAGER);
        let schema = "content/application~1json/schema";
        // The property is called "order:" there, with the colon.
        official.add(
            &format!("{POLICIES}/post/requestBody/{schema}/properties"),
            "order",
            json!({ "type": "integer" }),
        );
        // A policy for every request has null there, as the official clients send and read.
        official.correct(
            &format!("{POLICIES}/get/responses/200/{schema}/items/properties/pointcutData/type"),
            &json!("array"),
            json!(["array", "null"]),
        );
        official
    }

    /// A world in which the program has used every call that it knows.
    fn used() -> Bench {
        let bench = Bench::with_api("canary-contract-5e1f");
        for args in [
            &["create-api", "Stock API", "--label", "prod"][..],
            &["create-api", "Stock API", "--gateway", "flex"],
            &["apply", "--order", "1", "--policy-version", "1.3.1"],
            &["apply", "--methods", "GET", "--yes"],
            &["disable", "--yes"],
            &["enable"],
            &["rotate", "--output", "json"],
            &["status", "--all"],
            &["apply", "--api", "Stock API", "--label", "prod"],
            &["remove", "--yes"],
            &["autodiscover", "--app", "orders", "--yes"],
        ] {
            bench.run("basic-auth-policy", args).code(0);
        }
        bench
    }

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn requests_are_as_the_descriptions_say() {
        let bench = used();
        let entries = bench.sim.requests();
        let none = Vec::<String>::new();

        let of_apis = below(&entries, "/apimanager/api/v1/organizations");
        let (automated, of_apis): (Vec<&Entry>, Vec<&Entry>) = of_apis
            .into_iter()
            .partition(|entry| entry.path.ends_with("/automated-policies"));
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            assert!(
                of_apis.iter().any(|entry| entry.method == method),
                "{method}"
            );
        }
        assert_eq!(official().faults(&of_apis), none);

        let templates = below(&entries, "/exchange-policy-templates");
        let portal = Description::read("official/api-portal-xapi/api.yaml", "");
        assert!(!templates.is_empty() && !automated.is_empty());
        assert_eq!(portal.faults(&templates), none);
        let community = Description::read("community/apim_policy.yaml", "/apimanager");
        assert_eq!(community.faults(&automated), none);

        let deployments = below(&entries, "/deployments");
        assert!(deployments.iter().any(|entry| entry.method == "PATCH"));
        let base = "/amc/application-manager/api/v2";
        // The vendor describes the parameters of the list as one object, the community one by one.
        let (lists, single): (Vec<&Entry>, Vec<&Entry>) = deployments
            .into_iter()
            .partition(|entry| entry.path.ends_with("/deployments"));
        let official_applications =
            Description::read("official/amc-application-manager.yaml", base);
        assert_eq!(official_applications.faults(&single), none);
        let community = Description::read("community/application_manager_v2.yaml", base);
        assert_eq!(community.faults(&lists), none);

        // That a fault would be found.
        let create = of_apis.iter().find(|entry| entry.method == "POST").unwrap();
        let mut body = create.json();
        body["spec"]["version"] = json!(1);
        let faulty = Entry {
            body: body.to_string(),
            ..(*create).clone()
        };
        assert_ne!(official().faults(&[&faulty]), none);
    }

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn the_simulated_list_of_policies_is_as_the_vendor_describes_it() {
        let bench = used();
        let entries = bench.sim.requests();
        let entry = entries
            .iter()
            .rfind(|entry| entry.method == "GET" && entry.path.ends_with("/policies"))
            .unwrap();
        let world = bench.sim.world();
        let api = world
            .anypoint
            .api_manager
            .instances
            .iter()
            .find(|api| !api.policies.is_empty());
        let listed = simulator::anypoint::api_manager::shown_policies(api.unwrap());
        assert_eq!(
            official().answer_faults("GET", &entry.path, 200, &listed),
            Vec::<String>::new()
        );
    }
}
