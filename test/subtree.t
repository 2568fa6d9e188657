#!/bin/bash
# Which processes are ended: all that the command started, and no other, wherever
# /proc shows them, and where it does not.
. "$(dirname "$0")/lib.sh"
zk_start zk
once=(--on-child-success=exit --on-child-error=exit --stop-timeout=200ms)
skips() { # COUNT REASON
    for _ in $(seq "$1"); do
        TESTS=$((TESTS + 1))
        echo "ok $TESTS - $TITLE # skip $2"
    done
}
inside() { # NAME UNSHARE-OPTIONS PREPARATION: $T/NAME is ballot there; fails where that is not to be had
    local options=$2
    [ "$(id -u)" = 0 ] || options="--user --map-root-user $2"
    printf '#!/bin/sh\nexec unshare %s sh -c %q "$@"\n' "$options" "$3; exec $BALLOT \"\$0\" \"\$@\"" >"$T/$1"
    chmod +x "$T/$1"
    "$T/$1" --version >/dev/null 2>&1
}
ticks() { sed 's/.*)//' "/proc/$1/stat" | awk '{ print $12 + $13 }'; } # PID: its processor time, in 1/100 s

describe "A command is stopped as fast beside a chain of 3,000 processes that are not its own"
mkfifo "$T/others"
"$JOB" beside 3000 deep <"$T/others" >"$T/beside" &
others=$!
exec 8>"$T/others"
within 60 grep -q ready "$T/beside"
best=100000
for _ in 1 2 3; do
    fresh
    rm "$T/a.log" 2>/dev/null
    candidate a -- "$JOB" "$JOBS" -1
    within 10 ready
    within 10 logged a "runs, pid"
    at=$(now)
    kill -TERM "${PID[a]}"
    ended a
    took=$(ms_since "$at")
    [ "$took" -lt "$best" ] && best=$took
done
below "$best" 300 "the fastest of three stops, in ms"
exec 8>&-
wait $others

describe "Processes that leave their group, fork and exit without end: all are ended"
candidate a --stop-timeout=100ms -- perl -MPOSIX=setsid -e '
    $SIG{TERM} = $SIG{CHLD} = "IGNORE";
    $| = 1;
    my $end = time + 30;
    for (1 .. 3) {
        next if fork;
        while (time < $end) { setsid; exit if fork }
        exit;
    }
    print "ready\n";
    sleep 30'
within 10 grep -q ready "$T/a.out"
kill -TERM "${PID[a]}"
check "ballot ends" within 10 dead "${PID[a]}"
ended a

describe "Children that ballot was born with are not its command's: they are left alone, and reaped"
cat >"$T/born" <<X
#!/bin/sh
sleep 1000 &
echo \$! >"$T/stranger"
(sleep 1000 & echo \$! >"$T/strangers-child"; until [ -e "$T/leave" ]; do sleep 0.02; done) &
(sh -c 'sleep 1000 & echo \$! >"$T/far"; until [ -e "$T/leave" ]; do sleep 0.02; done'; exec sleep 1000) &
echo \$! >"$T/strangers-parent"
exec "$BALLOT" "\$@"
X
chmod +x "$T/born"
left_to() { [ "$(ps -o ppid= -p "$1" | tr -d ' ')" = "$2" ]; } # PID PARENT
heartbeat() { within 5 prints_other "$(zk get "$BASE")" zk get "$BASE"; }
gone() { [ ! -e "/proc/$1" ]; } # PID: reaped
BALLOT=$T/born candidate a --zookeeper-session-timeout=1s -- "$JOB" "$JOBS" -1 fork daemon
within 10 ready
stranger=$(cat "$T/stranger") strangers_child=$(cat "$T/strangers-child") far=$(cat "$T/far")
: >"$T/leave"
within 5 left_to "$strangers_child" "${PID[a]}"
within 5 left_to "$far" "${PID[a]}"
heartbeat
heartbeat
kill -KILL "$(guard_of a)"
check "a guard is killed: the command is started anew, though ballot has other children" within 10 started_least 2
is "$(overlaps)" 0 "... after all of the old one was dead"
check "... a child that ballot was born with lives" alive "$stranger"
check "... and what a dead one of those left behind" alive "$strangers_child"
check "... and what a dead descendant of those left behind" alive "$far"
kill -KILL "$stranger"
check "... which is reaped when it dies" within 5 gone "$stranger"
stop a
kill -KILL "$strangers_child" "$far" "$(cat "$T/strangers-parent")"

