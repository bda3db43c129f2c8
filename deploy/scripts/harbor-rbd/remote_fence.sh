#!/bin/bash
# Ends the writer at the other site from here, for an epoch that the witnesses have closed: whoever watches the image is
# refused by Ceph. Exits 0 only once nobody watches it, and no start of that epoch or an older one can come any more: start.sh
# looks at the mark after its map and before its mount. Exits 3, nothing touched, where a newer epoch has the image.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

why=''
settings_problem && fail "$problem"
[ -n "${BREAKWATER_EPOCH:-}" ] || fail "BREAKWATER_EPOCH is not set"

newer() {
    say "$1, and $BREAKWATER_EPOCH is older; nothing was touched"
    exit "$NEWER_THERE"
}

look_at_map || fail "rbd does not say what is mapped here: $problem"
[ -z "$DEVICE" ] || fail "$image is mapped at this site"
look_at_marks || fail "Ceph does not say which epochs $image has seen: $problem"
[ "$MARK" -le "$BREAKWATER_EPOCH" ] || newer "epoch $MARK has $image"
add_mark closed || fail "Ceph does not keep that epoch $BREAKWATER_EPOCH is closed: $problem"
bar_watchers ''
case $? in
0) ;;
"$NEWER_THERE") newer "$why" ;;
*) fail "$why" ;;
esac
look_at_marks || fail "Ceph does not say which epochs $image has seen: $problem"
[ "$MARK" -le "$BREAKWATER_EPOCH" ] || fail "epoch $MARK has begun meanwhile"
say "nobody watches $image: what ${BREAKWATER_PREVIOUS_SITE:-the other site} still writes is refused"
