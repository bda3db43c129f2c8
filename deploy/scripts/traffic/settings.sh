#!/bin/bash
# Exits 0 if the group's variables are as the scripts beside this one need them, else prints on stderr what is wrong. Changes
# nothing. `breakwater check` runs it, with the names of the group's scripts in this folder as arguments.

for script; do
    case $script in
    vip.sh | keepalived.sh) "${BASH_SOURCE[0]%/*}/$script" --settings || exit 1 ;;
    esac
done
