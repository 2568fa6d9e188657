#!/bin/bash
# `run cron`: each activation on one machine, once.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s)
RUNS=$T/runs
FAKETIME_LIBRARY=$(dpkg -L libfaketime | grep 'libfaketime\.so\.1$')
cron() { # NAME SCHEDULE OPTION... -- COMMAND...; $CLOCK: how far its clock is off, in faketime's words
    env ${CLOCK:+LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="$CLOCK" FAKETIME_DONT_FAKE_MONOTONIC=1} \
        setsid "$BALLOT" run cron --candidate-id="$1" --schedule="$2" --zookeeper-servers="$(servers "$SERVER")" \
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

CLOCK=+0.9s cron a "* * * * * *" "${RUN[@]}"
CLOCK=-0.9s cron b "* * * * * *" "${RUN[@]}"
CLOCK=+0.4s cron c "* * * * * *" "${RUN[@]}"
CLOCK='' cron d "* * * * * *" "${RUN[@]}"
CLOCK=-0.4s cron e "* * * * * *" "${RUN[@]}"
check "five candidates with clocks up to 1.8 s apart, an activation each second: 30 runs" within 45 runs_least 30
is "$(twice)" 0 "... none twice"
is "$(sort "$RUNS" | head -n 1 | xargs -I{} date -d {} +%s | xargs -I{} expr {} + 29)" "$(sort "$RUNS" | sed -n 30p | xargs -I{} date -d {} +%s)" "... none left out"
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
check "... skips them" logged a "the command still runs: the activation of .* is skipped"
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

# --- to the second

rm -f "$RUNS"
BASE=/exact
cron a "* * * * * *" --on-child-success=rerun -- sh -c "date +%N >>$RUNS"
within 20 runs_least 8
stop a
below "$((10#$(tail -n +3 "$RUNS" | sort | head -n 3 | tail -n 1) / 1000000))" 10 "an activation is started within 10 ms of its second (median of the later six)"

# --- clocks that are wrong

rm -f "$RUNS"
BASE=/wrong
CLOCK=+1y cron ahead "* * * * * *" "${RUN[@]}"
within 10 logged ahead "handing over"
check "a clock a year ahead: hands over" logged ahead "our clock is 8760h0m0s ahead of the servers'"
cron a "* * * * * *" "${RUN[@]}"
check "... the others run" within 10 runs_least 3
CLOCK='@1970-01-02 00:00:00' cron behind "* * * * * *" "${RUN[@]}"
n=$(runs)
check "one in 1970: hands over" within 20 logged behind "behind the servers'"
check "... the others run" within 10 runs_least $((n + 3))
stop a ahead behind
zk set $BASE/schedule '{"schedule":"* * * * * *","activation":"2099-01-01T00:00:00Z"}' >/dev/null
rm -f "$RUNS"
cron a "* * * * * *" "${RUN[@]}"
check "a poisoned record: the fleet goes on" within 10 runs_least 3
stop a

# --- missed activations

rm -f "$RUNS"
BASE=/missed
cron a "0 0 1 1 *" "${RUN[@]}"
check "the first ballot ever records now" within 10 recorded '"activation"'
stop a
is "$(runs)" 0 "... and runs nothing"
minutes_ago() { date -u -d "$1 minutes ago" +%Y-%m-%dT%H:%M:00Z; }
hourly="$(date -u -d '2 minutes ago' +%M) * * * *"
missed() { zk set $BASE/schedule "{\"schedule\":\"TZ=UTC $hourly\",\"activation\":\"$(minutes_ago 50)\"}" >/dev/null; }
missed
cron a "TZ=UTC $hourly" --catch-up=10m "${RUN[@]}"
check "an activation of 2 minutes ago, catch-up=10m: is run" within 10 runs_least 1
is "$(date -u -d "$(cat "$RUNS")" +%M)" "${hourly%% *}" "... as that of its minute"
stop a
rm -f "$RUNS"
missed
cron a "TZ=UTC $hourly" "${RUN[@]}"
within 10 logged a "leading, with"
within 10 leader_is a
stop a
is "$(runs)" 0 "... the default, 1m: is not"
cron a "TZ=UTC ${hourly%% *} */1 * * *" --catch-up=10m "${RUN[@]}"
check "another schedule: a warning that names both" within 10 logged a 'was "TZ=UTC [0-9]* [*] .*", ours is "TZ=UTC [0-9]* [*]/1 .*"'
within 5 recorded 'UTC .. \*/1'
stop a
is "$(runs)" 0 "... nothing is caught up"
