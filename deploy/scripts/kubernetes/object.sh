# shellcheck shell=bash disable=SC2015,SC2034,SC2119,SC2120,SC2153,SC2154
# object.sh - what script sets for Kubernetes share: one object that says what is to run, its pods, the nodes
# of these, and how a write of an older epoch is kept out. Sourced.
#
# Settings come from the environment only. Every call has a limit, and each script may be killed at any
# point and run again. The object carries annotations:
#   breakwater/epoch     N-starting: a start of epoch N may have a write under way that nobody has
#                        seen the end of; N-started: it has ended well, none is under way; N-ending:
#                        nothing of N and below may start here any more; N-ended: and all of it was
#                        seen to have ended
#   breakwater/nodes     where its pods were when a stop began: until these nodes are Ready with no
#                        pod left, nobody knows that they have ended
# Each write is one JSON patch that begins with a test of breakwater/epoch. The API server itself
# refuses it once the annotation has moved on, however late it comes.
#
# A set names, before it calls anything here, its object by KIND, OBJECT and NAMESPACE, what its pods are
# selected by with PODS_WANTED, the label of a pod that says what it is with POD_LABEL, the labels of the
# nodes it may run on with NODES_WANTED (a setting of the name NODES_SETTING), and REQUEST_TIMEOUT in
# seconds. It defines
#   own_template             the lines of the object that it reads besides
#   forget, take_line K V    before the lines of an object, and for each of its own lines
#   is_dormant               true when the object, as it was read, wants nothing that serves
#   add_closing              adds to `operations` what makes it so
#   is_end PODS              false when pods like these cannot be after an end that was seen; where the end
#                            is no pod, that of `end_pods` below, which wants WORKLOADS and OPERATOR_LAG

set -u -o pipefail
umask 077
export LC_ALL=C

NOTHING_CHANGED=69
KEPT_NODES_MAX=200
MARK_NAME=epoch # the annotation breakwater/epoch; a set may name another one

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

# What is wrong with the settings NAMES (names of Kubernetes) and NUMBERS, or with the TOOLS; each a list of
# words. Empty and success when nothing is.
common_problem() {
    local name tool
    for name in $1; do
        [[ ${!name} =~ ^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$ ]] ||
            { echo "$name '${!name}' is no name of Kubernetes" && return 1; }
    done
    for name in $2; do
        is_count "${!name}" || { echo "$name must be a whole number, not '${!name}'" && return 1; }
    done
    [[ ${BREAKWATER_EPOCH:-0} =~ ^(0|[1-9][0-9]{0,17})$ ]] ||
        { echo "BREAKWATER_EPOCH '$BREAKWATER_EPOCH' is no epoch" && return 1; }
    for tool in $3 kubectl timeout; do
        command -v "$tool" >/dev/null || { echo "there is no '$tool' in $PATH" && return 1; }
    done
    return 0
}

# The API server. A request has its own limit; kubectl may make several, so the whole has one, too.
ask() {
    timeout -k 1 "$((REQUEST_TIMEOUT + 3))" kubectl -n "$NAMESPACE" \
        --request-timeout="${REQUEST_TIMEOUT}s" "$@"
}

# Asks for an answer by template $1, of which a half is none: its last line is `end`.
ask_whole() {
    local answer template=$1
    shift
    answer=$(ask get "$@" -o "go-template=${template}end") || return 1
    [ "${answer##*$'\n'}" = end ] || return 1
    sed '$d' <<<"$answer"
}

# ---- the object ---------------------------------------------------------------------------------

# A template's line NAME VALUE of annotation breakwater/$2.
annotation_template() {
    printf '%s' "$1 {{with .metadata.annotations}}{{with index . \"breakwater/$2\"}}{{.}}{{end}}{{end}}{{\"\\n\"}}"
}

object_template() {
    printf '%s' 'generation {{.metadata.generation}}{{"\n"}}' \
        'observed {{with .status}}{{with .observedGeneration}}{{.}}{{end}}{{end}}{{"\n"}}' \
        'annotated {{with .metadata.annotations}}yes{{end}}{{"\n"}}'
    annotation_template mark "$MARK_NAME"
    annotation_template nodes nodes
    own_template
}

# Sets GENERATION, OBSERVED ("": the operator says none), ANNOTATED, MARK and NODES, and what the set takes,
# from the object as it is; 1: that cannot be had, or makes no sense.
read_object() {
    local answer key value
    answer=$(ask_whole "$(object_template)" "$KIND" "$OBJECT") || return 1
    forget
    while read -r key value; do
        case $key in
        generation) GENERATION=$value ;;
        observed) OBSERVED=$value ;;
        annotated) ANNOTATED=$value ;;
        mark) MARK=$value ;;
        nodes) NODES=$value ;;
        *) take_line "$key" "$value" || return 1 ;;
        esac
    done <<<"$answer"
    [[ -z $MARK || $MARK =~ ^(0|[1-9][0-9]{0,17})-(starting|started|ending|ended)$ ]] ||
        { say "the annotation breakwater/$MARK_NAME is '$MARK', which no script of these writes" && return 1; }
}

