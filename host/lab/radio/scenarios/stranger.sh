#!/bin/bash
# A neighbour whose radio bluetoothd remembers from another program's service is found all the same.
# limit: 120 s
. /lab/guest/scenario.sh
. /lab/guest/bluetooth.sh
. /lab/guest/node.sh

needs_bluetooth
bluetooth_up 2
# After this hci0 knows hci1 with the services that it had then, and bluetoothd takes no other UUIDs
# from its advertisements any more (device_add_eir_uuids in BlueZ's src/device.c).
background gatt python3 /lab/guest/gatt.py serve hci1
gatt_pid=$!
wait_for 10 "advertisement" grep -q advertising /host/gatt.log
python3 /lab/guest/gatt.py notify hci0 "$(address_of hci1)" 20
kill "$gatt_pid"
bluetoothd_restart TERM 0.5

new_node a radio=hci0
new_node b radio=hci1
start_node a
start_node b
wait_for 40 "link over Bluetooth" linked a b bluetooth
send a b hello
