#!/bin/bash
# shellcheck disable=SC2015
# The fast cut, without dockerd if need be and without Ceph's word: Harbor's processes are killed by their cgroups, before
# anything else that could fail is asked; then the image is unmounted and unmapped. Exits 0 only once it was seen not to be
# mapped here. A umount that hangs fails it: then the other site's remote_fence.sh is what ends the writer.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

# dockerd does not start again what it has killed itself; so it is asked first.
DOCKER_S=2

# By dockerd, where that answers, and without it.
end_containers() {
    [ $# -gt 0 ] || return 0
    if [ "$answered" != no ]; then
        timeout -k 1 "$DOCKER_S" docker kill "$@" </dev/null >/dev/null 2>&1
        [ $? -lt 124 ] && answered=yes || answered=no # it did not end in time
    fi
    kill_processes "$@"
}

why=''
project_problem && fail "$problem"
may_take "$HARBOR_FENCE_TIMEOUT"
want_no_address
TRAFFIC_TIMEOUT=5 traffic --withdraw >&2 &
withdrawal=$!
answered=''
# What a start has noted needs no disk, which may hang: nothing looks at one before.
# shellcheck disable=SC2046 # ids
end_containers $(list_noted)
unseen='' ON_DISK='' PROCESSES=''
look_at_containers || unseen=$problem
# Also those that do not run: dockerd would begin them again.
# shellcheck disable=SC2086
[ "$answered/$PROCESSES$unseen" = yes/ ] || end_containers $ON_DISK
clear_looks=0
until [ $clear_looks -ge 2 ] || [ -n "$unseen" ]; do
    look_at_containers || { unseen=$problem && break; }
    if [ -z "$PROCESSES" ]; then
        clear_looks=$((clear_looks + 1))
    else
        clear_looks=0
        [ $SECONDS -lt "$latest" ] || fail "containers of $HARBOR_PROJECT outlive a KILL"
        # shellcheck disable=SC2086
        kill_processes $IDS
    fi
    sleep 0.05
done
# Without the image nothing is written, whatever runs: it is given back also where dockerd's disk hangs.
local_problem && why="Harbor's processes are ended, and no more was done: $problem"
if [ -z "$why" ]; then
    unmount "$HARBOR_FENCE_TIMEOUT" && unmap "$HARBOR_FENCE_TIMEOUT"
fi
# Nothing runs, and their policy is `restart: always`: what is left of them would begin again with the next dockerd.
# shellcheck disable=SC2086
[ "$answered" != yes ] || [ -z "$ON_DISK" ] || timeout -k 1 "$DOCKER_S" docker rm -f $ON_DISK </dev/null >/dev/null 2>&1 ||
    say "dockerd has not removed each container, and may begin them again"
wait $withdrawal || say "the address is still here"
[ -z "$why" ] || fail "$why"
[ -z "$unseen" ] || fail "$unseen"
look_at_containers || fail "$problem"
[ -z "$PROCESSES" ] || fail "containers of $HARBOR_PROJECT have begun again"
exit 0
