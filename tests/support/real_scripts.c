/* The demo service of a site and its scripts. Files beside them change what they do:
 *   start_exit   a number: start.sh ends with it and has done nothing
 *   late         start.sh ends well, and what it leaves behind begins the service when this file
 *                has gone
 *   slow         start.sh begins the service when this file has gone
 *   held         of a unit: systemd takes the order and carries it out when this file has gone; start.sh fails
 *   lies         stop.sh and fence.sh end well and have done nothing
 *   hangs        stop.sh, fence.sh and status.sh do nothing, ignore TERM and do not end
 *   stubborn     a service that starts ignores TERM
 *   refuses      stop.sh and fence.sh do nothing and fail
 *   elsewhere    start.sh has somebody else begin the service, no child of the guard: elsewhere.sh
 *   helper       then it leaves a process of its own in the guard's reach, beside the service elsewhere
 *   sick         status.sh says unhealthy of a service that lives
 *   say          a word: what status.sh prints, whatever is so
 *   remote_refuses   remote_fence.sh does nothing and fails
 *   position     a number: what readiness.sh has reached; `final` replaces it when the service
 * stops not_ready    readiness.sh fails */
#include "real_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

static const char common[] =
    "#!/bin/sh\n"
    "D='%s'\n"
    "PID_FILE=\"$D/pid\"\n"
    "OWNER=%ld\n"
    BW_LAB_SCRIPT_IS_ALIVE "note() {\n"
    "    read -r up rest </proc/uptime\n"
    "    echo \"$1 epoch=$BREAKWATER_EPOCH reason=$BREAKWATER_REASON planned=$BREAKWATER_PLANNED\" "
    "\"position=$BREAKWATER_TARGET_POSITION up=$up\" >>\"$D/journal\"\n"
    "}\n"
    "hang_if_told() {\n"
    "    [ -f \"$D/hangs\" ] || return 0\n"
    "    trap '' TERM\n"
    "    while [ -d /proc/$OWNER ]; do sleep 1; done\n"
    "}\n"
    "end_with() {\n"
    "    while is_alive; do kill -\"$1\" \"$pid\" 2>/dev/null; sleep 0.02; done\n"
    "}\n";

/* Lives no longer than the test that made it. */
static const char service[] =
    "[ -f \"$D/stubborn\" ] && trap '' TERM\n"
    "read -r up rest </proc/uptime\n"
    "echo \"$up $$\" >>\"$D/beats\"\n"
    BW_LAB_SCRIPT_TELL_PID
    "while [ -d /proc/$OWNER ]; do\n"
    "    read -r up rest </proc/uptime\n"
    "    echo \"$up $$\" >>\"$D/beats\"\n"
    "    sleep 0.05\n"
    "done\n";
static const char late[] = "while [ -f \"$D/late\" ]; do sleep 0.05; done\n";
#define HAVE_IT_BEGUN                                                                               \
    "if [ -f \"$D/elsewhere\" ]; then\n"                                                            \
    "    : >\"$D/elsewhere_wanted\"\n"                                                              \
    "    [ ! -f \"$D/helper\" ] || setsid sleep 600 </dev/null >/dev/null 2>&1 &\n"                  \
    "    until is_alive; do sleep 0.02; done\n"                                                     \
    "    exit 0\n"                                                                                  \
    "fi\n"
static const char begin[] = "setsid sh \"$D/service.sh\" </dev/null >/dev/null 2>&1 &\n"
                            "until is_alive; do sleep 0.02; done\n";
/* Or as a client of a container daemon does; elsewhere.sh is the daemon. */
static const char begin_here[] = HAVE_IT_BEGUN
    "setsid sh \"$D/service.sh\" </dev/null >/dev/null 2>&1 &\n"
    "until is_alive; do sleep 0.02; done\n";
static const char elsewhere[] = "while [ -d /proc/$OWNER ]; do\n"
                                "    if rm \"$D/elsewhere_wanted\" 2>/dev/null; then\n"
                                "        setsid sh \"$D/service.sh\" </dev/null >/dev/null 2>&1 &\n"
                                "    fi\n"
                                "    sleep 0.05\n"
                                "done\n";
/* As `systemctl start` would: what starts it is no child of ours. */
static const char begin_unit[] = ": >\"$D/unit_wanted\"\n"
                                 "[ ! -f \"$D/held\" ] || exit 1\n"
                                 "until is_alive; do sleep 0.02; done\n";
/* `kill` is taken and does nothing, as by a systemd that hangs; one that is mute does not even
 * answer. */
static const char systemctl[] = "[ -e \"$D/systemd_is_mute\" ] && exec sleep 600\n"
                                "[ -e \"$D/systemd_is_away\" ] && echo asked >>\"$D/asked\" && exit 1\n"
                                "[ \"$*\" = 'cancel -- 4711' ] && rm -f \"$D/unit_wanted\"\n"
                                "[ \"$1\" = show ] || exit 0\n"
                                "[ ! -f \"$D/unit_wanted\" ] || echo Job=4711\n"
                                "echo LoadState=loaded\n"
                                "read -r group <\"$D/unit_cgroup\"\n"
                                "echo Slice=-.slice\n"
                                "echo \"Id=${group#/}\"\n" /* its cgroup is named as we may */
                                "if is_alive; then\n"
                                "    echo ActiveState=active\n"
                                "    echo \"ControlGroup=$group\"\n"
                                "else\n"
                                "    echo ActiveState=inactive\n"
                                "fi\n";
