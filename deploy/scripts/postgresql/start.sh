#!/bin/bash
# Makes this server the primary: as a standby first, in reach of the guard, then promoted. Ends well
# only after a transaction was written. Exits 69 when it refuses before anything was changed.
. "${BASH_SOURCE[0]%/*}/server.sh"
. "${BASH_SOURCE[0]%/*}/waiting.sh"

target=${BREAKWATER_TARGET_POSITION:-}
# shellcheck disable=SC2034 # start_standby's
KEEPS_SLOTS=yes

# Every process of the server into the guard's cgroup: first the postmaster, then what it forked
# before; once all are in, all that it forks is.
enter_reach() {
    local dir=$1 round processes pid outside
    for ((round = 0; round < 100; round++)); do
        processes=$(list_processes) && [ -n "$processes" ] || return 1
        outside=0
        for pid in $(postmaster_pid) $(cut -d ' ' -f 1 <<<"$processes"); do
            grep -qx "$pid" "$dir/cgroup.procs" && continue
            outside=$((outside + 1))
            echo "$pid" 2>/dev/null >"$dir/cgroup.procs"
        done
        [ $outside = 0 ] && return 0
    done
    return 1
}

# Where the guard finds processes by their environment, a server that others have started is
# started again by us: only then the guard's deadline covers it.
is_in_reach_by_mark() {
    [ -z "${BREAKWATER_REACH:-}" ] ||
        as_server cat "/proc/$(postmaster_pid)/environ" | tr '\0' '\n' |
            grep -x "BREAKWATER_REACH=${BREAKWATER_REACH%/*}/service" >/dev/null
}

