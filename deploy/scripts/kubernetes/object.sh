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
#                        pod left, nobody knows that they have ended. A word for each, NAME=SINCE: Ready
#                        since then, as it was first seen; NAME=over: and so still without a pod; NAME:
#                        not Ready; NAME=SINCE+SECONDS: Ready again since then, and seen so for that long.
#                        Two SINCE are the same or not, and are compared with no clock
# Each write is one JSON patch that begins with a test of breakwater/epoch. The API server itself
# refuses it once the annotation has moved on, however late it comes.
#
# A set names, before it calls anything here, its object by KIND, OBJECT and NAMESPACE, what its pods are
# selected by with PODS_WANTED, the label of a pod that says what it is with POD_LABEL, the labels of the
# nodes it may run on with NODES_WANTED (a setting of the name NODES_SETTING), and in seconds REQUEST_TIMEOUT
# and POD_GRACE, the longest grace of its pods. It defines
#   own_template             the lines of the object that it reads besides
#   forget, take_line K V    before the lines of an object, and for each of its own lines
#   is_dormant               true when the object, as it was read, wants nothing that serves
#   add_closing              adds to `operations` what makes it so
#   note_end                 may add to `operations` what is to be known of an end that was seen
#   is_end PODS              false when pods like these cannot be after an end that was seen; where the end
#                            is no pod, that of `end_pods` below, which wants WORKLOADS and OPERATOR_LAG

set -u -o pipefail
umask 077
export LC_ALL=C

NOTHING_CHANGED=69
KEPT_NODES_MAX=200
NODES= # of an object that no script reads the nodes of: none
# A kubelet that was cut off asks again at least once in so many seconds, and then hears which of its pods were removed.
KUBELET_LAG=60
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

# Seconds on a clock of this machine that nobody sets.
seconds_up() {
    local seconds
    read -r seconds _ </proc/uptime && echo "${seconds%.*}"
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
    [[ $NODES =~ ^[a-z0-9.=:+TZ\ -]*$ ]] ||
        { say "the annotation breakwater/nodes is '$NODES', which no script of these writes" && return 1; }
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

# patch OPERATION... behind the test that the annotations are still what was read. Says on stderr why
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
    # What another one has seen of the nodes meanwhile is not lost.
    [ -z "$NODES" ] || tests+=',{"op":"test","path":"/metadata/annotations/breakwater~1nodes","value":"'$NODES'"}'
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

# A line for each node: NAME True|False|Unknown SINCE, as it dates its own condition; 1: nobody says.
list_nodes() {
    ask_whole '{{range .items}}{{.metadata.name}} {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}} {{
        with .lastTransitionTime}}{{.}}{{else}}-{{end}}{{end}}{{end}}{{"\n"}}{{end}}' nodes "$@"
}

# For how many seconds a node that was lost has to be Ready again. It says so before it ends what it still runs of pods
# whose objects somebody has removed by force, with all the grace that these have.
back_seconds() {
    echo $((POD_GRACE + KUBELET_LAG))
}

