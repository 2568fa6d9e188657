#!/bin/bash
# `run cron`: each activation on one machine, once; the record of them, and the policies.
. "$(dirname "$0")/lib.sh"
zk_start zk
info() { "$BALLOT" info --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" "$@"; }
yaml() { info | perl -MYAML::XS -0 -e 'my $i = Load(<STDIN>); print $i->{schedule}{$ARGV[0]} // "-"' "$1"; } # KEY
json() { # KEY
    info -o json | perl -MJSON::PP -0 -e 'my $i = decode_json(<STDIN>); print $i->{schedule}{$ARGV[0]} // "-"' "$1"
}
seconds_of() { date -d "$1" +%s; } # TIME
runs_between() { # FIRST SECOND: seconds from one line of $RUNS to another
    echo $(($(seconds_of "$(sed -n "$2p" "$RUNS")") - $(seconds_of "$(sed -n "$1p" "$RUNS")")))
}
record_is() { # JSON: as if another candidate had written it
    zk create "$BASE" "" >/dev/null 2>&1
    zk create "$BASE/schedule" "$1" >/dev/null 2>&1 || zk set "$BASE/schedule" "$1" >/dev/null
}
write_time='echo "$BALLOT_SCHEDULED_TIME" >>"$0"' # a command's first words; $0 is $RUNS

describe "What can never run is refused before anything is started"
refused() { # MESSAGE ARGUMENT...: says it, ends with 125
    timeout 10 "$BALLOT" run cron --candidate-id=a "${@:2}" -- true 2>"$T/refused.log"
    is $? 125 "refused: ${*:2}"
    is "$(cat "$T/refused.log")" "ballot: $1" "... and says why"
}
zeros() { head -c "$1" /dev/zero | tr '\0' 0; } # COUNT
refused '--schedule: it never comes
    0 0 30 2 *
    ^' --schedule="0 0 30 2 *"
refused '--schedule: hour: "61" is not a number from 0 to 23
    0 61 * * *
      ^' --schedule="0 61 * * *"
refused "--schedule: \"$(zeros 200)\" is not 1 to 1000 bytes of text" --schedule="$(zeros 1001)"
refused '--schedule is missing: it says when the command is to run, try --schedule="30 2 * * *"'
refused '--schedule: the record of runs is text, this is not UTF-8
    *-  * * * *
      ^' --schedule=$'*-\xff * * * *'
printf '[run cron]\n\nschedule = @every x\n' >"$T/bad.ini"
refused "$T/bad.ini:3: schedule: schedule: \"x\" is not a duration such as 90s or 1h30m
    @every x
           ^" --config-file="$T/bad.ini"
TZ=Mars/Phobos refused '--schedule: the time zone of this machine (TZ, /etc/localtime) cannot be read
    @daily
    ^' --schedule=@daily

describe "@every counts whole seconds, and one at least, as the Go ballot does: less is a warning"
for every in 1.9s 1s 300ms 0; do
    timeout 10 "$BALLOT" run cron --candidate-id=a --schedule="@every $every" --zookeeper-servers=127.0.0.1:1 \
        --zookeeper-session-timeout=100ms --on-election-failure=exit -- true 2>"$T/every.log"
    is "$(sed -n 's/.* warn  \("@every.*\)/\1/p' "$T/every.log")" "$([ $every = 1s ] ||
        echo "\"@every $every\" counts whole seconds, and one at least: it is taken as \"@every 1s\"")" "@every $every"
done

describe "A schedule for the machine's time zone, and a machine that has none: a warning"
nowhere() { # OPTION...: what is logged without TZ and /etc/localtime
    env -u TZ "${UNSHARE[@]}" --mount sh -c 'mount -t tmpfs none /etc && exec "$0" "$@"' "$BALLOT" run cron \
        --candidate-id=a --zookeeper-servers=127.0.0.1:1 --zookeeper-session-timeout=100ms \
        --on-election-failure=exit "$@" -- true 2>&1
}
if able_to_mount; then
    for schedule in "@daily" "TZ=UTC @daily" "@every 1h"; do
        count=$(nowhere --schedule="$schedule" | grep -c 'neither TZ nor /etc/localtime: the schedule is in UTC')
        is "$count" "$([ "$schedule" = @daily ] && echo 1 || echo 0)" "$schedule: $count"
    done
else
    skip "there is neither TZ nor /etc/localtime" "$WHY"
fi

