# shellcheck shell=bash disable=SC2034
# address.sh - what the scripts beside it know about one address that clients come to, on one interface. Sourced.
#
#   TRAFFIC_VIP          the address, with its prefix if it is not a host's own: 192.0.2.100/24
#   TRAFFIC_INTERFACE    the interface that carries it
#   TRAFFIC_TIMEOUT      seconds for all; default 20
#
# Exit status: 0 it was seen so; 1 it was not, in time; 2 the settings are wrong, and nothing was touched; 3 somebody
# else has the address.

set -u -o pipefail
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

wrong() {
    say "$*; nothing was touched"
    exit 2
}

is_ipv6() {
    [[ $address == *:* ]]
}

# Sets address, prefix, interface and deadline. "$@": programs that are needed as well.
read_settings() {
    local tool byte bits=32
    for tool in ip timeout "$@"; do
        command -v "$tool" >/dev/null || wrong "there is no '$tool' in $PATH"
    done
    [ -n "${TRAFFIC_VIP:-}" ] || wrong "TRAFFIC_VIP is not set"
    address=${TRAFFIC_VIP%/*}
    if is_ipv6; then
        [[ $address =~ ^[0-9A-Fa-f:.]+$ && $address != *:::* ]] || wrong "TRAFFIC_VIP: '$address' is no address"
        bits=128
    else
        [[ $address =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || wrong "TRAFFIC_VIP: '$address' is no address"
        for byte in ${address//./ }; do
            [ "$((10#$byte))" -le 255 ] || wrong "TRAFFIC_VIP: '$address' is no address"
        done
    fi
    prefix=$bits
    [[ $TRAFFIC_VIP != */* ]] || prefix=${TRAFFIC_VIP#*/}
    [[ $prefix =~ ^[1-9][0-9]{0,2}$ && $prefix -le $bits ]] || wrong "TRAFFIC_VIP: '$prefix' is no prefix"
    interface=${TRAFFIC_INTERFACE:-}
    [ -n "$interface" ] || wrong "TRAFFIC_INTERFACE is not set"
    [[ $interface =~ ^[A-Za-z0-9._@-]{1,15}$ ]] || wrong "TRAFFIC_INTERFACE: '$interface' is no interface"
    TRAFFIC_TIMEOUT=${TRAFFIC_TIMEOUT:-20}
    [[ $TRAFFIC_TIMEOUT =~ ^[1-9][0-9]{0,3}$ ]] || wrong "TRAFFIC_TIMEOUT: '$TRAFFIC_TIMEOUT' is no number of seconds"
    deadline=$((SECONDS + TRAFFIC_TIMEOUT))
}

has_interface() {
    ip link show dev "$interface" >/dev/null 2>&1
}

# The line of the address on that interface, empty without it. 1: nobody says.
line_of_address() {
    ip -o addr show dev "$interface" to "$address"
}

# It is there, and the kernel has not found it elsewhere.
has_address() {
    local line
    line=$(line_of_address) && [ -n "$line" ] && [[ $line != *tentative* && $line != *dadfailed* ]]
}

# It is on no interface of this host: seen, not guessed.
is_gone() {
    local lines
    lines=$(ip -o addr show to "$address") && [ -z "$lines" ]
}

# For a readiness script where the service serves: nobody else sees an address that goes (`ifdown`, `netplan apply`). It is not put
# back from here: a stop may have just taken it off.
check() {
    ! has_address || exit 0
    fail "$address is not on $interface: TRAFFIC_VIP=$TRAFFIC_VIP TRAFFIC_INTERFACE=$interface" \
        "${TRAFFIC_FILE:+TRAFFIC_FILE=$TRAFFIC_FILE }$(realpath "$0") puts it back"
}

# From every interface, with the prefix that the kernel has: both may have been another one's choice.
remove_address() {
    local link words
    ip -o addr show to "$address" | awk '$3 ~ /^inet6?$/ { print $2, $4 }' | while read -r link words; do
        ip addr del "$words" dev "$link" 2>/dev/null
    done
}

# until CONDITION: true once it is, false at the end of the time.
until_seen() {
    until "$@"; do
        [ $SECONDS -lt "$deadline" ] || return 1
        sleep 0.1
    done
}