# Which of the nodes "$@", words of NODES, may still run what they had, each with the reason; 1: nobody says. One that
# Kubernetes does not have any more is gone for good: so said who deleted it.
silent_nodes() {
    local nodes
    [ $# -gt 0 ] || return 0
    nodes=$(list_nodes) || return 1
    awk -v need="$(back_seconds)" 'NR == FNR { status[$1] = $2; since[$1] = $3; next }
        { name = known = $0; sub(/=.*/, "", name); sub(/^[^=]*=?/, "", known); seen = need }
        known ~ /\+/ { seen = known; sub(/.*\+/, "", seen); sub(/\+.*/, "", known) }
        !(name in status) || known == "over" { next }
        status[name] != "True" { printf "%s (not Ready) ", name; next }
        known != since[name] { seen = 0 }
        seen + 0 < need { printf "%s (Ready again, seen so for %d s of %d) ", name, seen, need }
        ' <(echo "$nodes") <(printf '%s\n' "$@")
}

# ---- the end ------------------------------------------------------------------------------------

# The names of the nodes of the pods $1, and of those that are silent and may have pods whose objects somebody has removed
# by force, of the list $2; also where what was started wants nothing any more, and no stop of these has made it so.
nodes_in_doubt() {
    local nodes=$2
    awk '$3 != "-" { print $3 }' <<<"$1"
    if ! is_dormant || [ -n "$1" ] || [[ $MARK == *-start* ]]; then
        [ -z "$NODES_WANTED" ] || nodes=$(list_nodes -l "$NODES_WANTED") || return 1
        awk '$2 != "True" { print $1 }' <<<"$nodes"
    fi
}

# has_pod NODE PODS
has_pod() {
    awk -v node="$1" '$3 == node { found = 1 } END { exit !found }' <<<"$2"
}

declare -A BACK=() # NAME=SINCE: when this run would have seen it Ready again for 0 seconds

# Sets `nodes` to what NODES is to be: what ends here is remembered by its nodes, until they are seen without a pod, and
# Ready: as before, or for as long as that takes. What is over nothing can undo but a new pod. Of how long one was Ready
# again each run counts only what it sees itself. Sets `not_ready` to those of which no end can be seen now. 1: nobody says.
look_at_nodes() {
    local asked listed names name status since word back seen zero answered pods=$1
    local -A ready=() known=() words=()
    asked=$(seconds_up)
    listed=$(list_nodes) && names=$(nodes_in_doubt "$pods" "$listed") || return 1
    answered=$(seconds_up)
    while read -r name status since; do
        known[${name:--}]=yes
        [ "$status" != True ] || ready[$name]=$since
    done <<<"$listed"
    for word in $NODES; do
        words[${word%%=*}]=$word
    done
    for name in $names; do
        [ "${words[$name]:-}" != "$name=over" ] || { is_dormant && ! has_pod "$name" "$pods"; } || words[$name]=''
        words[$name]=${words[$name]:-$name${ready[$name]:+=${ready[$name]}}}
    done
    for name in "${!words[@]}"; do
        word=${words[$name]} back=$name=${ready[$name]:-}
        if [ -z "${known[$name]:-}" ] || [ "$word" = "$name=over" ]; then
            continue
        elif [ "$word" = "$back" ]; then
            ! is_dormant || has_pod "$name" "$pods" || words[$name]=$name=over
            continue
        elif [ -z "${ready[$name]:-}" ]; then
            words[$name]=$name
            continue
        fi
        seen=${word#"$back+"}
        [[ $word == "$back+"* ]] && is_count "$seen" || { seen=0 && BACK[$back]=''; }
        # From an answer to a question, so never longer than it was; and of whole seconds one less.
        zero=${BACK[$back]:-$((answered + 1 - seen))} && BACK[$back]=$zero
        [ $((asked - zero)) -lt $((seen + 5)) ] || [ "$seen" -ge "$(back_seconds)" ] || seen=$((asked - zero))
        words[$name]=$back+$seen
    done
    nodes=$(printf '%s\n' "${words[@]}" | sort | paste -sd ' ') not_ready=
    for name in $nodes; do
        [[ $name == *=* || -z ${known[$name]:-} ]] || not_ready+=" $name"
    done
}

# Sets `silent` to the nodes that may run what no pod object shows, each with the reason, of what wants nothing and has no
# pod: those that are remembered, and those that a stop would remember. 1: nobody says.
look_for_silent() {
    local nodes=$NODES
    [[ $MARK != *-start* ]] || look_at_nodes '' || return 1
    # shellcheck disable=SC2086
    silent=$(silent_nodes $nodes)
}

# The words $1 of NODES without the seconds.
untimed() {
    local word
    for word in $1; do
        printf '%s ' "${word%+*}${word//[^+]/}"
    done
}

# True when $1 differs from NODES in nothing but for how many seconds nodes were Ready again.
same_nodes() {
    [ "$(untimed "$1")" = "$(untimed "$NODES")" ]
}

# Its site starts the service again under this epoch: the epoch is not over, and what is written of it stays.
goes_on() {
    [ "${BREAKWATER_RESTART:-}" = true ]
}

# No later start has begun, so what was read before this look is older than it; where the epoch goes on, its mark stays.
may_cut() {
    [[ $MARK != *-start* ]] || { goes_on && is_dormant; }
}

# True when nothing of this epoch and below can start any more (where the epoch goes on: nothing below it), and the nodes $1 of
# the pods $2 are remembered, or were until their end was seen.
is_closed() {
    is_dormant && case $MARK in
    *-ending) same_nodes "$1" && [ "$(mark_epoch)" -ge "$EPOCH" ] ;;
    *-ended) [ "$(mark_epoch)" -ge "$EPOCH" ] && is_end "$2" ;;
    '') same_nodes "$1" && [ "$EPOCH" = 0 ] ;;
    *) same_nodes "$1" && goes_on && [ "$MARK" = "$EPOCH-started" ] ;;
    esac
}

# Ends the script where the object has a newer epoch, unless that is over: then it may end what else is left there.
leave_to_newer() {
    [[ $MARK == *-end* ]] || fail "the object has ${MARK/-/, }: epoch $EPOCH is older, and ends nothing of it"
}

