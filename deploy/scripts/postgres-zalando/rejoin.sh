#!/bin/bash
# Waits until the old primary follows the new one. Destroys nothing by itself; see README.md.
. "${BASH_SOURCE[0]%/*}/setting.sh"

rejoin_database
