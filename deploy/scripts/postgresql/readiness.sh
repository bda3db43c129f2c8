#!/bin/bash
# Prints `position=` and, where it is known, `lag_seconds=`. Exits 0 when this server could take
# over: a standby that has BREAKWATER_TARGET_POSITION where that is set, else one that streams, or
# whose peer is no primary that it could stream from. How much it lacks is the lag's matter: where
# it does not stream, none is printed, and breakwater goes by the last one that was.
#
# On the primary it asks for synchronous replication as soon as the standby streams (PG_SYNC_PEER), sees to it that this
# holds, and fails while commits wait for one that is away: what a failed script says last is what people see. On a
# standby that is to wait when it is promoted (PG_SYNC_ALONE) it does so before.
#
# A standby whose server is down is started, as a standby: with the primary lost nothing else would.
. "${BASH_SOURCE[0]%/*}/server.sh"
. "${BASH_SOURCE[0]%/*}/waiting.sh"

target=${BREAKWATER_TARGET_POSITION:-}
FRESH_S=3 # how old the primary's last message may be that says alone how far it is

on_primary() {
    local position timeline
    read -r position timeline <<<"$(ask 3 "SELECT pg_current_wal_lsn(), $TIMELINE_SQL")"
    echo "position=$position"
    mark_timeline "$timeline" || say "cannot write $PGDATA/$PROMOTED"
    keep_slots || say "cannot make the slots of its standbys"
    streams_by_name || exit 0
    ask_to_wait && exit 0
    say "no lag is known yet: ${SYNC_PEERS[*]} streams, and commits wait for it once the checkpointer, at work, has read" \
        "synchronous_standby_names"
    exit 0
}

# True where one of PG_SYNC_PEER streams. Where none does, or none is named, commits may wait all the same, by names that were set
# before, or by a person: it fails where they wait for one that is away. A server that has its commits wait for nobody is told of none.
streams_by_name() {
    local names streams there others
    IFS='|' read -r streams there others names <<<"$(ask 3 "SELECT concat_ws('|',
            coalesce(bool_or(application_name = ANY (string_to_array('${SYNC_PEERS[*]}', ' ')) AND state = 'streaming'), false),
            count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
            coalesce(string_agg(DISTINCT regexp_replace(application_name, '[^A-Za-z0-9_.-]', '?', 'g'), ' ')
                FILTER (WHERE state = 'streaming' AND sync_priority = 0), ''),
            CASE WHEN NOT EXISTS (SELECT FROM pg_settings WHERE name = 'synchronous_commit' AND setting IN ('local', 'off')
                AND source NOT LIKE '%user%' AND source NOT LIKE '%database%')
                THEN current_setting('synchronous_standby_names') END) FROM pg_stat_replication")"
    [ "$streams" != t ] || return 0
    [ -n "$names" ] || return 1
    { is_number "$there" && [ "$there" -ge "$(count_of_names "$names")" ]; } || fail "commits wait for $(words_of_names "$names") (away); to go on:" \
        "ALTER SYSTEM SET synchronous_standby_names=''; and reload${others:+; $others streams: the same by another name?}"
    if [ ${#SYNC_PEERS[@]} -gt 0 ]; then
        say "no lag is known: ${SYNC_PEERS[*]} does not stream; commits wait for $(words_of_names "$names"), which does"
    elif [[ $names =~ $OUR_NAMES ]]; then
        say "commits wait for $(words_of_names "$names") all the same, and PG_SYNC_PEER is not set:" \
            "ALTER SYSTEM SET synchronous_standby_names=''; and reload end that"
    fi
    return 1
}

# One question, once nothing is left to be done. What a role has on its own keeps nobody from a promotion: at a standby it
# could not be taken back.
ask_to_wait() {
    local known look=server_commit_problem
    known=$(as_server cat "$PGDATA/$WAITS" 2>/dev/null)
    [ "${known#* * }" != "$(sync_names)" ] || [ "$known" != "$(ask 3 "$WAITS_SQL AND NOT EXISTS ($EXEMPT_SQL)")" ] || return 0
    LIMIT=$((SECONDS + 3))
    set_sync_names "$(sync_names)" || fail "cannot set synchronous_standby_names"
    [ "$SERVER" != primary ] || look=commit_problem
    problem=$($look) || fail "$problem"
    prove_waiting 3 || return 1
    [ "$(as_server cat "$PGDATA/$WAITS" 2>/dev/null)" = "$known" ] || [ "$SERVER" != primary ] ||
        say "${SYNC_PEERS[*]} streams: commits wait for it from here"
}

when_down() {
    local state
    state=$(control 'Database cluster state')
    case $state in
    'shut down') echo "position=$(control 'Latest checkpoint location')" ;;
    'shut down in recovery') echo "position=$(control 'Minimum recovery ending location')" ;;
    esac
    ! is_of_another_cluster || fail "$WHY"
    start_again
    fail "down; its state is '$state'"
}

