#!/bin/bash
# `watch`: each change of an election as a line, and no state that never was.
. "$(dirname "$0")/lib.sh"
zk_start zk
T2=(--zookeeper-session-timeout=2s --restart-delay=0s)
watcher() { # NAME OPTION...: lines to $T/NAME.out
    setsid "$BALLOT" watch --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "${@:2}" >"$T/$1.out" 2>"$T/$1.log" &
    PID[$1]=$!
}
# The events so far, as words: "joined a, elected a".
events() { # NAME
    perl -MJSON::PP -ne 'my $o = decode_json($_); push @e, join " ", grep { length } $o->{event}, $o->{candidateId}; END { print join ", ", @e }' "$T/$1.out"
}
told() { [ "$(events w)" = "$1" ]; } # EVENTS
tells() { # DESCRIPTION EVENTS: within 10 s, these are all
    within 10 told "$2"
    is "$(events w)" "$2" "$1"
}
# A reader of $T/NAME.out who believes every line: prints whom he sees in the end
# as leader and in line, and fails where a line contradicts what he saw.
believe() { # NAME
    perl -MJSON::PP -ne '
        my $o = decode_json($_);
        my ($e, $n) = @$o{qw(event proposalNode)};
        my $keys = join " ", sort keys %$o;
        die "other keys: $_" if $keys ne "awayFor candidateId event hostname pid previousId previousNode proposalNode time vacantFor";
        sub wrong { die "line $.: $e $n, but $_[0]\n" }
        if ($e eq "joined" or $e eq "candidate") { wrong("is in line") if $in{$n}++ }
        elsif ($e eq "left") { wrong("is not in line") if !delete $in{$n}; wrong("leads") if $leader eq $n }
        elsif ($e eq "elected" or $e eq "leader") {
            wrong("leads already") if $leader eq $n;
            wrong("after another") if $e eq "elected" and $o->{previousNode} ne $last;
            $last = $leader = $n; $led++;
        }
        elsif ($e eq "resigned" or $e eq "lost") { wrong("does not lead") if $leader ne $n; $leader = "" }
        BEGIN { $leader = $last = "" }
        END { print "$leader ", join(" ", sort keys %in), "\n"; print STDERR "# $led leaders\n" }' "$T/$1.out"
}
truth() { # the same, from the servers
    local line named
    line=$(zk ls $BASE | grep ^proposal- | sort | sed "s|^|$BASE/|" | tr '\n' ' ')
    named=$(zk get $BASE | perl -MJSON::PP -0 -ne 'print decode_json($_)->{proposalNode}')
    echo "$named ${line% }"
}

# --- from nothing

watcher w -o json
tells "no base node: no candidate leads" "vacant"
candidate a "${T2[@]}" -- sleep 1000
tells "the first candidate, and leader" "vacant, joined a, elected a"
candidate b "${T2[@]}" -- sleep 1000
tells "another joins" "vacant, joined a, elected a, joined b"
stop a
check "the leader resigns, the next is elected" within 10 eval "events w | grep -qE 'joined b, (resigned a, (left a, )?elected b|elected b)'"
check "... and says after whom" grep -q '"event":"elected","candidateId":"b".*"previousId":"a"' "$T/w.out"
within 5 eval 'believe w >/dev/null 2>&1'
check "... each line has all keys, none contradicts another" eval "believe w >$T/seen 2>$T/err" || cat "$T/err"
kill -TERM "${PID[w]}"
ended w
is "$STATUS" 0 "ended by TERM: 0"

# --- the present state, lost leaders, vacancies

watcher w -o json
tells "the present state" "leader b, candidate b"
kill -KILL "${PID[b]}" "$(guard_of b)"
tells "a leader that dies is lost" "leader b, candidate b, lost b, left b"
candidate c "${T2[@]}" -- sleep 1000
tells "a candidate joins, and is elected" "leader b, candidate b, lost b, left b, joined c, elected c"
check "... after a vacancy of known length" grep -qE '"elected".*"vacantFor":"[0-9.]+m?s"' "$T/w.out"
watcher h
within 5 test -s "$T/h.out"
check "text: the same, with local time" within 5 grep -qE '^[0-9]{4}-[0-9-]+ [0-9:]{8}\.[0-9]{3} leader        c \(.*, pid [0-9]+, proposal-[0-9]+\)$' "$T/h.out"
check "... the candidate" within 5 grep -q ' candidate     c (' "$T/h.out"
zk set $BASE overwritten >/dev/null
check "a base that is overwritten: lost" within 5 grep -q '"event":"lost","candidateId":"c"' "$T/w.out"
check "... and elected again" within 10 eval "tail -n 1 $T/w.out | grep -q '\"elected\",\"candidateId\":\"c\"'"
check "... in text, it is the same one" within 5 grep -qE ' elected +c \(.*\), again, with a new proposal; no candidate led for ' "$T/h.out"
kill -INT "${PID[h]}"
ended h
is "$STATUS" 0 "ended by INT: 0"
# what was deleted is made again
kill -STOP "${PID[c]}"
for n in $(zk ls $BASE); do zk rm "$BASE/$n"; done
zk rm $BASE
check "the base is deleted" within 5 eval "events w | grep -qE 'lost c, left c\$'"
kill -CONT "${PID[c]}"
check "... and made again" within 10 eval "events w | grep -qE 'left c, joined c, elected c\$'"
check "... no line contradicts another" eval "believe w >$T/seen 2>$T/err" || cat "$T/err"
is "$(cat "$T/seen")" "$(truth)" "... and the end is what the servers say"

