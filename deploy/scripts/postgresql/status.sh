#!/bin/bash
# Prints `started` when this server can commit, `stopped` when it surely cannot (nothing runs, or it
# is a standby that nobody has asked to be promoted), `unknown` in every other case; why, on stderr. Changes nothing.
. "${BASH_SOURCE[0]%/*}/server.sh"

if ! problem=$(settings_problem); then
    say "$problem"
    echo unknown
    exit 0
fi
look_at_server
say "$WHY"
case $SERVER in
primary) echo started ;;
down | standby | starting) echo stopped ;;
*) echo unknown ;;
esac
