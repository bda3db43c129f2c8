#!/bin/bash
# Prints `started` when every part is, `stopped` when every part is, else `unknown`, as where one has failed. Changes nothing.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts || exit 1
pids=() answers=() words=() all=
for number in "${!NAMES[@]}"; do
    exec {answer}< <(exec "${SETS[number]}/status.sh")
    answers+=("$answer") pids+=($!)
done
for number in "${!NAMES[@]}"; do
    word=$(cat <&"${answers[number]}")
    wait "${pids[number]}" || word="unknown (ended with $?)" # whatever it had printed
    words+=("${NAMES[number]} ${word:=unknown}")
    [ "${all:=$word}" = "$word" ] || all=unknown
done
case $all in
started | stopped) echo "$all" ;;
*) echo unknown ;;
esac
say "$(printf '%s, ' "${words[@]}")"
