#!/bin/bash
# Exits 0 if the group's variables are as the scripts beside this one need them, else prints on stderr what is wrong. Changes
# nothing. `breakwater check` runs it, with the names of the group's scripts in this folder as arguments.
. "${BASH_SOURCE[0]%/*}/parts.sh" || exit 1

read_parts || exit 1
status=0
for number in "${!NAMES[@]}"; do
    [ ! -x "${SETS[number]}/settings.sh" ] || "${SETS[number]}/settings.sh" status.sh start.sh stop.sh || status=1
done
exit $status
