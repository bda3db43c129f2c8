/* An operator proves the reach of a primary, by the command as people run it: then time may hand its group over, and only
 * then. Design 3.3, 3.4, on real processes; the services' own records judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "elsewhere_world.h"
#include "real_files.h"

enum { HELD, OTHER }; /* the sites */
enum { FINE, FAILED, REFUSED = 6 };

static bool is_seen_inside(struct real_cluster *of, int site)
{
    const char *seen = json_string_value(json_object_get(real_site_json(of, site), "reach_seen"));

    return seen != NULL && strcmp(seen, "inside") == 0;
}

static bool is_proved(struct real_cluster *of, int site)
{
    return real_site_flag(of, site, "reach_proved");
}

static bool is_paused(struct real_cluster *of, int site)
{
    (void)site;
    return real_says(of, "mode", "paused");
}

static void serve_unproved(void)
{
    for (int site = 0; site < 2; site++)
        cluster.sites[site].is_proved = true; /* nobody has left a trial's proof */
    real_serve(&cluster);
    real_until(&cluster, is_seen_inside, HELD, "its service is seen inside");
    assert_false(is_proved(&cluster, HELD));
}

static void lose_its_daemons(void)
{
    (void)real_end(&cluster.sites[HELD].agent, SIGKILL);
    (void)real_end(&cluster.sites[HELD].guard, SIGKILL);
}

/* One outage of the service, under its epoch; then guard and agent are lost, and time alone hands the group over. */
static void a_primary_is_proved_by_a_restart_and_time_hands_it_over(void **state)
{
    char out[4096];
    pid_t before;

    (void)state;
    serve_unproved();
    before = real_service(&cluster, HELD);
    assert_int_equal(prove(HELD, "--plan", out, sizeof out), FINE);
    assert_int_equal(real_service(&cluster, HELD), before);

    if (prove(HELD, "--yes", out, sizeof out) != FINE)
        fail_msg("%s", out);
    assert_true(real_service_lives(&cluster, HELD));
    assert_int_not_equal(real_service(&cluster, HELD), before);
    assert_int_equal(real_runs(&cluster, HELD, "start"), 2);
    assert_int_equal(real_runs(&cluster, HELD, "stop"), 0);
    real_until(&cluster, is_proved, HELD, "the witnesses know of the proof");
    assert_true(real_keeps_epoch_1(&cluster, HELD));
    assert_int_equal(prove(HELD, "--yes", out, sizeof out), FINE); /* once is enough */
    assert_int_equal(real_runs(&cluster, HELD, "start"), 2);

    lose_its_daemons();
    real_until(&cluster, real_serves, OTHER, "the other site serves");
    real_assert_ended(&cluster, 1, "expired", "site_lost");
    real_assert_no_overlap(&cluster);
}

static bool is_closed(struct real_cluster *of, int site)
{
    (void)site;
    return real_says(of, "phase", "CLOSING") || real_number(of, "epoch") > 1;
}

/* A start leaves a helper in the reach, and the service is elsewhere: the KILL ends the helper alone. */
static void a_helper_is_no_proof_and_nothing_is_handed_over_by_time(void **state)
{
    char out[4096];
    pid_t before;

    (void)state;
    real_put(&cluster, HELD, "helper", "");
    serve_unproved();
    before = real_service(&cluster, HELD);

    assert_int_equal(prove(HELD, "--yes", out, sizeof out), FAILED);
    assert_int_equal(real_service(&cluster, HELD), before);
    real_until(&cluster, is_seen_outside, HELD, "the look after it sees that the service is elsewhere");
    assert_int_equal(prove(HELD, "--yes", out, sizeof out), REFUSED);
    assert_int_equal(real_runs(&cluster, HELD, "start"), 1);

    lose_its_daemons();
    real_until(&cluster, is_closed, HELD, "its lease is over");
    for (int lease = 0; lease < 2; lease++)
        (void)real_for_a_lease(&cluster, stays_in_its_epoch, HELD); /* judged below, by what the services recorded */
    assert_true(real_service_lives(&cluster, HELD));
    real_assert_no_overlap(&cluster);
    assert_int_equal(real_number(&cluster, "epoch"), 1);
}

/* At a standby, in maintenance, without its guard: nothing is touched. */
static void it_is_refused_where_it_could_not_work(void **state)
{
    char out[4096];
    pid_t before;

    (void)state;
    serve_unproved();
    before = real_service(&cluster, HELD);
    assert_int_equal(prove(OTHER, "--yes", out, sizeof out), REFUSED);
    assert_int_equal(real_order(&cluster, "mode", "{\"mode\": \"paused\"}"), 200);
    real_until(&cluster, is_paused, HELD, "it is paused");
    assert_int_equal(prove(HELD, "--yes", out, sizeof out), REFUSED);
    (void)real_end(&cluster.sites[HELD].guard, SIGKILL);
    assert_int_equal(prove(HELD, "--yes", out, sizeof out), REFUSED);

    assert_int_equal(real_service(&cluster, HELD), before);
    assert_int_equal(real_runs(&cluster, HELD, "start"), 1);
}

