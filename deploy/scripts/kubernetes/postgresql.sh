# shellcheck shell=bash disable=SC2015,SC2034,SC2154
# postgresql.sh - PostgreSQL under an operator that runs it by Patroni: when its database can be written to,
# when it surely cannot, and how it is made either. Sourced by the `setting.sh` of a set, which says by which
# setting of the object the operator is told.
#
# The object carries one annotation more than those of object.sh:
#   breakwater/underway  `yes` while the operator may still have a promotion in its hands: from before a
#                        start changes anything until the operator was seen at rest, and from when a
#                        stop found that somebody else had asked for one
# Of what the object says only the operator's orders are believed. Whether anything can be written is asked
# of each member's database, and what Patroni will do of the object in which it keeps its settings.
#
# A set defines
#   setting_template, forget_setting, take_setting K V   as object.sh's own_template, forget, take_line
#   is_dormant, add_closing  see object.sh; the latter calls note_promotion, where a database that follows is the end
#   add_opening              adds to `operations` what is still missing for a primary; 1: nothing is
#   opening_problem          prints why it cannot be made a primary and a standby again; 1: nothing speaks
#                            against it
#   peer                     prints HOST PORT of what a standby here follows; empty: not known
#   patroni_standby          prints the part of Patroni's settings that makes a standby, in JSON without `\`
#   mirror_secret, mirror_lacks                          see mirror.sh

. "${BASH_SOURCE[0]%/*}/object.sh" || exit 1

POSTGRES_NAMESPACE=${POSTGRES_NAMESPACE:-pg-namespace}
POSTGRES_CLUSTER=${POSTGRES_CLUSTER:-acid-pg}
POSTGRES_PODS=${POSTGRES_PODS:-application=spilo,cluster-name=$POSTGRES_CLUSTER}
POSTGRES_PORT=${POSTGRES_PORT:-5432}
POSTGRES_PATRONI_OBJECT=${POSTGRES_PATRONI_OBJECT:-endpoints}
POSTGRES_NODE_SELECTOR=${POSTGRES_NODE_SELECTOR:-}
POSTGRES_REQUEST_TIMEOUT=${POSTGRES_REQUEST_TIMEOUT:-5}
POSTGRES_START_TIMEOUT=${POSTGRES_START_TIMEOUT:-300}
POSTGRES_STOP_TIMEOUT=${POSTGRES_STOP_TIMEOUT:-180}
POSTGRES_FENCE_TIMEOUT=${POSTGRES_FENCE_TIMEOUT:-50}
POSTGRES_REJOIN_TIMEOUT=${POSTGRES_REJOIN_TIMEOUT:-600}
POSTGRES_TARGET_TIMEOUT=${POSTGRES_TARGET_TIMEOUT:-10}
POSTGRES_QUIET=${POSTGRES_QUIET:-11}
POSTGRES_POD_GRACE=${POSTGRES_POD_GRACE:-300}
POSTGRES_OPERATOR_LAG=${POSTGRES_OPERATOR_LAG:-30}
export PGUSER=${PGUSER:-postgres}
. "${BASH_SOURCE[0]%/*}/mirror.sh" || exit 1

# What object.sh wants to know.
KIND=postgresqls.acid.zalan.do OBJECT=$POSTGRES_CLUSTER NAMESPACE=$POSTGRES_NAMESPACE
PODS_WANTED=$POSTGRES_PODS POD_LABEL=spilo-role
NODES_WANTED=$POSTGRES_NODE_SELECTOR NODES_SETTING=POSTGRES_NODE_SELECTOR
REQUEST_TIMEOUT=$POSTGRES_REQUEST_TIMEOUT POD_GRACE=$POSTGRES_POD_GRACE

# What is wrong with the settings, of which "$@" are numbers as well; empty and success when nothing is.
settings_problem() {
    common_problem "POSTGRES_NAMESPACE POSTGRES_CLUSTER POSTGRES_PEER_NAMESPACE POSTGRES_PEER_CLUSTER" \
        "POSTGRES_PORT POSTGRES_REQUEST_TIMEOUT POSTGRES_QUIET POSTGRES_POD_GRACE POSTGRES_OPERATOR_LAG $*" psql || return 1
    case $POSTGRES_PATRONI_OBJECT in
    endpoints | configmaps) return 0 ;;
    esac
    echo "POSTGRES_PATRONI_OBJECT must be 'endpoints' or 'configmaps', not '$POSTGRES_PATRONI_OBJECT'"
    return 1
}

