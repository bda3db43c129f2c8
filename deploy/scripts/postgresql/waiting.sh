# shellcheck shell=bash disable=SC2034,SC2015
# waiting.sh - for whom the commits of a server wait, and how that is known. Sourced, after server.sh.

# In PGDATA of a server that runs: for whom its commits are known to wait, and what was asked to know it. See prove_waiting.
WAITS=breakwater.waits
ASKED=breakwater.asked

# Names in force make no commit wait: that does a flag in shared memory, which the checkpointer alone sets, when it
# takes the reload. In the midst of a fast checkpoint it takes none, for minutes where the disk is slow, while all others
# have read the names, and pg_stat_replication says `sync`. Before each checkpoint it takes what is pending; so commits
# wait once it has begun one after the reload, and another one: the first may have been just about to begin.

# And that is not all: only with `on` or `remote_apply` does a commit wait until a standby has it on its disk. With `local` and
# `off` it waits for nobody, with `remote_write` for what goes with that standby's machine; pg_stat_replication says `sync` all
# the same. A change of it is a reload, too.

# Of the server that is asked: which checkpointer, which reload, which names; nothing where synchronous_commit asks for less. In
# a new connection only, which has the reload from the postmaster: that has then passed it on.
WAITS_SQL="SELECT extract(epoch FROM backend_start) || ' ' || extract(epoch FROM pg_conf_load_time()) || ' ' ||
    current_setting('synchronous_standby_names') FROM pg_stat_activity WHERE backend_type = 'checkpointer' AND
    current_setting('synchronous_commit') IN ('on', 'remote_apply')"

# Whose commits may ask for less than the server: each role or database that has a synchronous_commit of its own, and one
# that this very question is under whatever it asks for, since it hides the server's.
EXEMPT_SQL="SELECT concat_ws(' in ', coalesce('role ' || rolname, 'every role'), 'database ' || datname)
    FROM pg_db_role_setting CROSS JOIN unnest(setconfig) entry LEFT JOIN pg_roles ON pg_roles.oid = setrole
        LEFT JOIN pg_database ON pg_database.oid = setdatabase
    WHERE entry ~* '^synchronous_commit=' AND (entry !~* '=(on|true|yes|1|remote_apply)$' OR
        coalesce(rolname, current_user) = current_user AND coalesce(datname, current_database()) = current_database())"

# Why commits do not wait for a standby's disk, whatever the names are; success where the server's setting makes them.
server_commit_problem() {
    local setting
    setting=$(ask 3 "SHOW synchronous_commit") || { echo "the server does not say its synchronous_commit" && return 1; }
    case $setting in
    on | remote_apply) ;;
    *) echo "synchronous_commit is '$setting': commits do not wait until a standby has them on disk" && return 1 ;;
    esac
}

# The same of every commit, but of what a session sets for itself, which nobody sees.
commit_problem() {
    local exempt
    server_commit_problem || return 1
    exempt=$(ask 3 "$EXEMPT_SQL LIMIT 1") || { echo "the server does not say who has a synchronous_commit of its own" && return 1; }
    [ -z "$exempt" ] || { echo "$exempt has a synchronous_commit of its own: its commits may wait for nobody" && return 1; }
}

# Puts them in force, by LIMIT.
set_sync_names() {
    until [ "$(ask 3 "SHOW synchronous_standby_names")" = "$1" ]; do
        [ $SECONDS -lt "$LIMIT" ] || return 1
        ask 3 "ALTER SYSTEM SET synchronous_standby_names = '$1'" "SELECT pg_reload_conf()" >/dev/null || return 1
        sleep 0.02
    done
}

# prove_waiting SECONDS: true when every commit from here on waits for the names in force, but for those of EXEMPT_SQL: $WAITS
# then says so, for as long as nothing is reloaded or started. A checkpoint may outlast the script, and goes on without it: a primary's that
# has ended since shows in the control file, by where it began; a standby's second one has little to do.
prove_waiting() {
    local state asked=() made=0 from=- rest deadline=$((SECONDS + $1))
    state=$(ask 3 "$WAITS_SQL") && [ -n "$state" ] || return 1
    [ "$(as_server cat "$PGDATA/$WAITS" 2>/dev/null)" != "$state" ] || return 0
    read -ra asked <<<"$(as_server cat "$PGDATA/$ASKED" 2>/dev/null)"
    [ "${asked[*]:2}" != "$state" ] || ! is_number "${asked[0]}" || { made=${asked[0]} from=${asked[1]}; }
    while [ "$made" -lt 2 ]; do
        if [ "$from" = - ]; then
            from=$(ask 3 "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
                ELSE pg_logical_emit_message(false, 'breakwater', '')::text END") && [ -n "$from" ] || return 1
            write_note "$ASKED" "$made $from $state" || return 1
        fi
        if ! has_begun_at "$from"; then
            rest=$((deadline - SECONDS)) # 0 would be no limit
            [ $rest -gt 0 ] && ask $rest CHECKPOINT >/dev/null || has_begun_at "$from" || return 1
        fi
        made=$((made + 1)) from=-
    done
    write_note "$WAITS" "$state"
}

# A checkpoint that has ended had begun when the WAL was there, or behind it.
has_begun_at() {
    lsn_number "$1" >/dev/null && [ "$(ask 3 "SELECT redo_lsn >= '$1' FROM pg_control_checkpoint()")" = t ]
}

# What synchronous_standby_names is to be.
sync_names() {
    local name text=
    for name in "${SYNC_PEERS[@]}"; do
        text+="${text:+, }\"$name\""
    done
    [ ${#SYNC_PEERS[@]} -le 1 ] && echo "FIRST 1 ($text)" || echo "ANY 1 ($text)"
}
OUR_NAMES='^(FIRST|ANY) 1 \((".*")\)$'

# What they are when a person reads them.
words_of_names() {
    local text=$1
    [[ ! $1 =~ $OUR_NAMES ]] || text=${BASH_REMATCH[2]//[\",]/}
    echo "$text"
}

# For how many standbys a commit waits by these names, as PostgreSQL reads them.
count_of_names() {
    [[ ${1^^} =~ ^\ *((FIRST|ANY)\ +)?([1-9][0-9]{0,3})\ *\( ]] && echo "${BASH_REMATCH[3]}" || echo 1
}
