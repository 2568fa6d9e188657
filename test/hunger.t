#!/bin/bash
# Hunger: no memory, no descriptors. Ballot says so, does it at a pace, and nothing runs twice.
# (No processes, no room in a file: limits.t.) With SOAK the memory fails at each place, else at some.
. "$(dirname "$0")/lib.sh"
zk_start zk
T1=(--zookeeper-session-timeout=1s)
once=(--on-child-success=exit --on-child-error=exit)
printf '#!/bin/sh\nexec env LD_PRELOAD=%q %q "$@"\n' "$here/bin/nomem.so" "$BALLOT" >"$T/hungry" # see nomem.c
chmod 755 "$T/hungry"
tries_again() { grep -qE ' again (in|after) | again once |still trying' "$T/$1.log"; } # NAME
settled() { # NAME...: each has ended, or says that it tries again
    local name
    for name; do dead "${PID[$name]}" || tries_again "$name" || return 1; done
}
ends_well() { # NAME: what it says fits how it ends, and its command has run once or not at all; else prints why
    local runs crash
    alive "${PID[$1]}" && kill -TERM "${PID[$1]}"
    ended "$1"
    runs=$(grep -c '\[cmd-run-stdout\]' "$T/$1.out")
    crash=$(sed -n 's,^crash in .*/,,p' "$T/says.$1" 2>/dev/null)
    case $STATUS:$runs:$crash in
    0:1:) return ;;
    12[56]:0:) grep -qE 'out of memory|Too many open files|Cannot allocate memory' "$T/$1.log" && return ;;
    143:[01]:) tries_again "$1" && return ;;
    13[49]:[01]:libzookeeper* | 0:1:libzookeeper*) return ;;
    esac
    echo "$1: status $STATUS, $runs runs, crash in ${crash:-nothing}: $(tail -n 1 "$T/$1.log")"
}
end_well() { # NAME...
    local name
    within 20 settled "$@"
    for name; do ends_well "$name"; done >"$T/ill"
    not grep -q . "$T/ill"
    ok $? "$# of them: what is said fits" || complain "$(cat "$T/ill")"
}
left_none() { not grep -q "$BASE-" <<<"$(four zk dump)"; } # of the elections whose paths begin with BASE-

describe "Few descriptors: what cannot be done for want of one is said; no limit hangs or crashes it"
few() { # NAME LIMIT SERVER
    (ulimit -n "$2" && exec setsid "$BALLOT" run once --candidate-id="$1" --zookeeper-servers="$3:${PORT[zk]}" \
        --zookeeper-base-path="$BASE-$1" "${T1[@]}" "${once[@]}" -- "$JOB" now) >"$T/$1.out" 2>"$T/$1.log" &
    PID[$1]=$!
}
names=()
for limit in {4..16}; do
    few "a$limit" "$limit" 127.0.0.1
    few "l$limit" "$limit" localhost
    names+=("a$limit" "l$limit")
done
end_well "${names[@]}"
check "... not even a guard" grep -q 'fatal cannot start the guard process: Too many open files' "$T"/a*.log
check "... a resolver" grep -q "cannot start a child to resolve the servers' names: Too many open files" "$T"/l*.log
check "... pipes for the command" grep -q 'error cannot execute .*: Too many open files' "$T"/a*.log
check "... nothing is left in any queue" within 5 left_none

goes_on "The least number of descriptors with which the command is started is enough to end all of it"
for limit in {4..17}; do [ -s "$T/a$limit.out" ] && break; done
below "$limit" 16 "the command is started"
(ulimit -n "$limit" && exec setsid "$BALLOT" run once --candidate-id=z --zookeeper-servers="127.0.0.1:${PORT[zk]}" \
    --zookeeper-base-path="$BASE" "${T1[@]}" --restart-delay=0s -- "$JOB" "$JOBS" -1 fork daemon) 2>"$T/z.log" >&2 &
PID[z]=$!
check "... with children" within 10 ready
kill -KILL "$(guard_of z)"
check "... the guard is killed: it is started anew" within 10 ready_least 2
is "$(overlaps)" 0 "... after all of it has ended"
kill -KILL "${PID[z]}"
check "... the candidate is killed: all of it is ended" within 10 lock_free

