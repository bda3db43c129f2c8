#!/bin/bash
# Prints `started` when the database can be written to, `stopped` when it surely cannot and nothing seen under way
# can change that, `unknown` in every other case; why, on stderr. Changes nothing.
. "${BASH_SOURCE[0]%/*}/setting.sh"

status_database