# ---- the object ---------------------------------------------------------------------------------

own_template() {
    printf '%s' 'doing {{with .status}}{{with .PostgresClusterStatus}}{{.}}{{end}}{{end}}{{"\n"}}' \
        'instances {{with .spec.numberOfInstances}}{{.}}{{end}}{{"\n"}}' \
        'uid {{.metadata.uid}}{{"\n"}}' \
        '{{range .metadata.ownerReferences}}{{if .controller}}owner {{.kind}}/{{.name}}{{"\n"}}{{end}}{{end}}' \
        '{{with .spec.patroni}}{{range .pg_hba}}hba {{.}}{{"\n"}}{{end}}{{end}}'
    annotation_template underway underway
    setting_template
}

forget() {
    DOING='' INSTANCES='' UNDERWAY='' OBJECT_UID='' OWNER='' HBA=()
    forget_setting
}

# Sets DOING (what the operator says that it does), INSTANCES, UNDERWAY, OBJECT_UID, OWNER (KIND/NAME of the object that
# controls it) and HBA (the lines of its pg_hba, if it has its own), and what the set takes.
take_line() {
    case $1 in
    doing) DOING=$2 ;;
    instances) INSTANCES=$2 ;;
    underway) UNDERWAY=$2 ;;
    uid) OBJECT_UID=$2 ;;
    owner) OWNER=$2 ;;
    hba) HBA+=("$2") ;;
    *) take_setting "$1" "$2" ;;
    esac
}