if [[ $BALLOT == */asan/* ]]; then
    skip "no memory" "AddressSanitizer has a malloc() of its own"
    exit
fi

describe "A block of memory is missing, the first, the second ...: ballot ends and says so, or goes on"
# A crash is the client library's, which does not look whether it has got what it asked for.
starve() { # NAME BLOCK ON: a candidate that lacks this block; ON=1: and all behind it
    NOMEM_AT=$2 NOMEM_ON=$3 NOMEM_SAYS=$T/says.$1 BALLOT=$T/hungry BASE=$BASE-$1 \
        candidate "$1" "${T1[@]}" "${once[@]}" -- "$JOB" now
}
starve_all() { # ON BLOCK...
    local names=() block
    for block in "${@:2}"; do
        starve "m$1.$block" "$block" "$1"
        names+=("m$1.$block")
    done
    end_well "${names[@]}"
}
if [ -z "${SOAK:-}" ]; then
    # shellcheck disable=SC2046
    starve_all 0 $(seq 40) $(seq 41 9 230)
else
    for on in 0 1; do
        for ((first = 1; first < 300; first += 20)); do
            # shellcheck disable=SC2046
            starve_all $on $(seq $first $((first + 19)))
        done
    done
fi
missed() { grep -l none "$T"/says.* | wc -l; }
check "... most of them were asked for" prints_least 50 missed
check "... nothing is left in any queue" within 5 left_none

leader_starves() { # MODE ON BLOCK
    local behind=
    [ "$2" = 0 ] || behind=", and all behind it"
    describe "A leader (on-disconnect=$1) lacks its block of memory $3$behind: another follows it"
    NOMEM_AT=$3 NOMEM_ON=$2 NOMEM_SAYS=$T/says.leader BALLOT=$T/hungry \
        candidate a "${T1[@]}" --on-disconnect="$1" -- "$JOB" "$JOBS" -1 fork daemon
    within 3 ready
    candidate b "${T1[@]}" --on-disconnect="$1" -- "$JOB" "$JOBS" -1 fork daemon
    check "the block was asked for" within 15 test -s "$T/says.leader"
    [ "$2" = 1 ] || kill -KILL "${PID[a]}" 2>/dev/null # for want of one it need not end
    check "another runs the command" within 15 logged b ' starting '
    is "$(overlaps)" 0 "... and no two ran at a time"
    kill -KILL "${PID[a]}" 2>/dev/null
    rm "$T/says.leader"
    stop b
}
if [ -z "${SOAK:-}" ]; then
    leader_starves stop 1 260
else
    for block in {230..400..10}; do
        for on in 0 1; do
            for mode in stop keep; do leader_starves $mode $on "$block"; done
        done
    done
fi

describe "The client library has no memory for what the base holds: that is no empty base"
candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 ready
guard=$(guard_of a)
kill -STOP "$guard" "${PID[a]}"
zk get "$BASE" >"$T/base"
NOMEM=$(stat -c %s "$T/base") BALLOT=$T/hungry candidate b "${T1[@]}" -- "$JOB" "$JOBS" -1
check "a candidate that cannot read it leaves the queue, and says so" within 10 \
    logged b "reading $BASE is refused: out of memory; leaving the queue"
before=$(requests)
candidate c "${T1[@]}" -- "$JOB" "$JOBS" -1
check "... blocks no other" within 10 leader_is c
below "$(($(requests) - before))" 400 "... and sends few requests"
refuse "... it never leads" logged b leading
kill -KILL "$guard" "${PID[a]}"
stop b c

describe "Guards that die at once: another leads, and the next guard is started after a pause, which doubles"
NOMEM_GUARDS=$T/dying BALLOT=$T/hungry candidate a "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 ready
candidate b "${T1[@]}" -- "$JOB" "$JOBS" -1
within 5 proposals_are 2
: >"$T/dying"
kill -KILL "$(guard_of a)"
check "another candidate leads" within 5 ready_least 2
check "... it is said why" within 5 \
    logged a "cannot start the guard process: it dies too soon; without one nothing can be run"
rm "$T/dying"
check "... and once one lives it stands again" within 10 proposals_are 2
below "$(times_logged a 'the guard process has died')" 6 "... after few attempts"
is "$(overlaps)" 0 "... no two commands ran at a time"
stop a b

describe "Where there is no memory for what is read, info, watch and step-down end with 125"
# It is not to be taken for a base that names no leader, or for a Go ballot's proposal. (Where the
# client library itself has no memory it ends by abort() or a signal.)
padded() { # BYTES: a leader's JSON of that length
    local json='{"candidateId":"a","hostname":"h","sessionTimeout":"5s","onDisconnect":"keep","proposalNode":'
    printf '%-*s' "$1" "$json\"$BASE/proposal-0000000000\"}"
}
looks() { # STATUS BYTES WORD...: with no memory for so many; what it says in $T/out
    NOMEM=$2 LD_PRELOAD=$here/bin/nomem.so timeout 5 "$BALLOT" "${@:3}" --zookeeper-servers="$(servers zk)" \
        --zookeeper-base-path="$BASE" >"$T/out" 2>&1
    [ $? = "$1" ]
}
zk create $BASE "$(padded 776)" >/dev/null
"$ZK" "$(servers zk)" ephemeral $BASE/proposal-0000000000 "$(padded 780)" >/dev/null &
PID[held]=$!
within 5 proposals_are 1
for words in 'info --check' info watch 'step-down --timeout=2s'; do
    # shellcheck disable=SC2086
    check "no memory for the base: $words" looks 125 777 $words
    check "... says so" grep -q 'fatal out of memory' "$T/out"
done
check "info --check does not read the proposals" looks 0 781 info --check
for words in info watch; do
    # shellcheck disable=SC2086
    check "no memory for a proposal: $words" looks 125 781 $words
    check "... says so" grep -q 'fatal out of memory' "$T/out"
done
zk create $BASE/requests "$(padded 790)" >/dev/null
for words in info 'step-down --timeout=2s'; do
    # shellcheck disable=SC2086
    check "no memory for what operators ask: $words" looks 125 791 $words
    check "... says so" grep -q 'fatal out of memory' "$T/out"
done
check "none is missing: a candidate leads" looks 0 1000001 info --check
