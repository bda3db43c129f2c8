#!/bin/bash
# Tells keepalived whether this host may carry the address that clients come to. keepalived decides nothing itself.
#
#   keepalived.sh               it may, and does: at the end of a start
#   keepalived.sh --withdraw    it may not, and does not: in a stop or a fence
#   keepalived.sh --check       changes nothing: whether it carries it, for a readiness script where the service serves
#   keepalived.sh --settings    changes nothing: whether the settings are right
#
# keepalived.conf beside it tracks TRAFFIC_FILE: only where that says 1 may the address be. Anything else in it, and no
# file, is a no. The file appears whole (a rename), so this may be killed at any point and run again. It ends well only
# once the address was seen here, or gone; a keepalived that is dead or frozen leaves the address where it is, and then
# it is taken off here. Settings and exit status: address.sh; and
#
#   TRAFFIC_FILE    default /run/breakwater-vip; of one group alone, which is noted in FILE.group with its address
. "${BASH_SOURCE[0]%/*}/address.sh" || exit 1

# keepalived takes this long to take an address off.
KEEPALIVED_S=3

# write_file FILE TEXT
write_file() {
    local new=$1.$$
    if printf '%s\n' "$2" >"$new" && mv -f "$new" "$1"; then return; fi
    rm -f "$new"
    return 1
}

# Prints the group for which the file says 1, where that is another one, whose address is another one and is on this host: then
# the file is not ours. What a person runs has no group. Where a group has got another name, or another address, the old one is
# not here any more, or the same.
other_owner() {
    local first='' group='' its_address=''
    [ -n "${BREAKWATER_GROUP:-}" ] || return 1
    { read -r first <"$file" && read -r group its_address <"$file.group"; } 2>/dev/null
    [[ $first == 1 && $group != "$BREAKWATER_GROUP" && $its_address =~ ^[0-9A-Fa-f:.]+$ && $its_address != "$address" ]] || return 1
    [ -n "$(ip -o addr show to "$its_address")" ] && echo "$group, with $its_address here"
}

publish() {
    local owner
    has_interface || wrong "there is no interface '$interface'"
    ! owner=$(other_owner) || wrong "TRAFFIC_FILE: $file is that of group $owner: each group has to have a file of its own"
    [ -z "${BREAKWATER_GROUP:-}" ] || write_file "$file.group" "$BREAKWATER_GROUP $address" || fail "$file.group cannot be written"
    write_file "$file" 1 || fail "$file cannot be written"
    until_seen has_address || fail "keepalived has not put $address on $interface within $TRAFFIC_TIMEOUT s:" \
        "does it run, does its configuration track $file, and does no other host hold it?"
}

withdraw() {
    local all=$deadline is_told=yes owner
    # No file is a no as well, and needs no room. Where it stays the address goes all the same.
    if owner=$(other_owner); then
        say "TRAFFIC_FILE: $file is that of group $owner, and is left alone: each group has to have a file of its own"
    else
        write_file "$file" 0 || rm -f "$file" || is_told=''
    fi
    deadline=$((SECONDS + KEEPALIVED_S))
    [ "$deadline" -le "$all" ] || deadline=$all
    if [ -n "$is_told" ]; then
        until_seen is_gone && exit 0
        say "keepalived leaves $address here: taking it off"
    fi
    deadline=$all
    remove_address
    until_seen is_gone || fail "$address is still here after $TRAFFIC_TIMEOUT s: $(ip -o addr show to "$address")"
    [ -n "$is_told" ] || fail "$address is taken off, and $file still says that it may be here: keepalived may put it back"
}

file=${TRAFFIC_FILE:-/run/breakwater-vip}
[[ $file == /* && -d ${file%/*} ]] || wrong "TRAFFIC_FILE: '$file' is not a path in a directory that is there"
case ${1-} in
'') read_settings awk && publish ;;
--withdraw) read_settings awk && withdraw ;;
--check) read_settings && check ;;
--settings) read_settings awk && { has_interface || wrong "there is no interface '$interface'"; } ;;
*) wrong "it takes --withdraw, --check, --settings or nothing; settings come from the environment: see address.sh" ;;
esac
