#!/bin/sh
# Builds an archive for people without Rust: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Builds the five programs for release and packs them with their shims and the installer.

  scripts/release.sh [--target TRIPLE] [--out DIR]

  --target TRIPLE   what to build for (default: this machine)
  --out DIR         where the archive goes (default: target/dist)

On Linux the programs are fully static and run on any distribution. To install, unpack the archive and run
scripts/install.sh --from bin in it.
TEXT
}

target=
out=$root/target/dist
while [ $# -gt 0 ]; do
  case $1 in
  --target | --out) [ -n "${2:-}" ] || refuse "$1 needs a value: see $0 --help" ;;
  esac
  case $1 in
  --target) target=${2:-} && shift ;;
  --out) out=${2:-} && shift ;;
  -h | --help) usage && exit 0 ;;
  *) refuse "unknown option '$1': see $0 --help" ;;
  esac
  shift
done

have cargo || die "cargo is missing: install Rust from https://rustup.rs"
target=${target:-$(rustc -vV | sed -n 's/^host: //p')}
[ -n "$target" ] || die "rustc does not say what it builds for: name it with --target"
built=$(target_dir "$root")
mkdir -p "$out"
out=$(real_dir "$out")
cd "$root"
# Whoever unpacks it may be another user.
umask 022
# Before the flags of the target: what writes them runs here.
"$here/manual.sh" --out "$built/manual" >/dev/null
case $target in
*-linux-*) RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C target-feature=+crt-static" && export RUSTFLAGS ;;
esac
packages=
for program in $workspace_programs; do packages="$packages -p $program"; done
# shellcheck disable=SC2086 # a list of options
cargo build --release --locked --target-dir "$built" --target "$target" $packages

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
name=anypoint-acme-hooks-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/$name/bin" "$work/$name/scripts"
for program in $workspace_programs; do
  cp "$built/$target/release/$program" "$work/$name/bin/"
done
cp -R "$built/manual" "$work/$name/"
cp -R scripts/dnsapi scripts/deploy scripts/prometheus scripts/install.sh scripts/schedule.sh scripts/lib.sh scripts/vanity-api.sh "$work/$name/scripts/"
cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$work/$name/"
# Unpacked by root, the files would belong to whoever has the builder's number there.
if tar --version 2>/dev/null | grep -q GNU; then owner='--owner=0 --group=0'; else owner='--uid 0 --gid 0'; fi
# shellcheck disable=SC2086 # a list of options
(cd "$work" && tar $owner -czf "$out/$name.tar.gz" "$name")
(cd "$out" && if have sha256sum; then sha256sum "$name.tar.gz"; else shasum -a 256 "$name.tar.gz"; fi >"$name.tar.gz.sha256")
say "$out/$name.tar.gz"
