#!/bin/bash
# Exits 0 if the group's variables are as the scripts beside this one need them, else prints on stderr what is wrong. Changes
# nothing. `breakwater check` runs it, with the names of the group's scripts in this folder as arguments.
. "${BASH_SOURCE[0]%/*}/rgw.sh" || exit 1

problem='' credentials=''
# shellcheck disable=SC2119
! settings_problem || fail "$problem"
