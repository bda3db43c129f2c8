# shellcheck shell=bash
# Waits of shell tests, by the rules of patience.py: a bound is that of an idle machine, and is scaled only after it has
# passed. For sourcing. `late` counts waits that are over, `failures`, which is the test's, all other failures; `verdict`
# ends the program. If the test has a function on_late, each wait that is over calls that.
late=0
patience_folder=$(cd "${BASH_SOURCE[0]%/*}" && pwd) || exit

# Sets uptime_cs, hundredths of a second.
read_uptime() {
    read -r uptime_cs _ </proc/uptime
    uptime_cs=$((10#${uptime_cs/./}))
}

# Prints how many times slower this machine is now than an idle one.
slowness() {
    /usr/bin/env python3 -ESB "$patience_folder/patience.py" --slowness || echo 1.00
}

# within SECONDS COMMAND...: waits until COMMAND, which runs in this shell, succeeds; false after the wait. Sets
# waited_cs, and slow_pc: how slow the machine was at most, in percent of an idle one's time.
within() {
    local limit_cs=$(($1 * 100)) begun_cs measured_cs=-1 now_pc
    shift
    read_uptime
    begun_cs=$uptime_cs slow_pc=100
    until "$@"; do
        read_uptime
        waited_cs=$((uptime_cs - begun_cs))
        if [ $waited_cs -ge $limit_cs ]; then
            if [ $measured_cs -lt 0 ] || [ $((waited_cs - measured_cs)) -ge $((limit_cs / 8)) ]; then
                now_pc=$(slowness) # 1.00 to 8.00
                now_pc=$((10#${now_pc/./}))
                [ $now_pc -le 800 ] || now_pc=800
                [ $now_pc -le $slow_pc ] || slow_pc=$now_pc
                read_uptime
                waited_cs=$((uptime_cs - begun_cs)) measured_cs=$((uptime_cs - begun_cs))
            fi
            if [ $((waited_cs * 100)) -ge $((limit_cs * slow_pc)) ]; then
                "$@" # the machine may have stalled since the last look
                return
            fi
        fi
        sleep 0.1
    done
}

# is_late SECONDS WHAT: counts and prints that the wait is over; false.
is_late() {
    late=$((late + 1))
    printf 'waited in vain: %s (waited %d.%d s; bound %d s, machine %d.%d times slower)\n' "$2" \
        $((waited_cs / 100)) $((waited_cs / 10 % 10)) "$1" $((slow_pc / 100)) $((slow_pc / 10 % 10))
    ! declare -F on_late >/dev/null || on_late
    return 1
}

# await SECONDS WHAT COMMAND...: waits until COMMAND succeeds.
await() {
    within "$1" "${@:3}" || is_late "$1" "$2"
}

# eventually SECONDS WANTED COMMAND...: waits until COMMAND prints WANTED.
eventually() {
    local wanted=$2 got
    within "$1" prints_wanted "${@:3}" || is_late "$1" "${claimed:+$claimed: }${*:3}: expected '$wanted', got '$got'"
}

prints_wanted() {
    got=$("$@")
    [ "$got" = "$wanted" ]
}

# Ends the program: 0, 75 if waits that are over are the only failures, else 1.
verdict() {
    [ "${failures:-0}" = 0 ] || exit 1
    [ $late = 0 ] || exit 75
    exit 0
}
