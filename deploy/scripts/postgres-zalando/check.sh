#!/bin/bash
# For a person, with the account and the settings of the scripts beside it: says each right that they ask for and lack,
# and which tool would put spec.standby back. Changes nothing. Exit status and `--rights`: as harbor-operator's.
. "${BASH_SOURCE[0]%/*}/setting.sh"
. "${BASH_SOURCE[0]%/*}/../kubernetes/check.sh" || exit 1

WHAT="spec.standby"
check_database "/spec/standby" "$@"
