#!/bin/bash
# Prints `position=` and, where it is known, `lag_seconds=`. Exits 0 when this database could take over.
. "${BASH_SOURCE[0]%/*}/setting.sh"

readiness_database
