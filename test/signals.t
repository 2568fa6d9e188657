#!/bin/bash
# TERM, INT, QUIT, HUP, USR1: to leader and waiting candidate, once and twice, in every
# phase; as PID 1; Ctrl-C and Ctrl-Z at a terminal.
. "$(dirname "$0")/lib.sh"
zk_start zk
PORT[none]=$(port_choose)
passed=(HUP USR1 USR2 WINCH CONT) # to the command

ended_by() { # NAME SIGNAL WHAT: it died of that signal
    check "$3" within 8 dead "${PID[$1]}"
    ended "$1"
    is "$STATUS" $((128 + $(kill -l "$2"))) "... of that same signal"
}

for s in TERM INT QUIT; do
    describe "SIG$s ends a candidate that is connecting"
    SERVER=none candidate a -- "$JOB" "$JOBS" -1
    within 5 logged a . || pause 0.3
    kill "-$s" "${PID[a]}"
    ended_by a $s "it ends"

    describe "SIG$s ends a waiting candidate, then the leader, after its command"
    candidate a -- "$JOB" "$JOBS" -1
    within 10 started_least 1
    candidate b -- "$JOB" "$JOBS" -1
    within 10 proposals_are 2
    kill "-$s" "${PID[b]}"
    ended_by b $s "while waiting: it ends"
    check "... leaving the queue" proposals_are 1
    is "$(started)" 1 "... and the leader undisturbed"
    kill "-$s" "${PID[a]}"
    ended_by a $s "while leading: it ends"
    check "... after its command" lock_free
    is "$(zk get "$BASE")" "" "... and its resignation"

    describe "SIG$s to the leader of a command that ignores SIGTERM"
    candidate a --stop-timeout=60s -- "$JOB" "$JOBS" -1 ignore-term
    within 10 ready
    command=$(last_pid)
    if [ $s = TERM ]; then
        kill "-$s" "${PID[a]}"
        pause 0.5
        check "it waits" alive "$command"
        kill "-$s" "${PID[a]}"
        ended_by a $s "... a second one: it ends now"
        check "... after its command" lock_free
    else
        kill "-$s" "${PID[a]}"
        ended_by a $s "it is passed on to the command first"
    fi

    describe "SIG$s ends a leader between two runs"
    candidate a --restart-delay=30s --on-child-success=rerun -- true
    within 10 logged a "status 0"
    pause 0.1
    kill "-$s" "${PID[a]}"
    ended_by a $s "it ends"
    is "$(proposals)" 0 "... and leaves no proposal behind"
done

describe "${passed[*]} are passed on to the command, and ignored by a waiting candidate"
cat >"$T/echo-signals" <<'X'
#!/bin/bash
for s in HUP USR1 USR2 WINCH CONT; do trap "echo got $s" $s; done
echo ready
while :; do sleep 0.02; done
X
chmod +x "$T/echo-signals"
candidate a -- "$T/echo-signals"
within 10 grep -q ready "$T/a.out"
for s in "${passed[@]}"; do
    kill "-$s" "${PID[a]}"
    check "SIG$s is passed on to the command" within 2 grep -q "got $s" "$T/a.out"
done
candidate b -- "$T/echo-signals"
within 10 proposals_are 2
for s in "${passed[@]}"; do kill "-$s" "${PID[b]}"; done
pause 0.2
check "a waiting candidate lives" alive "${PID[b]}"
check "... and the leader goes on" alive "${PID[a]}"
stop a b

phase() { # NAME: brings candidate a into that phase
    rm -f "$T/a.log"
    case $1 in
    connecting) SERVER=none candidate a --debug -- "$JOB" "$JOBS" -1 && within 5 logged a '\[zookeeper\]' ;;
    waiting) candidate a -- "$JOB" "$JOBS" -1 && within 10 logged a standing ;;
    leading) fresh && candidate a -- "$JOB" "$JOBS" -1 && within 10 started_least 1 ;;
    between) candidate a --restart-delay=30s --on-child-success=rerun -- true && within 10 logged a "status 0" ;;
    esac
}
for name in connecting waiting leading between; do
    describe "A candidate in the phase \"$name\": what only a command gets does not end it, all else does, sent twice"
    [ $name = waiting ] && candidate b -- sleep 100 && within 10 leader_is b
    phase $name
    if [ $name != leading ]; then # a job would die of them
        for s in "${passed[@]}"; do kill "-$s" "${PID[a]}"; done
        pause 0.1
        check "$name: HUP, USR1, USR2, WINCH, CONT do not end it" alive "${PID[a]}"
    fi
    for s in TERM INT QUIT; do
        alive "${PID[a]}" || phase $name
        kill "-$s" "${PID[a]}"
        kill "-$s" "${PID[a]}" 2>/dev/null
        ended_by a $s "$name: SIG$s twice ends it"
    done
    [ $name = waiting ] && stop b
    left=0
    [ $name != connecting ] || left=none # there never was a base
    check "... in good order" proposals_are $left
done

