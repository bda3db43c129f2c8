#!/bin/bash
# Makes this zone the master of its realm, the only one that takes users' writes, and waits until that is so: its period
# says it, and an object that was written through this site's own gateways came back. Exits 69 when it refuses before
# anything was changed.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

RGW_START_TIMEOUT=${RGW_START_TIMEOUT:-120}
RGW_PULL_TIMEOUT=${RGW_PULL_TIMEOUT:-5}

# True when a gateway answers at each address.
all_answer() {
    local endpoint
    for endpoint in $RGW_ENDPOINTS; do
        s3 HEAD "$endpoint" "/$RGW_BUCKET"
        [[ $code == [1-9]* ]] || { why="no gateway answers at $endpoint" && return 1; }
    done
}

is_serving() {
    [ "$MASTER" = "$ZONE" ] || { why="the master is another zone" && return 1; }
    [ "$READ_ONLY" = false ] || { why="the zone is read-only" && return 1; }
    takes_writes
}

problem='' credentials='' why=''
! settings_problem RGW_START_TIMEOUT RGW_PULL_TIMEOUT || refuse "$problem"
epoch=${BREAKWATER_EPOCH:-0} again=no
# A person's override serves again in an epoch that is over. At a site that never held one it comes as 0, and goes on in
# the newest that the zone has.
[ "${BREAKWATER_REASON:-}" != none ] || again=yes
[ "$epoch" != 0 ] || [ "${BREAKWATER_EPOCH:-}/$again" = 0/yes ] ||
    refuse "BREAKWATER_EPOCH is not set: breakwater's guard runs this script"
deadline=$((SECONDS + RGW_START_TIMEOUT))
look || refuse "the toolbox does not say how zone $ZONE_NAME is"
[ "$epoch" != 0 ] || [ -z "$MARK" ] || epoch=${MARK%-*}
# What is promoted needs each gateway, and no silent one is excused from then on: where RADOS refuses one that is frozen still,
# the fence of this epoch would fail as well.
until [ "$BARRED" = 0 ] || [[ $MARK == "$epoch-start"* ]] || all_answer; do
    [ $SECONDS -lt $deadline ] || refuse "$why, where one may be that RADOS refuses: it has to be started anew"
    sleep 1
done
if [ "$MASTER" != "$ZONE" ]; then
    # What the master has changed last; where it is lost, this goes on with what is here.
    # shellcheck disable=SC2086
    RGW_CALL_TIMEOUT=$RGW_PULL_TIMEOUT toolbox "$((RGW_PULL_TIMEOUT + 1))" pull $OTHERS ||
        say "the realm could not be pulled from ${OTHERS:-nowhere}; going on"
fi
acted=-20 tell=no
until [[ $MARK == "$epoch-start"* ]] && is_serving; do
    [ $SECONDS -lt $deadline ] || fail "not within $RGW_START_TIMEOUT s: ${why:-no answer}"
    # The second time also when the period is as wanted: who was ended in the middle may have told no gateway.
    if [ $((SECONDS - acted)) -ge 10 ]; then
        acted=$SECONDS
        toolbox "$((4 * RGW_CALL_TIMEOUT))" promote "$epoch" "$again" "${RGW_PROMOTE_STALE:-no}" $tell
        status=$?
        case $status in
        "$NOTHING_CHANGED")
            # An earlier call may have committed the period, whatever it ended with.
            [ $tell = no ] || fail "epoch $epoch was ended meanwhile"
            refuse "epoch $epoch is over here: the zone has ${MARK/-/, }"
            ;;
        0) again=no ;;
        *) why="the period could not be committed" ;;
        esac
        tell=yes
    fi
    sleep 0.2
    until look; do
        [ $SECONDS -lt $deadline ] || fail "not within $RGW_START_TIMEOUT s: the toolbox does not answer"
        sleep 0.2
    done
    [[ $MARK != *-end* || ${MARK%-*} -lt $epoch ]] || fail "epoch $epoch was ended meanwhile: the zone has $MARK"
done
toolbox "$((RGW_CALL_TIMEOUT + 3))" started "$epoch" ||
    fail "epoch $epoch was ended meanwhile, or its marks cannot be written"
