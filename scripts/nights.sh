#!/bin/sh
# Lives through many nights of the host that runs the programs: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Lives through simulated nights: acme.sh, cloudhub_v2 reconcile, flex-renew run and basic-auth-policy apply from cron, with
a clock put forward, while platforms, people, disk and machine fail at random. Ends with the figures, or with what
expired, opened, grew or was left over. It needs acme.sh, pebble and faketime.

  scripts/nights.sh [--seed N] [--days D] [LIFETIME]

  --seed N   repeat the run that printed NIGHTS_SEED=N (default: another one each time)
  --days D   so many days (default: what scripts/test.sh pays for: 400 with certificates of 90 days, 120 with those of 64
             and 45 days, 30 with those of 160 hours, which are looked at every six hours). Before a release: --days 400,
             and --days 60 160_hours
  LIFETIME   90_days, 64_days, 45_days or 160_hours (default: one after the other)
TEXT
}

lifetime=
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --seed | --days)
    case ${2:-} in '' | *[!0-9]*) refuse "$1 takes a number: see $0 --help" ;; esac
    if [ "$1" = --seed ]; then export NIGHTS_SEED="$2"; else export NIGHTS_DAYS="$2"; fi
    shift
    ;;
  90_days | 64_days | 45_days | 160_hours) lifetime=$1 ;;
  *) refuse "unknown option '$1': see $0 --help" ;;
  esac
  shift
done

missing=$(missing_commands pebble:pebble faketime:faketime)
[ -z "$missing" ] || die "missing: $missing"
cd "$(dirname "$here")"
ACME_SH=$(find_acme_sh "$PWD/target/acme.sh")
[ -n "$ACME_SH" ] || die "there is no acme.sh here, and fetching it failed: set ACME_SH to its path"
export ACME_SH
exec cargo test --quiet --locked --package tests --test e2e_nights -- --ignored --nocapture --test-threads 1 ${lifetime:+"$lifetime"}
