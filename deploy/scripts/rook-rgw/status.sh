#!/bin/bash
# Prints `started` when this zone is the master and takes a user's write, `stopped` when it is read-only, every gateway
# that lives was seen to refuse one, and no start can be under way; `unknown` in every other case; why, on stderr.
# Changes nothing but one small object.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

answer() {
    say "$2"
    echo "$1"
    exit 0
}

problem='' credentials='' why=''
# shellcheck disable=SC2119
! settings_problem || answer unknown "$problem"
look || answer unknown "the toolbox does not say how zone $ZONE_NAME is"
if [ "$READ_ONLY" = false ]; then
    [ "$MASTER" = "$ZONE" ] || answer unknown "the master is another zone, and this one is not read-only"
    takes_writes || answer unknown "the zone is the master, and $why"
    answer started "the zone is the master, and takes writes"
fi
case $MARK in
*-starting) answer unknown "a start of epoch ${MARK%-*} was begun, and nobody has seen its end" ;;
*-ending) answer unknown "a stop of epoch ${MARK%-*} was begun, and has not seen its end" ;;
esac
all_refuse || answer unknown "the zone is read-only, and $why"
answer stopped "the zone is read-only; ${refused:-no} gateways refuse writes"
