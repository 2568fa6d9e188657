#!/bin/bash
# What a command gets, what becomes of its output, and how all of it is ended.
. "$(dirname "$0")/lib.sh"
zk_start zk
once=(--on-child-success=exit --on-child-error=exit)
run_plain() { # OPTION... -- COMMAND...: as a does, in the foreground
    "$BALLOT" run once --candidate-id=a --zookeeper-servers="$(servers zk)" "$@"
}
run() { # COMMAND...: once, to the end; output in $T/a.out, log in $T/a.log
    rm -f "$T/a.log"
    candidate a "${once[@]}" "${options[@]}" -- "$@"
    ended a
}
options=()

describe "A command gets a clean environment: descriptors, variables, signals, a process group of its own"
exec 9<"$here/lib.sh" # must not leak
seen='print join(" ", (grep { -e "/proc/self/fd/$_" } 0 .. 255), readlink "/proc/self/fd/0"), "\n"'
run perl -e "$seen"
check "the command sees the descriptors 0, 1, 2 only, and /dev/null as its input" \
    grep -q '\] 0 1 2 /dev/null$' "$T/a.out"
BALLOT_FENCING_TOKEN=stale run env
check "BALLOT_LEADER_ID" grep -q '\] BALLOT_LEADER_ID=a$' "$T/a.out"
check "BALLOT_LEADER_NODE" grep -q "\\] BALLOT_LEADER_NODE=$BASE/proposal-[0-9]\{10\}\$" "$T/a.out"
token=$(sed -n 's/.*BALLOT_FENCING_TOKEN=//p' "$T/a.out")
check "BALLOT_FENCING_TOKEN ($token)" test "$token" -gt 0
run env
check "... a greater one for each leader" test "$(sed -n 's/.*BALLOT_FENCING_TOKEN=//p' "$T/a.out")" -gt "$token"
run grep -E '^Sig(Blk|Ign)' /proc/self/status
# (32 and 33 are libc's own; they cannot be changed)
is "$(grep -cE '\] Sig(Blk|Ign):.0*(180000000)?$' "$T/a.out")" 2 "no signal is blocked or ignored"
run sh -c 'echo $$ $(ps -o pgid= -p $$)'
check "it leads a process group of its own" awk '{ same = $NF == $(NF - 1) } END { exit !same }' "$T/a.out"

describe "A command gets three descriptors also if ballot was started with a closed one"
(exec 0<&- 1>"$T/closed.out" 2>&1; run_plain "${once[@]}" -- perl -e "$seen")
check "the command sees 0, 1, 2, and /dev/null as its input" grep -q '\] 0 1 2 /dev/null$' "$T/closed.out"

describe "Wrapped output: each line of the command becomes a log line"
run sh -c 'echo out; echo err >&2; printf "no newline"'
check "stdout becomes info lines on stdout" grep -q ' info  \[cmd-run-stdout\] out$' "$T/a.out"
check "stderr becomes error lines on stderr" grep -q ' error \[cmd-run-stderr\] err$' "$T/a.log"
check "a last line without newline is a line" grep -q '\] no newline$' "$T/a.out"
refuse "... and nothing of one is in the other" grep -q err "$T/a.out"

describe "Wrapped output: a line of 10 MB is passed in pieces"
run perl -e 'print "x" x 10_000_000, "\nnext\n"'
is "$(tr -cd x <"$T/a.out" | wc -c)" 10000001 "a line of 10 MB: every byte is there"
check "... in pieces of 64 KiB" awk 'length($0) > 66000 { exit 1 }' "$T/a.out"
is "$(tail -n 1 "$T/a.out" | sed 's/^[^]]*\] //')" next "... and the line behind it is whole"

describe "Wrapped output: a long line is cut between two characters"
for character in '\xc3\xa9' '\xe2\x82\xac' '\xf0\x9f\x98\x80'; do # of 2, 3 and 4 bytes
    run perl -e 'print "'$character'" x 100_000, "x", "'$character'" x 100_000'
    check "characters of $((${#character} / 4)) bytes: every one is whole" \
        perl -Ci -ne 's/^[^]]*\] //; /[^\n\x{e9}\x{20ac}\x{1f600}x]/ and exit 1; $n += length;
            END { exit($n != 200_001 + $.) }' \
        "$T/a.out"
done

describe "log-format=json: each line is JSON, whatever bytes the command writes"
json() { # FILE: the command's lines; fails if one line has not all that it should have
    perl -CO -MJSON::PP -ne '
        my $o = decode_json($_);
        $o->{time} =~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/ or die;
        $o->{hostname} && $o->{candidateId} eq "a" && $o->{level} && defined $o->{msg} or die;
        print $o->{msg} if $o->{name} =~ /^cmd-run/' "$1"
}
bytes() { od -An -c | tr -d ' \n'; }
valid() { json "$1" >/dev/null; } # FILE
options=(--log-format=json)
run perl -e '
    print "nul \0 bad \xff\xc0\xaf quote \" back \\ tab \t bell \a \xe2\x82\xac\n";
    print STDERR "\x1b[31mred\n"'
