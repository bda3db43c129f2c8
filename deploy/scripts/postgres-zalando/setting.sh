# shellcheck shell=bash disable=SC2034,SC2154
# setting.sh - how Zalando's operator is told: a cluster with `spec.standby` follows what that names, one
# without it is a primary. Sourced.
#
# The object carries the annotation breakwater/standby as well: what spec.standby had before the last start.
. "${BASH_SOURCE[0]%/*}/../kubernetes/postgresql.sh" || exit 1

POSTGRES_STANDBY=${POSTGRES_STANDBY:-}
POSTGRES_INSTANCES=${POSTGRES_INSTANCES:-}
POSTGRES_STANDBY_INSTANCES=${POSTGRES_STANDBY_INSTANCES:-}
POSTGRES_SHARED_SECRET=${POSTGRES_SHARED_SECRET:-}
FIELDS=(standby_host standby_port standby_primary_slot_name s3_wal_path gs_wal_path)

setting_template() {
    local field
    annotation_template kept standby
    printf '%s' 'standby {{with .spec.standby}}yes{{end}}{{"\n"}}'
    for field in "${FIELDS[@]}"; do
        printf '%s' "$field {{with .spec.standby}}{{with .$field}}{{.}}{{end}}{{end}}{{\"\\n\"}}"
    done
}

forget_setting() {
    KEPT='' STANDBY='' FOUND=''
}

# FIELD=VALUE: a command of sed's has it, and a patch.
is_field() {
    [[ " ${FIELDS[*]} " == *" ${1%%=*} "* && ${1#*=} =~ ^[A-Za-z0-9._:/-]+$ ]]
}

# Sets KEPT, STANDBY (yes: it is one), and in FOUND what it follows: FIELD=VALUE words.
take_setting() {
    local word
    case $1 in
    kept)
        KEPT=$2
        for word in $KEPT; do
            is_field "$word" || { say "the annotation breakwater/standby has '$word', which no script of these writes" && return 1; }
        done
        ;;
    standby) STANDBY=$2 ;;
    *)
        [ -n "$2" ] || return 0
        [[ $2 =~ ^[A-Za-z0-9._:/-]+$ ]] || { say "spec.standby.$1 is '$2', which is not understood" && return 1; }
        FOUND+="${FOUND:+ }$1=$2"
        ;;
    esac
}

is_dormant() {
    [ -n "$STANDBY" ]
}

# What it is to follow as a standby: FIELD=VALUE words.
wanted_standby() {
    echo "${POSTGRES_STANDBY:-${FOUND:-$KEPT}}"
}

# The value of field $1 of what it is to follow.
field() {
    local word
    for word in $(wanted_standby); do
        [ "${word%%=*}" != "$1" ] || echo "${word#*=}"
    done
}

opening_problem() {
    local word name
    for name in POSTGRES_INSTANCES POSTGRES_STANDBY_INSTANCES; do
        [ -z "${!name}" ] || is_count "${!name}" || { echo "$name must be a whole number" && return 0; }
    done
    for word in $(wanted_standby); do
        is_field "$word" || { echo "'$word' of POSTGRES_STANDBY is no field of spec.standby" && return 0; }
    done
    [ -n "$(wanted_standby)" ] && return 1
    echo "the object has no spec.standby, and POSTGRES_STANDBY is not set: it could not be demoted"
}

count_operation() {
    [ -z "$1" ] || [ "$1" = "$INSTANCES" ] ||
        operations+=("{\"op\":\"add\",\"path\":\"/spec/numberOfInstances\",\"value\":$1}")
}

add_opening() {
    if is_dormant; then
        operations+=("$(annotation standby "$(wanted_standby)")" '{"op":"remove","path":"/spec/standby"}')
    fi
    count_operation "$POSTGRES_INSTANCES"
    [ ${#operations[@]} -gt 0 ]
}

add_closing() {
    local word json=''
    for word in $(wanted_standby); do
        json+="${json:+,}\"${word%%=*}\":\"${word#*=}\""
    done
    [ -n "$json" ] || fail "the object has no spec.standby, none is kept, and POSTGRES_STANDBY is not set"
    note_promotion
    operations+=("{\"op\":\"add\",\"path\":\"/spec/standby\",\"value\":{$json}}")
    count_operation "$POSTGRES_STANDBY_INSTANCES"
}

peer() {
    echo "$(field standby_host) $(field standby_port)"
}

# As the operator sets it. Without a host it follows archived WAL by a command that the operator writes: until
# it does, a standby that follows nothing.
patroni_standby() {
    local host port slot
    host=$(field standby_host) port=$(field standby_port) slot=$(field standby_primary_slot_name)
    if [ -n "$host" ]; then
        printf '{"host":"%s","port":"%s"%s}' "$host" "${port:-5432}" "${slot:+,\"primary_slot_name\":\"$slot\"}"
    else
        printf '{"restore_command":"false"}'
    fi
}

mirror_secret() {
    echo "$POSTGRES_SHARED_SECRET"
}

# What the other site is to follow may be in its site.yaml alone.
mirror_lacks() {
    return 1
}
