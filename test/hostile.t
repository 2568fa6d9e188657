#!/bin/bash
# Servers that answer what no server does. Where the client library survives, the candidate does;
# where it does not, the guard ends the command and hands the leadership on.
. "$(dirname "$0")/lib.sh"
T9=(--zookeeper-session-timeout=9s)

describe "Servers that lie about names and lengths: a candidate lives with it, and asks no more than it has to"
BASE=/b # fakezk knows no other
lies=(path names count length)
for lie in "${lies[@]}"; do
    PORT[$lie]=$(port_choose)
    "$here/fakezk" "${PORT[$lie]}" 9000 "$lie" >"$T/$lie.types" &
    PID[$lie]=$!
    within 5 not port_free "${PORT[$lie]}"
    SERVER=$lie
    candidate "c$lie" "${T9[@]}" -- "$JOB" "$JOBS" -1
done
for lie in "${lies[@]}"; do check "$lie: it is asked for a proposal" within 10 grep -qx 1 "$T/$lie.types"; done
within 2 prints_least 1000 lines "$T/count.types" # it is not to come to that
for lie in "${lies[@]}"; do
    if [ "$lie" != length ]; then # at that the library reads, and frees, what it never allocated
        check "$lie: the candidate lives" alive "${PID[c$lie]}"
    fi
    below "$(lines "$T/$lie.types")" 300 "$lie: ... and asks no more often than it would an honest server"
    stop "c$lie"
    kill -KILL "${PID[$lie]}"
done

describe "A server that gives a foolish session timeout: info, step-down and watch name it, and ask it now and then"
foolish=(0 -1 1 2147483647)
for ms in "${foolish[@]}"; do
    PORT[$ms]=$(port_choose)
    "$here/fakezk" "${PORT[$ms]}" "$ms" >"$T/$ms.types" &
    PID[$ms]=$!
    within 5 not port_free "${PORT[$ms]}"
    SERVER=$ms watcher "w$ms" "${T2[@]}" --log-level=warn
    for command in info "step-down --timeout=2s"; do
        # shellcheck disable=SC2086
        timeout 20 "$BALLOT" $command "${T2[@]}" --zookeeper-servers="$(servers "$ms")" 2>"$T/${command%% *}$ms.err" &
        PID[${command%% *}$ms]=$!
    done
done
for ms in "${foolish[@]}"; do
    for command in info step-down; do
        wait "${PID[$command$ms]}"
        is $? 125 "$ms ms: $command fails"
        is "$(grep -c 'fatal .*gives a session timeout of' "$T/$command$ms.err")" 1 "... and names it"
    done
    check "$ms ms: watch names it" within 10 logged "w$ms" 'gives a session timeout of'
    check "... and lives" alive "${PID[w$ms]}"
    below "$(lines "$T/$ms.types")" 60 "... connections of all three"
    stop "w$ms"
    kill -KILL "${PID[$ms]}"
done

# --- an honest server behind one that lies about what it says (see fakezk)

zk_start zk
relay_start() { # NAME: tells the truth for now
    PORT[$1]=$(port_choose)
    truth_from "$1"
    "$here/fakezk" "${PORT[$1]}" "$T/$1.lies" "${PORT[zk]}" >"$T/$1.types" 2>"$T/$1.relay" &
    PID[$1]=$!
    within 5 not port_free "${PORT[$1]}"
}
lies_from() { # NAME LINE...: what it says from now on
    printf '%s\n' "${@:2}" >"$T/$1.new" && mv "$T/$1.new" "$T/$1.lies"
}
truth_from() { lies_from "$1" ''; }
asked() { grep -cx -- "$2" "$T/$1.types"; } # NAME TYPE: how often it was asked so
election() { # NAME: its candidates come through that relay, to a base of that name
    SERVER=$1 BASE=/$BLOCK-$1 JOBS=$T/jobs/$1
    mkdir -p "$JOBS"
}
leads() { SERVER=zk leader_is "$1"; } # NAME: in truth
stand_in_truth() { [ "$(SERVER=zk proposals)" = "$1" ]; } # NUMBER