# --- ids that break lines

stop c
id=$'evil\n{"event":"left"}\033[31m'
setsid "$BALLOT" run once --candidate-id="$id" --zookeeper-servers="$(servers zk)" -- sleep 1000 >/dev/null 2>"$T/evil.log" &
PID[evil]=$!
watcher h
check "an id cannot begin a line" within 10 env LC_ALL=C grep -qP ' evil\xef\xbf\xbd\{"event":"left"\}\xef\xbf\xbd\[31m \(' "$T/h.out"
refuse "... nor act on a terminal" grep -q $'\033' "$T/h.out"
check "... and is told as it is in JSON" within 5 eval "grep -qF 'evil\\n{\\\"event\\\":\\\"left\\\"}\\u001b[31m' $T/w.out"
stop evil h w

# --- a closed pipe

candidate a "${T2[@]}" -- sleep 1000
within 10 leader_is a
(timeout 20 "$BALLOT" watch --zookeeper-servers="$(servers zk)"; echo $? >"$T/status") 2>"$T/err" | head -n 1 >/dev/null
check "a pipe that is closed ends it, without another line" within 5 test -s "$T/status"
is "$(cat "$T/status")" 0 "... with 0"
is "$(cat "$T/err")" "" "... and silently"

# --- contact is lost and back; the session expires

proxy_start
SERVER=proxy watcher w -o json --zookeeper-session-timeout=2s --log-level=debug
tells "behind a proxy" "leader a, candidate a"
mode cut
tells "contact is lost" "leader a, candidate a, disconnected"
candidate b "${T2[@]}" -- sleep 1000
within 10 proposals_are 2
mode pass
tells "... and back: what changed meanwhile is told" "leader a, candidate a, disconnected, connected, joined b"
mode cut
tells "contact is lost" "leader a, candidate a, disconnected, connected, joined b, disconnected"
stop a
session=$(sed -n 's/.*session \(0x[0-9a-f]*\).*/\1/p' "$T/w.log" | tail -n 1)
tracked() { four zk dump | sed -n '/^Session Sets/,/^ephemeral/p' | grep -q "[[:space:]]$session\$"; }
check "... for long: the session" tracked
check "... has expired" within 10 eval '! tracked'
mode pass
tells "... then it goes on with a new one" \
    "leader a, candidate a, disconnected, connected, joined b, disconnected, connected, elected b, left a"
stop w b
SERVER=nobody PORT[nobody]=$(port_choose)
SERVER=nobody watcher w -o json --zookeeper-session-timeout=1s
tells "no server at all: it says so, and goes on" "disconnected"
SERVER=zk
stop w

# --- what it costs: a change, among 500

candidate a --zookeeper-session-timeout=20s -- sleep 1000 # few heartbeats
within 10 leader_is a
candidate b --zookeeper-session-timeout=20s -- sleep 1000
within 10 proposals_are 2
"$ZK" "$(servers zk)" crowd "$BASE" 500 >"$T/crowd" &
PID[crowd]=$!
within 20 test -s "$T/crowd"
watcher w -o json --log-level=debug
within 20 eval '[ $(wc -l <$T/w.out) = 503 ]'
session=$(sed -n 's/.*session \(0x[0-9a-f]*\).*/\1/p' "$T/w.log")
asked() { four zk cons | sed -n "s/.*recved=\([0-9]*\),.*sid=$session,.*/\1/p"; }
below "$(asked)" 509 "the present state of 502 candidates costs so many requests"
from=$(asked)
for i in $(seq 10); do
    "$ZK" "$(servers zk)" crowd "$BASE" 1 >"$T/one" &
    PID[one$i]=$!
    within 10 eval "[ \$(wc -l <$T/w.out) = $((503 + i)) ]"
done
is "$(wc -l <"$T/w.out")" 513 "ten join"
below $(($(asked) - from)) 24 "... which costs so many requests, a heartbeat or two included"
for i in $(seq 10); do kill -KILL "${PID[one$i]}"; done
within 20 proposals_are 502
within 10 eval "[ \$(wc -l <$T/w.out) = 523 ]" # it has read that they left
from=$(asked)
stop a
check "a handover among 500" within 10 eval "tail -n 3 $T/w.out | grep -q '\"elected\",\"candidateId\":\"b\"'"
below $(($(asked) - from)) 12 "... costs so many"
stop b
stop w
kill -KILL "${PID[crowd]}"
within 15 proposals_are 0

