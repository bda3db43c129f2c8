/* The whole of it: three witnesses, two sites with agent and guard, a service that writes down when
 * it serves. The verdict comes from what the services recorded, on CLOCK_BOOTTIME (I1). */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/lab/process.h>
#include <breakwater/sys/clock.h>
#include <breakwater/sys/reach.h>

#include "janitor.h"
#include "patience.h"
#include "trio.h"

#define SITES      2
#define TTL_MS     10000
#define WAIT_MS    30000 /* for what must happen, on an idle machine: patience.h */
#define STEP_US    20000
#define PATH_BYTES 256

struct site {
    char name[32]; /* unlike any other run's: what a guard can end goes by it */
    char dir[TRIO_PATH_BYTES];
    pid_t agent; /* 0: does not run */
    pid_t guard;
};

struct story {
    struct trio trio;
    struct site sites[SITES];
};

/* ---- a site ---------------------------------------------------------------------------------- */

static void put(const struct site *site, const char *name, const char *text)
{
    char path[PATH_BYTES + 32];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", site->dir, name);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

/* Shows by a trial that a kill by the guard ends the service (3.4); what the trial has left is no part of the story. */
static void prove(const struct site *site, const char *config)
{
    static const char *const left[] = {"beats", "scripts"};
    char trial[PATH_BYTES];
    char path[PATH_BYTES + 32];

    (void)snprintf(trial, sizeof trial, "%s/breakwater-chaos", getenv("BREAKWATER_BUILD"));
    (void)snprintf(path, sizeof path, "%s/trial.log", site->dir);
    assert_int_equal(bw_lab_prove(trial, &config, 1, path, NULL), BW_OK);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", site->dir, left[i]);
        assert_int_equal(unlink(path), 0);
    }
}

static void make_site(struct story *story, int i)
{
    struct site *site = &story->sites[i];
    const struct trio *trio = &story->trio;
    struct bw_lab_plan plan = trio_plan(trio);
    char path[PATH_BYTES];
    char state_dir[PATH_BYTES];
    char groups[2048];
    char uri[128];
    char file[48];
    const struct bw_lab_group group = {
        .name = "harbor",
        .scripts = site->dir,
        .more = "    stop_method: cgroup\n    script_timeout: 5s\n"};
    const struct bw_lab_site own = {.name = site->name,
                                    .dir = site->dir,
                                    .state_dir = state_dir,
                                    .groups = groups,
                                    .more = ""};

    (void)snprintf(site->name, sizeof site->name, "e2e-%d-%c", (int)getpid(), 'a' + i);
    janitor_add_cgroups(site->name);
    trio_path(trio, site->name, site->dir);
    assert_int_equal(mkdir(site->dir, 0700), 0);
    (void)snprintf(uri, sizeof uri, "breakwater://prod/agent/%s/agent", site->name);
    (void)snprintf(file, sizeof file, "%s-agent.pem", site->name);
    test_pki_issue_uri(&story->trio.pki, file, uri, path);
    plan.timings.check_interval_ms = 300;
    plan.timings.fence_script_ms = 600;
    plan.timings.kill_grace_ms = 200;
    assert_true(bw_lab_print_group(&plan, &group, groups, sizeof groups) < sizeof groups);
    (void)snprintf(state_dir, sizeof state_dir, "%s/state", site->dir);
    (void)snprintf(path, sizeof path, "%s/site.yaml", site->dir);
    assert_int_equal(bw_lab_write_site(&plan, &own, path, NULL), BW_OK);
    /* Appends the time of each beat; a beat is service. */
    put(site, "serve.sh",
        "#!/bin/sh\nwhile :; do read -r now rest </proc/uptime; echo \"$now\" >>beats; "
        "sleep 0.02; done\n");
    put(site, "start.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\necho start >>scripts\n"
        "./status.sh | grep -q started && exit 0\n"
        "./serve.sh >/dev/null 2>&1 </dev/null &\necho $! >pid\n");
    put(site, "stop.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\necho stop >>scripts\n"
        "[ -e pid ] && kill -9 \"$(cat pid)\" 2>/dev/null\nrm -f pid\nexit 0\n");
    put(site, "fence.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\necho fence >>scripts\n"
        "[ -e pid ] && kill -9 \"$(cat pid)\" 2>/dev/null\nrm -f pid\nexit 0\n");
    put(site, "status.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\n"
        "[ -e pid ] && kill -0 \"$(cat pid)\" 2>/dev/null && echo started || echo stopped\n");
    prove(site, path);
}

