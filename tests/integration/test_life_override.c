/* Two of three witnesses are lost: a person lets a site serve, by the command as people run it, and
 * what becomes of that when they are back. Design 3.8, on real processes; the services' own records
 * judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/sys/clock.h>

#include "cluster_life.h"
#include "lacking.h"
#include "life_reboot.h"
#include "patience.h"
#include "typed_page.h"

enum { HELD, OTHER }; /* the sites */
#define REFUSED 6

static int tear_down_served(void **state)
{
    for (int site = 0; site < 2; site++)
        if (real_service(&cluster, site) > 0)
            real_kill_service(&cluster, site);
    return tear_down(state);
}

/* The commands of the page, which the cases type. */
#define OVERRIDE "breakwater override shop -c /etc/breakwater/site.yaml"
static const char line[] = OVERRIDE " --for 4h --reason REASON";
static const char line_plan[] = OVERRIDE " --for 4h --reason REASON --plan";
static const char line_end[] = OVERRIDE " --stop";
static const char line_off[] = "breakwater confirm-fenced shop --site dc-b";

static void each_command_of_the_page_is_typed(void **state)
{
    static const char *const typed[] = {line, line_plan, line_end, line_off};
    const struct typed_page page = {"deploy/doc/disaster-recovery.md", "```sh override", typed, sizeof typed / sizeof typed[0]};

    (void)state;
    typed_page_check(&page);
}

#define WORDS_MAX 24

/* Types a line at a site's machine, with the files of this test in the place of those there. */
static int type(const char *text, const char *more, char *out, size_t size)
{
    static char reason[] = "the other site is off, I have looked";
    char command[2048];
    char *argv[WORDS_MAX + 1] = {NULL};
    char *rest = command;
    int count = 0;

    (void)snprintf(command, sizeof command, "%s %s", text, more);
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL; count++) {
        assert_true(count < WORDS_MAX);
        argv[count] = strcmp(word, "REASON") == 0 ? reason : word;
    }
    return trio_run(&cluster.trio, argv, out, size);
}

static const char *lives = "30m"; /* --for of the next command */

static int override(int site, const char *text, char *out, size_t size)
{
    char file[REAL_PATH_BYTES];
    char command[1024];

    (void)snprintf(file, sizeof file, "%s/site.yaml", cluster.sites[site].dir);
    (void)snprintf(command, sizeof command, "%s", text);
    typed_page_put(command, sizeof command, "/etc/breakwater/site.yaml", file);
    typed_page_put(command, sizeof command, "shop", "harbor");
    typed_page_put(command, sizeof command, "4h", lives);
    return type(command, "--yes", out, size);
}

typedef bool condition(int site);

static void until(condition *is_met, int site, const char *what)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!is_met(site)) {
        if (patience_is_over(&patience))
            patience_fail("%s", what);
        (void)usleep(100000);
    }
}

static bool is_gone(int site)
{
    return !real_service_lives(&cluster, site);
}

/* Its agent has heard how long a lease may be: what it is refused for is that they answer. */
static bool is_refused_for_the_witnesses(int site)
{
    char out[2048];

    return override(site, line_plan, out, sizeof out) == REFUSED;
}

static bool is_planned(int site)
{
    char out[2048];

    return override(site, line_plan, out, sizeof out) == 0;
}

/* Whoever of them leads, the two that are lost are a majority. */
static bool are_all_lost; /* then none is left that could hear of an override */

static void lose_witnesses(void)
{
    if (are_all_lost)
        (void)trio_stop(&cluster.trio, 2, SIGKILL);
    (void)trio_stop(&cluster.trio, 0, SIGKILL);
    (void)trio_stop(&cluster.trio, 1, SIGKILL);
}

static void witnesses_are_back(void)
{
    if (are_all_lost)
        trio_start(&cluster.trio, 2, TRIO_EXECUTED);
    are_all_lost = false;
    trio_start(&cluster.trio, 0, TRIO_EXECUTED);
    trio_start(&cluster.trio, 1, TRIO_EXECUTED);
}

