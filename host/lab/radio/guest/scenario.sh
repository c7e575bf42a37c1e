# Sourced by every scenario, in the guest: saying, measuring, waiting, and how it ends.
# shellcheck shell=bash
set -euo pipefail

# Says a line, with the seconds since the guest was up.
say() { printf '[%7s] %s\n' "$(cut -d' ' -f1 /proc/uptime)" "$*"; }

# Ends the scenario: it did not show what it should.
fail() {
    say "FAILED: $*"
    exit 1
}

# Ends the scenario: it can't be judged with this program or this guest.
skip() {
    say "skipped: $*"
    echo "$*" >/host/skipped
    exit 77
}

# result NAME VALUE [UNIT]: a measurement for the table.
result() {
    say "$1: $2 ${3-}"
    printf '%s\t%s\t%s\n' "$1" "$2" "${3-}" >>/host/results
}

# Milliseconds of the clock that only goes forward; that of `air` and of the records.
now_ms() { local up && read -r up _ </proc/uptime && echo "$((10#${up/./}))0"; }

# wait_for SECONDS WHAT COMMAND…: asks until the command succeeds; fails when the time is up.
wait_for() {
    local limit=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        (($(now_ms) < limit)) || fail "no $what in time"
        sleep 0.1
    done
}

# at_least NAME VALUE LEAST, at_most NAME VALUE MOST: fails where a number is beyond its bound.
at_least() { awk "BEGIN { exit !($2 >= $3) }" || fail "$1 is $2, and $3 is the least"; }
at_most() { awk "BEGIN { exit !($2 <= $3) }" || fail "$1 is $2, and $3 is the most"; }

# background NAME COMMAND…: runs it beside the scenario; what it says goes to NAME.log. Its number
# is in $!.
background() {
    local name=$1
    shift
    "$@" >"/host/$name.log" 2>&1 </dev/null &
}

# What bluetoothd knew at the end, for whoever looks for the reason of a failure.
last_words() {
    [[ ! -e /run/dbus/system_bus_socket ]] || timeout 5 dbus-send --system --print-reply --dest=org.bluez / \
        org.freedesktop.DBus.ObjectManager.GetManagedObjects >/host/bluez-objects.txt 2>&1 || true
}
trap last_words EXIT
trap 'say "line $LINENO of ${BASH_SOURCE[0]}: $BASH_COMMAND: status $?"' ERR
