# shellcheck shell=bash disable=SC2034,SC2154
# setting.sh - how Alauda's edition of the operator is told: `spec.clusterReplication.isReplica`, and with it
# `numberOfInstances`. Sourced.
. "${BASH_SOURCE[0]%/*}/../kubernetes/postgresql.sh" || exit 1

POSTGRES_INSTANCES=${POSTGRES_INSTANCES:-2}
POSTGRES_STANDBY_INSTANCES=${POSTGRES_STANDBY_INSTANCES:-1}

setting_template() {
    printf '%s' '{{with .spec.clusterReplication}}enabled {{.enabled}}{{"\n"}}replica {{.isReplica}}{{"\n"}}' \
        'host {{with .peerHost}}{{.}}{{end}}{{"\n"}}port {{with .peerPort}}{{.}}{{end}}{{"\n"}}' \
        'secret {{with .bootstrapSecret}}{{.}}{{end}}{{"\n"}}{{end}}'
}

forget_setting() {
    ENABLED='' REPLICA='' HOST='' PORT='' SECRET=''
}

take_setting() {
    case $1 in
    enabled) ENABLED=$2 ;;
    replica) REPLICA=$2 ;;
    host) HOST=$2 ;;
    port) PORT=$2 ;;
    secret) SECRET=$2 ;;
    esac
    [[ $HOST =~ ^[A-Za-z0-9._:-]*$ && $PORT =~ ^[0-9]*$ ]] ||
        { say "spec.clusterReplication has the peer '$HOST' '$PORT', which is not understood" && return 1; }
}

is_dormant() {
    [ "$ENABLED $REPLICA" = "true true" ]
}

opening_problem() {
    local name
    for name in POSTGRES_INSTANCES POSTGRES_STANDBY_INSTANCES; do
        is_count "${!name}" || { echo "$name must be a whole number, not '${!name}'" && return 0; }
    done
    if [ "$ENABLED" != true ]; then
        echo "spec.clusterReplication.enabled is not true: isReplica says nothing, it could not be demoted"
    elif [ -z "$HOST" ] || [ -z "$PORT" ]; then
        echo "spec.clusterReplication has no peerHost or no peerPort: it could not be demoted"
    else
        return 1
    fi
}

# set_to IS_REPLICA COUNT: the operations that are missing for it.
set_to() {
    [ "$REPLICA" = "$1" ] ||
        operations+=("{\"op\":\"add\",\"path\":\"/spec/clusterReplication/isReplica\",\"value\":$1}")
    [ "$INSTANCES" = "$2" ] ||
        operations+=("{\"op\":\"add\",\"path\":\"/spec/numberOfInstances\",\"value\":$2}")
}

add_opening() {
    set_to false "$POSTGRES_INSTANCES"
    [ ${#operations[@]} -gt 0 ]
}

add_closing() {
    [ -n "$HOST" ] || fail "spec.clusterReplication has no peerHost: there is nothing to follow"
    note_promotion
    [ "$ENABLED" = true ] ||
        operations+=('{"op":"add","path":"/spec/clusterReplication/enabled","value":true}')
    set_to true "$POSTGRES_STANDBY_INSTANCES"
}

peer() {
    echo "$HOST $PORT"
}

patroni_standby() {
    printf '{"host":"%s","port":"%s"}' "$HOST" "${PORT:-5432}"
}

mirror_secret() {
    echo "$SECRET"
}

mirror_lacks() {
    opening_problem
}
