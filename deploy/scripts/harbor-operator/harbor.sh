# shellcheck shell=bash disable=SC2015,SC2119
# harbor.sh - what the scripts beside it know about one Harbor that an operator runs in Kubernetes:
# its object, its pods, the nodes of these, and how a write of an older epoch is kept out. Sourced.
#
# Settings come from the environment only; README.md lists them. Every call has a limit, and each
# script may be killed at any point and run again.
#
# The object carries three annotations:
#   breakwater/epoch     N-starting: a start of epoch N may have a write under way that nobody has
#                        seen the end of; N-started: it has ended well, none is under way; N-ending:
#                        nothing of N and below may start here any more; N-ended: and all of it was
#                        seen to have ended
#   breakwater/replicas  the counts before the last stop
#   breakwater/nodes     where its pods were when a stop began: until these nodes are Ready with no
#                        pod left, nobody knows that they have ended
# Each write is one JSON patch that begins with a test of breakwater/epoch. The API server itself
# refuses it once the annotation has moved on, however late it comes.

set -u -o pipefail
umask 077
export LC_ALL=C

HARBOR_NAMESPACE=${HARBOR_NAMESPACE:-harbor-ns}
HARBOR_NAME=${HARBOR_NAME:-harbor}
HARBOR_REPLICAS=${HARBOR_REPLICAS:-1}
HARBOR_HEALTH_URL=${HARBOR_HEALTH_URL:-http://$HARBOR_NAME-core.$HARBOR_NAMESPACE.svc/api/v2.0/health}
HARBOR_REQUEST_TIMEOUT=${HARBOR_REQUEST_TIMEOUT:-5}
HARBOR_NODE_SELECTOR=${HARBOR_NODE_SELECTOR:-}
HARBOR_OPERATOR_LAG=${HARBOR_OPERATOR_LAG:-10}
KIND=harbors.operator.alaudadevops.io
COMPONENTS=(core portal jobservice registry trivy)
NOTHING_CHANGED=69
KEPT_NODES_MAX=200

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Failed before anything was changed: the group may go back where it came from.
refuse() {
    say "$*; nothing was changed"
    exit "$NOTHING_CHANGED"
}

is_count() {
    [[ $1 =~ ^(0|[1-9][0-9]{0,8})$ ]]
}

# What is wrong with the settings, of which "$@" are numbers as well; empty and success when nothing is.
# shellcheck disable=SC2120
settings_problem() {
    local name tool part
    for name in "$HARBOR_NAMESPACE" "$HARBOR_NAME"; do
        [[ $name =~ ^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$ ]] ||
            { echo "'$name' is no name of Kubernetes; see HARBOR_NAMESPACE, HARBOR_NAME" && return 1; }
    done
    for name in HARBOR_REPLICAS HARBOR_REQUEST_TIMEOUT HARBOR_OPERATOR_LAG "$@"; do
        is_count "${!name}" || { echo "$name must be a whole number, not '${!name}'" && return 1; }
    done
    for part in "${COMPONENTS[@]}"; do
        name=HARBOR_${part^^}_REPLICAS
        [ -z "${!name:-}" ] || is_count "${!name}" ||
            { echo "$name must be a whole number, not '${!name}'" && return 1; }
    done
    [[ ${BREAKWATER_EPOCH:-0} =~ ^(0|[1-9][0-9]{0,17})$ ]] ||
        { echo "BREAKWATER_EPOCH '$BREAKWATER_EPOCH' is no epoch" && return 1; }
    for tool in kubectl curl timeout; do
        command -v "$tool" >/dev/null || { echo "there is no '$tool' in $PATH" && return 1; }
    done
    return 0
}

# The API server. A request has its own limit; kubectl may make several, so the whole has one, too.
ask() {
    timeout -k 1 "$((HARBOR_REQUEST_TIMEOUT + 3))" kubectl -n "$HARBOR_NAMESPACE" \
        --request-timeout="${HARBOR_REQUEST_TIMEOUT}s" "$@"
}

# ---- the object ---------------------------------------------------------------------------------

object_template() {
    local part
    printf '%s' 'generation {{.metadata.generation}}{{"\n"}}' \
        'observed {{with .status}}{{with .observedGeneration}}{{.}}{{end}}{{end}}{{"\n"}}' \
        'annotated {{with .metadata.annotations}}yes{{end}}{{"\n"}}' \
        'mark {{with .metadata.annotations}}{{with index . "breakwater/epoch"}}{{.}}{{end}}{{end}}{{"\n"}}' \
        'kept {{with .metadata.annotations}}{{with index . "breakwater/replicas"}}{{.}}{{end}}{{end}}{{"\n"}}' \
        'nodes {{with .metadata.annotations}}{{with index . "breakwater/nodes"}}{{.}}{{end}}{{end}}{{"\n"}}'
    for part in "${COMPONENTS[@]}"; do
        printf '%s' "$part {{with .spec}}{{with .helmValues}}{{with .$part}}{{.replicas}}{{else}}-{{end}}{{end}}{{end}}{{\"\\n\"}}"
    done
    printf '%s' 'end'
}

# Sets GENERATION, OBSERVED ("": the operator says none), ANNOTATED, MARK, KEPT, NODES and the count of each component in COUNT ("-": the object has no
# such component, "<no value>": it has no count) from the object as it is; 1: that cannot be had, or
# makes no sense.
read_harbor() {
    local answer key value part
    declare -gA COUNT=()
    answer=$(ask get "$KIND" "$HARBOR_NAME" -o "go-template=$(object_template)") || return 1
    [ "${answer##*$'\n'}" = end ] || return 1
    while read -r key value; do
        case $key in
        generation) GENERATION=$value ;;
        observed) OBSERVED=$value ;;
        annotated) ANNOTATED=$value ;;
        mark) MARK=$value ;;
        kept) KEPT=$value ;;
        nodes) NODES=$value ;;
        end) ;;
        *)
            case $value in
            - | '<no value>') ;;
            *) is_count "$value" || { say "spec.helmValues.$key.replicas is '$value'" && return 1; } ;;
            esac
            COUNT[$key]=$value
            ;;
        esac
    done <<<"$answer"
    [[ -z $MARK || $MARK =~ ^[1-9][0-9]{0,17}-(starting|started|ending|ended)$ ]] ||
        { say "the annotation breakwater/epoch is '$MARK', which no script of these writes" && return 1; }
}

