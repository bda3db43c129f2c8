# shellcheck shell=bash disable=SC2015,SC2119
# harbor.sh - what the scripts beside it know about one Harbor that an operator runs in Kubernetes:
# its counts, its pods, its health, and when all of it has ended. Sourced.
#
# Settings come from the environment only; README.md lists them. What keeps a write of an older epoch out is
# in ../kubernetes/object.sh. The object carries one annotation more than those:
#   breakwater/replicas  the counts before the last stop

. "${BASH_SOURCE[0]%/*}/../kubernetes/object.sh" || exit 1

HARBOR_NAMESPACE=${HARBOR_NAMESPACE:-harbor-ns}
HARBOR_NAME=${HARBOR_NAME:-harbor}
HARBOR_REPLICAS=${HARBOR_REPLICAS:-1}
HARBOR_HEALTH_URL=${HARBOR_HEALTH_URL:-http://$HARBOR_NAME-core.$HARBOR_NAMESPACE.svc/api/v2.0/health}
HARBOR_REQUEST_TIMEOUT=${HARBOR_REQUEST_TIMEOUT:-5}
HARBOR_NODE_SELECTOR=${HARBOR_NODE_SELECTOR:-}
HARBOR_OPERATOR_LAG=${HARBOR_OPERATOR_LAG:-10}
HARBOR_POD_GRACE=${HARBOR_POD_GRACE:-120}
COMPONENTS=(core portal jobservice registry trivy)

# The epochs of a trial (breakwater-chaos scripts) begin with 1 and say nothing of the group's.
[[ ! ${BREAKWATER_REACH:-} =~ ^(trial-[0-9]+)-(guard|agent)/ ]] || MARK_NAME=${BASH_REMATCH[1]}

# What object.sh wants to know.
KIND=harbors.operator.alaudadevops.io OBJECT=$HARBOR_NAME NAMESPACE=$HARBOR_NAMESPACE
PODS_WANTED=release=$HARBOR_NAME POD_LABEL=component
NODES_WANTED=$HARBOR_NODE_SELECTOR NODES_SETTING=HARBOR_NODE_SELECTOR
REQUEST_TIMEOUT=$HARBOR_REQUEST_TIMEOUT POD_GRACE=$HARBOR_POD_GRACE
WORKLOADS=deployments,replicasets,statefulsets OPERATOR_LAG=$HARBOR_OPERATOR_LAG

# What is wrong with the settings, of which "$@" are numbers as well; empty and success when nothing is.
# shellcheck disable=SC2120
settings_problem() {
    local name part
    common_problem "HARBOR_NAMESPACE HARBOR_NAME" \
        "HARBOR_REPLICAS HARBOR_REQUEST_TIMEOUT HARBOR_OPERATOR_LAG HARBOR_POD_GRACE $*" curl || return 1
    for part in "${COMPONENTS[@]}"; do
        name=HARBOR_${part^^}_REPLICAS
        [ -z "${!name:-}" ] || is_count "${!name}" ||
            { echo "$name must be a whole number, not '${!name}'" && return 1; }
    done
    return 0
}

# What tells a cluster from every other one; it stays as long as the cluster does. 1: nobody says.
cluster_id() {
    local id
    id=$(ask get namespace kube-system -o 'jsonpath={.metadata.uid}') && [ -n "$id" ] && echo "$id"
}

# ---- the object ---------------------------------------------------------------------------------

own_template() {
    local part
    annotation_template kept replicas
    for part in "${COMPONENTS[@]}"; do
        printf '%s' "$part {{with .spec}}{{with .helmValues}}{{with .$part}}{{.replicas}}{{else}}-{{end}}{{end}}{{end}}{{\"\\n\"}}"
    done
}

forget() {
    declare -gA COUNT=()
}

# Sets KEPT, and the count of each component in COUNT ("-": the object has no such component, "<no value>":
# it has no count).
take_line() {
    [ "$1" != kept ] || { KEPT=$2 && return 0; }
    case $2 in
    - | '<no value>') ;;
    *) is_count "$2" || { say "spec.helmValues.$1.replicas is '$2'" && return 1; } ;;
    esac
    COUNT[$1]=$2
}

# Every component is there, and wants no pod. One that is left out of the object has the chart's
# own default, which is a pod.
is_dormant() {
    local part
    for part in "${COMPONENTS[@]}"; do
        [ "${COUNT[$part]:-}" = 0 ] || return 1
    done
}

# The operation that makes component $1 have $2 pods.
count_of() {
    if [ "${COUNT[$1]}" = - ]; then
        printf '{"op":"add","path":"/spec/helmValues/%s","value":{"replicas":%s}}' "$1" "$2"
    else
        printf '{"op":"add","path":"/spec/helmValues/%s/replicas","value":%s}' "$1" "$2"
    fi
}

# The count of component $1 among those kept before the last stop.
kept_count() {
    local entry
    for entry in $KEPT; do
        [ "${entry%%=*}" = "$1" ] && is_count "${entry#*=}" && echo "${entry#*=}" && return 0
    done
    return 1
}

# How many pods component $1 is to have: what is set, what it has, what it had, HARBOR_REPLICAS.
wanted_count() {
    local name=HARBOR_${1^^}_REPLICAS
    if [ -n "${!name:-}" ]; then
        echo "${!name}"
    elif is_count "${COUNT[$1]}" && [ "${COUNT[$1]}" != 0 ]; then
        echo "${COUNT[$1]}"
    else
        kept_count "$1" || echo "$HARBOR_REPLICAS"
    fi
}

# ---- what runs ----------------------------------------------------------------------------------

# What Harbor says of itself: healthy, unhealthy, silent (nobody took the connection, or the name is
# of nobody), or unclear. It answers 200 whatever its health is, so the words count.
health() {
    local body status
    body=$(curl -s --noproxy '*' --connect-timeout 3 --max-time 5 --max-filesize 65536 \
        "$HARBOR_HEALTH_URL" </dev/null)
    status=$?
    case $status in
    0)
        # Each of its parts has a status, too.
        body=$(tr -d ' \n\r\t' <<<"$body" | sed 's/"components":\[[^]]*\],\{0,1\}//')
        case $body in
        *'"status":"healthy"'*) echo healthy ;;
        *) echo unhealthy ;;
        esac
        ;;
    6 | 7 | 28) echo silent ;;
    *) echo unclear ;;
    esac
}

# ---- the end ------------------------------------------------------------------------------------

# What takes every count to 0, and keeps what they were.
add_closing() {
    local part
    # What somebody has set after a stop is no count of a Harbor that served.
    [[ $MARK == *-end* && -n $KEPT ]] || operations+=("$(annotation replicas "$(counts_now)")")
    for part in "${COMPONENTS[@]}"; do
        operations+=("$(count_of "$part" 0)")
    done
}

# What is kept as the counts before a stop: of what has none, what is kept of it already.
counts_now() {
    local part count
    for part in "${COMPONENTS[@]}"; do
        count=${COUNT[$part]}
        is_count "$count" || count=$(kept_count "$part") || count=$HARBOR_REPLICAS
        printf '%s=%s ' "$part" "$count"
    done | sed 's/ $//'
}

# Once the operator does not do it, or not in time: its workloads want no pods, the pods end within a
# second. What this may not do is left to the operator; only what is seen counts.
push() {
    ask scale deployments,statefulsets -l "$PODS_WANTED" --replicas=0 >/dev/null
    end_unfinished
}
