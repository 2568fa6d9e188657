#!/bin/bash
# Three servers, five ballots, and faults in the order of a seed: what was promised holds. 30 s of
# the same faults each time, and 15 s of others (CAMPAIGN_SEED), longer by soak.t.
. "$(dirname "$0")/lib.sh"
. "$here/campaign.sh"
fresh_seed=${CAMPAIGN_SEED:-$(($(date +%s) % 1000000))}
campaign_servers

describe "30 s of faults, each time the same"
campaign 246 30
campaign_judge

describe "15 s of faults, each time others: CAMPAIGN_SEED=$fresh_seed"
campaign "$fresh_seed" 15
campaign_judge
