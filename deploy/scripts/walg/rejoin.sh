#!/bin/bash
# DESTROYS the volumes of the cluster, so that the next start restores the newest backup and not what was left from
# the last time. Only of what is down: refuses while an instance is wanted or a pod is left.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(settings_problem POSTGRES_REJOIN_TIMEOUT) || fail "$problem"
deadline=$((SECONDS + POSTGRES_REJOIN_TIMEOUT))
while [ $SECONDS -lt $deadline ]; do
    sleep 0.1
    read_object || continue
    pods=$(list_pods) || continue
    { is_dormant && [ -z "$pods" ] && [[ $MARK != *-starting && $MARK != *-ending ]]; } ||
        fail "it is not down, or not seen to be: a stop or a fence comes first; nothing was destroyed"
    volumes=$(ask get persistentvolumeclaims -l "$PODS_WANTED" -o name) || continue
    [ -n "$volumes" ] || exit 0
    say "destroying what is left from the last time: $(paste -sd ' ' <<<"$volumes")"
    # shellcheck disable=SC2086
    ask delete $volumes --wait=false >/dev/null
done
fail "not within $POSTGRES_REJOIN_TIMEOUT s: the volumes are not gone"
