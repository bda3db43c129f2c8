/* A site whose start is a list of steps, from the agent's order to what people read. Design 5.1,
 * steps, on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "patience.h"
#include "real_cluster.h"
#include "real_files.h"

static struct real_cluster cluster;

static int tear_down(void **state)
{
    (void)state;
    real_cluster_deinit(&cluster);
    return 0;
}

static void put_script(const struct real_site *site, const char *name, const char *text)
{
    char path[256];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/%s", site->dir, name);
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

/* The start of the first site: a step that leaves a line, and one, marked with `more`, that waits
 * for a file before the service. */
static int set_up_with(const char *more)
{
    const struct real_site *site = &cluster.sites[0];
    char command[1024];

    real_cluster_init(&cluster, 2, false);
    put_script(site, "prepare.sh", "#!/bin/sh\ncd \"${0%/*}\"\necho prepare >>steps\n");
    put_script(site, "serve.sh",
               "#!/bin/sh\ncd \"${0%/*}\"\necho serve >>steps\n"
               "while [ ! -e steps_go ]; do sleep 0.05; done\nexec ./start.sh\n");
    (void)snprintf(
        command, sizeof command,
        "sed -i 's|^\\( *\\)start_script: .*|\\1start_timeout: 100s\\n\\1start_steps:\\n\\1- "
        "{name: prepare, script: %s/prepare.sh, phase: storage}\\n\\1- {name: serve, "
        "script: %s/serve.sh, needs: [prepare], timeout: 100s, phase: service%s}|' "
        "'%s/site.yaml'",
        site->dir, site->dir, more, site->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with("");
}

/* ... whose first step waits, too, for a file of its own. */
static int set_up_point(void **state)
{
    (void)state;
    (void)set_up_with(", point_of_no_return: true");
    put_script(&cluster.sites[0], "prepare.sh",
               "#!/bin/sh\ncd \"${0%/*}\"\necho prepare >>steps\n"
               "while [ ! -e prepare_goes ]; do sleep 0.05; done\n");
    return 0;
}

static unsigned times_run(const char *step)
{
    char path[256];
    char line[64];
    unsigned count = 0;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/steps", cluster.sites[0].dir);
    in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        count += strncmp(line, step, strlen(step)) == 0;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return count;
}

static bool is_at_the_second_step(struct real_cluster *of, int site)
{
    const json_t *steps = json_object_get(real_site_json(of, site), "steps");

    return json_is_object(steps) && json_integer_value(json_object_get(steps, "done")) == 1 &&
           strcmp(json_string_value(json_object_get(steps, "step")), "serve") == 0;
}

static bool is_at_the_second_step_again(struct real_cluster *of, int site)
{
    return is_at_the_second_step(of, site) && times_run("serve") == 2;
}

static bool are_phases_reported(struct real_cluster *of, int site)
{
    char *text = real_get(of, "/v1/groups/harbor/report");
    json_t *report = text == NULL ? NULL : json_loads(text, 0, NULL);
    const json_t *phases = json_object_get(json_object_get(report, "epoch"), "phases");
    const bool are_reported = json_is_integer(json_object_get(phases, "storage")) &&
                              json_is_integer(json_object_get(phases, "service"));

    (void)site;
    json_decref(report);
    free(text);
    return are_reported;
}

static void a_start_by_steps_is_followed_and_summed_by_phase(void **state)
{
    (void)state;
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, is_at_the_second_step, 0, "status says which step runs");
    real_put(&cluster, 0, "steps_go", "");

    real_until(&cluster, real_serves, 0, "the first site serves");

    real_until(&cluster, are_phases_reported, 0, "the report says how long its phases took");
    assert_true(json_is_null(json_object_get(real_site_json(&cluster, 0), "steps")));
    assert_int_equal(times_run("prepare"), 1);
    real_assert_no_overlap(&cluster);
}

/* The agent orders it again, in the same epoch, and what is done is not done again. */
static void a_start_whose_guard_dies_goes_on_under_the_next_one(void **state)
{
    (void)state;
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, is_at_the_second_step, 0, "the second step runs");
    (void)real_end(&cluster.sites[0].guard, SIGKILL);
    real_start_guard(&cluster, 0);
    real_until(&cluster, is_at_the_second_step_again, 0, "the second step runs again");
    real_put(&cluster, 0, "steps_go", "");

    real_until(&cluster, real_serves, 0, "the first site serves");

    assert_int_equal(real_number(&cluster, "epoch"), 1);
    assert_int_equal(times_run("prepare"), 1);
    assert_int_equal(times_run("serve"), 2);
    assert_int_equal(real_runs(&cluster, 0, "stop"), 0);
    real_assert_no_overlap(&cluster);
}

static bool has_prepared(struct real_cluster *of, int site)
{
    (void)of;
    (void)site;
    return times_run("prepare") > 0;
}

static bool waits_at_its_point(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "guard.log"), "event=step.waits") != NULL;
}

/* Nobody leads meanwhile, whom status could be asked of. */
static void wait_until_it_is_fenced(void)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (real_runs(&cluster, 0, "fence") == 0) {
        if (patience_is_over(&patience))
            patience_fail("the first site is fenced");
        (void)usleep(100000);
    }
}

/* 4: the witnesses are away when it comes there, so nothing behind the point begins, and its lease
 * ends it. */
static void what_cannot_be_taken_back_waits_for_the_witnesses(void **state)
{
    (void)state;
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, has_prepared, 0, "the first step runs");
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&cluster.trio, i, SIGKILL);
    real_put(&cluster, 0, "prepare_goes", "");
    real_put(&cluster, 0, "steps_go", "");
    wait_until_it_is_fenced();
    assert_true(waits_at_its_point(&cluster, 0));
    assert_int_equal(times_run("serve"), 0);

    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_start(&cluster.trio, i, TRIO_EXECUTED);
    real_until(&cluster, real_some_site_serves, 0, "a site serves");
    real_assert_no_overlap(&cluster);
}

/* The report has it among the moments of the epoch: after the grant, before the start was heard to be over. */
static bool is_passing_reported(struct real_cluster *of, int site)
{
    char *text = real_get(of, "/v1/groups/harbor/report");
    const char *grant = text == NULL ? NULL : strstr(text, "\"grant\"");
    const char *passed = grant == NULL ? NULL : strstr(grant, "\"no_return\"");
    const bool is_reported = passed != NULL && strstr(passed, "\"started\"") != NULL;

    (void)site;
    free(text);
    return is_reported;
}

/* ... and where they are there it goes on by itself. */
static void a_start_passes_its_point_once_that_is_committed(void **state)
{
    (void)state;
    real_put(&cluster, 0, "prepare_goes", "");
    real_put(&cluster, 0, "steps_go", "");
    real_start_sites(&cluster);
    real_apply_first(&cluster);
    real_until(&cluster, real_serves, 0, "the first site serves");
    assert_true(waits_at_its_point(&cluster, 0));
    assert_non_null(strstr(real_read(&cluster, 0, "guard.log"), "event=step.may_pass"));
    assert_int_equal(real_number(&cluster, "epoch"), 1);
    real_until(&cluster, is_passing_reported, 0, "the report says when it was let past its point");
    real_assert_no_overlap(&cluster);
}

#define POINT(name) cmocka_unit_test_setup_teardown(name, set_up_point, tear_down)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_by_steps_is_followed_and_summed_by_phase),
        TEST(a_start_whose_guard_dies_goes_on_under_the_next_one),
        POINT(a_start_passes_its_point_once_that_is_committed),
        POINT(what_cannot_be_taken_back_waits_for_the_witnesses),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* fails only for numbers that are no signals */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
