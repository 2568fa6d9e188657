#!/bin/bash
# `run cron` when things break: none twice, and what is lost is counted.
. "$(dirname "$0")/lib.sh"
seconds=30
[ -n "${SOAK:-}" ] && seconds=120
zk_start zk
zk_start mortal
lost() { # the activations, in epoch seconds, between the first run and the last that were not run
    cut -d ' ' -f 1 "$RUNS" | date -f - +%s | sort -un |
        awk 'NR > 1 { for (t = last + 1; t < $1; t++) print t } { last = $1 }'
}
at_work() { # the last run is at most 2 s old
    [ -n "$(runs_last)" ] && [ $(($(date +%s) - $(date -d "$(runs_last)" +%s))) -le 2 ]
}

# Three elections at the same time, the next three blocks: one is left in peace, in one
# the leader is killed again and again, the third loses its servers for 10 s.
clocks=(+0.5s -0.5s +0.25s '' -0.25s)
names=(a b c d e)
election_of() { # calm|kill|away: the one that is looked at
    BASE=/$1
    SERVER=zk
    [ "$1" != away ] || SERVER=mortal
    runs_to "$T/$1.runs"
}
member() { # calm|kill NUMBER: one of five candidates whose clocks are up to 1 s apart
    election_of "$1"
    CLOCK=${clocks[$2]} cron "$1-${names[$2]}" "* * * * * *" "${T2[@]}" "${RUN[@]}"
}
for i in 0 1 2 3 4; do member calm $i; done
for i in 0 1 2 3 4; do member kill $i; done
election_of away
for n in x y; do cron away-$n "* * * * * *" "${T2[@]}" "${RUN[@]}"; done
for e in calm kill away; do
    election_of $e
    check "$e: an activation each second" within 15 runs_least 3
done

election_of kill
# The leader is killed every 7 s on average: alone, so that its guard resigns for
# it, or with its guard, so that its session has to expire.
kills=0 both=0
kill_leader() { # fails where none leads just now
    local i n guard
    for i in 0 1 2 3 4; do
        n=kill-${names[i]}
        zk get /kill 2>/dev/null | grep -q "\"pid\":\"${PID[$n]}\"" || continue # not a dead one of that name
        guard=$(guard_of "$n") || return
        kills=$((kills + 1))
        if [ $((kills % 3)) = 0 ]; then
            both=$((both + 1))
            echo "$(date +%s) 4" >>"$T/kills"
            kill -KILL "$guard" "${PID[$n]}"
        else
            echo "$(date +%s) 1" >>"$T/kills"
            kill -KILL "${PID[$n]}"
        fi
        pause 1
        member kill "$i"
        return 0
    done
    return 1
}
end=$(($(now) + seconds * 1000000000)) away='' back=''
begun=$(now)
while [ "$(now)" -lt "$end" ]; do
    if [ -z "$away" ] && [ "$(ms_since "$begun")" -gt 6000 ]; then
        away=$(date +%s)
        zk_kill mortal
    elif [ -z "$back" ] && [ "$(ms_since "$begun")" -gt 16000 ]; then
        back=$(date +%s)
        zk_restart mortal
    fi
    pause $((RANDOM % 5 + 2)).$((RANDOM % 10))
    within 10 kill_leader
done

goes_on "Five candidates, clocks up to 1 s apart: each activation is run, once, by turns"
election_of calm
leaders() { cut -d ' ' -f 2 "$RUNS" | sort -u | wc -l; }
check "an activation each second to the end" within 5 runs_least $((seconds + 1))
is "$(twice)" 0 "... $(runs) activations, none twice"
is "$(lost | wc -l)" 0 "... none lost"
check "... and they took turns: $(cut -d ' ' -f 2 "$RUNS" | sort | uniq -c | tr -s ' \n' ' ')" prints 5 leaders

goes_on "The leader is killed again and again: an activation is lost only with a kill"
election_of kill
check "the leader killed $kills times, $both of them with its guard: the others go on" within 10 at_work
check "... three times at least, once with its guard" test $kills -ge 3 -a $both -ge 1
is "$(twice)" 0 "... $(runs) activations, none twice"
note "$(lost | wc -l) activations lost: $(lost | tr '\n' ' ')"
# Lost is what was recorded and not yet started when its leader died, and what was due while
# no candidate led, but for the latest: each within its kill, clocks 0.5 s off.
unexplained() {
    local t
    lost | while read -r t; do
        awk -v t="$t" '$1 - 2 <= t && t <= $1 + $2 { found = 1 } END { exit !found }' "$T/kills" || echo "$t"
    done
}
is "$(unexplained)" "" "... none lost but with a kill: its own, or those of a session timeout but the last"

