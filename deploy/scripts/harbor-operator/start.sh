#!/bin/bash
# Gives Harbor its pods back, as many as it had, and waits until it is healthy and each component has
# them Ready. Exits 69 when it refuses before anything was changed.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

HARBOR_START_TIMEOUT=${HARBOR_START_TIMEOUT:-300}

# A person's override serves again in an epoch that is over: it comes without a reason of a grant's.
may_start() {
    local number
    number=$(mark_epoch)
    [ "$number" -lt "$EPOCH" ] && return 0
    [ "$number" -eq "$EPOCH" ] && case $MARK in
    *-ended) [ "${BREAKWATER_REASON:-}" = none ] ;;
    *-ending) false ;;
    esac
}

# From here on the end of what was written is not known, until N-started or N-ended says so.
claim_epoch() {
    while [ "$MARK" != "$EPOCH-starting" ]; do
        may_start || fail "epoch $EPOCH is over here: the object has $MARK"
        patch "$(annotation epoch "$EPOCH-starting")"
        next_look
    done
}

# The object as it is; ends the script when it is too late.
next_look() {
    until sleep 0.1 && read_harbor; do
        [ $SECONDS -lt $deadline ] || fail "not within $HARBOR_START_TIMEOUT s: the API server does not answer"
    done
    [ $SECONDS -lt $deadline ] || fail "not within $HARBOR_START_TIMEOUT s: ${why:-the object is not as it is to be}"
}

is_wanted_as_it_is() {
    local part
    for part in "${COMPONENTS[@]}"; do
        [ "${COUNT[$part]}" = "${WANTED[$part]}" ] || return 1
    done
}

want_pods() {
    local part operations
    while ! is_wanted_as_it_is; do
        operations=()
        for part in "${COMPONENTS[@]}"; do
            operations+=("$(count_of "$part" "${WANTED[$part]}")")
        done
        patch "${operations[@]}"
        next_look
        [ "$MARK" = "$EPOCH-starting" ] || fail "epoch $EPOCH was ended meanwhile: the object has $MARK"
    done
}

# True when each component has its pods Ready and Harbor says that it is healthy; else sets why.
is_serving() {
    local part ready said
    local pods
    pods=$(list_pods) || { why="its pods cannot be listed"; return 1; }
    for part in "${COMPONENTS[@]}"; do
        ready=$(awk -v part="$part" '$2 == part && $4 == "ready"' <<<"$pods" | wc -l)
        [ "$ready" -ge "${WANTED[$part]}" ] ||
            { why="$ready of ${WANTED[$part]} pods of $part are Ready"; return 1; }
    done
    said=$(health)
    [ "$said" = healthy ] || { why="$HARBOR_HEALTH_URL is $said"; return 1; }
}

problem=$(settings_problem HARBOR_START_TIMEOUT) || refuse "$problem"
EPOCH=${BREAKWATER_EPOCH:-0}
[ "$EPOCH" != 0 ] || refuse "BREAKWATER_EPOCH is not set: breakwater's guard runs this script"
deadline=$((SECONDS + HARBOR_START_TIMEOUT)) why=
read_harbor || refuse "the object $HARBOR_NAMESPACE/$HARBOR_NAME cannot be read"
may_start ||
    refuse "epoch $EPOCH is over here: the object has $MARK (of another cluster of breakwater's? Then
kubectl -n $HARBOR_NAMESPACE annotate $KIND $HARBOR_NAME breakwater/epoch-)"
declare -A WANTED
for part in "${COMPONENTS[@]}"; do
    WANTED[$part]=$(wanted_count "$part")
done
claim_epoch
want_pods
until is_serving; do
    next_look
    [ "$MARK" = "$EPOCH-starting" ] || fail "epoch $EPOCH was ended meanwhile: the object has $MARK"
done
# It has been seen that nothing of it is under way any more.
while [ "$MARK" != "$EPOCH-started" ]; do
    [ "$MARK" = "$EPOCH-starting" ] || fail "epoch $EPOCH was ended meanwhile: the object has $MARK"
    patch "$(annotation epoch "$EPOCH-started")"
    next_look
done
