#!/bin/bash
# Gives this host the address that clients come to, where no keepalived does.
#
#   vip.sh               asks whether anybody has the address, adds it, and tells the neighbours: at the end of a start
#   vip.sh --withdraw    takes it off, whatever interface has it, and sees it gone: in a stop or a fence
#   vip.sh --check       changes nothing: whether it is here, for a readiness script where the service serves
#   vip.sh --settings    changes nothing: whether the settings are right
#
# An address has no memory of epochs: who has it is asked of the network alone (ARP; of an IPv6 address the kernel asks).
# What does not answer, a host that is frozen or cut off, is not seen, so this is no fence. It may be killed at any
# point and run again. Settings and exit status: address.sh.
. "${BASH_SOURCE[0]%/*}/address.sh" || exit 1

NOBODY_S=2

somebody_has_it() {
    say "$address is already in use at ${1:-another host}: nothing was changed"
    exit 3
}

# Another one, of Debian's package `arping`, takes the very words that are used here, and ends well where somebody answers.
need_iputils() {
    [[ $(arping -V 2>&1) == *iputils* ]] || wrong "the arping here is not that of iputils (Debian: iputils-arping)"
}

# Nobody answers for it within NOBODY_S, by arping's own words: its exit status alone another one has for the reverse.
ask_for_ipv4() {
    local said
    said=$(timeout -k 1 $((NOBODY_S + 2)) arping -D -I "$interface" -c "$NOBODY_S" -w "$NOBODY_S" "$address" 2>&1) &&
        [[ $said == *"Received 0 response"* ]] && return
    [[ $said == *"reply from"* ]] || fail "it cannot be asked who has $address: ${said##*$'\n'}"
    said=${said#*reply from }
    said=${said#*[}
    somebody_has_it "${said%%]*}"
}

tell_neighbours() {
    local kind
    for kind in -U -A; do
        timeout -k 1 3 arping "$kind" -q -I "$interface" -c 1 -w 1 "$address" >/dev/null 2>&1
    done
    return 0 # nobody answers these
}

# The kernel asks by itself, and after that tells the neighbours.
add_ipv6() {
    local line
    echo 1 2>/dev/null >"/proc/sys/net/ipv6/conf/$interface/ndisc_notify" ||
        say "the neighbours are not told: /proc/sys/net/ipv6/conf/$interface/ndisc_notify cannot be written"
    ip -6 addr add "$address/$prefix" dev "$interface" || fail "$address cannot be added to $interface"
    while line=$(line_of_address) && [[ $line == *tentative* && $line != *dadfailed* ]]; do
        [ $SECONDS -lt "$deadline" ] || break
        sleep 0.1
    done
    if [[ $line == *dadfailed* ]]; then
        remove_address
        somebody_has_it
    fi
}

publish() {
    has_interface || wrong "there is no interface '$interface'"
    is_ipv6 || need_iputils
    [[ $(ip -o link show dev "$interface") =~ [\<,]UP[,\>] ]] || fail "the interface '$interface' is down"
    if ! has_address; then
        remove_address # one that was found elsewhere before, or is on another interface
        if is_ipv6; then
            add_ipv6
        else
            ask_for_ipv4
            ip addr add "$address/$prefix" dev "$interface" || fail "$address cannot be added to $interface"
        fi
    fi
    until_seen has_address || fail "$address is not seen on $interface within $TRAFFIC_TIMEOUT s"
    is_ipv6 || tell_neighbours
}

withdraw() {
    is_gone && exit 0
    remove_address
    until_seen is_gone || fail "$address is still here after $TRAFFIC_TIMEOUT s: $(ip -o addr show to "$address")"
}

case ${1-} in
'') read_settings arping awk && publish ;;
--withdraw) read_settings awk && withdraw ;;
--check) read_settings && check ;;
--settings) read_settings arping awk && { has_interface || wrong "there is no interface '$interface'"; } ;;
*) wrong "it takes --withdraw, --check, --settings or nothing; settings come from the environment: see address.sh" ;;
esac
