//! The main job with real software: acme.sh issues from pebble through `dns_cf`, `cloudhub_v2` deploys, and renewals run
//! by themselves.

mod needs_acme_sh {
    mod needs_pebble {
        use simulator::acme::{AcmeSh, Pebble};
        use simulator::harness::Bench;
        use simulator::seed;

        #[test]
        #[ignore = "needs acme.sh and pebble: run scripts/test.sh"]
        fn try_it() {
            let bench = Bench::demo();
            let t = std::time::Instant::now();
            let pebble = Pebble::start(&bench.sim);
            eprintln!("pebble {:?}", t.elapsed());
            let acme = AcmeSh::install();
            eprintln!("installed {:?}", t.elapsed());
            let api = bench.sim.cloudflare_url();
            let ca = bench.sim.ca_pem_path().to_str().unwrap().to_owned();
            let done = acme.run(
                &[("CF_Token", seed::CF_TOKEN), ("CF_Api", &api), ("CA_BUNDLE", &ca)],
                ["--issue", "--dns", "dns_cf", "--dnssleep", "1", "--server", pebble.directory(), "-d", "*.acme.example", "-d", "acme.example"],
            );
            eprintln!("issued {:?}", t.elapsed());
            eprintln!("{done}");
            done.code(0);
            let done = acme.run(&[], ["--cron", "--force"]);
            eprintln!("renewed {:?}", t.elapsed());
            eprintln!("{done}");
            done.code(0);
        }
    }
}
