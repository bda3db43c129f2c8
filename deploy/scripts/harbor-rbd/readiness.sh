#!/bin/bash
# Exits 0 when this host could take over. There is one image and no copy, so the lag is none.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

# at_least HAS WANTED: two versions, by their first two numbers. What is none is not.
at_least() {
    [[ $1 =~ ^([0-9]+)\.([0-9]+) ]] || return 1
    [ $((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2])) -ge $((${2%.*} * 1000 + ${2#*.})) ]
}

# Whether the kernel would take the key from here. Only what runs under a seccomp filter has to ask, by the call itself: the
# key is of this one process.
may_add_key() {
    local call
    grep -q '^Seccomp:[[:space:]]*2$' /proc/self/status || return 0
    case $(uname -m) in
    x86_64) call=248 ;;
    aarch64) call=217 ;;
    *) return 0 ;;
    esac
    # shellcheck disable=SC2016
    within 5 perl -e 'my ($type, $name, $key) = ("user", "breakwater", "x");
        exit(syscall($ARGV[0], $type, $name, $key, 1, -2) < 0 && $! == 1 ? 3 : 0)' "$call"
    [ $? != 3 ]
}

# True when a map would fail here whatever Ceph says; then `problem` says it.
kernel_problem() {
    local has
    has=$(uname -r)
    at_least "$has" 4.12 || { problem="this is Linux $has, and an exclusive map wants 4.12" && return 0; }
    within 5 rbd --version
    has=$(awk '$1 == "ceph" && $2 == "version" { print $3 }' <<<"$said")
    at_least "$has" 14.2 || { problem="rbd is of Ceph '${has:-unknown}': ceph-common 14.2 or newer is wanted" && return 0; }
    [ -d /sys/bus/rbd ] || within 5 modprobe rbd ||
        { problem="the rbd module is not loaded, and cannot be from here (${problem:-modprobe rbd failed}): on the host, modprobe rbd" && return 0; }
    may_add_key || { problem="this container's seccomp profile forbids add_key, so rbd would have 'failed to add secret': --security-opt seccomp=unconfined" && return 0; }
    return 1
}

settings_problem && fail "$problem"
may_take $((2 * RBD_CALL_TIMEOUT))
kernel_problem && fail "$problem"
compose_problem && fail "$problem"
traffic_problem && fail "$problem"
data_problem && fail "$problem"
ip link show dev "$INTERFACE" >/dev/null 2>&1 || fail "INTERFACE: there is no interface '$INTERFACE'"
ceph_call rbd info "$image" --format json || fail "Ceph does not know $image: $problem"
[[ $said == *'"exclusive-lock"'* ]] || fail "$image has no exclusive-lock: 'rbd feature enable $image exclusive-lock'"
look_at_map || fail "rbd does not say what is mapped here: $problem"
own=$(own_client)
[ -z "$DEVICE" ] || [ -e "$CONTAINERS" ] || note_containers
if [ -n "$DEVICE" ] && [ -n "$own" ]; then
    is_barred "$own"
    case $? in
    0) fail "Ceph refuses this host's client $own: run stop.sh" ;;
    2) fail "Ceph does not say whom it refuses: $problem" ;;
    esac
fi
look_at_containers || fail "$problem"
[ -z "$UNREAD" ] || say "dockerd cannot load ${UNREAD%%$'\n'*}. Once dockerd was started again 'docker ps -a' does not show that" \
    "container, and a person may remove its folder"
# Where Harbor serves, and under a lease alone: what a person has taken over is his.
if [ -n "$DEVICE" ] && [ ! -e "$NO_ADDRESS" ] && [[ ${BREAKWATER_LEASE_REMAINING_MS:-0} =~ ^[1-9] ]] && ! traffic --check; then
    # Once more: a stop may have begun meanwhile.
    [ -e "$NO_ADDRESS" ] ||
        fail "HARBOR_VIP is not on this host: $(realpath "$here/../traffic/$HARBOR_TRAFFIC.sh") puts it back, as the line before has it"
fi
# A takeover pulls nothing: what compose would begin is here. Where the image is mapped it has begun.
if [ -z "$DEVICE" ]; then
    compose "$RBD_CALL_TIMEOUT" config || fail "$HARBOR_COMPOSE does not take $HARBOR_DIR/docker-compose.yml: $problem"
    images=$(awk '$1 == "image:" { print $2 }' <<<"$said")
    [ -n "$images" ] || fail "$HARBOR_DIR/docker-compose.yml names no image"
    # shellcheck disable=SC2086
    within "$RBD_CALL_TIMEOUT" docker image inspect --format '{{.Id}}' $images || fail "docker does not show the images: $problem"
fi
echo lag_seconds=0