# Says of which nodes no end will be seen, while what has to be taken down still runs. By what look_at_nodes was told: a
# fence does not wait for one more answer.
say_not_ready() {
    [ "$not_ready" = "${said_not_ready:-}" ] ||
        say "not Ready, so no end is seen before they are again, or are deleted:$not_ready"
    said_not_ready=$not_ready
}

# Raises the epoch and makes the object dormant, in one write, and sees it done; 1: not in time. Fails where a newer
# epoch has this service. What was quiet until then (`quiet_since`) begins anew where the API server did not answer, by which
# the operator sees what it was told, and where it was told something else.
close_epoch() {
    local pods nodes number operations
    while [ $SECONDS -lt "$deadline" ]; do
        sleep 0.1
        read_object && pods=$(list_pods) && look_at_nodes "$pods" || { quiet_since='' && continue; }
        number=$(mark_epoch)
        [ "$(wc -w <<<"$nodes")" -le $KEPT_NODES_MAX ] ||
            { say "more than $KEPT_NODES_MAX nodes: see $NODES_SETTING" && return 1; }
        [ "$EPOCH" = 0 ] || [ "$number" -le "$EPOCH" ] || leave_to_newer
        if is_closed "$nodes" "$pods"; then
            # Where only more time is to be written down, the next run goes on from there, and this one does not wait for it.
            [[ $MARK == *-ended || $NODES == "$nodes" ]] || ! patch "$(annotation nodes "$nodes")" || NODES=$nodes
            return 0
        fi
        [ "$number" -ge "$EPOCH" ] || number=$EPOCH
        operations=("$(annotation nodes "$nodes")")
        if goes_on; then # what a start of before still has on its way finds another mark
            [[ $MARK == *-end* && $(mark_epoch) -ge $EPOCH ]] ||
                operations=("$(annotation "$MARK_NAME" "$EPOCH-started")" "${operations[@]}")
        elif [ -n "$MARK" ] || [ "$number" != 0 ]; then # without an epoch, by hand before the first grant, there is none to be over
            operations=("$(annotation "$MARK_NAME" "$number-ending")" "${operations[@]}")
        fi
        is_dormant || { quiet_since='' && say_not_ready && add_closing; }
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

note_end() {
    :
}

# True while the operator may still make a pod; a set may know more of its own.
is_behind() {
    is_operator_behind
}

# delete_pod NAME UID [GRACE]: ends the pod of that name if it is still this one.
delete_pod() {
    local options='{"apiVersion":"v1","kind":"DeleteOptions",'${3:+'"gracePeriodSeconds":'$3,}'"preconditions":{"uid":"'$2'"}}'
    ask delete --raw "/api/v1/namespaces/$NAMESPACE/pods/$1" -f - >/dev/null <<<"$options"
}

# The same beside others, eight at once; `wait` has to follow.
delete_some() {
    delete_pod "$@" &
    [ "$(jobs -rp | wc -l)" -lt 8 ] || wait
}

# Has node $1, Ready since $2, remembered as one that is Ready again, seen so for no time yet.
doubt() {
    local word others=()
    for word in $NODES; do
        [ "${word%%=*}" = "$1" ] || others+=("$word")
    done
    patch "$(annotation nodes "$(printf '%s\n' "${others[@]}" "$1=$2+0" | sort | paste -sd ' ')")"
}

# A line for each pod that is Failed or Succeeded: NAME UID NODE, and `runs` or `over` for each of its containers of
# which its kubelet says anything.
list_finished() {
    # shellcheck disable=SC2016 # the template's own variables
    ask_whole '{{range $pod := .items}}{{with $pod.status.phase}}{{if or (eq . "Failed") (eq . "Succeeded")}}{{
        $pod.metadata.name}} {{$pod.metadata.uid}} {{with $pod.spec.nodeName}}{{.}}{{else}}-{{end}}{{
        range $pod.status.containerStatuses}}{{if .state.running}} runs{{else}} over{{end}}{{end}}{{"\n"}}{{end}}{{end}}{{end}}' \
        pods -l "$PODS_WANTED"
}

# Ends the pods that have not finished, within a second. Never with a grace of 0: then the object goes first, and the pod may
# live on. Each by its uid, and only those that were there while no later start had begun: what comes late ends no pod of one.
end_unfinished() {
    local pods name uid
    pods=$(ask_whole '{{range .items}}{{.metadata.name}} {{.metadata.uid}}{{"\n"}}{{end}}' pods -l "$PODS_WANTED" \
        --field-selector='status.phase!=Failed,status.phase!=Succeeded') && read_object && may_cut || return
    while read -r name uid; do
        [ -z "$name" ] || delete_some "$name" "$uid" 1
    done <<<"$pods"
    wait
}

