//! A gateway in Kubernetes: real `kubectl` against the simulated API server.

mod needs_kubectl {
    use std::collections::BTreeMap;
    use std::fs;

    use fixtures::{Bench, Finished, program};
    use simulator::kubernetes::{Deployment, Kind, Pod, Secret, kubeconfig};
    use simulator::registration::{Identity, Layout, compose};

    use crate::edge::{days_left, entries, in_days, put_on_path, read};
    use crate::log::{CONNECTED, GAVE_UP, STARTED};

    const SECRET: &str = "flex-registration";

    struct Gateway {
        bench: Bench,
    }

    impl Gateway {
        fn with_days(days: i64) -> Self {
            let mut bench = Bench::demo();
            let config = bench.write(
                "kubeconfig",
                kubeconfig(bench.sim.url(), bench.sim.ca_pem_path()),
            );
            let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
            let log = text(bench.home().join("flexctl.log"));
            bench
                .unset("ANYPOINT_URL")
                .set("KUBECONFIG", text(config))
                .set("FLEXCTL", text(program("flexctl")))
                .set("FLEXCTL_LOG", log)
                .set("FLEX_CLIENT_ID", "flex-app")
                .set_secret("FLEX_CLIENT_SECRET", "canary-flex-cluster-1");
            let registration = compose(&Identity::default(), Layout::Pem, in_days(days))
                .unwrap()
                .registration;
            for line in registration
                .lines()
                .map(str::trim)
                .filter(|line| line.len() == 64)
            {
                bench.never_shown(line);
            }
            bench
                .sim
                .world()
                .kubernetes
                .add_gateway("gateway", "ingress", SECRET, &registration);
            Self { bench }
        }

        fn run(&self, args: &[&str]) -> Finished {
            self.bench.run("flex-renew", args)
        }

        fn renew(&self, more: &[&str]) -> Finished {
            let state = self.bench.home().join("state");
            let args = [
                "renew",
                "-vv",
                "--runtime",
                "kubernetes",
                "--state-dir",
                state.to_str().unwrap(),
            ];
            self.run(&[&args[..], more].concat())
        }

        fn installed(&self) -> String {
            self.bench
                .sim
                .world()
                .kubernetes
                .registration("gateway", SECRET)
                .unwrap()
        }

        fn days_left(&self) -> i64 {
            days_left(&read(
                &self.bench.write("read/registration.yaml", self.installed()),
            ))
        }

        fn change(&self, change: impl FnOnce(&mut Deployment)) {
            let mut world = self.bench.sim.world();
            let key = ("gateway".to_owned(), "ingress".to_owned());
            change(world.kubernetes.deployments.get_mut(&key).unwrap());
        }

        /// The Secret is one that a release of Helm made, and helm is installed.
        fn with_helm(&mut self) {
            put_on_path(&mut self.bench, "helm");
            let log = self.bench.home().join("helm.log");
            self.bench.set("HELM_LOG", log.to_str().unwrap());
            self.change_secret(|secret| {
                secret.labels =
                    BTreeMap::from([("app.kubernetes.io/managed-by".into(), "Helm".into())]);
                secret.annotations =
                    BTreeMap::from([("meta.helm.sh/release-name".into(), "ingress".into())]);
            });
        }

        fn helm_calls(&self) -> String {
            fs::read_to_string(self.bench.home().join("helm.log")).unwrap_or_default()
        }

        fn change_secret(&self, change: impl FnOnce(&mut Secret)) {
            let mut world = self.bench.sim.world();
            change(world.kubernetes.secrets.values_mut().next().unwrap());
        }

        fn asked_flexctl(&self) -> bool {
            self.bench.home().join("flexctl.log").exists()
        }

        fn restarts(&self) -> u32 {
            self.bench
                .sim
                .world()
                .kubernetes
                .deployments
                .values()
                .map(|deployment| deployment.restarts)
                .sum()
        }

        fn state(&self) -> Vec<String> {
            let folders = entries(&self.bench.home().join("state"));
            assert_eq!(folders.len(), 1);
            crate::edge::names(&folders[0])
        }
    }

