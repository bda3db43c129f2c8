#!/bin/bash
# Promotes: tells the operator, and ends well only after a transaction was written. Exits 69 when it refuses
# before anything was changed.
. "${BASH_SOURCE[0]%/*}/setting.sh"

start_database
