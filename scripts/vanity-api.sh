#!/bin/sh
# From a bare domain to an API that is served under it with a valid certificate and closed to strangers: see --help.
# It chains acme.sh and the programs of this project, one call a step, and is meant to be read, copied and changed.
set -euf # no file names in place of *.acme.example

usage() {
  cat <<'TEXT'
Takes an application on CloudHub 2.0 to https://HOST: issues a certificate, deploys it, leads DNS there, exposes the
application, connects it to an API, closes that with a password, and proves each of these. Run again, it goes on where it
stopped, and changes nothing that is right.

  scripts/vanity-api.sh --domain '*.acme.example' [--domain NAME...] --host orders.acme.example --space prod --app orders \
    --api 'Orders API' --environment Production --username svc --password-out orders.password [OPTION...] [-- ACME...]

  --domain NAME               a name of the certificate, the main one first; can be repeated
  --host HOST                 where the API is to be; one of the names has to cover it
  --space NAME                the private space that the application runs in
  --app NAME                  the application
  --api NAME                  the API in API Manager; created if it is not there
  --environment NAME          the environment of both
  --username NAME             the one user who gets in
  --password-out FILE         where that user's generated password goes
  --url URL                   what to ask for in the last proof (default: https://HOST/)
  --verify-connect HOST:PORT  where the ingress is reached while DNS does not lead there
  --timeout TIME              how long a step waits for what takes effect late, for example 10m
  --yes                       no protected property of the application would get lost: do not ask
  --dry-run                   print the commands and run none
  ACME...                     more options for acme.sh --issue, for example --server letsencrypt

Settings, such as credentials, come from the programs' variables (CF_Token, ANYPOINT_CLIENT_ID, ANYPOINT_CLIENT_SECRET,
ORGANIZATION_ID, ...), from what acme.sh has saved, and from the configuration file. acme.sh is taken from $ACME_SH, PATH or
its home (LE_WORKING_DIR, ~/.acme.sh).

The exit code is that of the step that failed, as the programs' --help explains it. acme.sh ends with 1 whatever a hook
said; the message then repeats the hook's reason.
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
refuse() {
  warn "$*"
  exit 2
}

# --- What is asked for --------------------------------------------------------------------------------------------

domains='' host='' space='' app='' api='' environment='' username='' password_out='' url='' connect='' timeout=''
yes='' dry_run=''
target='' api_id='' # what the platforms say
while [ $# -gt 0 ]; do
  case $1 in
  --domain | --host | --space | --app | --api | --environment | --username | --password-out | --url | --verify-connect | --timeout)
    [ -n "${2:-}" ] || refuse "$1 needs a value: see $0 --help"
    ;;
  esac
  case $1 in
  --domain) domains="$domains $2" && shift ;;
  --host) host=$2 && shift ;;
  --space) space=$2 && shift ;;
  --app) app=$2 && shift ;;
  --api) api=$2 && shift ;;
  --environment) environment=$2 && shift ;;
  --username) username=$2 && shift ;;
  --password-out) password_out=$2 && shift ;;
  --url) url=$2 && shift ;;
  --verify-connect) connect=$2 && shift ;;
  --timeout) timeout=$2 && shift ;;
  --yes) yes=yes ;;
  --dry-run) dry_run=yes ;;
  -h | --help) usage && exit 0 ;;
  --) shift && break ;;
  *) refuse "unknown option '$1': see $0 --help" ;;
  esac
  shift
done
# What is left in "$@" is for acme.sh.

for option in domain:"$domains" host:"$host" space:"$space" app:"$app" api:"$api" environment:"$environment" \
  username:"$username" password-out:"$password_out"; do
  [ -n "${option#*:}" ] || refuse "--${option%%:*} is missing: see $0 --help"
done

covered=
for domain in $domains; do
  case $domain in
  "$host" | "*.${host#*.}") covered=yes ;;
  esac
