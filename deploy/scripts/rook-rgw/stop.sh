#!/bin/bash
# Makes this zone read-only: its gateways go on answering reads, and the other zones get what they lack. Exits 0 only when
# every gateway that lives was seen to refuse a user's write, see rgw.sh.
. "${BASH_SOURCE[0]%/*}/rgw.sh"

RGW_STOP_TIMEOUT=${RGW_STOP_TIMEOUT:-60}

problem='' credentials=''
! settings_problem RGW_STOP_TIMEOUT || fail "$problem"
end_zone "$RGW_STOP_TIMEOUT"
