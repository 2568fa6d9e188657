#!/bin/bash
# `info`: every state of an election, for scripts and for eyes.
. "$(dirname "$0")/lib.sh"
zk_start zk
LONG=--zookeeper-session-timeout=20s
info() { # OPTION...
    timeout 30 "$BALLOT" info --zookeeper-servers="$(servers "$SERVER")" --zookeeper-base-path="$BASE" "$@"
}
# What real parsers make of it: EXPRESSION sees the YAML as $y, the JSON as $j.
says() { # DESCRIPTION EXPRESSION
    info >"$T/yaml" 2>"$T/err" && info -o json >"$T/json" 2>"$T/err" && perl -MYAML::XS=LoadFile -MJSON::PP -e '
        my $y = LoadFile($ARGV[0]);
        open my $f, "<", $ARGV[1]; local $/; my $j = JSON::PP->new->utf8->decode(<$f>);
        sub has { my ($r, $n) = @_; scalar grep { /^$n/ } @{$r->{notes} // []} }
        my ($l, @c) = ($y->{leader}, @{$y->{allCandidates}});
        exit !('"$2"')' "$T/yaml" "$T/json" 2>>"$T/perl.log"
    ok $? "$1" || cat "$T/yaml" "$T/perl.log"
}
health() { # STATUS DESCRIPTION
    info --check >"$T/out" 2>&1
    is $? "$1" "$2"
    is "$(wc -c <"$T/out")" 0 "... and prints nothing"
}
table() { # DESCRIPTION TEXT
    info -o table >"$T/table" 2>"$T/err"
    check "table: $1" table_has "$2" || cat "$T/table"
}
table_has() { grep -qE -- "$1" "$T/table" && [ "$(wc -L <"$T/table")" -le 100 ]; } # TEXT: and fits 100 columns
ephemeral() { # NAME NODE DATA: a proposal that no candidate has made
    "$ZK" "$(servers zk)" ephemeral "$BASE/$2" "$3" >/dev/null &
    PID[$1]=$!
}

describe "Where no candidate stands: an empty picture"
says "no base node" '!%$l && !@c && !%{$j->{leader}} && !@{$j->{candidates}}'
health 3 "... --check: no candidate leads"
table "no base node" 'it does not exist'
check "... is said on stderr" holds "$T/err" "warn  $BASE does not exist: there has never been a candidate"
refuse "... info makes none" exists "$BASE"
zk create "$BASE" "" >/dev/null
says "an empty base" '!%$l && !@c'
table "an empty base" 'has no candidates'
is "$(cat "$T/err")" "" "... is nothing to be said on stderr"

describe "Leader and candidates: the same in YAML and JSON, in the order of the queue"
zk create "$BASE" "" >/dev/null
zk create "$BASE/schedule" "" >/dev/null
candidate a $LONG -- sleep 1000
within 10 leader_is a
for c in b c; do
    candidate $c $LONG -- sleep 1000
    within 10 logged $c "standing as" 2>/dev/null
done
within 5 proposals_are 3
nodes_shown() { info | grep -c proposalNode; }
within 5 prints 4 nodes_shown
says "leader and waiting candidates" \
    '$l->{id} eq "a" && $l->{pid} eq "'"${PID[a]}"'" && join("", map $_->{id}, @c) eq "abc"'
says "the remarks on the leader" \
    '@{$l->{notes}} == 2 && has($l, "is leader\$") && has($l, "last heartbeat [0-9.]+m?s ago\$")'
says "... on its proposal" \
    'has($c[0], "this proposal node claimed leadership\$") && has($c[0], "this candidate id claimed leadership\$")'
says "... on a waiting candidate" 'has($c[1], "proposal node created [0-9.]+m?s ago\$") && !has($c[1], "this ")'
version() { zk stat "$BASE" | grep -o 'version=[0-9]*'; }
before=$(version)
within 10 prints_other "$before" version
says "the leader's proposalTime is that of the proposal, also after a heartbeat" '
    $l->{proposalTime} eq $c[0]{proposalTime} && $l->{lastSeenTime} ne $l->{proposalTime}'
says "JSON says the same, by the names of the znodes" '
    $j->{leader}{candidateId} eq "a" && $j->{leader}{lastSeenTime} && !exists $j->{candidates}[0]{lastSeenTime} &&
    $j->{candidates}[0]{sessionTimeout} eq "20s" && $j->{candidates}[1]{hostname} eq $c[1]{host} &&
    $j->{candidates}[2]{proposalNode} eq $c[2]{proposalNode}'
yaml_fields() { info | sed -n '/^leader/,/^all/s/^  \([a-zA-Z]*\):.*/\1/p' | tr '\n' ' '; }
json_fields() { info -o json | sed -n '2,/},/s/^ *"\([a-zA-Z]*\)":.*/\1/p' | tr '\n' ' '; }
is "$(yaml_fields)" "id host pid proposalTime proposalNode sessionTimeout notes lastSeenTime " \
    "the order of the fields in YAML"
is "$(json_fields)" \
    "leader candidateId hostname pid proposalTime proposalNode sessionTimeout notes lastSeenTime " "... in JSON"
check "a pid is text" prints_like '^  pid: "[0-9]*"$' info
check "... a time is plain" prints_like '^  proposalTime: 2' info
health 0 "--check: a candidate leads"

goes_on "In the table the leader is marked, on a terminal in colour"
terminal_table() {
    on_screen "$T/out" "$BALLOT info -o table --zookeeper-servers=$(servers zk) --zookeeper-base-path=$BASE"
}
table "the leader is marked" '^\* a  .* [0-9]+s +leads$'
is "$(grep -c '^\*' "$T/table")" 1 "... it alone"
refuse "no colour where there is no terminal" grep -q $'\033' "$T/table"
if able_to_pty; then
    terminal_table
    check "colour on a terminal" grep -q $'\033\\[32;1m\* a ' "$T/out"
    NO_COLOR=1 terminal_table
    refuse "... unless NO_COLOR" grep -q $'\033\\[' "$T/out"
else
    skip "colour on a terminal" "$WHY"
fi

goes_on "Reading an election costs few requests, and writes nothing"
nodes() { zk stat "$BASE/schedule"; zk ls "$BASE" | sort; }
before=$(nodes)
n=$(requests)
info >/dev/null
below $(($(requests) - n)) 11 \
    "requests: a session, sync, base, list, three proposals, and what else was asked meanwhile"
n=$(requests)
info --check >/dev/null
below $(($(requests) - n)) 8 "... --check reads no proposal"
is "$(nodes)" "$before" "info changes nothing"

goes_on "The base does not name the first of the queue: what info says of each kind of heartbeat"
lowest=$(zk ls "$BASE" | grep ^proposal | sort | head -n 1)
kill -STOP "${PID[a]}" "${PID[b]}" "${PID[c]}" # they would set right what we write
json=$(zk get $BASE)
zk set "$BASE" "${json/$lowest/proposal-0000000002}" >/dev/null
says "the base names one that is not the lowest" '
    has($c[0], "should be leader but another candidate is claiming the role\$") &&
    has($c[0], "possibly waiting for previous leader resignation\$") &&
    has($c[1], "this proposal node claimed leadership")'
health 0 "... --check: it leads"
json=$(perl -pe 's/("lastSeenTime":")\d+/${1}2020/' <<<"$json")
zk set "$BASE" "$json" >/dev/null
says "an old heartbeat" '
    has($l, "last heartbeat is older than the expected publish interval\$") && has($c[0], "possibly resigning\$")'
table "an old heartbeat" 'later than expected'
zk set "$BASE" "${json/$lowest/proposal-0000009999}" >/dev/null
says "the leader is gone, its heartbeat is there" '
    has($l, "possibly resigning\$") && has($l, "election may be in progress\$") &&
    has($c[0], "should be leader") && !has($c[0], "this proposal")'
health 3 "... --check: no candidate leads"
table "the leader is gone" '^last led by a, whose proposal is gone'
zk set "$BASE" "" >/dev/null
says "resigned, and not claimed yet" '!%$l && has($c[0], "election may be in progress\$") && !has($c[0], "should be")'
health 3 "... --check: no candidate leads"
printf 'a\0b' | zk set "$BASE" - >/dev/null
says "a base that cannot be read" '@{$l->{notes}} == 1 && has($l, "unparseable") && @c == 3'
table "a base that cannot be read" "not a leader.s heartbeat"
perl -e 'print "{\"proposalNode\":" x 60_000' | zk set "$BASE" - >/dev/null
says "900 KB of broken JSON" 'has($l, "unparseable")'
zk set "$BASE" '{"proposalNode":[7],"candidateId":null}' >/dev/null
says "a JSON of other types" 'has($l, "unparseable")'
zk set "$BASE" '{"candidateId":"x"}' >/dev/null
says "a heartbeat without a proposal" '$l->{id} eq "x" && has($l, "possibly resigning")'
health 3 "... --check: no candidate leads"
for c in a b c; do kill -KILL "$(guard_of $c)" "${PID[$c]}"; done

describe "Broken znodes, and what is not a proposal, are shown by name"
zk create "$BASE" "" >/dev/null
zk create "$BASE/proposal-0000000000" "not ephemeral" >/dev/null
zk create "$BASE/unrelated" "" >/dev/null
hostile=('' '{' '[]' 'null' '{}' '{"pid":7}' '{"candidateId":"a' '{"candidateId":"\ud800\u0000\u0085\u2028"}')
for i in "${!hostile[@]}"; do
    ephemeral "h$i" "proposal-000000001$i" "${hostile[$i]}"
done
perl -e 'print "{\"candidateId\":\"", "x" x 900_000, "\"}"' >"$T/big"
"$ZK" "$(servers zk)" ephemeral "$BASE/proposal-0000000020" - <"$T/big" >/dev/null &
PID[big]=$!
within 10 proposals_are 10
says "broken znodes are shown by name" '
    grep({ $_->{id} eq "proposal-0000000011" && has($_, "unparseable\$") } @c) == 1 && @c == 11'
says "... all that are no object of candidates" 'grep({ has($_, "unparseable\$") } @c) == 9'
says "... and what is no ephemeral proposal is said to be ignored" '
    grep({ has($_, "not an ephemeral proposal, ignored") } @c) == 2'
says "... which is not the lowest" '!has($c[0], "election may be") && has($c[1], "election may be")'
zk create "$BASE/schedule" '{"lastRun":"2026-01-07T00:00:00Z","exitStatus":"0"}' >/dev/null
says "a run record without its schedule is left out, and is not a candidate's" \
    '!exists $y->{schedule} && !exists $j->{schedule} && !grep { exists $_->{exitStatus} } @c'
table "broken znodes" 'ignored: not an ephemeral proposal'
long=proposal-$(printf '%0*d' 300 7)
heartbeat='{"candidateId":"long","proposalNode":"'$BASE/$long'"}'
ephemeral long "$long" "$heartbeat"
within 10 proposals_are 11
zk set "$BASE" "$heartbeat" >/dev/null
says "a name of 309 bytes: it leads" 'has($l, "is leader\$") && !has($l, "possibly") &&
    grep({ $_->{proposalNode} eq "'"$BASE/$long"'" && has($_, "this proposal node claimed leadership") } @c) == 1'
health 0 "... --check says so"
kill -KILL "${PID[long]}"
for i in "${!hostile[@]}"; do kill -KILL "${PID[h$i]}"; done
kill -KILL "${PID[big]}"

describe "Ids of all kinds are read back from YAML and JSON as they were, and do not act on a terminal"
ids=(yes No null '~' 7 -1.5 0x10 1e3 12:30 2022-01-07 'a: b' 'a #b' '- a' '"q"' "it's" '{a}' '[a]' '*a' '&a' '!a' '%a'
    '@a' '|' '>' '?' ' lead' 'trail ' 'a\b' $'line\nline' $'tab\there' $'\033[31mred' $'bell\a' $'del\x7f' 'grüße'
    '漢字' '😀' $'c1\xc2\x85x' $'ls\xe2\x80\xa8x' $'bom\xef\xbb\xbfx' $'bad\xff' 'a,b' '=' '<<' 'on: off')
proposal_json() { # ID
    ID=$1 perl -MJSON::PP -e '
        my $i = $ENV{ID};
        utf8::decode($i) or $i =~ s/\xff/\x{fffd}/;
        print JSON::PP->new->utf8->encode({candidateId => $i, hostname => $i})'
}
read_back() { # what $T/yaml and $T/json show are the ids of $T/ids
    perl -MYAML::XS=LoadFile -MJSON::PP -e '
        my ($yaml, $json, $ids) = @ARGV;
        my @shown = @{LoadFile($yaml)->{allCandidates}};
        local $/;
        open my $f, "<", $json; my $j = JSON::PP->new->utf8->decode(<$f>);
        open $f, "<", $ids; my @ids = split /\0/, <$f>;
        utf8::decode($_) or s/\xff/\x{fffd}/ for @ids;
        for my $i (0 .. $#ids) {
            for my $got ($shown[$i]{id}, $shown[$i]{host}, $j->{candidates}[$i]{candidateId}) {
                next if defined $got && $got eq $ids[$i];
                $bad++;
                print STDERR "# id $i: ", $got // "undef", "\n";
            }
        }
        exit($bad || !@ids || @shown != @ids)' "$T/yaml" "$T/json" "$T/ids"
}
zk create "$BASE" "" >/dev/null
for i in "${!ids[@]}"; do
    zk create "$BASE/proposal-$(printf %010d "$i")" "$(proposal_json "${ids[$i]}")" >/dev/null
done
printf '%s\0' "${ids[@]}" >"$T/ids"
info >"$T/yaml"
info -o json >"$T/json"
check "${#ids[@]} ids, each read back from YAML and JSON as it was" read_back
table "ids that a terminal must not see" 'redx?|�'
refuse "... it does not" grep -qP '[\x00-\x09\x0b-\x1f\x7f]' "$T/table"

describe "The format is a setting, one letter of which is enough"
info -o human >"$T/out" 2>&1
is $? 125 "-o human is watch's"
check "... which is said" grep -q -- '-o: "human" is not one of yaml json table' "$T/out"
check "-ojson" prints_like '^\{' info -ojson
check "--output-format=json" prints_like '^\{' info --output-format=json
OUTPUT_FORMAT=json check "OUTPUT_FORMAT, as for the Go ballot" prints_like '^\{' info
info -o >"$T/out" 2>&1
check "-o needs a value" grep -q -- '-o needs a value' "$T/out"
info -x >"$T/out" 2>&1
check "no other letters" grep -q 'options are long' "$T/out"
timeout 5 "$BALLOT" watch --check >"$T/out" 2>&1
check "--check is info's alone" grep -q -- '--check is not an option of watch' "$T/out"

describe "A crowd of 500 candidates is read with one request for each"
zk create "$BASE" "" >/dev/null
"$ZK" "$(servers zk)" crowd "$BASE" 500 >"$T/crowd" & # all in one session
PID[crowd]=$!
within 20 test -s "$T/crowd"
took=()
for _ in 1 2 3 4 5; do
    at=$(now)
    info >"$T/yaml"
    took+=("$(ms_since "$at")")
done
median=$(printf '%s\n' "${took[@]}" | sort -n | sed -n 3p)
note "500 candidates: $median ms, median of 5"
says "... all of them" '@c == 500 && $c[499]{id} eq "crowd-499" && $c[499]{host} eq "host-499"'
n=$(requests)
info >/dev/null
below $(($(requests) - n)) 510 "... requests"

goes_on "A reader that goes away early is not an error; a full disk is one"
info -o table | head -n 1 >"$T/out" 2>&1
is "${PIPESTATUS[0]}" 0 "a reader that has seen enough is no error"
info 2>"$T/err" | head -n 1 >/dev/null
is "$(cat "$T/err")" "" "... and nothing is said about it"
info >/dev/full 2>"$T/err"
is $? 125 "a full disk is one"
check "... and is told" grep -q 'cannot write to stdout' "$T/err"

goes_on "Candidates that vanish while they are read are left out"
proxy_start
mode slow # the answers are held up
(SERVER=proxy info >"$T/yaml" 2>"$T/err") &
reader=$!
for n in $(zk ls "$BASE" | tail -n 30); do zk rm "$BASE/$n"; done
wait $reader
is $? 0 "candidates that vanish while they are read"
check "... valid YAML, with some 500 of them" perl -MYAML::XS=LoadFile -e '
    my $n = @{LoadFile($ARGV[0])->{allCandidates}};
    exit !($n >= 470 && $n <= 500)' "$T/yaml"
kill -KILL "${PID[crowd]}"

describe "What may not be read is said to be unreadable, and info ends with 125 if it is the base"
zk create "$BASE" "" >/dev/null
ephemeral secret proposal-0000009999 '{}'
within 5 proposals_are 1
zk seal "$BASE/proposal-0000009999"
says "a proposal that we may not read" '@c == 1 && has($c[0], "unreadable\$")'
zk seal $BASE
info >"$T/out" 2>"$T/err"
is $? 125 "no rights on the base: 125"
check "... which is said" grep -q "reading $BASE is refused: not authenticated" "$T/err"
timeout 10 "$BALLOT" watch --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" >"$T/out" 2>"$T/err"
is $? 125 "... to watch, too"

describe "Without an answer info ends with 125 after the session timeout"
SERVER=proxy
mode freeze
at=$(now)
info --zookeeper-session-timeout=2s >"$T/out" 2>"$T/err"
is $? 125 "a server that does not answer: 125"
below "$(ms_since "$at")" 3500 "... after the session timeout of 2 s, in ms"
check "... which is said" grep -q 'no answer from ZooKeeper at 127.0.0.1:[0-9]* within 2s' "$T/err"
is "$(wc -c <"$T/out")" 0 "... and nothing is printed"
SERVER=none PORT[none]=$(port_choose)
at=$(now)
info --check --zookeeper-session-timeout=1s >"$T/out" 2>"$T/err"
is $? 125 "no server: --check answers 125, not 3"
below "$(ms_since "$at")" 2500 "... after the session timeout of 1 s, in ms"
