#!/bin/bash
# A step of a start: that of the part of its name.
. "${BASH_SOURCE[0]%/*}/parts.sh"

do_step start.sh 69