describe "What no server answers costs few requests and few lines, and ends with the lie"
all=(codes greets ends lists creates exists)
timeout=2s
for r in "${all[@]}"; do
    relay_start "$r"
    [ "$r" != creates ] || lies_from "$r" 'edit 1 16 fffffffb' # what was created was not: "marshalling error"
    [ "$r" != exists ] || lies_from "$r" 'edit 1 16 ffffff92'  # ... as there is such a node
    [ "$r" != exists ] || timeout=1s # with which it tries again after a second
    election "$r"
    SERVER=zk zk create "$BASE" "" >/dev/null
    candidate "$r" --zookeeper-session-timeout=$timeout -- "$JOB" "$JOBS" -1
done
for r in codes greets ends lists; do
    election "$r"
    check "$r: a candidate leads" within 10 leads "$r"
done
at=$(now)
lies_from codes 'edit * 16 fffffff9'  # whatever is asked: "operation timeout"
lies_from greets 'sever 41'           # each connection ends behind the greeting
lies_from ends 'sever 200' 'edit greeting 16 fffffc19' # each session is another, and soon over
lies_from lists 'edit 12 16 ffffff9b' # nothing can be listed: "no node"
election lists
watcher w "${T2[@]}"
candidate listed "${T2[@]}" -- "$JOB" "$JOBS" -1
check "lists: it is asked for a list" within 10 prints_least 2 asked lists 12
per_second() { echo $(($1 * 1000 / $(ms_since "$at"))); } # NUMBER: so many since then
pause 2
below "$(per_second "$(lines "$T/codes.types")")" 60 "codes: a leader does not ask at once what it has just asked: requests a second"
check "... and says what it was answered" logged codes \
    "an answer of 127.0.0.1:${PORT[codes]} is refused: operation timeout"
below "$(per_second "$(lines "$T/codes.log")")" 30 "... in lines a second"
below "$(per_second "$(asked greets connected)")" 15 "greets: a leader does not connect at once again: connections a second"
below "$(per_second "$(lines "$T/greets.log")")" 30 "... nor is its log flooded: lines a second"
below "$(per_second "$(asked ends connected)")" 12 "ends: it does not open another session at once: connections a second"
below "$(per_second "$(lines "$T/ends.log")")" 20 "... nor is its log flooded: lines a second"
below "$(per_second "$(asked lists 9)")" 75 "lists: those that list do not read all anew at once: syncs a second"
stop w listed
check "creates: a proposal is asked for" within 10 prints_least 1 asked creates 1
check "exists: ... again and again" within 15 prints_least 3 asked exists 1
for r in "${all[@]}"; do truth_from "$r"; done
for r in "${all[@]}"; do
    election "$r"
    check "$r: with an honest server it leads" within 20 leads "$r"
    check "... as its only proposal" within 20 stand_in_truth 1
    check "... and its command is started" within 10 started_least 1
    is "$(overlaps)" 0 "... never two at once"
done
is "$(asked creates 1)" 1 "creates: it looks for what may have been created, before it creates another"
stop "${all[@]}"

describe "Wherever a connection breaks off, the next one does what was to be done"
SERVER=zk candidate h "${T9[@]}" -- "$JOB" "$JOBS" -1
check "a candidate leads" within 10 leads h
through() { # RELAY COMMAND OPTION...
    timeout 20 "$BALLOT" --zookeeper-servers="$(servers "$1")" "${T2[@]}" "${@:2}" 2>&1
}
try_info() { through "$1" info -o json --zookeeper-base-path="$BASE" | grep -q '"h"'; }
try_watch() { through "$1" watch -o json --zookeeper-base-path="$BASE" | grep -qm 1 '"event":"leader".*"h"'; }
try_run() { # RELAY WORD...: runs once, and no more
    through "$1" run "${@:2}" --zookeeper-base-path="$BASE/$1" --candidate-id=x --on-child-success=exit -- \
        sh -c 'echo >>"$0"' "$T/$1.runs" >/dev/null && [ "$(lines "$T/$1.runs")" = 1 ] && rm "$T/$1.runs"
}
try_once() { try_run "$1" once; }
try_cron() { try_run "$1" cron --schedule='* * * * * *'; }
try_step-down() { # h leads on, as no other stands
    [ "$(through "$1" step-down --zookeeper-base-path="$BASE" | grep -c 'no other candidate stands')" = 1 ]
}
at_each() { # RELAY COMMAND FIRST LAST STEP: the connection ends after so many bytes; prints where that is too much
    local n
    for ((n = $3; n <= $4; n += $5)); do
        lies_from "$1" "first $n"
        "try_$2" "$1" || echo "$2: after $n bytes"
    done >"$T/$1.failed"
}
last=700 step=100 tries=(info once)
[ -z "${SOAK:-}" ] || last=1200 step=4 tries=(info watch step-down once cron)
for try in "${tries[@]}"; do
    for part in 1 2 3 4; do
        relay_start "$try$part"
        at_each "$try$part" "$try" $((part * step / 4)) $last $step &
        PID[at$part]=$!
    done
    for part in 1 2 3 4; do
        wait "${PID[at$part]}"
        is "$(cat "$T/$try$part.failed")" "" "$try, part $part: wherever it is"
    done
