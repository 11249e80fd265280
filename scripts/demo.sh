#!/bin/sh
# Shows the whole road against simulated platforms, without any account: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Shows on this machine, without any account, how an application gets from a bare domain to an address with a valid
certificate that is closed to strangers, and stays so: scripts/vanity-api.sh has acme.sh issue a certificate from pebble (a
small ACME server), deploys it, leads DNS there, exposes the application and puts a password on its API; a renewal with an
empty environment then replaces the certificate. Cloudflare and the Anypoint Platform are simulated. Nothing outside of a
temporary folder and target/ is touched, except that packages it needs are installed when it runs as root on Debian or Ubuntu.

  scripts/demo.sh [--direct] [--no-install]

  --direct       without acme.sh and pebble: only the certificate, made by openssl, with the executables called directly
  --no-install   install nothing, even as root on Debian or Ubuntu

Environment:
  ACME_SH   an acme.sh to use (default: on PATH, ~/.acme.sh, or fetched with git)
TEXT
}

direct=
install=yes
for option in "$@"; do
  case $option in
  --direct) direct="as requested" ;;
  --no-install) install= ;;
  -h | --help) usage && exit 0 ;;
  *) refuse "unknown option '$option': see $0 --help" ;;
  esac
done

# --- What it needs ----------------------------------------------------------------------------------------------

have cargo || die "cargo is missing: install Rust from https://rustup.rs"
required="$c_compiler openssl:openssl"
# acme.sh calls curl, and so does this; git fetches acme.sh.
optional='pebble:pebble curl:curl git:git'
if [ -n "$direct" ]; then optional=; fi
# shellcheck disable=SC2086 # a list of tools
packages=$(missing_packages $required $optional)
if [ -n "$packages" ] && [ -n "$install" ] && can_install; then
  say "Installing $packages"
  # shellcheck disable=SC2086 # a list of packages
  apt_output=$(install_packages $packages 2>&1)
  # shellcheck disable=SC2086 # a list of tools
  if [ -n "$(missing_commands $required)" ]; then printf '%s\n' "$apt_output" >&2; fi
fi
# shellcheck disable=SC2086 # a list of tools
missing=$(missing_commands $required)
if [ -n "$missing" ]; then
  if has_apt; then how="apt-get install $packages, as root"; else how="install it with the package manager of this system"; fi
  die "missing for the demonstration: $missing. To go on: $how"
fi

work=$(mktemp -d)
simulator=
pebble=
finish() {
  for process in $simulator $pebble; do kill "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# Runs a command, its output indented and without the certificates that acme.sh prints.
show() {
  {
    _code=0
    "$@" 2>&1 || _code=$?
    printf '%s\n' "$_code" >"$work/code"
  } | sed -e '/-----BEGIN/,/-----END/d' -e 's/^/    /'
  [ "$(cat "$work/code")" = 0 ] || die "that failed: see above"
}

# --- The simulated world ----------------------------------------------------------------------------------------

step "Building the executables and the simulator"
target=$(target_dir "$root")
built=$target/debug
cd "$root"
cargo build --quiet --locked --target-dir "$target" --workspace --bins

step "Starting the simulator: Cloudflare with its name servers, and the Anypoint Platform with an application in a private space"
mkdir "$work/world"
mkfifo "$work/ready"
"$built/anypoint-sim" --dir "$work/world" >"$work/ready" &
simulator=$!
exec 3<"$work/ready"
started=
while IFS= read -r line <&3; do
  case $line in
  ready)
    started=yes
    break
    ;;
  [A-Z]*=*)
    printf '%s\n' "$line" >>"$work/variables"
    case $line in SIM_* | CF_Api=* | ANYPOINT_URL=*) say "    $line" ;; esac
    ;;
  esac
done
[ -n "$started" ] || die "the simulator did not start"

# value NAME: what the simulator printed for it.
value() { sed -n "s/^$1=//p" "$work/variables"; }

names='*.acme.example and acme.example'

# What the ingress of the private space serves: the certificate that a browser would see.
served() {
  openssl s_client -connect "$(value SIM_INGRESS)" -servername orders.acme.example </dev/null 2>/dev/null |
    openssl x509 -noout -serial -subject -dates
}