# Once it has died, or a minute after it was shut down: somebody's short work (a package's, say) is left alone.
# Of an old primary only rejoin.sh knows whether its data fits.
start_again() {
    [ -e "$PGDATA/standby.signal" ] || return 0
    case $state in
    'in archive recovery') ;;
    'shut down in recovery') [ -n "$(find "$PGDATA/global/pg_control" -mmin +1)" ] || return 0 ;;
    *) return 0 ;;
    esac
    take_turn -n || fail "down, while another script is at work here"
    look_at_server
    [ "$SERVER" = down ] && ! unfinished >/dev/null && [ "$(control 'Database cluster state')" = "$state" ] || return 0
    start_standby 5 || fail "the standby was down, and is not up within 5 s ($WHY); see $PG_LOG"
    fail "the standby was down, and was started again"
}

# Not known is no. Sets WHY.
is_of_another_cluster() {
    local theirs
    theirs=$(ask_peer 2 "SELECT system_identifier FROM pg_control_system()") && [ -n "$theirs" ] &&
        [ "$theirs" != "$(control 'Database system identifier')" ] || return 1
    WHY="another system identifier than the peer's: is $PGDATA the right one? rejoin.sh makes it a copy"
}

# is_apart_from_peer [TIMELINE]: of which it receives, where it does. Sets WHY.
is_apart_from_peer() {
    local mark
    mark=$(promoted_to)
    [ -n "$mark" ] && [ "${mark%% *}" = "${1:-${mark%% *}}" ] && look_at_peer && shares_only_number || return 1
    WHY="the peer and this server were both promoted to timeline $TIMELINE, apart from each other: run rejoin.sh, which makes a new copy"
}

# The primary has no WAL from where this standby is. Not known is no.
is_wal_gone() {
    [ "$(ask_peer 2 "SELECT min(substr(name, 9)) > substr(pg_walfile_name('$position'::pg_lsn + 1), 9)
        FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")" = t ]
}

# Sets what the standby says of itself. The end is the primary's own, as of its last message; `-` before the
# first of this connection: one that is about to be refused, its WAL gone, streams for a moment, too. How long it is silent for is
# counted from that message, by this machine's clock alone. When the last row was written is the primary's own word, by its clock.
look_at_standby() {
    read -r receiver receives_of end silent_for received came replayed written_at <<<"$(ask 3 "SELECT
        coalesce((SELECT status FROM pg_stat_wal_receiver), '-'),
        coalesce((SELECT received_tli::text FROM pg_stat_wal_receiver), '-'),
        coalesce((SELECT latest_end_lsn::text FROM pg_stat_wal_receiver WHERE
            last_msg_send_time <> last_msg_receipt_time), '-'),
        coalesce((SELECT ceil(extract(epoch FROM clock_timestamp() - last_msg_receipt_time))::bigint::text FROM pg_stat_wal_receiver), '-'),
        coalesce(pg_last_wal_receive_lsn(), '0/0'), $CAME_SQL, coalesce(pg_last_wal_replay_lsn(), '0/0'),
        coalesce(extract(epoch FROM pg_last_xact_replay_timestamp())::text, '-')")"
    position_number=$(lsn_number "$received") && came_number=$(lsn_number "$came") && replayed_number=$(lsn_number "$replayed") || return 1
    position=$received
    # After a restart what was received begins at a segment's start, behind what was replayed.
    [ "$replayed_number" -lt "$position_number" ] ||
        { position=$replayed position_number=$replayed_number; }
}

