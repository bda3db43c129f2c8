#!/bin/bash
# shellcheck disable=SC2030,SC2031 # a function in a subshell has the settings of the other site
# For an operator, with the account and the settings of the scripts next to it: prints each missing right, each missing Secret
# of the old passwords, and the tool that would put numberOfInstances back. Changes nothing. Exit status and `--rights`: as
# harbor-operator's.
. "${BASH_SOURCE[0]%/*}/walg.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

# Prints the command that copies Secret $1 from the other site.
copy_command() {
    local lines="kind: Secret{{\"\\n\"}}apiVersion: v1{{\"\\n\"}}metadata: {name: $1}{{\"\\n\"}}data:{{\"\\n\"}}"
    # shellcheck disable=SC2016 # the template's own variables
    lines+='{{range $key, $value := .data}}{{"  "}}{{$key}}: {{$value}}{{"\n"}}{{end}}'
    echo "kubectl --context OTHER -n $POSTGRES_PEER_NAMESPACE get secret $1 -o 'go-template=$lines' |" \
        "kubectl -n $NAMESPACE ${2:-create} -f -"
}

hash_there() (
    export KUBECONFIG=$POSTGRES_PEER_KUBECONFIG
    unset KUBERNETES_SERVICE_HOST
    NAMESPACE=$POSTGRES_PEER_NAMESPACE
    hash_of "$1"
)

# A restored database has the passwords of the database that made the backup. The Secrets have to be here before a start: the
# operator makes new passwords for a Secret that it does not find.
check_secrets() {
    local name here there
    for name in $WALG_SECRETS; do
        is_secret_name "$name" || { lacks "a valid name in WALG_SECRETS: '$name'" && continue; }
        here=$(hash_of "$name") || continue # the right to it is missing, which check_rights prints
        if [ "$here" = none ]; then
            lacks "the Secret $NAMESPACE/$name, with a password of the database that made the backups. At the site that makes" \
                "backups: the operator makes the Secret; if it has another name, write the name into WALG_SECRETS. At the other" \
                "site copy it, with the kubectl context of the first site instead of OTHER: $(copy_command "$name")"
            continue
        fi
        [ -n "$POSTGRES_PEER_KUBECONFIG" ] || continue
        if ! there=$(hash_there "$name") || [ "$there" = none ]; then
            echo "warning: the Secret $NAMESPACE/$name is not compared: POSTGRES_PEER_KUBECONFIG reads no" \
                "$POSTGRES_PEER_NAMESPACE/$name at the other site"
        elif [ "$here" != "$there" ]; then
            lacks "equal content of the Secret $NAMESPACE/$name at both sites: a restored database has the passwords of the other" \
                "site. At the site that restores, with the kubectl context of the other site instead of OTHER:" \
                "$(copy_command "$name" replace)"
        fi
    done
}

WHAT=numberOfInstances
mirror_secret() { :; } # what is restored follows nobody
given_by "${BASH_SOURCE[0]%/*}/rbac.yaml" pg-namespace "$NAMESPACE" pod-config "$WALG_CONFIGMAP" acid-pg "$OBJECT"
for name in $WALG_SECRETS; do
    needs get "secrets/$name"
done
needs create "pods --subresource=exec"
needs delete pods
needs list statefulsets.apps
needs get,patch,update "statefulsets.apps --subresource=scale"
needs list,delete persistentvolumeclaims
[ "$WALG_CONFIGMAP_NAMESPACE" = "$NAMESPACE" ] ||
    gives="a Role and a RoleBinding of $WALG_CONFIGMAP_NAMESPACE with the rule for configmaps of rbac.yaml"
needs get,patch "configmaps/$WALG_CONFIGMAP" "$WALG_CONFIGMAP_NAMESPACE"
[ "${1:-}" = --rights ] || check_secrets
[ "${1:-}" = --rights ] || keys=$(keys_in_configmap) || keys=''
[ -z "${keys:-}" ] ||
    echo "warning: the ConfigMap $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP holds ${keys% }, which all who read ConfigMaps can read:" \
        "move them to a Secret, and name that in the operator's pod_environment_secret"
check_database /spec/numberOfInstances "$@"