done
stop h

describe "An event without a path ends the leader, in the library itself: its guard resigns for it"
proxy_start
SERVER=proxy candidate a "${T9[@]}" -- "$JOB" "$JOBS" -1
check "a leads" within 10 started_least 1
command=$(last_pid)
candidate b "${T9[@]}" -- "$JOB" "$JOBS" -1
within 10 proposals_are 2
at=$(now)
mode event
check "the candidate has ended" within 5 dead "${PID[a]}"
check "... and its guard the command" within 2 dead "$command"
check "... and its candidacy: another leads" within 8 started_least 2
below "$((($(last_start) - at) / 1000000))" 4000 "... long before the session would expire"
is "$(overlaps)" 0 "... never two at once"
stop b

# --- for LIE_SECONDS: lies by SEED (that of the first; each round has the next)

some_lie() { # SEED
    perl -e '
        srand shift;
        sub one { $_[rand @_] }
        my $about = one(1, 3, 4, 5, 9, 12, 14, "*", "*");
        my $n = sprintf "%08x", one(0, 1, 2, 3, 99, 100, 5000, 0x7fffffff, 0x80000000,
            map { 0x100000000 - $_ } 1 .. 9, 100 .. 127, 999);
        my $path = one("", "/", "/v", "/v/proposal-0000000000", "/h/proposal-0000000000", "/c/schedule", "/v/requests");
        my $event = "ffffffff" . "0" x 24 . $n . "00000003" . unpack "H*", pack "N/a", $path;
        print one(
            (sub { sprintf "seed %d %d", rand 1e6, 3 + rand 30 }) x 6,
            (sub { "edit $about 16 $n" }) x 2,                                # a code
            (sub { "edit $about " . 4 * int(rand 4) . " $n" }) x 2,           # a header
            (sub { "edit $about " . (-68 + 4 * int rand 17) . " $n" }) x 2,   # a part of a stat,
            (sub { "edit $about -68 " . one("ff", "7f", "80", "00") x 68 }),  # all of it
            (sub { "edit $about " . (20 + 4 * int rand 9) . " $n" }) x 2,     # a length, a count, a type
            (sub { one("keep", "add") . " $about " . int rand 70 }) x 2,
            (sub { one("drop", "twice") . " $about" }) x 2,
            (sub { one("ahead", "after") . " $about $event" }) x 2,
            (sub { one("ahead", "after") . " $about " . $n . "0" x 24 }),     # an answer that was not asked for
            (sub { "sever " . int rand 900 }),
            (sub { "sever 200\nedit greeting " . 4 * int(rand 11) . " $n" }),
        )->()' "$1"
}
# A fault is the library's where it is the first that the stack of the report names of the two, or
# where we read what it handed over: it does so with a struct that it has not filled if an answer ends too early.
of_library() { # FILE: the report of a sanitizer
    within 10 grep -q ABORTING "$1"
    grep -m 1 -oE '^ +#.*(libzookeeper_st|/ballot\.c)' "$1" | grep -q libzookeeper_st ||
        { grep -qE 'ERROR: AddressSanitizer: (SEGV|unknown-crash)' "$1" && grep -q ' in answered_' "$1" && HANDED=$((HANDED + 1)); }
}
lied_to() { # starts those of v, c, w and x that do not live
    local name
    for name in v c w x; do
        dead "${PID[$name]:-}" || [ -z "${PID[$name]:-}" ] || continue
        SERVER=fuzz BASE=/$name
        case $name in
        v) candidate v "${T2[@]}" --restart-delay=0s -- "$JOB" "$T/jobs/v" -1 ;;
        c) cron c '* * * * * *' "${T2[@]}" --restart-delay=0s -- "$JOB" "$T/jobs/c" 200 ;;
        w) BASE=/h candidate w "${T2[@]}" --restart-delay=0s -- "$JOB" "$T/jobs/w" -1 ;;
        x) BASE=/h watcher x "${T2[@]}" ;;
        esac
    done
}
lie_round() { # SEED: complains of what is not as it should be; counts deaths in DEATHS
    local name report at before lie
    lie=$(some_lie "$1")
    before=$(lines "$T/fuzz.types") at=$(now)
    lies_from fuzz "$lie"
    through fuzz info --zookeeper-base-path=/h >/dev/null &
    PID[info]=$!
    through fuzz step-down --zookeeper-base-path=/v >/dev/null &
    PID[asks]=$!
    pause 1.5
    truth_from fuzz
    wait "${PID[info]}" "${PID[asks]}"
    # Six processes, each of which may sync 30 times a second, and ask about each proposal then. Not counted is a
    # server that tells of a change with each answer: what has changed is read.
    [[ $lie = *" ffffffff000000"* ]] || [ $((($(lines "$T/fuzz.types") - before) * 1000 / $(ms_since "$at"))) -le 2500 ] ||
        complain "SEED=$1 many requests: $lie"
    for name in v c w; do
        dead "${PID[$name]}" && [ ! -e "$T/asan.${PID[$name]}" ] && complain "SEED=$1 $name has ended: $lie"
    done
    [ -e "$T/jobs/w/record" ] && complain "SEED=$1 a leader beside one: $lie"
    for report in "$T"/asan.*; do # there are warnings, too: of allocations that it refuses
        grep -qsE "ERROR|runtime error" "$report" || continue
        DEATHS=$((DEATHS + 1))
        of_library "$report" || { complain "SEED=$1 not in the library: $lie"; cat "$report" >&2; }
        within 10 dead "${report##*.}"
        rm "$report"
    done
    lied_to
    for name in v c; do
        SERVER=zk BASE=/$name within 60 leader_is "$name" || complain "SEED=$1 $name does not lead: $lie"
    done
    SERVER=zk BASE=/h within 60 prints_least 2 proposals || complain "SEED=$1 w does not stand: $lie"
    for name in v c; do
        grep -qx "0\|none" <<<"$(JOBS=$T/jobs/$name overlaps)" || complain "SEED=$1 $name runs twice: $lie"
    done
}
if [ -n "${SOAK:-}" ]; then
    describe "Whatever a server says: but for the library nothing dies, nothing runs twice, and all ends with the lie"
    # (the library would fill 17 GB with the names that a list of four bytes counts)
    ASAN_OPTIONS=detect_leaks=0:handle_abort=1:allocator_may_return_null=1:max_allocation_size_mb=1000:log_path=$T/asan
    export ASAN_OPTIONS UBSAN_OPTIONS=log_path=$T/asan
    BALLOT=$here/bin/asan/ballot
    mkdir -p "$T/jobs/v" "$T/jobs/c" "$T/jobs/w"
    BASE=/h candidate h "${T2[@]}" -- "$JOB" "$JOBS" -1
    BASE=/h check "an honest candidate leads" within 20 leads h
    relay_start fuzz
    lied_to
    for name in v c; do SERVER=zk BASE=/$name check "$name leads" within 20 leader_is "$name"; done
    first=${SEED:-$(($(now) / 1000 % 1000000))} rounds=0 DEATHS=0 HANDED=0
    end=$(($(now) + ${LIE_SECONDS:-180} * 1000000000))
    while [ "$(now)" -lt "$end" ]; do
        lie_round $((first + rounds)) 2>>"$T/complaints"
        rounds=$((rounds + 1))
    done
    note "SEED=$first: $rounds lies, of which processes died $DEATHS times: $HANDED reading what the library gave, else in it"
    is "$(cat "$T/complaints")" "" "SEED=$first: $rounds lies"
    stop v c w x h
fi
