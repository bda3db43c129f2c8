#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask for and lack,
# and which tool would put numberOfInstances back. Changes nothing. Exit status and `--rights`: as harbor-operator's.
. "${BASH_SOURCE[0]%/*}/walg.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

WHAT=numberOfInstances
mirror_secret() { :; } # what is restored follows nobody
given_by "${BASH_SOURCE[0]%/*}/rbac.yaml" pg-namespace "$NAMESPACE" pod-config "$WALG_CONFIGMAP"
needs create "pods --subresource=exec"
needs delete pods
needs list statefulsets.apps
needs get,patch,update "statefulsets.apps --subresource=scale"
needs list,delete persistentvolumeclaims
[ "$WALG_CONFIGMAP_NAMESPACE" = "$NAMESPACE" ] ||
    gives="a Role and a RoleBinding of $WALG_CONFIGMAP_NAMESPACE with the rule for configmaps of rbac.yaml"
needs get,patch "configmaps/$WALG_CONFIGMAP" "$WALG_CONFIGMAP_NAMESPACE"
[ "${1:-}" = --rights ] || keys=$(keys_in_configmap) || keys=''
[ -z "${keys:-}" ] ||
    echo "warning: the ConfigMap $WALG_CONFIGMAP_NAMESPACE/$WALG_CONFIGMAP holds ${keys% }, which all who read ConfigMaps can read:" \
        "move them to a Secret, and name that in the operator's pod_environment_secret"
check_database /spec/numberOfInstances "$@"
