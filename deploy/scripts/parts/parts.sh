# shellcheck shell=bash
# parts.sh - what the scripts beside it know about a group whose service has parts, each with a set of scripts of its own.
# Sourced.
#
#   PARTS   `NAME=SET ...`: the name of a part's steps, and its set's folder: beside this one, or an absolute path
#
# What is asked of all parts is asked of all at once: they wait, each for something else.

set -u -o pipefail
export LC_ALL=C

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Sets NAMES and SETS, each part at its place in PARTS. Fails where a word makes no sense, or its set has no status; what
# can be told of the parts is set all the same: what ends them does its work on the others.
read_parts() {
    local word folder number=-1 status=0
    NAMES=() SETS=()
    for word in ${PARTS:-}; do
        number=$((number + 1))
        folder=${word#*=}
        [[ $folder == /* ]] || folder=${BASH_SOURCE[0]%/*}/../$folder
        if [[ $word == ?*=?* ]]; then
            NAMES[number]=${word%%=*} SETS[number]=$folder
            [ -x "$folder/status.sh" ] && continue
        fi
        say "PARTS: '$word' is not NAME=SET, or there is no $folder/status.sh"
        status=1
    done
    [ "$number" -ge 0 ] || { say "PARTS is not set" && status=1; }
    return $status
}

# Of the position of all parts, that of number $1.
own_position() {
    local positions
    IFS=, read -ra positions <<<"${BREAKWATER_TARGET_POSITION:-}"
    printf '%s' "${positions[$1]:-}"
}

# Runs script $1 of each part, all at once; 0 when each has ended well. Where $2 is `if-any` a part may be without
# it. What they print goes to stderr.
all_do() {
    local number pids=() status=0
    for number in "${!NAMES[@]}"; do
        if [ -x "${SETS[number]}/$1" ]; then
            "${SETS[number]}/$1" >&2 &
            pids+=($!)
        elif [ "${2:-}" != if-any ] || [ -e "${SETS[number]}/$1" ]; then
            say "${NAMES[number]}: there is no ${SETS[number]}/$1 that may be run"
            status=1
        fi
    done
    for number in "${pids[@]}"; do
        wait "$number" || status=1
    done
    return $status
}

# Script $1 of the part that has the name of the step that this runs as; ends with $2 where there is none.
do_step() {
    local number
    for number in "${!NAMES[@]}"; do
        if [ "${NAMES[number]}" = "${BREAKWATER_STEP:-}" ]; then
            BREAKWATER_TARGET_POSITION=$(own_position "$number") exec "${SETS[number]}/$1"
        fi
    done
    say "no part of PARTS has the name of the step, '${BREAKWATER_STEP:-}'"
    exit "$2"
}
