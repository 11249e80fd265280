# The jobs that install.sh has run regularly, as lines of a crontab or as systemd units: install.sh sources this file.
# POSIX sh.
# shellcheck shell=sh
# shellcheck disable=SC2154 # what is not assigned here, install.sh does

# A job is named for its program. It is in one schedule only: --systemd takes its line from the crontab, --cron its units
# from systemd. What the user has edited is never changed: where a change would be needed, nothing is done at all.

verb_of() {
  case $1 in
  cloudhub_v2) say reconcile ;;
  flex-renew | anypoint-estate) say run ;;
  esac
}

# is_wanted SCHEDULE JOB: whether the command line asks for JOB in SCHEDULE.
is_wanted() {
  [ "$schedule" = "$1" ] || return 1
  case $2 in
  anypoint-estate) [ -n "$estate" ] ;;
  flex-renew) [ -n "$flex" ] && ! estate_runs ;;
  *) ! estate_runs ;;
  esac
}

# is_replaced JOB: whether anypoint-estate does the work of JOB from now on.
estate_runs() {
  [ -n "$estate" ] || has_units "$(unit_of anypoint-estate)" ||
    cron_lines "${table:-}" anypoint-estate | grep -qv '^[[:blank:]]*#'
}
is_replaced() { [ -n "$estate" ] && [ "$1" != anypoint-estate ]; }

# Where the executable of job $1 was until now.
old_executable() {
  _executable=$bin_dir/$1
  _path=$(shim_of "$1").path
  if [ -f "$_path" ]; then IFS= read -r _executable <"$_path" || true; fi
  printf '%s\n' "$_executable"
}

# done_or_planned REMOVED REMOVE: "removed ", or in a dry run "would remove ".
done_or_planned() {
  if [ -n "$dry_run" ]; then printf 'would %s ' "$2"; else printf '%s ' "$1"; fi
}

# What is planned, or was done, line by line.
notes=
note() {
  notes="$notes$*
"
}

# --- The crontab ----------------------------------------------------------------------------------------------

crontab=${CRONTAB:-}
if [ -z "$crontab" ]; then
  if have crontab || ! have fcrontab; then crontab='crontab'; else crontab='fcrontab'; fi
fi

# What ends a line of job $1. A percent sign would end the command.
cron_mark() {
  case $1 in
  cloudhub_v2) _mark="# anypoint-acme-hooks $home" ;;
  *) _mark="# anypoint-acme-hooks $1 $home" ;;
  esac
  printf '%s' "$_mark" | sed 's/%/\\%/g'
}

# Puts the crontab into $table, with its last line breaks, or fails with $reason.
read_crontab() {
  if table=$(LC_ALL=C "$crontab" -l 2>/dev/null && printf x); then
    table=${table%x}
    return
  fi
  table=
  reason=$(LC_ALL=C "$crontab" -l 2>&1 >/dev/null) || true
  case $reason in
  *'no crontab'* | *'no fcrontab'* | *'No such file'*) ;;
  *) return 1 ;;
  esac
}

write_crontab() { printf '%s' "$1" | "$crontab" -; }

# cron_lines TABLE JOB: the lines of job JOB, or with a third argument all others.
cron_lines() {
  printf '%s' "$1" | MARK=$(cron_mark "$2") OTHERS=${3:-} awk '
    { at = length($0) - length(ENVIRON["MARK"]) + 1
      ours = at > 0 && substr($0, at) == ENVIRON["MARK"] }
    ours == (ENVIRON["OTHERS"] == "")'
}

shell_quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

# An hour after acme.sh's own job, so that it finds what that one left undone.
cron_time() {
  printf '%s' "$table" | awk '
    / --cron( |$)/ && $1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/ { print $1, ($2 + 1) % 24; found = 1; exit }
    END { if (!found) print "17 4" }'
}

# cron_fields JOB: the five fields of time.
cron_fields() {
  case $1 in
  # Every six hours, which is what anypoint-estate takes for granted.
  anypoint-estate) cron_time | awk '{ h = $2 % 6; print $1, h "," h + 6 "," h + 12 "," h + 18, "* * *" }' ;;
  *) say "$(cron_time) * * *" ;;
  esac
}

# cron_command JOB EXECUTABLE CONFIG-HOME [FLAG]: what follows the five fields of time. Standard error is what cron mails,
# and a night on which all is well, or was made so, is no mail. (Lines of earlier installations have no --quiet.)
cron_command() {
  _command="$(shell_quote "$2") $(verb_of "$1")${4- --quiet} --home $(shell_quote "$home")"
  if [ "$3" != "$home" ]; then _command="$_command --config-home $(shell_quote "$3")"; fi
  # What anypoint-estate finds is to be mailed, too.
  [ "$1" = anypoint-estate ] || _command="$_command >/dev/null"
  printf '%s %s\n' "$(printf '%s' "$_command" | sed 's/%/\\%/g')" "$(cron_mark "$1")"
}

