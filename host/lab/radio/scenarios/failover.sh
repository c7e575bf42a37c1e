#!/bin/bash
# Bluetooth and IP at once: IP becomes a black hole, messages go on over Bluetooth, and come back.
# limit: 120 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/network.sh
. /lab/guest/node.sh

: "${RATE:=20}" "${GAP_MS_MAX:=3000}"

needs_bluetooth
bluetooth_up 2
new_node a ip=127.0.0.1 radio=hci0
new_node b ip=127.0.0.2 radio=hci1
introduce a b 127.0.0.2
start_node b
start_node a
wait_for 20 "link over IP" linked a b lan
wait_for 40 "link over Bluetooth" linked a b bluetooth
record b

# Some of what is sent goes where the selector wants it; what matters is that it arrives.
stream a b $((RATE * 30)) "$RATE"
wait_for 10 "first messages" arrived b "$RATE"
over_radio=$(carried a b bluetooth)
from=$(now_ms)
blackhole
sleep 8
over_radio=$(($(carried a b bluetooth) - over_radio))
gap=$(records b gap "$from" "$(now_ms)")
during=$(records b count "$from")
result gap "$gap" ms
result over_bluetooth "$over_radio" bytes
result delivered_meanwhile "$during"

heal
healed=$(now_ms)
# Bluetooth goes on either way, so the return shows in what IP carries.
wait_for 40 "return to IP" linked a b lan
over_ip=$(carried a b lan)
carries_ip() { (($(carried a b lan) > over_ip)); }
wait_for 20 "traffic over IP" carries_ip
result back_on_ip $(($(now_ms) - healed)) ms
wait "$stream_pid"
wait_for 20 "the rest" arrived b $((RATE * 30))
result lost "$(records b lost)"
result gap_whole "$(records b gap)" ms
at_least over_bluetooth "$over_radio" 1
at_most gap "$gap" "$GAP_MS_MAX"
at_most lost "$(records b lost)" 0