describe "The command is told its activation, and info shows the run record"
times='^20.*T.*Z 20.*T.*Z 20.*T.*Z$'
last_run_times() { echo "$(yaml lastRun) $(yaml start) $(yaml end)"; }
cron a "TZ=Asia/Kolkata * * * * * *" "${T2[@]}" -- sh -c 'env | grep ^BALLOT_ >>"$0"; sleep 0.3' "$RUNS"
within 10 runs_least 8
check "the command is told the activation, in the schedule's time zone" \
    grep -qE '^BALLOT_SCHEDULED_TIME=[0-9-]{10}T[0-9:]{8}\+05:30$' "$RUNS"
check "... and the fencing token" grep -qE '^BALLOT_FENCING_TOKEN=[0-9]+$' "$RUNS"
check "info: the command runs" within 10 prints_like '^  - running for [0-9]+s$' info
within 10 recorded '"exitStatus"'
is "$(yaml schedule)" "TZ=Asia/Kolkata * * * * * *" "info: the schedule"
is "$(json schedule)" "TZ=Asia/Kolkata * * * * * *" "... in JSON"
stop a
is "$(yaml exitStatus)" 0 "info: how the last run ended"
is "$(yaml id)" a "... which candidate ran it"
is "$(json id)" a "... in JSON"
check "... its activation, start and end, in UTC" prints_like "$times" last_run_times
is "$(seconds_of "$(yaml nextActivation)")" $(($(seconds_of "$(yaml activation)") + 1)) "info: the next activation"
check "... in the table" prints_like '^schedule TZ=Asia/Kolkata .*, next 20.*Z \(.*\)$' info -o table
check "... the last run, too" prints_like '^last run 20.* by a, ended with 0 at 20' info -o table

goes_on "A run that ballot has stopped is recorded as such"
cron a "TZ=Asia/Kolkata * * * * * *" "${T2[@]}" -- sh -c 'echo x >>"$0"; exec sleep 9' "$T/slow"
within 10 test -s "$T/slow"
stop a
check "stopped" recorded '"stopped":"true"'
is "$(info --check-schedule; echo $?)" 0 "... and no failure"

goes_on "info --check-schedule: 4 and a line if an activation is overdue or the last run failed, else 0"
past=2026-01-01T00:00:00Z future=2099-01-01T00:00:00Z
checked() { # NEXT FIELD...: what is said, and the status
    record_is "{\"schedule\":\"* * * * *\",\"activation\":\"$past\",\"nextActivation\":\"$1\"$(printf ',%s' "${@:2}")}"
    info --check-schedule | sed 's/ [0-9dhms]* ago/ ... ago/'
    echo "${PIPESTATUS[0]}"
}
ran=("\"lastRun\":\"$past\"" "\"start\":\"$past\"" "\"end\":\"$past\"")
is "$(checked $future '"skipped":"0"')" 0 "nothing has run yet"
is "$(checked $past "${ran[@]}" '"exitStatus":"0"')" "the next activation was due ... ago"$'\n4' "one is overdue"
is "$(checked $future "${ran[@]}" '"exitStatus":"0"')" 0 "a run that succeeded"
is "$(checked $future "${ran[@]}" '"exitStatus":"3"')" "the last run ended with status 3"$'\n4' "one that failed"
is "$(checked $future "${ran[@]}" '"signal":"9"')" "the last run ended with signal 9"$'\n4' "... by a signal"
is "$(checked $future "${ran[@]}" '"signal":"15"' '"stopped":"true"')" 0 "one that ballot stopped"
"$BALLOT" info --zookeeper-servers=127.0.0.1:1 --zookeeper-session-timeout=300ms --check-schedule 2>/dev/null
is $? 125 "no server"
zk rm "$BASE/schedule"

goes_on "Another schedule for the same election: a warning, and the record follows it"
cron a "TZ=Asia/Kolkata * * * * * *" "${T2[@]}" -- true
within 10 recorded Kolkata
stop a
cron a "TZ=Asia/Kolkata 0 2 * * *" "${T2[@]}" -- true
check "a warning names both" within 10 logged a 'was "TZ=Asia/Kolkata [*] .*", ours is "TZ=Asia/Kolkata 0 2 .*"'
check "... and when the next activation is" logged a "info  the next activation is 20.*T02:00:00+05:30$"
check "info shows the new one" within 5 prints "TZ=Asia/Kolkata 0 2 * * *" yaml schedule
check "... with what comes next" prints_like 'T20:30:00Z$' yaml nextActivation

