#!/bin/bash
# Prints `started` when the image is mapped and mounted here and Harbor is healthy on it, `unhealthy` when it runs on it and is
# not, `stopped` when it is neither, and no process of Harbor is left, `unknown` in every other case; why, on stderr. Changes
# nothing.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

unknown() {
    say "$*"
    echo unknown
    exit 0
}

nine_problem || local_problem && unknown "$problem"
look_at_map || unknown "rbd does not say what is mapped here: $problem"
look_at_mount || unknown "/proc/self/mountinfo cannot be read"
look_at_containers || unknown "$problem"
if [ -z "$DEVICE$MOUNT$PROCESSES" ]; then
    echo stopped
    exit 0
fi
[ -z "$MOUNT" ] || is_own_mount || unknown "$problem"
[ -n "$DEVICE" ] || unknown "$image is not mapped, and containers run"
[ "${MOUNT:-none}" = "$(number_of "$DEVICE")" ] || unknown "$DEVICE is mapped, and not mounted on $HARBOR_DATA"
[ -z "$READ_ONLY" ] || unknown "$HARBOR_DATA is read-only: an error of the image, or Ceph refuses this host"
[ -n "$PROCESSES" ] || unknown "$image is mounted, and no container runs"
is_healthy && echo started && exit 0
[ -n "$HEALTH" ] || unknown "Harbor runs, and its health does not answer: $HARBOR_HEALTH_URL"
say "Harbor is not healthy: $HARBOR_HEALTH_URL"
echo unhealthy