done
[ -n "$covered" ] || refuse "the certificate would not cover $host: its names are$domains. Add --domain '$host'"

url=${url:-https://$host/}
case $url in
https://?*) ;;
*) refuse "--url '$url' is not an address such as https://$host/orders" ;;
esac
case $connect in
'' | ?*:*[0-9]) ;;
*) refuse "--verify-connect '$connect' is not HOST:PORT" ;;
esac

domain=${domains# } domain=${domain%% *} # the main one, by which acme.sh knows the certificate

# The same home for acme.sh and the programs, which find what it has saved there; the same private space for both.
LE_WORKING_DIR=${LE_WORKING_DIR:-$HOME/.acme.sh}
CH2_PRIVATE_SPACE_ID=$space
export LE_WORKING_DIR CH2_PRIVATE_SPACE_ID

acme_sh=${ACME_SH:-$(command -v acme.sh || say "$LE_WORKING_DIR/acme.sh")}

# --- Running a step -------------------------------------------------------------------------------------------------

number=0
errors=

# stop CODE: ends the road at the step that failed.
stop() {
  [ -z "$errors" ] || say "$errors" >&2
  if [ "$number" = 0 ]; then
    warn "nothing was changed: see above"
  else
    warn "step $number of 10 failed with exit code $1: see above. Run this again when that is put right: it goes on from here"
  fi
  exit "$1"
}

# step WHAT COMMAND...: says what is done, does it, and says how long that took.
step() {
  number=$((number + 1))
  if [ -n "$dry_run" ]; then
    say "# $number/10 $1"
    shift
    "$@"
    return
  fi
  say "== $number/10 $1"
  shift
  _started=$(date +%s)
  "$@"
  say "== $number/10 done in $(($(date +%s) - _started)) s"
}

# The command line, as a shell takes it.
quoted() {
  _line=
  for _word in "$@"; do
    case $_word in
    \$*) _word="\"$_word\"" ;; # a variable that an earlier line sets
    '' | *[!A-Za-z0-9_@%+=:,./-]*) _word="'$(printf '%s' "$_word" | sed "s/'/'\\\\''/g")'" ;;
    esac
    _line="$_line $_word"
  done
  printf '%s' "${_line# }"
}

# run COMMAND...: its exit code ends the road unless it is 0.
run() {
  if [ -n "$dry_run" ]; then
    say "$(quoted "$@")"
  else
    "$@" || stop $?
  fi
}

# run_into VARIABLE COMMAND...: the same, for what it prints.
run_into() {
  _variable=$1
  shift
  if [ -n "$dry_run" ]; then
    say "$_variable=\$($(quoted "$@"))"
    _output=\$$_variable
  else
    _output=$("$@") || stop $?
    say "$_output"
  fi
  eval "$_variable=\$_output"
}

# run_acme OPTION...: acme.sh, whose errors, a hook's reason among them, are shown last. It ends with 2 where it has nothing
# to do.
run_acme() {
  if [ -n "$dry_run" ]; then
    run "$acme_sh" "$@"
    return
  fi
  call_acme "$@"
  case $errors in
  # A run that was killed has left the key, and no certificate that could be in use with it.
  *'Domain key exists'*) has_certificate || call_acme "$@" --force ;;
  esac
  case $code in
  0 | 2) [ -z "$errors" ] || say "$errors" >&2 ;;
  *) stop "$code" ;;
  esac
  errors=
}

call_acme() {
  code=0
  { errors=$("$acme_sh" "$@" 2>&1 >&3) || code=$?; } 3>&1
}

has_certificate() {
  case $("$acme_sh" --info -d "$domain" 2>/dev/null) in
  *Le_CertCreateTime=*) return 0 ;;
  *) return 1 ;;
  esac
}

# check CODE COMMAND...: a look that changes nothing, shown where it fails. It may end with CODE as well, which says that
# something is missing yet.
check() {
  _missing=$1
  shift
  code=0
  errors=$("$@" 2>&1) || code=$?
  [ "$code" = 0 ] || [ "$code" = "$_missing" ] || stop "$code"
  errors=
}

