#!/bin/bash
# Runs the C tests of Cron (cron.c) over the vectors, under AddressSanitizer and UBSan.
here=$(cd "$(dirname "$0")" && pwd)
exec "$here/bin/cron" "$here/cron"