static pid_t run(const struct site *site, enum bw_lab_role role)
{
    char program[PATH_BYTES];
    char config[PATH_BYTES + 16];
    char log[PATH_BYTES + 16];
    const struct bw_lab_daemon daemon = {
        .program = program, .role = role, .config = config, .log = log};
    pid_t pid;

    (void)snprintf(program, sizeof program, "%s/breakwater", getenv("BREAKWATER_BUILD"));
    (void)snprintf(config, sizeof config, "%s/site.yaml", site->dir);
    (void)snprintf(log, sizeof log, "%s/%s.log", site->dir, bw_lab_role_word(role));
    assert_int_equal(bw_lab_spawn(&daemon, &pid, NULL), BW_OK);
    return pid;
}

static void end(pid_t *pid, int signal)
{
    if (*pid == 0)
        return;
    assert_int_equal(kill(*pid, signal), 0);
    assert_int_equal(waitpid(*pid, NULL, 0), *pid);
    *pid = 0;
}

/* ---- what the services recorded
 * ------------------------------------------------------------------ */

struct beats {
    double first;
    double last;
    double gap_max; /* between two beats */
    unsigned count;
};

static struct beats read_beats(const struct site *site)
{
    struct beats beats = {0};
    char path[PATH_BYTES + 16];
    double at;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/beats", site->dir);
    in = fopen(path, "r");
    while (in != NULL && fscanf(in, "%lf", &at) == 1) {
        if (beats.count == 0)
            beats.first = at;
        else if (at - beats.last > beats.gap_max)
            beats.gap_max = at - beats.last;
        beats.last = at;
        beats.count++;
    }
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return beats;
}

static unsigned count_scripts(const struct site *site, const char *which)
{
    char path[PATH_BYTES + 16];
    char line[32];
    unsigned count = 0;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/scripts", site->dir);
    in = fopen(path, "r");
    while (in != NULL && fscanf(in, "%31s", line) == 1)
        count += strcmp(line, which) == 0 ? 1 : 0;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return count;
}

static unsigned count_lines(const struct site *site, const char *file, const char *text)
{
    char path[PATH_BYTES + 16];
    char line[4096];
    unsigned count = 0;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/%s", site->dir, file);
    in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        count += strstr(line, text) != NULL ? 1 : 0;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return count;
}

/* Waits until a log has more than `count` lines with `text`. */
static void await_more(const struct site *site, const char *file, const char *text, unsigned count)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!patience_is_over(&patience)) {
        if (count_lines(site, file, text) > count)
            return;
        (void)usleep(STEP_US);
    }
    patience_fail("%s of %s says %s again", file, site->name, text);
}

static double now_s(void)
{
    return (double)bw_clock_now().boot_ns / 1e9;
}

static void show_logs(const struct story *story)
{
    char command[PATH_BYTES * 2];

    (void)snprintf(command, sizeof command, "cd %s && grep -hv level=debug w*.log | grep -v 0x1000 | tail -60 >&2",
                   story->trio.pki.dir);
    (void)!system(command); /* for whoever reads the failure */
    for (int i = 0; i < SITES; i++) {
        (void)snprintf(command, sizeof command,
                       "cd %s && grep -hv level=debug agent.log guard.log | tail -40 >&2",
                       story->sites[i].dir);
        (void)!system(command); /* for whoever reads the failure */
    }
}

/* Waits until the service of `site` has beaten since `after`. */
static void await_service(const struct story *story, int site, double after)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!patience_is_over(&patience)) {
        if (read_beats(&story->sites[site]).last > after)
            return;
        (void)usleep(STEP_US);
    }
    show_logs(story);
    patience_fail("site %c serves", 'a' + site);
}

static void serve_for(double seconds)
{
    const double until = now_s() + seconds;

    while (now_s() < until)
        (void)usleep(STEP_US);
}

