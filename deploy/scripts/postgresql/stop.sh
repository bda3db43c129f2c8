#!/bin/bash
# Makes this server a standby, cleanly: open transactions end, the standby gets all there is up to
# the shutdown checkpoint, then this server follows the peer. After a fence, or a crash, the server
# stays down: whether its data fits the peer's is for rejoin.sh to find out.
. "${BASH_SOURCE[0]%/*}/server.sh"

# A shutdown waits until each receiver of WAL has all of it. One that is none of ours (a backup, a subscriber) and stands still
# would hold it up for wal_sender_timeout, a minute by default; one that lives comes again, here or to whoever serves next.
end_receivers() {
    local ours=("${SYNC_PEERS[@]}" "${SLOT_PEERS[@]}")
    [ ${#ours[@]} -gt 0 ] || return 0
    ask 3 "SELECT pg_terminate_backend(pid) FROM pg_stat_replication
        WHERE application_name <> ALL (string_to_array('${ours[*]}', ' '))" >/dev/null ||
        say "cannot end the receivers of others; going on"
}

problem=$(settings_problem) || fail "$problem"
problem=$(name_problem) || fail "$problem"
LIMIT=$PG_STOP_TIMEOUT
take_turn -s -w 20 || fail "readiness.sh still starts the standby"
look_at_server
[ "$SERVER" != other ] || fail "$WHY"
# Also of a standby: a promotion that a killed start.sh asked for may be under way in it.
forbid_writing || fail "cannot write $PGDATA/standby.signal"
if [ "$SERVER" != down ]; then
    # Makes the one inside the shutdown short.
    [ "$SERVER" != primary ] || ask "$(left $((LIMIT / 2)))" CHECKPOINT >/dev/null ||
        say "the checkpoint before the shutdown failed; going on"
    [ "$SERVER" != primary ] || end_receivers
    stop_server "$(left)" || fail "the fast shutdown failed or takes longer than $LIMIT s"
    look_at_server
fi
[ "$SERVER" = down ] || fail "after the shutdown: $WHY"
! why=$(unfinished) || { say "$why; rejoin.sh goes on with it" && exit 0; }
state=$(control 'Database cluster state')
case $state in
'shut down' | 'shut down in recovery' | 'in archive recovery') ;;
*) say "not started as a standby: its state is '$state'" && exit 0 ;;
esac
# Down is what was asked for; that it follows at once is more.
start_standby "$(($(left) + 10))" || say "it is down, but does not come up as a standby ($WHY); see $PG_LOG"
case $SERVER in
down | standby | starting) ;;
*) fail "$WHY" ;;
esac
