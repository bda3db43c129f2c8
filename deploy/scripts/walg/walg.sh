# shellcheck shell=bash disable=SC2015,SC2034,SC2119,SC2120,SC2154
# walg.sh - what the scripts beside it know about a database that is not there until it is restored from
# backups by WAL-G: the cluster's object, which wants no instance until a start, the settings by which
# Spilo clones, and the backups. Sourced.
#
# Settings come from the environment only; README.md lists them. What keeps a write of an older epoch out is
# in ../kubernetes/object.sh, how a database is asked in ../kubernetes/postgresql.sh.
#
# The object carries two annotations more than those:
#   breakwater/promised  how far the backup goes from which the last start was to come, as a number: what comes
#                        up and goes less far is something else
#   breakwater/served    when the end of what served last was seen, in seconds of this machine's clock; nothing while it
#                        may serve
# What a pod finds decides whether anything is restored at all: Patroni clones into an empty volume, and only as
# long as its own object, NAME-config, has no `initialize`.

. "${BASH_SOURCE[0]%/*}/../kubernetes/postgresql.sh" || exit 1

POSTGRES_INSTANCES=${POSTGRES_INSTANCES:-1}
WALG=${WALG:-wal-g}
WALG_ENV_DIR=${WALG_ENV_DIR:-}
WALG_TIMEOUT=${WALG_TIMEOUT:-20}
WALG_CONFIGMAP=${WALG_CONFIGMAP:-pod-config}
WALG_CONFIGMAP_NAMESPACE=${WALG_CONFIGMAP_NAMESPACE:-$POSTGRES_NAMESPACE}
SECRET_OF=$POSTGRES_CLUSTER.credentials.postgresql.acid.zalan.do
WALG_SECRETS=${WALG_SECRETS:-standby.$SECRET_OF postgres.$SECRET_OF}
WALG_AGE_MAX=${WALG_AGE_MAX:-0}
WALG_WINDOW_MIN=${WALG_WINDOW_MIN:-0}
WALG_OPERATOR_LAG=${WALG_OPERATOR_LAG:-30}
POSTGRES_START_TIMEOUT=${WALG_RESTORE_TIMEOUT:-14400}
WORKLOADS=statefulsets OPERATOR_LAG=$WALG_OPERATOR_LAG
IS_NUMBER='^(0|[1-9][0-9]{0,17})$' # that fits, whatever is done with it
declare -A CLONE=()

walg_problem() {
    settings_problem WALG_TIMEOUT WALG_AGE_MAX WALG_WINDOW_MIN WALG_OPERATOR_LAG POSTGRES_INSTANCES \
        POSTGRES_START_TIMEOUT "$@" || return 1
    [ "$POSTGRES_INSTANCES" != 0 ] || { echo "POSTGRES_INSTANCES is 0: nothing would be restored" && return 1; }
    [ -z "$WALG_ENV_DIR" ] || [ -d "$WALG_ENV_DIR" ] || { echo "WALG_ENV_DIR '$WALG_ENV_DIR' is no folder" && return 1; }
    command -v "$WALG" >/dev/null || { echo "there is no '$WALG' in $PATH" && return 1; }
}

# ---- the object ---------------------------------------------------------------------------------

setting_template() {
    annotation_template promised promised
    annotation_template served served
}

forget_setting() {
    PROMISED='' SERVED=''
}

take_setting() {
    [[ -z $2 || $2 =~ $IS_NUMBER ]] || return 1
    case $1 in
    promised) PROMISED=$2 ;;
    served) SERVED=$2 ;;
    *) return 1 ;;
    esac
}

is_dormant() {
    [ "${INSTANCES:-0}" = 0 ]
}

# A service that is its pods has ended when it has none.
is_end() {
    [ -z "$1" ]
}

is_behind() {
    is_operator_behind || is_promotion_in_hand
}

add_opening() {
    ! is_dormant && return 1
    operations+=("{\"op\":\"add\",\"path\":\"/spec/numberOfInstances\",\"value\":$POSTGRES_INSTANCES}")
}

add_closing() {
    operations+=("$(annotation served '')" '{"op":"add","path":"/spec/numberOfInstances","value":0}')
}

# What has served had all that it wrote until now: a backup that ended before that may have less.
note_end() {
    [ -n "$SERVED" ] || operations+=("$(annotation served "$(date +%s)")")
}

# Once the operator does not do it, or not in time. What this may not do is left to the operator; only what is
# seen counts.
push() {
    ask scale statefulsets -l "$PODS_WANTED" --replicas=0 >/dev/null
    end_unfinished
}

# ---- the volumes --------------------------------------------------------------------------------

