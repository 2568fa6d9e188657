#!/bin/bash
# ballot next: what it prints, and what it says about bad schedules. (The schedules
# themselves: cron.t.)
. "$(dirname "$0")/lib.sh"
export TZDIR=$here/cron/zoneinfo TZ=America/New_York
gives() { # OUTPUT ARG...: its lines, separated by spaces
    is "$(timeout 20 "$BALLOT" next "${@:2}" 2>&1 | tr '\n' ' ' | sed 's/ $//')" "$1" "next ${*:2}"
}
fails() { # OUTPUT ARG...: refused with 125, and that on stderr
    timeout 20 "$BALLOT" next "${@:2}" >"$T/out" 2>"$T/err"
    is "$?:$(wc -c <"$T/out"):$(cat "$T/err")" "125:0:$1" "next ${*:2}"
}

describe "The next activations are printed, in the schedule's zone, from a moment that is given"
gives "2026-03-08T03:00:00-04:00 2026-03-09T02:30:00-04:00" "30 2 * * *" -n 2 --from 2026-03-07T12:00:00-05:00
gives "2026-03-09T02:30:00-04:00" "30 2 * * *" -n1 --from=2026-03-08T01:00:00-05:00 --dst=wall
gives "2026-11-01T01:30:00-04:00 2026-11-02T01:30:00-05:00" --count=2 "30 1 * * *" --from "2026-11-01T00:00:00-04:00"
gives "2026-11-01T01:30:00-04:00 2026-11-01T01:30:00-05:00" --count=2 --dst wall -- "30 1 * * *" \
    --from "2026-11-01T00:00:00.999-04:00"
gives "2026-01-01T09:00:00+09:00" "TZ=Asia/Tokyo 0 9 * * *" -n 1 --from 2026-01-01T00:00:00+09:00
gives "2026-01-01T00:00:00Z" "CRON_TZ=UTC @yearly" -n 1 --from "2025-06-01 00:00:00z"
gives "2025-12-31T23:00:05Z 2026-01-01T00:30:05Z" "TZ= @every 1h30m" -n 2 --from 2025-12-31T21:30:05Z
gives never "0 0 30 2 *"
gives "2096-02-29T00:00:00-05:00 never" "0 0 29 2 *" --from 2094-01-01T00:00:00Z
gives "1850-01-01T00:00:02-04:56" "0 0 * * *" -n 1 --from 1849-12-31T12:00:00Z # local mean time is 4:56:02 behind
TZ="<+0330>-3:30" gives "2026-01-01T00:00:00+03:30" @daily -n 1 --from 2025-12-31T00:00:00Z
TZ=":Europe/Berlin" gives "2026-07-01T00:00:00+02:00" @monthly -n 1 --from 2026-06-15T00:00:00Z
TZ="" gives "2026-07-01T00:00:00Z" @monthly -n 1 --from 2026-06-15T00:00:00Z
TZ=No/Zone gives "2026-07-01T00:00:00Z" "TZ=UTC @monthly" -n 1 --from 2026-06-15T00:00:00Z
BALLOT_DST=wall BALLOT_COUNT=1 gives "2026-03-09T02:30:00-04:00" "30 2 * * *" --from 2026-03-08T01:00:00-05:00
BALLOT_ZOOKEEPER_AUTH=x BALLOT_ZOOKEEPER_SERVERS=: gives never "0 0 30 2 *" # settings of the others do not matter

describe "By default five are printed, from now"
is "$("$BALLOT" next "* * * * *" | wc -l)" 5 "five"
now=$(date +%s)
then=$(date -d "$("$BALLOT" next "* * * * * *" -n 1)" +%s)
check "from now" test "$then" -gt "$now" -a "$then" -le $((now + 5))

describe "A terminal is shown how far away each is"
terminal() { # OPTIONS
    on_screen "$T/screen" "$BALLOT next '0 0 1 1 *' -n 1 $1"
    cat "$T/screen"
}
if able_to_pty; then
    check "in the future" prints_like '^[-0-9T:]{25}  in ([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$' terminal ""
    check "in the past" prints_like '  [0-9]+d([0-9]+h)? ago$' terminal "--from 2020-01-01T00:00:00Z"
else
    skip "a terminal is shown the distance" "$WHY"
fi

describe "A bad schedule is told with a mark below the place"
fails 'ballot: SPEC: hour: "24" is not a number from 0 to 23
    0 8,24 * * *
        ^' "0 8,24 * * *"
fails 'ballot: SPEC: schedule: "Europe/Berln" is no time zone'\''s name, such as UTC or Europe/Berlin
    CRON_TZ=Europe/Berln 0 6 * * *
            ^' "CRON_TZ=Europe/Berln 0 6 * * *"
for LC_ALL in C.UTF-8 C; do # whatever the locale is: the caret counts columns, not bytes
    fails $'ballot: SPEC: hour: "\xc3\xa9" is not a number from 0 to 23\n    0\xe3\x80\x80\xc3\xa9 * * *\n      ^' \
        $'0\xe3\x80\x80\xc3\xa9 * * *'
done
LC_ALL=C.UTF-8
fails $'ballot: SPEC: minute: "?[2J" is not a number from 0 to 59\n     [2J 0 * * *\n    ^' $'\e[2J 0 * * *'

describe "A machine's zone that cannot be read, bad options and bad times are errors"
TZ=No/Zone fails "ballot: SPEC: the time zone of this machine (TZ, /etc/localtime) cannot be read
    * * * * *
    ^" "* * * * *"
TZ=No/Zone fails "ballot: SPEC: the time zone of this machine (TZ, /etc/localtime) cannot be read
    TZ=Local * * * * *
    ^" "TZ=Local * * * * *"
bad=$here/cron/accept.tsv
TZ=$bad fails "ballot: SPEC: the time zone of this machine (TZ, /etc/localtime) cannot be read
    * * * * *
    ^" "* * * * *"
fails "ballot: next: which SPEC? As in: ballot next '30 2 * * mon-fri' -n 10"
fails 'ballot: next takes one SPEC, but "2" follows it: put quotes around it all' 30 2 a b c
fails 'ballot: -n: "0" is not a whole number from 1 to 1000000' "* * * * *" -n 0
fails 'ballot: -n: "1000001" is not a whole number from 1 to 1000000' "* * * * *" -n1000001
fails 'ballot: -n needs a value' "* * * * *" -n
fails 'ballot: --count: "1x" is not a whole number from 1 to 1000000' "* * * * *" --count=1x
for time in now 2026-02-29T00:00:00Z 2026-13-01T00:00:00Z 2026-01-01T24:00:00Z 2026-01-01T00:00:00 2026-01-01 \
    2026-01-01T00:00:00+1:00 26-01-01T00:00:00Z 2026-01-01T00:00:00.Z 2026-01-01T00:00:00Zx; do
    fails "ballot: --from: \"$time\" is not a time such as 2030-01-31T12:00:00Z or 2030-01-31T12:00:00+01:00" \
        "* * * * *" --from=$time
done
fails 'ballot: --dst: "summer" is not one of vixie wall' "* * * * *" --dst=summer
fails 'ballot: --candidate-id is not an option of next' "* * * * *" --candidate-id=a
fails 'ballot: unknown option -x; options are long, as in --log-level=debug' "* * * * *" -x
