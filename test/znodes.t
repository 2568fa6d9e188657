#!/bin/bash
# Nodes that are not what candidates made: rewritten, made again, sealed, of one who is gone; and a
# counter of proposals that has come to its end.
. "$(dirname "$0")/lib.sh"

# --- a server whose log of transactions says that 2147483646 children of /c have been there

counted_log() { # FOLDER
    mkdir -p "$1/version-2"
    perl -e '
        sub text { pack "N/a", $_[0] }
        sub entry { # of a node that is created as the child of that number
            my ($zxid, $path, $number) = @_;
            my $txn = pack("q> N q> q> N", 1, 1, $zxid, 1, 1) . text($path) . text("") .
                pack("N N", 1, 31) . text("world") . text("anyone") . pack("C l>", 0, $number);
            my ($a, $b) = (1, 0); # Adler-32
            ($a, $b) = (($a + $_) % 65521, ($a + $_ + $b) % 65521) for unpack "C*", $txn;
            return pack("q>", $b << 16 | $a) . text($txn) . "B";
        }
        print "ZKLG", pack("N q>", 2, 0), entry(1, "/c", 1), entry(2, "/c/x", 2147483646);
    ' >"$1/version-2/log.1"
}
PORT[zk]=$(port_choose)
zk_config zk
counted_log "$T/zk/data"
ZK_JAVA=(java -Dzookeeper.snapshot.trust.empty=true)
zk_restart zk

describe "The last proposal that a counter gives: no other can be made beside it, and the election goes on"
BASE=/c
zk rm /c/x >/dev/null
candidate a "${T2[@]}" -- "$JOB" "$JOBS" -1
check "one candidate leads" within 10 leader_is a
candidate b "${T2[@]}" -- "$JOB" "$JOBS" -1
check "one has the last name" within 10 logged b 'standing as /c/proposal-2147483647'
candidate c "${T2[@]}" -- "$JOB" "$JOBS" -1
check "the third says that it cannot stand" within 10 logged c 'creating a proposal below /c is refused: node exists'
stop a
check "the second leads" within 10 leader_is b
stop b
check "the third gets the name that is free, and leads" within 20 leader_is c
is "$(times_logged c 'refused')" 1 "... which it has said once"
is "$(overlaps)" 0 "... never two at once"
stop c

# --- what strangers write

garbage=(
    'perl -e0'                                             # nothing
    'head -c 3000 /dev/urandom'
    "printf 'a\\0b'"
    'echo {"proposalNode":[7],"candidateId":null,"sessionTimeout":{},"stepDown":7,"activation":[[]],"start":-1}'
    "perl -e 'print \"{\\\"proposalNode\\\":\" x 60_000'"  # deep
    "perl -e 'print q({\"stepDown\":\"), \"x\" x 1_000_000, q(\"})'"
)
write() { # NODE INDEX: that garbage
    eval "${garbage[$2]}" | zk set "$1" - >/dev/null
}

describe "Whatever strangers write into other nodes than the base, the leader leads on, and says little of it"
cron a '* * * * * *' "${T2[@]}" --stop-timeout=1s -- "$JOB" "$JOBS" -1
check "a candidate leads by schedule" within 10 started_least 1
cron b '* * * * * *' "${T2[@]}" -- "$JOB" "$JOBS" -1
check "another waits" within 10 proposals_are 2
zk create "$BASE/requests" "" >/dev/null
mapfile -t names < <(zk ls "$BASE" | grep ^proposal- | sort)
before=$(requests)
for name in "${names[@]}" schedule requests; do
    for i in "${!garbage[@]}"; do write "$BASE/$name" "$i"; done
done
for command in info "info --check" "info -o table" "step-down --timeout=1s"; do
    # shellcheck disable=SC2086
    timeout 20 "$BALLOT" $command --zookeeper-servers="$(servers zk)" --zookeeper-base-path="$BASE" \
        "${T2[@]}" >"$T/out" 2>&1
    STATUS=$?
    refuse "$command: it ends by itself" [ $STATUS = 124 ]
done
below $(($(requests) - before)) 1500 "... after so many requests"
check "both candidates live" all_live a b
check "... and the first leads" leader_is a
is "$(started) $(overlaps)" "1 0" "... and runs what it ran"
below "$(lines "$T/a.log")" 60 "... lines of its log"
stop a b

describe "Whatever strangers write into the base, its leader stops at once, and leads again when it is silent"
for i in "${!garbage[@]}"; do
    BASE=/base-$i JOBS=$T/jobs/$i
    mkdir -p "$JOBS"
    candidate "g$i" "${T2[@]}" --restart-delay=0s -- "$JOB" "$JOBS" -1
done
for i in "${!garbage[@]}"; do
    BASE=/base-$i JOBS=$T/jobs/$i
    check "${garbage[$i]:0:40}: a candidate leads" within 10 started_least 1
    write "$BASE" "$i"
done
for i in "${!garbage[@]}"; do
    BASE=/base-$i JOBS=$T/jobs/$i
    check "${garbage[$i]:0:40}: it says that it has lost" within 10 logged "g$i" 'lost the leadership: another'
    check "... and leads again" within 20 leader_is "g$i"
    check "... and runs its command again" within 10 started_least 2
    is "$(overlaps)" 0 "... when it has ended"
    stop "g$i"
done

describe "A base that a stranger seals, or that is ephemeral: what is refused is said once, and all goes on when it is not"
SEALED=$BASE/sealed EPHEMERAL=$BASE/ephemeral
zk create "$BASE" "" >/dev/null
zk create "$SEALED" "" >/dev/null
"$ZK" "$(servers zk)" ephemeral "$EPHEMERAL" "" >/dev/null &
PID[stranger]=$!
check "there is an ephemeral one" within 10 exists "$EPHEMERAL"
BASE=$SEALED candidate s "${T2[@]}" --restart-delay=2s -- "$JOB" "$JOBS" -1
BASE=$EPHEMERAL candidate e "${T2[@]}" -- sleep 100
check "sealed: a candidate leads" within 10 started_least 1
for name in $(zk ls "$SEALED"); do zk rm "$SEALED/$name"; done # it stands again after 2 s
zk rm "$SEALED" && zk create "$SEALED" "" >/dev/null
zk seal "$SEALED" "" >/dev/null
check "... and has lost" within 10 logged s 'lost the leadership'
check "... and its command is ended" within 10 lock_free
check "ephemeral: the candidate says that it cannot stand" within 10 logged e 'is refused: no children for ephemerals'
check "sealed: ... and which right it misses" within 20 logged s 'is refused: not authenticated (its access list gives'
before=$(requests)
pause 1
below $(($(requests) - before)) 100 "both ask no more often than they have to"
is "$(times_logged e refused) $(times_logged s refused)" "1 1" "... and have said it once"
zk rm "$EPHEMERAL"
zk acl "$SEALED" world:anyone:cdrwa >/dev/null
BASE=$EPHEMERAL check "ephemeral: it leads when the stranger is gone" within 30 leader_is e
BASE=$SEALED check "sealed: it leads when it has the right" within 30 leader_is s
kill -KILL "${PID[stranger]}"
stop s e
