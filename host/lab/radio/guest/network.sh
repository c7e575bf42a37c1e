# Sourced in the guest: what may happen to IP between the nodes.
# shellcheck shell=bash

# Drops every packet between the nodes, without a word to either: a network that has gone away.
blackhole() {
    nft -f - <<'RULES'
table inet lab {
    chain input {
        type filter hook input priority 0;
        udp dport 4001 drop
        udp sport 4001 drop
        tcp dport 4001 drop
        tcp sport 4001 drop
    }
}
RULES
    say "IP is a black hole"
}

# Lets packets pass again.
heal() {
    nft delete table inet lab
    say "IP is back"
}
