#!/bin/bash
# Session timeouts that nobody can lead with: from a server, and from the settings.
. "$(dirname "$0")/lib.sh"

# --- a server that gives one

fake_start() { # NAME TIMEOUT-IN-MS
    PORT[$1]=$(port_choose)
    "$here/fakezk" "${PORT[$1]}" "$2" >"$T/$1.connects" &
    PID[$1]=$!
    within 5 eval "! port_free ${PORT[$1]}"
}
connects() { grep -c connected "$T/$1.connects"; }
connects_least() { [ "$(connects "$1")" -ge "$2" ]; }
T3=(--zookeeper-session-timeout=3s --restart-delay=0s)

foolish="0 -1 -2147483648 2147483647 50"
for ms in $foolish; do fake_start "$ms" "$ms"; done
for ms in $foolish; do SERVER=$ms candidate "c$ms" "${T3[@]}" -- "$JOB" "$JOBS" -1; done
SERVER=0 candidate exits --on-election-failure=exit --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
fake_start beside 0
PORT[dead]=$(port_choose)
setsid "$BALLOT" run once --candidate-id=both --zookeeper-servers="$(servers beside dead)" "${T3[@]}" -- true >/dev/null 2>"$T/both.log" &
PID[both]=$!
within 3 false
for ms in $foolish; do
    below "$(connects "$ms")" 12 "a server that gives a session timeout of $ms ms is left in peace: connections in 3 s" # one is port_free's
    is "$(grep -c ' error ' "$T/c$ms.log")" 1 "... there is one error in the log"
    check "... which names the server, the timeout and what is expected" logged "c$ms" \
        "the server at 127.0.0.1:${PORT[$ms]} gives a session timeout of .*, not 100ms to 298h0m0s: it is not used"
done
for ms in $foolish; do check "$ms ms: it is tried again, whatever it said" within 12 connects_least "$ms" 4; done
ended exits
is "$STATUS" 125 "on-election-failure=exit applies"
check "beside a server that is dead both are tried, again and again" within 12 connects_least beside 4
below "$(grep -c 'connecting anew' "$T/both.log")" 0 "... which the log does not repeat"
stop both
for ms in $foolish; do stop "c$ms"; done
is "$(started)" 0 "nothing was run"

# --- beside one that does not

zk_start zk
both="$(servers 0 zk)"
for round in 1 2 3 4; do
    fresh
    setsid "$BALLOT" run once --candidate-id=a --zookeeper-servers="$both" "${T3[@]}" -- "$JOB" "$JOBS" -1 >/dev/null 2>>"$T/a.log" &
    PID[a]=$!
    check "another server is tried ($round)" within 5 started_least 1
    stop a
done

# --- a leader that comes to such a server when its own is away

proxy_start
both="$(servers 0 proxy)"
fresh
rm -f "$T/a.log"
setsid "$BALLOT" run once --candidate-id=a --zookeeper-servers="$both" --zookeeper-session-timeout=6s -- "$JOB" "$JOBS" -1 >/dev/null 2>"$T/a.log" &
PID[a]=$!
within 10 started_least 1
n=$(connects 0)
mode cut
check "a leader whose server is away comes to the other" within 3 connects_least 0 $((n + 1))
mode pass
check "... and back to its own" within 5 logged a "timeout 6s, after"
is "$(grep -o 'session 0x[0-9a-f]*' "$T/a.log" | sort -u | wc -l) $(started)" "1 1" "... with its session; the command is never touched"
stop a

# --- from the settings

fresh
BASE=/longest # claims nothing that somebody else led
candidate a --zookeeper-session-timeout=298h -- "$JOB" "$JOBS" -1
check "the longest session timeout that may be asked for" within 5 started_least 1
stop a
candidate a --zookeeper-session-timeout=299h -- "$JOB" "$JOBS" -1
ended a
is "$STATUS" 125 "a longer one, with which the client library never connects, is refused"
check "... by its name and the limit" logged a '--zookeeper-session-timeout: "299h" is not between 1ms and 298h'
