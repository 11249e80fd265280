#!/bin/sh
# Puts the executables and their acme.sh shims in place, or removes them: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
root=$(dirname "$here")

usage() {
  cat <<'TEXT'
Installs dns_cf, cloudhub_v2, flex-renew, basic-auth-policy and anypoint-estate into an existing acme.sh installation.

  scripts/install.sh [options] [PROGRAM...]      all five programs unless some are named

  --home DIR          acme.sh's home (default: $LE_WORKING_DIR, else ~/.acme.sh)
  --config-home DIR   where acme.sh keeps its configuration and certificates, if not in its home (default:
                      $LE_CONFIG_HOME, else what acme.sh was installed with)
  --bin-dir DIR       where the executables go (default: ~/.local/bin, for root /usr/local/bin). Man pages and completions go
                      into the folder share beside a folder named bin
  --from DIR          take the executables from DIR instead of building them with cargo
  --cron              also run `cloudhub_v2 reconcile` every day, from this user's crontab
  --systemd           also run `cloudhub_v2 reconcile` every six hours, from a systemd timer: of the system for root, else of
                      this user
  --flex              with --cron or --systemd: run `flex-renew run` every day, too. For hosts that have a Flex Gateway, or a
                      [[flex.gateway]] in the configuration file; elsewhere it would report an error every day
  --estate            with --cron or --systemd: run `anypoint-estate run` every six hours instead, which does the work of both
                      and of basic-auth-policy, checks everything, and tells what has changed. As long as it is scheduled, the
                      others are not added
  --dry-run           check everything, say what would be done, change nothing
  --uninstall         remove what an installation put there (shims, executables, man pages, completions, crontab lines, systemd
                      units)
  --help              this text

Running it again updates what is there. Files that it did not install are never replaced or deleted, and what another acme.sh
home uses stays installed. A crontab line or a systemd unit that you have edited, commented out or disabled stays as it is
(systemctl edit is the way to change a unit that goes on being updated). A job is in one schedule only: --systemd takes it from
the crontab, --cron from systemd. cron mails what fails; systemctl --failed and journalctl show it.

Environment:
  CRONTAB         the crontab program (default: crontab, else fcrontab)
  SYSTEMCTL       the systemctl program (default: systemctl)
  SYSTEMD_UNITS   the folder for units (default: /etc/systemd/system, else ~/.config/systemd/user)
TEXT
}

home=${LE_WORKING_DIR:-$HOME/.acme.sh}
config_home=${LE_CONFIG_HOME:-}
bin_dir=
from=
schedule=
flex=
estate=
dry_run=
uninstall=
programs=
# Where the man pages and completions are, in an archive.
manual=$root/manual

while [ $# -gt 0 ]; do
  case $1 in
  --home | --config-home | --bin-dir | --from) if [ -z "${2:-}" ]; then refuse "$1 needs a folder"; fi ;;
  esac
  case $1 in
  --home) home=$2 && shift ;;
  --config-home) config_home=$2 && shift ;;
  --bin-dir) bin_dir=$2 && shift ;;
  --from) from=$2 && shift ;;
  --cron | --systemd)
    [ -z "$schedule" ] || [ "--$schedule" = "$1" ] || refuse "--cron and --systemd are two ways to do the same: choose one"
    schedule=${1#--}
    ;;
  --flex) flex=yes ;;
  --estate) estate=yes ;;
  --dry-run) dry_run=yes ;;
  --uninstall) uninstall=yes ;;
  -h | --help) usage && exit 0 ;;
  dns_cf | cloudhub_v2 | flex-renew | basic-auth-policy | anypoint-estate) programs="$programs $1" ;;
  *) refuse "unknown option or program '$1': see $0 --help" ;;
  esac
  shift
done
programs=${programs:-$workspace_programs}
[ -z "$flex" ] || [ -n "$schedule" ] || refuse "--flex needs --cron or --systemd"
[ -z "$estate" ] || [ -n "$schedule" ] || refuse "--estate needs --cron or --systemd"
[ -z "$estate$flex" ] || [ "$estate" != "$flex" ] || refuse "--estate does the work of --flex, too: choose one"
jobs=
for program in $programs; do
  case $program in
  cloudhub_v2 | flex-renew | anypoint-estate) jobs="$jobs $program" ;;
  esac
done
# It takes over from the others, whichever programs are named.
if [ -n "$estate" ]; then
  case " $programs " in
  *' anypoint-estate '*) jobs='anypoint-estate cloudhub_v2 flex-renew' ;;
  *) refuse "--estate is for anypoint-estate, not for:$programs" ;;
  esac
fi
case "$flex$estate: $programs " in
*' cloudhub_v2 '* | yes:*' flex-renew '* | yes:*' anypoint-estate '*) ;;
*) [ -z "$schedule" ] || refuse "--$schedule is for cloudhub_v2, and with --flex for flex-renew, not for:$programs" ;;
esac

