#!/bin/sh
# Measures the executables against the simulator, next to what they replace: see --help.
set -eu

here=$(CDPATH='' cd -P -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname "$here")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

usage() {
  cat <<'TEXT'
Measures the programs against the simulator, at round-trip times of 0 and 50 ms: requests, TLS connections, wall time, CPU
time and peak memory. The figures are medians.

- one dns_cf add and one dns_cf rm, next to acme.sh's own dnsapi/dns_cf.sh
- one cloudhub_v2 deploy, next to the shell hook cloudhub_v2.sh, and deploys into 50 private spaces at 100 ms

  scripts/bench.sh [--runs N] [dns_cf|cloudhub_v2]

  --runs N   how many times each is measured (default: 15)

"hook" is what a run of acme.sh pays: the hook's function, called in an acme.sh that has already started. Starting acme.sh
itself is measured separately and subtracted. "executable" is the program called directly.

Environment:
  ACME_SH          an acme.sh to compare with (default: on PATH, ~/.acme.sh, or fetched with git)
  CLOUDHUB_V2_SH   the shell hook cloudhub_v2.sh to compare with
TEXT
}

runs=15
programs=
while [ $# -gt 0 ]; do
  case $1 in
  --runs)
    runs=${2:-}
    case $runs in
    '' | *[!0-9]* | 0*) refuse "--runs needs a number" ;;
    esac
    shift
    ;;
  dns_cf | cloudhub_v2) programs="$programs $1" ;;
  -h | --help) usage && exit 0 ;;
  *) refuse "unknown option '$1': see $0 --help" ;;
  esac
  shift
done
programs=${programs:-dns_cf cloudhub_v2}

tools='cargo curl python3'
case $programs in
*cloudhub_v2*) tools="$tools openssl" ;;
esac
for tool in $tools; do
  have "$tool" || die "the benchmark needs $tool: install it"
done
# The shell's own, and that of BSD, do not tell how much memory was used.
env time -f %M true >/dev/null 2>&1 || die "the benchmark needs GNU time: install it (package time)"
if [ -n "${CLOUDHUB_V2_SH:-}" ]; then
  [ -f "$CLOUDHUB_V2_SH" ] || refuse "CLOUDHUB_V2_SH: there is no file at $CLOUDHUB_V2_SH"
  CLOUDHUB_V2_SH=$(real_path "$CLOUDHUB_V2_SH")
fi

work=$(mktemp -d)
simulator=
finish() {
  if [ -n "$simulator" ]; then kill "$simulator" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

built=$(target_dir "$root")
cd "$root"
say "Building for release, and the simulator"
for program in $programs; do
  cargo build --quiet --locked --target-dir "$built" --release --package "$program"
done
cargo build --quiet --locked --target-dir "$built" --package simulator --bins
ACME_SH=$(find_acme_sh "$built/acme.sh")
[ -n "$ACME_SH" ] || die "there is no acme.sh to compare with: set ACME_SH to its path"

mkfifo "$work/ready"
"$built/debug/anypoint-sim" --dir "$work/world" >"$work/ready" &
simulator=$!
exec 3<"$work/ready"
while IFS= read -r line <&3; do [ "$line" != ready ] || break; done
[ -f "$work/world/sim.env" ] || die "the simulator did not start"
value() { sed -n "s/^$1=//p" "$work/world/sim.env"; }

# An acme.sh home with nothing of this machine in it. A first argument without a hyphen is a command for acme.sh to run.
home=$work/acme
mkdir -p "$home/dnsapi" "$work/user"
cp "$ACME_SH" "$home/acme.sh"
cp "$(dirname "$ACME_SH")/dnsapi/dns_cf.sh" "$home/dnsapi/dns_cf.sh"
cp "$here/dnsapi/dns_cf" "$home/dnsapi/dns_cf"
printf '%s\n' "$built/release/dns_cf" >"$home/dnsapi/dns_cf.path"

name=_acme-challenge.www.acme.example
begin="_initpath; DOMAIN_CONF=$home/domain.conf"
stock="$begin; . $home/dnsapi/dns_cf.sh; CF_Api=\$API"
shim="$begin; . $home/dnsapi/dns_cf"

cat >"$work/measure.py" <<'PYTHON'
"""Runs a command some times and prints medians: wall ms, CPU ms, peak KiB, requests, TLS connections."""
import json, os, statistics, subprocess, sys, time

# A process counts the memory of the one that it was split from as its own, until it runs another program. A small
# program in between keeps this one's out of it.
PEAK = "exec env time -f %M "

runs, prepare, command, sim, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]