# Sets VOLUMES (a line NAME UID MADE of each, also of one without the labels: the pods mount it by its name), MADE (when
# the first of them was made, in seconds) and INITIALIZE, what Patroni remembers: the cluster's id, `begun` while it is
# first filled, or nothing; 1: nobody says.
read_volumes() {
    local answer template='{{range .items}}{{.metadata.name}} {{.metadata.uid}} {{.metadata.creationTimestamp}}{{"\n"}}{{end}}'
    VOLUMES=$(ask_whole "$template" persistentvolumeclaims) &&
        answer=$(ask_whole "$template" persistentvolumeclaims -l "$PODS_WANTED") || return 1
    VOLUMES=$({ grep -E "^pgdata-$OBJECT-[0-9]+ " <<<"$VOLUMES"; grep . <<<"$answer"; } | sort -u)
    [ -z "$VOLUMES" ] || MADE=$(date -d "$(cut -d ' ' -f 3 <<<"$VOLUMES" | sort | head -n 1)" +%s) || return 1
    # shellcheck disable=SC2016 # the template's own variables
    template='{{range $key, $value := .metadata.annotations}}{{if eq $key "initialize"}}{{if $value}}{{$value}}{{
        else}}begun{{end}}{{end}}{{end}}{{"\n"}}end'
    answer=$(ask get "$POSTGRES_PATRONI_OBJECT" "$OBJECT-config" --ignore-not-found -o "go-template=$template") || return 1
    [ -z "$answer" ] || [ "${answer##*$'\n'}" = end ] || return 1 # empty: there is none yet
    INITIALIZE=${answer%%$'\n'*}
}

# True when a start goes on with the volumes as they were left, and restores nothing.
has_own_data() {
    [ -n "$VOLUMES" ] && [ -n "$INITIALIZE" ] && [ "$INITIALIZE" != begun ]
}

# True when a backup has more than the volumes: it ended after they were served last, or were made if they never were, and
# is not the one that they came from. One that ended while they were served is of another history, or of one that follows.
has_newer_backup() {
    [ "$latest" -gt "${SERVED:-$MADE}" ] && [ "$latest_lsn" != "$PROMISED" ]
}

# What would keep a start from serving what it says, of volumes and backups that were read. Prints it; 0: something does.
volume_problem() {
    if [ "$INITIALIZE" = begun ]; then
        echo "a restore was broken off, and Patroni goes on with none: rejoin.sh destroys what it has left"
    elif [ -n "$INITIALIZE" ] && [ -z "$VOLUMES" ]; then
        echo "Patroni remembers a cluster whose volumes are gone, and would restore nothing: rejoin.sh has it forget that"
    elif has_own_data && has_newer_backup; then
        echo "a backup has ended since its own volumes were served last: what they have is older; rejoin.sh destroys them"
    else
        return 1
    fi
}

# ---- the backups --------------------------------------------------------------------------------

# wal-g with the environment that WALG_ENV_DIR has, a file for each variable, as Spilo keeps it for envdir.
walg() {
    (
        for file in "${WALG_ENV_DIR:-/nonexistent}"/*; do
            [ ! -f "$file" ] || [[ ! ${file##*/} =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] ||
                export "${file##*/}=$(head -n 1 "$file")"
        done
        exec timeout -k 2 "$WALG_TIMEOUT" "$WALG" "$@" </dev/null
    )
}

# A line for each backup that has ended, oldest first: END-IN-SECONDS BYTES POSITION NAME. One whose metadata was lost
# is none: nobody could tell what came of it. 1: nobody says.
list_backups() {
    local answer key value name='' finish='' lsn=''
    answer=$(walg backup-list --detail --json) || return 1
    [[ $answer == '['* || $answer == null ]] || { say "$WALG says no list: ${answer:0:200}" && return 1; }
    # A member of each, in the order in which wal-g writes them; user_data, which is anybody's, comes last.
    grep -oE '"(backup_name|finish_time)": ?"[^"]*"|"(finish_lsn|uncompressed_size)": ?(0|[1-9][0-9]{0,17})\b' <<<"$answer" |
        sed -E 's/^"([a-z_]+)": ?"?([^"]*)"?$/\1 \2/' |
        while read -r key value; do
            case $key in
            backup_name) name=$value finish='' lsn='' ;;
            finish_time) finish=${finish:-$value} ;;
            finish_lsn) lsn=${lsn:-$value} ;;
            uncompressed_size)
                [ -z "$finish" ] || finish=$(date -d "$finish" +%s 2>/dev/null)
                [ -z "$name" ] || [ "${finish:-0}" -le 0 ] || [ "${lsn:-0}" = 0 ] || echo "$finish $value $lsn $name"
                name=
                ;;
            esac
        done | sort -n
}