# Removes pods $1 that have finished by themselves: one that was evicted is left there by its ReplicaSet, whatever count that
# is to have. The object of such a pod goes at once, so its kubelet, which has to be Ready, has to say before that no
# container runs; or nothing more of them, as older ones do of what they evict, and then nothing may have changed for as long
# as their grace can last. A push has no time for that; and where nobody looks after it (`remote`), such a node is remembered
# before as one that is only now Ready again. Sets `said_to_run` to those whose containers are said to run.
delete_finished() {
    local finished nodes name uid node containers status since
    local -A ready=()
    said_to_run=
    [ "$1" = "$unchanged" ] || unchanged=$1 unchanged_since=$(seconds_up)
    finished=$(list_finished) && nodes=$(list_nodes) || return 0
    while read -r name status since; do
        [ "$status" != True ] || ready[$name]=$since
    done <<<"$nodes"
    while read -r name uid node containers; do
        since=${ready[${node:--}]:-}
        [[ $containers != *runs* ]] || said_to_run+=" $name"
        [ -n "$name" ] && [[ $containers != *runs* ]] && { [ "$node" = - ] || [ -n "$since" ]; } || continue
        case ${containers:+said}$how in
        '') [ $(($(seconds_up) - unchanged_since)) -gt "$POD_GRACE" ] || continue ;;
        remote) [ -z "$since" ] || [[ " $NODES" == *" $node=$since+"* ]] || { doubt "$node" "$since"; break; } ;;
        esac
        say "$name has finished: its object is removed"
        delete_some "$name" "$uid"
    done <<<"$finished"
    wait
}

# end_pods SECONDS [push|remote]: exits 0 only once the epoch is over at the API server, no pod object is
# left, the nodes that had pods have ended them, and operator and controllers have seen that none is wanted (an
# operator that does not say what it has seen: was given OPERATOR_LAG seconds for it, in which the API server has answered).
# `push`, and where no status is asked afterwards `remote`: by the set's function push as well, without waiting for the
# operator.
end_pods() {
    local how=${2:-} pods silent busy behind pushed=-10 quiet_since='' why='' operations unchanged='' unchanged_since said_to_run=''
    deadline=$((SECONDS + $1)) EPOCH=${BREAKWATER_EPOCH:-0}
    while [ $SECONDS -lt "$deadline" ]; do
        close_epoch || break
        if [ -n "$how" ] && [ $((SECONDS - pushed)) -ge 5 ]; then
            pushed=$SECONDS
            pods=$(list_pods)
            [ -z "$pods" ] || { push && delete_finished "$pods"; }
        fi
        # What may still make pods is asked before the pods: one that was made before has to be seen.
        behind=
        ! is_behind || behind="the operator, which is not done with what it was told"
        busy=$(busy_workloads) && pods=$(list_pods) || { quiet_since='' && continue; }
        if [ -n "$pods" ]; then
            quiet_since=
            why="$(wc -l <<<"$pods") pods are left: $(cut -d ' ' -f 1,3 <<<"$pods" | paste -sd ,)"
            [ -n "$how$behind$busy" ] || delete_finished "$pods"
            [ -z "$said_to_run" ] || why+="; finished, but the kubelet reports a running container:$said_to_run"
            continue
        fi
        # shellcheck disable=SC2086
        silent=$(silent_nodes $NODES) || { quiet_since='' && continue; }
        if [ -n "$silent" ]; then
            why="no pod object is left, but these nodes may run what they had: $silent"
            continue
        fi
        if [ -n "$behind$busy" ]; then
            quiet_since=
            why="no pod is left, but these may still make one: $behind $busy"
            continue
        fi
        quiet_since=${quiet_since:-$(seconds_up)}
        if [[ $MARK == *-ended ]] || [ -z "$MARK$NODES" ]; then
            exit 0
        elif [ -n "$OBSERVED" ] || [ $(($(seconds_up) - quiet_since)) -gt "$OPERATOR_LAG" ]; then
            operations=("$(annotation nodes '')")
            note_end
            if goes_on; then
                [ -n "$NODES" ] || [ ${#operations[@]} -gt 1 ] || exit 0
            elif [ -n "$MARK" ]; then
                operations+=("$(annotation "$MARK_NAME" "$(mark_epoch)-ended")")
            fi
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
        refuse "epoch $EPOCH is over here: the object has $MARK (of another cluster of breakwater's, or another trial's? Then
kubectl -n $NAMESPACE annotate $KIND $OBJECT breakwater/$MARK_NAME-)"
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
