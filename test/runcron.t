#!/bin/bash
# `run cron`: each activation on one machine, once.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s)
RUNS=$T/runs
cron() { # NAME SCHEDULE OPTION... -- COMMAND...; $CLOCK: how far its clock is off, in faketime's words
    ${CLOCK:+faketime -f "$CLOCK"} setsid "$BALLOT" run cron --candidate-id="$1" --schedule="$2" --zookeeper-servers="$(servers "$SERVER")" \
        --zookeeper-base-path="$BASE" "${T2[@]}" "${@:3}" >>"$T/$1.out" 2>>"$T/$1.log" &
    PID[$1]=$!
}
runs() { cat "$RUNS" 2>/dev/null | wc -l; }
runs_least() { [ "$(runs)" -ge "$1" ]; }
twice() { sort "$RUNS" | uniq -d | wc -l; }
record() { zk get "$BASE/schedule" 2>/dev/null; }
recorded() { record | grep -q -- "$1"; }
RUN=(-- sh -c "echo \$BALLOT_SCHEDULED_TIME >>$RUNS")

# --- what cannot be

for spec in "0 0 30 2 *" ","; do
    timeout 10 "$BALLOT" run cron --candidate-id=a --schedule="$spec" -- true 2>"$T/refused.log"
    is $? 125 "a schedule that never comes: $spec: 125"
done
timeout 10 "$BALLOT" run cron --candidate-id=a -- true 2>"$T/refused.log"
is $? 125 "no schedule: 125"
check "... which is said" grep -q -- "--schedule is missing" "$T/refused.log"

# --- a fleet

for c in a b c d e; do cron $c "* * * * * *" "${RUN[@]}"; done
check "five candidates, an activation each second: 10 runs" within 20 runs_least 10
is "$(twice)" 0 "... none twice"
is "$(sort "$RUNS" | head -n 1 | xargs -I{} date -d {} +%s | xargs -I{} expr {} + 9)" "$(sort "$RUNS" | sed -n 10p | xargs -I{} date -d {} +%s)" "... none left out"
for c in a b c d e; do leader_is $c && leader=$c; done
n=$(runs)
kill -KILL "${PID[$leader]}"
check "the leader killed: the others go on" within 10 runs_least $((n + 5))
is "$(twice)" 0 "... none twice"
stop a b c d e
check "the record says how the last run ended" recorded '"exitStatus":"0"'

# --- skipped while it runs

rm -f "$RUNS"
BASE=/skip
cron a "* * * * * *" --on-child-success=ignore -- sh -c "echo \$BALLOT_SCHEDULED_TIME >>$RUNS; sleep 2.5"
check "a run that takes three activations" within 10 runs_least 2
check "... skips them" logged a "an activation is skipped"
check "... and the record counts them" within 5 recorded '"skipped":"2"'
stop a

# --- out of contact

rm -f "$RUNS"
BASE=/keep
cron a "* * * * * *" --on-child-success=rerun "${RUN[@]}"
check "keep: runs" within 10 runs_least 2
zk_kill zk
n=$(runs)
check "... goes on without the ensemble" within 10 runs_least $((n + 3))
zk_restart zk
n=$(runs)
check "... and when it is back" within 15 runs_least $((n + 4))
is "$(twice)" 0 "... none twice"
check "... the last is recorded" within 5 recorded "\"lastRun\":\"$(tail -n 1 "$RUNS" | xargs -I{} date -u -d {} +%Y-%m-%dT%H:%M)"
stop a
