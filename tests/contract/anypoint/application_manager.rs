//! What `cloudhub_v2 expose` sends to Application Manager, and what the simulator answers, held against the vendor's
//! description in the folder that `ANYPOINT_OPENAPI_DIR` names.

mod needs_openapi {
    use fixtures::Bench;
    use serde_json::json;
    use simulator::Entry;
    use simulator::anypoint::Deployment;

    use crate::openapi::{Description, below};

    #[test]
    #[ignore = "needs ANYPOINT_OPENAPI_DIR"]
    fn endpoints_are_as_the_description_says() {
        let description = Description::read(
            "official/amc-application-manager.yaml",
            "/amc/application-manager/api/v2",
        );
        for endpoint_list in [false, true] {
            let bench = used(endpoint_list);
            let entries = bench.sim.requests();
            let deployments = below(&entries, "/deployments");
            let single: Vec<&Entry> = deployments
                .into_iter()
                .filter(|entry| !entry.path.ends_with("/deployments"))
                .collect();
            let patch = single.iter().find(|entry| entry.method == "PATCH").unwrap();
            assert_eq!(description.faults(&single), Vec::<String>::new());
            // That a fault would be found.
            let mut body = patch.json();
            body["target"]["deploymentSettings"]["http"]["inbound"]["endpoints"] = json!("text");
            let faulty = Entry {
                body: body.to_string(),
                ..(*patch).clone()
            };
            assert_ne!(description.faults(&[&faulty]), Vec::<String>::new());
        }
    }

    /// A world in which an application that has an address was given another one.
    fn used(endpoint_list: bool) -> Bench {
        let mut bench = Bench::with_private_space(&[
            "manage:cloudhub_networking",
            "view:environment",
            "read:applications",
            "manage:application_settings",
        ]);
        bench.set("ANYPOINT_ENV", "Production");
        let domain = {
            let mut world = bench.sim.world();
            let world = &mut *world;
            let anypoint = &mut world.anypoint;
            anypoint.switches.application_manager.endpoint_list = endpoint_list;
            let space = anypoint.space("prod").unwrap();
            let domain = space.dns_target.clone().unwrap();
            let application = Deployment {
                name: "orders".to_owned(),
                environment: anypoint.organizations[0].environments[1].id.clone(),
                space: space.id.clone(),
                public_url: format!("https://old.{domain}"),
                ..Deployment::default()
            };
            anypoint.add_deployment(&mut world.ids, application);
            domain
        };
        let host = format!("orders.{domain}");
        bench
            .run(
                "cloudhub_v2",
                ["expose", "--app", "orders", "--host", &host],
            )
            .code(0);
        bench
    }
}
