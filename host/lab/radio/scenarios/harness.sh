#!/bin/bash
# Two nodes over IP, none over radio: proves the lab itself, with a black hole and its end.
# limit: 60 s
# ci: yes
. /lab/guest/scenario.sh
. /lab/guest/node.sh
. /lab/guest/network.sh

new_node a ip=127.0.0.1
new_node b ip=127.0.0.2
introduce a b 127.0.0.2
start_node b
start_node a
wait_for 10 "link" linked a b lan
record b
send a b hello
wait_for 5 "message" arrived b 1

stream a b 300 50
sleep 2
from=$(now_ms)
blackhole
sleep 1.5
heal
wait "$stream_pid"
wait_for 10 "messages" arrived b 301
result gap "$(records b gap "$from")" ms
result lost "$(records b lost)"
at_least gap "$(records b gap "$from")" 1000
at_most lost "$(records b lost)" 0