def admin(method, path):
    done = subprocess.run(["curl", "-sS", "--cacert", ca, "-X", method, sim + path], capture_output=True, check=True)
    return json.loads(done.stdout or b"null")

def run(line):
    with open(os.devnull, "w") as null:
        child = subprocess.Popen(["sh", "-c", line], stdout=null, stderr=subprocess.PIPE)
        error = child.stderr.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{line}: {error}")
    return usage, error

rows = []
for _ in range(runs):
    if prepare:
        run(prepare)
    admin("DELETE", "/_sim/requests")
    start = time.monotonic()
    usage, _ = run("exec " + command)
    wall = time.monotonic() - start
    stats = admin("GET", "/_sim/stats")
    # Asking for the totals takes a connection of its own.
    if prepare:
        run(prepare)
    peak = int(run(PEAK + command)[1].split()[-1])
    rows.append((wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000, peak, stats["requests"],
                 stats["tls_connections"] - 1))
print(*(f"{statistics.median(column):.1f}" for column in zip(*rows)))
PYTHON

# hook CODE: acme.sh running a piece of shell. Without options, its first argument is the command.
hook() {
  printf "env -i LE_WORKING_DIR='%s' HOME='%s' PATH='%s' CA_BUNDLE='%s' API='%s' CF_Api='%s' CF_Token='%s' sh '%s/acme.sh' eval '%s'" \
    "$home" "$work/user" "$PATH" "$(value CA_BUNDLE)" "$(value CF_Api)" "$(value CF_Api)" "$(value CF_Token)" "$home" "$1"
}
program() {
  printf "env -i HOME='%s' PATH='%s' CA_BUNDLE='%s' CF_Api='%s' CF_Token='%s' '%s' %s" \
    "$work/user" "$PATH" "$(value CA_BUNDLE)" "$(value CF_Api)" "$(value CF_Token)" "$built/release/dns_cf" "$1"
}
measure() { python3 "$work/measure.py" "$runs" "$1" "$2" "$(value SIM_URL)" "$(value CA_BUNDLE)"; }

# row LABEL OFF FIGURES: FIGURES less those of starting acme.sh, where that is part of them.
row() {
  printf '%s\n' "$3" | awk -v label="$1" -v off="$2" '{ split(off, o, " ")
    printf "%-24s %9.0f %9.0f %10.1f %10.1f %10.1f\n", label, $4, $5, $1 - o[1], $2 - o[2], $3 / 1024 }'
}

admin() { curl -sS --fail --cacert "$(value CA_BUNDLE)" -o "$work/answer" -d "$2" "$(value SIM_URL)/_sim/$1"; }
set_latency() { admin latency "{\"request_ms\": $1, \"connect_ms\": $((2 * $1))}"; }
heading() { printf '\n%s\n%-24s %9s %9s %10s %10s %10s\n' "$*" '' requests TLS 'wall ms' 'CPU ms' 'peak MiB'; }

bench_dns_cf() {
  for latency in 0 50; do
    set_latency $latency
    heading "dns_cf, round trip $latency ms"
    nothing=$(measure '' "$(hook "$begin")")
    for action in add rm; do
      # Each finds the world as its opposite leaves it. The stock hook finds only records that it has made itself.
      if [ "$action" = add ]; then
        prepare=$(program "rm $name value")
        stock_prepare=$prepare
      else
        prepare=$(program "add $name value")
        stock_prepare=$(hook "$stock; dns_cf_add $name value")
      fi
      row "stock hook $action" "$nothing" "$(measure "$stock_prepare" "$(hook "$stock; dns_cf_$action $name value")")"
      row "hook $action" "$nothing" "$(measure "$prepare" "$(hook "$shim; dns_cf_$action $name value")")"
      row "executable $action" "0 0" "$(measure "$prepare" "$(program "$action $name value")")"
    done
  done
  printf '\nStarting acme.sh, subtracted above (wall ms, CPU ms, peak KiB): %s\n' "${nothing% * *}"
  say "Size of the executable: $(wc -c <"$built/release/dns_cf") bytes"
}

