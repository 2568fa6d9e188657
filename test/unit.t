#!/bin/bash
# Runs the C unit tests (unit.c), under AddressSanitizer and UBSan.
exec "$(dirname "$0")/bin/unit"
