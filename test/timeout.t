#!/bin/bash
# Session timeouts that no candidate can lead with: from a server, and from the settings.
. "$(dirname "$0")/lib.sh"
fake_start() { # NAME TIMEOUT-IN-MS
    PORT[$1]=$(port_choose)
    "$here/fakezk" "${PORT[$1]}" "$2" >"$T/$1.connects" &
    PID[$1]=$!
    within 5 not port_free "${PORT[$1]}"
}
connects() { grep -c connected "$T/$1.connects"; }
T3=(--zookeeper-session-timeout=3s --restart-delay=0s)
at_servers() { # LIST NAME OPTION...: candidate NAME, at more than one server
    setsid "$BALLOT" run once --candidate-id="$2" --zookeeper-servers="$1" --zookeeper-base-path="$BASE" "${@:3}" -- \
        "$JOB" "$JOBS" -1 >/dev/null 2>>"$T/$2.log" &
    PID[$2]=$!
}

describe "A server that gives a foolish session timeout is not used, but tried again now and then"

foolish="0 -1 -2147483648 2147483647 50"
for ms in $foolish; do fake_start "$ms" "$ms"; done
for ms in $foolish; do SERVER=$ms candidate "c$ms" "${T3[@]}" -- "$JOB" "$JOBS" -1; done
SERVER=0 candidate exits --on-election-failure=exit --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
fake_start beside 0
PORT[dead]=$(port_choose)
at_servers "$(servers beside dead)" both "${T3[@]}"
pause 3
for ms in $foolish; do # (one connection is port_free's)
    below "$(connects "$ms")" 12 "a server that gives $ms ms is left in peace: connections in 3 s"
    is "$(grep -c ' error ' "$T/c$ms.log")" 1 "... there is one error in the log"
    check "... which names the server, the timeout and what is expected" logged "c$ms" \
        "the server at 127.0.0.1:${PORT[$ms]} gives a session timeout of .*, not 100ms to 298h0m0s: it is not used"
done
for ms in $foolish; do check "$ms ms: it is tried again, whatever it said" within 12 prints_least 4 connects "$ms"; done
ended exits
is "$STATUS" 125 "on-election-failure=exit applies"
check "beside a server that is dead both are tried, again and again" within 12 prints_least 4 connects beside
below "$(grep -c 'connecting anew' "$T/both.log")" 0 "... which the log does not repeat"
stop both
for ms in $foolish; do stop "c$ms"; done
is "$(started)" 0 "nothing was run"

describe "Beside such a server another one is used"
zk_start zk
for round in 1 2 3 4; do
    fresh
    at_servers "$(servers 0 zk)" a "${T3[@]}"
    check "another server is tried ($round)" within 5 started_least 1
    stop a
done

describe "A leader that comes to such a server when its own is away returns to its own, with its session"
proxy_start
at_servers "$(servers 0 proxy)" a --zookeeper-session-timeout=6s
within 10 started_least 1
n=$(connects 0)
mode cut
check "a leader whose server is away comes to the other" within 3 prints_least $((n + 1)) connects 0
mode pass
check "... and back to its own" within 5 logged a "timeout 6s, after"
is "$(grep -o 'session 0x[0-9a-f]*' "$T/a.log" | sort -u | wc -l) $(started)" "1 1" \
    "... with its session; the command is never touched"
stop a

describe "The longest session timeout that may be asked for is 298h"
candidate a --zookeeper-session-timeout=298h -- "$JOB" "$JOBS" -1
check "with 298h a candidate leads" within 5 started_least 1
stop a
candidate a --zookeeper-session-timeout=299h -- "$JOB" "$JOBS" -1
ended a
is "$STATUS" 125 "a longer one, with which the client library never connects, is refused"
check "... by its name and the limit" logged a '--zookeeper-session-timeout: "299h" is not between 1ms and 298h'
