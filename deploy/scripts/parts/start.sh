#!/bin/bash
# A step of a start: that of the part of its name.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts || exit 69 # before any part has changed a thing
do_step start.sh 69