    fn encode(text: &str) -> String {
        use base64::Engine as _;
        base64::prelude::BASE64_STANDARD.encode(text)
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn the_secret_that_the_deployment_mounts_is_renewed_and_the_deployment_restarted() {
        let gateway = Gateway::with_days(10);
        gateway.change(|deployment| deployment.slow_reads = 1);
        let before = gateway.installed();
        let run = gateway.renew(&[]);
        run.code(0)
            .prints("gateway/ingress: renewed, valid until")
            .prints("restarted deployment gateway/ingress (kubernetes)");
        assert_eq!(gateway.days_left(), 365);
        assert_eq!(gateway.restarts(), 1);
        assert_eq!(gateway.state(), ["backups"]);
        let folder = entries(&gateway.bench.home().join("state"))[0].join("backups");
        let backup = entries(&folder)[0].join("registration.yaml.old");
        assert_eq!(fs::read_to_string(backup).unwrap(), before);
        gateway.renew(&[]).code(0).prints("not due");
        assert_eq!(gateway.restarts(), 1);
        let unexpected = gateway.bench.sim.unexpected();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn the_logs_of_the_pods_are_read_but_not_of_one_that_is_being_ended() {
        let gateway = Gateway::with_days(10);
        let add = |name: &str, log: &[&str], ending| {
            let key = ("gateway".to_owned(), name.to_owned());
            let pod = Pod {
                log: log.concat(),
                ending,
            };
            gateway.bench.sim.world().kubernetes.pods.insert(key, pod);
        };
        add("new", &[STARTED, CONNECTED], false);
        add("old", &[STARTED, GAVE_UP], true);
        gateway
            .renew(&[])
            .code(0)
            .prints("; the gateway's log shows that it is connected");
        let before = gateway.installed();
        add("second", &[STARTED, GAVE_UP], false);
        gateway
            .renew(&["--force"])
            .code(5)
            .tells("Max retries reached for token authorization");
        assert_eq!(gateway.installed(), before);
        gateway.bench.sim.world().kubernetes.forbidden = vec!["pods".to_owned()];
        gateway
            .renew(&["--force"])
            .code(0)
            .tells("the gateway's log cannot be read");
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_stateful_set_or_daemon_set_is_restarted_as_well() {
        for (kind, name) in [
            (Kind::StatefulSet, "statefulset"),
            (Kind::DaemonSet, "daemonset"),
        ] {
            let gateway = Gateway::with_days(10);
            gateway.change(|deployment| deployment.kind = kind);
            gateway
                .renew(&[])
                .code(4)
                .tells("deployments.apps \"ingress\" not found");
            gateway
                .renew(&["--deployment", &format!("{name}/ingress")])
                .code(0)
                .prints(&format!("restarted {name} gateway/ingress (kubernetes)"));
            assert_eq!((gateway.days_left(), gateway.restarts()), (365, 1));
            gateway
                .renew(&["--deployment", "pod/ingress"])
                .code(2)
                .tells("is not one of deployment, statefulset, daemonset");
            let unexpected = gateway.bench.sim.unexpected();
            assert!(unexpected.is_empty(), "{unexpected:?}");
        }
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_rollout_that_fails_brings_the_old_secret_back() {
        let gateway = Gateway::with_days(10);
        gateway.change(|deployment| deployment.failing_rollouts = 1);
        let before = gateway.installed();
        gateway
            .renew(&[])
            .code(5)
            .tells("exceeded its progress deadline")
            .tells("the old one is in place again");
        assert_eq!(gateway.installed(), before);
        assert_eq!(gateway.restarts(), 2);
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn inspect_and_check_read_the_secret() {
        let gateway = Gateway::with_days(10);
        gateway
            .run(&["check", "--namespace", "gateway"])
            .code(10)
            .prints("DUE gateway/ingress: 10 days left");
        let json = gateway
            .run(&["check", "--namespace", "gateway", "--output", "json"])
            .json();
        assert_eq!(
            json["items"][0]["advice"],
            "flex-renew renew --runtime kubernetes --namespace gateway"
        );
        let json = gateway
            .run(&["inspect", "--runtime", "kubernetes", "--output", "json"])
            .code(0)
            .json();
        assert_eq!(json["name"], "edge-1");
        assert_eq!(
            json["registration"],
            "kubernetes/gateway/ingress/flex-registration"
        );
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_secret_of_a_release_is_replaced_by_helm_with_chart_and_version_kept() {
        let mut gateway = Gateway::with_days(10);
        gateway.with_helm();
        gateway
            .renew(&[])
            .code(0)
            .tells("belongs to the Helm release ingress");
        assert_eq!(gateway.days_left(), 365);
        assert_eq!(gateway.restarts(), 1);
        let calls = gateway.helm_calls();
        assert!(
            calls.contains(
                "--namespace=gateway upgrade ingress flex-gateway/flex-gateway --version 1.8.2 --reuse-values --wait \
                 --timeout 300s --set-file registration.content="
            ),
            "{calls}"
        );
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_release_that_helm_hides_is_found_before_flexctl_is_asked() {
        let mut gateway = Gateway::with_days(10);
        gateway.with_helm();
        for state in ["pending-upgrade", "pending-rollback"] {
            gateway.bench.set("HELM_STATUS", state);
            gateway
                .renew(&[])
                .code(5)
                .tells(&format!("the Helm release ingress is in the state {state}"))
                .tells("helm --namespace gateway rollback ingress");
        }
        assert!(!gateway.asked_flexctl());
        // One that failed can be upgraded.
        gateway.bench.set("HELM_STATUS", "failed");
        gateway.renew(&[]).code(0);
        assert_eq!(gateway.days_left(), 365);
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_release_of_another_chart_is_left_to_kubectl() {
        let mut gateway = Gateway::with_days(10);
        gateway.with_helm();
        gateway.bench.set("HELM_CHART", "acme-platform-2.0.1");
        gateway
            .renew(&["--release", "ingress"])
            .code(2)
            .tells("the release is of the chart acme-platform");
        assert!(!gateway.asked_flexctl());
        gateway
            .renew(&[])
            .code(0)
            .tells("kubectl replaces Secret gateway/flex-registration")
            .tells("would remove all else that is in it")
            .tells("puts the old registration back");
        assert_eq!(gateway.days_left(), 365);
        assert_eq!(gateway.restarts(), 1);
        assert!(!gateway.helm_calls().contains(" upgrade "));
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn an_upgrade_that_does_not_come_up_goes_back() {
        let mut gateway = Gateway::with_days(10);
        gateway.with_helm();
        gateway.bench.set("HELM_FAILS", "1");
        let before = gateway.installed();
        gateway
            .renew(&["--rollout-timeout", "7m"])
            .code(5)
            .tells("UPGRADE FAILED: timed out waiting for the condition")
            .tells("the old one is in place again and the gateway has been restarted with it");
        assert_eq!(gateway.installed(), before);
        let upgrades = gateway.helm_calls().matches("--timeout 420s").count();
        assert_eq!(upgrades, 2);
        assert_eq!(gateway.state(), ["backups", "rejected"]);
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn rights_that_are_missing_are_found_before_flexctl_is_asked() {
        let gateway = Gateway::with_days(10);
        let read_only = |resource: &str| {
            gateway.bench.sim.world().kubernetes.read_only = vec![resource.to_owned()];
        };
        for (resource, words) in [
            ("secrets", "may not patch secret/flex-registration"),
            ("deployments", "may not patch deployment/ingress"),
        ] {
            read_only(resource);
            gateway.renew(&[]).code(3).tells(words);
        }
        assert!(!gateway.asked_flexctl());
        // Nothing is restarted then.
        gateway.renew(&["--no-restart"]).code(0);
        let unexpected = gateway.bench.sim.unexpected();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn an_immutable_secret_is_found_before_flexctl_is_asked() {
        let gateway = Gateway::with_days(10);
        gateway.change_secret(|secret| secret.immutable = true);
        gateway.renew(&[]).code(2).tells("is immutable");
        assert!(!gateway.asked_flexctl());
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_secret_that_somebody_else_changed_meanwhile_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let mut gateway = Gateway::with_days(10);
        let theirs = compose(&Identity::default(), Layout::Pem, in_days(100)).unwrap();
        let theirs = theirs.registration;
        let patch = serde_json::json!({ "data": { "registration.yaml": encode(&theirs) } });
        let patch = gateway.bench.write("patch.json", patch.to_string());
        let wrapper = gateway.bench.write(
            "flexctl-and-more",
            format!(
                "#!/bin/sh\n{} \"$@\" || exit\nexec kubectl -n gateway patch secret {SECRET} --type=merge --patch-file {}\n",
                program("flexctl").display(),
                patch.display()
            ),
        );
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        gateway.bench.set("FLEXCTL", wrapper.to_str().unwrap());
        gateway
            .renew(&[])
            .code(0)
            .tells("was changed by somebody else meanwhile; a copy of that is kept in");
        assert_eq!(gateway.days_left(), 365);
        let folder = entries(&gateway.bench.home().join("state"))[0].join("backups");
        let copies: Vec<String> = entries(&folder)
            .iter()
            .map(|copy| fs::read_to_string(copy.join("registration.yaml.old")).unwrap())
            .collect();
        assert!(copies.contains(&theirs));
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn going_back_takes_the_second_file_out_of_the_secret() {
        let mut gateway = Gateway::with_days(10);
        gateway.bench.set("FLEXCTL_LAYOUT", "split");
        gateway.change(|deployment| deployment.failing_rollouts = 1);
        let before = gateway.installed();
        gateway.renew(&[]).code(5);
        assert_eq!(gateway.installed(), before);
        let world = gateway.bench.sim.world();
        let secret = world.kubernetes.secrets.values().next().unwrap();
        let keys: Vec<&String> = secret.data.keys().collect();
        assert_eq!(keys, ["registration.yaml"]);
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn without_helm_it_is_said_that_the_next_upgrade_would_undo_it() {
        let gateway = Gateway::with_days(10);
        {
            let mut world = gateway.bench.sim.world();
            let secret = world.kubernetes.secrets.values_mut().next().unwrap();
            secret.labels =
                BTreeMap::from([("app.kubernetes.io/managed-by".into(), "Helm".into())]);
        }
        gateway
            .renew(&[])
            .code(0)
            .tells("puts the old registration back");
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn what_kubectl_refuses_is_told_with_its_kind() {
        let mut gateway = Gateway::with_days(10);
        gateway
            .renew(&["--deployment", "nobody"])
            .code(4)
            .tells("deployments.apps \"nobody\" not found");
        gateway
            .renew(&["--namespace", "nowhere"])
            .code(4)
            .tells("namespaces \"nowhere\" not found");
        gateway
            .renew(&["--secret", "nothing"])
            .code(4)
            .tells("secrets \"nothing\" not found");
        gateway.bench.sim.world().kubernetes.forbidden = vec!["secrets".to_owned()];
        gateway
            .renew(&[])
            .code(3)
            .tells("is forbidden")
            .tells("needs get and patch");
        let config = kubeconfig("https://127.0.0.1:9", gateway.bench.sim.ca_pem_path());
        let config = gateway.bench.write("elsewhere", config);
        gateway.bench.set("KUBECONFIG", config.to_str().unwrap());
        gateway
            .renew(&[])
            .code(6)
            .tells("Check that the cluster can be reached");
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_run_that_was_killed_before_the_restart_is_finished_by_the_next() {
        let mut gateway = Gateway::with_days(10);
        gateway.bench.set("FLEX_RESTART_CMD", "kill -9 $PPID");
        assert_eq!(gateway.renew(&[]).code, None);
        assert_eq!(gateway.days_left(), 365);
        gateway.bench.unset("FLEX_RESTART_CMD");
        gateway
            .renew(&[])
            .code(0)
            .tells("an earlier run was interrupted");
        assert_eq!(gateway.restarts(), 1);
        let calls = fs::read_to_string(gateway.bench.home().join("flexctl.log")).unwrap();
        let renewals = calls
            .lines()
            .filter(|line| line.starts_with("registration renew"));
        assert_eq!(renewals.count(), 1);
    }

    #[test]
    #[ignore = "needs kubectl: cargo test -p tests --test e2e_flex_renew needs_kubectl -- --ignored"]
    fn a_gateway_of_the_configuration_file_may_be_in_a_cluster() {
        let mut gateway = Gateway::with_days(10);
        let config = gateway.bench.write(
            "hooks.toml",
            "[flex]\nstate_dir = \"state\"\n[[flex.gateway]]\nname = \"cluster\"\nruntime = \"kubernetes\"\n\
             namespace = \"gateway\"\ndeployment = \"ingress\"\nvia = \"linux\"\n",
        );
        gateway
            .bench
            .set("ANYPOINT_HOOKS_CONFIG", config.to_str().unwrap());
        gateway
            .run(&["check"])
            .code(10)
            .prints("DUE cluster: 10 days left");
        gateway
            .run(&["run"])
            .code(0)
            .prints("cluster: renewed")
            .tells("runtime kubernetes: as set");
        assert_eq!(gateway.days_left(), 365);
        assert_eq!(gateway.state(), ["backups"]);
    }
}
