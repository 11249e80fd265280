#!/bin/sh
# Writes man pages and completions: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Writes the man pages of every program and command, and completions for bash, zsh and fish.

  scripts/manual.sh [--out DIR]

  --out DIR   where they go (default: target/manual): man1, bash, zsh, fish

What writes them is in the programs as they are built for this and for tests, not in those of a release. The date of the
pages is SOURCE_DATE_EPOCH, else that of the last commit.
TEXT
}

out=
while [ $# -gt 0 ]; do
  case $1 in
  --out)
    [ -n "${2:-}" ] || refuse "$1 needs a value: see $0 --help"
    out=$2
    shift
    ;;
  -h | --help) usage && exit 0 ;;
  *) refuse "unknown option '$1': see $0 --help" ;;
  esac
  shift
done

have cargo || die "cargo is missing: install Rust from https://rustup.rs"
built=$(target_dir "$root")
out=$(future_dir "${out:-$built/manual}")
cd "$root"
if [ -z "${SOURCE_DATE_EPOCH:-}" ] && have git; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || true)
fi
export SOURCE_DATE_EPOCH

packages=
features=
for program in $workspace_programs; do
  packages="$packages --package $program"
  features="$features $program/manual"
done
# shellcheck disable=SC2086 # a list of options
cargo build --quiet --locked --target-dir "$built" $packages --features "$features"
rm -rf "$out"
mkdir -p "$out"
for program in $workspace_programs; do
  "$built/debug/$program" write-manual "$out"
done
say "$out"
