# Sourced in the guest: radios, the bus, bluetoothd, and what may happen to them.
# With CAPTURE=1 all that goes over HCI is in capture.btsnoop, for Wireshark and `btmon -r`.
# shellcheck shell=bash

# Who plays the controllers: `air` (ours) or `btvirt` (BlueZ's: no signal strength, advertisements
# are heard only when they begin; see README.md).
: "${CONTROLLERS:=air}"

# Adapters that can advertise, as bluetoothd tells.
adapters() {
    dbus-send --system --print-reply --dest=org.bluez / \
        org.freedesktop.DBus.ObjectManager.GetManagedObjects 2>/dev/null |
        grep -c '"org.bluez.LEAdvertisingManager1"' || true
}

# Whether bluetoothd has so many adapters.
has_adapters() { [[ $(adapters) == "$1" ]]; }

# bluetooth_up [COUNT]: so many radios, hci0 on, with the bus and bluetoothd; returns when each of
# them can advertise.
bluetooth_up() {
    radios=${1:-2}
    [[ -c /dev/vhci ]] || skip "the guest's kernel has no virtual Bluetooth controllers (/dev/vhci)"
    [[ -e /run/dbus/system_bus_socket ]] || dbus-daemon --system --fork --nopidfile
    bluetoothd_up
    case $CONTROLLERS in
        air)
            background air python3 /lab/air "$radios" --log /host/air-events.log \
                ${CAPTURE:+--capture /host/capture.btsnoop}
            ;;
        btvirt)
            command -v btvirt >/dev/null || skip "no btvirt in the guest's root"
            background btvirt btvirt -L "-l$radios"
            ;;
        *) fail "CONTROLLERS is air or btvirt" ;;
    esac
    wait_for 20 "$radios adapters" has_adapters "$radios"
    say "$radios radios are up"
}

# Starts bluetoothd.
bluetoothd_up() {
    bluetoothd --nodetach --experimental >>/host/bluetoothd.log 2>&1 </dev/null &
    bluetoothd_pid=$!
}

# bluetoothd_down [SIGNAL]: ends it and waits until it is gone. KILL is a crash: radios stay as
# they are, open L2CAP channels live on. TERM is a stop: it switches the radios off.
bluetoothd_down() {
    # BlueZ 5.66 was seen to fall by itself when a client of a characteristic went.
    kill "-${1:-TERM}" "$bluetoothd_pid" 2>/dev/null || say "bluetoothd had fallen already"
    wait "$bluetoothd_pid" 2>/dev/null || true
}

# bluetoothd_restart [SIGNAL [SECONDS]]: down for so long, up, and its adapters are back.
bluetoothd_restart() {
    bluetoothd_down "${1:-TERM}"
    sleep "${2:-0.2}"
    bluetoothd_up
    wait_for 20 "adapters after bluetoothd's restart" has_adapters "$radios"
}

# air ORDER…: turns the virtual air, such as `air rssi 0 1 -80`, `air fade 0 1 -95 5`.
air() {
    [[ $CONTROLLERS == air ]] || skip "the scenario sets signal strengths, and btvirt has none"
    echo "$*" >/run/air
}

# The public address of an adapter.
address_of() { hciconfig "$1" | sed -n 's/.*BD Address: \([0-9A-F:]*\).*/\1/p'; }

# first_heard_ms A B: when one of two radios first heard the other's advertisement since they last were
# out of reach, in milliseconds of now_ms; only with `air`.
first_heard_ms() {
    awk -v a="$1" -v b="$2" '
        $2 == "order" && $NF <= -100 { first = 0 }
        $3 == "hears" && ($2 == a && $4 == b || $2 == b && $4 == a) && !first { first = $1 }
        END { printf "%d", first * 1000 }' /host/air-events.log
}