/* The holder fences at the end of its lease; the other site serves by the command. */
static void override_the_other_site(void)
{
    char out[8192];

    until(is_refused_for_the_witnesses, OTHER, "override is refused while the witnesses answer");
    lose_witnesses();
    until(is_gone, HELD, "the holder fences when its lease ends");
    until(is_planned, OTHER, "override is possible once no leader answers");
    assert_int_equal(real_runs(&cluster, OTHER, "start"), 0);

    if (override(OTHER, line, out, sizeof out) != 0 ||
        strstr(out, "done: harbor serves at") == NULL)
        fail_msg("override: %s", out);
    assert_true(real_service_lives(&cluster, OTHER));
    assert_int_equal(real_runs(&cluster, OTHER, "start"), 1);
    /* 3.8: the newest epoch that it has seen, though it never held one; by the reason scripts know a manual lease. */
    assert_true(real_journal_has(&cluster, OTHER, "start epoch=1 reason=none "));
}

static bool serves_later(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > 1 && real_serves(of, site);
}

/* What the site has claimed ends with its next report: it is armed. */
static bool overrides_no_more(struct real_cluster *of, int site)
{
    return !real_site_lists(of, site, "alarms", "override") && json_array_size(json_object_get(of->group, "claims")) == 0;
}

static void what_a_person_lets_serve_is_adopted_untouched(void **state)
{
    char out[8192];
    pid_t service;

    (void)state;
    real_serve(&cluster);
    override_the_other_site();
    service = real_service(&cluster, OTHER);

    witnesses_are_back();
    real_until(&cluster, serves_later, OTHER, "it is adopted under a new epoch");

    assert_int_equal(real_service(&cluster, OTHER), service);
    assert_int_equal(real_runs(&cluster, OTHER, "start"), 1);
    assert_int_equal(real_runs(&cluster, OTHER, "stop"), 0);
    assert_int_equal(real_runs(&cluster, OTHER, "fence"), 0);
    real_until(&cluster, overrides_no_more, OTHER, "its claim and the alarm end");
    (void) override(OTHER, line_plan, out, sizeof out);
    assert_non_null(strstr(out, "the witnesses have made this site the primary"));
    real_assert_no_overlap(&cluster);

    /* And from then on its lease ends as any other. */
    lose_witnesses();
    until(is_gone, OTHER, "without renewals it is fenced");
    real_assert_no_overlap(&cluster);
}

/* Agent and guard are begun anew: it serves on, and is ended by a fence that sees the end. */
static void ended_by_a_person_it_is_fenced(void **state)
{
    char out[8192];
    pid_t service;

    (void)state;
    real_serve(&cluster);
    override_the_other_site();
    service = real_service(&cluster, OTHER);
    (void)real_end(&cluster.sites[OTHER].agent, SIGKILL);
    (void)real_end(&cluster.sites[OTHER].guard, SIGKILL);
    real_start_guard(&cluster, OTHER);
    real_start_agent(&cluster, OTHER);
    assert_int_equal(override(OTHER, OVERRIDE " --for 4h --reason REASON --no-wait", out, sizeof out) == 0,
                     false); /* it is there already */
    assert_int_equal(real_service(&cluster, OTHER), service);

    assert_int_equal(override(OTHER, line_end, out, sizeof out), 0);

    assert_non_null(strstr(out, "has no override any more"));
    assert_false(real_service_lives(&cluster, OTHER));
    witnesses_are_back();
    real_until(&cluster, real_some_site_serves, 0, "some site is granted as ever");
    real_assert_no_overlap(&cluster);
}

/* ---- reported, and then cut off --------------------------------------------------------------------------------- */

/* The witnesses have received that it overrides, and it is in the log. */
static bool is_claimed(struct real_cluster *of, int site)
{
    json_t *claim;
    size_t i;

    json_array_foreach(json_object_get(of->group, "claims"), i, claim)
    {
        if (strcmp(json_string_value(json_object_get(claim, "site")), of->sites[site].name) == 0 &&
            json_is_true(json_object_get(claim, "committed")))
            return true;
    }
    return false;
}

