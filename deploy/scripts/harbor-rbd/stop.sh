#!/bin/bash
# shellcheck disable=SC2015
# Makes this host a standby, with all data in the image: the address goes, then Harbor, the mount, the map. Ends well only once
# the image was seen not to be mapped here. What hangs is not waited for, and is no stop.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

why=''
local_problem && fail "$problem"
want_no_address
# Without it the stop goes on: nothing answers there soon.
traffic --withdraw || say "the address is still here"
look_at_containers || fail "$problem"
if [ -n "$ON_DISK" ]; then
    compose "$HARBOR_STOP_TIMEOUT" down || fail "Harbor does not go down: $problem"
fi
look_at_containers || fail "$problem"
[ -z "$PROCESSES" ] || fail "containers of $HARBOR_PROJECT still run"
unmount "$RBD_UMOUNT_TIMEOUT" || fail "$why"
unmap "$RBD_CALL_TIMEOUT" || fail "$why"
rm -f "$CONTAINERS"
seal