goes_on "A record that ballot did not write is shown as unparseable, and replaced"
remarks() { info -o json | perl -MJSON::PP -0 -e 'print join " ", @{decode_json(<STDIN>)->{schedule}{notes}}'; }
for garbage in '' '[]' '{"schedule":7}' '{"schedule":"* * * * *","activation":{}}' "$(zeros 20000)"; do
    record_is "$garbage"
    is "$(remarks)" unparseable "info says what it is: ${garbage:0:30}"
done
stop a
rm -f "$RUNS"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "the schedule begins anew over it" within 10 runs_least 1
stop a

describe "A leader sees what another candidate has recorded meanwhile"
mid_second() { [[ $(date +%N) = [456]* ]]; } # the latest run has written its line
early() { # TIME NUMBER: the activations at or before TIME among the runs after the first NUMBER
    local at
    tail -n +$(($2 + 1)) "$RUNS" | cut -d ' ' -f 1 | while read -r at; do
        [ "$(seconds_of "$at")" -gt "$(seconds_of "$1")" ] || echo "$at"
    done
}
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
within 3 mid_second
until=$(date -u -d '4 seconds' +%Y-%m-%dT%H:%M:%SZ)
record_is '{"schedule":"* * * * * *","activation":"'"$until"'"}'
n=$(runs)
check "it goes on from there" within 10 runs_least $((n + 2))
is "$(early "$until" "$n")" "" "... and does not run what is dealt with by then"
stop a

describe "A record that is deleted is made again"
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 2
zk rm "$BASE/schedule"
n=$(runs)
check "the record is there again" within 10 recorded activation
check "... with a word" logged a "$BASE/schedule was deleted or overwritten by another client"
check "... and the schedule goes on" within 10 runs_least $((n + 2))
is "$(twice)" 0 "... none twice"
stop a

goes_on "Where the record may not be read, nothing is run"
zk seal "$BASE/schedule"
n=$(runs)
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "the candidate says so" within 10 logged a "reading $BASE/schedule is refused"
is "$(info | tail -n 2 | tr -d '\n')" "  notes:  - unreadable" "... and so does info"
pause 3
stop a
is "$(runs)" "$n" "... and nothing is run"

describe "A record of an earlier version is shown"
at=2026-01-01T00:00:00+01:00
record_is '{"schedule":"@daily","activation":"'"$at"'","lastRun":"'"$at"'","candidateId":"c","hostname":"h"}'
is "$(yaml id) $(yaml host) $(json id)" "c h c" "info says whose the last run was"

describe "Activations that come while the command runs are skipped"
cron a "* * * * * *" "${T2[@]}" --on-child-success=ignore -- sh -c "$write_time; sleep 2.5" "$RUNS"
check "a run that takes three activations is followed by another" within 10 runs_least 2
check "... the log says what is skipped" logged a "the command still runs: the activation of .* is skipped"
is "$(runs_between 1 2)" 3 "... it runs at the next activation"
check "... the record counts what was skipped" within 5 recorded '"skipped":"2"'
stop a

describe "on-child-success=exit, on-child-error=exit: run cron ends as its command did"
ends() { # STATUS OPTION... -- COMMAND...: run cron ends with it
    cron once "* * * * * *" "${T2[@]}" "${@:2}"
    ended once
    is "$STATUS" "$1" "cron, ${*:2}: ends with $1"
}
ends 0 --on-child-success=exit -- true
ends 3 --on-child-error=exit -- sh -c 'exit 3'
ends 127 --on-child-error=exit -- /no/such/command
check "... which the record says" recorded '"exitStatus":"127"'
ends 143 --on-child-error=exit --max-runtime=200ms -- sleep 10
check "... which the record says" recorded '"signal":"15"'

for policy in ignore rerun; do
    describe "on-child-success=$policy, on-child-error=$policy: the leader waits for the next activation"
    cron a "* * * * * *" "${T2[@]}" --on-child-success=$policy --on-child-error=$policy -- \
        sh -c 'echo x >>"$0"; exit $(($(wc -l <"$0") % 2))' "$RUNS"
    check "$policy: it runs on, whatever the end" within 10 runs_least 4
    is "$(times_logged a 'leading, with')" 1 "... and stays the leader"
    next='after .*; the next activation is 2[-0-9T:]*'
    check "... as the log says" logged a " info  the command ended with status 0 $next"
    check "... at error where it failed" logged a " error the command ended with status 1 $next"
    stop a
