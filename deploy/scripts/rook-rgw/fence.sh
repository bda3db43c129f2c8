#!/bin/bash
# The fast cut: as stop.sh, and a gateway that is not seen to refuse within RGW_FENCE_GRACE is shut out by RADOS itself:
# frozen, cut off or stuck in an upload, nothing that it writes later is taken. See rgw.sh.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

RGW_FENCE_TIMEOUT=${RGW_FENCE_TIMEOUT:-50}
RGW_FENCE_GRACE=${RGW_FENCE_GRACE:-5}

problem='' credentials=''
! settings_problem RGW_FENCE_TIMEOUT RGW_FENCE_GRACE || fail "$problem"
end_zone "$RGW_FENCE_TIMEOUT" bar
