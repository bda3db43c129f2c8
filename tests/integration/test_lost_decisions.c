/* The directory of a witness goes back in time while another one is away, and both elect: what was decided since is on
 * the third one alone, which keeps it, says so, and begins the cluster anew; and a site that knows of it holds every
 * grant. Design 3.9 (L33, claims of the kind `ahead`), on real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/counters.h>

#include "cluster_life.h"
#include "patience.h"
#include "real_files.h"

enum { KEEPS, AWAY, REVERTED };
#define DECIDED 3 /* entries at least that a switchover makes */
#define LOOK_US 50000

/* The newest entry that `witness` has written down as decided. */
static uint64_t mark_of(int witness)
{
    char path[TRIO_PATH_BYTES];
    char file[32];
    uint8_t bytes[28] = {0};
    FILE *stream;

    (void)snprintf(file, sizeof file, "data%d/committed", witness + 1);
    trio_path(&cluster.trio, file, path);
    stream = fopen(path, "r");
    if (stream == NULL)
        return 0;
    if (fread(bytes, 1, sizeof bytes, stream) != sizeof bytes)
        memset(bytes, 0, sizeof bytes);
    (void)fclose(stream);
    return bw_get_u64le(bytes + 8);
}

static void await_mark(int witness, uint64_t least)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (mark_of(witness) < least) {
        if (patience_is_over(&patience))
            patience_fail("w%d writes entry %lu down, not only %lu", witness + 1, (unsigned long)least,
                          (unsigned long)mark_of(witness));
        (void)usleep(LOOK_US);
    }
}

static void shell(const char *format, const char *data)
{
    char command[1024];

    (void)snprintf(command, sizeof command, format, data, data, data);
    assert_int_equal(system(command), 0);
}

static bool is_led(struct real_cluster *of, int any)
{
    (void)of, (void)any;
    return true; /* whom it has asked leads */
}

/* A switchover that w1 and w3 decide, and of which nobody but w1 knows afterwards. */
static void lose_a_switchover(void)
{
    char data[TRIO_PATH_BYTES];
    uint64_t before;

    trio_path(&cluster.trio, "data3", data);
    real_serve(&cluster);
    (void)trio_stop(&cluster.trio, AWAY, SIGKILL);
    real_until(&cluster, real_serves, 0, "the two that are left lead");
    shell("cp -a '%s' '%s.before'", data);
    before = mark_of(KEEPS);
    real_begin_switchover(&cluster, 1, 60000);
    real_until(&cluster, real_serves, 1, "the other site serves");
    await_mark(KEEPS, before + DECIDED);
    (void)trio_stop(&cluster.trio, KEEPS, SIGTERM);
    (void)trio_stop(&cluster.trio, REVERTED, SIGKILL);
    shell("rm -r '%s' && mv '%s.before' '%s'", data);
    trio_start(&cluster.trio, AWAY, TRIO_EXECUTED);
    trio_start(&cluster.trio, REVERTED, TRIO_EXECUTED);
    real_until(&cluster, is_led, 0, "the two that have forgotten it elect");
}

/* The leader says of w1 that it has entries which were decided and are lost, and `status` what to type. */
static bool is_on_the_screen(struct real_cluster *of, int any)
{
    char *text = real_get(of, "/v1/status");
    json_t *status = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const json_t *witness;
    bool is_told = false;
    size_t i;

    (void)any;
    json_array_foreach(json_object_get(status, "witnesses"), i, witness)
        is_told = is_told || (strcmp(json_string_value(json_object_get(witness, "name")), "w1") == 0 &&
                              json_integer_value(json_object_get(witness, "decided_index")) > 0);
    is_told = is_told && strstr(text, "decisions_lost") != NULL;
    json_decref(status);
    free(text);
    return is_told;
}

static bool serves_anew(struct real_cluster *of, int site)
{
    return real_serves(of, site) && real_number(of, "epoch") >= (int64_t)BW_GENERATION_LEAP;
}