# --- nobody reads for a while

candidate a "${T2[@]}" -- sleep 1000
within 10 leader_is a
mkfifo "$T/pipe"
setsid "$BALLOT" watch -o json --zookeeper-servers="$(servers zk)" >"$T/pipe" 2>"$T/w.log" &
PID[w]=$!
exec {PIPE}<"$T/pipe"
for i in 1 2 3; do
    "$ZK" "$(servers zk)" crowd "$BASE" 500 >"$T/crowd$i" &
    PID[crowd]=$!
    within 20 test -s "$T/crowd$i"
    kill -KILL "${PID[crowd]}"
    within 15 proposals_are 1
done
cat <&"$PIPE" >"$T/w.out" &
PID[cat]=$!
exec {PIPE}<&-
candidate b "${T2[@]}" -- sleep 1000
check "a pipe that nobody reads for a while: it goes on" within 20 grep -q '"joined","candidateId":"b"' "$T/w.out"
within 5 eval 'believe w >/dev/null 2>&1'
check "... no line is lost or contradicts another" eval "believe w >$T/seen 2>$T/err" || cat "$T/err"
is "$(cat "$T/seen")" "$(truth)" "... and the end is what the servers say"
stop w a b

# --- an election of 20 whose leader dies every second

number=0
another() { # a candidate joins
    number=$((number + 1))
    candidate "n$number" "${T2[@]}" -- sleep 1000
}
for _ in $(seq 20); do another; done
within 20 proposals_are 20
watcher w -o json
watcher h
within 10 eval "[ \$(wc -l <$T/w.out) -ge 21 ]"
(
    trap - EXIT
    while [ ! -e "$T/enough" ]; do
        for format in yaml json table; do
            timeout 10 "$BALLOT" info --zookeeper-servers="$(servers zk)" -o $format >"$T/now.$format" 2>>"$T/info.err" || echo "status $?" >>"$T/info.err"
        done
        perl -MYAML::XS=LoadFile -MJSON::PP -e '
            my $y = LoadFile($ARGV[0]);
            open my $f, "<", $ARGV[1]; local $/; my $j = JSON::PP->new->utf8->decode(<$f>);
            for ([$y->{leader}, $y->{allCandidates}], [$j->{leader}, $j->{candidates}]) {
                my ($l, $c) = @$_;
                my @claims = grep { grep /^this proposal node claimed/, @{$_->{notes} // []} } @$c;
                my $gone = grep /^possibly resigning/, @{$l->{notes} // []};
                die "two leaders\n" if @claims > 1;
                die "a leader out of line: $l->{proposalNode}\n" if %$l && !$gone && !(@claims && $claims[0]{proposalNode} eq $l->{proposalNode});
                die "a gone leader in line\n" if $gone && @claims;
                die "no candidates\n" if !@$c;
            }' "$T/now.yaml" "$T/now.json" 2>>"$T/info.err" || echo "bad picture" >>"$T/info.err"
        [ "$(wc -L <"$T/now.table")" -le 100 ] || echo "wide table" >>"$T/info.err"
        echo . >>"$T/info.count"
    done
) &
PID[info]=$!
rounds=10 kills=0
[ -n "${SOAK:-}" ] && rounds=60
named() { zk get $BASE | sed -n 's/.*"candidateId":"\([^"]*\)".*/\1/p'; }
followed() { now=$(named) && [ -n "$now" ] && [ "$now" != "$leader" ]; }
for _ in $(seq $rounds); do
    leader=$(named)
    kill -KILL "${PID[$leader]}"
    another
    within 10 followed || break
    kills=$((kills + 1))
    read -r -t 0.8 -u "$NEVER"
done
: >"$T/enough"
wait "${PID[info]}"
unset 'PID[info]'
check "info all the while: each picture valid, none torn ($(wc -l <"$T/info.count") of each format)" test ! -s "$T/info.err" || cat "$T/info.err"
within 10 proposals_are 20
check "watch: it ends with what the servers say" within 10 eval '[ "$(believe w 2>/dev/null)" = "$(truth)" ]' || { believe w; truth; }
check "... no line contradicts another" eval "believe w >$T/seen 2>$T/err" || cat "$T/err"
is "$kills" "$rounds" "... of as many leaders as were to die, and those who followed"
check "... each is told" eval "[ \$(sed -n 's/# \\([0-9]*\\) leaders/\\1/p' $T/err) -gt $kills ]"
kill -TERM "${PID[w]}" "${PID[h]}"
ended w
is "$STATUS" 0 "... and ends with 0"