goes_on "The servers are away for 10 s, under keep: activations are lost only meanwhile"
election_of away
meanwhile() { lost | awk -v from="$away" -v to="$back" '$1 >= from && $1 <= to + 3' | wc -l; }
otherwise() { lost | awk -v from="$away" -v to="$back" '$1 < from - 1 || $1 > to + 3' | wc -l; }
check "it goes on" within 10 at_work
is "$(twice)" 0 "... $(runs) activations, none twice"
below "$(meanwhile)" 3 "... lost only while the lease lasted and nothing could be recorded"
is "$(otherwise)" 0 "... and none before and after"
refuse "... and without a word about leases" grep -hq "the lease ran out" "$T/away-x.log" "$T/away-y.log"
stop away-x away-y
is "$(record | sed 's/.*"lastRun":"\([^"]*\)".*/\1/')" "$(runs_last)" "... the record names the last run"
check "... and says how it ended" recorded '"exitStatus":"0"'
stop calm-a calm-b calm-c calm-d calm-e kill-a kill-b kill-c kill-d kill-e

describe "The record is written, but the answer is lost: its activation is started once contact is back"
cycle_ms() { echo $(($(date +%s%N) / 1000000 % 4000)); } # since the last activation of */4
begins() { [ "$(cycle_ms)" -lt 500 ]; }
ends() { [ "$(cycle_ms)" -gt 3850 ]; } # the moment before the next one is due
reconnect() {
    local n
    n=$(times_logged a "lost contact")
    mode cut
    within 5 prints_least $((n + 1)) times_logged a "lost contact"
    mode pass
}
unanswered() { # the next activation's record is written, but a heartbeat before it may be what the proxy swallows
    for _ in 1 2 3 4 5; do
        within 10 begins
        within 10 ends
        n=$(runs) before=$(record)
        mode deaf
        within 2 prints_other "$before" record && return
        reconnect
        within 10 runs_least $((n + 1))
    done
    return 1
}
proxy_start
SERVER=proxy cron a "*/4 * * * * *" --zookeeper-session-timeout=10s --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 1
check "the record is written, the answer does not come" unanswered
is "$(runs)" "$n" "... nothing is started yet"
reconnect
check "contact is back: our own record is found, and its activation started" within 8 runs_least $((n + 1))
check "... as the record says" recorded "\"lastRun\":\"$(runs_last)\""
within 10 runs_least $((n + 2))
is "$(twice)" 0 "... none twice"
is "$(lost | awk '$1 % 4 == 0' | wc -l)" 0 "... none lost"
stop a

describe "on-disconnect=stop: the servers are away, and nothing is run until they are back"
SERVER=mortal
cron a "* * * * * *" "${T2[@]}" --on-disconnect=stop --stop-timeout=100ms -- \
    sh -c 'echo "$BALLOT_SCHEDULED_TIME" >>"$0"; exec sleep 30' "$RUNS"
check "the command runs" within 10 runs_least 1
zk_kill mortal
check "the servers are away: it is stopped" within 3 logged a "the command was ended by signal"
n=$(runs)
pause 3
is "$(runs)" "$n" "... and nothing is started"
zk_restart mortal
check "... until they are back" within 15 runs_least $((n + 1))
is "$(twice)" 0 "... none twice"
stop a

describe "on-election-failure=run-anyway: each activation is run without servers, and with them by election"
zk_kill mortal
SERVER=mortal
cron a "* * * * * *" "${T2[@]}" --on-election-failure=run-anyway -- \
    sh -c 'echo "$BALLOT_SCHEDULED_TIME ${BALLOT_FENCING_TOKEN:-none}" >>"$0"' "$RUNS"
check "without servers, each activation" within 15 runs_least 3
is "$(cut -d ' ' -f 2 "$RUNS" | sort -u)" none "... without a fencing token"
is "$(lost | wc -l)" 0 "... each second"
zk_restart mortal
check "with servers by election" within 15 grep -q ' [0-9]*$' "$RUNS"
is "$(twice)" 0 "... none twice"
stop a

# (Elected again, a leader of dkron could not start its scheduler: dkron-io/dkron issue 998.)
describe "A leader that was frozen, under keep, looks at what others did before it goes on"
leading() { # prints which of a and b leads
    local n
    for n in a b; do leader_is $n && echo $n && return; done
}
cron a "*/3 * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 runs_least 1
cron b "*/3 * * * * *" "${T2[@]}" --on-child-success=rerun "${RUN[@]}"
within 10 proposals_are 2
for i in 1 2 3; do
    within 5 prints_like . leading
    frozen=$(leading)
    other=$([ "$frozen" = a ] && echo b || echo a)
    kill -STOP "${PID[${frozen:-none}]}"
    check "the leader is frozen, $i: the other one leads" within 15 leader_is "$other"
    n=$(runs)
    check "... and runs" within 10 runs_least $((n + 1))
    kill -CONT "${PID[${frozen:-none}]}"
    check "... and the thawed one stands again" within 5 proposals_are 2
done
pause 1
is "$(twice)" 0 "... what the other one ran is not run again"
stop a b