done

describe "on-child-success=reelect: after each run another candidate leads"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
cron b "* * * * * *" "${T2[@]}" "${RUN[@]}"
ran_on() { grep -qs " $1\$" "$RUNS"; } # CANDIDATE
ran_on_both() { ran_on a && ran_on b; }
check "both have run it" within 10 ran_on_both
stop a b
check "... as the log says" logged b "; handing over; the next activation is 2[-0-9T:]*"
is "$(twice)" 0 "... none twice"

describe "step-down stops a scheduled command, and another candidate leads"
cron a "* * * * * *" "${T2[@]}" -- sh -c "$write_time; exec sleep 100" "$RUNS"
within 10 runs_least 1
cron b "* * * * * *" "${T2[@]}" "${RUN[@]}"
within 10 proposals_are 2
step_down() {
    timeout 20 "$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" >"$T/down.out"
}
check "the leader has handed over" step_down
check "... the next one runs" within 10 runs_least 3
is "$(twice)" 0 "... but not what was stopped"
stop a b
check "a candidate that is told to end says how its run ended" recorded '"exitStatus":"0"\|"signal":"15"'

describe "A leader that waits for an activation is idle"
cron a "0 0 1 1 *" --zookeeper-session-timeout=10s -- true
within 10 leader_is a
within 10 recorded nextActivation
ticks() { awk '{ print $14 + $15 }' "/proc/${PID[a]}/stat"; }
wakes() { awk '/^voluntary/ { print $2 }' "/proc/${PID[a]}/status"; }
t=$(ticks) w=$(wakes)
pause 4
below $(($(ticks) - t)) 4 "it uses no processor: ticks of 10 ms in 4 s"
below $(($(wakes) - w)) 30 "it wakes up once a second and for its heartbeats: in 4 s"
stop a

describe "An activation is started in its second"
latenesses() { # in ms, the least first; of all but the first two runs
    local at started
    tail -n +3 "$RUNS" | while read -r at started; do
        echo $(((started - $(date -d "$at" +%s%N)) / 1000000))
    done | sort -n
}
cron a "* * * * * *" "${T2[@]}" --on-child-success=rerun -- \
    sh -c 'echo "$BALLOT_SCHEDULED_TIME $(date +%s%N)" >>"$0"' "$RUNS"
within 20 runs_least 8
stop a
late=$(latenesses)
below "$(tail -n 1 <<<"$late")" 999 "the latest, in ms"
check "... and never before: $(head -n 1 <<<"$late") ms" test "$(head -n 1 <<<"$late")" -ge 0

describe "A candidate whose clock is wrong hands over before it runs anything"
CLOCK=+1y cron ahead "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "a clock a year ahead" within 10 logged ahead "our clock is 8760h0m0s ahead of the servers'"
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "... the others run" within 10 runs_least 3
CLOCK='@1970-01-02 00:00:00' cron behind "* * * * * *" "${T2[@]}" "${RUN[@]}"
n=$(runs)
check "a clock in 1970" within 20 logged behind "behind the servers'"
check "... the others run" within 10 runs_least $((n + 3))
is "$(cat "$T/ahead.log" "$T/behind.log" | grep -c "handing over")" 2 "the two wait for a while before they stand again"
[ -z "${SOAK:-}" ] || check "... a minute" within 90 prints_least 2 times_logged ahead "handing over"
stop a ahead behind
refuse "... nor have they run anything" grep -qE ' (ahead|behind)$' "$RUNS"

describe "A record whose last activation is far ahead does not stop the fleet"
record_is '{"schedule":"* * * * * *","activation":"2099-01-01T00:00:00Z"}'
cron a "* * * * * *" "${T2[@]}" "${RUN[@]}"
check "it goes on" within 10 runs_least 3
stop a

# From here on, each schedule's latest activation was two minutes ago.
minutes_ago() { date -u -d "$1 minutes ago" +%Y-%m-%dT%H:%M:00Z; } # COUNT
minute=$(date -u -d '2 minutes ago' +%M)
hourly="$minute * * * *"
missed() { # the record says that it was not run
    record_is '{"schedule":"TZ=UTC '"$hourly"'","activation":"'"$(minutes_ago 50)"'"}'
}

