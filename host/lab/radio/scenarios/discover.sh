#!/bin/bash
# Two nodes with nothing but radios come into reach, link, and deliver in both directions.
# limit: 90 s
# ci: yes
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${MESSAGES:=20}" "${FIRST_MS_MAX:=1500}"

needs_bluetooth
bluetooth_up 2
new_node a radio=hci0
new_node b radio=hci1
# Out of reach, so that all that takes the guest seconds and is not the radio's is done by then: both
# nodes run, b's messages are listened to, and the first one waits at a for a way to go.
[[ $CONTROLLERS != air ]] || air rssi 0 1 -110
start_node a
start_node b
record a
record b
node a send "${node_peer[b]}" "the first" --ttl 60s
[[ $CONTROLLERS != air ]] || air rssi 0 1 -50
wait_for 40 "first message" arrived b 1
wait_for 10 "link over Bluetooth" linked a b bluetooth
wait_for 10 "link over Bluetooth at the other end" linked b a bluetooth
say "links: $(link_kinds a b)"
if [[ $CONTROLLERS == air ]]; then
    first=$(($(records b first) - $(first_heard_ms hci0 hci1)))
    result first_message "$first" "ms after the first advertisement that was heard"
    result distance "$(metres a b)" m
    at_most first_message "$first" "$FIRST_MS_MAX"
fi
for ((i = 1; i < MESSAGES; i++)); do
    send a b "a to b, $i"
    send b a "b to a, $i"
done
wait_for 10 "messages at b" arrived b "$MESSAGES"
wait_for 10 "messages at a" arrived a $((MESSAGES - 1))
result lost $(($(records a lost) + $(records b lost)))
at_most lost $(($(records a lost) + $(records b lost))) 0
at_most twice $(($(records a twice) + $(records b twice))) 0
