#!/bin/bash
# Brings the data of every part that has any back behind the primary's, all at once: DESTROYS what theirs do.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts || exit 1
all_do rejoin.sh if-any