# --- Where things are -----------------------------------------------------------------------------------------

[ -d "$home" ] || refuse "no acme.sh home at $home: name it with --home, or install acme.sh first (https://get.acme.sh)"
home=$(real_dir "$home")
acme_sh=$(acme_sh_of "$home")
[ -n "$acme_sh" ] || refuse "no acme.sh in $home or on PATH: name its home with --home"
script_home=$(dirname "$acme_sh")

# acme.sh writes down there what it was installed with.
if [ -z "$config_home" ] && [ -f "$home/acme.sh.env" ]; then
  config_home=$(sed -n 's/^export LE_CONFIG_HOME="\(.*\)"$/\1/p' "$home/acme.sh.env")
fi
config_home=${config_home:-$home}
[ -d "$config_home" ] || refuse "no folder at $config_home: name acme.sh's config home with --config-home"
config_home=$(real_dir "$config_home")

# acme.sh looks for hooks beside its real self first, then in its home.
hook_dir() {
  for _home in "$script_home" "$home"; do
    if [ -d "$_home/$1" ]; then
      printf '%s\n' "$_home/$1"
      return
    fi
  done
  refuse "no folder $1 beside $acme_sh or in $home: this acme.sh installation is incomplete"
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
bin_dir=$(future_dir "$bin_dir")

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

# acme.sh calls all but one; of that one there is only the file that says where the executable is.
has_shim() { [ "$1" != anypoint-estate ]; }

# installed_as PROGRAM SHIM: what of it is installed.
installed_as() {
  if has_shim "$1"; then say "$bin_dir/$1 and $2"; else say "$bin_dir/$1"; fi
}

# Every shim says so in its second line; every executable looks for the variable that the shims set.
is_our_shim() { [ -f "$1" ] && grep -q '^# Part of anypoint-acme-hooks' "$1"; }
is_our_executable() { [ -f "$1" ] && LC_ALL=C grep -q ANYPOINT_HOOKS_VOICE "$1"; }

tab=$(printf '\t')

# --- Man pages and completions ------------------------------------------------------------------------------------

# Where they go; empty where that is not known.
case $bin_dir in
*/bin) share=${bin_dir%/bin}/share ;;
*) share= ;;
esac

# What an archive or scripts/manual.sh has of PROGRAM, and where each goes: lines SOURCE<tab>FILE.
documents() {
  for _page in "$2/man1/$1.1" "$2/man1/$1"-*.1; do
    if [ -f "$_page" ]; then printf '%s\t%s\n' "$_page" "$share/man/man1/$(basename "$_page")"; fi
  done
  while read -r _source _file; do
    if [ -f "$2/$_source" ]; then printf '%s\t%s\n' "$2/$_source" "$share/$_file"; fi
  done <<LIST
bash/$1.bash bash-completion/completions/$1
zsh/_$1 zsh/site-functions/_$1
fish/$1.fish fish/vendor_completions.d/$1.fish
LIST
}

# The files of PROGRAM that are installed.
installed_documents() {
  for _file in "$share/man/man1/$1.1" "$share/man/man1/$1"-*.1 "$share/bash-completion/completions/$1" \
    "$share/zsh/site-functions/_$1" "$share/fish/vendor_completions.d/$1.fish"; do
    if is_our_document "$_file"; then printf '%s\n' "$_file"; fi
  done
}

is_our_document() { [ -f "$1" ] && grep -q anypoint-acme-hooks "$1"; }

# install_documents PROGRAM FOLDER: a page that is gone from the program goes from here, too.
install_documents() {
  _new=$(documents "$1" "$2")
  installed_documents "$1" | while IFS= read -r _file; do
    case "$_new
" in
    *"$tab$_file
"*) ;;
    *) rm -f -- "$_file" ;;
    esac
  done
  printf '%s\n' "$_new" | while IFS=$tab read -r _source _file; do
    [ -n "$_source" ] || continue
    if [ -e "$_file" ] && ! is_our_document "$_file"; then
      warn "kept $_file: it was not installed by this script"
    else
      mkdir -p "$(dirname "$_file")"
      place 644 "$_file" <"$_source"
    fi
  done
}

# shellcheck source=scripts/schedule.sh
. "$here/schedule.sh"

# --- Who uses the executables -----------------------------------------------------------------------------------

# Several homes may share the executables of a folder, and several homes of a packaged acme.sh its shims. A file beside
# the executables lists them: a line SHIM<tab>HOME for each.
record_in() { printf '%s/.anypoint-acme-hooks.homes\n' "$1"; }

# Whether it cannot be told from here what is in folder $1, or if it exists.
is_hidden() {
  _ancestor=$1
  while [ ! -e "$_ancestor" ]; do _ancestor=$(dirname "$_ancestor"); done
  [ ! -x "$_ancestor" ]
}

