#!/bin/bash
# The fast cut, without dockerd: nothing of an older order can start any more, then every process in the cgroups of the
# project's containers gets KILL. Exits 0 only when none was seen twice, none can come by itself, and no Harbor answers.
#
# What is wrong with a setting or the disk is told at the end: what can be found is killed first.
. "${BASH_SOURCE[0]%/*}/compose.sh"

ROUNDS_MAX=400
HEALTH_SECONDS=1

LOOK_SECONDS=2

unnoted=
end_epoch || unnoted="what is ended cannot be noted in $STATE"
# What a start has noted needs no disk, which may hang: nothing looks at one before.
mapfile -t IDS < <(list_noted)
mapfile -t ALIVE < <(list_cgroups "${IDS[@]}")
kill_cgroups "${ALIVE[@]}"
# shellcheck disable=SC2119
problem=$(settings_problem)
problem=${problem:-$unnoted}
unseen=
look_at_containers || unseen=$WHY
[ -n "$unseen" ] || close_older || problem=${problem:-"the gate in $OLDER cannot be closed"}
# Who has a restart policy and no gate was not started by start.sh: only dockerd can be told to let it be, and before it
# ends: a restart that dockerd has begun is not taken back.
[ ${#RETURNING[@]} = 0 ] || timeout -k 1 2 docker update --restart=no "${RETURNING[@]}" </dev/null >/dev/null 2>&1 ||
    say "dockerd does not answer"
# What was seen is killed, also where not all was.
[ -z "$unseen" ] || { kill_cgroups "${ALIVE[@]}" && fail "$unseen${problem:+: $problem}"; }
clear_rounds=0
for ((round = 0; round < ROUNDS_MAX && clear_rounds < 2; round++)); do
    kill_cgroups "${ALIVE[@]}"
    [ ${#ALIVE[@]} = 0 ] || sleep 0.02
    look_at_containers || { kill_cgroups "${ALIVE[@]}" && fail "$WHY"; }
    clear_rounds=$((${#ALIVE[@]} == 0 ? clear_rounds + 1 : 0))
done
[ $clear_rounds = 2 ] || fail "still alive after KILL: ${ALIVE[*]}"
[ -z "$problem" ] || fail "nothing is seen to run, but $problem"
look_at_harbor
[ "$HARBOR" = stopped ] || fail "$WHY"
