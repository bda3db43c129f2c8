#!/bin/bash
# DESTROYS the volumes of the cluster, so that the next start restores the newest backup and not what was left from
# the last time, and has Patroni forget the cluster, which would restore nothing else. Only of what is down: refuses while
# an instance is wanted or a pod is left.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(settings_problem POSTGRES_REJOIN_TIMEOUT) || fail "$problem"
deadline=$((SECONDS + POSTGRES_REJOIN_TIMEOUT)) why=''
while [ $SECONDS -lt $deadline ]; do
    sleep 0.1
    # Read before all else is looked at: what Patroni writes after that keeps it from being replaced.
    settings=$(ask get "$POSTGRES_PATRONI_OBJECT" "$OBJECT-config" --ignore-not-found -o json) || continue
    if ! read_object || ! pods=$(list_pods) || ! read_volumes; then continue; fi
    { is_dormant && [ -z "$pods" ] && [[ $MARK != *-starting && $MARK != *-ending ]]; } ||
        fail "it is not down, or not seen to be: a stop or a fence comes first; nothing more is destroyed"
    if [ -z "$VOLUMES" ]; then
        [[ $settings == *'"initialize": '* || $settings == *'"history": '* ]] || exit 0
        why="Patroni's settings cannot be changed"
        ask annotate --local -f - initialize- history- -o json <<<"$settings" | ask replace -f - >/dev/null
        continue
    fi
    why="the volumes are not gone"
    volumes=$(cut -d ' ' -f 1 <<<"$VOLUMES" | paste -sd ' ')
    say "destroying what is left from the last time: $volumes"
    # shellcheck disable=SC2086
    ask delete persistentvolumeclaims $volumes --wait=false >/dev/null
done
fail "not within $POSTGRES_REJOIN_TIMEOUT s: ${why:-the API server does not say}"
