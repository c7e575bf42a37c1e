# Sourced in the guest: nodes of the pointsman under test, in /run/nodes/NAME, and what they tell.
# All of them run in the guest's first network namespace: Bluetooth exists only there.
# shellcheck shell=bash

# What the nodes log, as in RUST_LOG.
: "${LOG:=info}"

declare -A node_pid=() node_peer=()

# new_node NAME [ip=ADDRESS] [radio=ADAPTER,…]: makes its key and config. With an address it has one
# uplink on the loopback, QUIC and TCP on port 4001; without it no IP at all.
new_node() {
    local name=$1 word ip='' radio='' home=/run/nodes/$1
    shift
    for word in "$@"; do
        case $word in
            ip=*) ip=${word#ip=} ;;
            radio=*) radio=${word#radio=} ;;
            *) fail "new_node: what is $word?" ;;
        esac
    done
    # A scenario may make a node anew.
    rm -rf "$home"
    mkdir -p "$home"
    node_peer[$name]=$("$PRODUCT" identity new "$home/key" --json | jq -r .peer)
    [[ -n ${node_peer[$name]} ]] || fail "$PRODUCT makes no identity: is it a pointsman?"
    {
        printf '[network]\nname = "lab"\n[node]\nidentity = "key"\n[uplinks]\nothers = false\n'
        printf '[mdns]\nenabled = false\n[log]\nlevel = "%s"\n' "$LOG"
        if [[ -n $ip ]]; then
            printf '[listen]\nquic = 4001\ntcp = 4001\n'
            printf '[[uplink]]\nname = "ip"\ninterface = "lo"\naddress = "%s"\n' "$ip"
        else
            printf '[listen]\nquic = false\ntcp = false\n'
        fi
        if [[ -n $radio ]]; then
            printf '[bluetooth]\nadapters = ["%s"]\n' "${radio//,/\", \"}"
        else
            printf '[bluetooth]\nenabled = false\n'
        fi
    } >"$home/config.toml"
}

# Skips the scenario where this pointsman has no Bluetooth yet.
needs_bluetooth() {
    local home=/run/nodes/.probe
    mkdir -p "$home"
    printf '[node]\nidentity = "key"\n[bluetooth]\nadapters = ["hci0"]\n' >"$home/config.toml"
    "$PRODUCT" identity new "$home/key" >/dev/null
    "$PRODUCT" check --config "$home/config.toml" >"$home/said" 2>&1 ||
        skip "this pointsman takes no [bluetooth]: $(head -n 1 "$home/said")"
}

# configure NAME: adds the lines of standard input to its config.
configure() { cat >>"/run/nodes/$1/config.toml"; }

# introduce A B ADDRESS: A knows B and its IP address beforehand.
introduce() {
    printf '[[peer]]\nid = "%s"\naddresses = ["/ip4/%s/udp/4001/quic-v1"]\n' "${node_peer[$2]}" "$3" |
        configure "$1"
}

# start_node NAME: runs it until the scenario's end; its log is NAME.log.
start_node() {
    local home=/run/nodes/$1
    HOME=$home XDG_RUNTIME_DIR=$home "$PRODUCT" --socket "$home/socket" run \
        --config "$home/config.toml" >>"/host/$1.log" 2>&1 </dev/null &
    node_pid[$1]=$!
    wait_for 20 "answer of node $1" node "$1" status
    say "node $1 is up: ${node_peer[$1]}"
}

# stop_node NAME [SIGNAL]: ends it, and waits until it is gone.
stop_node() {
    kill "-${2:-TERM}" "${node_pid[$1]}"
    wait "${node_pid[$1]}" 2>/dev/null || true
}

# node NAME COMMAND…: a command of pointsman to that node.
node() {
    local socket=/run/nodes/$1/socket
    shift
    "$PRODUCT" --socket "$socket" "$@"
}

# expect NAME COMMAND FILTER [JQ-OPTIONS…]: whether what the node tells as JSON passes the jq filter.
expect() {
    local name=$1 command=$2 filter=$3
    shift 3
    node "$name" "$command" --json | jq -e "$@" "$filter" >/dev/null
}

# linked A B [TRANSPORT]: whether A has a link to B that carries traffic, over that transport.
linked() {
    # shellcheck disable=SC2016
    expect "$1" links 'any(.[]; .peer == $peer and .state == "up" and ($over == "" or .transport == $over))' \
        --arg peer "${node_peer[$2]}" --arg over "${3-}"
}

# carried A B TRANSPORT: bytes that A sent to B over links of that transport that are up.
carried() {
    # shellcheck disable=SC2016
    node "$1" links --json | jq --arg peer "${node_peer[$2]}" --arg over "$3" \
        '[.[] | select(.peer == $peer and .transport == $over) | .sent_bytes] | add // 0'
}

# link_kinds A B: what the links between them are, such as "bluetooth l2cap".
link_kinds() {
    # shellcheck disable=SC2016
    node "$1" links --json | jq -r --arg peer "${node_peer[$2]}" \
        '[.[] | select(.peer == $peer) | "\(.transport) \(.protocol) \(.remote)"] | join(", ")'
}

# metres A B: how far A takes B to be, or "null".
metres() {
    # shellcheck disable=SC2016
    node "$1" status --json | jq --arg peer "${node_peer[$2]}" \
        '[.neighbours[] | select(.peer == $peer) | .metres][0]'
}

# event_ms NAME KIND [NUMBER-OF-LINK]: when that happened last at the node, as Unix time in ms; 0: never.
event_ms() {
    # shellcheck disable=SC2016
    node "$1" events --json | jq -s --arg kind "$2" --arg link "${3-}" \
        '[.[] | select(.kind == $kind and ($link == "" or "\(.link)" == $link)) | .unix_ms] | last // 0'
}

# send A B TEXT: sends a message and waits until B's node has it.
send() {
    node "$1" send "${node_peer[$2]}" "$3" --wait delivered --json | jq -e '.fate == "delivered"' >/dev/null ||
        fail "a message from $1 to $2 was not delivered"
}

# stream A B COUNT RATE [BYTES]: so many messages a second from A to B, beside the scenario; how they
# fared is in stream-A-B.log. Its number is in $stream_pid.
stream() {
    background "stream-$1-$2" node "$1" send "${node_peer[$2]}" --class interactive --ttl 60s \
        --count "$3" --rate "$4" --size "${5:-100}" --json
    # shellcheck disable=SC2034
    stream_pid=$!
}

# record NAME: writes what arrives at the node from now on, with its time, to NAME.records.
record() {
    node "$1" listen --json 2>>"/host/$1.log" </dev/null |
        python3 -u /lab/guest/records.py stamp >"/host/$1.records" &
    # shellcheck disable=SC2016
    wait_for 10 "listener at $1" expect "$1" status '.mail.listeners > 0'
}

# listen NAME: takes what arrives at the node from now on, and keeps nothing of it.
listen() {
    node "$1" listen --json >/dev/null 2>>"/host/$1.log" </dev/null &
    # shellcheck disable=SC2016
    wait_for 10 "listener at $1" expect "$1" status '.mail.listeners > 0'
}

# arrived NAME COUNT: whether so many messages were recorded.
arrived() { (($(wc -l <"/host/$1.records") >= $2)); }

# records NAME QUESTION [FROM_MS [TO_MS]]: `count`, `gap` (longest time without one, ms), `lost` (numbers
# that are missing), `twice`, or `first` (ms) of what was recorded in that time.
records() {
    local name=$1
    shift
    python3 /lab/guest/records.py "$@" <"/host/$name.records"
}
