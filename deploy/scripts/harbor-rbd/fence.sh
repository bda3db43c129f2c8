#!/bin/bash
# shellcheck disable=SC2015
# The fast cut, without dockerd if need be and without Ceph's word: Harbor's processes are killed by their cgroups, before
# anything else that could fail is asked; then the image is unmounted and unmapped. Exits 0 only once it was seen not to be
# mapped here. A umount that hangs fails it: then the other site's remote_fence.sh is what ends the writer.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

# dockerd does not start again what it has killed itself; so it is asked first.
DOCKER_S=2
why=''
project_problem && fail "$problem"
may_take "$HARBOR_FENCE_TIMEOUT"
want_no_address
TRAFFIC_TIMEOUT=5 traffic --withdraw >&2 &
withdrawal=$!
ids=$(list_containers)
answered=''
if [ -n "$ids" ]; then
    # shellcheck disable=SC2086
    timeout -k 1 "$DOCKER_S" docker kill $ids </dev/null >/dev/null 2>&1
    [ $? -ge 124 ] || answered=yes # else it did not end in time
fi
clear_looks=0
until [ $clear_looks -ge 2 ]; do
    if [ -z "$(list_processes)" ]; then
        clear_looks=$((clear_looks + 1))
    else
        clear_looks=0
        [ $SECONDS -lt "$latest" ] || fail "containers of $HARBOR_PROJECT outlive a KILL"
        kill_processes
    fi
    sleep 0.05
done
local_problem && why="Harbor's processes are ended, and no more was done: $problem"
if [ -z "$why" ]; then
    unmount "$HARBOR_FENCE_TIMEOUT" && unmap "$HARBOR_FENCE_TIMEOUT"
fi
# Nothing runs, and their policy is `restart: always`: what is left of them would begin again with the next dockerd.
# shellcheck disable=SC2086
[ -z "$answered" ] || timeout -k 1 "$DOCKER_S" docker rm -f $ids </dev/null >/dev/null 2>&1 ||
    say "dockerd has not removed each container, and may begin them again"
wait $withdrawal || say "the address is still here"
[ -z "$why" ] || fail "$why"
[ -z "$(list_processes)" ] || fail "containers of $HARBOR_PROJECT have begun again"
exit 0
