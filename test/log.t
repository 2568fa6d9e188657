#!/bin/bash
# What the log looks like, in its three forms and at each level, and that nothing
# that becomes of it harms the election.
. "$(dirname "$0")/lib.sh"
zk_start zk
once=(--on-child-success=exit --on-child-error=exit)
run() { # OPTION... -- COMMAND...: once, to the end; output in $T/a.out, log in $T/a.log
    rm -f "$T/a.log"
    candidate a "${once[@]}" "$@"
    ended a
}

describe "log-format=human: time, level, message; in colour on a terminal alone"
run -- sh -c 'echo out; echo err >&2'
check "human: time, level, message" grep -qE \
    '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3} info  leading, with fencing token [0-9]+$' "$T/a.log"
is "$(grep -cvE '^[-0-9]{10} [0-9:.]{12} (info |warn |error|debug) .' "$T/a.log")" 0 "... all lines aligned alike"
refuse "no colours where there is no terminal" grep -q $'\x1b' "$T/a.log" "$T/a.out"
words="run once --candidate-id=a --on-child-success=exit --zookeeper-servers=$(servers zk) -- true"
coloured() { on_screen "$T/screen" "$1"; grep -q $'\x1b\\[32minfo ' "$T/screen"; } # COMMAND-LINE
if able_to_pty; then
    check "colours on a terminal" coloured "'$BALLOT' $words"
    refuse "... not with NO_COLOR" coloured "NO_COLOR=1 '$BALLOT' $words"
    check "... an empty NO_COLOR does not count" coloured "NO_COLOR= '$BALLOT' $words"
else
    skip "colours on a terminal" "$WHY"
fi

describe "What could move a terminal's cursor is shown, not sent"
setsid "$BALLOT" run once --candidate-id=$'eve\x1b[2J\nfake' "${once[@]}" --zookeeper-servers="$(servers zk)" \
    --zookeeper-base-path=$'/l\xc3\xa9' --debug -- true >"$T/e.out" 2>"$T/e.log"
refuse "the log has no escape" grep -q $'\x1b' "$T/e.log"
check "... and starts no line" grep -qF 'candidate-id = eve\x1b[2J\x0afake ;' <("$BALLOT" config run once \
    --candidate-id=$'eve\x1b[2J\nfake')

describe "log-format=json: each line is an object, of ballot, of its command and of the client library"
valid_json() { # FILE: each line an object with exactly these keys, and those of an event
    perl -MJSON::PP -ne '
        my $o = eval { decode_json($_) } or die "no JSON: $_";
        delete @$o{qw(event pid activation exitStatus runtime next fencingToken after leader place)} if $o->{event};
        join(",", sort keys %$o) eq "candidateId,hostname,level,msg,name,time" or die "keys: $_";
        $o->{time} =~ /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/ or die "time: $_"' "$1"
}
run --log-format=json --debug --log-level=trace -- sh -c 'printf "\0\377\"\\\\\n"; printf "\302\033\n" >&2'
check "json: each line of the log is valid, the client library's too" valid_json "$T/a.log"
check "... each line of the command" valid_json "$T/a.out"
check "... named cmd-run-stdout, at info" grep -q '"level":"info","msg":"[^,]*","name":"cmd-run-stdout"' "$T/a.out"
check "... named cmd-run-stderr, at error" grep -q '"level":"error","msg":"[^,]*","name":"cmd-run-stderr"' "$T/a.log"
check "... named ballot" grep -q \
    '"msg":"leading, [^"]*","event":"elected","fencingToken":"[0-9]*","name":"ballot","hostname":"[^"]*",".*:"a"}$' \
    "$T/a.log"
events() { # FILE: each event with its values, without numbers and times
    perl -MJSON::PP -ne '
        my $o = decode_json($_);
        delete @$o{qw(time level msg name hostname candidateId)};
        my $e = delete $o->{event} or next;
        print join(" ", $e, map { "$_=$o->{$_}" =~ s/[0-9.]+m?s?/N/gr } sort keys %$o), "\n"' "$1"
}
is "$(events "$T/a.log")" "connected after=N
elected fencingToken=N
started activation= pid=N
ended exitStatus=N next=ending with status N runtime=N
resigned" "what a monitor could act on is an event with its values"
candidate j --log-format=json -- "$JOB" "$JOBS" -1
check "a leader" within 10 started_least 1
forged='x\tevent=elected\tfencingToken=1'
zk create "$BASE/requests" "{\"stepDown\":\"$(zk ls "$BASE" | grep proposal-)\",\"stepDownBy\":\"$forged\"}" >/dev/null
check "... says who asked it" within 10 logged j 'asked to step down by x?event=elected'
refuse "... but what is asked is no event" grep -q '"fencingToken":"1"' "$T/j.log"
stop j
check "... named zookeeper" grep -q \
    '"msg":"[^"]*Client environment\|"msg":"[^"]*session establishment complete[^"]*","name":"zookeeper"' "$T/a.log"

