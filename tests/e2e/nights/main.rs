//! A year and more of nights: acme.sh, `cloudhub_v2 reconcile`, `flex-renew run` and `basic-auth-policy apply` from cron,
//! with a clock put forward, while platforms, people, disk and machine fail. Nothing may expire, open, grow or be left over
//! unless no program could have helped it, and then an alarm came a day before.
//!
//! `NIGHTS_SEED` repeats a run, `NIGHTS_DAYS` sets how long one lasts, be it shorter or longer than what every run of the tests
//! can pay for; `scripts/nights.sh` takes both as options.

#![allow(clippy::unwrap_used, reason = "in a test, this is how it fails")]
#![expect(
    clippy::print_stdout,
    reason = "the seed repeats a run, and the figures are what it is for"
)]

mod alarm;
mod disk;
mod fault;
mod machine;
mod night;
mod people;
mod program;
mod watch;

mod needs_acme_sh {
    mod needs_pebble {
        mod needs_faketime {
            use crate::night::{Life, live};
            use crate::program::Schedule;

            const HOUR: u64 = 60 * 60;
            const DAY: u64 = 24 * HOUR;

            /// acme.sh renews after 30 days unless it is told otherwise.
            #[test]
            #[ignore = "needs acme.sh, pebble and faketime: run scripts/test.sh"]
            fn nothing_expires_with_certificates_of_90_days() {
                live(&Life {
                    name: "90 days",
                    test: concat!(
                        module_path!(),
                        "::nothing_expires_with_certificates_of_90_days"
                    ),
                    schedule: Schedule::Programs,
                    lifetime: 90 * DAY,
                    common_name: true,
                    renewal_info: false,
                    renew: &[],
                    every: 24,
                    days: 400,
                    registration_days: 365,
                });
            }

            /// The authority says when.
            #[test]
            #[ignore = "needs acme.sh, pebble and faketime: run scripts/test.sh"]
            fn nothing_expires_with_certificates_of_64_days() {
                live(&Life {
                    name: "64 days",
                    test: concat!(
                        module_path!(),
                        "::nothing_expires_with_certificates_of_64_days"
                    ),
                    schedule: Schedule::Programs,
                    lifetime: 64 * DAY,
                    common_name: true,
                    renewal_info: true,
                    renew: &[],
                    every: 24,
                    days: 120,
                    registration_days: 180,
                });
            }

            /// One line in the crontab does the work and tells people.
            #[test]
            #[ignore = "needs acme.sh, pebble and faketime: run scripts/test.sh"]
            fn nothing_expires_under_anypoint_estate() {
                live(&Life {
                    name: "estate",
                    test: concat!(module_path!(), "::nothing_expires_under_anypoint_estate"),
                    schedule: Schedule::Estate,
                    lifetime: 64 * DAY,
                    common_name: true,
                    renewal_info: true,
                    renew: &[],
                    every: 12,
                    days: 60,
                    registration_days: 60,
                });
            }

            /// So many days before the end.
            #[test]
            #[ignore = "needs acme.sh, pebble and faketime: run scripts/test.sh"]
            fn nothing_expires_with_certificates_of_45_days() {
                live(&Life {
                    name: "45 days",
                    test: concat!(
                        module_path!(),
                        "::nothing_expires_with_certificates_of_45_days"
                    ),
                    schedule: Schedule::Programs,
                    lifetime: 45 * DAY,
                    common_name: false,
                    renewal_info: false,
                    renew: &["--days", "-15"],
                    every: 24,
                    days: 120,
                    registration_days: 90,
                });
            }

            /// The authority says when.
            #[test]
            #[ignore = "needs acme.sh, pebble and faketime: run scripts/test.sh"]
            fn nothing_expires_with_certificates_of_160_hours() {
                live(&Life {
                    name: "160 hours",
                    test: concat!(
                        module_path!(),
                        "::nothing_expires_with_certificates_of_160_hours"
                    ),
                    schedule: Schedule::Programs,
                    lifetime: 160 * HOUR,
                    common_name: false,
                    renewal_info: true,
                    renew: &[],
                    every: 6,
                    days: 30,
                    registration_days: 60,
                });
            }
        }
    }
}
