#!/bin/bash
# A node stops and starts again while bluetoothd, which remembers its peer, lives on: they link again.
# limit: 150 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${SIGNAL:=TERM}"

needs_bluetooth
bluetooth_up 2
new_node a radio=hci0
new_node b radio=hci1
start_node a
start_node b
wait_for 40 "link over Bluetooth" linked a b bluetooth
stop_node b "$SIGNAL"
start_node b
begun=$(now_ms)
wait_for 60 "link after the restart" linked b a bluetooth
result linked_again $(($(now_ms) - begun)) ms
send b a "back again"
send a b "welcome"
