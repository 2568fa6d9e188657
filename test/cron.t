#!/bin/bash
# Runs the C tests of Cron (cron.c) over the vectors, under AddressSanitizer and UBSan.
here=$(cd "$(dirname "$0")" && pwd)
[ -r /proc/self/status ] || { echo "1..0 # skip /proc is not mounted, which LeakSanitizer needs"; exit; }
exec "$here/bin/cron" "$here/cron"
