#!/bin/bash
# The simulated ZooKeeper (simzk.c) does what the real one does, answer by answer and event
# by event, in random sequences of steps (conform.c).
#
# Compared with ZooKeeper 3.8.0, servers and client library, as Debian 12 and 13 package it.
# Each sequence is for new servers, because zxids are compared to the number. A difference that
# does not come again with the same seed is the machine's (a session that expired because
# it stood still); it is counted, and more than a few are a failure.
#
#     make conform [SEED=n [SERVERS=1|3] [STEPS=1-300,305] [BATCH=n]]
. "$(dirname "$0")/lib.sh"

ZK_TICK=100 ZK_MIN=2000 # as in conform.c
ROUNDS=1 LIMIT=1
declare -A MOST=([1]=1-1100 [3]=1-310) BURST=([1]=8 [3]=8) # steps; requests at once
[ -z "${SOAK:-}" ] || { ROUNDS=8 LIMIT=3 MOST=([1]=1-1299 [3]=1-1299) BURST=([1]=100 [3]=100); }

# --- servers: one, or three, of which the leader is the last

declare -A LIST
servers_end() { # COUNT
    local i
    for ((i = 1; i <= $1; i++)); do
        zk_kill "$1.$i"
        rm -rf "${T:?}/$1.$i"
    done
}
servers_begin() { # COUNT
    local i leader lines=()
    if [ "$1" = 1 ]; then
        zk_start 1.1
        LIST[1]=127.0.0.1:${PORT[1.1]}
        return
    fi
    for i in 1 2 3; do
        PORT[3.$i]=$(port_choose)
        lines+=("server.$i=127.0.0.1:$(port_choose):$(port_choose)")
    done
    for i in 1 2 3; do
        zk_config 3.$i "${lines[@]}" initLimit=100 syncLimit=50
        echo $i >"$T/3.$i/data/myid"
        zk_launch 3.$i
    done
    LIST[3]=
    for i in 1 2 3; do
        within 30 zk_mine 3.$i || return
        if four 3.$i srvr | grep -q 'Mode: leader'; then
            leader=${PORT[3.$i]}
        else
            LIST[3]+=127.0.0.1:${PORT[3.$i]},
        fi
    done
    LIST[3]+=127.0.0.1:$leader
}

# --- a sequence

asked=0 nudged=0 unrepeated=0
play() { # COUNT SEED STEPS BATCH: begins it on real servers
    servers_begin "$1" || return
    timeout 600 "$here/bin/conform" "${LIST[$1]}" "${@:2}" >"$T/real$1" 2>"$T/nudges$1" &
    PID[real$1]=$!
}
judge() { # COUNT SEED STEPS BATCH: ends it; passes if it was the same as with the simulated ones
    timeout 600 "$here/bin/simconform" "$@" >"$T/simulated$1" 2>&1
    wait "${PID[real$1]}"
    servers_end "$1"
    asked=$((asked + $(grep -c ' asked ' "$T/real$1")))
    nudged=$((nudged + $(cat "$T/nudges$1") + 0))
    cmp -s "$T/real$1" "$T/simulated$1" && [ "$(tail -n 1 "$T/real$1")" = done ]
}
differs() { # COUNT SEED STEPS BATCH
    play "$@" && ! judge "$@"
}
difference() { # COUNT
    diff -U 8 "$T/real$1" "$T/simulated$1" | head -n 30 | cut -c1-200 | sed 's/^/#     /' >&2
}

# --- the shortest sequence that differs: without each half, quarter, ... of its steps

steps_until() { # COUNT: up to the first difference
    local line
    line=$(cmp "$T/real$1" "$T/simulated$1" 2>&1 | sed 's/.*line //')
    head -n "$line" "$T/simulated$1" | grep -x '[0-9]*'
}
joined() { local IFS=,; echo "$*"; }
shrink() { # COUNT SEED BATCH
    local steps rest size i batch=$3 most limit=$((SECONDS + 120))
    mapfile -t steps < <(steps_until "$1")
    for ((size = (${#steps[@]} + 1) / 2; size > 0; size /= 2)); do
        for ((i = 0; i < ${#steps[@]} && SECONDS < limit; )); do
            rest=("${steps[@]:0:i}" "${steps[@]:i + size}")
            if differs "$1" "$2" "$(joined "${rest[@]}")" "$3"; then steps=("${rest[@]}"); else i=$((i + size)); fi
        done
    done
    for most in 1 2 4 8; do
        [ $most -lt "$3" ] && differs "$1" "$2" "$(joined "${steps[@]}")" $most && batch=$most && break
    done
    differs "$1" "$2" "$(joined "${steps[@]}")" "$batch"
    complain "the shortest: make conform SEED=$2 SERVERS=$1 STEPS=$(joined "${steps[@]}") BATCH=$batch"
    difference "$1"
}

same() { # COUNT SEED STEPS BATCH: of the sequence that was begun
    judge "$@" && return
    complain "seed $2, servers $1: real and simulated differ:"
    difference "$1"
    if ! differs "$@"; then
        unrepeated=$((unrepeated + 1))
        complain "seed $2, servers $1: not a second time"
        return
    fi
    shrink "$1" "$2" "$4"
    return 1
}

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
if [ -n "${STEPS:-}" ]; then
    play "${SERVERS:-1}" "$seed" "$STEPS" "${BATCH:-8}"
    check "seed $seed, servers ${SERVERS:-1}, steps $STEPS: as the real ones" \
        same "${SERVERS:-1}" "$seed" "$STEPS" "${BATCH:-8}"
    exit
fi
for ((round = 0; round < ROUNDS && FAILED == 0; round++, seed++)); do
    for count in ${SERVERS:-1 3}; do play "$count" "$seed" "${MOST[$count]}" "${BURST[$count]}"; done
    for count in ${SERVERS:-1 3}; do
        check "seed $seed, servers $count: the simulated ensemble and library do as the real ones" \
            same "$count" "$seed" "${MOST[$count]}" "${BURST[$count]}" || break
    done
done
note "$asked requests in $SECONDS s; answers that came only behind another transaction: $nudged;" \
    "differences that did not repeat: $unrepeated"
[ "$asked" -ge $((ROUNDS * 5000)) ]
ok $? "some thousand requests a round"
below "$unrepeated" $LIMIT "differences that did not repeat are rare"
below "$nudged" $((asked / 100)) "late answers are rare"
