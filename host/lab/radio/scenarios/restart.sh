#!/bin/bash
# bluetoothd crashes and is restarted at random moments under traffic; all messages arrive.
# limit: 240 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${ROUNDS:=5}" "${SEED:=$RANDOM}" "${BACK_MS_MAX:=30000}"

needs_bluetooth
say "seed $SEED (./x lab restart --set SEED=$SEED)"
RANDOM=$SEED
bluetooth_up 2
new_node a radio=hci0
new_node b radio=hci1
start_node a
start_node b
wait_for 40 "link over Bluetooth" linked a b bluetooth
record b

# Whether b has got more than it had at the beginning of the round.
went_on() { arrived b $((had + 1)); }

# For longer than the rounds take; it is ended with the last.
stream a b 100000 5 50
worst=0
for ((round = 1; round <= ROUNDS; round++)); do
    sleep "$(awk "BEGIN { print $((RANDOM % 3000)) / 1000 }")"
    signals=(KILL TERM)
    signal=${signals[RANDOM % 2]}
    pause=$(awk "BEGIN { print $((RANDOM % 2000)) / 1000 }")
    say "round $round: bluetoothd gets $signal, and is away for $pause s"
    bluetoothd_restart "$signal" "$pause"
    had=$(wc -l </host/b.records) back=$(now_ms)
    wait_for $((BACK_MS_MAX / 1000)) "message after round $round ($signal)" went_on
    wait_for 30 "link after round $round" linked a b bluetooth
    back=$(($(now_ms) - back))
    ((back <= worst)) || worst=$back
done
kill "$stream_pid"
send a b "the last"
result rounds "$ROUNDS"
result back "$worst" "ms at worst"
result gap "$(records b gap)" "ms at worst"
result lost "$(records b lost)"
result twice "$(records b twice)"
at_most lost "$(records b lost)" 0
at_most twice "$(records b twice)" 0
kill -0 "${node_pid[a]}" "${node_pid[b]}" || fail "a node did not live through it"