describe "Candidates that are told to end do not wait for an ensemble that is away"
candidate a -- "$JOB" "$JOBS" -1
within 10 leader_is a
candidate b -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
kill -STOP "${PID[zk]}"
at=$(now)
kill -TERM "${PID[a]}" "${PID[b]}"
check "the leader ends" within 5 dead "${PID[a]}"
check "... and the waiting candidate" within 5 dead "${PID[b]}"
below "$(ms_since "$at")" 3000 "... about 1 s after the command is dead, in ms"
kill -CONT "${PID[zk]}"
within 10 proposals_are 0

describe "As PID 1 of a PID namespace ballot ends with 128 plus the signal"
alone=(--pid --fork --kill-child --mount-proc)
if able_to_unshare "${alone[@]}"; then
    "${UNSHARE[@]}" "${alone[@]}" "$BALLOT" run once --candidate-id=one --zookeeper-servers="$(servers zk)" \
        --zookeeper-base-path="$BASE" -- "$JOB" "$JOBS" -1 fork daemon >"$T/one.out" 2>"$T/one.log" &
    PID[one]=$!
    check "as PID 1 it runs the command" within 10 ready
    inner=$(pgrep -P "${PID[one]}")
    kill -TERM "$inner"
    check "SIGTERM ends it" within 5 dead "${PID[one]}"
    ended one
    is "$STATUS" 143 "... with 128 plus the signal"
    check "... and all of the command" lock_free
    is "$(proposals)" 0 "... in good order"
else
    skip "as PID 1" "$WHY"
fi

# From here on: at a real terminal.
able_to_pty || { skip "at a terminal" "$WHY"; exit; }
terminal() { # NAME COMMAND-LINE: types come from fd 7
    mkfifo "$T/keys"
    script -qfec "$2" /dev/null <"$T/keys" >"$T/$1.tty" 2>&1 &
    PID[$1]=$!
    exec 7>"$T/keys"
    rm "$T/keys"
}
command_line() { # OPTION...: of a candidate that leads
    echo "$BALLOT run once --candidate-id=tty --zookeeper-session-timeout=2s --zookeeper-servers=$(servers zk)" \
        "--zookeeper-base-path=$BASE $* -- $JOB $JOBS -1"
}

describe "Ctrl-C ends ballot and its command"
terminal tty "$(command_line --on-disconnect=stop)"
check "at a terminal" within 10 started_least 1
check "... the levels are coloured" within 5 grep -q $'\033\\[32minfo' "$T/tty.tty"
printf '\003' >&7
check "Ctrl-C ends it" within 5 dead "${PID[tty]}"
exec 7>&-
check "... and the command" lock_free
is "$(proposals)" 0 "... in good order"

describe "Ctrl-Z freezes ballot: its guard ends the command within the lease; after fg it leads again"
terminal tty "bash --norc -i"
command_line --on-disconnect=stop >&7
check "in a shell at a terminal" within 10 started_least 1
printf '\032' >&7
check "Ctrl-Z: the command is ended" within 4 lock_free
echo fg >&7
check "fg: it stands again and leads" within 10 started_least 2
is "$(overlaps)" 0 "... without overlap"
printf '\003' >&7
check "... and Ctrl-C ends it" within 5 lock_free
echo exit >&7
within 5 dead "${PID[tty]}"
exec 7>&-

describe "The terminal goes away (SIGHUP): the command is ended, in good order"
terminal tty "$(command_line --on-disconnect=stop)"
check "at a terminal" within 10 started_least 1
kill -KILL "${PID[tty]}"
exec 7>&-
check "the command is ended" within 5 lock_free
check "... in good order" within 5 proposals_are 0

describe "Under nohup SIGHUP is ignored, by the command, too"
terminal tty "bash --norc -i"
echo "nohup $(command_line --on-disconnect=stop) >$T/nohup.out 2>&1 & echo \$! >$T/nohup.pid" >&7
within 10 started_least 1
PID[nohup]=$(cat "$T/nohup.pid")
kill -HUP "${PID[nohup]}"
pause 1
check "ballot lives" alive "${PID[nohup]}"
check "... and its command" lock_held
kill -TERM "${PID[nohup]}"
check "... SIGTERM ends both" within 5 lock_free
within 5 dead "${PID[nohup]}" || kill -KILL "${PID[nohup]}" # no job of ours
kill -KILL "${PID[tty]}"
exec 7>&-

describe "In the background of a terminal that stops background writers (stty tostop) ballot leads on"
terminal tty "bash --norc -i"
echo "stty tostop; $(command_line) & echo \$! >$T/background.pid" >&7
check "its command runs" within 10 started_least 1
PID[background]=$(cat "$T/background.pid")
check "... and its heartbeats go on" within 5 prints_other "$(zk stat "$BASE")" zk stat "$BASE"
kill -TERM "${PID[background]}"
check "... SIGTERM ends it" within 5 lock_free
within 5 dead "${PID[background]}" || kill -KILL "${PID[background]}" # no job of ours
kill -KILL "${PID[tty]}"
exec 7>&-