# change_lines update|drop JOB: in $new_table, changes the lines whose command is one that an installation wrote. Their
# time stays.
change_lines() {
  _old=$(old_executable "$2")
  new_table=$(
    printf '%s' "$new_table" | ACTION=$1 OLD1=$(cron_command "$2" "$bin_dir/$2" "$config_home") \
    OLD2=$(cron_command "$2" "$bin_dir/$2" "$home") OLD3=$(cron_command "$2" "$_old" "$config_home") \
    OLD4=$(cron_command "$2" "$_old" "$home") OLD5=$(cron_command "$2" "$bin_dir/$2" "$config_home" '') \
    OLD6=$(cron_command "$2" "$bin_dir/$2" "$home" '') OLD7=$(cron_command "$2" "$_old" "$config_home" '') \
    OLD8=$(cron_command "$2" "$_old" "$home" '') awk '
      BEGIN { for (i = 1; i <= 8; i++) old[i] = " " ENVIRON["OLD" i] }
      !/^[ \t]*#/ {
        for (i = 1; i <= 8; i++) {
          at = length($0) - length(old[i]) + 1
          if (at > 1 && substr($0, at) == old[i]) {
            if (ENVIRON["ACTION"] == "drop") next
            $0 = substr($0, 1, at) ENVIRON["OLD1"]
            break
          }
        }
      }
      { print }'
    printf x
  )
  new_table=${new_table%x}
}

plan_line() {
  change_lines update "$1"
  _now=$(cron_command "$1" "$bin_dir/$1" "$config_home")
  _lines=$(cron_lines "$new_table" "$1")
  if [ -z "$_lines" ] && is_wanted cron "$1"; then
    _lines="$(cron_fields "$1") $_now"
    new_table="$new_table$_lines
"
  fi
  while read -r _line; do
    case $_line in
    '') ;;
    '#'*) note "crontab: left this line commented out: $_line" ;;
    *" $_now")
      case "
$table" in
      *"
$_line
"*) ;;
      *) note "crontab: ${dry_run:+would write }$_line" ;;
      esac
      ;;
    *) note "crontab: kept this line, which differs from what would be written now: $_line" ;;
    esac
  done <<LINES
$_lines
LINES
}

leaving_cron=
plan_without_line() {
  _before=$(cron_lines "$new_table" "$1" | grep -v '^[[:blank:]]*#') || true
  change_lines drop "$1"
  _left=$(cron_lines "$new_table" "$1" | grep -v '^[[:blank:]]*#') || true
  [ -z "$_left" ] ||
    refuse "$moves: the crontab runs $1 already, with a line that you have edited. Delete it there, or keep it and leave out $moves: $_left"
  if [ -n "$_before" ]; then
    leaving_cron="$leaving_cron $1"
    note "crontab: $(done_or_planned removed remove)$_before"
  fi
}

# Puts what the crontab should become into $new_table.
plan_crontab() {
  new_table=$table
  for job in $jobs; do
    moves=--systemd
    if is_replaced "$job"; then moves=--estate; fi
    if is_wanted systemd "$job" || is_replaced "$job"; then plan_without_line "$job"; else plan_line "$job"; fi
  done
}

# remove_lines JOB: on uninstalling, edited ones as well.
remove_lines() {
  have "$crontab" || return 0
  _what="the crontab line of $1 $(verb_of "$1")"
  if ! read_crontab; then
    warn "reading the crontab failed, so $_what may be left in it: $reason"
  elif [ -n "$(cron_lines "$table" "$1")" ]; then
    if [ -n "$dry_run" ]; then
      say "would remove $_what"
    else
      _others=$(cron_lines "$table" "$1" others && printf x)
      write_crontab "${_others%x}"
      say "removed $_what"
    fi
  fi
}

# --- systemd ----------------------------------------------------------------------------------------------------

systemctl=${SYSTEMCTL:-systemctl}
if [ "$(id -u)" = 0 ]; then
  units=${SYSTEMD_UNITS:-/etc/systemd/system}
  manager() { "$systemctl" "$@"; }