/* ---- begin and end
 * ------------------------------------------------------------------------------- */

static void apply_group(struct story *story)
{
    struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};
    struct bw_spec *spec = &command.spec;

    bw_spec_defaults(spec);
    (void)strcpy(spec->name, "harbor");
    for (int i = 0; i < SITES; i++) {
        (void)strcpy(spec->sites[i].name, story->sites[i].name);
        spec->sites[i].priority = i == 0 ? 100 : 50;
    }
    spec->site_count = SITES;
    spec->lease_ttl_ms = TTL_MS;
    spec->fence_timeout_ms = 3000;
    spec->renew_interval_ms = 300;
    spec->request_timeout_ms = 1000;
    spec->margin_ms = 50;
    spec->on_lag = BW_ON_LAG_ALLOW;
    trio_propose(&story->trio, &command);
}

/* Whichever reported first may be the first primary: here it is called a. */
static void await_first_service(struct story *story)
{
    const struct site a = story->sites[0];
    struct patience patience = patience_begin(WAIT_MS);

    while (!patience_is_over(&patience)) {
        if (read_beats(&story->sites[0]).count > 0)
            return;
        if (read_beats(&story->sites[1]).count > 0) {
            story->sites[0] = story->sites[1];
            story->sites[1] = a;
            return;
        }
        (void)usleep(STEP_US);
    }
    show_logs(story);
    patience_fail("a site serves");
}

/* A lost site's epoch ends with time once its service was seen inside its reach (3.4). */
static void await_sight(struct story *story)
{
    struct patience patience = patience_begin(WAIT_MS);

    while (!patience_is_over(&patience)) {
        for (int i = 0; i < TRIO_WITNESSES; i++)
            if (trio_has_logged(&story->trio, i, "command=Reach"))
                return;
        (void)usleep(STEP_US);
    }
    show_logs(story);
    patience_fail("a witness records where the service runs");
}

/* Site a serves, site b stands by. */
static int set_up(void **state)
{
    struct story *story = calloc(1, sizeof *story);

    assert_non_null(story);
    trio_init(&story->trio);
    for (int i = 0; i < SITES; i++)
        make_site(story, i);
    trio_start_all(&story->trio, TRIO_FORKED);
    (void)trio_leader(&story->trio);
    apply_group(story);
    for (int i = 0; i < SITES; i++) {
        story->sites[i].guard = run(&story->sites[i], BW_LAB_GUARD);
        story->sites[i].agent = run(&story->sites[i], BW_LAB_AGENT);
    }
    await_first_service(story);
    await_sight(story);
    *state = story;
    return 0;
}

static void remove_reach(const struct site *site)
{
    struct patience patience;
    struct bw_reach reach;
    struct bw_diag diag = {0};
    char tag[BW_REACH_TAG_BYTES];

    bw_reach_tag(JANITOR_CLUSTER, site->name, tag);
    if (bw_reach_open(&reach, tag, "harbor", false, &diag) != BW_OK)
        fail_msg("%s", diag.text);
    patience = patience_begin(WAIT_MS);
    while (!patience_is_over(&patience)) { /* until the killed are gone */
        bool is_empty = false;

        if (bw_reach_signal(&reach, BW_REACH_ALL, SIGKILL, &diag) == BW_OK &&
            bw_reach_is_empty(&reach, BW_REACH_ALL, &is_empty, &diag) == BW_OK && is_empty)
            break;
        (void)usleep(STEP_US);
    }
    bw_reach_close(&reach);
}

static int tear_down(void **state)
{
    struct story *story = *state;
    char command[PATH_BYTES + 16];

    for (int i = 0; i < SITES; i++) {
        end(&story->sites[i].agent, SIGKILL);
        end(&story->sites[i].guard, SIGKILL);
        remove_reach(&story->sites[i]);
        janitor_clear_cgroups(story->sites[i].name);
        janitor_forget(story->sites[i].name);
        (void)snprintf(command, sizeof command, "rm -rf %s", story->sites[i].dir);
        assert_int_equal(system(command), 0);
    }
    trio_deinit(&story->trio);
    free(story);
    return 0;
}

