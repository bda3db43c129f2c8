#!/bin/bash
# DESTROYS the volumes of the cluster, so that the next start restores the newest backup and not what was left from
# the last time, and has Patroni forget the cluster, which would restore nothing else. Only of what is down: refuses while
# an instance is wanted or a pod is left; and only where a backup has ended since the volumes were served last: until then
# they may be the best copy that there is.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(walg_problem POSTGRES_REJOIN_TIMEOUT) || fail "$problem"
deadline=$((SECONDS + POSTGRES_REJOIN_TIMEOUT)) allowed='' why=''
while [ $SECONDS -lt $deadline ]; do
    sleep 0.1
    # Read before all else is looked at: what Patroni writes after that keeps it from being replaced.
    settings=$(ask get "$POSTGRES_PATRONI_OBJECT" "$OBJECT-config" --ignore-not-found -o json) || continue
    if ! read_object || ! pods=$(list_pods) || ! read_volumes; then continue; fi
    { is_dormant && [ -z "$pods" ] && [[ $MARK != *-start* && $MARK != *-ending ]]; } ||
        fail "it is not down, or not seen to be: a stop or a fence comes first; nothing more is destroyed"
    if [ -z "$VOLUMES" ]; then
        [[ $settings == *'"initialize": '* || $settings == *'"history": '* ]] || exit 0
        why="Patroni's settings cannot be changed"
        ask annotate --local -f - initialize- history- -o json <<<"$settings" | ask replace -f - >/dev/null
        continue
    fi
    if [ -z "$allowed" ]; then
        find_backups || fail "nothing could be restored in their place; nothing was destroyed"
        [ "$WALG_AGE_MAX" = 0 ] || [ "$age" -le "$WALG_AGE_MAX" ] ||
            fail "the newest backup is $age s old, WALG_AGE_MAX is $WALG_AGE_MAX; nothing was destroyed"
        # What a restore has left that was broken off is no copy.
        [ "$INITIALIZE" = begun ] || has_newer_backup ||
            fail "no backup has ended since its volumes were served last: they may have more; nothing was destroyed"
        allowed=yes
    fi
    why="the volumes are not gone"
    say "destroying what is left from the last time: $(cut -d ' ' -f 1 <<<"$VOLUMES" | paste -sd ' ')"
    # Each by its uid: a request that comes late ends no volume of a later restore.
    while read -r name uid _; do
        ask delete --raw "/api/v1/namespaces/$NAMESPACE/persistentvolumeclaims/$name" -f - >/dev/null <<JSON
{"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "$uid"}}
JSON
    done <<<"$VOLUMES"
done
fail "not within $POSTGRES_REJOIN_TIMEOUT s: ${why:-the API server does not say}"
