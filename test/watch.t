#!/bin/bash
# `watch`: each change of an election as a line, and no state that never was.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)
events() { # those of the watcher w so far, as words: "joined a, elected a"
    perl -MJSON::PP -ne '
        my $o = decode_json($_);
        push @e, join " ", grep { length } $o->{event}, $o->{candidateId};
        END { print join ", ", @e }' "$T/w.out"
}
tells() { # DESCRIPTION EVENTS: within 10 s, these are all
    within 10 prints "$2" events
    is "$(events)" "$2" "$1"
}
count_is() { [ "$(lines "$T/w.out")" = "$1" ]; } # NUMBER: of the watcher w's lines
lead() { # NAME OPTION...: a candidate that waits, or leads
    candidate "$1" "${@:2}" -- sleep 1000
}
session() { sed -n 's/.*session \(0x[0-9a-f]*\).*/\1/p' "$T/w.log" | tail -n 1; } # of the watcher w

describe "An election begins: candidates join, one is elected, it resigns, the next is elected"
resigned_and_elected='joined b, (resigned a, (left a, )?elected b|elected b)'
watcher w -o json
tells "no base node: no candidate leads" "vacant"
lead a "${T2[@]}"
tells "the first candidate, and leader" "vacant, joined a, elected a"
lead b "${T2[@]}"
tells "another joins" "vacant, joined a, elected a, joined b"
stop a
check "the leader resigns, the next is elected" within 10 prints_like "$resigned_and_elected" events
check "... and says after which" grep -q '"event":"elected","candidateId":"b".*"previousId":"a"' "$T/w.out"
within 5 consistent
check "each line has all keys, none contradicts another" consistent || cat "$T/err"
kill -TERM "${PID[w]}"
ended w
is "$STATUS" 0 "ended by TERM: 0"

goes_on "A watcher begins with the present state; a leader that dies is lost, then there is a vacancy"
watcher w -o json
tells "the present state" "leader b"
kill -KILL "${PID[b]}" "$(guard_of b)"
tells "a leader that dies is lost" "leader b, lost b, left b"
lead c "${T2[@]}"
tells "a candidate joins, and is elected" "leader b, lost b, left b, joined c, elected c"
check "... after a vacancy of known length" grep -qE '"elected".*"vacantFor":"[0-9.]+m?s"' "$T/w.out"

goes_on "Text says the same as JSON, with local time"
watcher h
within 5 test -s "$T/h.out"
check "the leader" within 5 grep -qE \
    '^[0-9]{4}-[0-9-]+ [0-9:]{8}\.[0-9]{3} leader        c \(.*, pid [0-9]+, proposal-[0-9]+\)$' "$T/h.out"
refuse "... once" grep -q " candidate " "$T/h.out"
if able_to_pty; then
    terminal() { script -qfec "timeout 2 '$BALLOT' watch --zookeeper-servers=$(servers zk) $*" /dev/null </dev/null; }
    check "... in colour on a terminal" prints_like $'\x1b\\[32mleader ' terminal --zookeeper-base-path="$BASE"
else
    skip "... in colour on a terminal" "$WHY"
fi

goes_on "The base is overwritten, then deleted: the leader is lost, and elected again"
last_line() { tail -n 1 "$T/w.out"; }
zk set "$BASE" overwritten >/dev/null
check "it is lost" within 5 grep -q '"event":"lost","candidateId":"c"' "$T/w.out"
check "... and elected again" within 10 prints_like '"elected","candidateId":"c"' last_line
check "... in text, it is the same one" within 5 \
    grep -qE ' elected +c \(.*\), again, with a new proposal; no candidate led for ' "$T/h.out"
kill -INT "${PID[h]}"
ended h
is "$STATUS" 0 "ended by INT: 0"
kill -STOP "${PID[c]}"
for n in $(zk ls "$BASE"); do zk rm "$BASE/$n"; done
zk rm "$BASE"
check "the base is deleted" within 5 prints_like 'lost c, left c$' events
kill -CONT "${PID[c]}"
check "... and made again" within 10 prints_like 'left c, joined c, elected c$' events
check "no line contradicts another" consistent || cat "$T/err"
is "$(cat "$T/seen")" "$(truth)" "... and the end is what the servers say"
stop c w

describe "An id cannot begin a line, nor act on a terminal"
id=$'evil\n{"event":"left"}\033[31m'
setsid "$BALLOT" run once --candidate-id="$id" --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" -- \
    sleep 1000 >/dev/null 2>"$T/evil.log" &