/* ---- what is no proof ---- */

static int64_t last_epoch;

static bool serves_next(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > last_epoch && real_serves(of, site);
}

static bool is_given_up(struct real_cluster *of, int site)
{
    (void)site;
    return real_says(of, "phase", "CLOSING") || real_number(of, "epoch") > last_epoch;
}

static bool stays(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") == last_epoch;
}

/* Its service comes back there, elsewhere once more, beside the helper; then guard and agent are lost. */
static void come_back_and_lose_its_daemons(void)
{
    last_epoch = 1;
    real_until(&cluster, serves_next, OTHER, "the other site serves");
    last_epoch = real_number(&cluster, "epoch");
    real_begin_switchover(&cluster, HELD, 60000);
    real_until(&cluster, serves_next, HELD, "the first site serves again");
    last_epoch = real_number(&cluster, "epoch");
    real_until(&cluster, is_seen_inside, HELD, "a look takes the helper for the service");
    assert_false(is_proved(&cluster, HELD));
    lose_its_daemons();
    real_until(&cluster, is_given_up, HELD, "its lease is over");
    for (int lease = 0; lease < 2; lease++)
        (void)real_for_a_lease(&cluster, stays, HELD); /* judged by what the services recorded */
    real_assert_no_overlap(&cluster);
    assert_true(stays(&cluster, HELD));
}

/* What the scripts call has changed, and none of their bytes. */
static void a_proof_that_a_fence_has_refuted_is_none(void **state)
{
    char path[REAL_PATH_BYTES];

    (void)state;
    real_prove(&cluster, HELD);
    real_path(&cluster.sites[HELD], "state/guard/harbor.proof", path);
    assert_int_equal(access(path, F_OK), 0);
    real_put(&cluster, HELD, "helper", "");
    real_serve(&cluster);
    real_until(&cluster, is_proved, HELD, "it is proved, by a trial");
    real_put(&cluster, HELD, "refuses", "");
    real_begin_switchover(&cluster, OTHER, 60000);
    real_until(&cluster, is_seen_outside, HELD, "a fence has killed the reach, and the service lives");
    assert_true(real_service_lives(&cluster, HELD));
    real_path(&cluster.sites[HELD], "state/guard/harbor.proof", path);
    assert_int_equal(access(path, F_OK), -1);
    real_drop(&cluster, HELD, "refuses");
    come_back_and_lose_its_daemons();
}

/* Gives the group's scripts another environment, in the file that a reload reads. */
static void edit_env(int site)
{
    static const char before[] = "    script_timeout: ";
    const char *text = real_read(&cluster, site, "site.yaml");
    const char *rest = strstr(text, before);
    char edited[8192];

    assert_non_null(rest);
    assert_true(snprintf(edited, sizeof edited, "%.*s    env:\n      MORE: word\n%s", (int)(rest - text), text, rest) <
                (int)sizeof edited);
    real_put(&cluster, site, "site.yaml", edited);
}

static bool has_voided(struct real_cluster *of, int site)
{
    return strstr(real_read(of, site, "guard.log"), "what was read again voids the proof") != NULL;
}

static bool is_unproved(struct real_cluster *of, int site)
{
    return !is_proved(of, site);
}

/* 3.4: the proof is of what these scripts start, with this environment. */
static void a_reload_that_voids_the_proof_says_so(void **state)
{
    (void)state;
    real_serve(&cluster);
    real_until(&cluster, is_proved, HELD, "a trial's proof counts");
    edit_env(HELD);
    assert_false(has_voided(&cluster, HELD));
    assert_int_equal(kill(cluster.sites[HELD].guard, SIGHUP), 0);
    real_until(&cluster, has_voided, HELD, "the guard's log says that its proof is void");
    real_until(&cluster, is_unproved, HELD, "the witnesses know that it is unproved");
    assert_true(real_keeps_epoch_1(&cluster, HELD));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_primary_is_proved_by_a_restart_and_time_hands_it_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_helper_is_no_proof_and_nothing_is_handed_over_by_time, set_up_daemons,
                                        tear_down_daemons),
        cmocka_unit_test_setup_teardown(it_is_refused_where_it_could_not_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_proof_that_a_fence_has_refuted_is_none, set_up_daemons, tear_down_daemons),
        cmocka_unit_test_setup_teardown(a_reload_that_voids_the_proof_says_so, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