else
  units=${SYSTEMD_UNITS:-${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user}
  manager() { "$systemctl" --user "$@"; }
fi
unit_mark='# Written by install.sh of anypoint-acme-hooks, which leaves it alone once it is edited. Checksum: '

# The name of job $1's units, without extension. Each home has its own; it is escaped as by systemd-escape --path.
unit_of() {
  printf '%s-%s@' "$1" "$(verb_of "$1")"
  printf '%s\n' "${home#/}" | LC_ALL=C awk '
    BEGIN { for (n = 1; n < 256; n++) hex[sprintf("%c", n)] = sprintf("%02x", n) }
    { for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        if (c == "/") name = name "-"
        else if (c ~ /[A-Za-z0-9:_.]/ && !(i == 1 && c == ".")) name = name c
        else name = name "\\x" hex[c] } }
    END { print name }'
}

# A text in a unit file, and one in quotes there.
unit_escape() { printf '%s' "$1" | sed 's/%/%%/g'; }
unit_quote() { printf '"%s"' "$(unit_escape "$1" | sed 's/[\\"]/\\&/g')"; }
# Variables are put into arguments, but not into the path of the program.
unit_argument() { unit_quote "$1" | sed 's/\$/$$/g'; }

description_of() {
  case $1 in
  cloudhub_v2) _does="Deploys certificates that differ from those of acme.sh to CloudHub 2.0" ;;
  flex-renew) _does="Renews registrations of Flex Gateways that are due" ;;
  anypoint-estate) _does="Keeps certificates, registrations and API policies current, and tells what has changed" ;;
  esac
  printf 'Description=%s (%s %s, %s)\n' "$_does" "$1" "$(verb_of "$1")" "$(unit_escape "$home")"
}

service_text() {
  say "[Unit]"
  description_of "$1"
  # A user's manager does not know of the network.
  if [ "$(id -u)" = 0 ]; then printf '%s\n' Wants=network-online.target After=network-online.target; fi
  printf '\n%s\n%s\n' "[Service]" "Type=oneshot"
  # Named, although it is the default: only then is HOME set, where the configuration file may be.
  if [ "$(id -u)" = 0 ]; then say "User=root"; fi
  printf 'ExecStart=%s %s --home %s' "$(unit_quote "$bin_dir/$1")" "$(verb_of "$1")" "$(unit_argument "$home")"
  if [ "$config_home" != "$home" ]; then printf ' --config-home %s' "$(unit_argument "$config_home")"; fi
  printf '\n'
  # It tells its programs to stop by itself, and gives them ten minutes (estate.grace).
  if [ "$1" = anypoint-estate ]; then printf '%s\n' KillMode=mixed TimeoutStopSec=15m; fi
}

timer_text() {
  case $1 in
  cloudhub_v2 | anypoint-estate) _when='*-*-* 00/6:17:00' _delay=30m ;;
  flex-renew) _when='*-*-* 04:17:00' _delay=1h ;;
  esac
  say "[Unit]"
  description_of "$1"
  printf '%s\n' '' "[Timer]" "OnCalendar=$_when" "RandomizedDelaySec=$_delay" "Persistent=true" '' "[Install]" "WantedBy=timers.target"
}

checksum() { cksum | awk '{ print $1, $2 }'; }

# unit_text service|timer JOB: the whole file.
unit_text() {
  _text=$("$1_text" "$2")
  printf '%s%s\n%s\n' "$unit_mark" "$(printf '%s\n' "$_text" | checksum)" "$_text"
}

# What is at the path of a unit file: absent, ours, edited or foreign.
state_of() {
  if [ ! -e "$1" ] && [ ! -L "$1" ]; then
    say absent
  elif [ ! -f "$1" ] || ! sed 1q "$1" | grep -q "^$unit_mark"; then
    say foreign
  elif [ "$(sed -n "1s/^$unit_mark//p" "$1")" = "$(sed 1d "$1" | checksum)" ]; then
    say ours
  else
    say edited
  fi
}

has_units() { [ "$(state_of "$units/$1.service")$(state_of "$units/$1.timer")" != absentabsent ]; }

# Whether systemd answers, else $reason.
has_systemd() {
  if ! have "$systemctl"; then
    reason="there is no $systemctl here; --cron needs none"
    return 1
  fi
  reason=$(manager show-environment 2>&1 >/dev/null)
}

units_to_write=
timers_to_enable=
timers_to_restart=
units_to_remove=

# plan_unit service|timer JOB
plan_unit() {
  _file=$units/$(unit_of "$2").$1
  _is=$(state_of "$_file")
  case $_is in
  absent) is_wanted systemd "$2" || return 0 ;;
  ours) [ "$(unit_text "$1" "$2")" != "$(cat "$_file")" ] || return 0 ;;
  *)
    note "systemd: kept $_file: it was edited, or not written by this script"
    return
    ;;
  esac
  units_to_write="$units_to_write $1:$2"
  note "systemd: $(done_or_planned wrote write)$_file"
  case $1:$_is in
  timer:absent)
    timers_to_enable="$timers_to_enable $2"
    note "systemd: $(done_or_planned enabled enable)$(unit_of "$2").timer"
    ;;
  timer:ours) timers_to_restart="$timers_to_restart $2" ;;
  esac
}

