#!/bin/bash
# `run cron` when things break: none twice, and what is lost is counted.
. "$(dirname "$0")/lib.sh"
seconds=30
[ -n "${SOAK:-}" ] && seconds=120
zk_start zk
zk_start mortal
clocks=(+0.5s -0.5s +0.25s '' -0.25s)
names=(a b c d e)
# Five candidates whose clocks are up to 1 s apart, one activation a second.
member() { # BASE NUMBER
    local n=$1-${names[$2]}
    BASE=/$1 RUNS=$T/$1.runs
    CLOCK=${clocks[$2]} cron "$n" "* * * * * *" "${T2[@]}" -- sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS"
}
# The seconds from the first run to the last that had none.
lost() {
    cut -d ' ' -f 1 "$RUNS" | date -f - +%s | sort -un | awk 'NR > 1 { for (t = last + 1; t < $1; t++) print t } { last = $1 }'
}
at_work() { [ -n "$(runs_last)" ] && [ $(($(date +%s) - $(date -d "$(runs_last)" +%s))) -le 2 ]; }

# --- three elections at the same time: an easy one, one with kills, one without servers

for i in 0 1 2 3 4; do member calm $i; done
for i in 0 1 2 3 4; do member kill $i; done
SERVER=mortal BASE=/away RUNS=$T/away.runs
for n in x y; do
    cron away-$n "* * * * * *" "${T2[@]}" -- sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS"
done
SERVER=zk
for e in calm kill away; do
    RUNS=$T/$e.runs
    check "$e: an activation each second" within 15 runs_least 3
done