describe "log-format=raw: each line is key=\"value\" pairs"
run --log-format=raw -- sh -c 'echo "a \"b\" = c"'
quoted='"([^"\\]|\\.)*"'
pairs="^time=$quoted level=$quoted msg=$quoted( event=$quoted( [a-zA-Z]*=$quoted)*)?"
pairs+=" name=$quoted hostname=$quoted candidateId=$quoted\$"
refuse "always quoted" grep -vE "$pairs" "$T/a.out" "$T/a.log"
check "... with quotes escaped" grep -qF 'msg="a \"b\" = c" name="cmd-run-stdout"' "$T/a.out"

describe "log-level: what is below it is not there; the command's stdout is at info, its stderr at error"
levels=(trace debug info warn error fatal panic)
for ((i = 0; i < 7; i++)); do
    run --log-level="${levels[i]}" -- sh -c 'echo out; echo err >&2; exit 3'
    below=${levels[*]:0:i}
    [ "$i" = 0 ] || refuse "${levels[i]}: nothing of ${below// /, }" \
        grep -qE "^[^a-z]+(${below// /|}) " "$T/a.log" "$T/a.out"
    [ "$i" -gt 2 ] || check "${levels[i]}: the command's stdout is there" grep -q '\] out' "$T/a.out"
    [ "$i" -gt 4 ] || check "${levels[i]}: its stderr too" grep -q '\] err' "$T/a.log"
done

describe "The end of a command is logged with what comes next; at error where it failed and ballot did not stop it"
ends() { # TEXT OPTION... -- COMMAND...: how the end is logged at log level error
    run --log-level=error "${@:2}"
    check "error: ${*:2}" grep -qE "^[^a-z]+error $1\$" "$T/a.log" || cat "$T/a.log"
}
after='after [0-9m.]+s'
ends "the command ended with status 3 $after; ending with status 3" -- sh -c 'exit 3'
ends "the command ended with status 3 $after; ending with status 0" --on-child-error=ignore -- sh -c 'exit 3'
ends "the command was ended by signal 9 \\(Killed\\) $after; ending with status 137" -- sh -c 'kill -9 $$'
ends "the command was ended by signal 15 \\(Terminated\\) $after; ending with status 143" --max-runtime=100ms -- sleep 9
ends "cannot execute /nowhere: No such file or directory; ending with status 127" -- /nowhere
run -- true
check "info: status 0" grep -qE " info  the command ended with status 0 $after; ending with status 0\$" "$T/a.log"
run -- sh -c 'kill -INT $(ps -o ppid= -p $PPID); exec sleep 9'
check "info: ballot stopped it" \
    grep -qE " info  the command was ended by signal 2 \\(Interrupt\\) $after; ballot stopped it\$" "$T/a.log"
check "... and why" grep -q ' info  stopping the command: told to end$' "$T/a.log"

describe "One line tells how a start went, and the end of a command comes behind its last line, however slow the reader"
run -- true
is "$(grep -cE 'starting|runs' "$T/a.log")" 1 "one line tells of the start"
check "... with the pid" grep -qE ' info  starting true, pid [0-9]+$' "$T/a.log"
"$BALLOT" run once --candidate-id=a "${once[@]}" --zookeeper-servers="$(servers zk)" -- \
    perl -e 'print "x" x 99, "\n" for 1 .. 20_000' 2>&1 |
    perl -e 'while (sysread STDIN, my $some, 20_000) { print $some; select undef, undef, undef, 0.005 }' >"$T/slow"
is "$(grep -c cmd-run "$T/slow") $(sed "1,/the command ended/d" "$T/slow" | grep -c cmd-run)" "20000 0" \
    "the end is told behind the last of 20,000 lines"

describe "log-level=trace shows each request; --debug the place in the source and the library's log"
run --log-level=trace -- true
check "trace: the first request" grep -q 'trace request: propose' "$T/a.log"
check "... and the last" grep -q 'trace request: resign\|trace request: withdraw' "$T/a.log"
run --debug -- true
check "debug shows the place in the source" \
    grep -qE 'leading, with fencing token [0-9]+ \(ballot.c:[0-9]+\)$' "$T/a.log"
