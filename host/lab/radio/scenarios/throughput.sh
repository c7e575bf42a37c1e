#!/bin/bash
# Bare L2CAP and bare GATT beside pointsman over each, in one run: what our layers cost.
# The guest has one slow processor, so packets take four times as long as on a radio: what is
# measured then is what we send and when. PACE=off measures the processor instead.
# limit: 240 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

: "${BYTES:=150000}" "${PACE:=4}" "${NOTIFICATIONS:=150}" "${SHARE_MIN:=0.8}"

# kB/s with a decimal, of bytes a second.
kb() { awk "BEGIN { printf \"%.1f\", $1 / 1000 }"; }

# A bluetoothd without memory, so that no measurement depends on those before.
anew() {
    bluetoothd_down TERM
    rm -rf /var/lib/bluetooth/*
    bluetoothd_up
    wait_for 20 "adapters of a new bluetoothd" has_adapters 2
}

bluetooth_up 2
[[ $CONTROLLERS != air ]] || air pace "$PACE"
here=$(address_of hci0) there=$(address_of hci1)

background advertise python3 /lab/guest/gatt.py advertise hci1
advertise_pid=$!
background l2cap python3 /lab/guest/l2cap.py serve "$there" 0x80
l2cap_pid=$!
wait_for 10 "advertisement" grep -q advertising /host/advertise.log
wait_for 10 "listener" grep -q listening /host/l2cap.log
value=$(python3 /lab/guest/l2cap.py rtt "$here" "$there" 0x80 50 18)
result l2cap_rtt "$value" ms
value=$(python3 /lab/guest/l2cap.py stream "$here" "$there" 0x80 "$BYTES" 1000)
bare=$(kb "$value")
result l2cap "$bare" kB/s
kill "$advertise_pid" "$l2cap_pid"

anew
background gatt python3 /lab/guest/gatt.py serve hci1
gatt_pid=$!
wait_for 10 "advertisement" grep -q advertising /host/gatt.log
value=$(python3 /lab/guest/gatt.py notify hci0 "$there" "$NOTIFICATIONS")
result gatt_notify "$(kb "$value")" kB/s
kill "$gatt_pid"

# ours NAME CONFIG-LINE: the same bytes through two nodes.
ours() {
    anew
    new_node a radio=hci0
    new_node b radio=hci1
    for name in a b; do configure "$name" <<<"$2"; done
    start_node a
    start_node b
    wait_for 60 "link" linked a b bluetooth
    listen b
    answer=$(node a send "${node_peer[b]}" --count $((BYTES / 1000)) --size 1000 --json)
    reached=$(kb "$(jq '.bytes_delivered * 1000000 / .elapsed_us' <<<"$answer")")
    result "$1" "$reached" kB/s
    jq -e '.delivered == .count' <<<"$answer" >/dev/null || fail "$1: $answer"
    answer=$(node a send "${node_peer[b]}" --class interactive --count 50 --rate 5 --size 18 --json)
    result "$1_send" "$(jq '.took_us_p50 / 100 | floor / 10' <<<"$answer")" "ms until delivered"
    stop_node a
    stop_node b
}

needs_bluetooth
ours pointsman_l2cap 'l2cap = true'
over_l2cap=$reached
ours pointsman_gatt 'l2cap = false'
[[ $PACE == off ]] || at_least pointsman_l2cap "$over_l2cap" "$(awk "BEGIN { print $SHARE_MIN * $bare }")"
