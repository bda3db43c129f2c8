#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask for and lack,
# and which tool would put isReplica and numberOfInstances back. Changes nothing. Exit status and `--rights`: as harbor-operator's.
. "${BASH_SOURCE[0]%/*}/setting.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

SECRET=standby-bootstrap-secret # until the object says another one
WHAT="isReplica and numberOfInstances"
check_database "/spec/clusterReplication/isReplica /spec/numberOfInstances" "$@"