mark_epoch() {
    local number=${MARK%-*}
    echo "${number:-0}"
}

# True while the operator says that it has not seen the object as it is: what it has in its hands may
# still make something.
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
        tests='{"op":"test","path":"/metadata/annotations/breakwater~1'$MARK_NAME'","value":null}'
    else
        tests='{"op":"test","path":"/metadata/annotations/breakwater~1'$MARK_NAME'","value":"'$MARK'"}'
    fi
    operations=$(printf ',%s' "$@")
    ask patch "$KIND" "$OBJECT" --type=json -p "[$tests$operations]" >/dev/null
}

# The operation that sets annotation breakwater/$1 to $2.
annotation() {
    printf '{"op":"add","path":"/metadata/annotations/breakwater~1%s","value":"%s"}' "$1" "$2"
}

# ---- pods and nodes -----------------------------------------------------------------------------

# A line for each pod object: NAME LABEL NODE ADDRESS [ready|ending]; 1: nobody says.
list_pods() {
    local template='{{range .items}}{{.metadata.name}} {{with .metadata.labels}}{{with index . "'$POD_LABEL'"}}{{.}}'
    template+='{{else}}-{{end}}{{else}}-{{end}} {{with .spec.nodeName}}{{.}}{{else}}-{{end}} '
    template+='{{with .status.podIP}}{{.}}{{else}}-{{end}} '
    template+='{{if .metadata.deletionTimestamp}}ending{{else}}{{range .status.conditions}}'
    template+='{{if eq .type "Ready"}}{{if eq .status "True"}}ready{{end}}{{end}}{{end}}{{end}}{{"\n"}}{{end}}'
    ask_whole "$template" pods -l "$PODS_WANTED"
}

# A line for each node: NAME True|False|Unknown; 1: nobody says.
list_nodes() {
    ask_whole '{{range .items}}{{.metadata.name}} {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{
        end}}{{end}}{{"\n"}}{{end}}' nodes "$@"
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
    [ -z "$NODES_WANTED" ] || selector=(-l "$NODES_WANTED")
    if ! is_dormant || [ -n "$pods" ]; then
        nodes=$(list_nodes "${selector[@]}") || return 1
        mapfile -t silent < <(awk '$2 != "True" { print $1 }' <<<"$nodes")
    fi
    awk '$3 != "-" { print $3 }' <<<"$pods" | union "${kept[@]}" "${silent[@]}"
}

# True when nothing of this epoch and below can start any more, and the nodes $1 of the pods $2 are
# remembered, or were until their end was seen.
is_closed() {
    is_dormant && case $MARK in
    *-ending) [ "$NODES" = "$1" ] && [ "$(mark_epoch)" -ge "$EPOCH" ] ;;
    *-ended) [ "$(mark_epoch)" -ge "$EPOCH" ] && is_end "$2" ;;
    '') [ "$NODES" = "$1" ] && [ "$EPOCH" = 0 ] ;;
    *) false ;;
    esac
}

# Ends the script where the object has a newer epoch, unless that is over: then it may end what else is left there.
leave_to_newer() {
    [[ $MARK == *-end* ]] || fail "the object has ${MARK/-/, }: epoch $EPOCH is older, and ends nothing of it"
}

# Raises the epoch and makes the object dormant, in one write, and sees it done; 1: not in time. Fails where a newer
# epoch has this service.
close_epoch() {
    local pods nodes number operations
    while [ $SECONDS -lt "$deadline" ]; do
        sleep 0.1
        read_object && pods=$(list_pods) && nodes=$(nodes_to_keep "$pods") || continue
        number=$(mark_epoch)
        [ "$(wc -w <<<"$nodes")" -le $KEPT_NODES_MAX ] ||
            { say "more than $KEPT_NODES_MAX nodes: see $NODES_SETTING" && return 1; }
        [ "$EPOCH" = 0 ] || [ "$number" -le "$EPOCH" ] || leave_to_newer
        is_closed "$nodes" "$pods" && return 0
        [ "$number" -ge "$EPOCH" ] || number=$EPOCH
        operations=("$(annotation nodes "$nodes")")
        # Without an epoch, by hand before the first grant, there is none to be over.
        [ -z "$MARK" ] && [ "$number" = 0 ] || operations=("$(annotation "$MARK_NAME" "$number-ending")" "${operations[@]}")
        is_dormant || add_closing
        patch "${operations[@]}"
    done
    return 1
}

# ---- an end that is no pod ----------------------------------------------------------------------

WORKLOAD_TEMPLATE='{{range .items}}{{.kind}}/{{.metadata.name}} {{.spec.replicas}} '
WORKLOAD_TEMPLATE+='{{.metadata.generation}} {{with .status.observedGeneration}}{{.}}{{else}}0{{end}}'
WORKLOAD_TEMPLATE+='{{"\n"}}{{end}}'