check "... and the client library's own log" grep -q ' info  \[zookeeper\] .*ZOO_INFO' "$T/a.log"
candidate a --debug -- "$JOB" "$JOBS" -1
within 5 started_least 1
kill -KILL "${PID[a]}"
check "... the guard's too" within 5 logged a 'the dead candidate has left the queue'
is "$(grep -c 'ZOO_INFO' "$T/a.log")" "$(grep -c '\[zookeeper\].*ZOO_INFO' "$T/a.log")" "... always in our own form"
wait "${PID[a]}" 2>/dev/null

describe "What other clients have written is shown without what a terminal obeys or does not show"
# C1 controls (a raw byte, too), and what turns the direction of writing
invisible=$'\x9b5n\xc2\x9b5n\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9'
BASE=$'/\xe2\x80\xaestrangers'
look=(--zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" --debug)
stranger="{\"candidateId\":\"id$invisible\",\"hostname\":\"host$invisible\",\"pid\":\"1$invisible\","
stranger+="\"sessionTimeout\":\"1s\"}"
zk create "$BASE" "${stranger/\"pid/\"proposalNode\":\"$BASE/proposal-0000000000\",\"pid}" >/dev/null
"$ZK" "$(servers zk)" ephemeral "$BASE/proposal-0000000000" "$stranger" >/dev/null &
PID[stranger]=$!
within 5 proposals_are 1
for format in $("$BALLOT" __complete info -o ''); do
    "$BALLOT" info "${look[@]}" -o "$format" >"$T/seen.$format" 2>&1
done
for format in $("$BALLOT" __complete watch -o ''); do
    "$BALLOT" watch "${look[@]}" -o "$format" >"$T/seen.watch-$format" 2>&1 &
    PID[$format]=$!
done
"$BALLOT" step-down "${look[@]}" >"$T/seen.refused" 2>&1
for name in a b; do
    candidate $name --log-level=trace --debug --zookeeper-session-timeout=1s -- "$JOB" "$JOBS" -1
    within 10 logged $name "standing as"
done
kill -KILL "${PID[stranger]}"
zk rm "$BASE/proposal-0000000000" && zk set "$BASE" "" >/dev/null
check "a stranger's candidate is gone, ours leads" within 10 leader_is a
within 10 ready
"$BALLOT" step-down "${look[@]}" >"$T/seen.done" 2>&1
is $? 0 "... and hands over"
within 5 grep -q 'elected .*b' "$T/seen.watch-human"
stop a b human json
cp "$T/a.log" "$T/seen.a" && cp "$T/b.log" "$T/seen.b"
obeyed() { # FILE: whether there is any of it, or a byte that is not UTF-8
    perl -e '
        local $/;
        my $text = <>;
        my $hidden = qr/[\x{80}-\x{9f}\x{61c}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}]/;
        exit(!(!utf8::decode($text) || $text =~ $hidden))' "$1"
}
for seen in "$T"/seen.*; do
    check "${seen##*/seen.}: says something" test -s "$seen"
    refuse "... without what a terminal obeys or does not show" obeyed "$seen"
done
check "... and json is valid" \
    perl -MJSON::PP -e 'local $/; JSON::PP->new->utf8->decode(<>)' <(grep -v '^[0-9]' "$T/seen.json")

describe "A closed stderr, a full disk, a pipe without a reader: the command runs to its end all the same"
(exec 2>&-; exec setsid "$BALLOT" run once --candidate-id=b "${once[@]}" --zookeeper-servers="$(servers zk)" -- \
    sh -c 'echo err >&2; echo out') >"$T/b.out"
is $? 0 "a closed stderr harms nothing"
check "... and stdout is as ever" grep -q '\] out' "$T/b.out"
refuse "... no line of the log in it" grep -q leading "$T/b.out"
five() { # a command of five lines each on stdout and stderr, and status 7
    timeout 20 "$BALLOT" run once --candidate-id=b "${once[@]}" --zookeeper-servers="$(servers zk)" -- \
        sh -c 'for i in 1 2 3 4 5; do echo line $i; echo err $i >&2; done; exit 7'
}
five >/dev/full 2>"$T/full.log"
is $? 7 "a full disk: the command's own status"
check "... and what was lost is told" \
    grep -q 'error stdout takes nothing (is its disk full?): [0-9]* bytes of output are lost' "$T/full.log"
five >"$T/one" 2>/dev/full
is "$? $(grep -c '\] line' "$T/one")" "7 5" "... of the log: its status, and all of its output"
{ five 2>"$T/five.log"; echo $? >"$T/status"; } | true
is "$(cat "$T/status")" 7 "a pipe that is not read any more: its status"

