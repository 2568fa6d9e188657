#!/bin/bash
# What a machine refuses: new processes, longer files, /dev/null. (Memory, descriptors: hunger.t.)
. "$(dirname "$0")/lib.sh"
zk_start zk
version() { zk stat "$BASE" | sed 's/version=\([0-9]*\).*/\1/'; }
beats() { [ "$(version)" -ge $(($1 + 3)) ]; } # VERSION: heartbeats have come since

# The first blocks: no new process can be started, because of RLIMIT_NPROC; pids.max and a lack of
# memory are the same to ballot.
AS=() # root is not limited: as a user that has no other process
[ "$(id -u)" = 0 ] && AS=(setpriv "--reuid=$((300000 + $$))" --clear-groups env "HOME=$T")
cp "$BALLOT" "$T/ballot" # where that user may read it
cp "$JOB" "$T/job"
printf '#!/bin/sh\nexec %s ${LIMIT:+prlimit "--nproc=$LIMIT:"} %s "$@"\n' "${AS[*]}" "$T/ballot" >"$T/limited"
chmod 755 "$T/ballot" "$T/job" "$T/limited"
chmod 711 "$T"
limited() { # NAME OPTION...
    BALLOT=$T/limited candidate "$1" --restart-delay=0s "${@:2}" -- "$T/job" "$JOBS" -1 fork daemon
}
limit() { # NAME COUNT: of processes; more than the hard limit means just that
    local most
    most=$("${AS[@]}" prlimit "--pid=${PID[$1]}" --nproc --noheadings -o HARD)
    "${AS[@]}" prlimit "--pid=${PID[$1]}" "--nproc=${2/most/$most}:"
}
limits_bind() {
    able "${AS[@]}" true || return
    WHY="more processes than RLIMIT_NPROC can be started here"
    ! "${AS[@]}" prlimit --nproc=1: sh -c '(exit 0); exit 0' 2>/dev/null
}
guard_dies() { # NAME
    within 5 guard_of "$1" >"$T/guard"
    kill -KILL "$(tail -n 1 "$T/guard")"
}

