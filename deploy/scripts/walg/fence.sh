#!/bin/bash
# The fast cut: as stop.sh, but with a grace of one second, and without waiting for the operator to take the pods
# away.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(settings_problem POSTGRES_FENCE_TIMEOUT WALG_OPERATOR_LAG) || fail "$problem"
end_pods "$POSTGRES_FENCE_TIMEOUT" push
