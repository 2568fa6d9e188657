#!/bin/bash
# ZooKeeper absent, killed, frozen, back soon and back late, without its data;
# one of three servers killed or frozen.
. "$(dirname "$0")/lib.sh"
ZK_TIER=1
cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
three() { # OPTION... -- COMMAND...: a leads, b and c wait
    candidate a "$@"
    within 20 started_least 1
    candidate b "$@"
    candidate c "$@"
    within 10 proposals_are 3
}

describe "No server is there at the start: a candidate waits for one, at little cost"
PORT[zk]=$(port_choose)
zk_config zk
candidate a --zookeeper-session-timeout=2s -- "$JOB" "$JOBS" -1
pause 1
before=$(cpu_ticks "${PID[a]}")
pause 3
below $(($(cpu_ticks "${PID[a]}") - before)) 3 "without an answer: under 1 % of a processor (ticks of 10 ms in 3 s)"
below "$(wc -l <"$T/a.log")" 3 "... and a few lines of log"
check "... that say what it waits for" logged a "info  connecting to ZooKeeper at 127.0.0.1:${PORT[zk]}"
check "... and why that does not come, once" prints 1 times_logged a \
    "warn  cannot connect to ZooKeeper at 127.0.0.1:${PORT[zk]}: Connection refused; still trying"
zk_restart zk
check "it comes: the command runs" within 8 started_least 1
stop a

for back in 2 7; do
    for mode in keep stop; do
        describe "$mode, the server is killed and back after $back s: all stand again, without overlap"
        three --zookeeper-session-timeout=2s --on-disconnect=$mode --restart-delay=0s -- "$JOB" "$JOBS" -1
        first=$(last_pid)
        zk_kill zk
        [ $mode = stop ] && check "the command is stopped" within 3 lock_free
        pause $back
        if [ $mode = keep ]; then
            is "$(started) $(last_pid)" "1 $first" "the command goes on"
            check "... beyond the lease, which is said" logged a "the lease is over: another may lead soon; leading on"
            zk_restart zk
            pause 5
            check "... and does when it is back" alive "$first"
            is "$(started)" 1 "... and no other starts"
            check "... and the leader is the same" leader_is a
        else
            is "$(started)" 1 "... and nothing is started meanwhile"
            check "... as the lease ends, which is said" logged a "the lease ends in .*: what depends on it has to stop"
            zk_restart zk
            check "... back: it is started again" within 10 started_least 2
            pause 2
            is "$(started)" 2 "... once"
        fi
        check "... all stand in the queue" within 6 proposals_are 3
        is "$(overlaps)" 0 "... without overlap"
        below "$(cat "$T"/[abc].log | wc -l)" 60 "... and the logs stayed short"
        stop a b c
        within 10 proposals_are 0
    done
done

for mode in keep stop; do
    describe "$mode, the server is frozen until all sessions expire: all stand again, without overlap"
    three --zookeeper-session-timeout=2s --on-disconnect=$mode --restart-delay=0s -- "$JOB" "$JOBS" -1
    first=$(last_pid)
    kill -STOP "${PID[zk]}"
    pause 7
    if [ $mode = keep ]; then
        check "the command goes on" alive "$first"
    else
        check "the command is stopped" lock_free
    fi
    kill -CONT "${PID[zk]}"
    pause 4 # until then the server shows the old proposals
    check "... thawed, all stand again" within 12 proposals_are 3
    [ $mode = keep ] && is "$(started) $(last_pid)" "1 $first" "... and the command was never touched"
    [ $mode = stop ] && is "$(started)" 2 "... and the command was started again, once"
    is "$(overlaps)" 0 "... without overlap"
    stop a b c
done

describe "The server's data is gone: the leadership is, too, and all stand again"
three --zookeeper-session-timeout=1s --restart-delay=0s -- "$JOB" "$JOBS" -1
zk_kill zk
rm -rf "$T/zk/data"
mkdir "$T/zk/data"
zk_restart zk
check "all stand again" within 20 proposals_are 3
check "... the leader stops" logged a "lost the leadership"
check "... and one is elected" within 10 started_least 2
pause 1
is "$(overlaps)" 0 "... without overlap"
stop a b c