describe "A guard dies, and its candidate can open no descriptor: the leadership is not given up meanwhile"
if able prlimit --pid $$ --nofile; then
    BALLOT=$T/born candidate a --restart-delay=0s -- "$JOB" "$JOBS" -1 daemon
    within 10 ready
    stranger=$(cat "$T/stranger") guard=$(guard_of a)
    prlimit --pid "${PID[a]}" --nofile=8:1024 # as many as are in use, less one or two
    kill -KILL "$guard"
    check "it can open nothing in /proc: that is said" within 5 logged a "left behind does not end"
    is "$(lock_held; echo $?) $(proposals)" "0 1" \
        "... while what the command left lives, the leadership is not given up"
    prlimit --pid "${PID[a]}" --nofile=1024:1024
    check "... until it can, and has ended that" within 10 started_least 2
    is "$(overlaps)" 0 "... all of it"
    stop a
    kill -KILL "$stranger" "$(cat "$T/strangers-child")" "$(cat "$T/far")" "$(cat "$T/strangers-parent")" \
        2>/dev/null
else
    skips 4 "no prlimit"
fi

describe "A guard dies after it has reaped the command: the process that has its pid by now is not killed"
cat >"$T/recycle" <<'X'
"$BALLOT" run once --candidate-id=a --zookeeper-servers="$1" --stop-timeout=60s --restart-delay=0s -- \
    sh -c 'trap "" TERM; setsid sleep 1000 & echo $$ >>"$0/pids"; exit 1' "$T" &
until pid=$(sed -n 1p "$T/pids" 2>/dev/null) && [ -n "$pid" ] && [ ! -e /proc/$pid ]; do sleep 0.05; done
for try in $(seq 100); do
    echo $((pid - 1)) 2>/dev/null >/proc/sys/kernel/ns_last_pid || exit 2
    setsid sleep 1000 &
    [ $! = $pid ] && break
    kill -KILL $!
done
[ $! = $pid ] || exit 2
until [ "$(ps -o pgid= -p $pid | tr -d ' ')" = $pid ]; do sleep 0.01; done
kill -KILL $(pgrep -P $(pgrep -o -x ballot) -x ballot)
for try in $(seq 200); do [ "$(wc -l <"$T/pids")" -ge 2 ] && break; sleep 0.05; done
[ "$(cat /proc/$pid/comm)" = sleep ] && echo lives || echo killed
X
unshare=(unshare --pid --fork --kill-child --mount-proc)
[ "$(id -u)" = 0 ] || unshare=(unshare --user --map-root-user "${unshare[@]:1}")
export T BALLOT
found=$("${unshare[@]}" bash "$T/recycle" "$(servers zk)" 2>"$T/a.log")
if [ -n "$found" ]; then
    is "$found" lives "it leads a group, and lives"
else
    skips 1 "no PID namespace whose pids can be chosen"
fi

left() { # NAME WHERE: the command leaves a child in its group
    BALLOT=$T/$1 candidate a "${once[@]}" -- "$JOB" "$JOBS" 200 fork
    check "$2: the end of a command that leaves a child behind is noticed" within 10 dead "${PID[a]}"
    check "... after the child is dead" lock_free
    check "... a warning said so at the start" logged a 'warn .*/proc'
    kill -KILL "${PID[a]}" 2>/dev/null
    wait "${PID[a]}" 2>/dev/null
}
describe "Without /proc a child that the command left is ended, and what left its group is said to live"
if inside bare "-m" "mount -t tmpfs none /proc"; then
    left bare "no /proc"
    fresh
    BALLOT=$T/bare candidate a "${once[@]}" -- "$JOB" "$JOBS" 500 daemon
    check "no /proc: what left the group is not waited for in silence" within 10 logged a "left behind does not end"
    is "$(proposals)" 1 "... nor is the leadership given up"
    pkill -KILL -P "$(pgrep -P "${PID[a]}")"
    ended a
    is "$STATUS" 0 "... until it is dead; the command's own status counts"
else
    skips 6 "no mount namespace"
fi

describe "With the /proc of another PID namespace a child that the command left is ended"
if inside other "--pid --fork --kill-child" "for n in 1 2 3 4 5; do sleep 1000 & done"; then
    left other "/proc of another PID namespace"
else
    skips 3 "no PID namespace"
fi