# Sets `latest` and latest_lsn, end (in seconds) and position of the newest of all; and of those up to CLONE_TARGET_TIME,
# where that is set: count, newest_bytes, newest_lsn, newest_name, and the age of the newest and how far they reach back; 1, and says why, without one.
find_backups() {
    local backups now newest oldest until=${CLONE[CLONE_TARGET_TIME]:-}
    backups=$(list_backups) || { say "the backups cannot be listed" && return 1; }
    [ -n "$backups" ] || { say "there is no backup" && return 1; }
    read -r latest _ latest_lsn _ <<<"$(tail -n 1 <<<"$backups")"
    if [ -n "$until" ]; then
        until=$(date -d "$until" +%s 2>/dev/null) || { say "CLONE_TARGET_TIME is no time" && return 1; }
        backups=$(awk -v until="$until" '$1 <= until' <<<"$backups")
        [ -n "$backups" ] || { say "no backup had ended by CLONE_TARGET_TIME" && return 1; }
    fi
    count=$(wc -l <<<"$backups") now=$(date +%s)
    read -r oldest _ <<<"$backups"
    read -r newest newest_bytes newest_lsn newest_name <<<"$(tail -n 1 <<<"$backups")"
    age=$((now > newest ? now - newest : 0)) window=$((now - oldest))
}

# How far the data of the primary at address $1 goes, as a number; 1: nobody says.
position_at() {
    local at
    at=$(ask_database 3 "$1" "$POSTGRES_PORT" "SELECT pg_current_wal_lsn()") && lsn_number "$at"
}

# True when the position $1 has all of the backup that was promised.
keeps_promise() {
    [ "$1" -ge "${PROMISED:-0}" ]
}

# ---- the settings by which Spilo clones ---------------------------------------------------------

CLONE_KEYS=(CLONE_SCOPE CLONE_METHOD CLONE_HOST CLONE_USER CLONE_PORT CLONE_WAL_S3_BUCKET
    CLONE_WAL_BUCKET_SCOPE_PREFIX CLONE_WAL_BUCKET_SCOPE_SUFFIX CLONE_USE_WALG_RESTORE USEWALG_RESTORE
    CLONE_AWS_REGION CLONE_AWS_ENDPOINT CLONE_TARGET_TIME CLONE_AWS_ACCESS_KEY_ID CLONE_AWS_SECRET_ACCESS_KEY)
SECRET_KEYS=(AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY CLONE_AWS_ACCESS_KEY_ID CLONE_AWS_SECRET_ACCESS_KEY)

ask_configmap() {
    NAMESPACE=$WALG_CONFIGMAP_NAMESPACE ask "$@"
}

# Sets CLONE[KEY] for what the ConfigMap has, none where there is no ConfigMap; of the two that are secret only that they
# are there.
read_clone() {
    local template='' key value answer
    CLONE=()
    for key in "${CLONE_KEYS[@]}"; do
        case $key in
        *ACCESS_KEY*) template+="$key {{with .data}}{{with .$key}}set{{end}}{{end}}{{\"\\n\"}}" ;;
        *) template+="$key {{with .data}}{{with .$key}}{{.}}{{end}}{{end}}{{\"\\n\"}}" ;;
        esac
    done
    answer=$(ask_configmap get configmap "$WALG_CONFIGMAP" --ignore-not-found -o "go-template=${template}end") || return 1
    [ -z "$answer" ] || [ "${answer##*$'\n'}" = end ] || return 1
    while read -r key value; do
        [ -z "$value" ] || CLONE[$key]=$value
    done <<<"$answer"
}

# Prints the keys of the object store that the ConfigMap holds; 1: it cannot be read.
keys_in_configmap() {
    local key template=''
    for key in "${SECRET_KEYS[@]}"; do
        template+="{{with .data}}{{with .$key}}$key {{end}}{{end}}"
    done
    ask_configmap get configmap "$WALG_CONFIGMAP" --ignore-not-found -o "go-template=$template"
}