# Prints, where commits wait for nobody, which position has to be here, as a number; else why nobody knows, and fails. The primary is
# asked: where nothing comes from it any more a walreceiver streams on, by its own word, until wal_receiver_timeout, and what the
# primary said last is long behind. One that does not answer may have too much to do: then its last message counts while it is fresh.
wanted_of_primary() {
    local flushed said
    lsn_number "$end" >/dev/null || { echo "the primary has not said yet how far it is" && return 1; }
    if flushed=$(lsn_number "$(ask_peer 2 "SELECT pg_current_wal_flush_lsn()")"); then
        said=$(lsn_number "$end") # by whom this standby follows, were that another one
        echo $((flushed > said ? flushed : said))
        return 0
    fi
    look_at_standby # the question took its time
    is_number "$silent_for" && [ "$silent_for" -le $FRESH_S ] && lsn_number "$end" && return 0
    ! is_peer_primary 1 || PEER_SAYS="nothing in time"
    echo "nothing has come from the primary for $silent_for s, and to the question how far it is it says: $PEER_SAYS"
    return 1
}

# Prints the lag. Where commits are to wait for us, it is known only while they do: by the primary's word, and what it has seen
# of its checkpointer (prove_waiting), and only once all that it had written by then is here: asked after that, since until
# then commits waited for nobody.
print_lag() {
    local wanted_number sync flushed round
    if [ ${#SYNC_PEERS[@]} -gt 1 ] && [ "$PG_SYNC_ALONE" != wait ]; then # start.sh would refuse: a lost primary is silent
        say "no lag known: of several servers one may acknowledge alone with PG_SYNC_ALONE=$PG_SYNC_ALONE; set wait at all sites" && return 0
    fi
    if [ ${#SYNC_PEERS[@]} -gt 0 ]; then
        read -r sync flushed <<<"$(ask_peer 2 "SELECT coalesce((SELECT CASE WHEN EXISTS ($EXEMPT_SQL) THEN 'exempt' WHEN ($WAITS_SQL) =
                convert_from(pg_read_binary_file('$WAITS', 0, 1000, true), 'UTF8') THEN sync_state ELSE 'unproved' END
                FROM pg_stat_replication WHERE application_name = '$PG_APPLICATION_NAME' AND state = 'streaming'
                ORDER BY sync_state IN ('sync', 'quorum') DESC LIMIT 1), '-')" \
            "SELECT pg_current_wal_flush_lsn()" | tr '\n' ' ')"
        case $sync in
        sync | quorum) ;;
        exempt) say "no lag known: at the primary a role or a database has a synchronous_commit of its own" && return 0 ;;
        unproved) say "no lag known: the primary's readiness.sh has not proved yet (or is older, and cannot) that its commits wait" && return 0 ;;
        '') # it streams all the same: replication may come by another line of pg_hba.conf
            ! is_peer_primary 1 || PEER_SAYS="nothing in time"
            say "no lag known: the primary does not say whether its commits wait for us: $PEER_SAYS" && return 0
            ;;
        *) say "no lag known: the primary does not wait for us ('$sync')" && return 0 ;;
        esac
        wanted_number=$(lsn_number "$flushed") || return 0
    else
        wanted_number=$(wanted_of_primary) || { say "no lag known: $wanted_number" && return 0; }
    fi
    for ((round = 0; position_number < wanted_number && round < 10; round++)); do
        sleep 0.05
        look_at_standby || return 0
    done
    if [ "$came_number" -lt "$replayed_number" ]; then
        say "no lag known: it has more than has come from the primary" # whose history may be another one
    elif [ "$position_number" -ge "$wanted_number" ]; then
        echo "lag_seconds=0"
    elif [ ${#SYNC_PEERS[@]} = 0 ] && [ "$written_at" != - ]; then
        print_age
    fi
}

# How old the last row is that came, never 0, since others are missing; by the clock that says when it was written. That of this
# machine, were it behind, would make a long lag a short one. Where the primary does not say, breakwater goes by the last lag.
print_age() {
    local age
    age=$(ask_peer 2 "SELECT CASE WHEN age > 0 THEN greatest(0.001, round(age, 3)) END
        FROM (SELECT extract(epoch FROM clock_timestamp())::numeric - $written_at AS age) clock WHERE NOT pg_is_in_recovery()")
    [[ $age =~ ^[0-9]+\.[0-9]{3}$ ]] ||
        { say "no lag known: rows are missing, and the primary does not say, by its clock, how old the last one is that came" && return 0; }
    echo "lag_seconds=$age"
}

# True when it could not be promoted: it then has less of these than its primary, whose are in its own control file since the
# change came here, and has stopped replaying. Sets WHY. What only makes a return long is said.
is_too_small() {
    local level hints checksums patience rest senders here there number
    read -r level hints checksums patience rest <<<"$(ask 3 "SELECT current_setting('wal_level'), current_setting('wal_log_hints'),
        current_setting('data_checksums'), (SELECT setting FROM pg_settings WHERE name = 'wal_receiver_timeout'), sizes.*
        FROM ($SIZES_SQL) sizes")"
    read -r -a here <<<"${rest:-}"
    read -r -a there <<<"$(sizes_in_control)"
    senders=${here[2]:-}
    [ "$hints$checksums" != offoff ] ||
        say "wal_log_hints and checksums are off: after its loss as a primary rejoin.sh cannot rewind, and makes a new copy"
    { [ "$level" != minimal ] && [ "$senders" != 0 ]; } || say "wal_level=$level, max_wal_senders=$senders: no standby could follow this server"
    ! is_number "${patience:-}" || { [ "$patience" -gt 0 ] && [ "$patience" -le 10000 ]; } ||
        say "wal_receiver_timeout is $patience ms: so long it keeps a connection on which nothing comes any more (0: for ever); set a few seconds"
    for number in "${!SIZES[@]}"; do
        { is_number "${here[number]:-}" && is_number "${there[number]:-}" && [ "${here[number]}" -lt "${there[number]}" ]; } || continue
        WHY="${SIZES[number]} is ${here[number]} here and ${there[number]} at the primary:"
        WHY+=" it replays no further and could not be promoted; raise it, and restart"
        return 0
    done
    return 1
}

# A standby may run for months by what was set when it began, while the primary waits for one of another name. Not where a move waits
# for us. Whoever starts it next starts it without a target.
keep_settings() {
    [ -z "$target" ] || return 0
    ! LOOKS=yes follow_peer || { [ "$receiver" != streaming ] && has_left_slot; } || return 0
    take_turn -n || return 0
    adopt_settings || say "cannot write $PGDATA/postgresql.auto.conf, or reload it"
    exec {TURN}<&-
    TURN=
    [ -z "$ADOPTED" ] || fail "it streams as $PG_APPLICATION_NAME from here on, as PEER_CONNINFO and PG_SLOTS are now"
}

problem=$(settings_problem) || fail "$problem"
problem=$(version_problem) || fail "$problem"
problem=$(name_problem) || fail "$problem"
! why=$(unfinished) || fail "$why; rejoin.sh goes on with it"
look_at_server
case $SERVER in
primary) on_primary ;;
standby) ;;
down) when_down ;;
*)
    [[ $(words_of_refusal) != *"Hot standby mode is disabled"* ]] || WHY="hot_standby is off: set it on, and restart"
    fail "$WHY"
    ;;
