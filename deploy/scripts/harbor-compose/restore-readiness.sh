#!/bin/bash
# The readiness of a site of restore.sh: prints `lag_seconds=`, the age of the newest dump, and exits 0 when Harbor could
# be started here once that is restored.
. "${BASH_SOURCE[0]%/*}/dumps.sh"

# shellcheck disable=SC2119
problem=$(dumps_problem) || fail "$problem"
find_dump || fail "nothing can be restored"
echo "lag_seconds=$AGE"
exec "${BASH_SOURCE[0]%/*}/readiness.sh"
