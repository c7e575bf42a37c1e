#!/bin/bash
# The virtual radios themselves under the real bluetoothd: heard, measured, faded, lost, restarted.
# limit: 60 s
# ci: yes
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh

[[ $CONTROLLERS == air ]] || skip "btvirt tells no signal strength"
bluetooth_up 4
here=$(address_of hci0) there=$(address_of hci1)

# mean ADDRESS: mean signal strength and number of its sightings.
mean() { awk -v who="$1" '$2 == who { sum += $3; n++ } END { if (n) printf "%.0f %d\n", sum / n, n; else print "none 0" }'; }

background advertise-1 python3 /lab/guest/gatt.py advertise hci1
background advertise-2 python3 /lab/guest/gatt.py advertise hci2
wait_for 10 "advertisements" grep -q advertising /host/advertise-1.log /host/advertise-2.log
air rssi 0 1 -60
air rssi 0 2 -80
python3 /lab/guest/gatt.py scan hci0 5 >/host/sightings
read -r near count < <(mean "$there" </host/sightings)
read -r far _ < <(mean "$(address_of hci2)" </host/sightings)
result near "$near" dBm
result far "$far" dBm
result sightings "$count" "in 5 s"
at_least near "$near" -63
at_most near "$near" -57
at_most far "$far" -77
at_least sightings "$count" 3

python3 /lab/guest/l2cap.py serve "$there" 0x80 >/host/l2cap.log 2>&1 &
wait_for 5 "listener" grep -q listening /host/l2cap.log
result rtt "$(python3 /lab/guest/l2cap.py rtt "$here" "$there" 0x80 10 18)" ms

# A crash of bluetoothd leaves the channel open; going out of reach does not.
background echo python3 /lab/guest/l2cap.py rtt "$here" "$there" 0x80 30 18
echo_pid=$!
sleep 1
bluetoothd_restart KILL 0.2
wait "$echo_pid" || fail "a channel did not live through a crash of bluetoothd"
background echo python3 /lab/guest/l2cap.py rtt "$here" "$there" 0x80 1000 18
echo_pid=$!
sleep 1
air fade 0 1 -110 1
wait "$echo_pid" && fail "a channel lived on out of reach"
wait_for 5 "end of the link" grep -q 'down .* reason 0x8' /host/air-events.log
