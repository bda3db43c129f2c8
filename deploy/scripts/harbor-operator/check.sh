#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask
# for and lack, and what else would change the counts of Harbor behind their back. Changes nothing.
# Exit status: 0 nothing is lacking (a line that begins with `warning` may be there), 1 something is, or could
# not be asked.
. "${BASH_SOURCE[0]%/*}/harbor.sh"

# Verb and resource, as `kubectl auth can-i` wants them: all that rbac.yaml allows, and no more.
RIGHTS=(
    "get $KIND" "patch $KIND"
    "get pods" "list pods" "delete pods"
    "get deployments.apps" "list deployments.apps" "get replicasets.apps" "list replicasets.apps"
    "get statefulsets.apps" "list statefulsets.apps"
    "get deployments.apps --subresource=scale" "patch deployments.apps --subresource=scale"
    "update deployments.apps --subresource=scale" "get statefulsets.apps --subresource=scale"
    "patch statefulsets.apps --subresource=scale" "update statefulsets.apps --subresource=scale"
    "list nodes"
)
REMOTE_RIGHTS=(
    "get $KIND" "patch $KIND" "list pods" "delete pods"
    "list deployments.apps" "list replicasets.apps" "list statefulsets.apps" "list nodes" "get namespace/kube-system"
)
# What a tool that keeps a repository in force leaves on the objects that it sets.
ARGO="argocd.argoproj.io/tracking-id argocd.argoproj.io/instance"
ARGO_OR_ANOTHER=app.kubernetes.io/instance # of Argo CD before 3.0, but Helm writes it as well
HELM=meta.helm.sh/release-name
LAST_APPLIED=kubectl.kubernetes.io/last-applied-configuration
FLUX=kustomize.toolkit.fluxcd.io/name
FLUX_OFF=kustomize.toolkit.fluxcd.io/reconcile
FLUX_HELM=helm.toolkit.fluxcd.io/name
found=0

lacks() {
    echo "lacking: $*"
    found=1
}

check_rights() { # FILE RIGHT...
    local file=$1 right answer words where
    shift
    for right in "$@"; do
        read -ra words <<<"$right"
        where=" in $HARBOR_NAMESPACE"
        [[ ${words[1]} != n[ao]* ]] || where=
        answer=$(ask auth can-i "${words[@]}" 2>/dev/null) || true
        case $answer in
        yes) ;;
        no*) lacks "the right to $right$where; $file has it" ;;
        *) lacks "an answer of the API server, whether this account may $right" ;;
        esac
    done
}

