#!/bin/bash
# Two nodes with nothing but radios find each other, link, and deliver in both directions.
# limit: 90 s
# ci: yes
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${MESSAGES:=20}"

needs_bluetooth
bluetooth_up 2
new_node a radio=hci0
new_node b radio=hci1
# One after the other and waited for: starting takes the guest seconds that are not the radio's.
start_node a
start_node b
wait_for 40 "link over Bluetooth" linked a b bluetooth
wait_for 10 "link over Bluetooth at the other end" linked b a bluetooth
record a
record b
send a b "the first"
say "links: $(link_kinds a b)"
if [[ $CONTROLLERS == air ]]; then
    result first_message "$(($(records b first) - $(first_advertised_ms hci1)))" "ms after the first advertisement"
    result distance "$(metres a b)" m
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
