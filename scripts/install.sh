#!/bin/sh
# Puts the executables and their acme.sh shims in place, or takes them away again: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Installs dns_cf, cloudhub_v2, flex-renew and basic-auth-policy into an existing acme.sh installation.

  scripts/install.sh [options] [PROGRAM...]      all four programs unless some are named

  --home DIR      acme.sh's home (default: $LE_WORKING_DIR, else ~/.acme.sh)
  --bin-dir DIR   where the executables go (default: ~/.local/bin, for root /usr/local/bin)
  --from DIR      take the executables from DIR instead of building them with cargo
  --cron          also run `cloudhub_v2 reconcile` every day, from the crontab of this user
  --dry-run       check everything, say what would be done, change nothing
  --uninstall     take away what an installation put there (shims, executables, crontab line)
  --help          this text

Running it again updates what is there. Files that it did not put there are never replaced or deleted.
TEXT
}

home=${LE_WORKING_DIR:-$HOME/.acme.sh}
bin_dir=
from=
cron=
dry_run=
uninstall=
programs=

while [ $# -gt 0 ]; do
  case $1 in
  --home | --bin-dir | --from) if [ -z "${2:-}" ]; then die "$1 needs a folder"; fi ;;
  esac
  case $1 in
  --home) home=$2 && shift ;;
  --bin-dir) bin_dir=$2 && shift ;;
  --from) from=$2 && shift ;;
  --cron) cron=yes ;;
  --dry-run) dry_run=yes ;;
  --uninstall) uninstall=yes ;;
  -h | --help) usage && exit 0 ;;
  dns_cf | cloudhub_v2 | flex-renew | basic-auth-policy) programs="$programs $1" ;;
  *) die "unknown option or program '$1': see $0 --help" ;;
  esac
  shift
done
all_programs='dns_cf cloudhub_v2 flex-renew basic-auth-policy'
programs=${programs:-$all_programs}

# --- Where things are -----------------------------------------------------------------------------------------

[ -d "$home" ] || die "no acme.sh home at $home: name it with --home, or install acme.sh first (https://get.acme.sh)"
home=$(real_dir "$home")
acme_sh=$(acme_sh_of "$home")
[ -n "$acme_sh" ] || die "no acme.sh in $home nor on PATH: name its home with --home"
script_home=$(dirname "$acme_sh")

# acme.sh looks for hooks beside its real self first, then in its home.
hook_dir() {
  for _home in "$script_home" "$home"; do
    if [ -d "$_home/$1" ]; then
      printf '%s\n' "$_home/$1"
      return
    fi
  done
  die "no folder $1 beside $acme_sh nor in $home: this acme.sh is not completely installed"
}
dnsapi_dir=$(hook_dir dnsapi)
deploy_dir=$(hook_dir deploy)

if [ -z "$bin_dir" ]; then
  if [ "$(id -u)" = 0 ]; then bin_dir=/usr/local/bin; else bin_dir=$HOME/.local/bin; fi
