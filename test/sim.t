#!/bin/sh
# The simulation: what once found a defect finds none now, a seed is the same story twice,
# and fresh seeds break no rule: of `run once` for 14 s, of `run cron` and `watch` for 4 s each, for
# five and for two minutes with SOAK=1 (FROM=n: the first; SEEDS=n: no more than so many of
# `run once`, and a twentieth of that of the others).
cd "$(dirname "$0")/.." || exit 1
make -s test/bin/sim || exit 1
failed=0 count=0
check() { # STATUS NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2" && failed=1; fi
}
echo 1..5
seeds=$(test/bin/sim --file test/sim.seeds)
check $? "the seeds of test/sim.seeds break no rule"
echo "$seeds" | grep '^not ok' | sed 's/^/# sim.t: /' >&2
[ "$(test/bin/sim --seed 7 | cksum)" = "$(test/bin/sim --seed 7 | cksum)" ]
check $? "a seed tells the same story twice"
from=${FROM:-$(date +%s)000}
fresh() { # STORY SECONDS [SEEDS]
    fresh=$(test/bin/sim --story "$1" --from "$from" ${3:+--seeds "$3"} --seconds "$2")
    check $? "$1: fresh seeds from $from on break no rule"
    echo "$fresh" | sed 's/^#* */# /' # a line of a violation tells how to see its story
    echo "$fresh" | grep '^SEED' | sed 's/^/# sim.t: make sim /' >&2
}
others=${SEEDS:+$((SEEDS / 20))}
long=${SOAK:+300} others_long=${SOAK:+120}
fresh once "${long:-14}" "$SEEDS"
fresh cron "${others_long:-4}" "$others"
fresh watch "${others_long:-4}" "$others"
exit $failed
