#!/bin/bash
# Thousands of nodes of strangers before the only candidate.
. "$(dirname "$0")/lib.sh"
zk_start zk
zk create /ballot "" >/dev/null

crowded() { # BASE PREFIX COUNT MOST DESCRIPTION: with so many, it leads after as many requests as MOST
    local at before
    BASE=$1
    zk create "$BASE" "" >/dev/null
    check "$5: $3 nodes $2..." eval "zk litter '$BASE/$2' $3 >$T/last"
    before=$(requests)
    at=$(now)
    candidate a -- sleep 100
    check "... the only candidate leads all the same" within 20 leader_is a
    below "$(ms_since "$at")" 5000 "... soon"
    below "$(($(requests) - before))" "$4" "... after so many requests"
    stop a
    is "$(grep -ciE 'ignored' "$T/a.log")" 1 "... and a line about them"
    below "$(wc -l <"$T/a.log")" 20 "... among few others"
    rm "$T/a.log"
}

crowded /ballot/odd 'proposal-!' 10000 60 "names that no candidate has"
crowded /ballot/alike proposal-- 5000 10200 "names as candidates have them"
