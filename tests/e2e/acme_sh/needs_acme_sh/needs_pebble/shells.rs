//! The same under each shell that acme.sh runs in.

use fixtures::AcmeSh;

use super::Issuer;
use crate::fixture::DOMAIN;

fn under(shell: &[&'static str]) {
    let issuer = Issuer::with(AcmeSh::install().under(shell));
    let Issuer { fixture, .. } = &issuer;
    let issued = issuer.issue(&fixture.token(), &[DOMAIN], &[]);
    assert_eq!(issued.code(0).stderr, "");
    let deployed = fixture.deploy(&fixture.cloudhub(), DOMAIN, &[]);
    assert_eq!(deployed.code(0).stderr, "");
    let first = fixture.issued(DOMAIN);
    let renewed = issuer.cron();
    assert_eq!(renewed.code(0).stderr, "");
    assert_ne!(fixture.issued(DOMAIN), first);
    issuer.is_in_order();
}

mod needs_dash {
    #[test]
    #[ignore = "needs acme.sh, pebble and dash: run scripts/test.sh"]
    fn dash_issues_deploys_and_renews() {
        super::under(&["dash"]);
    }
}

mod needs_bash {
    #[test]
    #[ignore = "needs acme.sh, pebble and bash: run scripts/test.sh"]
    fn bash_issues_deploys_and_renews() {
        super::under(&["bash"]);
    }
}

mod needs_busybox {
    #[test]
    #[ignore = "needs acme.sh, pebble and busybox: run scripts/test.sh"]
    fn busybox_ash_issues_deploys_and_renews() {
        super::under(&["busybox", "ash"]);
    }
}

mod needs_mksh {
    #[test]
    #[ignore = "needs acme.sh, pebble and mksh: run scripts/test.sh"]
    fn mksh_issues_deploys_and_renews() {
        super::under(&["mksh"]);
    }
}