static bool is_claimed_no_more(struct real_cluster *of, int site)
{
    return !is_claimed(of, site);
}

static bool nobody_is_granted(struct real_cluster *of, int site)
{
    (void)site;
    return real_number(of, "epoch") == 1;
}

/* From the witnesses' side it is the same as a link that is cut: nothing comes from it any more, and its guard and its
 * service go on. */
static void cut_the_agent_off(int site)
{
    assert_int_equal(kill(cluster.sites[site].agent, SIGSTOP), 0);
}

static bool is_unknown(int site)
{
    char socket[REAL_PATH_BYTES], out[8192];
    char *argv[] = {NULL, (char[]){"status"}, (char[]){"--site"}, (char[]){"--socket"}, socket, NULL};

    (void)snprintf(socket, sizeof socket, "%s/guard.sock", cluster.sites[site].dir);
    (void)trio_run(&cluster.trio, argv, out, sizeof out);
    return strstr(out, "service:  unknown") != NULL;
}

/* Its status script knows nothing, so it is not adopted; then it is cut off. One freshness window later no fresh report says that
 * it overrides, and the other site was granted: both served, for ever. */
static void one_that_was_reported_and_is_cut_off_holds_the_group(void **state)
{
    (void)state;
    real_serve(&cluster);
    override_the_other_site();
    real_put(&cluster, OTHER, "say", "unknown\n");
    until(is_unknown, OTHER, "no look tells whether it serves");
    witnesses_are_back();
    real_until(&cluster, is_claimed, OTHER, "what it has reported is committed");
    cut_the_agent_off(OTHER);

    real_until(&cluster, real_is_vacant, 0, "the epoch of before is over");
    assert_true(real_for_a_lease(&cluster, nobody_is_granted, 0));
    assert_true(real_for_a_lease(&cluster, nobody_is_granted, 0));
    assert_int_equal(real_runs(&cluster, HELD, "start"), 1);
    assert_true(real_service_lives(&cluster, OTHER));
    real_assert_no_overlap(&cluster);

    real_drop(&cluster, OTHER, "say");
    assert_int_equal(kill(cluster.sites[OTHER].agent, SIGCONT), 0);
    real_until(&cluster, serves_later, OTHER, "it is adopted once it is back");
    real_until(&cluster, is_claimed_no_more, OTHER, "the first arm ends the claim");
    real_assert_no_overlap(&cluster);
}

/* As an operator, with the options that cli.yaml has elsewhere. */
static int end_claim(int site, char *out, size_t size)
{
    char ca[TRIO_PATH_BYTES];
    char identity[TRIO_PATH_BYTES];
    char command[1024];

    trio_path(&cluster.trio, "ca.pem", ca);
    trio_path(&cluster.trio, "operator.pem", identity);
    (void)snprintf(command, sizeof command, "%s --yes --endpoint 127.0.0.1:%u --ca %s --identity %s", line_off,
                   (unsigned)cluster.trio.api[0], ca, identity);
    typed_page_put(command, sizeof command, "shop", "harbor");
    typed_page_put(command, sizeof command, "dc-b", cluster.sites[site].name);
    return type(command, "", out, size);
}

/* Paused for longer than a window, then resumed: no question was asked. An operator who has seen that its machine is off
 * ends the claim. */