PID[evil]=$!
watcher h
watcher w -o json
check "it cannot begin a line" within 10 \
    env LC_ALL=C grep -qP ' evil\xef\xbf\xbd\{"event":"left"\}\xef\xbf\xbd\[31m \(' "$T/h.out"
refuse "... nor act on a terminal" grep -q $'\033' "$T/h.out"
check "... and is told as it is in JSON" within 5 holds "$T/w.out" 'evil\n{\"event\":\"left\"}\u001b[31m'
stop evil h w

describe "A pipe that is closed ends a watcher, without another line"
watch_status() { # of one at a pipe
    timeout 20 "$BALLOT" watch --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE"
    echo $? >"$T/status"
}
lead a "${T2[@]}"
within 10 leader_is a
watch_status 2>"$T/err" | head -n 1 >/dev/null
check "it ends" within 5 test -s "$T/status"
is "$(cat "$T/status")" 0 "... with 0"
is "$(cat "$T/err")" "" "... and silently"
stop a

describe "Contact is lost and back, then the session expires: what changed meanwhile is told"
proxy_start
lead a "${T2[@]}"
within 10 leader_is a
SERVER=proxy watcher w -o json --zookeeper-session-timeout=2s --log-level=debug
tells "behind a proxy" "leader a"
mode cut
tells "contact is lost" "leader a, disconnected"
lead b "${T2[@]}"
within 10 proposals_are 2
mode pass
tells "... and back: what changed meanwhile is told" "leader a, disconnected, connected, joined b"
mode cut
tells "contact is lost" "leader a, disconnected, connected, joined b, disconnected"
stop a
session=$(session)
tracked() { four zk dump | sed -n '/^Session Sets/,/^ephemeral/p' | grep -q "[[:space:]]$session\$"; }
check "... for long: the session" tracked
check "... has expired" within 10 not tracked
mode pass
tells "... then it goes on with a new one" \
    "leader a, disconnected, connected, joined b, disconnected, connected, elected b, left a"
stop w b

describe "The base is deleted and made again out of contact: its leader is told, though its proposal has the old name"
lead a "${T2[@]}"
within 10 leader_is a
mode pass
SERVER=proxy watcher w -o json
tells "behind a proxy" "leader a"
mode cut
tells "contact is lost" "leader a, disconnected"
stop a
zk rm "$BASE"
lead b "${T2[@]}"
within 10 leader_is b
is "$(zk ls "$BASE")" proposal-0000000000 "the next leader's proposal has the name of the last one's"
mode pass
tells "... and is another one" "leader a, disconnected, connected, lost a, left a, joined b, elected b"
stop w b

describe "Without a server a watcher says so, and goes on"
SERVER=none PORT[none]=$(port_choose)
watcher w -o json --zookeeper-session-timeout=1s
tells "no server at all" "disconnected"
stop w

describe "A change among 500 candidates costs a watcher few requests"
crowd() { # NAME COUNT: so many candidates in one session
    "$ZK" "$(servers zk)" crowd "$BASE" "$2" >"$T/$1" &
    PID[$1]=$!
}
asked() { four zk cons | sed -n "s/.*recved=\([0-9]*\),.*sid=$(session),.*/\1/p"; }
lead a --zookeeper-session-timeout=20s # few heartbeats
within 10 leader_is a
lead b --zookeeper-session-timeout=20s
within 10 proposals_are 2
crowd crowd 500
within 20 test -s "$T/crowd"
watcher w -o json --log-level=debug
within 20 count_is 502
below "$(asked)" 509 "the present state of 502 candidates costs so many requests"
from=$(asked)
for i in $(seq 10); do
    crowd "one$i" 1
    within 10 count_is $((502 + i))
done
is "$(wc -l <"$T/w.out")" 512 "ten join"
below $(($(asked) - from)) 24 "... which costs so many requests, a heartbeat or two included"
for i in $(seq 10); do kill -KILL "${PID[one$i]}"; done
within 20 proposals_are 502
within 10 count_is 522 # it has read that they left
from=$(asked)
stop a
check "a handover among 500" within 10 prints_like '"elected","candidateId":"b"' tail -n 3 "$T/w.out"
below $(($(asked) - from)) 12 "... costs so many"
stop b
stop w
kill -KILL "${PID[crowd]}"
within 15 proposals_are 0

