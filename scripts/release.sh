#!/bin/sh
# Builds an archive for people without Rust: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Builds the four programs for release and packs them with their shims and the installer.

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
  --target) target=${2:?--target needs a triple} && shift ;;
  --out) out=${2:?--out needs a folder} && shift ;;
  -h | --help) usage && exit 0 ;;
  *) die "unknown option '$1': see $0 --help" ;;
  esac
  shift
done

target=${target:-$(rustc -vV | sed -n 's/^host: //p')}
cd "$root"
case $target in
*-linux-*) RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C target-feature=+crt-static" && export RUSTFLAGS ;;
esac
cargo build --release --locked --target "$target" -p dns_cf -p cloudhub_v2 -p flex-renew -p basic-auth-policy

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
name=anypoint-acme-hooks-$version-$target
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/$name/bin" "$work/$name/scripts"
for program in dns_cf cloudhub_v2 flex-renew basic-auth-policy; do
  cp "${CARGO_TARGET_DIR:-target}/$target/release/$program" "$work/$name/bin/"
done
cp -R scripts/dnsapi scripts/deploy scripts/install.sh scripts/lib.sh "$work/$name/scripts/"
cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$work/$name/"
(cd "$work" && tar -czf "$out/$name.tar.gz" "$name")
(cd "$out" && if command -v sha256sum >/dev/null; then sha256sum "$name.tar.gz"; else shasum -a 256 "$name.tar.gz"; fi >"$name.tar.gz.sha256")
say "$out/$name.tar.gz"
