#!/bin/bash
# Prints `started` when every part is, `stopped` when every part is, `unhealthy` when each is started or unhealthy, else
# `unknown`, as where one has failed. Changes nothing.
. "${BASH_SOURCE[0]%/*}/parts.sh"

read_parts || exit 1
answers=() words=() all=
for number in "${!NAMES[@]}"; do
    # How it ended is in what it says: before 5.1 bash knows that of the last one alone.
    exec {answer}< <(word=$("${SETS[number]}/status.sh") || word="unknown (ended with $?)"; echo "$word")
    answers+=("$answer")
done
for number in "${!NAMES[@]}"; do
    word=$(cat <&"${answers[number]}")
    words+=("${NAMES[number]} ${word:=unknown}")
    case ${all:=$word}$word in
    "$word$word") ;;
    startedunhealthy | unhealthystarted) all=unhealthy ;; # each of them runs
    *) all=unknown ;;
    esac
done
case $all in
started | stopped | unhealthy) echo "$all" ;;
*) echo unknown ;;
esac
say "$(printf '%s, ' "${words[@]}")"
