#!/bin/bash
# Ends the writer at the other site from here, for an epoch that the witnesses have closed: whoever has the image open is
# refused by Ceph. Exits 0 only once nobody watches it and whoever has its lock is refused, and no start of that epoch or an
# older one can come any more: start.sh looks at the mark after its map and before its mount. So also where nobody had it open:
# then nobody writes. Exits 3, nothing touched, where a newer epoch has the image.
. "${BASH_SOURCE[0]%/*}/rbd.sh" || exit 1

why=''
settings_problem && fail "$problem"
[ -n "${BREAKWATER_EPOCH:-}" ] || fail "BREAKWATER_EPOCH is not set"
may_take "$RBD_WATCHER_TIMEOUT"

newer() {
    say "$1, and $BREAKWATER_EPOCH is older; nothing was touched"
    exit "$NEWER_THERE"
}

look_at_map || fail "rbd does not say what is mapped here: $problem"
[ -z "$DEVICE" ] || fail "$image is mapped at this site"
look_at_marks || fail "Ceph does not say which epochs $image has seen: $problem"
[ "$MARK" -le "$BREAKWATER_EPOCH" ] || newer "epoch $MARK has $image"
add_mark closed || fail "Ceph does not keep that epoch $BREAKWATER_EPOCH is closed: $problem"
bar_holders
case $? in
0) ;;
"$NEWER_THERE") newer "$why" ;;
*) fail "$why" ;;
esac
look_at_marks || fail "Ceph does not say which epochs $image has seen: $problem"
[ "$MARK" -le "$BREAKWATER_EPOCH" ] || fail "epoch $MARK has begun meanwhile"
if [ -n "$REFUSED" ]; then
    say "Ceph refuses $REFUSED, who had $image open: what ${BREAKWATER_PREVIOUS_SITE:-the other site} still writes goes nowhere"
else
    say "nobody watches $image and nobody has its lock, so nobody has it open: nobody was refused"
fi