describe "Stdout and stderr are one pipe, socket or terminal: no line is torn by a line of the other"
both() { # the command's lines on both
    "$BALLOT" run once --candidate-id=a "${once[@]}" --zookeeper-servers="$(servers zk)" --log-format=json -- \
        perl -e '$| = 1; for (1 .. 20_000) { print "x" x 80, "\n"; print STDERR "y" x 80, "\n" }' 2>&1
}
whole() { # FILE: 40,000 lines of the command, each line an object
    local count torn
    count=$(grep -ac '"name":"cmd-run-' "$1")
    torn=$(grep -anvE '^\{"time":"[^{}]*"\}$' "$1" | head -n 1 | cut -c1-300)
    [ "$count" = 40000 ] && [ -z "$torn" ] && return
    complain "$count lines of the command; the first that is no object: $torn; the last: $(tail -n 1 "$1")"
    return 1
}
both | cat >"$T/one.pipe"
perl -MSocket -e '
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0;
    if (!fork) { open STDOUT, ">&", $theirs; exec "bash", "-c", @ARGV }
    close $theirs;
    print while <$ours>' "$(declare -p BALLOT PORT once); $(declare -f servers both); both" >"$T/one.socket"
check "a pipe" whole "$T/one.pipe"
check "a socket" whole "$T/one.socket"
if able_to_pty; then
    on_screen "$T/one.terminal" "$(declare -p BALLOT PORT once); $(declare -f servers both); both"
    check "a terminal" whole "$T/one.terminal"
else
    skip "a terminal" "$WHY"
fi

describe "A log into a full pipe disturbs neither the election nor the heartbeats"
version() { zk stat "$BASE" | sed 's/version=\([0-9]*\).*/\1/'; }
mkfifo "$T/stuck"
exec 8<>"$T/stuck"
perl -e 'open F, ">", $ARGV[0]; fcntl F, 4, 2048; 1 while syswrite F, "x" x 4096' "$T/stuck" # full
setsid "$BALLOT" run once --candidate-id=c --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" \
    --zookeeper-session-timeout=1s --debug --log-level=trace -- "$JOB" "$JOBS" -1 2>"$T/stuck" >&2 &
PID[c]=$!
check "it is elected" within 5 started_least 1
before=$(version)
check "... heartbeats go on" within 3 prints_least $((before + 6)) version
(exec cat <"$T/stuck" >"$T/c.log") &
PID[cat]=$!
exec 8>&-
check "... and once it is read nothing is missing" within 5 grep -q 'info  leading, with fencing token' "$T/c.log"
stop c

describe "A pipe into which the command writes as well never makes ballot wait"
# The room that a reader makes, of which both are told, may be taken by the other. This reader pauses
# if ballot waits then.
cat >"$T/reader" <<'END'
open my $pipe, "<", $ARGV[0];
$| = 1;
my $stuck = 0;
for (1 .. 60) {
    sysread $pipe, my $page, 4096;
    for (1 .. 15) {
        select undef, undef, undef, 0.005;
        open my $f, "<", "/proc/$ENV{BALLOT}/wchan";
        $stuck ||= <$f> =~ /pipe_write/;
    }
    sleep 5 if $stuck;
    last if $stuck;
}
print $stuck ? "stuck\n" : "free\n";
1 while sysread $pipe, my $rest, 65536;
END
mkfifo "$T/shared"
(exec setsid "$BALLOT" run once --candidate-id=d --zookeeper-servers="$(servers zk)" \
    --zookeeper-base-path="$BASE" --zookeeper-session-timeout=2s \
    --wrap-child-logs=false --log-level=trace -- yes >"$T/shared" 2>&1) &
PID[d]=$!
BALLOT=${PID[d]} perl "$T/reader" "$T/shared" >"$T/verdict" &
PID[reader]=$!
check "command and log in one pipe: it leads" within 5 leader_is d
node=$(zk ls $BASE)
check "... which is read a page at a time" within 30 test -s "$T/verdict"
is "$(cat "$T/verdict")" free "... ballot never waits for room in it"
is "$(zk ls $BASE)" "$node" "... and its session lives"
stop d

