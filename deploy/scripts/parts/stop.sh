#!/bin/bash
# A step of a stop: that of the part of its name.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts # whatever is wrong with another part
do_step stop.sh 1