describe "A watcher at a pipe that is not read for a while loses no line"
lead a "${T2[@]}"
within 10 leader_is a
mkfifo "$T/w.out.pipe"
setsid "$BALLOT" watch -o json --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" \
    >"$T/w.out.pipe" 2>"$T/w.log" &
PID[w]=$!
exec {PIPE}<"$T/w.out.pipe"
for i in 1 2 3; do
    crowd crowd$i 500
    within 20 test -s "$T/crowd$i"
    kill -KILL "${PID[crowd$i]}"
    within 15 proposals_are 1
done
cat <&"$PIPE" >"$T/w.out" &
PID[cat]=$!
exec {PIPE}<&-
lead b "${T2[@]}"
check "it goes on" within 20 grep -q '"joined","candidateId":"b"' "$T/w.out"
within 5 consistent
check "... no line is lost or contradicts another" consistent || cat "$T/err"
is "$(cat "$T/seen")" "$(truth)" "... and the end is what the servers say"
stop w a b

describe "The leaders of 20 candidates die one after the other: each picture that info gives meanwhile is valid"
number=0
another() { # a candidate joins
    number=$((number + 1))
    lead "n$number" "${T2[@]}"
}
for _ in $(seq 20); do another; done
within 20 proposals_are 20
watcher w -o json
watcher h
within 10 prints_least 20 lines "$T/w.out"
picture() { # one in each format
    local format
    for format in $("$BALLOT" __complete info -o ''); do
        timeout 10 "$BALLOT" info --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" -o "$format" \
            >"$T/now.$format" || return
    done
}
valid_picture() {
    perl -MYAML::XS=LoadFile -MJSON::PP -e '
        my $y = LoadFile($ARGV[0]);
        open my $f, "<", $ARGV[1]; local $/; my $j = JSON::PP->new->utf8->decode(<$f>);
        for ([$y->{leader}, $y->{allCandidates}], [$j->{leader}, $j->{candidates}]) {
            my ($l, $c) = @$_;
            my ($claims, @more) = grep { grep /^this proposal node claimed/, @{$_->{notes} // []} } @$c;
            my $gone = grep /^possibly resigning/, @{$l->{notes} // []};
            die "two leaders\n" if @more;
            die "a leader that is not in the queue: $l->{proposalNode}\n"
                if %$l && !$gone && !($claims && $claims->{proposalNode} eq $l->{proposalNode});
            die "a leader that is gone, in the queue\n" if $gone && $claims;
            die "no candidates\n" if !@$c;
        }' "$T/now.yaml" "$T/now.json"
}
take_pictures() { # until $T/enough is there; what is wrong with one: in $T/info.err
    while [ ! -e "$T/enough" ]; do
        picture || echo "info has failed"
        valid_picture || echo "bad picture"
        [ "$(wc -L <"$T/now.table")" -le 100 ] || echo "wide table"
        echo . >>"$T/info.count"
    done >>"$T/info.err" 2>&1
}
(trap - EXIT; take_pictures) &
PID[info]=$!
rounds=10 kills=0
[ -n "${SOAK:-}" ] && rounds=60
named() { zk get "$BASE" | sed -n 's/.*"candidateId":"\([^"]*\)".*/\1/p'; }
followed() { now=$(named) && [ -n "$now" ] && [ "$now" != "$leader" ]; }
for _ in $(seq $rounds); do
    leader=$(named)
    kill -KILL "${PID[$leader]}"
    another
    within 10 followed || break
    kills=$((kills + 1))
    pause 0.8
done
: >"$T/enough"
wait "${PID[info]}"
unset 'PID[info]'
check "$(lines "$T/info.count") pictures in each format" test ! -s "$T/info.err" || cat "$T/info.err"

goes_on "A watcher has told each of its leaders, and ends with what the servers say"
told_leaders() { sed -n 's/# \([0-9]*\) leaders/\1/p' "$T/err"; }
within 10 proposals_are 20
check "it ends with what the servers say" within 10 true_in_the_end || { believe; truth; }
check "no line contradicts another" consistent || cat "$T/err"
is "$kills" "$rounds" "... of as many leaders as were to die, and those that followed"
check "... each is told" prints_least $((kills + 1)) told_leaders
kill -TERM "${PID[w]}" "${PID[h]}"
ended w
is "$STATUS" 0 "... and ends with 0"