# other_users EXECUTABLE SHIM: the lines of the others that use EXECUTABLE still.
other_users() {
  _record=$(record_in "$(dirname "$1")")
  if [ ! -f "$_record" ]; then return; fi
  while IFS=$tab read -r _shim _home; do
    _executable=
    if is_hidden "$_home" || is_hidden "$(dirname "$_shim")"; then
      _executable=$1
    elif [ -d "$_home" ] && [ -f "$_shim.path" ]; then
      IFS= read -r _executable <"$_shim.path" || true
    fi
    if [ "$_executable" = "$1" ] && [ "$_shim$tab$_home" != "$2$tab$home" ]; then printf '%s\t%s\n' "$_shim" "$_home"; fi
  done <"$_record"
}

# record_without DIR SHIM: the lines of the record in DIR but the one of SHIM and this home.
record_without() {
  _record=$(record_in "$1")
  if [ -f "$_record" ]; then
    LINE="$2$tab$home" awk '$0 != ENVIRON["LINE"]' "$_record"
  fi
}

# --- Changing files ---------------------------------------------------------------------------------------------

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

remove() {
  if [ -n "$dry_run" ]; then
    say "would remove $1"
  else
    rm -f -- "$1"
    say "removed $1"
  fi
}

# --- Uninstall ------------------------------------------------------------------------------------------------

# forget EXECUTABLE SHIM: this home uses them no more.
forget() {
  _record=$(record_in "$(dirname "$1")")
  if [ -n "$dry_run" ] || [ ! -f "$_record" ]; then return; fi
  _left=$(record_without "$(dirname "$1")" "$2")
  if [ -n "$_left" ]; then printf '%s\n' "$_left" | place 644 "$_record"; else rm -f -- "$_record"; fi
}

uninstall_one() {
  shim=$(shim_of "$1")
  executable=$bin_dir/$1
  if [ -f "$shim.path" ]; then IFS= read -r executable <"$shim.path" || true; fi
  users=$(other_users "$executable" "$shim")
  forget "$executable" "$shim"
  for_shim=$(printf '%s\n' "$users" | SHIM=$shim awk -F '\t' '$1 == ENVIRON["SHIM"] { print $2; exit }')
  if [ -n "$for_shim" ]; then
    say "kept $shim and $executable: $for_shim uses them"
    return
  fi
  if [ -f "$shim.path" ]; then remove "$shim.path"; fi
  if is_our_shim "$shim"; then
    remove "$shim"
  elif [ -e "$shim" ]; then
    say "kept $shim: it was not installed by this script"
  fi
  if [ -n "$users" ]; then
    say "kept $executable: $(printf '%s\n' "$users" | sed -n "1s/.*$tab//p") uses it"
  elif is_our_executable "$executable"; then
    remove "$executable"
    if [ -n "$share" ] && [ "$executable" = "$bin_dir/$1" ]; then
      installed_documents "$1" | while IFS= read -r document; do remove "$document"; done
    fi
    case $executable in
    # A folder for executables inside the home was made by an installation.
    "$home"/*) rmdir "$(dirname "$executable")" 2>/dev/null || true ;;
    esac
  fi
}

# A certificate goes on naming its deploy hook: acme.sh would stop at it on the next renewal.
report_users_of() {
  shim=$(shim_of "$1")
  name=$(basename "$shim")
  [ "$name" != dns_cf ] && [ ! -e "$shim" ] && [ ! -e "$deploy_dir/$name.sh" ] || return 0
  for conf in "$config_home"/*/*.conf; do
    if grep -q "^Le_DeployHook='\(.*,\)\{0,1\}${name}[,']" "$conf" 2>/dev/null; then
      warn "$conf still names the deploy hook $name: acme.sh will report the hook as missing when it renews this certificate"
    fi
  done
}

if [ -n "$uninstall" ]; then
  for program in $programs; do
    uninstall_one "$program"
    report_users_of "$program"
  done
  for job in $jobs; do
    remove_lines "$job"
    remove_units "$job"
  done
  exit 0
fi

# --- Checks, before anything is built or changed ----------------------------------------------------------------

# It keeps the records of a challenge in a list that it takes apart at both.
for dir in "$home" "$script_home"; do
  case $dir in
  *[[:blank:],]*)
    refuse "acme.sh does not work in $dir: with a blank or a comma in its path, it leaves its DNS records behind. Install it into another folder first: acme.sh --install --home DIR"
    ;;
  esac
done

