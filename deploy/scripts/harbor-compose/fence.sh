#!/bin/bash
# The fast cut, without dockerd: nothing of an older order can start any more, then every process in the cgroups of the
# project's containers gets KILL. Exits 0 only when none was seen twice, none can come by itself, and no Harbor answers.
#
# What is wrong with a setting or the disk is told at the end: what can be found is killed first.
. "${BASH_SOURCE[0]%/*}/compose.sh"

ROUNDS_MAX=400
HEALTH_SECONDS=1

unnoted=
end_epoch || unnoted="what is ended cannot be noted in $HARBOR_STATE_DIR"
# What a start has noted needs no disk, which may hang: nothing looks at one before.
mapfile -t IDS < <(grep -xE '[0-9a-f]{64}' "$HARBOR_STATE_DIR/ids" 2>/dev/null)
mapfile -t ALIVE < <(list_cgroups "${IDS[@]}")
kill_cgroups "${ALIVE[@]}"
# shellcheck disable=SC2119
problem=$(settings_problem)
problem=${problem:-$unnoted}
look_at_containers || fail "the containers of $HARBOR_PROJECT cannot be looked at${problem:+: $problem}"
# Who has a restart policy and no gate was not started by start.sh: only dockerd can be told to let it be, and before it
# ends: a restart that dockerd has begun is not taken back.
returning=$(list_returning "${IDS[@]}")
# shellcheck disable=SC2086 # ids
[ -z "$returning" ] || timeout -k 1 2 docker update --restart=no $returning </dev/null >/dev/null 2>&1 ||
    say "dockerd does not answer"
clear_rounds=0
for ((round = 0; round < ROUNDS_MAX && clear_rounds < 2; round++)); do
    kill_cgroups "${ALIVE[@]}"
    [ ${#ALIVE[@]} = 0 ] || sleep 0.02
    look_at_containers || fail "the containers of $HARBOR_PROJECT cannot be looked at"
    clear_rounds=$((${#ALIVE[@]} == 0 ? clear_rounds + 1 : 0))
done
[ $clear_rounds = 2 ] || fail "still alive after KILL: ${ALIVE[*]}"
[ -z "$problem" ] || fail "nothing is seen to run, but $problem"
look_at_harbor
[ "$STATE" = stopped ] || fail "$WHY"