# Terminals that no program reads and that ballot may not open anew, so that a write waits for
# room: another user's (after su), another mount namespace's.
chmod 755 "$T" && cp "$BALLOT" "$JOB" "$T/"
ordinary=()
[ "$(id -u)" != 0 ] || ordinary=(env HOME="$T" setpriv --reuid=65534 --regid=65534 --clear-groups) # root may open all
cat >"$T/su" <<'END_OF_SU'
#!/bin/sh
chmod 0 "$(tty)" && exec "$@" # as its owner would, before others are let in
END_OF_SU
cat >"$T/elsewhere" <<'END_OF_ELSEWHERE'
#!/bin/sh
mount -t tmpfs none /dev/pts && exec "$@" # no name is left for the terminal
END_OF_ELSEWHERE
cat >"$T/behind" <<'END_OF_BEHIND'
#!/bin/sh
stty tostop && set -m # what writes from the background is stopped
"$@" &
echo $! >"$0.pid" && wait
END_OF_BEHIND
chmod 755 "$T/su" "$T/elsewhere" "$T/behind"
on_terminal() { # NAME PREFIX... -- COMMAND...: on a terminal whose reader has to wait
    local name=$1 prefix=()
    while shift; [ "$1" != -- ]; do prefix+=("$1"); done
    shift
    mkfifo "$T/$name.screen"
    # shellcheck disable=SC2034 # stays open
    exec {screen}<>"$T/$name.screen"
    echo 'echo $$ >"'"$T/$name.pid"'"; exec' "${prefix[@]@Q}" "$T/ballot" run once --candidate-id="$name" \
        --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" --zookeeper-session-timeout=2s \
        "${@@Q}" >"$T/$name.sh"
    (exec script -qfec "sh $T/$name.sh" /dev/null </dev/null >"$T/$name.screen" 2>&1) &
    within 5 test -s "$T/$name.pid"
    PID[$name]=$(cat "$T/$name.pid")
}
leads_on() { # beyond its session timeout, with the proposal that it began with
    local proposal later
    proposal=$(zk ls "$BASE") later=$(($(version) + 6))
    within 15 prints_least $later version && [ "$(zk ls "$BASE")" = "$proposal" ]
}
in_order() { # COUNT LOG: the command's lines, each once
    sed -n 's/.*\[cmd-run-stdout\] \([0-9]*\)\r*$/\1/p' "$2" | cmp -s - <(seq "$1")
}

if able_to_pty; then
    describe "Another user's terminal that is not read: ballot leads on, and keeps what it could not write"
    chmod 777 "$JOBS"
    on_terminal e "$T/su" "${ordinary[@]}" -- -- sh -c "seq 100000; exec $T/job $JOBS -1"
    check "ballot leads" within 5 leader_is e
    check "... beyond its session timeout" leads_on
    cat <"$T/e.screen" >"$T/e.log" &
    check "... once it is read, nothing of the command's output is missing" within 20 in_order 100000 "$T/e.log"
    check "... and the command goes on" within 20 started_least 1
    stop e

    describe "A terminal that is never read: ballot leads on, and ends when it is told to"
    on_terminal f "$T/su" "${ordinary[@]}" -- --on-disconnect=stop --log-level=trace -- yes
    check "ballot leads" within 5 leader_is f
    check "... beyond its session timeout" leads_on
    kill -TERM "${PID[f]}"
    check "... and ends when it is told to" within 5 dead "${PID[f]}"

    describe "Another mount namespace's terminal that is not read: ballot leads on"
    namespace=(unshare --mount)
    [ "$(id -u)" = 0 ] || namespace+=(--map-root-user)
    if "${namespace[@]}" mount -t tmpfs none /dev/pts 2>/dev/null; then
        on_terminal g "${namespace[@]}" "$T/elsewhere" -- -- yes
        check "ballot leads" within 5 leader_is g
        check "... beyond its session timeout" leads_on
        stop g
    else
        skip "another mount namespace's terminal" "nothing can be mounted here"
    fi

    describe "A terminal that stops what writes from the background: ballot leads on"
    chmod 777 "$JOBS"
    on_terminal h "$T/behind" -- -- "$T/job" "$JOBS" -1
    within 5 test -s "$T/behind.pid" && PID[h]=$(cat "$T/behind.pid")
    check "ballot leads" within 5 leader_is h
    check "... beyond its session timeout" leads_on
    stop h
else
    skip "terminals that no program reads" "$WHY"
fi

describe "Stdout on a disk that takes little at a time: ballot leads on"
cat >"$T/slow.c" <<'X'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>
ssize_t write(int fd, const void *data, size_t count)
{
    struct timespec tick = { 0, 10000000 };
    if (fd == STDOUT_FILENO)
        nanosleep(&tick, NULL);
    return ((ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, count);
}
X
if "${CC:-cc}" -shared -fPIC -o "$T/slow.so" "$T/slow.c" -ldl 2>/dev/null; then
    LD_PRELOAD=$T/slow.so candidate i --zookeeper-session-timeout=1s -- env -u LD_PRELOAD "$JOB" spew 16
    check "ballot leads" within 5 leader_is i
    check "... beyond its session timeout" leads_on
    stop i
else
    skip "stdout is on a slow disk" "no compiler"
fi