static void paused_and_resumed_it_holds_the_group_until_an_operator_ends_it(void **state)
{
    char out[2048];

    (void)state;
    real_serve(&cluster);
    assert_int_equal(real_order(&cluster, "mode", "{\"mode\":\"paused\"}"), 200);
    override_the_other_site();
    witnesses_are_back();
    real_until(&cluster, is_claimed, OTHER, "what it has reported is committed");
    cut_the_agent_off(OTHER);
    real_until(&cluster, real_is_vacant, 0, "the epoch of before is over");
    assert_true(real_for_a_lease(&cluster, nobody_is_granted, 0));

    assert_int_equal(real_order(&cluster, "mode", "{\"mode\":\"auto\"}"), 200);
    assert_true(real_for_a_lease(&cluster, nobody_is_granted, 0));
    assert_true(real_service_lives(&cluster, OTHER));
    real_assert_no_overlap(&cluster);

    (void)real_end(&cluster.sites[OTHER].agent, SIGKILL); /* its machine is switched off */
    (void)real_end(&cluster.sites[OTHER].guard, SIGKILL);
    real_kill_service(&cluster, OTHER);
    assert_int_equal(end_claim(OTHER, out, sizeof out), 0);
    real_until(&cluster, serves_later, HELD, "the other site is granted");
    real_assert_no_overlap(&cluster);
}

static bool holds_again(struct real_cluster *of, int site)
{
    return real_number(of, "epoch") > 1 && real_serves(of, site);
}

/* Its site file names the witnesses where nobody listens. */
static void boot_without_network(int site)
{
    char command[2 * REAL_PATH_BYTES];

    (void)snprintf(command, sizeof command, "sed -i -E '/address:/s/:[0-9]+/:1/' '%s/site.yaml'",
                   cluster.sites[site].dir);
    assert_int_equal(system(command), 0);
    boot(site, false);
}

/* 3.8: what an operator has said ends with the boot: the other site was granted since, and nobody here can hear that. */
static void after_a_reboot_without_network_nothing_is_started(void **state)
{
    struct patience patience;
    char out[8192];

    (void)state;
    if (!real_can_fake_boot())
        skip_lacking("mounts or machineid");
    real_serve(&cluster);
    are_all_lost = true;
    override_the_other_site();
    lose_power(OTHER);
    witnesses_are_back();
    real_until(&cluster, holds_again, HELD, "the site that is left is granted");

    boot_without_network(OTHER);

    patience = patience_begin(4 * REAL_TTL_MS); /* longer than one longest lease, after which it was started again */
    while (!patience_is_over(&patience)) {
        assert_false(real_service_lives(&cluster, OTHER));
        (void)usleep(100000);
    }
    assert_int_equal(real_runs(&cluster, OTHER, "start"), 0);
    real_assert_no_overlap(&cluster);
    (void)override(OTHER, line_plan, out, sizeof out);
    assert_non_null(strstr(out, "this machine was restarted after it"));
}

/* Nobody comes back: at the end that was typed it is fenced, though its agent is gone. */
static void at_its_end_it_is_fenced(void **state)
{
    struct patience patience;

    (void)state;
    real_serve(&cluster);
    lives = "1m";
    override_the_other_site();
    lives = "30m";
    (void)real_end(&cluster.sites[OTHER].agent, SIGKILL);
    patience = patience_begin(60000);
    while (real_service_lives(&cluster, OTHER)) {
        if (patience_is_over(&patience))
            patience_fail("it is fenced one minute after the command");
        (void)usleep(100000);
    }
    assert_int_equal(real_runs(&cluster, OTHER, "fence"), 1);
    real_assert_no_overlap(&cluster);
}

/* A second guard finds the mirror that the first one has left, which says nothing. */
static void begin_guards_without_a_mirror(int site)
{
    char command[2 * REAL_PATH_BYTES];

    (void)snprintf(command, sizeof command, "rm '%s'/run/*-guard/harbor.mirror", cluster.sites[site].dir);
    for (int i = 0; i < 2; i++) {
        (void)real_end(&cluster.sites[site].guard, SIGKILL);
        if (i == 0)
            assert_int_equal(system(command), 0);
        real_start_guard(&cluster, site);
        until(is_unknown, site, "no look tells whether it serves");
    }
}