esac
waits= # Not where a move waits for us: it was done before.
[ ${#SYNC_PEERS[@]} = 0 ] || [ "$PG_SYNC_ALONE" != wait ] || [ -n "$target" ] || ask_to_wait || {
    waits="a start has to wait: the checkpointer, at work, has not read synchronous_standby_names yet"
    say "$waits"
}
look_at_standby || fail "the standby does not say where it is"
keep_settings
! is_too_small || fail "$WHY"
problem=0
WHY=$(target_problem) || problem=$?
[ $problem != 1 ] || WHY+=": start it again, by stop.sh"
[ $problem = 0 ] || fail "$WHY"
[ "$receiver" != streaming ] || ! is_apart_from_peer "$receives_of" || fail "$WHY"
[ "$receiver" != streaming ] || print_lag
echo "position=$position"
if [ -n "$target" ]; then
    wanted=$(lsn_number "$target") || fail "BREAKWATER_TARGET_POSITION '$target' is no position"
    [ "$position_number" -ge "$wanted" ] || fail "has $position, not yet $target"
    exit 0
fi
[ "$receiver" != streaming ] || exit 0
# Away, or a standby too: then it could take over. One that does not let us in looks like that to us: people are to see why.
is_peer_primary 1 || { say "no primary streams to us, and the peer is none that answers: $PEER_SAYS${waits:+; $waits}" && exit 0; }
! is_of_another_cluster || fail "$WHY"
! is_apart_from_peer || fail "$WHY"
! is_wal_gone || fail "the peer no longer has the WAL that this standby needs: run rejoin.sh, which makes a new copy"
fail "does not stream from the peer, which is a primary; see $PG_LOG"