if limits_bind; then
    describe "No child can be started, for names, as guard, as the command: it is said, and tried again at a pace"
    chmod 777 "$JOBS"
    if [ ${#AS[@]} = 0 ]; then
        skip "names are not resolved" "a plain user has other processes, which count"
    else
        first=$BASE
        LIMIT=2 BALLOT=$T/limited candidate n --zookeeper-servers="localhost:${PORT[zk]}" -- sleep 99 # and its guard
        check "names are not resolved" within 10 logged n \
            "cannot start a child to resolve the servers' names: Resource temporarily unavailable; trying again in"
        PID[guard]=$(guard_of n)
        limit guard most
        limit n most # for the last check of these blocks
    fi
    LIMIT=1 limited a
    ended a
    is "$STATUS" 125 "... the guard is not started: it ends"
    check "... and says so" logged a "fatal cannot start the guard process: Resource temporarily unavailable"
    limited b
    within 10 ready
    limited c --restart-delay=200ms --on-child-error=rerun
    within 10 proposals_are 2
    guard_of c >"$T/guard"
    "${AS[@]}" prlimit "--pid=$(cat "$T/guard")" --nproc=1:
    stop b
    refused='cannot execute .*: Resource temporarily unavailable; running it again in'
    check "... the command is not started, again and again" within 10 prints_least 4 times_logged c "$refused"
    attempt() { date -d "$(grep "$refused" "$T/c.log" | sed -n "$1s/ error .*//p")" +%s%3N; } # NUMBER: when it was
    check "... after pauses that double" test $(($(attempt 4) - $(attempt 1))) -ge 800 # of 1400; else 600
    PID[guard]=$(cat "$T/guard")
    limit guard most
    check "... until it can be" within 10 started_least 2
    is "$(overlaps)" 0 "... and never two"
    stop c

    describe "The leader cannot have a new guard: it leaves the queue, and stands again once it can"
    chmod 777 "$JOBS"
    limited a --on-child-error=rerun
    within 10 ready
    limited b
    within 10 proposals_are 2
    limit a 1
    guard_dies a
    check "another candidate leads" within 10 leader_is b
    check "... and runs the command" within 5 started_least 2
    is "$(overlaps)" 0 "... which never ran twice"
    check "... the first has left the queue" within 5 proposals_are 1
    check "... and has said why" logged a "cannot start the guard process: Resource temporarily unavailable"
    pause 3
    is "$(times_logged a 'cannot start the guard process')" 1 "... not again each time that it tries"
    check "... and is alive" alive "${PID[a]}"
    limit a most
    check "processes may be started again: it stands again" within 5 proposals_are 2
    stop b
    check "... and can run the command" within 10 started_least 3

    goes_on "A lone leader without a guard resigns, and one SIGTERM ends it"
    limit a 1
    guard_dies a
    check "it resigns" within 5 proposals_are 0
    at=$(now)
    kill -TERM "${PID[a]}"
    ended a
    is "$STATUS" 143 "... and one SIGTERM ends it"
    below "$(ms_since "$at")" 3000 "... at once, in ms"
    check "... after its command" lock_free

    describe "A waiting candidate without a guard leaves the queue; for a leader without one the policy counts"
    chmod 777 "$JOBS"
    limited a --on-child-error=exit
    within 10 started_least 1
    limited b
    within 10 proposals_are 2
    limit b 1
    guard_dies b
    check "a waiting candidate without a guard leaves the queue" within 5 proposals_are 1
    limit a 1
    guard_dies a
    ended a
    is "$STATUS" 137 "without a guard the policy counts: exit, with the status of a killed command"
    is "$(proposals)" 0 "... and neither stands"
    limit b most
    check "the waiting one has a guard again, and leads" within 10 started_least 2
    is "$(overlaps)" 0 "... and no two commands ran at a time"
    stop b
    n_leads() { BASE=$first leader_is n; }
    if [ -n "${first:-}" ]; then
        check "names that could not be resolved have been since" within 10 n_leads
        stop n
    fi
else
    skip "a candidate that cannot have a new guard" "$WHY"
fi

describe "A control group that is full (pids.max): the guard is not started, or the command, until there is room"
for group in /sys/fs/cgroup/{pids/,}ballot-test.$$; do
    mkdir "$group" 2>/dev/null && [ -w "$group/pids.max" ] && break
    rmdir "$group" 2>/dev/null
done
grouped() { # NAME MOST OPTION...
    local list
    list=$(servers zk) # before there is no room for such a child
    : >"$T/$1.log"
    echo "$2" >"$group/pids.max"
    (echo "$BASHPID" >"$group/cgroup.procs" && exec setsid "$BALLOT" run once --candidate-id="$1" \
        --zookeeper-servers="$list" --zookeeper-base-path="$BASE" "${@:3}" -- "$JOB" "$JOBS" -1 \
        >"$T/$1.out" 2>"$T/$1.log") &
    PID[$1]=$!
}
if [ -d "$group" ]; then
    grouped a 1
    ended a
    check "no guard" logged a "fatal cannot start the guard process: Resource temporarily unavailable"
    grouped b 2 --restart-delay=100ms --on-child-error=rerun
    check "no command" within 10 logged b "cannot execute .*: Resource temporarily unavailable; running it again in"
    echo max >"$group/pids.max"
    check "... until there is room" within 10 started_least 1
    stop b
    emptied() { rmdir "$group" 2>/dev/null; }
    within 5 emptied
else
    skip "a full control group" "none with a pids.max can be made here"
fi

describe "A log as long as a file may be (RLIMIT_FSIZE) disturbs neither leader nor command"
head -c 3500 /dev/zero | tr '\0' '\n' >"$T/a.log"
(ulimit -S -f 4 && exec setsid "$BALLOT" run once --candidate-id=a --zookeeper-session-timeout=2s \
    --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" --debug --log-level=trace -- \
    sh -c 'cp /proc/self/status "$0"; exec "$@"' "$T/status" "$JOB" "$JOBS" -1 fork daemon >"$T/a.out" 2>>"$T/a.log") &
PID[a]=$!
check "the command runs" within 10 ready
full() { [ "$(stat -c %s "$T/a.log")" = 4096 ]; }
check "... the log has reached its limit, at the start" within 10 full
before=$(version)
check "... it leads on" within 5 beats "$before"
check "... and the command runs" alive "$(last_pid)"
is $((0x$(awk '$1 == "SigIgn:" { print $2 }' "$T/status") >> 24 & 1)) 0 "... in which SIGXFSZ is not ignored"
prlimit "--pid=${PID[a]}" --fsize=unlimited:
check "the file may grow: what had no room arrives" within 5 logged a "leading, with fencing token"
refuse "... and no line is torn" grep -qvE '^$|^[-0-9]{10} [0-9:.]{12} (trace|debug|info |warn |error) ' "$T/a.log"
guard=$(guard_of a)
kill -KILL "${PID[a]}"
check "the candidate is killed: its guard ends all of the command" within 5 lock_free
check "... and resigns for it" within 1 proposals_are 0
within 5 dead "$guard"

describe "A root folder with nothing but ballot and its command: /dev/null alone is needed to run it"
jail=$T/root
mkdir -p "$jail/dev" "$jail/jobs"
cp "$BALLOT" "$JOB" "$jail/"
for library in $(ldd "$BALLOT" | grep -o '/[^ )]*'); do
    mkdir -p "$jail/${library%/*}"
    cp -L "$library" "$jail/$library"
done
jailed() { # NAME NULL OPTION...: with what NULL names as its /dev/null; ballot has no stdout and no stdin
    : >>"$T/$1.log"
    "${UNSHARE[@]}" --mount sh -c '[ -z "$1" ] || { : >"$0/dev/null" && mount --bind "$1" "$0/dev/null"; } || exit 99
        jail=$0; shift; exec chroot "$jail" "$@" <&- >&-' \
        "$jail" "$2" "/${BALLOT##*/}" run once --candidate-id="$1" --zookeeper-servers="$(servers zk)" \
        --zookeeper-base-path="$BASE" --restart-delay=100ms "${@:3}" -- /job /jobs -1 2>>"$T/$1.log" &
    PID[$1]=$!
}
JOBS=$jail/jobs
if able_to_mount && able "${UNSHARE[@]}" chroot "$jail" "/${BALLOT##*/}" --version; then
    jailed c ""
    check "no /dev/null: it leads" within 10 logged c "leading, with fencing token"
    check "... says what is missing" within 5 \
        logged c "cannot open /dev/null, .*: No such file or directory; /job was not executed"
    check "... follows the policy" within 5 prints_least 3 times_logged c "cannot open /dev/null"
    is "$(readlink "/proc/${PID[c]}/fd/0" "/proc/${PID[c]}/fd/1" | uniq)" "$jail" \
        "... and opened nothing that matters as its stdin or stdout"
    stop c
    jailed c "" --on-child-error=exit
    ended c
    is "$STATUS" 126 "... with the status of a command that cannot be executed"
    jailed c /dev/null
    check "with /dev/null alone the command runs" within 10 started_least 1
    within 5 leader_is c
    stop c
    check "... and ends" lock_free
else
    skip "a root folder without /dev/null" "$WHY"
fi