mark_epoch() {
    local number=${MARK%-*}
    echo "${number:-0}"
}

# Every component is there, and wants no pod. One that is left out of the object has the chart's
# own default, which is a pod.
is_dormant() {
    local part
    for part in "${COMPONENTS[@]}"; do
        [ "${COUNT[$part]:-}" = 0 ] || return 1
    done
}

# True while the operator says that it has not seen the object as it is: what it has in its hands may
# still make pods.
is_operator_behind() {
    [ -n "$OBSERVED" ] && { ! is_count "$OBSERVED" || [ "$OBSERVED" -lt "$GENERATION" ]; }
}

# patch OPERATION... behind the test that the annotation is still what was read. Says on stderr why
# not; that it failed does not say that it was not done, nor that it never will be.
patch() {
    local tests operations
    if [ -z "$ANNOTATED" ]; then
        tests='{"op":"test","path":"/metadata/annotations","value":null},'
        tests+='{"op":"add","path":"/metadata/annotations","value":{}}'
    elif [ -z "$MARK" ]; then
        tests='{"op":"test","path":"/metadata/annotations/breakwater~1epoch","value":null}'
    else
        tests='{"op":"test","path":"/metadata/annotations/breakwater~1epoch","value":"'$MARK'"}'
    fi
    operations=$(printf ',%s' "$@")
    ask patch "$KIND" "$HARBOR_NAME" --type=json -p "[$tests$operations]" >/dev/null
}

