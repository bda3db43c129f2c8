#!/bin/bash
# Demotes: tells the operator, and ends well only when every member was seen to be a standby, or gone.
. "${BASH_SOURCE[0]%/*}/setting.sh"

stop_database