# cloudhub_v2 called directly, with the credentials that the simulator knows.
cloudhub() {
  bare CA_BUNDLE="$(value CA_BUNDLE)" CH2_CLIENT_ID="$(value ANYPOINT_CLIENT_ID)" \
    CH2_CLIENT_SECRET="$(value ANYPOINT_CLIENT_SECRET)" ORGANIZATION_ID="$(value ORGANIZATION_ID)" \
    CH2_PRIVATE_SPACE_ID="$(value CH2_PRIVATE_SPACE_ID)" ANYPOINT_URL="$(value ANYPOINT_URL)" \
    "$built/cloudhub_v2" "$@"
}

show_served() {
  step "The private space's TLS contexts, and what https://orders.acme.example serves $1"
  show cloudhub list
  show served
}

# --- acme.sh and pebble, where they can be had --------------------------------------------------------------------

acme_sh=
if [ -z "$direct" ]; then
  acme_sh=$(find_acme_sh "$root/target/acme.sh")
  if [ -z "$acme_sh" ]; then
    direct="there is no acme.sh here, and fetching it failed: set ACME_SH to its path"
  elif ! have pebble; then
    direct="there is no pebble here: on Debian and Ubuntu, apt-get install pebble"
  elif ! have curl; then
    direct="there is no curl here: install it"
  fi
fi

# Listens on a port that is free: tries some, since pebble wants to be told one.
start_pebble() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=pebble' \
    -addext 'subjectAltName=IP:127.0.0.1' -keyout "$work/pebble.key" -out "$work/pebble.pem" 2>/dev/null
  cat "$(value CA_BUNDLE)" "$work/pebble.pem" >"$work/ca.pem"
  for try in 1 2 3 4 5; do
    port=$((20000 + ($$ + try * 7919) % 20000))
    cat >"$work/pebble.json" <<JSON
{"pebble": {"listenAddress": "127.0.0.1:$port", "managementListenAddress": "127.0.0.1:$((port + 1))", "certificate": "$work/pebble.pem", "privateKey": "$work/pebble.key",
            "httpPort": 5002, "tlsPort": 5001}}
JSON
    PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 PEBBLE_AUTHZREUSE=0 \
      pebble -config "$work/pebble.json" -dnsserver "$(value SIM_DNS)" >"$work/pebble.log" 2>&1 &
    pebble=$!
    while kill -0 "$pebble" 2>/dev/null; do
      # What browsers would have: the root that its certificates lead to.
      if curl --silent --fail --cacert "$work/pebble.pem" "https://127.0.0.1:$((port + 1))/roots/0" >"$work/root.pem" 2>/dev/null; then
        cat "$work/root.pem" >>"$work/ca.pem"
        return
      fi
      sleep 0.1 2>/dev/null || sleep 1
    done
  done
  die "pebble does not start: $(tail -n 1 "$work/pebble.log")"
}

# Nothing of this user's own acme.sh or environment.
bare() { env -i HOME="$work/user" PATH="$PATH" "$@"; }

# Asks for the API as its consumers do: their browser trusts the CA, and DNS leads them to the ingress.
consumer() {
  curl --silent --show-error --cacert "$work/root.pem" --connect-to "orders.acme.example:443:$(value SIM_INGRESS)" \
    --write-out '\n%{http_code}\n' "$@" https://orders.acme.example/
}

# The password goes to curl where no list of processes shows it.
consumer_with_password() {
  printf 'user = "svc:%s"\n' "$(cat "$work/orders.password")" | consumer --config -
}