# Prints why the object, as it was read, cannot be led from here; 1: nothing speaks against it. goharbor's operator writes the
# whole object again at each change of its HarborCluster, with the pg_hba of its own that has no line for a socket.
object_problem() {
    local line kind database user has_local='' has_standby=''
    if [[ $OWNER == HarborCluster/* ]]; then
        echo "$KIND/$OBJECT is controlled by $OWNER, whose operator writes numberOfInstances back, so a stop here would not hold." \
            "Give that HarborCluster an external database (spec.database.kind: PostgreSQL), which is a $KIND object of its own"
        return 0
    fi
    [ ${#HBA[@]} -gt 0 ] || return 1
    for line in "${HBA[@]}"; do
        read -r kind database user _ <<<"$line"
        [[ $kind != local || ,$database, != *,all,* || ! ,$user, =~ ,(all|postgres), ]] || has_local=yes
        [[ $kind != host* || ,$database, != *,replication,* || ! ,$user, =~ ,(all|standby), ]] || has_standby=yes
    done
    [ -n "$has_local" ] || { echo "spec.patroni.pg_hba of $KIND/$OBJECT has no line for the socket, by which Patroni connects; add: local all all trust" && return 0; }
    [ -n "$has_standby" ] || { echo "spec.patroni.pg_hba of $KIND/$OBJECT has no line for replicas; add: hostssl replication standby all md5" && return 0; }
    return 1
}

# A database that follows keeps its pods.
is_end() {
    return 0
}

# True while the operator is seen to do what may be a promotion that was asked of it: it works through one change of
# the object after the other, for minutes, and tells Patroni at the end.
is_promotion_in_hand() {
    [ -n "$UNDERWAY" ] && { [ "$DOING" = Updating ] || is_operator_behind; }
}

# Of an object that is to be a primary while Patroni was not seen to be told, whoever has asked for it: the operator may
# be on its way there, and what this asks comes after that.
note_promotion() {
    [ "$(patroni_word)" = primary ] || operations+=("$(annotation underway yes)")
}

# For how many seconds an end has to be seen without a break. Where a promotion was under way, an operator that does not
# say which change it has seen may not have begun with that one: it says `Updating` only then, and in its rounds never.
quiet_seconds() {
    if [ -n "$UNDERWAY" ] && [ -z "$OBSERVED" ] && [ "$POSTGRES_OPERATOR_LAG" -gt "$POSTGRES_QUIET" ]; then
        echo "$POSTGRES_OPERATOR_LAG"
    else
        echo "$POSTGRES_QUIET"
    fi
}

# ---- the databases ------------------------------------------------------------------------------

# ask_database SECONDS HOST PORT SQL...: one connection, each SQL a statement of its own, fields apart by a
# blank.
ask_database() {
    local seconds=$1 host=$2 port=$3 sql arguments=()
    shift 3
    for sql in "$@"; do
        arguments+=(-c "$sql")
    done
    PGCONNECT_TIMEOUT=3 PGOPTIONS="-c statement_timeout=${seconds}s" timeout -k 1 "$((seconds + 3))" \
        psql -XAtqw -F ' ' -v ON_ERROR_STOP=1 -h "$host" -p "$port" -d postgres "${arguments[@]}" </dev/null
}

# The same of the other site's, with what psql complains of. Fails at once where none is known.
ask_peer() {
    local seconds=$1 host port
    shift
    read -r host port <<<"$(peer)"
    [ -n "$host" ] && ask_database "$seconds" "$host" "${port:-5432}" "$@"
}

# What the database at address $1 says: primary (it can be written to), standby, read-only (by a setting
# that any session may change), down (nobody listens there), unclear.
database_word() {
    local answer
    answer=$(ask_database 3 "$1" "$POSTGRES_PORT" "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
        WHEN current_setting('transaction_read_only') = 'on' THEN 'read-only' ELSE 'primary' END" 2>&1)
    case $answer in
    primary | standby | read-only) echo "$answer" ;;
    *'Connection refused'*) echo down ;;
    *) say "$1: ${answer:-no answer}" && echo unclear ;;
    esac
}

# A line for each of the pods $1: NAME WORD ADDRESS LABEL. One without an address has not begun to run.
look_at_members() {
    local name label node address state
    [ -n "$1" ] || return 0
    while read -r name label node address state; do
        if [ "$address" = - ]; then
            echo "$name down - $label"
        else
            echo "$name $(database_word "$address") $address $label" &
        fi
    done <<<"$1"
    wait
}

# The members $1 that may be written to, or of which nobody knows.
open_members() {
    awk 'NF && $2 != "standby" && $2 != "down" { printf "%s (%s) ", $1, $2 }' <<<"$1"
}

# The address of the one member of $1 that can be written to; 1: there is none, or more than one.
primary_of() {
    awk '$2 == "primary" { n++; address = $3 } END { if (n == 1) print address; exit n != 1 }' <<<"$1"
}

# The address of the member of $1 that would be promoted.
leader_of() {
    awk '$2 == "standby" && $4 ~ /^(master|primary|standby_leader)$/ { n++; address = $3 }
        END { if (n == 1) print address; exit n != 1 }' <<<"$1"
}

# A position as a number that can be compared; fails on anything else.
lsn_number() {
    [[ $1 =~ ^([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})$ ]] || return 1
    echo $((16#${BASH_REMATCH[1]} << 32 | 16#${BASH_REMATCH[2]}))
}

# Sets what the standby at address $1 says of itself: receiver and the timeline that it receives, the end of the primary
# as of its last message (`-` before the first of this connection: one that is about to be refused, its WAL gone, streams
# for a moment, too), what was received and replayed as numbers, position and its number, when the last row was written, by
# the primary's clock, and the mark.
look_at_standby() {
    local received replayed
    read -r receiver receives end received replayed written_at mark <<<"$(ask_database 3 "$1" "$POSTGRES_PORT" "SELECT
        coalesce((SELECT status FROM pg_stat_wal_receiver), '-'),
        coalesce((SELECT received_tli::text FROM pg_stat_wal_receiver), '-'),
        coalesce((SELECT latest_end_lsn::text FROM pg_stat_wal_receiver WHERE
            last_msg_send_time <> last_msg_receipt_time), '-'),
        coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0'),
        coalesce(extract(epoch FROM pg_last_xact_replay_timestamp())::text, '-'), $MARK_SQL" 2>/dev/null)"
    received_number=$(lsn_number "$received") && replayed_number=$(lsn_number "$replayed") || return 1
    position=$received position_number=$received_number
    # After a restart what was received begins at a segment's start, behind what was replayed.
    [ "$replayed_number" -lt "$position_number" ] ||
        { position=$replayed position_number=$replayed_number; }
}

# ---- timelines ----------------------------------------------------------------------------------

# Two sites that are promoted and do not know of each other take the same number for their timelines, and neither a
# walreceiver nor Patroni sees more than the number. So a primary writes once for each timeline which site's object made it,
# the mark `TIMELINE UID`, into a large object of database postgres: it goes wherever the data goes, by replication, too, and
# any user may write one. Numbers below 16384 are given to nobody.
MARK_OBJECT=7341
MARK_SQL="coalesce((SELECT encode(lo_get(oid), 'escape') FROM pg_largeobject_metadata WHERE oid = $MARK_OBJECT AND
    lomowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)), '-')"
# Of a primary: its timeline, how far it has written, and the mark; of a standby nothing of the first two.
PRIMARY_SQL="SELECT CASE WHEN pg_is_in_recovery() THEN '-' ELSE
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text END,
    CASE WHEN pg_is_in_recovery() THEN '-' ELSE pg_current_wal_lsn()::text END, $MARK_SQL"

# Has the primary at address $1 marked, and sets how far it has written. With the mark goes a length of its own: of two that
# wrote the same lengths up to a point the one would replay what the other writes from there on, over rows of its own.
mark_timeline() {
    local timeline mark
    read -r timeline position mark <<<"$(ask_database 3 "$1" "$POSTGRES_PORT" "$PRIMARY_SQL")"
    [[ $timeline == [1-9]* ]] && [ "${mark%% *}" != "$timeline" ] || return 0
    ask_database 5 "$1" "$POSTGRES_PORT" "SELECT pg_logical_emit_message(true, 'breakwater', repeat(' ', (random() * 9999)::int));
        SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = $MARK_OBJECT;
        SELECT lo_from_bytea($MARK_OBJECT, '$timeline $OBJECT_UID')" >/dev/null ||
        say "large object $MARK_OBJECT of $1 cannot be written: nobody can tell its timeline $timeline from another one of that number"
}

# Sets what the peer says of itself, as PRIMARY_SQL has it; empty: it does not answer, and peer_silence says why: one that does
# not let us in is not one that is away.
look_at_peer() {
    local answer
    peer_timeline='' peer_end='' peer_mark='' peer_silence=''
    if answer=$(ask_peer "$1" "$PRIMARY_SQL" 2>&1); then
        read -r peer_timeline peer_end peer_mark <<<"${answer##*$'\n'}" # a warning, of a file of passwords, say, comes before
    else
        peer_silence=${answer//$'\n'/ }
        peer_silence=${peer_silence:-silent, or not known}
    fi
}

# True where this data was promoted to the timeline of the peer, a primary, and the peer's was by another promotion: what
# both have written there differs, however it fits. Sets why. After look_at_standby and look_at_peer.
is_apart() {
    [ "${mark%% *}" = "$peer_timeline" ] && [ "$mark" != - ] && [ "$mark" != "$peer_mark" ] || return 1
    why="both sites were promoted to timeline $peer_timeline, apart from each other, which nothing undoes: a new copy is a person's to make"
}

# True where this site made the timeline that its standby receives.
receives_own() {
    [ "$receiver" = streaming ] && [ "$mark" = "$receives $OBJECT_UID" ]
}

# True once the standby is seen to replay what the peer writes. That it receives is not enough: from a peer that was
# promoted apart it gets all, and waits, or stumbles, where its own ends. $1: what it had replayed when it began to.
# Without a word of who made the peer's timeline that is seen in what is replayed alone.
replays_peer() {
    if [ "${peer_mark%% *}" = "$peer_timeline" ]; then
        [ "$mark" = "$peer_mark" ]
    else
        [ "$received_number" -ge "$replayed_number" ] &&
            { [ "$replayed_number" -gt "$1" ] || [ "$replayed_number" -ge "$(lsn_number "$peer_end")" ]; }
    fi
}

# ---- Patroni ------------------------------------------------------------------------------------

# What Patroni is set to, in its own object: standby, primary; 1: nobody says.
patroni_word() {
    local settings
    settings=$(ask_whole '{{with .metadata.annotations}}{{with .config}}{{.}}{{end}}{{end}}{{"\n"}}' \
        "$POSTGRES_PATRONI_OBJECT" "$OBJECT-config") || return 1
    [[ $settings == '{'* ]] || { say "$OBJECT-config has no settings of Patroni" && return 1; }
    if [[ $settings =~ '"standby_cluster":'\ ?'{'[^{}]*'"'(host|port|restore_command)'":'\ ?('"'[^\"]|[1-9]) ]]; then
        echo standby
    else
        echo primary
    fi
}

# Tells Patroni itself, which the operator does only once it has restarted pods. Of settings that were read while no
# later start had begun: what was changed since, by one, is refused.
push_standby() {
    local part settings
    settings=$(ask get "$POSTGRES_PATRONI_OBJECT" "$OBJECT-config" -o json) && read_object && may_cut || return
    part=$(patroni_standby | sed 's/"/\\\\"/g; s/[&#]/\\&/g')
    # No `|` between these: an escaped one GNU's sed takes as it stands in the expression, and busybox's as a letter.
    sed -E '/^ *"config": "/{
        s#\\"standby_cluster\\": ?(null|\{[^{}]*\}),?##
        s#"config": "\{#&\\"standby_cluster\\":'"$part"',#
        s#,\}"(,?)$#}"\1#
    }' <<<"$settings" | ask replace -f - >/dev/null
}

# ---- the end ------------------------------------------------------------------------------------

# end_database SECONDS [push]: exits 0 only once the epoch is over at the API server, Patroni is set to a
# standby, every member was seen to be one or to be gone, the nodes that had members have none that nobody sees, and all of it
# stayed so for POSTGRES_QUIET seconds: what Patroni has just begun on older settings shows by then; or for
# POSTGRES_OPERATOR_LAG, see quiet_seconds.
end_database() {
    local how=${2:-} pods silent members open word quiet_since='' why='' operations
    deadline=$((SECONDS + $1)) EPOCH=${BREAKWATER_EPOCH:-0}
    while [ $SECONDS -lt "$deadline" ]; do
        close_epoch || break
        word=$(patroni_word) || { quiet_since='' why="Patroni's settings cannot be read" && continue; }
        if [ "$word" != standby ]; then
            quiet_since='' why="Patroni is not set to a standby: the operator has not told it"
            [ "$how" != push ] || push_standby
            continue
        fi
        pods=$(list_pods) || { quiet_since='' && continue; }
        members=$(look_at_members "$pods")
        # shellcheck disable=SC2086
        silent=$(silent_nodes $NODES) || { quiet_since='' && continue; }
        open=$(open_members "$members")
        if [ -n "$open$silent" ] || is_promotion_in_hand; then
            quiet_since=
            why="not seen as standbys: ${open:-none}; nodes that may run what they had: ${silent:-none}"
            ! is_promotion_in_hand || why+="; the operator may still promote ($DOING)"
            continue
        fi
        # Seen before, and still so.
        [[ $MARK != *-ended || -n $why ]] || exit 0
        quiet_since=${quiet_since:-$(seconds_up)}
        [ $(($(seconds_up) - quiet_since)) -gt "$(quiet_seconds)" ] ||
            { why="every member is a standby, not yet for $(quiet_seconds) s" && continue; }
        [ -n "$MARK$NODES$UNDERWAY" ] && [[ $MARK != *-ended ]] || exit 0
        operations=("$(annotation nodes '')" "$(annotation underway '')")
        [ -z "$MARK" ] || goes_on || operations+=("$(annotation "$MARK_NAME" "$(mark_epoch)-ended")")
        ! patch "${operations[@]}" || exit 0
    done
    fail "not seen to have ended within $1 s: ${why:-the API server does not say}"
}

stop_database() {
    problem=$(settings_problem POSTGRES_STOP_TIMEOUT) || fail "$problem"
    end_database "$POSTGRES_STOP_TIMEOUT"
}

fence_database() {
    problem=$(settings_problem POSTGRES_FENCE_TIMEOUT) || fail "$problem"
    end_database "$POSTGRES_FENCE_TIMEOUT" push
}

# ---- the start ----------------------------------------------------------------------------------

# What was received is replayed before a promotion ends.
wait_for_target() {
    local target=${BREAKWATER_TARGET_POSITION:-} wanted members leader until=$((SECONDS + POSTGRES_TARGET_TIMEOUT))
    [ -n "$target" ] || return 0
    wanted=$(lsn_number "$target") || refuse "BREAKWATER_TARGET_POSITION '$target' is no position"
    while :; do
        members=$(look_at_members "$(list_pods)")
        leader=$(leader_of "$members") && look_at_standby "$leader" && [ "$position_number" -ge "$wanted" ] &&
            return 0
        [ $SECONDS -lt $until ] || refuse "position $target is not here after $POSTGRES_TARGET_TIMEOUT s"
        sleep 0.1
    done
}

# True once a transaction was written, to what `address` is set to; else sets why.
is_writable() {
    local pods members word
    word=$(patroni_word) && [ "$word" = primary ] ||
        { why="the operator has not told Patroni to be a primary" && return 1; }
    pods=$(list_pods) || { why="its pods cannot be listed" && return 1; }
    members=$(look_at_members "$pods")
    address=$(primary_of "$members") ||
        { why="no one primary: $(awk '{ printf "%s %s, ", $1, $2 }' <<<"$members")" && return 1; }
    ask_database 5 "$address" "$POSTGRES_PORT" \
        "SELECT pg_logical_emit_message(true, 'breakwater', 'epoch $EPOCH')" >/dev/null ||
        { why="$address is a primary, and nothing could be written" && return 1; }
}

# open_database [FUNCTION]: claims the epoch that was begun, has the database opened, and waits until a transaction was
# written; calls FUNCTION at each look.
# shellcheck disable=SC2120 # who sources this file gives FUNCTION
open_database() {
    local operations
    claim_epoch "$(annotation underway yes)"
    while operations=() && add_opening; do
        patch "${operations[@]}"
        next_look_inside
    done
    until is_writable; do
        "${1:-true}"
        next_look_inside
    done
}

start_database() {
    local clear=() address position peer_timeline peer_end peer_mark peer_silence
    problem=$(settings_problem POSTGRES_START_TIMEOUT POSTGRES_TARGET_TIMEOUT) || refuse "$problem"
    START_SECONDS=$POSTGRES_START_TIMEOUT deadline=$((SECONDS + POSTGRES_START_TIMEOUT)) why=
    begin_epoch
    ! problem=$(object_problem) || refuse "$problem"
    ! problem=$(opening_problem) || refuse "$problem"
    if is_dormant; then
        # A second look at what the lease promises: two primaries are worse than none.
        look_at_peer 1
        [ "${peer_timeline:--}" = - ] || refuse "the peer is a primary that can write"
        [ -z "$peer_silence" ] || say "no word from the peer: $peer_silence"
        wait_for_target
    fi
    # shellcheck disable=SC2119 # a start has no FUNCTION
    open_database
    mark_timeline "$address"
    [ "$DOING" = Updating ] || is_operator_behind || clear=("$(annotation underway '')")
    end_start "${clear[@]}"
}

# ---- what is asked ------------------------------------------------------------------------------

answer() {
    say "$2"
    echo "$1"
    exit 0
}

# started: one member can be written to, and is to be; stopped: no member can, nor can one begin to by what was seen.
status_database() {
    local pods members silent open word
    problem=$(settings_problem) || answer unknown "$problem"
    read_object || answer unknown "the object $NAMESPACE/$OBJECT cannot be read"
    pods=$(list_pods) || answer unknown "its pods cannot be listed"
    word=$(patroni_word) || answer unknown "Patroni's settings cannot be read"
    members=$(look_at_members "$pods")
    open=$(open_members "$members")
    if ! is_dormant; then
        [ "$word" = primary ] || answer unknown "it is to be a primary, and Patroni is set to a standby"
        primary_of "$members" >/dev/null || answer unknown "no one primary; not standbys: ${open:-none}"
        answer started "${open% } can be written to"
    fi
    [ "$word" = standby ] || answer unknown "it is to be a standby, and Patroni is set to a primary"
    [ -z "$open" ] || answer unknown "it is to be a standby, and these are none: $open"
    # shellcheck disable=SC2086
    silent=$(silent_nodes $NODES) || answer unknown "the nodes cannot be listed"
    [ -z "$silent" ] || answer unknown "no member can be written to, but these nodes may run what they had: $silent"
    case $MARK in
    *-starting) answer unknown "a start of epoch ${MARK%-*} was begun, and nobody has seen its end" ;;
    *-ending) answer unknown "a stop of epoch ${MARK%-*} was begun, and has not seen its end" ;;
    esac
    [ -z "$UNDERWAY" ] || answer unknown "the operator may still promote: no stop has seen the end of what was asked of it"
    answer stopped "every member is a standby or down: $(awk '{ printf "%s %s, ", $1, $2 }' <<<"$members")"
}

# Prints `lag_seconds=`, of what streams, where it is known.
print_lag() {
    local end_number
    [ "$receiver" = streaming ] && end_number=$(lsn_number "$end") || return 0
    if [ "$received_number" -lt "$replayed_number" ]; then
        say "no lag known: it has more than has come from the peer" # whose history may be another one
    elif receives_own && [ "$mark" != "$peer_mark" ]; then
        say "no lag known: timeline $receives was made here, and the peer does not say that it has the same one"
    elif [ "$position_number" -ge "$end_number" ]; then
        echo "lag_seconds=0"
    elif [ "$written_at" != - ]; then
        print_age
    fi
}

# How old the last row is that came, never 0, since others are missing; by the clock that says when it was written. That of this
# site, were it behind, would make a long lag a short one. Where the primary does not say, breakwater goes by the last lag.
print_age() {
    local age
    age=$(ask_peer 1 "SELECT CASE WHEN age > 0 THEN greatest(0.001, round(age, 3)) END
        FROM (SELECT extract(epoch FROM clock_timestamp())::numeric - $written_at AS age) clock WHERE NOT pg_is_in_recovery()" 2>/dev/null)
    [[ $age =~ ^[0-9]+\.[0-9]{3}$ ]] ||
        { say "no lag known: rows are missing, and the peer does not say, by its clock, how old the last one is that came" && return 0; }
    echo "lag_seconds=$age"
}

# Prints `position=` and, where it is known, `lag_seconds=`. Exits 0 when a start could begin here.
readiness_database() {
    local pods members leader address wanted peer_timeline='' peer_end peer_mark='' peer_silence='' target=${BREAKWATER_TARGET_POSITION:-}
    problem=$(settings_problem) || fail "$problem"
    read_object || fail "the object $NAMESPACE/$OBJECT cannot be read"
    ! problem=$(object_problem) || fail "$problem"
    ! problem=$(opening_problem) || fail "$problem"
    [ "$(ask auth can-i patch "$KIND")" = yes ] || fail "no right to patch $KIND in $NAMESPACE"
    [ "$(ask auth can-i update "$POSTGRES_PATRONI_OBJECT/$OBJECT-config")" = yes ] ||
        fail "no right to update $POSTGRES_PATRONI_OBJECT in $NAMESPACE: a fence could not tell Patroni"
    patroni_word >/dev/null || fail "Patroni's settings cannot be read"
    pods=$(list_pods) || fail "its pods cannot be listed"
    members=$(look_at_members "$pods")
    if ! is_dormant; then
        address=$(primary_of "$members") || fail "no one primary: $(open_members "$members")"
        mark_timeline "$address" # made by Patroni alone, or by a person
        echo "position=$position"
        exit 0
    fi
    leader=$(leader_of "$members") || fail "no one standby that Patroni would promote"
    look_at_standby "$leader" || fail "the standby does not say where it is"
    # Once a move has begun it was asked.
    if [ -z "$target" ]; then
        need_mirror
        [ "$receiver" = streaming ] && ! receives_own || look_at_peer 1
        ! is_apart || fail "$why"
    fi
    print_lag
    echo "position=$position"
    if [ -n "$target" ]; then
        wanted=$(lsn_number "$target") || fail "BREAKWATER_TARGET_POSITION '$target' is no position"
        [ "$position_number" -ge "$wanted" ] || fail "has $position, not yet $target"
        exit 0
    fi
    [ "$receiver" != streaming ] || exit 0
    [ "${peer_timeline:--}" = - ] || fail "does not stream from the peer, which is a primary"
    [ -z "$peer_silence" ] || say "no primary streams to us, and there is no word from the peer: $peer_silence"
}

# Waits until the standby streams on the peer's timeline, has what the peer had when it was first seen to, and replays
# what the peer writes: one that begins to stream and breaks off again, as with data that does not fit, follows nobody.
# Destroys nothing by itself; see README.md for what Patroni does.
rejoin_database() {
    local members leader pods until position_number position received_number replayed_number receiver receives end written_at mark
    local peer_timeline peer_end peer_mark peer_silence wanted='' began_at
    problem=$(settings_problem POSTGRES_REJOIN_TIMEOUT) || fail "$problem"
    until=$((SECONDS + POSTGRES_REJOIN_TIMEOUT))
    why="the object cannot be read"
    while [ $SECONDS -lt $until ]; do
        sleep 0.5
        read_object && pods=$(list_pods) || continue
        is_dormant || fail "it is to be a primary: a stop or a fence comes first; nothing was changed"
        look_at_peer 3
        [ "${peer_timeline:--}" != - ] || { why="the peer is no primary that answers (${peer_silence:-a standby})" && continue; }
        members=$(look_at_members "$pods")
        leader=$(leader_of "$members") && look_at_standby "$leader" ||
            { why="no one standby that Patroni would promote" && continue; }
        ! is_apart || fail "$why: see README.md"
        if [ "$receiver $receives" != "streaming $peer_timeline" ]; then
            why="it does not stream on the peer's timeline $peer_timeline" wanted=''
        elif [ -z "$wanted" ]; then
            why="it streams, but not for long enough to be believed"
            wanted=$(lsn_number "$peer_end") began_at=$replayed_number
        else
            why="it streams, and has not yet replayed what the peer had"
            [ "$position_number" -lt "$wanted" ] || ! replays_peer "$began_at" || exit 0
        fi
    done
    fail "not within $POSTGRES_REJOIN_TIMEOUT s: $why. Where its data does not fit and Patroni cannot rewind it," \
        "a new copy is a person's to make: see README.md"
}

# ---- rights -------------------------------------------------------------------------------------

# That the other site's settings can be compared: readiness holds whatever does not answer for a site that is lost.
check_peer() {
    local by=$POSTGRES_PEER_KUBECONFIG RIGHTS=()
    local -x KUBECONFIG=$by
    unset KUBERNETES_SERVICE_HOST
    given_by "${BASH_SOURCE[0]%/*}/postgresql-peer-rbac.yaml" pg-namespace "$POSTGRES_PEER_NAMESPACE" \
        acid-pg "$POSTGRES_PEER_CLUSTER" standby-bootstrap-secret "${secret:-standby-bootstrap-secret}"
    needs get "$KIND/$POSTGRES_PEER_CLUSTER" "$POSTGRES_PEER_NAMESPACE"
    [ -z "$secret" ] || needs get "secrets/$secret" "$POSTGRES_PEER_NAMESPACE"
    check_rights
}

# check_database POINTERS "$@" of a check.sh, which has sourced check.sh of this folder, too: all that postgresql-rbac.yaml
# allows (Patroni's settings are of one of two kinds), and no more.
check_database() {
    local pointers=$1 problem secret
    shift
    problem=$(settings_problem) || fail "$problem"
    [ "${1:-}" = --rights ] || read_object 2>/dev/null || true
    secret=$(mirror_secret)
    given_by "${BASH_SOURCE[0]%/*}/postgresql-rbac.yaml" pg-namespace "$NAMESPACE" acid-pg-config "$OBJECT-config" \
        standby-bootstrap-secret "${secret:-standby-bootstrap-secret}"
    needs get,patch "$KIND"
    needs get,list pods
    needs get,update "$POSTGRES_PATRONI_OBJECT/$OBJECT-config"
    needs list nodes
    [ -z "$secret" ] || needs get "secrets/$secret"
    check_rights "$@"
    check_object "$pointers"
    ! problem=$(object_problem) || lacks "$problem"
    [ -z "$OWNER" ] || [[ $OWNER == HarborCluster/* ]] ||
        echo "warning: $KIND/$OBJECT is controlled by $OWNER: its controller may put $WHAT back"
    check_nodes
    [ -z "$POSTGRES_PEER_KUBECONFIG" ] || check_peer
    end_check
}