describe "The first candidate ever records the present moment, and catches up on nothing"
cron a "0 0 1 1 *" "${T2[@]}" "${RUN[@]}"
check "it records" within 10 recorded '"activation"'
stop a
is "$(runs)" 0 "... and runs nothing"

describe "A missed activation is run if it is no older than catch-up"
missed
cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m "${RUN[@]}"
check "one of 2 minutes ago, catch-up=10m: is run" within 10 runs_least 1
is "$(date -u -d "$(runs_last)" +%M)" "$minute" "... as that of its minute"
stop a

describe "info says of a run whose candidate and guard were killed that its end is not known"
missed
cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m -- sh -c 'echo x >>"$0"; exec sleep 100' "$RUNS"
within 10 runs_least 1
within 10 recorded '"start"'
kill -KILL "$(guard_of a)" "${PID[a]}"
check "it says so" within 10 prints_like "^  - started [0-9]+s ago, how it ended is not known$" info

describe "A missed activation that is older than catch-up is not run"
missed
cron b "TZ=UTC $hourly" "${T2[@]}" "${RUN[@]}"
check "the default, 1m: a warning" within 10 logged b "was missed, and is older than catch-up=1m0s: it is not run"
stop b
is "$(runs)" 0 "... and it is not run"

goes_on "Under another schedule nothing is caught up"
cron a "TZ=UTC $minute */1 * * *" "${T2[@]}" --catch-up=10m "${RUN[@]}"
check "the schedule is recorded" within 10 recorded 'UTC .. \*/1'
stop a
is "$(runs)" 0 "... and nothing is run"

describe "After a Go ballot has led, which keeps no record, activations count from then on"
gone="\"candidateId\":\"go\",\"proposalNode\":\"$BASE/proposal-0000000000\",\"sessionTimeout\":\"1s\""
claimed_after() { # LAST-HEARTBEAT: a new leader claims a base that holds it
    missed
    zk set "$BASE" "$1" >/dev/null
    cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m "${RUN[@]}"
    check "a warning" within 15 logged a "the last leader was a Go ballot, which keeps no run record"
    check "... activations count from now" within 5 recorded "\"activation\":\"$(date -u +%Y-%m-%dT%H:)"
    refuse "... none is caught up, as it may have been run" within 1 runs_least 1
    refuse "... and when that is written, the base says no more that it is not" prints_like unrecorded zk get "$BASE"
    stop a
    rm "$T/a.log"
}
claimed_after "{$gone,\"lastSeenTime\":\"x\"}"
goes_on "... also if the leader after it died before it could record that"
claimed_after "{$gone,\"onDisconnect\":\"stop\",\"unrecorded\":\"true\"}"
goes_on "... also if the leader after it resigned because it may not read the record"
missed
zk acl "$BASE/schedule" world:anyone:wa
zk set "$BASE" "{$gone,\"lastSeenTime\":\"x\"}" >/dev/null
cron a "TZ=UTC $hourly" "${T2[@]}" --catch-up=10m "${RUN[@]}"
check "it resigns" within 15 logged a "resigned"
stop a
check "... and leaves what the base says" prints_like '"unrecorded":"true"' zk get "$BASE"

describe "@every keeps its cadence over leaders, kills and restarts"
phases() { # how many different rests of 3 s the activations have
    local at
    cut -d ' ' -f 1 "$RUNS" | while read -r at; do echo $(($(seconds_of "$at") % 3)); done | sort -u | wc -l
}
one_missed() { [ $(($(date +%s) - $(seconds_of "$(runs_last)"))) -ge 4 ]; } # a second ago
cron a "@every 3s" "${T2[@]}" "${RUN[@]}"
cron b "@every 3s" "${T2[@]}" "${RUN[@]}"
within 15 runs_least 2
for n in a b; do leader_is $n && kill -KILL "${PID[$n]}"; done
within 15 runs_least 3
stop a b
within 10 one_missed
cron a "@every 3s" "${T2[@]}" "${RUN[@]}"
check "it goes on" within 15 runs_least 5
is "$(phases)" 1 "... in the same cadence"
is "$(twice)" 0 "... none twice"
stop a

describe "With zookeeper-auth the record belongs to that identity alone"
cron a "* * * * * *" "${T2[@]}" --zookeeper-auth=digest:u:p "${RUN[@]}"
check "the schedule runs" within 10 runs_least 2
read_record() { zk get "$BASE/schedule" 2>&1; }
check "... others cannot read the record" prints_like "not authenticated" read_record
stop a
