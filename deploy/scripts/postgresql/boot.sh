#!/bin/bash
# boot.sh VERSION/NAME: before systemd starts a cluster of Debian's, whoever asked for that (a boot, a package, a
# person): it comes up as a standby, and only start.sh promotes it. See boot.conf and README.md.
PG_CLUSTER=${1:-}
. "${BASH_SOURCE[0]%/*}/server.sh"

problem=$(settings_problem) || fail "$problem; not started"
! why=$(unfinished) || fail "$why; not started: rejoin.sh goes on with it"
look_at_server
[ "$SERVER" != other ] || fail "$WHY; not started"
[ "$SERVER" != primary ] || { say "it runs already" && exit 0; }
forbid_writing || fail "cannot write $PGDATA/standby.signal; not started"
replay_all || fail "cannot write $PGDATA/postgresql.auto.conf; not started"
sync -f "$PGDATA"
say "$PG_CLUSTER comes up as a standby"