plan_without_units() {
  for _kind in service timer; do
    case $(state_of "$units/$1.$_kind") in
    absent | ours) ;;
    *) refuse "$moves: $units/$1.$_kind exists, and was edited or not written by this script. Remove it, or leave out $moves." ;;
    esac
  done
  units_to_remove="$units_to_remove $1"
  note "systemd: $(done_or_planned removed remove)$units/$1.timer and $1.service"
}

plan_units() {
  for job in $jobs; do
    _unit=$(unit_of "$job")
    if is_wanted systemd "$job"; then
      has_systemd || refuse "--systemd: $reason"
      if [ "$(state_of "$units/$_unit.timer")" != absent ] && ! manager is-enabled --quiet "$_unit.timer" 2>/dev/null; then
        case "$leaving_cron " in
        *" $job "*) refuse "--systemd: $_unit.timer is disabled, and $job is in the crontab. Enable the timer first." ;;
        esac
        note "systemd: left this timer disabled: $_unit.timer"
      fi
    elif ! has_units "$_unit"; then
      continue
    elif ! has_systemd; then
      warn "the units $units/$_unit.* stay as they are: $reason"
      continue
    fi
    moves=--cron
    if is_replaced "$job"; then moves=--estate; fi
    if is_wanted cron "$job" || is_replaced "$job"; then
      plan_without_units "$_unit"
    else
      case $bin_dir in
      *[\"\'\\]*) refuse "systemd runs no program with a quote or a backslash in its path: name another folder than $bin_dir with --bin-dir" ;;
      esac
      plan_unit service "$job"
      plan_unit timer "$job"
    fi
  done
}

# A timer is taken out even where no systemd runs, as in a container image.
disable_timer() {
  manager disable --now "$1" >/dev/null 2>&1 || manager disable "$1" >/dev/null 2>&1 || true
  rm -f -- "$units/timers.target.wants/$1"
}

# Also forgets when it ran last, which outlives the unit otherwise.
delete_units() {
  disable_timer "$1.timer"
  manager clean --what=state "$1.timer" >/dev/null 2>&1 || true
  rm -f -- "$units/$1.timer" "$units/$1.service"
}

apply_units() {
  for _each in $units_to_write; do
    mkdir -p "$units"
    unit_text "${_each%%:*}" "${_each#*:}" | place 644 "$units/$(unit_of "${_each#*:}").${_each%%:*}"
  done
  if [ -n "$units_to_write" ]; then manager daemon-reload; fi
  for job in $timers_to_restart; do manager try-restart "$(unit_of "$job").timer"; done
  for job in $timers_to_enable; do
    _unit=$(unit_of "$job")
    if ! manager enable --quiet --now "$_unit.timer"; then
      # Left behind, it would be taken for one that the user has disabled.
      delete_units "$_unit"
      die "systemd did not enable $_unit.timer: see above"
    fi
  done
  # What takes over is there before the others go.
  for _unit in $units_to_remove; do delete_units "$_unit"; done
  if [ -n "$units_to_remove" ]; then manager daemon-reload; fi
  if [ -n "$timers_to_enable" ] && [ "$(id -u)" != 0 ] && [ ! -e "/var/lib/systemd/linger/$(id -un)" ]; then
    note "systemd: timers of a user run only while that user is logged in, unless: loginctl enable-linger $(id -un)"
  fi
}

# remove_units JOB: on uninstalling. Edited files stay, but run nothing any more.
remove_units() {
  _unit=$(unit_of "$1")
  has_units "$_unit" || return 0
  case $(state_of "$units/$_unit.service")$(state_of "$units/$_unit.timer") in
  *foreign*)
    say "kept $units/$_unit.*: not written by this script"
    ;;
  *edited*)
    if [ -z "$dry_run" ]; then disable_timer "$_unit.timer"; fi
    say "$(done_or_planned disabled disable)$_unit.timer; kept $units/$_unit.*, which were edited"
    ;;
  *)
    if [ -z "$dry_run" ]; then
      delete_units "$_unit"
      manager daemon-reload >/dev/null 2>&1 || true
    fi
    say "$(done_or_planned removed remove)$units/$_unit.timer and $_unit.service"
    ;;
  esac
}