# What would make a restore of hours fail, or restore something else. Prints it; 0: something is.
clone_problem() {
    local key at
    for key in CLONE_SCOPE CLONE_WAL_S3_BUCKET CLONE_AWS_REGION; do
        [ -n "${CLONE[$key]:-}" ] || { echo "$key is not set" && return 0; }
    done
    [ "${CLONE[CLONE_METHOD]:-}" = CLONE_WITH_WALE ] ||
        { echo "CLONE_METHOD is '${CLONE[CLONE_METHOD]:-}', not CLONE_WITH_WALE" && return 0; }
    [ "${CLONE[CLONE_USE_WALG_RESTORE]:-}" = true ] ||
        { echo "CLONE_USE_WALG_RESTORE is not 'true': WAL-E would be run, which today's images have not" && return 0; }
    [ "${CLONE[CLONE_HOST]:-${CLONE[CLONE_SCOPE]}}" = "${CLONE[CLONE_SCOPE]}" ] ||
        { echo "CLONE_HOST is '${CLONE[CLONE_HOST]}', not CLONE_SCOPE '${CLONE[CLONE_SCOPE]}'" && return 0; }
    [[ ${CLONE[CLONE_WAL_BUCKET_SCOPE_SUFFIX]:-/} == /* ]] ||
        { echo "CLONE_WAL_BUCKET_SCOPE_SUFFIX does not begin with '/'" && return 0; }
    [ -z "${CLONE[CLONE_AWS_ENDPOINT]:-}" ] || [ "${WALG_ENDPOINT:-}" = "${CLONE[CLONE_AWS_ENDPOINT]}" ] ||
        { echo "CLONE_AWS_ENDPOINT is set, which changes the path: remove it, or say that it is meant (WALG_ENDPOINT)" &&
            return 0; }
    [ "${CLONE[CLONE_AWS_ACCESS_KEY_ID]:-}" = "${CLONE[CLONE_AWS_SECRET_ACCESS_KEY]:-}" ] ||
        { echo "one of CLONE_AWS_ACCESS_KEY_ID and CLONE_AWS_SECRET_ACCESS_KEY is not set" && return 0; }
    [[ ${CLONE[CLONE_TARGET_TIME]:-Z} =~ (Z|[+-][0-9]{2}:?[0-9]{2})$ ]] ||
        { echo "CLONE_TARGET_TIME has no time zone" && return 0; }
    [ -z "${CLONE[USEWALG_RESTORE]:-}" ] ||
        say "USEWALG_RESTORE is no setting of Spilo's: CLONE_USE_WALG_RESTORE counts"
    at="s3://${CLONE[CLONE_WAL_S3_BUCKET]}/spilo/${CLONE[CLONE_WAL_BUCKET_SCOPE_PREFIX]:-}${CLONE[CLONE_SCOPE]}"
    at+="${CLONE[CLONE_WAL_BUCKET_SCOPE_SUFFIX]:-}/wal"
    [[ $(walg_prefix) == "$at" || $(walg_prefix) == "$at/"* ]] ||
        { echo "it would be restored from $at, and the backups that are looked at are in $(walg_prefix)" && return 0; }
    return 1
}

walg_prefix() {
    local prefix=${WALG_S3_PREFIX:-}
    [ ! -r "$WALG_ENV_DIR/WALG_S3_PREFIX" ] || prefix=$(head -n 1 "$WALG_ENV_DIR/WALG_S3_PREFIX")
    echo "${prefix%/}"
}

# Takes the CLONE_ settings away: a pod that begins with an empty volume would clone again.
remove_clone() {
    local key operations=()
    read_clone || return 1
    for key in "${CLONE_KEYS[@]}"; do
        [ -z "${CLONE[$key]:-}" ] || operations+=("{\"op\":\"remove\",\"path\":\"/data/$key\"}")
    done
    [ ${#operations[@]} -gt 0 ] || return 0
    ask_configmap patch configmap "$WALG_CONFIGMAP" --type=json \
        -p "[$(printf '%s\n' "${operations[@]}" | paste -sd ,)]" >/dev/null
}

# ---- progress -----------------------------------------------------------------------------------

# How many bytes the restored files have by now; fails where nobody says. WALG_PROGRESS: another way to ask,
# a command to which the pod's name is given.
restored_bytes() {
    local pod=$1 bytes
    if [ -n "${WALG_PROGRESS:-}" ]; then
        bytes=$(timeout -k 1 10 "$WALG_PROGRESS" "$pod")
    else
        bytes=$(ask exec "$pod" -c postgres -- du -sbL /home/postgres/pgdata/pgroot/data 2>/dev/null)
    fi
    bytes=${bytes%%[^0-9]*}
    [ -n "$bytes" ] && echo "$bytes"
}

# Says how far it is, every WALG_SAY_EVERY seconds; RESTORES: yes, or it goes on with what it has.
say_progress() {
    local pods pod bytes
    [ $((SECONDS - said_at)) -ge "${WALG_SAY_EVERY:-10}" ] || return 0
    said_at=$SECONDS
    [ "$RESTORES" = yes ] || { say "on its own volumes: $SECONDS s; ${why:-}" && return; }
    pods=$(list_pods) && read -r pod _ <<<"$pods"
    if [ -n "${pod:-}" ] && [ "${newest_bytes:-0}" != 0 ] && bytes=$(restored_bytes "$pod"); then
        say "restoring $newest_name: $((bytes / 1048576)) of $((newest_bytes / 1048576)) MiB" \
            "($((bytes * 100 / newest_bytes)) %), $SECONDS s"
    else
        say "restoring ${newest_name:-the newest backup}: $SECONDS s; ${why:-}"
    fi
}