# acme.sh would source an executable that lies where it looks for hooks.
case $bin_dir in
"$home" | "$script_home" | "$dnsapi_dir" | "$deploy_dir" | "$home"/dnsapi | "$home"/deploy | "$home"/notify | \
  "$script_home"/notify | "$home"/*.*)
  refuse "acme.sh looks for hooks in $bin_dir: name another folder for the executables with --bin-dir"
  ;;
esac

writable() {
  _dir=$1
  while [ ! -e "$_dir" ]; do _dir=$(dirname "$_dir"); done
  if [ ! -d "$_dir" ] || [ ! -w "$_dir" ]; then refuse "$1 is not writable by $(id -un): $2"; fi
}

for program in $programs; do
  shim=$(shim_of "$program")
  writable "$(dirname "$shim")" "acme.sh looks for hooks there. Run this as the owner of that folder."
  if [ -e "$shim" ] && ! is_our_shim "$shim"; then
    refuse "$shim exists and was not installed by this script: move it out of the way first (a file named $(basename "$shim").sh can stay)"
  fi
  if [ -e "$bin_dir/$program" ] && ! is_our_executable "$bin_dir/$program"; then
    refuse "$bin_dir/$program exists and was not installed by this script: move it out of the way, or name another folder with --bin-dir"
  fi
done
writable "$bin_dir" "name another folder for the executables with --bin-dir."
if [ -n "$share" ]; then writable "$share" "man pages and completions go there, beside $bin_dir. Name another folder with --bin-dir."; fi
# Only with --cron or --systemd is a job added, but one that is there is updated.
cron_plan=
if ! have "$crontab"; then
  [ "$schedule" != cron ] || refuse "--cron: there is no crontab program here"
elif [ -z "$jobs" ]; then
  :
elif read_crontab; then
  cron_plan=yes
  plan_crontab
else
  [ "$schedule" != cron ] || refuse "reading the crontab failed: $reason"
  warn "reading the crontab failed, so a line of this home in it is not updated: $reason"
fi
plan_units

if [ -z "$from" ]; then
  command -v cargo >/dev/null || refuse "cargo is needed to build: get it from https://rustup.rs, or name a folder with the built executables with --from"
else
  for program in $programs; do
    [ -f "$from/$program" ] || refuse "--from: no $program in $from"
  done
fi

if [ -n "$dry_run" ]; then
  for program in $programs; do
    say "would install $(installed_as "$program" "$(shim_of "$program")")"
  done
  if [ -n "$share" ] && { [ -z "$from" ] || [ -d "$manual" ]; }; then say "would install man pages and completions into $share"; fi
  printf '%s' "$notes"
  exit 0
fi

# --- Install --------------------------------------------------------------------------------------------------

if [ -z "$from" ]; then
  packages=
  for program in $programs; do packages="$packages -p $program"; done
  say "Building$programs ..."
  # shellcheck disable=SC2086 # a list of options
  (cd "$root" && cargo build --release --locked --target-dir "$(target_dir "$root")" $packages)
  from=$(target_dir "$root")/release
  if [ -n "$share" ]; then
    say "Building the man pages ..."
    manual=$("$here/manual.sh")
  fi
fi

mkdir -p "$bin_dir"
for program in $programs; do
  "$from/$program" --version >/dev/null 2>&1 ||
    refuse "$from/$program does not run on this system: it was built for another one, or is damaged"
done
for program in $programs; do
  shim=$(shim_of "$program")
  place 755 "$bin_dir/$program" <"$from/$program"
  # The path first: a shim without it would not find its executable under cron.
  printf '%s\n' "$bin_dir/$program" | place 644 "$shim.path"
  if has_shim "$program"; then place 644 "$shim" <"$(shim_source "$program")"; fi
  { record_without "$bin_dir" "$shim" && printf '%s\t%s\n' "$shim" "$home"; } | place 644 "$(record_in "$bin_dir")"
  if [ -n "$share" ] && [ -d "$manual" ]; then install_documents "$program" "$manual"; fi
  say "installed $(installed_as "$program" "$shim")"
done
if [ -n "$share" ] && [ -d "$manual" ]; then say "installed man pages and completions into $share"; fi
# A job that changes over is in its new schedule before it leaves the old one.
if [ "$schedule" = systemd ]; then apply_units; fi
if [ -n "$cron_plan" ] && [ "$new_table" != "$table" ]; then write_crontab "$new_table"; fi
if [ "$schedule" != systemd ]; then apply_units; fi
printf '%s' "$notes"

# --- What to do next ------------------------------------------------------------------------------------------

acme="acme.sh"
if [ -f "$home/acme.sh" ]; then acme="$home/acme.sh"; fi
say
say "Next (each value is saved once it has worked, so renewals need none of them):"
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
  anypoint-estate) say "  $bin_dir/anypoint-estate check    # everything that can expire or stands open" ;;
  esac
done
case ":$PATH:" in
*":$bin_dir:"*) ;;
*) say "$bin_dir is not on PATH: acme.sh finds the executables anyway; add it for your own use." ;;
esac
