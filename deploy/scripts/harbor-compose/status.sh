#!/bin/bash
# Prints `started` when processes of the project run and Harbor says that it and each of its components is healthy,
# `unhealthy` when it says otherwise, `stopped` when none runs and none can come by itself, else `unknown`; why, on
# stderr. Asks dockerd nothing.
. "${BASH_SOURCE[0]%/*}/compose.sh"

# shellcheck disable=SC2119
if ! problem=$(settings_problem); then
    say "$problem"
    echo unknown
    exit 0
fi
look_at_harbor
say "$WHY"
echo "$HARBOR"
