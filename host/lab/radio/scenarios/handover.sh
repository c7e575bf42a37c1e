#!/bin/bash
# A node walks from one neighbour to another: the new link is there before the old one is lost.
# With the fourth radio as a neighbour of the second node, messages find both all the while.
# limit: 180 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${WALK_S:=40}"

needs_bluetooth
[[ $CONTROLLERS == air ]] || skip "nobody can walk with btvirt: it has no signal strength"
bluetooth_up 4
new_node walker radio=hci0
new_node east radio=hci1
# Two radios: one that the walker meets, one that the east hears.
new_node west radio=hci2,hci3
# From -50 dBm (next to it) to -100 (nothing is received): east is near, west out of reach.
air rssi 0 1 -50
air rssi 0 2 -105
air rssi 0 3 -105
for name in east west walker; do start_node "$name"; done
wait_for 60 "link to the east" linked walker east bluetooth
linked walker west bluetooth && fail "there is a link to the west already"
record east
record west
stream walker east $((WALK_S * 5)) 5

say "walking for $WALK_S s"
walked=$(now_ms)
air fade 0 1 -105 "$WALK_S"
air fade 0 2 -50 "$WALK_S"
met=none
left=none
while (($(now_ms) < walked + WALK_S * 1000 + 30000)) && [[ $met == none || $left == none ]]; do
    [[ $met != none ]] || { linked walker west bluetooth && met=$(($(now_ms) - walked)); } || true
    [[ $left != none ]] || linked walker east bluetooth || left=$(($(now_ms) - walked))
    sleep 0.2
done
[[ $met != none ]] || fail "the west was never linked"
[[ $left != none ]] || fail "the east was never let go"
result met_west "$met" "ms after leaving"
result left_east "$left" "ms after leaving"
result both $((left - met)) ms
send walker west "arrived"
result lost_before_west "$(records east lost 0 $((walked + met)))"
result distance "$(metres walker west)" m
at_least both $((left - met)) 0
at_most lost_before_west "$(records east lost 0 $((walked + met)))" 0
