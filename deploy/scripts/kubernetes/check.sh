# shellcheck shell=bash disable=SC2154
# check.sh - what the check.sh of a set has in common with others': which rights its account lacks, with the command that
# gives each, and which tool would put back what the scripts set. Sourced; settings of kubectl's as in object.sh, which it
# needs only for check_object and check_nodes.

# What a tool that keeps a repository in force leaves on the objects that it sets.
ARGO="argocd.argoproj.io/tracking-id argocd.argoproj.io/instance"
ARGO_OR_ANOTHER=app.kubernetes.io/instance # of Argo CD before 3.0, but Helm writes it as well
HELM=meta.helm.sh/release-name
LAST_APPLIED=kubectl.kubernetes.io/last-applied-configuration
FLUX=kustomize.toolkit.fluxcd.io/name
FLUX_OFF=kustomize.toolkit.fluxcd.io/reconcile
FLUX_HELM=helm.toolkit.fluxcd.io/name
RIGHTS=() # each NAMESPACE|VERB RESOURCE|what gives it
found=0

lacks() {
    echo "lacking: $*"
    found=1
}

# ---- rights -------------------------------------------------------------------------------------

# given_by FILE [WORD OWN]...: what `needs` names from here on is in FILE, whose WORD is OWN here.
given_by() {
    local file changes=''
    file=$(realpath "$1")
    shift
    while [ $# -gt 0 ]; do
        [ "$1" = "$2" ] || changes+="s/$1/$2/;"
        shift 2
    done
    gives="kubectl apply -f $file"
    [ -z "$changes" ] || gives="sed '$changes' $file | kubectl apply -f -"
}

# needs VERB,... RESOURCE [NAMESPACE], as `kubectl auth can-i` wants them.
needs() {
    local verb
    for verb in ${1//,/ }; do
        RIGHTS+=("${3:-$NAMESPACE}|$verb $2|$gives")
    done
}

can_i() {
    timeout -k 1 "$((REQUEST_TIMEOUT + 3))" kubectl --request-timeout="${REQUEST_TIMEOUT}s" auth can-i "$@" 2>/dev/null
}

# check_rights "$@" of the script: with `--rights` they are only printed, and the script ends.
check_rights() {
    local right answer words namespace where gives
    for right in "${RIGHTS[@]}"; do
        IFS='|' read -r namespace right gives <<<"$right"
        read -ra words <<<"$right"
        where=" in $namespace"
        [[ ${words[1]} != n[ao]* ]] || where= # nodes, a namespace
        where+=${by:+ by $by}
        [ "${1:-}" != --rights ] || { echo "$right$where" && continue; }
        answer=$(can_i "${words[@]}" -n "$namespace") || true
        case $answer in
        yes) ;;
        no*) lacks "the right to $right$where; what gives it: $gives" ;;
        *) lacks "an answer of the API server, whether this account may $right" ;;
        esac
    done
    [ "${1:-}" != --rights ] || exit 0
}

# The nodes of which a stop would see no end: a planned move ends the service before it can tell. Who may not list them
# was told so.
check_nodes() {
    local nodes names
    nodes=$(list_nodes ${NODES_WANTED:+-l "$NODES_WANTED"} 2>/dev/null) || return 0
    names=$(awk 'NF && $2 != "True" { print $1 }' <<<"$nodes" | paste -sd ' ')
    [ -z "$names" ] ||
        echo "warning: not Ready: $names. A stop or a fence sees no end before such a node is Ready again, for $(back_seconds) s," \
            "or deleted: a planned move now ends $KIND/$OBJECT, and nothing is begun elsewhere until then"
}

end_check() {
    [ $found = 1 ] || echo "nothing is lacking: all ${#RIGHTS[@]} rights are there"
    exit $found
}

# ---- who keeps an object ------------------------------------------------------------------------

# Labels and annotations of an object, each NAME=VALUE on a line.
marks() {
    # shellcheck disable=SC2016 # the template's own variables
    ask get "$@" -o 'go-template={{range $key, $value := .metadata.labels}}{{$key}}={{$value}}{{"\n"}}{{end}}{{
        range $key, $value := .metadata.annotations}}{{$key}}={{$value}}{{"\n"}}{{end}}' 2>/dev/null
}

value_of() { # NAME, of the marks in $told
    sed -n "s|^$1=||p" <<<"$told" | head -1
}

argo_advice() { # POINTERS
    echo "In its Application: ignoreDifferences with jsonPointers $1, and syncOptions [RespectIgnoreDifferences=true]"
}

# judge OBJECT POINTERS: of the object whose marks are in $told. WHAT: in words, what the pointers name.
judge() {
    local name value
    for name in $ARGO; do
        value=$(value_of "$name")
        [ -z "$value" ] ||
            echo "warning: $1 is kept by Argo CD ($name: $value): a sync puts $WHAT back. $(argo_advice "$2")"
    done
    value=$(value_of $FLUX)
    [ -z "$value" ] || [ "$(value_of $FLUX_OFF)" = disabled ] ||
        echo "warning: $1 is kept by Flux ($FLUX: $value): each of its rounds puts $WHAT back." \
            "Annotate it $FLUX_OFF: disabled, in the repository, too"
    value=$(value_of $FLUX_HELM)
    [ -z "$value" ] ||
        echo "warning: $1 is of a HelmRelease of Flux ($FLUX_HELM: $value): where it corrects drift it puts $WHAT" \
            "back. In the HelmRelease: driftDetection.ignore with paths $2"
}

# What an operator makes has that label by Helm; its own object only by whoever keeps it.
judge_own() {
    local value pointer
    judge "$1" "$2"
    value=$(value_of $LAST_APPLIED)
    for pointer in $2; do
        [[ $value == *"\"${pointer##*/}\":"* ]] || continue
        echo "warning: $1 was applied with $WHAT ($LAST_APPLIED): the next \`kubectl apply\` puts that back, or" \
            "removes it. gitops.md of harbor-operator: how a file leaves it alone"
        break
    done
    value=$(value_of $ARGO_OR_ANOTHER)
    [ -z "$value" ] || [ -n "$(value_of $HELM)" ] ||
        echo "warning: $1 may be kept by Argo CD ($ARGO_OR_ANOTHER: $value), whose sync puts $WHAT back." \
            "$(argo_advice "$2")"
}

# check_object POINTERS: of the set's own object.
check_object() {
    local told
    told=$(marks "$KIND" "$OBJECT") ||
        { lacks "the object $NAMESPACE/$OBJECT, or the right to read it" && return 1; }
    judge_own "$KIND/$OBJECT" "$1"
}
