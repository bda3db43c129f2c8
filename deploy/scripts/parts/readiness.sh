#!/bin/bash
# Exits 0 when every part could take over. Prints `position=`, those of the parts in their order, and `lag_seconds=`, the
# largest, where every part that has a position knows its lag: unknown is never zero.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts 1
pids=() answers=() positions=() lags='' unknown='' status=0
for number in "${!NAMES[@]}"; do
    exec {answer}< <(BREAKWATER_TARGET_POSITION=$(own_position "$number") exec "${SETS[number]}/readiness.sh")
    answers+=("$answer") pids+=($!)
done
for number in "${!NAMES[@]}"; do
    said=$(cat <&"${answers[number]}")
    wait "${pids[number]}" || { status=1 && say "${NAMES[number]}: could not take over"; }
    position=$(sed -n 's/^position=//p' <<<"$said")
    lag=$(sed -n 's/^lag_seconds=//p' <<<"$said")
    positions+=("$position")
    lags+=${lag:+$lag$'\n'}
    [ -z "$position" ] || [ -n "$lag" ] || unknown=yes
done
all=$(IFS=, && printf '%s' "${positions[*]}")
[ -z "${all//,/}" ] || echo "position=$all"
[ -z "$lags" ] || [ -n "$unknown" ] || echo "lag_seconds=$(sort -g <<<"$lags" | tail -n 1)"
exit $status
