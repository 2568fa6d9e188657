#!/bin/bash
# Thousands of nodes of strangers before the only candidate.
. "$(dirname "$0")/lib.sh"
zk_start zk

litter() { zk litter "$1" "$2" >"$T/last"; } # PREFIX COUNT: so many persistent nodes
crowded() { # PREFIX COUNT MOST: with so many, it leads after as many requests as MOST
    local at before
    zk create "$BASE" "" >/dev/null
    check "$2 nodes $1..." litter "$BASE/$1" "$2"
    before=$(requests)
    at=$(now)
    candidate a -- sleep 100
    check "... the only candidate leads all the same" within 20 leader_is a
    below "$(ms_since "$at")" 5000 "... soon"
    below "$(($(requests) - before))" "$3" "... after so many requests"
    stop a
    is "$(grep -ciE 'ignored' "$T/a.log")" 1 "... and a line about them"
    below "$(lines "$T/a.log")" 20 "... among few others"
}

describe "10,000 nodes with names that no candidate has cost a candidate few requests"
crowded 'proposal-!' 10000 60

describe "5,000 nodes with names as candidates have them cost two requests each"
crowded proposal-- 5000 10200
