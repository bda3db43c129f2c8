#!/bin/bash
# Brings this zone back behind the new master: takes over the period of the others, and is read-only in it. Never makes
# it the master. What was written here alone stays, and the other zones get it; buckets and users that were made here
# alone and never reached them are LOST. Ends well once something that the master has written meanwhile has come.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

RGW_REJOIN_TIMEOUT=${RGW_REJOIN_TIMEOUT:-300}

problem='' credentials='' why='' first=''
! settings_problem RGW_REJOIN_TIMEOUT || fail "$problem"
deadline=$((SECONDS + RGW_REJOIN_TIMEOUT))
while [ $SECONDS -lt $deadline ]; do
    if ! look; then
        why="the toolbox does not say how zone $ZONE_NAME is"
    elif [ "$MASTER" = "$ZONE" ]; then
        why="this zone is still the master, and no other zone's period could be pulled"
        # shellcheck disable=SC2086
        toolbox "$((2 * RGW_CALL_TIMEOUT))" pull ${RGW_MASTER_ENDPOINTS:-$OTHERS} &&
            toolbox "$((3 * RGW_CALL_TIMEOUT))" make_read_only # by the master, which then tells our gateways
    elif [ "$READ_ONLY" != true ]; then
        why="the zone is not read-only in the master's period"
        toolbox "$((3 * RGW_CALL_TIMEOUT))" make_read_only
    elif all_refuse; then
        # What the master's own status script has written meanwhile has come by the way that all data comes.
        s3 GET "${RGW_ENDPOINTS%% *}" "/$RGW_BUCKET/$RGW_PREFIX/$MASTER_NAME"
        if [ "$code" = 200 ] && [ -n "$first" ] && [ "$said" != "$first" ]; then
            exit 0
        elif [ "$code" = 404 ] || [ "$code" = 200 ]; then
            first=${first:-${said:-none}}
        fi
        why="nothing that the master writes comes here"
    fi
    sleep 1
done
fail "not within $RGW_REJOIN_TIMEOUT s: ${why:-no answer}"