# The operation that sets annotation breakwater/$1 to $2.
annotation() {
    printf '{"op":"add","path":"/metadata/annotations/breakwater~1%s","value":"%s"}' "$1" "$2"
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

# ---- pods and nodes -----------------------------------------------------------------------------

POD_TEMPLATE='{{range .items}}{{.metadata.name}} {{with index .metadata.labels "component"}}{{.}}'
POD_TEMPLATE+='{{else}}-{{end}} {{with .spec.nodeName}}{{.}}{{else}}-{{end}} '
POD_TEMPLATE+='{{if .metadata.deletionTimestamp}}ending{{else}}{{range .status.conditions}}'
POD_TEMPLATE+='{{if eq .type "Ready"}}{{if eq .status "True"}}ready{{end}}{{end}}{{end}}{{end}}'
POD_TEMPLATE+='{{"\n"}}{{end}}end'
NODE_TEMPLATE='{{range .items}}{{.metadata.name}} {{range .status.conditions}}'
NODE_TEMPLATE+='{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{"\n"}}{{end}}end'

# A line for each pod object: NAME COMPONENT NODE [ready|ending]; 1: nobody says.
list_pods() {
    local answer
    answer=$(ask get pods -l "release=$HARBOR_NAME" -o "go-template=$POD_TEMPLATE") || return 1
    [ "${answer##*$'\n'}" = end ] || return 1
    sed '$d' <<<"$answer"
}

WORKLOAD_TEMPLATE='{{range .items}}{{.kind}}/{{.metadata.name}} {{.spec.replicas}} '
WORKLOAD_TEMPLATE+='{{.metadata.generation}} {{with .status.observedGeneration}}{{.}}{{else}}0{{end}}'
WORKLOAD_TEMPLATE+='{{"\n"}}{{end}}end'

# Which of its workloads may still make a pod: those that want one, or whose controller has not seen yet
# that none is wanted; 1: nobody says.
busy_workloads() {
    local answer
    answer=$(ask get deployments,replicasets,statefulsets -l "release=$HARBOR_NAME" \
        -o "go-template=$WORKLOAD_TEMPLATE") || return 1
    [ "${answer##*$'\n'}" = end ] || return 1
    sed '$d' <<<"$answer" | awk '$2 != 0 || $4 < $3 { printf "%s ", $1 }'
}

# A line for each node: NAME True|False|Unknown; 1: nobody says.
list_nodes() {
    local answer
    answer=$(ask get nodes "$@" -o "go-template=$NODE_TEMPLATE") || return 1
    [ "${answer##*$'\n'}" = end ] || return 1
    sed '$d' <<<"$answer"
}

# Which of the nodes "$@" are not Ready; 1: nobody says. One that Kubernetes does not have any more is
# gone for good: so said who deleted it.
silent_nodes() {
    local nodes node
    [ $# -gt 0 ] || return 0
    nodes=$(list_nodes) || return 1
    for node in "$@"; do
        awk -v node="$node" '$1 == node && $2 != "True" { found = 1 } END { exit !found }' <<<"$nodes" &&
            printf '%s ' "$node"
    done
    return 0
}

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

# The words of "$@" and of the lines of standard input, each once.
union() {
    { printf '%s\n' "$@" && cat; } | sed '/^$/d' | sort -u | paste -sd ' '
}

# What ends here is to be remembered by its nodes, until they are seen Ready and without a pod. A node
# that is silent may have pods whose objects somebody has removed by force.
nodes_to_keep() {
    local pods=$1 silent=() nodes selector=()
    # shellcheck disable=SC2206
    local kept=($NODES)
    [ -z "$HARBOR_NODE_SELECTOR" ] || selector=(-l "$HARBOR_NODE_SELECTOR")
    if ! is_dormant || [ -n "$pods" ]; then
        nodes=$(list_nodes "${selector[@]}") || return 1
        mapfile -t silent < <(awk '$2 != "True" { print $1 }' <<<"$nodes")
    fi
    awk '$3 != "-" { print $3 }' <<<"$pods" | union "${kept[@]}" "${silent[@]}"
}

# True when nothing of this epoch and below can start any more, and the nodes $1 of the pods $2 are
# remembered.
is_closed() {
    [ "$NODES" = "$1" ] && is_dormant && case $MARK in
    *-ending) [ "$(mark_epoch)" -ge "$EPOCH" ] ;;
    *-ended) [ "$(mark_epoch)" -ge "$EPOCH" ] && [ -z "$2" ] ;;
    '') [ "$EPOCH" = 0 ] ;;
    *) false ;;
    esac
}