fi
case $bin_dir in
/*) ;;
*) bin_dir=$PWD/$bin_dir ;;
esac
if [ -d "$bin_dir" ]; then bin_dir=$(real_dir "$bin_dir"); fi

shim_source() {
  case $1 in
  dns_cf) printf '%s\n' "$here/dnsapi/dns_cf" ;;
  *) printf '%s/deploy/%s\n' "$here" "$(printf '%s' "$1" | tr - _)" ;;
  esac
}

shim_of() {
  case $1 in
  dns_cf) printf '%s\n' "$dnsapi_dir/dns_cf" ;;
  *) printf '%s/%s\n' "$deploy_dir" "$(printf '%s' "$1" | tr - _)" ;;
  esac
}

# Every shim says so in its second line; every executable looks for the variable that the shims set.
is_our_shim() { [ -f "$1" ] && grep -q '^# Part of anypoint-acme-hooks' "$1"; }
is_our_executable() { [ -f "$1" ] && LC_ALL=C grep -q ANYPOINT_HOOKS_VOICE "$1"; }

# --- The crontab ----------------------------------------------------------------------------------------------

cron_mark="# anypoint-acme-hooks $(printf '%s' "$home" | sed 's/%/\\%/g')"

read_crontab() {
  if _table=$(LC_ALL=C crontab -l 2>&1); then
    if [ -n "$_table" ]; then printf '%s\n' "$_table"; fi
    return
  fi
  case $_table in
  *'no crontab'* | *'No such file'*) ;;
  *) die "reading the crontab failed: $_table" ;;
  esac
}

# Lines of standard input that are not ours, or with "ours" those that are.
cron_lines() {
  MARK=$cron_mark WHICH=${1:-} awk '
    { at = length($0) - length(ENVIRON["MARK"]) + 1
      ours = at > 0 && substr($0, at) == ENVIRON["MARK"] }
    ours == (ENVIRON["WHICH"] == "ours")'
}

has_cron_line() { command -v crontab >/dev/null && [ -n "$(read_crontab | cron_lines ours)" ]; }

shell_quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# An hour after acme.sh's own job, so that it finds what that one left undone.
cron_time() {
  printf '%s\n' "$1" | awk '
    / --cron( |$)/ && $1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ { print $1, ($2 + 1) % 24; found = 1; exit }
    END { if (!found) print "17 4" }'
}

cron_line() {
  # Standard error is what cron mails. A percent sign would end the command.
  _command="$(shell_quote "$bin_dir/cloudhub_v2") reconcile --home $(shell_quote "$home") >/dev/null"
  printf '%s * * * %s %s\n' "$(cron_time "$1")" "$(printf '%s' "$_command" | sed 's/%/\\%/g')" "$cron_mark"
}

write_cron_line() {
  table=$(read_crontab)
  others=$(printf '%s\n' "$table" | cron_lines)
  { if [ -n "$others" ]; then printf '%s\n' "$others"; fi && cron_line "$others"; } | crontab -
  say "crontab: $(cron_line "$others")"
}

remove_cron_line() {
  table=$(read_crontab)
  printf '%s\n' "$table" | cron_lines | crontab -
  say "removed the crontab line of cloudhub_v2 reconcile"
}

# --- Uninstall ------------------------------------------------------------------------------------------------

uninstall_one() {
  shim=$(shim_of "$1")
  executable=$bin_dir/$1
  if [ -f "$shim.path" ]; then
    IFS= read -r executable <"$shim.path" || true
    remove "$shim.path"
  fi
  if is_our_shim "$shim"; then
    remove "$shim"
  elif [ -e "$shim" ]; then
    say "kept $shim: it is not from here"
  fi
  if is_our_executable "$executable"; then
    remove "$executable"
    case $executable in
    # A folder for executables inside the home was made by an installation.
    "$home"/*) rmdir "$(dirname "$executable")" 2>/dev/null || true ;;
    esac
  fi
}

remove() {
  if [ -n "$dry_run" ]; then
    say "would remove $1"
  else
    rm -f -- "$1"
    say "removed $1"
  fi
}

# A certificate goes on naming its deploy hook: acme.sh would stop at it on the next renewal.
report_users_of() {
  name=$(basename "$(shim_of "$1")")
  [ "$name" != dns_cf ] && [ ! -e "$deploy_dir/$name.sh" ] || return 0
  for conf in "$home"/*/*.conf; do
    if grep -q "^Le_DeployHook='\(.*,\)\{0,1\}${name}[,']" "$conf" 2>/dev/null; then
      warn "$conf still names the deploy hook $name: renewing that certificate will report it as missing"
    fi
  done
}

if [ -n "$uninstall" ]; then
  for program in $programs; do
    uninstall_one "$program"
    report_users_of "$program"
  done
  case " $programs " in
  *' cloudhub_v2 '*)
    if has_cron_line; then
      if [ -n "$dry_run" ]; then say "would remove the crontab line"; else remove_cron_line; fi
    fi
    ;;
  esac
  exit 0
fi

# --- Checks, before anything is built or changed ----------------------------------------------------------------

case $home in
*[[:blank:],]*)
  warn "the path $home holds a blank or a comma: acme.sh then fails to remove its DNS records. Move it if you can."
  ;;
esac

