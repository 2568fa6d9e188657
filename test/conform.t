#!/bin/bash
# The simulated ZooKeeper does what the real one does, answer by answer, event by event.
. "$(dirname "$0")/lib.sh"

# as in conform.c
ZK_TICK=100 ZK_MIN=2000
asked=0
compare() { # SERVERS COUNT SEED STEPS BATCH
    timeout 900 "$here/bin/conform" "$1" "$3" "$4" "$5" >"$T/real" 2>&1
    local status=$?
    asked=$((asked + $(grep -c ' asked ' "$T/real")))
    timeout 900 "$here/bin/simconform" "$2" "$3" "$4" "$5" >"$T/simulated" 2>&1 && cmp -s "$T/real" "$T/simulated" && [ $status = 0 ] && return
    if [ "$2" != 1 ] && [ "$(tail -n 1 "$T/real")" = 'GIVEN UP: an answer does not come' ]; then
        note "seed $3: a real server forgot an answer (ZOOKEEPER-4537) in step $(grep -c '^[0-9]*$' "$T/real"); compared until there"
        awk '!/^ / { last = NR } END { print last }' <(head -n -1 "$T/real") >"$T/steps"
        cmp -s <(head -n $(($(cat "$T/steps") - 1)) "$T/real") <(head -n $(($(cat "$T/steps") - 1)) "$T/simulated") && return
    fi
    complain "seed $3, status $status; real and simulated differ:"
    diff "$T/real" "$T/simulated" | head -n 20 | cut -c1-200 | sed 's/^/#     /' >&2
    return 1
}

# --- one server: a new one each time, because zxids are compared to the number

one() { # SEED STEPS BATCH
    local status
    for _ in 1 2; do # again where the machine stood still for longer than a session lasts: a difference remains
        zk_start zk
        compare "127.0.0.1:${PORT[zk]}" 1 "$@"
        status=$?
        zk_kill zk
        rm -rf "$T/zk"
        [ $status = 0 ] && break
    done
    return $status
}
seed=${SEED:-$RANDOM$RANDOM}
rounds=1 steps=1200 batch=8
[ -z "${SOAK:-}" ] || { rounds=10 steps=5000 batch=50; }
for ((i = 0; i < rounds; i++)); do
    check "seed $((seed + i)): the same events and answers as from a real server" one $((seed + i)) $steps $batch || break
done

# --- three servers: each handle at another one, sessions that move

three() { # SEED STEPS BATCH
    local name list leader lines=()
    for name in 1 2 3; do
        PORT[$name]=$(port_choose)
        lines+=("server.$name=127.0.0.1:$(port_choose):$(port_choose)")
    done
    for name in 1 2 3; do
        zk_config $name "${lines[@]}" initLimit=100 syncLimit=50
        echo $name >"$T/$name/data/myid"
        zk_launch $name
    done
    for name in 1 2 3; do
        within 30 zk_mine $name || return
        if four $name srvr | grep -q 'Mode: leader'; then leader=$name; else list+=127.0.0.1:${PORT[$name]},; fi
    done
    compare "$list"127.0.0.1:"${PORT[$leader]}" 3 "$@"
    local status=$?
    for name in 1 2 3; do
        zk_kill $name
        rm -rf "${T:?}/$name"
    done
    return $status
}
if [ -n "${SOAK:-}" ]; then
    for ((i = 0; i < 10; i++)); do
        check "seed $((seed + i)): the same as from three real servers" three $((seed + i)) 1000 8 || break
    done
fi

note "$asked requests"
[ "$asked" -ge $((rounds * steps)) ]
ok $? "at least one request a step"
