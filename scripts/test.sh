#!/bin/sh
# Runs every test and check of this repository: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Runs every test and check of this repository, and ends by naming what could not be run.

  scripts/test.sh [--quick] [--no-install]

  --quick        only formatting, lints and unit tests; installs nothing
  --no-install   install nothing, even as root on Debian or Ubuntu

Environment:
  ACME_SH                an acme.sh to test with (default: on PATH, ~/.acme.sh, or fetched with git)
  ACME_SH_NEXT           a newer one, with which the tests of acme.sh run once more (default: its branch dev, fetched)
  ANYPOINT_CLI_V4        bin/run of MuleSoft's anypoint-cli-v4 to test with (default: installed below target with npm)
  ANYPOINT_OPENAPI_DIR   folder with published OpenAPI files, to compare requests with in the contract tests

Tests that need a program are ignored by cargo test, in modules needs_PROGRAM; this script runs those whose program is there.
TEXT
}

install=yes
quick=
for option in "$@"; do
  case $option in
  --quick) quick=yes ;;
  --no-install) install= ;;
  -h | --help) usage && exit 0 ;;
  *) refuse "unknown option '$option': see $0 --help" ;;
  esac
done

cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/not-run"
: >"$work/failed"
passed=0
failed=0
skipped=0
started=$(date +%s)

heading() { printf '\n== %s (%s s)\n' "$*" "$(($(date +%s) - started))"; }
not_run() { printf '%s\n' "$*" >>"$work/not-run"; }

# check NAME COMMAND...: one check that passes or fails.
check() {
  heading "$1"
  _name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s\n' "$_name" >>"$work/failed"
  fi
}