# Raises the epoch and takes the counts to 0, in one write, and sees it done. 2: a newer epoch has
# this Harbor.
close_epoch() {
    local pods nodes number part operations
    while [ $SECONDS -lt "$deadline" ]; do
        sleep 0.1
        read_harbor && pods=$(list_pods) && nodes=$(nodes_to_keep "$pods") || continue
        number=$(mark_epoch)
        [ "$(wc -w <<<"$nodes")" -le $KEPT_NODES_MAX ] ||
            { say "more than $KEPT_NODES_MAX nodes: see HARBOR_NODE_SELECTOR" && return 1; }
        is_closed "$nodes" "$pods" && return 0
        if [ "$EPOCH" != 0 ] && [ "$number" -gt "$EPOCH" ] && [[ $MARK != *-end* ]]; then
            return 2
        fi
        [ "$number" -ge "$EPOCH" ] || number=$EPOCH
        operations=("$(annotation nodes "$nodes")")
        # Without an epoch, by hand before the first grant, there is none to be over.
        [ "$number" = 0 ] || operations=("$(annotation epoch "$number-ending")" "${operations[@]}")
        if ! is_dormant; then
            # What somebody has set after a stop is no count of a Harbor that served.
            [[ $MARK == *-end* && -n $KEPT ]] || operations+=("$(annotation replicas "$(counts_now)")")
            for part in "${COMPONENTS[@]}"; do
                operations+=("$(count_of "$part" 0)")
            done
        fi
        patch "${operations[@]}"
    done
    return 1
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
# second. Never a grace of 0: then the object goes first, and the pod may live on. What this may not do
# is left to the operator; only what is seen counts.
push() {
    ask scale deployments,statefulsets -l "release=$HARBOR_NAME" --replicas=0 >/dev/null
    ask delete pods -l "release=$HARBOR_NAME" --grace-period=1 --wait=false >/dev/null
}

# end_harbor SECONDS [push]: exits 0 only once the epoch is over at the API server, no pod object is
# left, the nodes that had pods are Ready, and operator and controllers have seen that none is wanted (an
# operator that does not say what it has seen: was given time for it).
end_harbor() {
    local how=${2:-} pods silent busy behind pushed=-10 quiet_since='' why='' operations
    deadline=$((SECONDS + $1)) EPOCH=${BREAKWATER_EPOCH:-0}
    while [ $SECONDS -lt "$deadline" ]; do
        close_epoch
        case $? in
        1) break ;;
        2) fail "the object has ${MARK/-/, }: epoch $EPOCH is older, and ends nothing of it" ;;
        esac
        if [ "$how" = push ] && [ $((SECONDS - pushed)) -ge 5 ]; then
            pushed=$SECONDS
            [ -z "$(list_pods)" ] || push
        fi
        # What may still make pods is asked before the pods: one that was made before has to be seen.
        behind=
        ! is_operator_behind || behind="the operator, which has not seen the last change"
        busy=$(busy_workloads) && pods=$(list_pods) || continue
        if [ -n "$pods" ]; then
            quiet_since=
            why="$(wc -l <<<"$pods") pods are left: $(cut -d ' ' -f 1,3 <<<"$pods" | paste -sd ,)"
            continue
        fi
        # shellcheck disable=SC2086
        silent=$(silent_nodes $NODES) || continue
        if [ -n "$silent" ]; then
            why="no pod object is left, but these nodes are not Ready, and may run what they had: $silent"
            continue
        fi
        if [ -n "$behind$busy" ]; then
            quiet_since=
            why="no pod is left, but these may still make one: $behind $busy"
            continue
        fi
        quiet_since=${quiet_since:-$SECONDS}
        if [[ $MARK == *-ended ]] || [ -z "$MARK$NODES" ]; then
            exit 0
        elif [ -n "$OBSERVED" ] || [ $((SECONDS - quiet_since)) -ge "$HARBOR_OPERATOR_LAG" ]; then
            operations=("$(annotation nodes '')")
            [ -z "$MARK" ] || operations+=("$(annotation epoch "$(mark_epoch)-ended")")
            patch "${operations[@]}"
        fi
    done
    fail "not seen to have ended within $1 s: ${why:-the API server does not say}"
}