# acme.sh would source an executable that lies where it looks for hooks.
case $bin_dir in
"$home" | "$script_home" | "$dnsapi_dir" | "$deploy_dir" | "$home"/dnsapi | "$home"/deploy | "$home"/notify | \
  "$script_home"/notify | "$home"/*.*)
  die "acme.sh looks for hooks in $bin_dir: name another folder for the executables with --bin-dir"
  ;;
esac

writable() {
  _dir=$1
  while [ ! -e "$_dir" ]; do _dir=$(dirname "$_dir"); done
  if [ ! -d "$_dir" ] || [ ! -w "$_dir" ]; then die "$1 is not writable for $(id -un): $2"; fi
}

for program in $programs; do
  shim=$(shim_of "$program")
  writable "$(dirname "$shim")" "acme.sh looks for hooks there. Run this as the owner of that folder."
  if [ -e "$shim" ] && ! is_our_shim "$shim"; then
    die "$shim is there and is not from here: move it away first (a file named $(basename "$shim").sh can stay)"
  fi
  if [ -e "$bin_dir/$program" ] && ! is_our_executable "$bin_dir/$program"; then
    die "$bin_dir/$program is there and is not from here: move it away, or name another folder with --bin-dir"
  fi
done
writable "$bin_dir" "name another folder for the executables with --bin-dir."
if [ -n "$cron" ]; then
  command -v crontab >/dev/null || die "--cron: there is no crontab program here"
  case " $programs " in
  *' cloudhub_v2 '*) ;;
  *) die "--cron is for cloudhub_v2, which is not among:$programs" ;;
  esac
fi

if [ -z "$from" ]; then
  command -v cargo >/dev/null || die "cargo is needed to build: get it from https://rustup.rs, or name a folder with the built executables with --from"
else
  for program in $programs; do
    [ -f "$from/$program" ] || die "--from: no $program in $from"
  done
fi

if [ -n "$dry_run" ]; then
  for program in $programs; do
    say "would install $bin_dir/$program and $(shim_of "$program")"
  done
  if [ -n "$cron" ]; then say "would add to the crontab: $(cron_line "$(read_crontab)")"; fi
  exit 0
fi

# --- Install --------------------------------------------------------------------------------------------------

if [ -z "$from" ]; then
  packages=
  for program in $programs; do packages="$packages -p $program"; done
  say "Building$programs ..."
  # shellcheck disable=SC2086 # a list of options
  (cd "$here/.." && cargo build --release --locked $packages)
  from=${CARGO_TARGET_DIR:-$here/../target}/release
fi

temporary=
trap 'if [ -n "$temporary" ]; then rm -f -- "$temporary"; fi' EXIT
trap 'exit 1' HUP INT TERM

# place MODE FILE: FILE gets the content of standard input in one step.
place() {
  temporary=$(dirname "$2")/.$(basename "$2").$$
  cat >"$temporary"
  chmod "$1" "$temporary"
  mv -f -- "$temporary" "$2"
  temporary=
}

mkdir -p "$bin_dir"
bin_dir=$(real_dir "$bin_dir")
for program in $programs; do
  "$from/$program" --version >/dev/null 2>&1 ||
    die "$from/$program does not run on this system: it was built for another one, or is damaged"
done
for program in $programs; do
  shim=$(shim_of "$program")
  place 755 "$bin_dir/$program" <"$from/$program"
  # The path first: a shim without it would not find its executable under cron.
  printf '%s\n' "$bin_dir/$program" | place 644 "$shim.path"
  place 644 "$shim" <"$(shim_source "$program")"
  say "installed $bin_dir/$program and $shim"
done
case " $programs " in
*' cloudhub_v2 '*) if [ -n "$cron" ] || has_cron_line; then write_cron_line; fi ;;
esac

# --- What to do next ------------------------------------------------------------------------------------------

acme="acme.sh"
if [ -f "$home/acme.sh" ]; then acme="$home/acme.sh"; fi
say
say "Next (each value is saved once it has worked, so that renewals need none of them):"
for program in $programs; do
  case $program in
  dns_cf)
    say "  export CF_Token=...                                    # Zone:Read and DNS:Edit for your zone"
    say "  $acme --issue --dns dns_cf -d '*.example.com' -d example.com"
    ;;
  cloudhub_v2)
    say "  export CH2_CLIENT_ID=... CH2_CLIENT_SECRET=... ORGANIZATION_ID=... CH2_PRIVATE_SPACE_ID=..."
    say "  $acme --deploy -d '*.example.com' --deploy-hook cloudhub_v2"
    ;;
  flex-renew) say "  $bin_dir/flex-renew --help" ;;
  basic-auth-policy) say "  $bin_dir/basic-auth-policy --help" ;;
  esac
done
case ":$PATH:" in
*":$bin_dir:"*) ;;
*) say "$bin_dir is not on PATH: acme.sh finds the executables all the same; for your own use add it." ;;
esac
