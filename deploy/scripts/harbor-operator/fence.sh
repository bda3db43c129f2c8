#!/bin/bash
# The fast cut: as stop.sh, but with a grace of one second, and without waiting for the operator to take
# the pods away. Exits 0 only when no pod is left and none is to come, see ../kubernetes/object.sh.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

HARBOR_FENCE_TIMEOUT=${HARBOR_FENCE_TIMEOUT:-50}

problem=$(settings_problem HARBOR_FENCE_TIMEOUT) || fail "$problem"
end_pods "$HARBOR_FENCE_TIMEOUT" push