# Each kubeconfig that remote_fence.sh may take: it leads to another cluster, with its Harbor and the rights that it needs.
check_remotes() {
    local file here there
    here=$(cluster_id 2>/dev/null) ||
        lacks "the id of this cluster, without which remote_fence.sh ends nothing; remote-rbac.yaml has the right to it"
    for file in "$HARBOR_REMOTE_KUBECONFIGS"/*; do
        local -x KUBECONFIG=$file
        unset KUBERNETES_SERVICE_HOST
        there=$(cluster_id 2>/dev/null) || { lacks "$file: an answer of that API server, or all rights there"; continue; }
        [ "$there" != "$here" ] || { lacks "$file: another cluster; it leads to this one"; continue; }
        check_rights "$file: remote-rbac.yaml" "${REMOTE_RIGHTS[@]}"
        ask get "$KIND" "$HARBOR_NAME" >/dev/null 2>&1 || lacks "$file: the object $HARBOR_NAMESPACE/$HARBOR_NAME there"
    done
}

# Labels and annotations of an object, each NAME=VALUE on a line.
marks() {
    # shellcheck disable=SC2016 # the template's own variables
    ask get "$@" -o 'go-template={{range $key, $value := .metadata.labels}}{{$key}}={{$value}}{{"\n"}}{{end}}{{
        range $key, $value := .metadata.annotations}}{{$key}}={{$value}}{{"\n"}}{{end}}' 2>/dev/null
}

value_of() { # NAME, of the marks in $told
    sed -n "s|^$1=||p" <<<"$told" | head -1
}

argo_advice() { # FIELDS
    echo "In its Application: ignoreDifferences with jsonPointers $1, and syncOptions [RespectIgnoreDifferences=true]"
}

# judge WHAT FIELDS: of the object whose marks are in $told
judge() {
    local name value
    for name in $ARGO; do
        value=$(value_of "$name")
        [ -z "$value" ] ||
            echo "warning: $1 is kept by Argo CD ($name: $value): a sync puts the counts back. $(argo_advice "$2")"
    done
    value=$(value_of $FLUX)
    [ -z "$value" ] || [ "$(value_of $FLUX_OFF)" = disabled ] ||
        echo "warning: $1 is kept by Flux ($FLUX: $value): each of its rounds puts the counts back." \
            "Annotate it $FLUX_OFF: disabled, in the repository, too"
    value=$(value_of $FLUX_HELM)
    [ -z "$value" ] ||
        echo "warning: $1 is of a HelmRelease of Flux ($FLUX_HELM: $value): where it corrects drift it puts the" \
            "counts back. In the HelmRelease: driftDetection.ignore with paths $2"
}

# What an operator makes has that label by Helm; its own object only by whoever keeps it.
judge_own() {
    local value
    judge "$1" "$2"
    value=$(value_of $LAST_APPLIED)
    [[ $value != *'"replicas":'* ]] ||
        echo "warning: $1 was applied with counts ($LAST_APPLIED): the next \`kubectl apply\` puts them back, or" \
            "removes them. gitops.md beside this script: how it leaves them alone"
    value=$(value_of $ARGO_OR_ANOTHER)
    [ -z "$value" ] || [ -n "$(value_of $HELM)" ] ||
        echo "warning: $1 may be kept by Argo CD ($ARGO_OR_ANOTHER: $value), whose sync puts the counts back." \
            "$(argo_advice "$2")"
}

# Who applies counts on the server's side, each with its components on a line: MANAGER COMPONENT...
# shellcheck disable=SC2016 # the template's own variables
appliers() {
    local template='{{range .metadata.managedFields}}{{if eq .operation "Apply"}}{{$manager := .manager}}'
    template+='{{with .fieldsV1}}{{with index . "f:spec"}}{{with index . "f:helmValues"}}'
    template+='{{range $part, $fields := .}}{{range $field, $own := $fields}}{{if eq $field "f:replicas"}}'
    template+='{{$manager}} {{$part}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
    ask_whole "$template" "$KIND" "$HARBOR_NAME" |
        awk '$1 != "breakwater" { sub(/^f:/, "", $2); parts[$1] = parts[$1] " " $2 }
            END { for (manager in parts) print manager parts[manager] }'
}

check_appliers() {
    local manager parts
    while read -r manager parts; do
        echo "warning: $KIND/$HARBOR_NAME: $manager applies the counts of $parts on the server's side, and puts them" \
            "back. gitops.md beside this script: how they become breakwater's"
    done < <(appliers)
}

check_keepers() {
    local told deployment names part pointers=
    for part in "${COMPONENTS[@]}"; do
        pointers+="${pointers:+ }/spec/helmValues/$part/replicas"
    done
    told=$(marks "$KIND" "$HARBOR_NAME") ||
        { lacks "the object $HARBOR_NAMESPACE/$HARBOR_NAME, or the right to read it"; return; }
    judge_own "$KIND/$HARBOR_NAME" "$pointers"
    check_appliers
    names=$(ask get deployments,statefulsets -l "release=$HARBOR_NAME" -o name 2>/dev/null) ||
        { lacks "a list of the workloads of $HARBOR_NAME"; return; }
    for deployment in $names; do
        told=$(marks "$deployment") || { lacks "what $deployment says of itself"; continue; }
        judge "$deployment" /spec/replicas
    done
}

# shellcheck disable=SC2119
problem=$(settings_problem) || fail "$problem"
check_rights rbac.yaml "${RIGHTS[@]}"
check_keepers
[ -z "${HARBOR_REMOTE_KUBECONFIGS:-}" ] || check_remotes
[ $found = 1 ] || echo "nothing is lacking: all ${#RIGHTS[@]} rights are there"
exit $found
