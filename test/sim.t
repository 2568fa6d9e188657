#!/bin/sh
# The simulation: what once found a defect finds none now, and the same seed is the
# same story. `make sim` plays fresh seeds.
cd "$(dirname "$0")/.." || exit 1
make -s test/bin/sim || exit 1
one=$(test/bin/sim --seed 7 | cksum) two=$(test/bin/sim --seed 7 | cksum)
seeds=$(test/bin/sim --file test/sim.seeds)
status=$?
echo 1..2
if [ $status = 0 ]; then echo "ok 1 - the seeds of test/sim.seeds break no rule"; else
    echo "not ok 1 - the seeds of test/sim.seeds break no rule"
    echo "$seeds" | grep '^not ok' | sed 's/^/# sim.t: /' >&2
fi
if [ "$one" = "$two" ]; then echo "ok 2 - a seed tells the same story twice"; else echo "not ok 2 - a seed tells the same story twice"; fi
[ $status = 0 ] && [ "$one" = "$two" ]
