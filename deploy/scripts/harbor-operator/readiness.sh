#!/bin/bash
# Exits 0 when this Harbor could be started here: its object can be read and changed, a node is Ready,
# and it is either serving or cold, with no pod left. How far its data is behind is not for this script
# to know: it prints no lag.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

# shellcheck disable=SC2119
problem=$(settings_problem) || fail "$problem"
read_object || fail "the object $HARBOR_NAMESPACE/$HARBOR_NAME cannot be read"
[ "$(ask auth can-i patch "$KIND")" = yes ] || fail "no right to patch $KIND in $HARBOR_NAMESPACE"
nodes=$(list_nodes) || fail "the nodes cannot be listed"
grep -q ' True ' <<<"$nodes" || fail "no node is Ready"
if ! is_dormant; then
    [ "$("${BASH_SOURCE[0]%/*}/status.sh")" = started ] ||
        fail "its counts are not 0, and it does not serve: whoever set them, stop.sh or fence.sh ends it"
    exit 0
fi
pods=$(list_pods) || fail "its pods cannot be listed"
[ -z "$pods" ] || fail "no pod is wanted, these are left: $(cut -d ' ' -f 1 <<<"$pods" | paste -sd ,)"