static void witness_that_has_the_decisions_keeps_them_and_begins_anew(void **state)
{
    char config[TRIO_PATH_BYTES];
    char *recover[] = {NULL, "recover", "-c", config, "--yes", NULL};
    char out[8192];

    (void)state;
    lose_a_switchover();
    trio_start(&cluster.trio, KEEPS, TRIO_EXECUTED);

    assert_int_equal(trio_stop(&cluster.trio, KEEPS, 0), 70);
    assert_true(trio_has_logged(&cluster.trio, KEEPS, "was decided and is on this disk"));
    assert_true(trio_has_logged(&cluster.trio, KEEPS, "run here `breakwater recover -c FILE`"));
    real_until(&cluster, is_on_the_screen, 0, "the leader says that it lacks what w1 has");

    (void)trio_stop(&cluster.trio, AWAY, SIGTERM); /* as that says */
    (void)trio_stop(&cluster.trio, REVERTED, SIGTERM);
    trio_path(&cluster.trio, "w1.yaml", config);
    assert_int_equal(trio_run(&cluster.trio, recover, out, sizeof out), 0);
    trio_start(&cluster.trio, KEEPS, TRIO_EXECUTED);
    real_until(&cluster, serves_anew, 1, "the site that the lost decision named serves again");
    real_assert_no_overlap(&cluster);
}

/* ---- a site knows of it ---- */

static int named; /* the site whose claim is committed; -1: none is */

static bool is_named(struct real_cluster *of, int any)
{
    const json_t *claim;
    size_t i;

    (void)any;
    named = -1;
    json_array_foreach(json_object_get(of->group, "claims"), i, claim)
        for (int site = 0; site < 2; site++)
            if (strcmp(json_string_value(json_object_get(claim, "site")), of->sites[site].name) == 0 &&
                strcmp(json_string_value(json_object_get(claim, "claim")), "ahead") == 0 &&
                json_is_true(json_object_get(claim, "committed")))
                named = site;
    return named >= 0;
}

static bool is_loud(struct real_cluster *of, int any)
{
    const json_t *alarm;
    size_t i;

    if (!is_named(of, any))
        return false;
    json_array_foreach(json_object_get(of->group, "alarms"), i, alarm)
    {
        const char *site = json_string_value(json_object_get(alarm, "subject")); /* NULL: of the group */

        if (strcmp(json_string_value(json_object_get(alarm, "alarm")), "decisions_lost") == 0 && site != NULL)
            return strcmp(site, of->sites[named].name) == 0;
    }
    return false;
}

static bool is_held(struct real_cluster *of, int any)
{
    return is_named(of, any) && real_is_vacant(of, any);
}

static bool serves_later(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > 2 && real_serves(of, site);
}

/* dc-b holds epoch 2, and no witness that is left knows of that. dc-a, which gave epoch 1 back, could be granted it once
 * more; it was only told of it. */
static void nobody_is_granted_beside_a_decision_that_a_site_still_knows(void **state)
{
    char body[256];

    (void)state;
    lose_a_switchover();
    real_until(&cluster, is_loud, 0, "what a site names is committed, and an alarm of that site");
    (void)real_end(&cluster.sites[1].agent, SIGKILL); /* who holds it is silent, and ends it with its lease */
    real_until(&cluster, real_is_vacant, 0, "the epoch that the log knows is over");
    assert_true(real_for_a_lease(&cluster, is_held, 0));
    real_assert_no_overlap(&cluster);

    (void)snprintf(body, sizeof body, "{\"site\":\"%s\",\"epoch\":1,\"reason\":\"its key was stolen\"}",
                   cluster.sites[named].name);
    assert_int_equal(real_order(&cluster, "force-release", body), 202);
    real_until(&cluster, serves_later, 0, "the next epoch is above the one that was named");
    real_assert_no_overlap(&cluster);
}

#define CASE(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(witness_that_has_the_decisions_keeps_them_and_begins_anew),
        CASE(nobody_is_granted_beside_a_decision_that_a_site_still_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
