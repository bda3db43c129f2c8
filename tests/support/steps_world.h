/* steps_world.h - a group of a guard under test whose start or stop is a list of steps, and what these have said. For
 * test_guard_steps and test_guard_steps_left; include it after cmocka.h. */
#ifndef BW_TEST_STEPS_WORLD_H
#define BW_TEST_STEPS_WORLD_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard_rig.h"
#include "patience.h"

#define FENCE_MS 5000
#define LONG_MS  1900000

/* Each of these says what it does in `steps`, one line: a short write at the end is whole. */
#define HEAD            "#!/bin/sh\ncd \"${0%/*}\"\nsay() { echo \"$BREAKWATER_STEP $1\" >>steps; }\n"
#define AWAIT           "await() { while [ ! -e \"$1\" ]; do sleep 0.02; done; }\n"
#define DOES            HEAD "say begun\nsay ended\n"
#define WAITS_FOR(file) HEAD AWAIT "say begun\nawait " file "\nsay ended\n"
/* Ends only by KILL, with a process of a session of its own beside it. */
#define STAYS                                                                                      \
    HEAD "say begun\ntrap '' TERM\n"                                                               \
         "setsid sh -c 'trap \"\" TERM; echo $$ >far.pid; while :; do sleep 0.05; done' "          \
         "</dev/null >/dev/null 2>&1 &\n"                                                          \
         "echo $$ >stays.pid\nwhile :; do sleep 0.05; done\n"

static inline void put_steps(const struct rig *rig, const char *key, const char *steps)
{
    char text[2048];

    (void)snprintf(
        text, sizeof text,
        "cluster: prod\nsite: %s\nname: agent-1\nstate_dir: state\nrun_dir: run\n"
        "guard_socket: run/guard.sock\ntls: {ca: ca.pem, identity: id.pem}\n"
        "witnesses: [\"127.0.0.1:7400\"]\nlog_level: debug\ngroups:\n  - name: g\n"
        "    stop_method: cgroup\n    status_script: status.sh\n    %s: %s\n    fence_script: "
        "fence.sh\n"
        "    script_timeout: 60s\n    start_timeout: 40s\n    stop_timeout: 40s\n"
        "    fence_timeout: 3s\n    kill_grace: 200ms\n    env: {FLAVOUR: \"salt & vinegar\"}\n"
        "    %s:\n%s",
        rig->site, strcmp(key, "start_steps") == 0 ? "stop_script" : "start_script",
        strcmp(key, "start_steps") == 0 ? "stop.sh" : "start.sh", key, steps);
    rig_put(rig, "site.yaml", 0644, text);
}

/* By a command of sed, of its site.yaml. */
static inline void edit_config(const struct rig *rig, const char *how)
{
    char command[256];

    (void)snprintf(command, sizeof command, "sed -i '%s' '%s'", how, rig_path(rig, "site.yaml"));
    assert_int_equal(system(command), 0);
}

static inline void begin_armed(struct rig *rig, uint32_t ttl_ms)
{
    rig_guard_start(rig);
    rig_greet(rig);
    (void)rig_arm(&rig->agent, 1, ttl_ms, FENCE_MS);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_ARMED, 1);
}

/* Until `name` says `text`. */
static inline void wait_for_text(struct rig *rig, const char *name, const char *text)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (!rig_has(rig, name, text)) {
        if (patience_is_over(&patience))
            patience_fail("%s never says %s", name, text);
        rig_turn(rig);
    }
}

static inline unsigned count_texts(const struct rig *rig, const char *name, const char *text)
{
    FILE *in = fopen(rig_path(rig, name), "r");
    char line[4096];
    unsigned count = 0;

    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        count += strstr(line, text) != NULL;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return count;
}

static inline pid_t pid_in(const struct rig *rig, const char *name)
{
    FILE *in = fopen(rig_path(rig, name), "r");
    long pid = 0;

    assert_non_null(in);
    assert_int_equal(fscanf(in, "%ld", &pid), 1);
    (void)fclose(in); /* only read from */
    return (pid_t)pid;
}

static inline bool is_alive(const struct rig *rig, const char *name)
{
    FILE *in;
    char stat[64];
    char line[256] = "";

    (void)snprintf(stat, sizeof stat, "/proc/%ld/stat", (long)pid_in(rig, name));
    in = fopen(stat, "r");
    if (in == NULL)
        return false;
    if (fgets(line, sizeof line, in) == NULL)
        line[0] = '\0'; /* it has ended since */
    (void)fclose(in);   /* only read from */
    return line[0] != '\0' && strstr(line, ") Z") == NULL;
}

static inline void wait_file(struct rig *rig, const char *name)
{
    struct patience patience = patience_begin(RIG_PATIENCE_MS);

    while (access(rig_path(rig, name), F_OK) != 0) {
        if (patience_is_over(&patience))
            patience_fail("%s does not come", name);
        rig_turn(rig);
    }
}

/* A file of the cgroup in which starts begin. */
static inline void path_in_begun(const struct rig *rig, const char *name, char out_path[PATH_MAX])
{
    static const char variable[] = "BREAKWATER_CGROUP=";
    FILE *in = fopen(rig_path(rig, "start.env"), "r");
    char line[PATH_MAX];

    out_path[0] = '\0';
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, variable, strlen(variable)) == 0)
            (void)snprintf(out_path, PATH_MAX, "%.*s/%s", (int)strcspn(line + strlen(variable), "\n"),
                           line + strlen(variable), name);
    (void)fclose(in); /* only read from */
    assert_string_not_equal(out_path, "");
}

/* In the middle of b, once a is known to be done; its guard is dead, and another one there. */
static inline void interrupt(struct rig *rig)
{
    rig_put(rig, "b.sh", 0755, HEAD AWAIT "say begun\nawait go\nsay ended\nexec ./start.sh\n");
    put_steps(rig, "start_steps",
              "      - {name: a, script: a.sh}\n      - {name: b, script: b.sh, needs: [a]}\n");
    begin_armed(rig, LONG_MS);
    rig_order(&rig->agent, 1, BW_ACTION_START);
    wait_file(rig, "state/guard/g.steps");
    wait_for_text(rig, "steps", "b begun");
    (void)rig_guard_end(rig, SIGKILL);
    rig_guard_start(rig);
    rig_greet(rig);
    rig_wait(&rig->agent, BW_GUARD_MESSAGE_RUN_ENDED, 1);
    assert_int_equal(rig->agent.last[BW_GUARD_MESSAGE_RUN_ENDED].ended.result, BW_RUN_INTERRUPTED);
    rig_put(rig, "go", 0644, "");
}

#endif
