#!/bin/bash
# Servers that answer what no server does. Where the client library survives, the candidate does;
# where it does not, the guard ends the command and hands the leadership on.
. "$(dirname "$0")/lib.sh"
T9=(--zookeeper-session-timeout=9s)

for lie in path names count length; do
    describe "A server that lies about $lie: a candidate lives with it, and asks no more than it has to"
    BASE=/b # fakezk knows no other
    PORT[$lie]=$(port_choose)
    "$here/fakezk" "${PORT[$lie]}" 9000 $lie >"$T/$lie.types" &
    PID[$lie]=$!
    within 5 not port_free "${PORT[$lie]}"
    SERVER=$lie
    candidate "c$lie" "${T9[@]}" -- "$JOB" "$JOBS" -1
    check "$lie: it is asked for a proposal" within 10 grep -qx 1 "$T/$lie.types"
    within 2 prints_least 1000 lines "$T/$lie.types" # it is not to come to that
    if [ $lie != length ]; then # at that the library reads, and frees, what it never allocated
        check "... and the candidate lives" alive "${PID[c$lie]}"
    fi
    below "$(lines "$T/$lie.types")" 300 "... and asks no more often than it would an honest server"
    stop "c$lie"
    kill -KILL "${PID[$lie]}"
done

describe "An event without a path ends the leader, in the library itself: its guard resigns for it"
zk_start zk
proxy_start
SERVER=proxy candidate a "${T9[@]}" -- "$JOB" "$JOBS" -1
check "a leads" within 10 started_least 1
command=$(last_pid)
candidate b "${T9[@]}" -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
at=$(now)
mode event
check "the candidate has ended" within 5 dead "${PID[a]}"
check "... and its guard the command" within 2 dead "$command"
check "... and its candidacy: another leads" within 8 started_least 2
below "$((($(last_start) - at) / 1000000))" 4000 "... long before the session would expire"
is "$(overlaps)" 0 "... never two at once"
stop b
