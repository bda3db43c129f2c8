#!/bin/bash
# Exits 0 when every part could take over. Prints `position=`, those of the parts in their order, and `lag_seconds=`, the
# largest, where every part that has data knows its lag: unknown is never zero. One that has none prints no position, and its
# set has no rejoin.sh: what fails before it has said a word may have data all the same. Where one that has data does not say
# its position none is printed: a planned move would not wait for its data. The last line says which part could
# not, and why, in that part's own last words.
. "${BASH_SOURCE[0]%/*}/parts.sh"

# What part number $1 answers, `why=`, the last that it says, and `ended=well` where it has: before 5.1 bash knows that of the
# last part alone. What it says goes to stderr at once, with its name. Nobody waits for what it has left behind: that says on
# to stderr.
ask_part() {
    local ended=".ended $RANDOM$RANDOM" line last=''
    {
        {
            BREAKWATER_TARGET_POSITION=$(own_position "$1") "${SETS[$1]}/readiness.sh" 2>&1 >&3 3>&-
            printf '\n%s %s\n' "$ended" $?
        } | {
            while IFS= read -r line && [[ $line != "$ended "* ]]; do
                [ -z "$line" ] || { last=${line#readiness.sh: } && say "${NAMES[$1]}: $last"; }
            done
            printf '\nwhy=%s\nended=%s\n' "$last" "$([ "$line" != "$ended 0" ] || echo well)" >&3
            cat <&0 >&2 3>&- &
        }
    } 3>&1
}

read_parts || exit 1
answers=() positions=() lags='' unknown='' partial='' problems=''
for number in "${!NAMES[@]}"; do
    exec {answer}< <(ask_part "$number")
    answers+=("$answer")
done
for number in "${!NAMES[@]}"; do
    said=$(cat <&"${answers[number]}")
    why=$(sed -n 's/^why=//p' <<<"$said" | tail -n 1)
    ended=$(sed -n 's/^ended=//p' <<<"$said" | tail -n 1)
    [ "$ended" = well ] || problems+="${problems:+; }${NAMES[number]}: ${why:-could not take over}"
    position=$(sed -n 's/^position=//p' <<<"$said")
    lag=$(sed -n 's/^lag_seconds=//p' <<<"$said")
    positions+=("$position")
    lags+=${lag:+$lag$'\n'}
    [ -n "$position" ] || [ ! -e "${SETS[number]}/rejoin.sh" ] || partial=yes
    [ -n "$lag" ] || { [ -z "$position" ] && [ ! -e "${SETS[number]}/rejoin.sh" ]; } || unknown=yes
done
all=$(IFS=, && printf '%s' "${positions[*]}")
[ -z "${all//,/}" ] || [ -n "$partial" ] || echo "position=$all"
[ -z "$lags" ] || [ -n "$unknown" ] || echo "lag_seconds=$(sort -g <<<"$lags" | tail -n 1)"
[ -z "$problems" ] || { say "$problems" && exit 1; }