# tests ARGUMENTS-OF-CARGO-TEST...: their results are added to the counts.
tests() {
  {
    code=0
    cargo test --workspace --locked --no-fail-fast "$@" 2>&1 || code=$?
    printf '%s\n' "$code" >"$work/code"
  } | tee "$work/tests.log"
  # shellcheck disable=SC2046 # three numbers
  set -- $(awk '
    /^test result: / { for (i = 1; i < NF; i++) {
      if ($(i + 1) == "passed;") passed += $i
      if ($(i + 1) == "failed;") failed += $i
      if ($(i + 1) == "ignored;" || $(i + 1) == "filtered") skipped += $i } }
    END { print passed + 0, failed + 0, skipped + 0 }' "$work/tests.log")
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
  sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$work/tests.log" >>"$work/failed"
  # A test program that crashed has reported no failed test.
  if [ "$(cat "$work/code")" != 0 ] && [ "$2" = 0 ]; then
    failed=$((failed + 1))
    say "cargo test (see above)" >>"$work/failed"
  fi
}

check_rust() {
  if cargo fmt --version >/dev/null 2>&1; then
    check "Formatting" cargo fmt --all --check
  else
    not_run "cargo fmt: rustup component add rustfmt"
  fi
  if cargo clippy --version >/dev/null 2>&1; then
    check "Clippy" cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
  else
    not_run "cargo clippy: rustup component add clippy"
  fi
}

check_scripts() {
  if have shellcheck; then
    check "Shellcheck of the scripts" shellcheck -x scripts/*.sh .ci/run
    check "Shellcheck of the shims" shellcheck -s sh scripts/dnsapi/* scripts/deploy/*
  else
    not_run "shellcheck: install it"
  fi
  if have shfmt; then
    check "Formatting of the scripts" shfmt -d -i 2 scripts/*.sh .ci/run scripts/dnsapi/* scripts/deploy/*
  else
    not_run "shfmt: install it"
  fi
}

# Advisories are left out: they take a network, and change while the code does not.
check_dependencies() {
  _subject="licenses, bans and sources of the dependencies"
  if ! cargo deny --version >/dev/null 2>&1; then
    not_run "$_subject: cargo install --locked cargo-deny"
  # A build downloads only what its own platform takes.
  elif ! cargo fetch --locked --quiet; then
    not_run "$_subject: downloading those of other platforms failed"
  else
    check "The $_subject" cargo deny --offline --locked check licenses bans sources
  fi
}

summary() {
  heading "Summary"
  if [ -s "$work/failed" ]; then
    say "FAILED:"
    sed 's/^/  /' "$work/failed"
  fi
  if [ -s "$work/not-run" ]; then
    say "NOT RUN:"
    sed 's/^/  /' "$work/not-run"
  fi
  say "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}

have cargo || die "cargo is missing: install Rust from https://rustup.rs"

if [ -n "$quick" ]; then
  check_rust
  check_scripts
  heading "Unit tests"
  tests --lib --bins
  not_run "contract and end-to-end tests: scripts/test.sh without --quick"
  summary
  exit
fi

# --- What the tests need --------------------------------------------------------------------------------------

# command:package in Debian, for everything that a test may call.
tools='dash:dash bash:bash busybox:busybox mksh:mksh ksh93:ksh93u+m yash:yash zsh:zsh fish:fish mandoc:mandoc
  shellcheck:shellcheck shfmt:shfmt pebble:pebble lego:lego certbot:certbot podman:podman runc:runc kubectl:kubernetes-client
  openssl:openssl curl:curl git:git jq:jq tmux:tmux setpriv:util-linux unshare:util-linux
  systemd-analyze:systemd faketime:faketime'

# shellcheck disable=SC2086 # a list of tools
packages=$(missing_packages $tools)
compiler=$(missing_packages "$c_compiler")
installing=
if [ -n "$install" ] && can_install; then
  # The build takes the compiler; the tests, which come later, take the others.
  if [ -n "$compiler" ]; then
    heading "Installing a C compiler"
    # shellcheck disable=SC2086 # a list of packages
    install_packages $compiler >"$work/apt.log" 2>&1
  fi
  if [ -n "$packages" ]; then
    heading "Installing in the background: $packages"
    # shellcheck disable=SC2086 # a list of packages
    install_packages $packages >"$work/apt.log" 2>&1 &
    installing=$!
  fi
elif [ -n "$compiler$packages" ] && has_apt; then
  say "Missing here; to install: apt-get install ${compiler:+$compiler }$packages"
fi

# Prometheus, its tool and its node exporter out of Debian's packages, which installed would start services. They are
# unpacked into folder $1.
fetch_prometheus() {
  mkdir -p "$1"
  (
    cd "$1"
    set -- prometheus prometheus-node-exporter
    apt-get -qq download "$@" || { apt update && apt-get -qq download "$@"; } || exit 0
    for package in ./prometheus*.deb; do dpkg-deb -x "$package" . && rm -f "$package"; done
  ) >"$work/prometheus.log" 2>&1 </dev/null
}

have_prometheus() { have promtool && have prometheus && have prometheus-node-exporter; }

# npm goes on asking a registry that it cannot reach for a very long time. (macOS has no timeout.)
limited() {
  if have timeout; then
    timeout "$@"
  else
    shift
    "$@"
  fi
}

# MuleSoft's own command line tool. Its install scripts would only fetch a browser.
cli=$root/target/anypoint-cli
cli_version=1.6.12
installing_cli=
if [ -z "${ANYPOINT_CLI_V4:-}" ] && [ -n "$install" ] && have npm && have node; then
  if ! grep -q "\"version\": \"$cli_version\"" "$cli/node_modules/anypoint-cli-v4/package.json" 2>/dev/null; then
    heading "Installing anypoint-cli-v4 in the background"
    mkdir -p "$cli"
    limited 300 npm install --prefix "$cli" --fetch-retries 1 --ignore-scripts --no-audit --no-fund "anypoint-cli-v4@$cli_version" \
      >"$work/npm.log" 2>&1 </dev/null &
    installing_cli=$!
  fi
fi

for component in fmt:rustfmt clippy:clippy; do
  if ! cargo "${component%%:*}" --version >/dev/null 2>&1 && have rustup; then
    rustup component add "${component#*:}" || true
  fi
done

# --- Building, while packages are installed ---------------------------------------------------------------------

heading "Building the programs and their tests"
if ! { cargo build --workspace --locked && cargo test --workspace --locked --no-run; }; then
  say "The build failed."
  say "0 passed, 1 failed"
  exit 1
fi

if [ -n "$installing" ]; then
  heading "Waiting for the packages"
  wait "$installing" || true
fi

prometheus=$root/target/prometheus
PATH=$PATH:$prometheus/usr/bin
export PATH
if [ -n "$install" ] && has_apt && ! have_prometheus; then
  heading "Unpacking Prometheus"
  fetch_prometheus "$prometheus" || true
fi

if [ -n "$installing_cli" ]; then
  heading "Waiting for anypoint-cli-v4"
  wait "$installing_cli" || tail -n 5 "$work/npm.log"
fi
if [ -z "${ANYPOINT_CLI_V4:-}" ] && [ -f "$cli/node_modules/anypoint-cli-v4/bin/run" ]; then
  ANYPOINT_CLI_V4=$cli/node_modules/anypoint-cli-v4/bin/run
fi
if [ -n "${ANYPOINT_CLI_V4:-}" ]; then export ANYPOINT_CLI_V4; fi

ACME_SH=$(find_acme_sh "$root/target/acme.sh")
export ACME_SH
next=${ACME_SH_NEXT:-}
if [ -z "$next" ] && [ -n "$ACME_SH" ]; then next=$(fetch_acme_sh "$root/target/acme.sh-dev" dev); fi

# --- The tests --------------------------------------------------------------------------------------------------

# What the names of ignored tests say they need, as in needs_mksh::....
needed() {
  cargo test --workspace --locked --all-targets -- --list --ignored 2>/dev/null |
    sed -n 's/: test$//p' | tr ':' '\n' | sed -n 's/^needs_//p' | sort -u
}

# Whether the tests of needs_$1 can run.
available() {
  case $1 in
  acme_sh) [ -n "${ACME_SH:-}" ] ;;
  openapi) [ -n "${ANYPOINT_OPENAPI_DIR:-}" ] ;;
  anypoint_cli_v4) [ -n "${ANYPOINT_CLI_V4:-}" ] && have node ;;
  prometheus) have_prometheus ;;
  *) have "$1" || have "$(printf '%s' "$1" | tr _ -)" ;;
  esac
}

reason() {
  case $1 in
  acme_sh) say "tests with the real acme.sh: set ACME_SH to its path; fetching it from github.com failed" ;;
  openapi) say "contract tests against published API descriptions: set ANYPOINT_OPENAPI_DIR to their folder" ;;
  anypoint_cli_v4) say "tests alongside MuleSoft's anypoint-cli-v4: they need node, npm and the npm registry, or ANYPOINT_CLI_V4" ;;
  chromium) say "tests that look at a page in a browser: install chromium (too large to be installed by this script)" ;;
  promtool) say "tests that read metrics with promtool: install it; Debian has it in the package prometheus" ;;
  prometheus) say "tests that have Prometheus scrape metrics: install prometheus and prometheus-node-exporter" ;;
  *) say "tests that need $1: install it" ;;
  esac
}

set --
for what in $(needed); do
  if ! available "$what"; then
    not_run "$(reason "$what")"
    set -- "$@" --skip "needs_$what"
  fi
done
if [ -z "${ACME_SH:-}" ] && ! grep -q 'real acme.sh' "$work/not-run"; then not_run "$(reason acme_sh)"; fi
if [ -z "${ANYPOINT_OPENAPI_DIR:-}" ] && ! grep -q 'API descriptions' "$work/not-run"; then not_run "$(reason openapi)"; fi

heading "Tests"
tests -- --include-ignored "$@"
if [ -n "$next" ]; then
  heading "Tests with the newer acme.sh"
  ACME_SH=$next
  tests --test e2e_acme_sh -- --include-ignored "$@"
else
  not_run "tests with a newer acme.sh: set ACME_SH_NEXT to its path; fetching it from github.com failed"
fi

# --- Checks ------------------------------------------------------------------------------------------------------

check_rust
check_scripts
check_dependencies
summary
