#!/bin/bash
# Takes Harbor down, cleanly, with its containers; where dockerd does not answer its processes get TERM and, later, KILL, and
# the containers are left to the next start. Exits 0 only when no process of the project is left and none can come by itself.
. "${BASH_SOURCE[0]%/*}/compose.sh"

HARBOR_STOP_TIMEOUT=${HARBOR_STOP_TIMEOUT:-120}
HARBOR_STOP_GRACE=${HARBOR_STOP_GRACE:-20}

problem=$(settings_problem HARBOR_STOP_TIMEOUT HARBOR_STOP_GRACE) || fail "$problem"
end_epoch || fail "the gate in $STATE cannot be closed"
look_at_containers || fail "$WHY"
close_older || fail "the gate in $OLDER cannot be closed"
if [ ${#IDS[@]} -gt 0 ]; then
    if [ -f "$HARBOR_DIR/docker-compose.yml" ] && ask_docker version >/dev/null 2>&1; then
        compose "$HARBOR_STOP_TIMEOUT" down --remove-orphans -t "$HARBOR_STOP_GRACE" >&2 || say "compose down failed"
    else
        say "there is no docker-compose.yml, or dockerd does not answer"
    fi
    # What compose leaves: it may know nothing of a container that was made for another file.
    look_at_containers || fail "$WHY"
    [ ${#OWN[@]} = 0 ] || ask_docker rm -f "${OWN[@]}" >/dev/null 2>&1 || say "containers are left: ${OWN[*]:0:3}"
fi
# Where dockerd does not: as it would, TERM, and KILL later. None of them can come back.
began=$SECONDS
while look_at_containers && [ ${#ALIVE[@]} -gt 0 ] && [ $((SECONDS - began)) -le $((HARBOR_STOP_GRACE + 5)) ]; do
    if [ -z "${told:-}" ]; then
        signal_cgroups TERM "${ALIVE[@]}"
        told=yes
    elif [ $((SECONDS - began)) -ge "$HARBOR_STOP_GRACE" ]; then
        kill_cgroups "${ALIVE[@]}"
    fi
    sleep 0.1
done
look_at_harbor
[ "$HARBOR" = stopped ] || fail "$WHY"
[ ${#OWN[@]} -gt 0 ] || rm -f "$STATE/ids"
remove_closed_gates