is "$(json "$T/a.out" | bytes)" 'nul\0bad357277275357277275357277275quote"back\tab\tbell\a342202254' \
    "NUL, broken UTF-8, quotes, control characters are escaped"
check "... and every line is valid JSON" valid "$T/a.log"
options=()

describe "log-format=raw: each line is key=\"value\" pairs"
options=(--log-format=raw)
run echo 'say "hi"'
check "raw: key=\"value\" pairs" grep -q 'level="info" msg="say \\"hi\\"" name="cmd-run-stdout"' "$T/a.out"
options=()

describe "Of 100 MB of lines, and of lines of NULs, none is lost"
hundreds=$((${SOAK:+10} + 1)) # of MB
run perl -e 'my $l = "0123456789" x 8 . "\n"; for (1 .. $ARGV[0] * 100_000_000 / 81) { print $l }' $hundreds
is "$(lines "$T/a.out")" $((hundreds * 100000000 / 81)) "${hundreds}00 MB of lines: none is lost"
is "$STATUS" 0 "... and ballot ends as the command does"
run perl -e 'for (1 .. 30) { my $l = "$_ " . "\0" x 1000 . "\n"; print $l; print STDERR $l }'
is "$(grep -ac . "$T/a.out") $(grep -ac cmd-run "$T/a.log")" "30 30" "NULs pass in the human form"

describe "A command that closes its output is waited for"
run sh -c 'exec >&- 2>&-; sleep 0.1; exit 4'
is "$STATUS" 4 "its status counts"

describe "A slow reader of ballot's output gets every line, and the election goes on meanwhile"
slow_count() { pause 3; wc -l; }
run_plain "${once[@]}" --zookeeper-session-timeout=2s -- perl -e 'print "$_\n" for 1 .. 300_000' 2>"$T/a.log" |
    slow_count >"$T/count"
is "$(cat "$T/count")" 300000 "it gets every line"
refuse "... and the election went on meanwhile" grep -q lost "$T/a.log"

describe "A reader that goes away ends neither ballot nor its command"
run_plain "${once[@]}" -- perl -e 'print "$_\n" for 1 .. 300_000; exit 5' 2>>"$T/a.log" | head -n 1 >/dev/null
is "${PIPESTATUS[0]}" 5 "the command comes to its end"

describe "A leader whose output is not read leads on, and can be stopped"
mkfifo "$T/stuck"
exec 8<>"$T/stuck"
setsid "$BALLOT" run once --candidate-id=a "${once[@]}" --zookeeper-session-timeout=2s \
    --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" -- yes >"$T/stuck" 2>"$T/a.log" &
PID[a]=$!
within 5 leader_is a
pause 4
check "it leads on" leader_is a
check "... with one proposal" proposals_are 1
refuse "... undisturbed" grep -q 'lost\|does not answer' "$T/a.log"
stop a
check "... and can be stopped" dead "${PID[a]}"
exec 8>&-

describe "wrap-child-logs=false: the command has ballot's own stdout and stderr"
options=(--wrap-child-logs=false)
run sh -c 'echo plain; echo other >&2; ls -l /proc/$$/fd/1'
check "a line on stdout is as the command wrote it" grep -q '^plain$' "$T/a.out"
check "... stdout is ballot's own" holds "$T/a.out" "-> $T/a.out"
check "... and stderr" grep -q '^other$' "$T/a.log"
options=()

describe "A leader that is told to end ends its command and all that it started, and resigns"
ending() { # TEXT WORDS...: the leader is told to stop
    local text=$1
    shift
    fresh
    candidate a --stop-timeout=200ms -- "$JOB" "$JOBS" -1 "$@"
    check "$text: runs" within 10 ready
    kill -TERM "${PID[a]}"
    ended a
    is "$STATUS" 143 "... and is told to end"
    check "... all of it is dead when ballot ends" lock_free
    is "$(proposals)" 0 "... and it has resigned"
}
ending "a command that ignores SIGTERM" ignore-term
ending "one with children" fork
ending "one whose children daemonize" daemon
ending "one with 100 children, half of them daemons" children
ending "one that closed its output" silent

describe "A command ends by itself: what it left behind is ended"
leaving() { # TEXT WORDS...: the command ends by itself and leaves processes behind
    local text=$1
    shift
    fresh
    candidate a "${once[@]}" --stop-timeout=200ms -- "$JOB" "$JOBS" 1 "$@"
    ended a
    is "$STATUS" 0 "$text: its own status counts"
    check "... and what it left behind is dead" lock_free
}
leaving "a command that leaves a child" fork
leaving "... a daemon" daemon
leaving "... 100 of them" children