# --- Before anything is changed -------------------------------------------------------------------------------------

look() {
  [ -f "$acme_sh" ] || refuse "there is no acme.sh at $acme_sh: name it with ACME_SH"
  for program in dns_cf cloudhub_v2 basic-auth-policy; do
    command -v "$program" >/dev/null || refuse "$program is not on PATH: run scripts/install.sh, or add the folder that it names"
  done
  [ -f "$LE_WORKING_DIR/deploy/cloudhub_v2" ] || [ -f "$(dirname "$acme_sh")/deploy/cloudhub_v2" ] ||
    refuse "acme.sh does not have the deploy hook cloudhub_v2: run scripts/install.sh"

  say "== Looking whether everything is there that has to be"
  check 0 dns_cf check "$host"
  # 10: it is not exposed there yet.
  check 10 cloudhub_v2 expose --app "$app" --host "$host" --environment "$environment" --private-space "$space" \
    --dry-run --before-deploy ${timeout:+--redeploy-timeout "$timeout"}
  known=$(basic-auth-policy create-api "$api" --environment "$environment" --dry-run --quiet) || stop $?
  # 4: there is no such API yet.
  check 4 basic-auth-policy apply --api "${known:-$api}" --environment "$environment" --username "$username" \
    --generate-password --password-out "$password_out" --dry-run
}

# --- The road -------------------------------------------------------------------------------------------------------

point_to_the_space() {
  run_into target cloudhub_v2 dns "$host" --dns-target
  run dns_cf cname set "$host" "$target"
}

wait_for_dns() {
  if [ -z "$connect" ]; then
    run cloudhub_v2 dns "$host" --wait ${timeout:+--timeout "$timeout"}
  elif [ -n "$dry_run" ]; then
    run cloudhub_v2 dns "$host" --check
  else
    cloudhub_v2 dns "$host" --check || say "DNS does not lead there yet: the proofs go to $connect"
  fi
}

if [ -n "$dry_run" ]; then
  say "export LE_WORKING_DIR=$(quoted "$LE_WORKING_DIR") CH2_PRIVATE_SPACE_ID=$(quoted "$space")"
else
  look
fi

for name in $domains; do set -- "$@" -d "$name"; done
step "Issue a certificate for$domains" run_acme --issue --dns dns_cf "$@"

step "Deploy it to the private space $space" run_acme --deploy -d "$domain" --deploy-hook cloudhub_v2

step "Point $host to the private space" point_to_the_space

step "Wait until DNS leads there" wait_for_dns

step "Prove that the certificate is served for $host" \
  run cloudhub_v2 verify "$domain" --server-name "$host" ${connect:+--connect "$connect"} ${timeout:+--timeout "$timeout"}

step "Expose the application $app at https://$host" \
  run cloudhub_v2 expose --app "$app" --host "$host" --environment "$environment" --private-space "$space" \
  ${timeout:+--redeploy-timeout "$timeout"}

step "Create the API '$api', or find it" \
  run_into api_id basic-auth-policy create-api "$api" --environment "$environment"

step "Connect the application to it" \
  run basic-auth-policy autodiscover --app "$app" --api "$api_id" --environment "$environment" \
  ${yes:+--yes} ${timeout:+--timeout "$timeout"}

step "Close it for everybody but $username" \
  run basic-auth-policy apply --api "$api_id" --environment "$environment" --username "$username" \
  --generate-password --password-out "$password_out"

step "Prove that it is closed: 401 without the password, success with it" \
  run basic-auth-policy verify --url "$url" --api "$api_id" --environment "$environment" --username "$username" \
  --password-file "$password_out" ${connect:+--connect "$connect"} ${timeout:+--timeout "$timeout"}

[ -n "$dry_run" ] || say "== $url is served with a valid certificate, and closed. The password of $username is in $password_out"
