# shellcheck shell=bash
# What `build`, `up` and `down` share: how they speak, where the programs are, and which processes are a
# cluster's own. For sourcing.

# shellcheck disable=SC2034
KUBE=${BREAKWATER_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/breakwater/kube}

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }

check_name() {
    [[ $1 =~ ^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$ ]] ||
        fail "'$1' is no cluster's name: a letter, then letters, digits and '-', 20 at most"
}

# When process $1 started, in clock ticks since boot: with the pid, a name that is never used twice.
birth_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The 22nd field; the 2nd, the program's name in brackets, may have blanks.
    stat=${stat##*) }
    awk '$1 != "Z" { print $20; ok = 1 } END { exit !ok }' <<<"$stat"
}

# The pid of part $2 of the cluster in folder $1, if that very process still runs.
pid_of() {
    local pid birth
    read -r pid birth 2>/dev/null <"$1/$2.pid" || return 1
    [ "$(birth_of "$pid")" = "$birth" ] && printf '%s\n' "$pid"
}
