#!/bin/bash
# Fences every part, all at once. Exits 0 only when each fence has seen its end.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts
whole=$? # whatever is wrong with one part, the others are fenced
all_do fence.sh && exit $whole
