#!/bin/sh
# The simulation: what once found a defect finds none now, a seed is the same story twice,
# and fresh seeds break no rule: for 20 s, for five minutes with SOAK=1 (FROM=n: the first;
# SEEDS=n: no more than so many).
cd "$(dirname "$0")/.." || exit 1
make -s test/bin/sim || exit 1
failed=0 count=0
check() { # STATUS NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then echo "ok $count - $2"; else echo "not ok $count - $2" && failed=1; fi
}
echo 1..3
seeds=$(test/bin/sim --file test/sim.seeds)
check $? "the seeds of test/sim.seeds break no rule"
echo "$seeds" | grep '^not ok' | sed 's/^/# sim.t: /' >&2
[ "$(test/bin/sim --seed 7 | cksum)" = "$(test/bin/sim --seed 7 | cksum)" ]
check $? "a seed tells the same story twice"
from=${FROM:-$(date +%s)000} seconds=${SOAK:+300}
fresh=$(test/bin/sim --from "$from" ${SEEDS:+--seeds "$SEEDS"} --seconds "${seconds:-20}")
check $? "fresh seeds from $from on break no rule"
echo "$fresh" | sed 's/^#* */# /' # a line of a violation tells how to see its story
[ $failed = 0 ] || echo "$fresh" | grep '^SEED' | sed 's/^/# sim.t: make sim /' >&2
exit $failed
