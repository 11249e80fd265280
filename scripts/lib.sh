# Functions shared by the scripts of this folder, which source this file. POSIX sh.
# shellcheck shell=sh

# What a script shows on a terminal goes to standard output, what went wrong to standard error.
say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
  warn "$*"
  exit 1
}

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

# The acme.sh of the home folder $1, else the one on PATH, as its real path; empty if there is none.
acme_sh_of() {
  if [ -f "$1/acme.sh" ]; then
    real_path "$1/acme.sh"
  elif _found=$(command -v acme.sh); then
    real_path "$_found"
  fi
}