with_acme_sh() {
  step "Starting pebble, which asks the simulated name servers"
  start_pebble

  step "Installing acme.sh from $acme_sh into a home of its own, and the hooks into that"
  home=$work/acme
  (cd "$(dirname "$acme_sh")" && bare sh ./acme.sh --install --home "$home" --nocron --noprofile) >"$work/install.log" 2>&1 ||
    die "acme.sh --install failed: $(cat "$work/install.log")"
  bare sh "$here/install.sh" --home "$home" --bin-dir "$home/bin" --from "$built" >"$work/hooks.log" ||
    die "installing the hooks failed"
  show grep '^installed' "$work/hooks.log"

  step "scripts/vanity-api.sh: from a bare domain to https://orders.acme.example"
  show bare PATH="$home/bin:$PATH" LE_WORKING_DIR="$home" ACME_SH="$home/acme.sh" CA_BUNDLE="$work/ca.pem" \
    CF_Token="$(value CF_Token)" CF_Api="$(value CF_Api)" ANYPOINT_URL="$(value ANYPOINT_URL)" \
    ANYPOINT_CLIENT_ID="$(value ANYPOINT_CLIENT_ID)" ANYPOINT_CLIENT_SECRET="$(value ANYPOINT_CLIENT_SECRET)" \
    ORGANIZATION_ID="$(value ORGANIZATION_ID)" CH2_VERIFY_RESOLVER="$(value SIM_DNS)" \
    sh "$here/vanity-api.sh" --domain '*.acme.example' --domain acme.example --host orders.acme.example \
    --space prod-space --app orders --api 'Orders API' --environment Production --username svc \
    --password-out "$work/orders.password" --verify-connect "$(value SIM_INGRESS)" --yes \
    -- --server "https://127.0.0.1:$port/dir" --dnssleep 1

  step "curl https://orders.acme.example/ without the password, and with it"
  show consumer
  show consumer_with_password
  [ "$(consumer | tail -n 1) $(consumer_with_password | tail -n 1)" = "401 200" ] || die "the API is not closed as it should be"
  served >"$work/first"

  step "acme.sh --cron --force: a renewal as cron runs it, with nothing in the environment but HOME and PATH"
  bare "$home/acme.sh" --cron --force --home "$home" >"$work/cron.log" 2>&1 || die "the renewal failed: $(cat "$work/cron.log")"
  show grep -e 'TXT record _acme' -e 'Cert success' -e 'TLS context' "$work/cron.log"
}

# --- The same without acme.sh -------------------------------------------------------------------------------------

certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj '/CN=*.acme.example' \
    -addext 'subjectAltName=DNS:*.acme.example,DNS:acme.example' \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
}

deploy_directly() {
  show cloudhub deploy '*.acme.example' "$work/key.pem" "$work/cert.pem" "$work/cert.pem" "$work/cert.pem"
}

dns_directly() {
  show bare CA_BUNDLE="$(value CA_BUNDLE)" CF_Token="$(value CF_Token)" CF_Api="$(value CF_Api)" \
    "$built/dns_cf" "$1" _acme-challenge.acme.example KXrpxRBosdIKFzxW_CT3KLZNf6q0HG9i01zxXp5CPBs
}

without_acme_sh() {
  step "dns_cf adds and removes a challenge as an ACME client would have it do"
  dns_directly add
  dns_directly rm

  step "cloudhub_v2 deploys a certificate for $names, made by openssl"
  certificate
  deploy_directly
  show_served "now"
  served >"$work/first"

  step "cloudhub_v2 deploys the next certificate"
  certificate
  deploy_directly
}

if [ -n "$direct" ]; then
  step "WITHOUT acme.sh and pebble ($direct)"
  without_acme_sh
else
  with_acme_sh
fi

show_served "after that: the new certificate"
served >"$work/second"
if cmp -s "$work/first" "$work/second"; then die "the private space still serves the first certificate"; fi

step "Done. For your own accounts:"
cat <<'TEXT'
    scripts/install.sh                        # executables and shims, into your acme.sh
    export CF_Token=...                       # Cloudflare API token: Zone:Read and DNS:Edit for your zone
    export ANYPOINT_CLIENT_ID=... ANYPOINT_CLIENT_SECRET=... ORGANIZATION_ID=...   # a connected app
    export ANYPOINT_URL=...                   # only for a control plane other than https://anypoint.mulesoft.com
    scripts/vanity-api.sh --domain '*.example.com' --host orders.example.com --space prod --app orders \
      --api 'Orders API' --environment Production --username svc --password-out orders.password
From then on, acme.sh's own cron job renews and deploys: what worked is saved.
TEXT
