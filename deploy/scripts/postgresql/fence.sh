#!/bin/bash
# The fast cut: nothing of this data directory runs when it has ended well, no session goes on, no
# promotion that was asked for happens, and what starts the server next gets a standby. Ends a
# standby too, because a promotion may be under way in it. Exits 0 only when nothing was seen twice.
CLUSTER_READER=read_cluster_files
IS_PATIENT=yes
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

# Of a cluster, where its server is Debian's reader alone knows (what is included counts, and what ALTER SYSTEM has set), and that is
# a program that may hang. No kill waits for it but for a moment: then a child begins where the files as they stand have it. Whatever
# becomes of that one, a disk that hangs too, what the reader says within its 2 s has the last word: where it is another place the
# fence is there, and at once. Returns only where it is to go on here.
fence_cluster() {
    local place="$PGDATA $PGHOST $PGPORT" has_said=''
    exec {READER}< <(read_cluster)
    trap cut_off TERM
    if hear_reader 0.3; then
        has_said=yes
    else
        begin_by_files
        ! hear_reader 2.2 || has_said=yes
    fi
    exec {READER}<&-
    [ -z "$has_said" ] || [ -z "$SAID" ] || { CLUSTER_SETTINGS=$SAID && set_place; }
    if [ "$place" = "$PGDATA $PGHOST $PGPORT" ]; then
        [ -n "$by_files" ] || return 0
        wait "$by_files"
        exit
    fi
    if problem=$(place_problem); then
        [ -z "$by_files" ] || kill -KILL "$by_files" 2>/dev/null
        export PGHOST PGPORT
        PLACE_IS_KNOWN=yes exec "$BASH" "${BASH_SOURCE[0]}"
    fi
    [ -n "$by_files" ] || begin_by_files
    wait "$by_files"
    fail "$problem"
}

# hear_reader SECONDS: adds to SAID; true once it has said all.
hear_reader() {
    local part
    IFS= read -r -d '' -t "$1" -u "$READER" part
    set -- $?
    SAID+=$part
    [ "$1" -le 128 ]
}

begin_by_files() {
    PGDATA=${GIVEN[0]} PGHOST=${GIVEN[1]} PGPORT=${GIVEN[2]} PLACE_IS_KNOWN=yes "$BASH" "${BASH_SOURCE[0]}" &
    by_files=$!
}

# Whoever fences where the files have it says what it has seen.
cut_off() {
    local round
    for ((round = 0; round < 10; round++)); do
        { [ -n "$by_files" ] && kill -TERM "$by_files" 2>/dev/null; } || break
        sleep 0.01
    done
    fail "cut off before the end was seen of what pg_conftool or the files of $PG_CLUSTER name"
}

by_files= # who fences where the files have it
SAID=
if [ -n "$PG_CLUSTER" ] && [ -z "${PLACE_IS_KNOWN:-}" ]; then
    fence_cluster
fi
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
