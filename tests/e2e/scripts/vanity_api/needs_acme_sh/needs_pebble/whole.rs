//! From a bare domain to a proved, closed API, under each shell that the script promises.

use crate::vanity_api::road::Road;

fn under(shell: &[&'static str]) {
    let road = Road::under(shell);
    let told = road.run(&[]);
    told.code(0)
        .prints("== 1/10 Issue a certificate for *.acme.example acme.example")
        .prints("== 10/10 done in ")
        .prints("closed. The password of svc is in orders.password");
    road.is_complete();

    let password = road.password();
    road.sim.clear_log();
    let again = road.run(&[]);
    again
        .code(0)
        .prints("Skipping")
        .prints("orders is already exposed")
        .prints("is up to date");
    assert!(road.writes().is_empty(), "{:?}\n{again}", road.writes());
    assert_eq!(road.password(), password);
    road.is_complete();
}

mod needs_dash {
    #[test]
    #[ignore = "needs acme.sh, pebble and dash: run scripts/test.sh"]
    fn dash_goes_the_whole_road_and_changes_nothing_the_second_time() {
        super::under(&["dash"]);
    }
}

mod needs_busybox {
    #[test]
    #[ignore = "needs acme.sh, pebble and busybox: run scripts/test.sh"]
    fn busybox_ash_goes_the_whole_road_and_changes_nothing_the_second_time() {
        super::under(&["busybox", "ash"]);
    }
}