/* What people have: it starts and stops as condition says; nobody else starts anything. */
static const char loop[] = "while [ -d /proc/$OWNER ]; do\n"
                           "    case $(timeout 1 \"$BREAKWATER_BUILD/breakwater\" condition "
                           "--group harbor --socket \"$D/guard.sock\" 2>>\"$D/loop.log\") in\n"
                           "    start) is_alive || { note loop_start; : >\"$D/unit_wanted\"; } ;;\n"
                           "    stop) if is_alive; then note loop_stop; kill \"$pid\"; fi ;;\n"
                           "    esac\n"
                           "    sleep 0.2\n"
                           "done\n";
static const char start[] = "note start\n"
                            "[ -f \"$D/start_exit\" ] && read -r code <\"$D/start_exit\" && "
                            "printf 'looking\\ncannot open \\033[1mdatabase\\n' >&2 && exit $code\n"
                            "while [ -f \"$D/slow\" ]; do sleep 0.05; done\n"
                            "if [ -f \"$D/late\" ]; then\n"
                            "    setsid sh \"$D/late.sh\" </dev/null >/dev/null 2>&1 &\n"
                            "    exit 0\n"
                            "fi\n"
                            "is_alive && exit 0\n";
static const char stop[] = "note stop\n"
                           "hang_if_told\n"
                           "[ -f \"$D/refuses\" ] && exit 1\n"
                           "[ -f \"$D/lies\" ] && exit 0\n"
                           "end_with TERM\n"
                           "[ -f \"$D/final\" ] && read -r last <\"$D/final\" && "
                           "echo \"$last\" >\"$D/position\"\n"
                           "exit 0\n";
static const char fence[] = "note fence\n"
                            "hang_if_told\n"
                            "[ -f \"$D/refuses\" ] && exit 1\n"
                            "[ -f \"$D/lies\" ] && exit 0\n"
                            "end_with KILL\n";
/* The API of the other site is its directory: what it has heard of last is there. */
static const char remote_fence[] =
    "note remote_fence\n"
    "[ -f \"$D/remote_refuses\" ] && echo 'no route to its API' >&2 && exit 1\n"
    "D=\"$D/../$(printf %.1s \"$BREAKWATER_PREVIOUS_SITE\")\"\n"
    "PID_FILE=\"$D/pid\"\n"
    "newest=0\n"
    "[ -f \"$D/remote_epoch\" ] && read -r newest <\"$D/remote_epoch\"\n"
    "[ \"$newest\" -le \"$BREAKWATER_EPOCH\" ] || exit 1\n"
    "echo \"$BREAKWATER_EPOCH\" >\"$D/remote_epoch\"\n"
    "end_with KILL\n";
static const char status[] = "hang_if_told\n"
                             "[ -f \"$D/say\" ] && read -r word <\"$D/say\" && echo \"$word\" && "
                             "exit 0\n"
                             "[ ! -f \"$D/sick\" ] || ! is_alive || { echo unhealthy; exit 0; }\n"
                             "if is_alive; then echo started; else echo stopped; fi\n";
static const char readiness[] = "at=0\n"
                                "[ -f \"$D/position\" ] && read -r at <\"$D/position\"\n"
                                "echo lag_seconds=0\n"
                                "echo \"position=$at\"\n"
                                "[ ! -f \"$D/not_ready\" ] && "
                                "[ \"$at\" -ge \"${BREAKWATER_TARGET_POSITION:-0}\" ]\n";

static void write_script(const struct real_site *site, const char *name, const char *first,
                         const char *second)
{
    char head[sizeof common + REAL_PATH_BYTES];
    char body[8192];

    (void)snprintf(head, sizeof head, common, site->dir, (long)getpid());
    assert_true(snprintf(body, sizeof body, "%s%s", first, second) < (int)sizeof body);
    assert_int_equal(bw_lab_write_script(site->dir, name, head, body, NULL), BW_OK);
}

void real_write_scripts(const struct real_site *site)
{
    write_script(site, "service.sh", service, "");
    write_script(site, "late.sh", late, service);
    write_script(site, "start.sh", start, site->has_units ? begin_unit : begin_here);
    write_script(site, "elsewhere.sh", elsewhere, "");
    write_script(site, "hand.sh", begin, "");
    write_script(site, "stop.sh", stop, "");
    write_script(site, "fence.sh", fence, "");
    write_script(site, "remote_fence.sh", remote_fence, "");
    write_script(site, "status.sh", status, "");
    write_script(site, "readiness.sh", readiness, "");
    write_script(site, "loop.sh", loop, "");
    if (site->has_units)
        write_script(site, "systemctl", systemctl, "");
}