# What was received is replayed before a promotion ends.
wait_for_target() {
    local wanted answer received replayed deadline=$((SECONDS + $(left "$PG_TARGET_TIMEOUT")))
    [ -n "$target" ] || return 0
    wanted=$(lsn_number "$target") || return 1
    while :; do
        answer=$(ask 3 "SELECT coalesce(pg_last_wal_receive_lsn(), '0/0'),
                coalesce(pg_last_wal_replay_lsn(), '0/0')")
        if read -r received replayed <<<"$answer" && [ -n "$replayed" ]; then
            [ "$(lsn_number "$received")" -ge "$wanted" ] && return 0
            [ "$(lsn_number "$replayed")" -ge "$wanted" ] && return 0
        fi
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# How far a standby is, and on which timeline. Once it receives nothing the server names no timeline but the control file's,
# which may be that before a promotion until a restartpoint: of what has come since there are files. Of a timeline that begins
# where the server is, or behind that, it has nothing yet: then it is that before, by the newest one's history.
HISTORY_SQL="WITH it AS (SELECT greatest((SELECT max(received_tli) FROM pg_stat_wal_receiver),
            (SELECT timeline_id FROM pg_control_checkpoint()),
            (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
            (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')) AS newest,
        greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS reached WHERE pg_is_in_recovery())
    SELECT coalesce((SELECT min(ended[1]::bigint) FROM regexp_matches(
            encode(pg_read_binary_file('pg_wal/' || lpad(upper(to_hex(newest)), 8, '0') || '.history', 0, 1000000, true), 'escape'),
            '^\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)', 'gn') ended WHERE ended[2]::pg_lsn >= reached), newest),
        reached - '0/0' FROM it"

# Of several standbys commits wait for any one, so another server may have rows that this one lacks. With PG_SYNC_ALONE=wait
# a row is at two servers at least: where all but one say how far they are, and none is further, none is
# lost. With `commit` one that was promoted has acknowledged by itself, and is it silent, nobody knows what.
# Sets why when that is not so. Where a person said `failover`, the silent do not hold it up.
lacks_rows() {
    local ours=() line number theirs answers silent=0 harmless=1
    [ ${#SYNC_PEERS[@]} -gt 1 ] && [ -z "$target" ] || return 1
    answers=$(ask_each_peer 2 "$HISTORY_SQL")
    read -ra ours <<<"$(ask 3 "$HISTORY_SQL")"
    # shellcheck disable=SC2015 # whichever of them fails
    [ ${#ours[@]} = 2 ] && is_number "${ours[0]}" && is_number "${ours[1]}" ||
        { why="this standby does not say how far it is" && return 0; }
    for number in "${!PEERS[@]}"; do
        # shellcheck disable=SC2015 # likewise
        line=$(grep "^$number " <<<"$answers") && read -ra theirs <<<"${line#* }" && [ ${#theirs[@]} = 2 ] &&
            is_number "${theirs[0]}" && is_number "${theirs[1]}" || { silent=$((silent + 1)) && continue; }
        if ((theirs[0] > ours[0] || (theirs[0] == ours[0] && theirs[1] > ours[1]))); then
            why="${SYNC_PEERS[number]} has more: timeline ${theirs[0]}, $((theirs[1] - ours[1])) bytes ahead"
            return 0
        fi
    done
    why="$silent of the other servers do not say how far they are, and commits waited for any one of them"
    [ "$PG_SYNC_ALONE" = wait ] ||
        { harmless=0 why="of the other servers, silent: $silent, and with PG_SYNC_ALONE=$PG_SYNC_ALONE one may have acknowledged alone"; }
    [ "$silent" -gt "$harmless" ] && [ "${BREAKWATER_REASON:-}" != failover ]
}

# What the control file says, for whoever reads the log of a failover.
say_control() {
    say "control file: $(control 'Database cluster state'), timeline $(control "Latest checkpoint's TimeLineID")," \
        "checkpoint $(control 'Latest checkpoint location') of $(control 'Time of latest checkpoint')"
}

# True where this server was the last primary that it knows of: whoever follows another one has the history of its
# timeline. Not where a person has it serve, who may know of others: by an override, or by hand, where there is no epoch; by a
# failover it is, where it then begins again, in that epoch.
was_last_primary() {
    local mark newest
    [ -n "${BREAKWATER_EPOCH:-}" ] || return 1
    mark=$(promoted_to)
    newest=$(as_server ls "$PGDATA/pg_wal/" | sed -n 's/^\([0-9A-F]\{8\}\)\.history$/\1/p' | sort | tail -n 1) || return 1
    [[ $mark == "$((16#${newest:-1})) $PG_APPLICATION_NAME "* ]] || return 1
    case ${BREAKWATER_REASON:-} in
    none) return 1 ;;
    failover) [[ $mark == *" $BREAKWATER_EPOCH" ]] ;;
    esac
}

# At a promotion: `commit`: no commit waits for a standby that may be gone for good, and readiness.sh
# asks for it again when it streams. `wait`: from the first commit on; where that cannot be known in time, nothing is
# promoted. A primary that begins again goes on as it was: that its standby lacked nothing when it was asked last is still
# believed, and a failover goes by it.
set_waiting() {
    case ${#SYNC_PEERS[@]}/$PG_SYNC_ALONE in
    0/*) set_sync_names '' ;;
    */wait) set_sync_names "$(sync_names)" && prove_waiting "$(left)" ;;
    *) was_last_primary || set_sync_names '' ;;
    esac
}

promote() {
    local run
    WHY="cannot write $PGDATA/$PROMOTING"
    run=$(run_of_server) && [ -n "$run" ] && write_note "$PROMOTING" "$run" || return 1
    while :; do
        look_at_server
        [ "$SERVER" = primary ] && as_server rm -f "$PGDATA/$PROMOTING" && return 0
        [ "$SERVER" = standby ] && ask "$(left)" "SELECT pg_promote(true, $(left))" >/dev/null
        [ $SECONDS -lt "$LIMIT" ] || return 1
        sleep 0.05
    done
}

# Whatever refuses here, the promotion that a start before has asked for may come: that is no word of nothing changed.
if is_asked_to_promote; then
    refuse() { fail "$*; a start before has asked for a promotion"; }
fi
# shellcheck disable=SC2034 # look_at_server's: to us it is a standby, which is asked again
PROMOTES=yes
problem=$(settings_problem) || refuse "$problem"
problem=$(name_problem) || refuse "$problem"
problem=$(version_problem) || refuse "$problem"
LIMIT=$PG_START_TIMEOUT
take_turn -s -w 20 || refuse "readiness.sh still starts the standby"
! why=$(unfinished) || refuse "$why; rejoin.sh goes on with it"
[ -z "$target" ] || lsn_number "$target" >/dev/null || refuse "'$target' is no position"
reach=$(reach_dir)
[ -z "$reach" ] || [ -w "$reach/cgroup.procs" ] || refuse "cannot write $reach/cgroup.procs"
# A second look at what the lease promises: two primaries are worse than none.
exec {peers}< <(ask_each_peer 1 "SELECT pg_is_in_recovery()")
look_at_server
! grep -q ' f$' <&$peers || refuse "the peer is a primary that can write"
[ "$SERVER" = primary ] || say_control
case $SERVER in
primary | standby) ;;
down | starting)
    start_standby "$(left)" || [ "$SERVER" = primary ] ||
        refuse "it does not come up as a standby ($WHY; after $SECONDS s of at most $LIMIT); see $PG_LOG"
    ;;
*) refuse "$WHY" ;;
esac
[ "$SERVER" = primary ] || drop_target "$LIMIT" || [ "$SERVER" = primary ] || refuse "$WHY"
replay_all || say "cannot write $PGDATA/postgresql.auto.conf" # for when it is a standby again, whoever starts it
[ "$SERVER" = primary ] || wait_for_target ||
    refuse "position $target is not here in time"
[ "$SERVER" = primary ] || ! lacks_rows || refuse "$why"
[ "$SERVER" = primary ] || [ ${#SYNC_PEERS[@]} = 0 ] || [ "$PG_SYNC_ALONE" != wait ] ||
    problem=$(server_commit_problem) || refuse "$problem"
[ -z "$UNIT" ] || unit_state "$(left)" >/dev/null || refuse "$UNIT is not up after $LIMIT s"
if [ -n "$reach" ]; then
    enter_reach "$reach" || fail "cannot bring all of its processes into $reach"
elif [ "$SERVER" = standby ] && ! is_in_reach_by_mark; then
    stop_server "$(left)" || refuse "cannot stop the standby within $LIMIT s"
    start_standby "$(left)" || [ "$SERVER" = primary ] ||
        refuse "the standby does not come up again in reach of the guard ($WHY); see $PG_LOG"
fi
if [ "$SERVER" != primary ]; then
    set_waiting || fail "cannot set synchronous_standby_names, and see that it holds, within $LIMIT s; not promoted"
    promote || fail "not promoted after $LIMIT s: $WHY"
    say_control
fi
mark_timeline "$(ask 3 "SELECT $TIMELINE_SQL")" || say "cannot write $PGDATA/$PROMOTED; readiness.sh tries again"
keep_slots || say "cannot make the slots of its standbys; readiness.sh tries again"
[ -z "$reach" ] || enter_reach "$reach" || fail "cannot bring all of its processes into $reach"
message="SELECT pg_logical_emit_message(true, 'breakwater', 'epoch ${BREAKWATER_EPOCH:-0}')"
# Ours alone: whether users' commits wait is PG_SYNC_ALONE's matter.
ask 10 "SET synchronous_commit = local" "$message" >/dev/null || fail "it is the primary, but nothing could be written within 10 s"
# Until its first checkpoint pg_rewind takes a promoted server for one of the timeline before, and
# says that there is nothing to do. It may take minutes, so nobody waits for it.
ask 600 CHECKPOINT </dev/null >/dev/null 2>&1 &