/* 3.4: its enforcer is the only one that knows of it. Its epoch was given back before, and is nothing that says it is over. */
static void a_manual_lease_whose_mirror_is_lost_ends_all_the_same(void **state)
{
    struct bw_instant end;
    char out[8192];

    (void)state;
    real_serve(&cluster);
    until(is_refused_for_the_witnesses, HELD, "override is refused while the witnesses answer");
    lose_witnesses();
    until(is_gone, HELD, "the holder fences when its lease ends");
    until(is_planned, HELD, "override is possible once no leader answers");
    lives = "1m";
    assert_int_equal(override(HELD, line, out, sizeof out), 0);
    lives = "30m";
    end = bw_instant_add(bw_clock_now(), 60 * BW_NS_PER_S); /* at the latest: it counts from the command */
    real_put(&cluster, HELD, "say", "unknown\n"); /* so that nobody fences it at once */
    (void)real_end(&cluster.sites[HELD].agent, SIGKILL);

    begin_guards_without_a_mirror(HELD);

    assert_true(real_service_lives(&cluster, HELD));
    while (real_service_lives(&cluster, HELD) && !bw_instant_wait_is_over(bw_clock_now(), end))
        (void)usleep(100000);
    assert_false(real_service_lives(&cluster, HELD));
    real_assert_no_overlap(&cluster);
}

static void without_a_time_it_is_refused(void **state)
{
    char file[REAL_PATH_BYTES], out[2048];
    char *argv[] = {NULL, (char[]){"override"}, (char[]){"harbor"}, (char[]){"-c"}, file,
                    (char[]){"--reason"}, (char[]){"b is off"}, (char[]){"--yes"}, NULL};

    (void)state;
    (void)snprintf(file, sizeof file, "%s/site.yaml", cluster.sites[OTHER].dir);
    assert_int_equal(trio_run(&cluster.trio, argv, out, sizeof out), 2);
}

/* Agent and guard go on, and are found where they are looked for: by a person, and by the agent that comes next. The
 * directory itself stays: another one would be another boot (3.7). */
static void who_tidies_up_the_run_directory_ends_nothing(void **state)
{
    char command[2 * REAL_PATH_BYTES];
    pid_t service;

    (void)state;
    real_serve(&cluster);
    service = real_service(&cluster, HELD);
    until(is_refused_for_the_witnesses, HELD, "the agent answers a person");
    (void)snprintf(command, sizeof command, "cd '%s' && until rm -r run/* guard.sock; do :; done",
                   cluster.sites[HELD].dir);
    assert_int_equal(system(command), 0);

    until(is_refused_for_the_witnesses, HELD, "the agent answers a person again");
    assert_int_equal(real_end(&cluster.sites[HELD].agent, SIGTERM), 0);
    real_start_agent(&cluster, HELD);
    real_until(&cluster, real_is_connected, HELD, "the next agent speaks with the witnesses");

    assert_true(real_for_a_lease(&cluster, real_keeps_epoch_1, HELD)); /* renewed: by its guard */
    assert_int_equal(real_service(&cluster, HELD), service);
    assert_int_equal(real_runs(&cluster, HELD, "stop") + real_runs(&cluster, HELD, "fence"), 0);
    real_assert_no_overlap(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_of_the_page_is_typed),
        cmocka_unit_test_setup_teardown(what_a_person_lets_serve_is_adopted_untouched, set_up,
                                        tear_down_served),
        cmocka_unit_test_setup_teardown(ended_by_a_person_it_is_fenced, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(one_that_was_reported_and_is_cut_off_holds_the_group, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(paused_and_resumed_it_holds_the_group_until_an_operator_ends_it, set_up,
                                        tear_down_served),
        cmocka_unit_test_setup_teardown(after_a_reboot_without_network_nothing_is_started, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(at_its_end_it_is_fenced, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(a_manual_lease_whose_mirror_is_lost_ends_all_the_same, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(without_a_time_it_is_refused, set_up, tear_down_served),
        cmocka_unit_test_setup_teardown(who_tidies_up_the_run_directory_ends_nothing, set_up,
                                        tear_down_served),
    };

    return cmocka_run_group_tests_name("life_override", tests, NULL, NULL);
}
