#!/bin/bash
# Runs the C unit tests (unit.c), under AddressSanitizer and UBSan.
[ -r /proc/self/status ] || { echo "1..0 # skip /proc is not mounted, which LeakSanitizer needs"; exit; }
exec "$(dirname "$0")/bin/unit"
