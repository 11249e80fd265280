#!/bin/sh
# Runs a plugin as monitoring systems do, and reads it by the guidelines (monitoring-plugins.org): of the first line of
# standard output, what is before the bar is for people, what is after it is performance data.
# Prints the state, the text, and label, value, warning and critical range of each datum; ends with 4 if anything is amiss.
amiss() {
  printf 'amiss: %s\n' "$*"
  exit 4
}

output=$("$@" 2>/dev/null)
code=$?
case $code in
0) state=OK ;;
1) state=WARNING ;;
2) state=CRITICAL ;;
3) state=UNKNOWN ;;
*) amiss "exit code $code" ;;
esac
[ -n "$output" ] || amiss "no output"
[ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] || amiss "several lines"
# More is cut off on the way through old NRPE.
[ "$(printf %s "$output" | wc -c)" -lt 1024 ] || amiss "too long"

text=${output%%|*}
data=${output#"$text"}
data=${data#|}
case $data in *'|'*) amiss "two bars" ;; esac
printf %s "$text" | grep -Eq "^[A-Z0-9_ -]+ $state: .+" || amiss "no state at the start: $text"
printf '%s\n%s\n' "$state" "${text% }"

number='-?[0-9]+(\.[0-9]+)?'
range="@?((~|$number)?:)?($number)?"
# Semicolons with nothing behind them may be left out.
datum="'[^'=]+'=$number(s|%|[KMGT]?B|c)?(;($range)?(;($range)?(;($number)?(;($number)?)?)?)?)?"
printf '%s\n' "$data" | grep -Eq "^( $datum)*\$" || amiss "performance data: $data"
printf %s "$data" | grep -Eo "$datum" | sed "s/^'//; s/'=/;/" | cut -d ';' -f 1-4