# Which of its WORKLOADS may still make a pod: those that want one, or whose controller has not seen yet
# that none is wanted; 1: nobody says.
busy_workloads() {
    local answer
    answer=$(ask_whole "$WORKLOAD_TEMPLATE" "$WORKLOADS" -l "$PODS_WANTED") || return 1
    awk 'NF && ($2 != 0 || $4 < $3) { printf "%s ", $1 }' <<<"$answer"
}

# A service that is its pods has ended when it has none.
is_end() {
    [ -z "$1" ]
}

# True while the operator may still make a pod; a set may know more of its own.
is_behind() {
    is_operator_behind
}

# end_pods SECONDS [push]: exits 0 only once the epoch is over at the API server, no pod object is
# left, the nodes that had pods are Ready, and operator and controllers have seen that none is wanted (an
# operator that does not say what it has seen: was given OPERATOR_LAG seconds for it). `push`: by the set's
# function of that name as well, without waiting for the operator.
end_pods() {
    local how=${2:-} pods silent busy behind pushed=-10 quiet_since='' why='' operations
    deadline=$((SECONDS + $1)) EPOCH=${BREAKWATER_EPOCH:-0}
    while [ $SECONDS -lt "$deadline" ]; do
        close_epoch || break
        if [ "$how" = push ] && [ $((SECONDS - pushed)) -ge 5 ]; then
            pushed=$SECONDS
            [ -z "$(list_pods)" ] || push
        fi
        # What may still make pods is asked before the pods: one that was made before has to be seen.
        behind=
        ! is_behind || behind="the operator, which is not done with what it was told"
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
        elif [ -n "$OBSERVED" ] || [ $((SECONDS - quiet_since)) -ge "$OPERATOR_LAG" ]; then
            operations=("$(annotation nodes '')")
            [ -z "$MARK" ] || operations+=("$(annotation "$MARK_NAME" "$(mark_epoch)-ended")")
            patch "${operations[@]}"
        fi
    done
    fail "not seen to have ended within $1 s: ${why:-the API server does not say}"
}

# ---- the start ----------------------------------------------------------------------------------

# A person's override serves again in an epoch that is over: it comes without a reason of a grant's.
may_start() {
    local number
    number=$(mark_epoch)
    [ "$number" -lt "$EPOCH" ] && return 0
    [ "$number" -eq "$EPOCH" ] && case $MARK in
    *-ended) [ "${BREAKWATER_REASON:-}" = none ] ;;
    *-ending) false ;;
    esac
}

# The first look of a start, which refuses where its epoch is over. A person's override at a site that never held an
# epoch comes as 0, and goes on in the newest that the object has: what it has is never lowered.
begin_epoch() {
    EPOCH=${BREAKWATER_EPOCH:-0}
    [ "$EPOCH" != 0 ] || [ "${BREAKWATER_EPOCH:-}/${BREAKWATER_REASON:-}" = 0/none ] ||
        refuse "BREAKWATER_EPOCH is not set: breakwater's guard runs this script"
    read_object || refuse "the object $NAMESPACE/$OBJECT cannot be read"
    [ "$EPOCH" != 0 ] || EPOCH=$(mark_epoch)
    may_start ||
        refuse "epoch $EPOCH is over here: the object has $MARK (of another cluster of breakwater's? Then
kubectl -n $NAMESPACE annotate $KIND $OBJECT breakwater/epoch-)"
}

# From here on the end of what was written is not known, until N-started or N-ended says so. "$@": what is
# written with it.
claim_epoch() {
    while [ "$MARK" != "$EPOCH-starting" ]; do
        may_start || fail "epoch $EPOCH is over here: the object has $MARK"
        patch "$(annotation "$MARK_NAME" "$EPOCH-starting")" "$@"
        next_look
    done
}

# The object as it is; ends the script when it is later than START_SECONDS.
next_look() {
    until sleep 0.1 && read_object; do
        [ $SECONDS -lt "$deadline" ] || fail "not within $START_SECONDS s: the API server does not answer"
    done
    [ $SECONDS -lt "$deadline" ] || fail "not within $START_SECONDS s: ${why:-the object is not as it is to be}"
}

# The same, of an epoch that was claimed.
next_look_inside() {
    next_look
    [ "$MARK" = "$EPOCH-starting" ] || fail "epoch $EPOCH was ended meanwhile: the object has $MARK"
}

# It has been seen that nothing of the start is under way any more.
end_start() {
    while [ "$MARK" != "$EPOCH-started" ]; do
        [ "$MARK" = "$EPOCH-starting" ] || fail "epoch $EPOCH was ended meanwhile: the object has $MARK"
        patch "$(annotation "$MARK_NAME" "$EPOCH-started")" "$@"
        next_look
    done
}
