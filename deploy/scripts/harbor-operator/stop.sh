#!/bin/bash
# Takes Harbor to 0 pods by its operator, with the grace that the pods have, and keeps the counts.
# Exits 0 only when none is left, see ../kubernetes/object.sh.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

HARBOR_STOP_TIMEOUT=${HARBOR_STOP_TIMEOUT:-180}

problem=$(settings_problem HARBOR_STOP_TIMEOUT) || fail "$problem"
end_pods "$HARBOR_STOP_TIMEOUT"
