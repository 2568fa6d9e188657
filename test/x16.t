#!/bin/bash
# What a machine refuses: new processes, longer files, /dev/null.
. "$(dirname "$0")/lib.sh"
zk_start zk
version() { zk stat "$BASE" | sed 's/version=\([0-9]*\).*/\1/'; }
beats() { [ "$(version)" -ge $(($1 + 3)) ]; } # VERSION: heartbeats have come since

# --- no new process (RLIMIT_NPROC; pids.max and a lack of memory are the same):
# --- a candidate whose guard dies cannot have another


BASE=/jail
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
        "$jail" "$2" "/${BALLOT##*/}" run once --candidate-id="$1" --zookeeper-servers="$(servers zk)" --zookeeper-base-path=$BASE --restart-delay=100ms "${@:3}" \
        -- /job /jobs -1 2>>"$T/$1.log" &
    PID[$1]=$!
}
JOBS=$jail/jobs
if able_to_mount && able "${UNSHARE[@]}" chroot "$jail" "/${BALLOT##*/}" --version; then
    jailed c ""
    check "no /dev/null: it leads" within 10 logged c "leading, with fencing token"
    check "... says what is missing" within 5 logged c "cannot open /dev/null, .*: No such file or directory; /job was not executed"
    check "... follows the policy" within 5 eval '[ "$(grep -c "cannot open /dev/null" "$T/c.log")" -ge 3 ]'
    is "$(readlink "/proc/${PID[c]}/fd/0" "/proc/${PID[c]}/fd/1" | uniq)" "$jail" "... and opened nothing that matters as its stdin or stdout"
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