describe "What another user's process is may not be ended: it is named, waited for, and costs little"
public=$(mktemp -d "${TMPDIR:-/tmp}/ballot-test.XXXXXX")
trap 'set -- $?; rm -rf "$public"; (exit "$1"); finish' EXIT
chmod 755 "$public" "$T"
cp "$BALLOT" "$public/ballot" && cp "$JOB" "$public/job" && cp "$(command -v setpriv)" "$public/"
chmod u+s "$public/setpriv" "$public/job"
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
printf '#!/bin/sh\nexec env -u XDG_CONFIG_HOME HOME=/ %s %s/ballot "$@"\n' "${as_nobody[*]}" "$public" >"$public/nobody"
chmod 755 "$public/nobody"
root_sleeps() { root=$(pgrep -P "$guard" -x sleep); } # sets root, the pid of what root has started
if [ "$("${as_nobody[@]}" "$public/setpriv" --reuid=0 --clear-groups id -u 2>/dev/null)" = 0 ]; then
    BALLOT=$public/nobody candidate a "${once[@]}" -- \
        sh -c '"$0"/setpriv --reuid=0 --clear-groups sleep 1000 & sleep 0.2; exit 7' "$public"
    within 10 logged a 'runs, pid'
    guard=$(guard_of a)
    within 5 root_sleeps
    check "what may not be ended is named" within 10 logged a "cannot end pid $root,"
    before=$(ticks "$guard")
    pause 2.2
    below $(($(ticks "$guard") - before)) 8 \
        "... and tried again so seldom that it costs next to nothing: processor time in 2.2 s, in 1/100 s"
    is "$(proposals)" 1 "... the leadership is not given up"
    kill -KILL "$guard"
    check "its guard dies: the candidate waits for it as well" within 10 prints 2 times_logged a "cannot end pid $root,"
    before=$(ticks "${PID[a]}")
    pause 2.2
    below $(($(ticks "${PID[a]}") - before)) 8 \
        "... and costs next to nothing, too: processor time in 2.2 s, in 1/100 s"
    is "$(grep -c "cannot end pid" "$T/a.log")" 2 "... each has named it once"
    is "$(proposals)" 1 "... the leadership is not given up"
    kill -KILL "$root"
    check "... until it is dead" within 5 dead "${PID[a]}"
    ended a
else
    skips 8 "no other user, or no program that runs as another"
fi

describe "What the command leaves behind under another user, where /proc hides it, is ended"
if BALLOT=$public/nobody inside hiding "-m" "mount -t proc -o hidepid=2 proc /proc" && [ "$(id -u)" = 0 ]; then
    BALLOT=$T/hiding candidate a "${once[@]}" -- \
        sh -c '"$0/job" "$1" -1 ignore-term daemon & sleep 0.3; exit 0' "$public" "$JOBS"
    check "hidepid=2: what the command leaves behind under another user is ended" within 10 dead "${PID[a]}"
    check "... all of it" lock_free
    kill -KILL "${PID[a]}" 2>/dev/null
    wait "${PID[a]}" 2>/dev/null
else
    skips 2 "no /proc that hides processes"
fi

describe "A kernel that lets no orphans be adopted: the group of the command is ended all the same"
cat >"$T/shim.c" <<'X'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
int prctl(int option, ...)
{
    va_list a;
    va_start(a, option);
    unsigned long v[4];
    for (int i = 0; i < 4; i++)
        v[i] = va_arg(a, unsigned long);
    va_end(a);
    errno = EPERM;
    if (option == PR_SET_CHILD_SUBREAPER && getenv("NO_SUBREAPER"))
        return -1;
    return ((int (*)(int, ...))dlsym(RTLD_NEXT, "prctl"))(option, v[0], v[1], v[2], v[3]);
}
int access(const char *path, int mode)
{
    errno = ENOENT;
    if (strstr(path, "/children") && getenv("NO_CHILDREN"))
        return -1;
    return ((int (*)(const char *, int))dlsym(RTLD_NEXT, "access"))(path, mode);
}
X
if "${CC:-cc}" -shared -fPIC -o "$T/shim.so" "$T/shim.c" -ldl 2>/dev/null; then
    NO_SUBREAPER=1 LD_PRELOAD=$T/shim.so candidate a "${once[@]}" -- "$JOB" "$JOBS" 200 fork
    ended a
    is "$STATUS" 0 "orphans cannot be adopted: a command that leaves a child behind"
    check "... whose group is ended all the same" within 5 lock_free
    check "... a warning said so at the start" logged a "orphans cannot be adopted"

    describe "A kernel that lists no children of a process: all of the command is ended all the same"
    children() { pgrep -c -P "$(guard_of a)"; } # of a's guard
    NO_CHILDREN=1 LD_PRELOAD=$T/shim.so candidate a --stop-timeout=5s --restart-delay=0s -- "$JOB" "$JOBS" -1 children
    within 10 ready
    kill -KILL "$(guard_of a)"
    check "a guard dies, and the command is started anew" within 10 started_least 2
    is "$(overlaps)" 0 "... after all of the old one was dead"
    within 5 prints_least 51 children # all daemons are there
    kill -TERM "${PID[a]}"
    check "... and stopped" within 4 dead "${PID[a]}"
    check "... all of it" lock_free
else
    skips 7 "no compiler"
fi
