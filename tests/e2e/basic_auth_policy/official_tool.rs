//! Beside MuleSoft's own command line tool.

use std::path::Path;

use fixtures::{Bench, Finished};
use simulator::anypoint::api_manager::BASIC;
use simulator::anypoint::{FlexGateway, Replica};
use simulator::seed::{
    API_INSTANCE_ID, CLIENT_ID, CLIENT_SECRET, ORGANIZATION_ID, PRODUCTION_ID, SANDBOX_ID,
};

use crate::fixture::{OTHER, PASSWORD, connected, password_of, policies, run, the_policy, url};

mod needs_anypoint_cli_v4 {
    use super::*;

    /// `anypoint-cli-v4`, with a configuration folder of its own: it caches tokens.
    struct OfficialTool {
        script: std::path::PathBuf,
    }

    impl OfficialTool {
        /// Where `ANYPOINT_CLI_V4` says, else where `npm install` has put it below the target folder.
        fn find() -> Self {
            let script = std::env::var_os("ANYPOINT_CLI_V4").map_or_else(
                || {
                    Path::new(env!("CARGO_MANIFEST_DIR"))
                        .join("../target/anypoint-cli/node_modules/anypoint-cli-v4/bin/run")
                },
                std::path::PathBuf::from,
            );
            assert!(
                script.exists(),
                "{} is not there; run: npm install --prefix target/anypoint-cli --ignore-scripts anypoint-cli-v4",
                script.display()
            );
            Self { script }
        }

        fn run(&self, bench: &Bench, args: &[&str]) -> Finished {
            let output = std::process::Command::new("node")
                .arg(&self.script)
                .args(args)
                .current_dir(bench.home())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", bench.home().join("official"))
                .env("XDG_CONFIG_HOME", bench.home().join("official/config"))
                .env("NODE_EXTRA_CA_CERTS", bench.sim.ca_pem_path())
                .env("ANYPOINT_HOST", bench.sim.host())
                .env("ANYPOINT_CLIENT_ID", CLIENT_ID)
                .env("ANYPOINT_CLIENT_SECRET", CLIENT_SECRET)
                .env("ANYPOINT_ORG", ORGANIZATION_ID)
                .env("ANYPOINT_ENV", "Sandbox")
                .output()
                .unwrap();
            let finished = Finished::from(output);
            finished.code(0);
            assert!(
                bench.sim.unexpected().is_empty(),
                "{:?}",
                bench.sim.unexpected()
            );
            finished
        }
    }

    #[test]
    #[ignore = "needs anypoint-cli-v4: scripts/test.sh installs it with npm"]
    fn the_official_tool_and_we_see_what_the_other_did() {
        let tool = OfficialTool::find();
        let bench = connected();
        let api = API_INSTANCE_ID.to_string();

        // What we do, it sees.
        tool.run(&bench, &["api-mgr", "api", "list"])
            .prints("orders-api");
        tool.run(&bench, &["api-mgr", "api", "describe", &api])
            .prints("orders-api");
        tool.run(&bench, &["api-mgr", "policy", "list", "-m"])
            .prints(BASIC);
        tool.run(
            &bench,
            &[
                "api-mgr",
                "policy",
                "describe",
                BASIC,
                "--policyVersion",
                "1.3.2",
            ],
        )
        .prints(BASIC);
        run(&bench, &["apply"]).code(0);
        tool.run(&bench, &["api-mgr", "policy", "list", &api])
            .prints(BASIC)
            .prints("1.3.2")
            .prints("svc");
        let id = the_policy(&bench).id.to_string();

        // What it does, we see.
        let other = format!(r#"{{"username":"svc","password":"{OTHER}"}}"#);
        tool.run(
            &bench,
            &["api-mgr", "policy", "edit", &api, &id, "--config", &other],
        )
        .prints("edited");
        assert_eq!(password_of(&the_policy(&bench)), OTHER);
        run(&bench, &["apply"]).code(0).prints("changed: password");
        assert_eq!(password_of(&the_policy(&bench)), PASSWORD);
        tool.run(&bench, &["api-mgr", "policy", "disable", &api, &id])
            .prints("disabled");
        run(&bench, &["status", "--require"]).code(10);
        run(&bench, &["apply"]).code(0).prints("switched on again");
        run(&bench, &["disable", "--yes"]).code(0);
        tool.run(&bench, &["api-mgr", "policy", "list", &api])
            .prints("Disabled");
        tool.run(&bench, &["api-mgr", "policy", "enable", &api, &id])
            .prints("enabled");
        tool.run(&bench, &["api-mgr", "policy", "remove", &api, &id])
            .prints("removed");
        run(&bench, &["status", "--require"]).code(10);
        tool.run(
            &bench,
            &[
                "api-mgr",
                "policy",
                "apply",
                &api,
                BASIC,
                "--policyVersion",
                "1.3.1",
                "--config",
                &other,
            ],
        )
        .prints("Policy applied");
        run(&bench, &["apply"])
            .code(0)
            .prints("changed: password")
            .prints("version 1.3.1 → 1.3.2");
        let url = url(&bench, "/orders");
        run(&bench, &["verify", "--url", &url]).code(0);
        run(&bench, &["remove", "--yes"]).code(0);
        assert!(policies(&bench).is_empty());

        // An instance that it creates is one of ours, and the other way round.
        let manage = [
            "api-mgr",
            "api",
            "manage",
            "orders-api",
            "1.0.0",
            "--muleVersion4OrAbove",
            "--type",
            "http",
        ];
        tool.run(&bench, &manage).prints("Created new API");
        let id = run(&bench, &["create-api", "Stock API"])
            .code(0)
            .stdout
            .trim()
            .to_owned();
        tool.run(&bench, &["api-mgr", "api", "describe", &id])
            .prints("stock-api");
    }

    #[test]
    #[ignore = "needs anypoint-cli-v4: scripts/test.sh installs it with npm"]
    fn the_official_tool_lists_the_gateways_that_we_see() {
        let tool = OfficialTool::find();
        let bench = connected();
        let gateway = |name: &str, environment: &str, connected| FlexGateway {
            id: format!("00000000-0000-4000-8000-{:012}", name.len()),
            name: name.to_owned(),
            organization: ORGANIZATION_ID.to_owned(),
            environment: environment.to_owned(),
            replicas: vec![Replica {
                name: "replica".to_owned(),
                connected,
                ..Replica::default()
            }],
            ..FlexGateway::default()
        };
        bench.sim.world().anypoint.gateways = vec![
            gateway("edge", SANDBOX_ID, true),
            gateway("standby", SANDBOX_ID, false),
            gateway("production", PRODUCTION_ID, true),
        ];
        let told = tool.run(&bench, &["runtime-mgr", "gateways", "self-managed", "list"]);
        let line = |name: &str| {
            let line = told.stdout.lines().find(|line| line.contains(name));
            line.unwrap_or_default().to_owned()
        };
        assert!(line("edge").contains(" CONNECTED"), "{told}");
        assert!(line("standby").contains(" DISCONNECTED"), "{told}");
        told.never_shows("production");
    }
}