# cloudhub PROGRAM-ARGUMENTS: the executable with the settings of the simulator.
cloudhub() {
  printf "env -i HOME='%s' PATH='%s' CA_BUNDLE='%s' ANYPOINT_URL='%s' CH2_CLIENT_ID='%s' CH2_CLIENT_SECRET='%s' ORGANIZATION_ID='%s' CH2_PRIVATE_SPACE_ID='%s' %s" \
    "$work/user" "$PATH" "$(value CA_BUNDLE)" "$(value ANYPOINT_URL)" "$(value ANYPOINT_CLIENT_ID)" \
    "$(value ANYPOINT_CLIENT_SECRET)" "$(value ORGANIZATION_ID)" "${spaces:-$(value CH2_PRIVATE_SPACE_ID)}" "$1"
}

# certificate NAME DAYS: a new one for *.acme.example, as acme.sh keeps it.
certificate() {
  mkdir -p "$work/$1"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$2" -subj '/CN=*.acme.example' \
    -addext 'subjectAltName=DNS:*.acme.example' -keyout "$work/$1/key" -out "$work/$1/cer" 2>/dev/null
}
# The backslash keeps the shell from taking the star for a pattern.
files() { printf '\\*.acme.example %s/key %s/cer %s/cer %s/cer' "$work/$1" "$work/$1" "$work/$1" "$work/$1"; }

bench_cloudhub_v2() {
  certificate first 89
  certificate second 90
  spaces=
  exe="$built/release/cloudhub_v2 deploy"
  mkdir -p "$home/deploy"
  cp "$here/deploy/cloudhub_v2" "$home/deploy/cloudhub_v2"
  printf '%s\n' "$built/release/cloudhub_v2" >"$home/deploy/cloudhub_v2.path"
  acme="LE_WORKING_DIR='$home' sh '$home/acme.sh' eval"
  first=$(cloudhub "$exe $(files first)")
  # The platform's limit would be measured otherwise.
  admin seed '{"anypoint": {"switches": {"requests_per_second": null}}}'
  for latency in 0 50; do
    set_latency $latency
    heading "cloudhub_v2 deploy of a renewed certificate, round trip $latency ms"
    nothing=$(measure '' "$(cloudhub "$acme '$begin'")")
    if [ -n "${CLOUDHUB_V2_SH:-}" ]; then
      code="$begin; . $CLOUDHUB_V2_SH; cloudhub_v2_deploy $(files second)"
      row "shell hook" "$nothing" "$(measure "$first" "$(cloudhub "$acme '$code'")")"
    fi
    code="$begin; . $home/deploy/cloudhub_v2; cloudhub_v2_deploy $(files second)"
    row "hook" "$nothing" "$(measure "$first" "$(cloudhub "$acme '$code'")")"
    row "executable" "0 0" "$(measure "$first" "$(cloudhub "$exe $(files second)")")"
    row "executable, once more" "0 0" "$(measure "$(cloudhub "$exe $(files second)")" "$(cloudhub "$exe $(files second)")")"
  done
  [ -n "${CLOUDHUB_V2_SH:-}" ] || say "NOT COMPARED with the shell hook: set CLOUDHUB_V2_SH to a cloudhub_v2.sh"

  seed='' spaces=''
  for number in $(seq 1 50); do
    id=$(printf '05000000-0000-4000-8000-%012d' $((1000 + number)))
    seed="$seed${seed:+,}{\"id\": \"$id\", \"name\": \"space-$number\"}"
    spaces="$spaces${spaces:+,}$id"
  done
  admin seed "{\"anypoint\": {\"spaces\": [$seed]}}"
  runs=3
  set_latency 100
  heading "cloudhub_v2 deploy into 50 private spaces, round trip 100 ms"
  first=$(cloudhub "$exe $(files first) --rate 0 --workers 50")
  second=$(cloudhub "$exe $(files second)")
  row "8 at a time" "0 0" "$(measure "$first" "$second --rate 0")"
  row "16 at a time" "0 0" "$(measure "$first" "$second --rate 0 --workers 16")"
  row "once more" "0 0" "$(measure '' "$second --rate 0")"
  admin seed '{"anypoint": {"switches": {"requests_per_second": 15}}}'
  row "paced" "0 0" "$(measure "$(cloudhub "$exe $(files first)")" "$second")"
  say "Size of the executable: $(wc -c <"$built/release/cloudhub_v2") bytes"
}

for program in $programs; do
  "bench_$program"
done
