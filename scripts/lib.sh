# Functions shared by the scripts of this folder, which source this file. POSIX sh.
# shellcheck shell=sh

# What a script shows on a terminal goes to standard output, what went wrong to standard error.
say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

# Ends a script that was called in a way, or at a place, that cannot work: with the exit code that the programs have for it.
refuse() {
  warn "$*"
  exit 2
}

# The programs of this workspace.
# shellcheck disable=SC2034 # for those who source this
workspace_programs='dns_cf cloudhub_v2 flex-renew basic-auth-policy anypoint-estate'

have() { command -v "$1" >/dev/null 2>&1; }

# --- Packages ---------------------------------------------------------------------------------------------------

# What building Rust code takes beside Rust.
# shellcheck disable=SC2034 # for those who source this
c_compiler=cc:gcc,libc6-dev

# The Debian packages of those COMMAND:PACKAGE[,PACKAGE]... whose command is missing, on one line.
missing_packages() {
  _packages=
  for _tool in "$@"; do
    have "${_tool%%:*}" || _packages="$_packages $(printf '%s' "${_tool#*:}" | tr , ' ')"
  done
  printf '%s\n' "${_packages# }"
}

# The commands that are missing, of the same list.
missing_commands() {
  _commands=
  for _tool in "$@"; do
    have "${_tool%%:*}" || _commands="$_commands ${_tool%%:*}"
  done
  printf '%s\n' "${_commands# }"
}

# Debian and what derives from it.
has_apt() { have dpkg && have apt-get; }
can_install() { has_apt && [ "$(id -u)" = 0 ]; }

apt() { DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq "$@" </dev/null; }

install_packages() {
  apt update || true
  # A package that this release lacks must not keep the others from being installed.
  apt install -y --no-install-recommends "$@" || for _package in "$@"; do
    apt install -y --no-install-recommends "$_package" || true
  done
}

# --- Paths ------------------------------------------------------------------------------------------------------

# The file that a chain of symbolic links leads to. (`readlink -f` is missing from older macOS.)
real_path() {
  _file=$1
  while [ -L "$_file" ]; do
    _link=$(readlink "$_file")
    case $_link in
    /*) _file=$_link ;;
    *) _file=$(dirname "$_file")/$_link ;;
    esac
  done
  printf '%s/%s\n' "$(real_dir "$(dirname "$_file")")" "$(basename "$_file")"
}

# The absolute path of a folder that exists, without symbolic links.
real_dir() { (CDPATH='' cd -P -- "$1" && pwd -P); }

# The same of a folder that may have to be made yet.
future_dir() {
  _dir=$1
  _below=
  while [ ! -d "$_dir" ]; do
    _below=/$(basename "$_dir")$_below
    _dir=$(dirname "$_dir")
  done
  _dir=$(real_dir "$_dir")
  printf '%s%s\n' "${_dir%/}" "$_below"
}

# Where cargo builds the workspace in folder $1; to be named with --target-dir, for cargo's configuration may say otherwise.
target_dir() {
  case ${CARGO_TARGET_DIR:-} in
  '') printf '%s\n' "$1/target" ;;
  /*) printf '%s\n' "$CARGO_TARGET_DIR" ;;
  *) printf '%s\n' "$PWD/$CARGO_TARGET_DIR" ;;
  esac
}

# The acme.sh of the home folder $1, else the one on PATH, as its real path; empty if there is none.
acme_sh_of() {
  if [ -f "$1/acme.sh" ]; then
    real_path "$1/acme.sh"
  elif _found=$(command -v acme.sh); then
    real_path "$_found"
  fi
}

# An acme.sh with its hooks beside it: $ACME_SH, on PATH, in its usual home, or fetched into folder $1. Prints its path, or
# nothing.
find_acme_sh() {
  for _candidate in "${ACME_SH:-}" "$(command -v acme.sh || true)" "$HOME/.acme.sh/acme.sh"; do
    if [ -f "$_candidate" ]; then
      real_path "$_candidate"
      return
    fi
  done
  fetch_acme_sh "$1" master
}

# The acme.sh of the branch $2 of its repository, fetched into folder $1 unless it is there (20 s without progress end
# that). Prints its path, or nothing.
fetch_acme_sh() {
  if [ -f "$1/acme.sh" ]; then
    real_path "$1/acme.sh"
    return
  fi
  command -v git >/dev/null || return 0
  _clone=$1.$$
  if git -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=20 clone --quiet --depth 1 --branch "$2" \
    https://github.com/acmesh-official/acme.sh "$_clone" >/dev/null 2>&1 </dev/null; then
    mv "$_clone" "$1"
    real_path "$1/acme.sh"
  else
    rm -rf "$_clone"
  fi
}
