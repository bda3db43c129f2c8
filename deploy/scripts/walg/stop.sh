#!/bin/bash
# Takes the restored database to no instance by its operator. Ends well only when no pod is left. Its volumes
# stay: see rejoin.sh.
. "${BASH_SOURCE[0]%/*}/walg.sh"

problem=$(settings_problem POSTGRES_STOP_TIMEOUT WALG_OPERATOR_LAG) || fail "$problem"
end_pods "$POSTGRES_STOP_TIMEOUT"