# The leader is killed every 7 s on average: alone, so that his guard resigns for
# him, or with his guard, so that his session has to expire.
kills=0 both=0
kill_leader() { # fails where none leads just now
    local i n guard
    for i in 0 1 2 3 4; do
        n=kill-${names[i]}
        zk get /kill 2>/dev/null | grep -q "\"pid\":\"${PID[$n]}\"" || continue # not one of that name who is dead
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
        read -r -t 1 -u "$NEVER"
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
    read -r -t $((RANDOM % 5 + 2)).$((RANDOM % 10)) -u "$NEVER"
    within 10 kill_leader
done
RUNS=$T/calm.runs
check "five candidates, clocks up to 1 s apart: an activation each second to the end" within 5 runs_least $((seconds + 1))
is "$(twice)" 0 "... $(runs) activations, none twice"
is "$(lost | wc -l)" 0 "... none lost"
check "... and they took turns: $(cut -d ' ' -f 2 "$RUNS" | sort | uniq -c | tr -s ' \n' ' ')" test "$(cut -d ' ' -f 2 "$RUNS" | sort -u | wc -l)" = 5

RUNS=$T/kill.runs
check "the leader killed $kills times, $both of them with his guard: the others go on" within 10 at_work
check "... three times at least, once with him" test $kills -ge 3 -a $both -ge 1
is "$(twice)" 0 "... $(runs) activations, none twice"
note "$(lost | wc -l) activations lost: $(lost | tr '\n' ' ')"
# One that was recorded and not yet started when its leader died, or one before the
# latest of those that nobody was there for: each within its kill, clocks 0.5 s off.
unexplained() {
    lost | while read -r t; do
        awk -v t="$t" '$1 - 2 <= t && t <= $1 + $2 { found = 1 } END { exit !found }' "$T/kills" || echo "$t"
    done
}
is "$(unexplained)" "" "... and none lost but with a kill: its own, or those of a session timeout but the last"

RUNS=$T/away.runs
SERVER=mortal BASE=/away
check "the servers away for 10 s, under keep: it goes on" within 10 at_work
is "$(twice)" 0 "... $(runs) activations, none twice"
below "$(lost | awk -v from="$away" -v to="$back" '$1 >= from && $1 <= to + 3' | wc -l)" 3 \
    "... lost only while the lease lasted and nothing could be recorded"
is "$(lost | awk -v from="$away" -v to="$back" '$1 < from - 1 || $1 > to + 3' | wc -l)" 0 "... and none before and after"
refuse "... and without a word about leases" grep -hq "the lease ran out" "$T/away-x.log" "$T/away-y.log"
stop away-x away-y
is "$(record | sed 's/.*"lastRun":"\([^"]*\)".*/\1/')" "$(runs_last)" "... the record names the last run"
check "... and says how it ended" recorded '"exitStatus":"0"'
stop calm-a calm-b calm-c calm-d calm-e kill-a kill-b kill-c kill-d kill-e
SERVER=zk

# --- the answer to the record's write is lost

proxy_start
BASE=/answer RUNS=$T/answer.runs
SERVER=proxy cron a "*/4 * * * * *" --zookeeper-session-timeout=10s --on-child-success=rerun -- \
    sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS"
within 10 runs_least 1
told() { [ "$(record)" != "$before" ]; }
reconnect() {
    local n
    n=$(grep -c "lost contact" "$T/a.log")
    mode cut
    within 5 eval '[ "$(grep -c "lost contact" "$T/a.log")" -gt $n ]'
    mode pass
}
unanswered() { # the next activation's record is written, but a heartbeat before it may be what the proxy swallows
    for _ in 1 2 3 4 5; do
        within 10 eval '[ $(($(date +%s%N) / 1000000 % 4000)) -lt 500 ]'
        within 10 eval '[ $(($(date +%s%N) / 1000000 % 4000)) -gt 3850 ]' # the moment before it is due
        n=$(runs) before=$(record)
        mode deaf
        within 2 told && return
        reconnect
        within 10 runs_least $((n + 1))
    done
    return 1
}
check "the record is written, the answer does not come" unanswered
is "$(runs)" "$n" "... nothing is started yet"
reconnect
check "... contact is back: our own record is found, and its activation started" within 8 runs_least $((n + 1))
check "... as the record says" recorded "\"lastRun\":\"$(runs_last)\""
within 10 runs_least $((n + 2))
is "$(twice)" 0 "... none twice"
is "$(lost | awk '$1 % 4 == 0' | wc -l)" 0 "... none lost"
stop a

# --- on-disconnect=stop

BASE=/stop RUNS=$T/stop.runs
SERVER=mortal cron a "* * * * * *" "${T2[@]}" --on-disconnect=stop --stop-timeout=100ms -- sh -c "echo \$BALLOT_SCHEDULED_TIME >>$RUNS; exec sleep 30"
check "stop: runs" within 10 runs_least 1
zk_kill mortal
check "... the servers are away: the command is stopped" within 3 logged a "the command was ended by signal"
n=$(runs)
within 3 false
is "$(runs)" "$n" "... and nothing is started"
zk_restart mortal
check "... until they are back" within 15 runs_least $((n + 1))
is "$(twice)" 0 "... none twice"
stop a

# --- on-election-failure=run-anyway

zk_kill mortal
BASE=/anyway RUNS=$T/anyway.runs
SERVER=mortal cron a "* * * * * *" "${T2[@]}" --on-election-failure=run-anyway -- sh -c 'echo "$BALLOT_SCHEDULED_TIME ${BALLOT_FENCING_TOKEN:-none}" >>"$0"' "$RUNS"
check "run-anyway: without servers, each activation" within 15 runs_least 3
is "$(cut -d ' ' -f 2 "$RUNS" | sort -u)" none "... without a fencing token"
is "$(lost | wc -l)" 0 "... each second"
zk_restart mortal
check "... and with them by election" within 15 eval "grep -q ' [0-9]*\$' $RUNS"
is "$(twice)" 0 "... none twice"
stop a

# --- a leader that was frozen under keep looks at what others did before it goes on

BASE=/frozen RUNS=$T/frozen.runs
cron a "*/3 * * * * *" "${T2[@]}" --on-child-success=rerun -- sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS"
within 10 runs_least 1
cron b "*/3 * * * * *" "${T2[@]}" --on-child-success=rerun -- sh -c 'echo "$BALLOT_SCHEDULED_TIME $BALLOT_LEADER_ID" >>"$0"' "$RUNS"
within 10 proposals_are 2
for i in 1 2 3; do
    frozen=
    within 5 eval 'for n in a b; do leader_is $n && frozen=$n; done; [ -n "$frozen" ]'
    other=$([ "$frozen" = a ] && echo b || echo a)
    kill -STOP "${PID[${frozen:-none}]}"
    check "frozen under keep, $i: the other one leads" within 15 leader_is "$other"
    n=$(runs)
    check "... and runs" within 10 runs_least $((n + 1))
    kill -CONT "${PID[${frozen:-none}]}"
    check "... and the thawed one stands again" within 5 proposals_are 2
done
within 1 false
is "$(twice)" 0 "... what the other one ran is not run again"
stop a b
