#!/bin/bash
# A step of a stop: that of the part of its name.
. "${BASH_SOURCE[0]%/*}/parts.sh"

do_step stop.sh 1
