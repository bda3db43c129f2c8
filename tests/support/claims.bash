# shellcheck shell=bash disable=SC2034,SC2154
# What tests of scripts share: claims with the time that each took, and what was expected of them. For
# sourcing; `work` is a folder whose scripts.log has the last words of what was run. Waits and the verdict are in
# patience.sh.
. "${BASH_SOURCE[0]%/*}/patience.sh"
failures=0
claimed=

ms() {
    date +%s%3N
}

claim() {
    local now
    now=$(ms)
    [ -z "$claimed" ] || printf '%6d ms  %s\n' $((now - claimed_ms)) "$claimed"
    claimed=${1:-} claimed_ms=$now
    echo "---- $claimed" >>"$work/scripts.log"
}

# expect WANTED GOT WHAT
expect() {
    [ "$1" = "$2" ] && return 0
    failures=$((failures + 1))
    echo "FAILED  $claimed: $3: expected '$1', got '$2'; the scripts' last words:"
    tail -n 6 "$work/scripts.log"
    return 1
}

on_late() {
    echo "the scripts' last words:"
    tail -n 6 "$work/scripts.log"
}
