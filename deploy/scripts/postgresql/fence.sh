#!/bin/bash
# The fast cut: nothing of this data directory runs when it has ended well, no session goes on, no
# promotion that was asked for happens, and what starts the server next gets a standby. Ends a
# standby too, because a promotion may be under way in it. Exits 0 only when nothing was seen twice.
. "${BASH_SOURCE[0]%/*}/server.sh"

LIMIT_MS=10000 # of a fence by hand: the guard's TERM comes before

# Postmaster first: it would replace what is killed before it.
signal_all() {
    local signal=$1 postmaster pids
    postmaster=$(postmaster_pid)
    pids=$(cut -d ' ' -f 1 <<<"$processes")
    if grep -qx "$postmaster" <<<"$pids"; then
        signal_as_server "$signal" "$postmaster"
        [ "$signal" = QUIT ] && return 0
    fi
    # shellcheck disable=SC2086
    signal_as_server "$signal" $pids
    return 0
}

# What was listed was listed with the server's rights: with no others it is signalled.
signal_as_server() {
    # shellcheck disable=SC2016
    as_server bash -c 'kill "-$1" "${@:2}"' signal_as_server "$@" 2>/dev/null
}

problem=$(place_problem) || fail "$problem"
wrong=$(settings_problem) # that holds up no kill
number_problem PG_FENCE_QUIT_MS 0 1000 >/dev/null || PG_FENCE_QUIT_MS=300
begun_ms=$(date +%s%3N)
processes=
trap 'fail "cut off before it had seen the end; seen last: ${processes:-nothing}"' TERM
# Before the kill, but a disk that hangs does not hold that up.
forbid_writing &
while [ -n "$(jobs -rp)" ] && [ $(($(date +%s%3N) - begun_ms)) -lt "$PG_FENCE_QUIT_MS" ]; do
    sleep 0.01
done
clear_rounds=0
signal=QUIT
for ((round = 0; $(date +%s%3N) - begun_ms < LIMIT_MS; round++)); do
    processes=$(list_processes) || fail "cannot see the processes of $PGDATA"
    # What has just died may still be giving back its memory.
    if [ -z "$processes" ] && ! memory_in_use; then
        clear_rounds=$((clear_rounds + 1))
        [ $clear_rounds -ge 2 ] && break
        continue
    fi
    clear_rounds=0
    [ $(($(date +%s%3N) - begun_ms)) -ge "$PG_FENCE_QUIT_MS" ] && signal=KILL
    if [ $round = 0 ] || [ $signal = KILL ]; then
        signal_all $signal
    fi
    sleep 0.02
done
[ -z "$(jobs -rp)" ] || say "the disk does not take $PGDATA/standby.signal"
[ $clear_rounds -ge 2 ] || fail "still alive after KILL: ${processes:-who holds its shared memory}"
[ -z "$(jobs -rp)" ] || fail "nothing runs, but what starts it next could write"
drop_stale_locks
[ -e "$PGDATA/standby.signal" ] || forbid_writing || fail "cannot write $PGDATA/standby.signal"
! other_answers || fail "$WHY"
[ -z "$wrong" ] || fail "nothing runs any more; but $wrong"