describe "The server goes back to an earlier state, in which the sessions live on: its leader is elected again"
back=(--zookeeper-session-timeout=4s --on-disconnect=stop --restart-delay=0s -- "$JOB" "$JOBS" -1)
candidate a "${back[@]}"
within 10 started_least 1
candidate b "${back[@]}"
within 10 proposals_are 2
zk_kill zk
cp -r "$T/zk/data" "$T/zk/earlier"
zk_restart zk
for n in a b; do within 10 prints 2 times_logged $n 'connected to ZooKeeper'; done
"$BALLOT" step-down --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" >"$T/step-down.log" 2>&1
within 10 leader_is b
within 10 proposals_are 2
zk_kill zk
rm -rf "$T/zk/data"
mv "$T/zk/earlier" "$T/zk/data"
zk_restart zk
for _ in $(seq 40); do # each writes twice, a session and its end: no client knows a greater zxid than the server
    zk stat /zookeeper >"$T/stat.log"
done
check "the leader of then stands again" within 12 prints 3 times_logged a "standing as"
is "$(proposals)" 2 "... with its proposal of then, not with two"
before=$(started)
check "... and is elected" within 10 started_least $((before + 1))
refuse "... without being taken for a mute one" logged b "keeps its session"
is "$(overlaps)" 0 "... without overlap"
stop a b
zk_kill zk

# From here on: three servers, of which one fails.
ports=()
for n in 1 2 3; do
    PORT[zk$n]=$(port_choose)
    ports[n]=$n=127.0.0.1:$(port_choose):$(port_choose)
done
for n in 1 2 3; do
    zk_config zk$n initLimit=10 syncLimit=5 "${ports[@]/#/server.}"
    echo $n >"$T/zk$n/data/myid"
    zk_launch zk$n
done
for n in 1 2 3; do within 30 zk_mine zk$n; done
zk() { "$ZK" "$(servers zk1 zk2 zk3)" "$@"; }
ensemble() { # NAME OPTION...
    setsid "$BALLOT" run once --candidate-id="$1" --zookeeper-servers="$(servers zk1 zk2 zk3)" \
        --zookeeper-base-path="$BASE" --zookeeper-session-timeout=4s --restart-delay=0s "${@:2}" -- \
        "$JOB" "$JOBS" -1 >"$T/$1.out" 2>>"$T/$1.log" &
    PID[$1]=$!
}
server_of() { # NAME: the server that it talks to
    local port n
    port=$(grep -o 'connected to ZooKeeper at 127.0.0.1:[0-9]*' "$T/$1.log" | tail -n 1 | grep -o '[0-9]*$')
    for n in 1 2 3; do [ "${PORT[zk$n]}" = "$port" ] && echo zk$n; done
}
moved_from() { [ "$(server_of a)" != "$1" ]; } # SERVER
for fault in KILL STOP; do
    for mode in keep stop; do
        describe "$mode, SIG$fault to the leader's server, one of three: the leader finds another one"
        ensemble a --on-disconnect=$mode
        within 10 started_least 1
        ensemble b --on-disconnect=$mode
        ensemble c --on-disconnect=$mode
        within 10 proposals_are 3
        victim=$(server_of a)
        first=$(last_pid)
        kill -$fault "${PID[$victim]}"
        check "the leader finds another one" within 20 moved_from "$victim"
        pause 4
        if [ $mode = keep ]; then
            is "$(started) $(last_pid)" "1 $first" "... the command is not disturbed"
        else
            check "... the command runs, or runs again" within 20 lock_held
        fi
        is "$(overlaps)" 0 "... without overlap"
        if [ $fault = KILL ]; then
            wait "${PID[$victim]}" 2>/dev/null
            zk_launch "$victim"
        else
            kill -CONT "${PID[$victim]}"
        fi
        within 30 zk_mine "$victim"
        stop a b c
        check "... and all leave in good order" within 8 proposals_are 0
    done
done
