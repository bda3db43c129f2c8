#!/bin/bash
# Exits 0 when this host could take over. There is one image and no copy, so the lag is none.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

settings_problem && fail "$problem"
may_take $((2 * RBD_CALL_TIMEOUT))
compose_problem && fail "$problem"
[ -d "$HARBOR_DATA" ] || fail "HARBOR_DATA: there is no directory $HARBOR_DATA"
ip link show dev "$INTERFACE" >/dev/null 2>&1 || fail "INTERFACE: there is no interface '$INTERFACE'"
ceph_call rbd info "$image" --format json || fail "Ceph does not know $image: $problem"
[[ $said == *'"exclusive-lock"'* ]] || fail "$image has no exclusive-lock: 'rbd feature enable $image exclusive-lock'"
look_at_map || fail "rbd does not say what is mapped here: $problem"
own=$(cat "$RBD_RUN/client" 2>/dev/null)
if [ -n "$DEVICE" ] && [ -n "$own" ]; then
    is_barred "$own"
    case $? in
    0) fail "Ceph refuses this host's client $own: run stop.sh" ;;
    2) fail "Ceph does not say whom it refuses: $problem" ;;
    esac
fi
# A takeover pulls nothing: what compose would begin is here. Where the image is mapped it has begun.
if [ -z "$DEVICE" ]; then
    compose "$RBD_CALL_TIMEOUT" config || fail "$HARBOR_COMPOSE does not take $HARBOR_DIR/docker-compose.yml: $problem"
    images=$(awk '$1 == "image:" { print $2 }' <<<"$said")
    [ -n "$images" ] || fail "$HARBOR_DIR/docker-compose.yml names no image"
    # shellcheck disable=SC2086
    within "$RBD_CALL_TIMEOUT" docker image inspect --format '{{.Id}}' $images || fail "docker does not show the images: $problem"
fi
[ -d /sys/bus/rbd ] || say "the rbd module is not loaded: rbd loads it with the first map, if it may (modprobe rbd)"
echo lag_seconds=0
