#!/bin/bash
# Gives Harbor its pods back, as many as it had, and waits until it is healthy and each component has
# them Ready. Exits 69 when it refuses before anything was changed.
# shellcheck disable=SC2119
. "${BASH_SOURCE[0]%/*}/harbor.sh"

HARBOR_START_TIMEOUT=${HARBOR_START_TIMEOUT:-300}
START_SECONDS=$HARBOR_START_TIMEOUT

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
        next_look_inside
    done
}

# True when each component has its pods Ready and Harbor says that it is healthy; else sets why.
is_serving() {
    local part ready said
    local pods
    pods=$(list_pods) || { why="its pods cannot be listed"; return 1; }
    for part in "${COMPONENTS[@]}"; do
        ready=$(awk -v part="$part" '$2 == part && $5 == "ready"' <<<"$pods" | wc -l)
        [ "$ready" -ge "${WANTED[$part]}" ] ||
            { why="$ready of ${WANTED[$part]} pods of $part are Ready"; return 1; }
    done
    said=$(health)
    [ "$said" = healthy ] || { why="$HARBOR_HEALTH_URL is $said"; return 1; }
}

problem=$(settings_problem HARBOR_START_TIMEOUT) || refuse "$problem"
deadline=$((SECONDS + HARBOR_START_TIMEOUT)) why=
begin_epoch
declare -A WANTED
for part in "${COMPONENTS[@]}"; do
    WANTED[$part]=$(wanted_count "$part")
done
claim_epoch
want_pods
until is_serving; do
    next_look_inside
done
end_start