/* ---- the stories
 * --------------------------------------------------------------------------------- */

/* I1: the other site serves only after the lost one's service has ended. */
static void a_lost_site_is_replaced_and_never_both_serve(void **state)
{
    struct story *story = *state;
    struct site *a = &story->sites[0];
    const double begin = now_s();

    end(&a->agent, SIGKILL);
    end(&a->guard, SIGKILL);
    remove_reach(a); /* its service is gone with it */
    await_service(story, 1, begin);

    assert_true(read_beats(&story->sites[1]).first > read_beats(a).last);
    /* It waited (3.3): the last renewal had been confirmed at most one and its answer before. */
    assert_true(read_beats(&story->sites[1]).first - begin > TTL_MS / 2000.0);
}

/* I1, 3.4: a guard that loses its agent goes on to the deadline and fences. */
static void a_site_without_its_agent_is_fenced_before_the_other_serves(void **state)
{
    struct story *story = *state;
    struct site *a = &story->sites[0];
    const double begin = now_s();

    end(&a->agent, SIGKILL);
    await_service(story, 1, begin);

    assert_true(read_beats(&story->sites[1]).first > read_beats(a).last);
    /* The script has 600 ms, and what the guard runs is no more urgent than this machine's other
     * work: whether it came to its first line is not the guard's to say. */
    assert_true(count_lines(a, "guard.log", "event=fence.begun") >= 1);

    /* It comes back, stands by, and gives nothing and takes nothing. */
    a->agent = run(a, BW_LAB_AGENT);
    const double back = now_s();

    await_service(story, 1, back + 2.0);
    assert_true(read_beats(a).last < read_beats(&story->sites[1]).first);
}

/* I1, 3.4: an agent that loses its guard fences by itself. */
static void a_site_without_its_guard_is_fenced_before_the_other_serves(void **state)
{
    struct story *story = *state;
    struct site *a = &story->sites[0];
    const double begin = now_s();

    end(&a->guard, SIGKILL);
    await_service(story, 1, begin);

    assert_true(read_beats(&story->sites[1]).first > read_beats(a).last);
}

/* 3.7, 4: upgrading the agent, upgrading the guard, losing the leader: no script runs. */
static void restarts_and_a_lost_leader_touch_nothing(void **state)
{
    struct story *story = *state;
    struct site *a = &story->sites[0];

    serve_for(1.0);
    end(&a->agent, SIGTERM);
    const unsigned renewals = count_lines(a, "agent.log", "event=renewal.confirmed");

    a->agent = run(a, BW_LAB_AGENT);
    await_more(a, "agent.log", "event=renewal.confirmed", renewals);
    end(&a->guard, SIGTERM);
    a->guard = run(a, BW_LAB_GUARD);
    await_more(a, "guard.log", "event=guard.ready", 1);
    await_more(a, "agent.log", "event=renewal.confirmed",
               count_lines(a, "agent.log", "event=renewal.confirmed"));
    (void)trio_stop(&story->trio, trio_leader(&story->trio), SIGKILL);
    serve_for(1.5 * TTL_MS / 1000);
    await_service(story, 0, now_s());

    assert_int_equal(count_scripts(a, "start"), 1);
    assert_int_equal(count_scripts(a, "stop"), 0);
    assert_int_equal(count_scripts(a, "fence"), 0);
    assert_int_equal(read_beats(&story->sites[1]).count, 0);
}

/* I1, 3.2.4: without witnesses the lease ends, and the service before it. */
static void without_witnesses_the_site_is_fenced(void **state)
{
    struct story *story = *state;
    struct site *a = &story->sites[0];
    double lost;

    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&story->trio, i, SIGKILL);
    lost = now_s();
    serve_for(TTL_MS / 1000.0 + 0.5);

    assert_true(read_beats(a).last < lost + TTL_MS / 1000.0);
    assert_int_equal(read_beats(&story->sites[1]).count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lost_site_is_replaced_and_never_both_serve, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_site_without_its_agent_is_fenced_before_the_other_serves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_site_without_its_guard_is_fenced_before_the_other_serves,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(restarts_and_a_lost_leader_touch_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_witnesses_the_site_is_fenced, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
