#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask
# for and lack, what else would change the counts of Harbor behind their back, and of which nodes no stop would
# see an end now. Changes nothing.
# Exit status: 0 nothing is lacking (a line that begins with `warning` may be there), 1 something is, or could
# not be asked. With `--rights` it prints what they ask for, and asks nobody.
. "${BASH_SOURCE[0]%/*}/harbor.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

WHAT="the counts"
HARBOR_OWN_SETTINGS=${HARBOR_OWN_SETTINGS-"helmValues.database.external.host helmValues.database.external.port
    helmValues.redis.external.addr helmValues.persistence.imageChartStorage.s3.regionendpoint"}

# All that rbac.yaml allows, and no more.
given_by "${BASH_SOURCE[0]%/*}/rbac.yaml" harbor-ns "$NAMESPACE"
needs get,patch "$KIND"
needs get,list,delete pods
for kind in deployments replicasets statefulsets; do
    needs get,list $kind.apps
done
needs get,patch,update "deployments.apps --subresource=scale"
needs get,patch,update "statefulsets.apps --subresource=scale"
needs list nodes

# The settings of the Harbor object, PATH=VALUE on a line, but for those that each site has for itself. The YAML is kubectl's own:
# two spaces a level.
settings_of_object() {
    local own=()
    read -rd '' -a own <<<"$HARBOR_OWN_SETTINGS"
    ask get "$KIND" "$HARBOR_NAME" -o yaml 2>/dev/null | OWN="${own[*]}" awk '
        BEGIN { count = split(ENVIRON["OWN"], own, " ") }
        /^[a-z]/ { is_spec = /^spec:/ }
        !is_spec || /^[a-z]/ { next }
        {
            match($0, /[^ ]/)
            depth = RSTART
            text = substr($0, depth)
            if (text !~ /^[A-Za-z0-9_.\/-]+:( |$)/) { print path[last] "=" text; next } # an item of a list, a line of a text
            key = value = text
            sub(/:.*/, "", key)
            sub(/^[^:]*: ?/, "", value)
            above = ""
            for (i = depth - 1; i > 0 && above == ""; i--) above = path[i]
            for (i = depth; i <= 99; i++) path[i] = ""
            path[last = depth] = above (above == "" ? "" : ".") key
            if (value == "" || key == "replicas") next
            for (i = 1; i <= count; i++) if (path[last] == own[i]) next
            print path[last] "=" value
        }' | sort -u
}

# compare_settings SITE HERE THERE: prints what is not the same in both, without passwords and keys.
compare_settings() {
    comm -3 <(echo "$2") <(echo "$3") | sed -E 's/^\t/there: /; t hide; s/^/here: /
        :hide
        s/^([^=]*(password|token|key)=).*/\1(not shown)/I
        s|^|warning: '"$KIND/$HARBOR_NAME differs from that of $1, "'|'
}

# Each kubeconfig that remote_fence.sh may take: it leads to another cluster, with its Harbor and the rights that it needs, which
# are all that remote-rbac.yaml allows there.
check_remotes() {
    local by here there settings RIGHTS=()
    settings=$(settings_of_object)
    here=$(cluster_id 2>/dev/null) ||
        lacks "the id of this cluster, without which remote_fence.sh ends nothing; remote-rbac.yaml has the right to it"
    given_by "${BASH_SOURCE[0]%/*}/remote-rbac.yaml" harbor-ns "$NAMESPACE"
    needs get,patch "$KIND"
    needs list,delete pods
    for kind in deployments replicasets statefulsets; do
        needs list $kind.apps
    done
    needs list nodes
    needs get namespace/kube-system
    for by in "$HARBOR_REMOTE_KUBECONFIGS"/*; do
        local -x KUBECONFIG=$by
        unset KUBERNETES_SERVICE_HOST
        there=$(cluster_id 2>/dev/null) || { lacks "$by: an answer of that API server, or all rights there"; continue; }
        [ "$there" != "$here" ] || { lacks "$by: another cluster; it leads to this one"; continue; }
        check_rights
        ask get "$KIND" "$HARBOR_NAME" >/dev/null 2>&1 || { lacks "$by: the object $HARBOR_NAMESPACE/$HARBOR_NAME there"; continue; }
        compare_settings "${by##*/}" "$settings" "$(settings_of_object)"
    done
}

# Who has set counts, each with its components on a line: Apply MANAGER COMPONENT... on the server's side, Update where it
# wrote them by a patch, and nobody has changed them since. Of those that begin with kubectl are the scripts and people.
# shellcheck disable=SC2016 # the template's own variables
setters() {
    local template='{{range .metadata.managedFields}}{{$who := printf "%s %s" .operation .manager}}'
    template+='{{with .fieldsV1}}{{with index . "f:spec"}}{{with index . "f:helmValues"}}'
    template+='{{range $part, $fields := .}}{{range $field, $own := $fields}}{{if eq $field "f:replicas"}}'
    template+='{{$who}} {{$part}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}'
    ask_whole "$template" "$KIND" "$HARBOR_NAME" |
        awk '$2 == "breakwater" || ($1 == "Update" && $2 ~ /^kubectl/) { next }
            { sub(/^f:/, "", $3); parts[$1 " " $2] = parts[$1 " " $2] " " $3 }
            END { for (who in parts) print who parts[who] }'
}

check_setters() {
    local how manager parts
    while read -r how manager parts; do
        if [ "$how" = Apply ]; then
            echo "warning: $KIND/$HARBOR_NAME: $manager applies the counts of $parts on the server's side, and puts them" \
                "back. gitops.md beside this script: how they become breakwater's"
        else
            echo "warning: $KIND/$HARBOR_NAME: $manager was the last to set the counts of $parts, neither these scripts nor" \
                "kubectl; if it does so in rounds it puts them back. gitops.md beside this script: how it leaves them alone"
        fi
    done < <(setters)
}

check_keepers() {
    local told deployment names part pointers=
    for part in "${COMPONENTS[@]}"; do
        pointers+="${pointers:+ }/spec/helmValues/$part/replicas"
    done
    check_object "$pointers" || return
    check_setters
    names=$(ask get deployments,statefulsets -l "release=$HARBOR_NAME" -o name 2>/dev/null) ||
        { lacks "a list of the workloads of $HARBOR_NAME"; return; }
    for deployment in $names; do
        told=$(marks "$deployment") || { lacks "what $deployment says of itself"; continue; }
        judge "$deployment" /spec/replicas
    done
}

# shellcheck disable=SC2119
problem=$(settings_problem) || fail "$problem"
check_rights "$@"
check_keepers
check_nodes
[ -z "${HARBOR_REMOTE_KUBECONFIGS:-}" ] || check_remotes
end_check
