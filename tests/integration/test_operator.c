/* what people ask of three real witnesses, by the real commands; bodies that nobody should send:
 * test_operator_bodies. Design 4, 5.2, 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lacking.h"
#include "operator.h"
#include "patience.h"
#include "test_https.h"

/* ---- before any agent */

static void status_without_groups_says_what_is_next(void **state)
{
    (void)state;

    operator_until_it_says("cli.yaml", "status", 0, "quorum 3 of 3");

    assert_says(operator.out, "breakwater apply -f");
}

static void a_file_with_problems_is_refused_before_anybody_is_asked(void **state)
{
    (void)state;
    operator_put("bad.yaml",
                 "groups:\n  - name: harbor\n    sites: [{name: dc-a}]\n    lease_tll: 5s\n");

    const int status = operator_apply("bad.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(operator.errors, "bad.yaml:4:5");
    assert_says(operator.errors, "nothing was changed");
}

/* Offline nobody knows the election timeout: the witnesses judge it (4). */
static void timings_that_an_election_would_break_are_refused_by_the_witnesses(void **state)
{
    (void)state;
    operator_put("short.yaml", operator_groups_text, "1s");

    const int status = operator_apply("short.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(operator.errors, "groups[0].lease_ttl_ms: ");
    assert_says(operator.errors, "election_timeout 300ms");
    assert_says(operator.errors, "nothing was changed");
}

static void apply_without_a_terminal_and_without_yes_changes_nothing(void **state)
{
    (void)state;

    const int status = operator_apply("groups.yaml", "");

    assert_int_equal(status, 2);
    assert_says(operator.errors, "--plan");
    operator_until_it_says("cli.yaml", "status", 0, "breakwater apply -f"); /* still no group */
}

static void apply_with_plan_tells_and_changes_nothing(void **state)
{
    (void)state;

    const int status = operator_apply("groups.yaml", "--plan");

    assert_int_equal(status, 0);
    assert_says(operator.out, "created    harbor");
    assert_says(operator.out, "Nothing was changed");
    operator_until_it_says("cli.yaml", "status", 0, "breakwater apply -f"); /* still no group */
}

static void apply_creates_a_group_and_again_finds_it_unchanged(void **state)
{
    (void)state;

    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    assert_says(operator.out, "created    harbor   index ");
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    assert_says(operator.out, "unchanged  harbor\n");
    operator_put("other.yaml", operator_groups_text, "11s");
    assert_int_equal(operator_apply("other.yaml", "--yes"), 0);
    assert_says(operator.out, "changed    harbor");
    assert_says(operator.out, "lease_ttl_ms: 10000 -> 11000");
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
}

static void a_file_with_former_names_changes_nothing(void **state)
{
    (void)state;

    operator_put("former.yaml", "groups:\n  - name: harbor\n    sites: [{name: dc-a, priority: 100, candidate: always}, {name: dc-b, "
                                "priority: 50}]\n    lease_ttl: 10s\n    fence_timeout: 500ms\n    renew_interval: 3s\n"
                                "    margin: 50ms\n    switchover_timeout: 30s\n    on_lag: allow\n");
    assert_int_equal(operator_apply("former.yaml", "--plan"), 0);
    assert_says(operator.out, "unchanged  harbor\n");
    assert_says(operator.errors, "groups[0].fence_timeout: former name of a key, accepted in this release only; write \"fence_window\"");
    assert_int_equal(operator_apply("former.yaml", "--yes"), 0);
    assert_says(operator.out, "unchanged  harbor\n");
}

static void status_of_a_group_without_agents_exits_4(void **state)
{
    (void)state;

    const int status = operator_run("cli.yaml", "status harbor");

    assert_int_equal(status, 4);
    assert_says(operator.out, "state no primary");
    assert_says(operator.out, "no site is primary (no_primary");
    assert_says(operator.out, "dc-a: not connected");
    assert_int_equal(operator_run("cli.yaml", "status harbour"), 1);
    assert_says(operator.errors, "there is no group \"harbour\"");
}

/* ---- rights and leaders */

static void a_viewer_may_look_and_not_change(void **state)
{
    (void)state;

    assert_int_equal(operator_run("viewer.yaml", "status"), 4);
    assert_int_equal(operator_run("viewer.yaml", "failover harbor --yes"), 1);
    assert_says(operator.errors, "viewer/vera");
    assert_int_equal(operator_ask_leader(operator.trio.viewer, "PUT", "/v1/groups", "{}", 2), 403);
    assert_int_equal(operator_ask_leader(operator.a.credentials, "GET", "/v1/status", NULL, 0),
                     200);
}

static void a_follower_names_the_leader_and_the_command_follows(void **state)
{
    char address[40] = "";
    int follower = -1;
    int status = 0;
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    (void)state;
    while (status != 421 || strstr(operator.reply.body, address) == NULL) {
        if (patience_is_over(&patience))
            patience_fail("a follower names the leader %s: %d %s", address, status, operator.reply.body);
        follower = trio_follower(&operator.trio);
        (void)snprintf(
            address, sizeof address,
            "\"address\":\"127.0.0.1:%d\"", operator.trio.api[trio_leader(&operator.trio)]);
        status = operator_ask(operator.operator, follower, "PUT", "/v1/groups", "{}", 2);
    }
    operator_put_cli("follower.yaml", "operator.pem", &follower, 1);
    assert_int_equal(operator_run("follower.yaml", "mode harbor manual --plan"), 0);
    assert_says(operator.out, "Nothing was changed");
}

static void any_witness_answers_questions(void **state)
{
    int follower = trio_follower(&operator.trio);
    struct patience patience;

    (void)state;
    assert_int_equal(operator_ask(operator.trio.viewer, follower, "GET", "/v1/groups", NULL, 0),
                     200);
    assert_says(operator.reply.body, "\"lease_ttl_ms\":10000");
    assert_int_equal(
        operator_ask(operator.trio.viewer, follower, "GET", "/v1/groups/harbor/explain", NULL, 0),
        200);
    assert_says(operator.reply.body, "\"id\":\"leads\"");
    for (patience = patience_begin(OPERATOR_WAIT_MS); !patience_is_over(&patience);
         follower = trio_follower(&operator.trio)) {
        assert_int_equal(operator_ask(operator.trio.viewer, follower, "GET", "/v1/status", NULL, 0),
                         200);
        if (strstr(operator.reply.body, "\"leads\":false") != NULL)
            return;
    }
    patience_fail("a follower says that it does not lead");
}

static void explain_says_what_the_group_waits_for(void **state)
{
    (void)state;

    operator_until_it_says("cli.yaml", "explain harbor", 0, "Conditions not met:");

    assert_says(operator.out, "dc-a: not eligible for automatic failover");
}

/* ---- with agents */

static const char *type_of(const json_t *value)
{
    static const char *const words[] = {"object", "array", "string", "integer",
                                        "real",   "bool",  "bool",   "null"};

    return value == NULL ? "missing" : words[json_typeof(value)];
}

static void assert_member(const json_t *object, const char *key, const char *types)
{
    const char *type = type_of(json_object_get(object, key));

    if (strstr(types, type) == NULL)
        fail_msg("%s is %s, not %s", key, type, types);
}

static void status_has_the_members_of_its_schema(void **state)
{
    json_t *status, *group, *site, *witness;

    (void)state;
    operator_begin_agents();
    operator_wait_until_serving("dc-a");

    status = operator_status();

    group = json_array_get(json_object_get(status, "groups"), 0);
    site = json_array_get(json_object_get(group, "sites"), 0);
    witness = json_array_get(json_object_get(status, "witnesses"), 0);
    assert_string_equal(json_string_value(json_object_get(status, "schema")),
                        "breakwater.status/v2");
    assert_member(status, "cluster", "string");
    assert_member(status, "generation", "integer");
    assert_member(status, "leader", "string");
    assert_member(status, "term", "integer");
    assert_member(json_object_get(status, "quorum"), "have", "integer");
    assert_member(json_object_get(status, "quorum"), "of", "integer");
    for (size_t i = 0; i < 5; i++)
        assert_member(group, (const char *const[]){"name", "phase", "mode", "holder", "reason"}[i],
                      "string");
    assert_member(group, "held", "bool");
    assert_member(group, "epoch", "integer");
    assert_member(group, "lease_remaining_ms", "integer");
    for (size_t i = 0; i < 4; i++)
        assert_member(site, (const char *const[]){"name", "role", "service", "reach"}[i], "string");
    for (size_t i = 0; i < 3; i++)
        assert_member(site, (const char *const[]){"connected", "eligible", "guard"}[i], "bool");
    assert_member(site, "blocked_by", "array");
    assert_member(site, "why_not", "array");
    assert_member(site, "alarms", "array");
    assert_member(site, "readiness", "object null");
    assert_member(witness, "name", "string");
    assert_member(witness, "id", "integer");
    assert_member(witness, "failure_domain", "string");
    assert_member(witness, "role", "string");
    json_decref(status);
}

static void status_is_fine_when_one_serves_and_one_could_follow(void **state)
{
    (void)state;

    operator_until_it_says("cli.yaml", "status", 0, "Failover: automatic to dc-b");

    assert_says(operator.out, "state active");
    assert_says(operator.out, "s left");
}

static void status_as_json_has_what_each_witness_reaches(void **state)
{
    json_t *status;

    (void)state;

    operator_until_it_says("cli.yaml", "status -o json", 0, "\"reaches\"");

    status = operator_parse(operator.out);
    for (size_t i = 0; i < TRIO_WITNESSES; i++) {
        const json_t *member = json_array_get(json_object_get(status, "witnesses"), i);
        const char *name = json_string_value(json_object_get(member, "name"));
        size_t index;
        json_t *reached;

        assert_member(member, "reaches", "array");
        json_array_foreach(json_object_get(member, "reaches"), index, reached)
            assert_string_not_equal(json_string_value(reached), name); /* it is another's list */
    }
    json_decref(status);
}

static void failover_with_a_live_holder_is_refused_and_names_switchover(void **state)
{
    (void)state;

    operator_wait_until_serving("dc-a");
    const int status = operator_run("cli.yaml", "failover harbor --to dc-b --yes");

    assert_int_equal(status, OPERATOR_REFUSED);
    assert_says(operator.errors, "use switchover");
    assert_int_equal(operator_run("cli.yaml", "failover harbor --to dc-b --plan"),
                     OPERATOR_REFUSED);
    operator_wait_until_serving("dc-a");
    assert_int_equal(operator_run("cli.yaml", "history harbor"), 0);
    assert_null(strstr(operator.out, "dc-b")); /* it was never anywhere else */
}

static void the_plan_of_a_switchover_changes_nothing(void **state)
{
    json_t *before, *after;

    (void)state;
    operator_until_it_says("cli.yaml", "status", 0, "Failover: automatic to dc-b");
    before = operator_status();

    const int status = operator_run("cli.yaml", "switchover harbor --to dc-b --plan");

    after = operator_status();
    assert_int_equal(status, 0);
    assert_says(operator.out, " 1 dc-a is ordered to stop harbor (Revoke of epoch 1)");
    assert_says(operator.out, "Nothing was changed");
    assert_true(json_equal(json_object_get(before, "index"), json_object_get(after, "index")));
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(after, "groups"), 0), "request")));
    json_decref(before);
    json_decref(after);
}

static void a_switchover_is_done_and_in_the_history_with_its_author(void **state)
{
    json_t *history, *entry;

    (void)state;

    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    int status = OPERATOR_REFUSED; /* while the leader has not heard of dc-b lately */

    while (status == OPERATOR_REFUSED) {
        status = operator_run("cli.yaml", "switchover harbor --to dc-b --reason drill --yes");
        if (status == OPERATOR_REFUSED && patience_is_over(&patience))
            patience_fail("it is done\n%s\n%s", operator.out, operator.errors);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, operator.out, operator.errors);
    assert_says(operator.out, "done: dc-b serves in epoch 2");
    assert_int_equal(operator_run("cli.yaml", "history harbor -o json"), 0);
    history = operator_parse(operator.out);
    entry = json_array_get(json_object_get(history, "entries"), 0);
    assert_string_equal(json_string_value(json_object_get(history, "schema")),
                        "breakwater.history/v2");
    assert_string_equal(json_string_value(json_object_get(entry, "by")), "operator/anna");
    assert_string_equal(json_string_value(json_object_get(entry, "site")), "dc-b");
    assert_string_equal(json_string_value(json_object_get(entry, "previous_site")), "dc-a");
    assert_string_equal(json_string_value(json_object_get(entry, "reason")), "switchover");
    assert_true(json_is_true(json_object_get(entry, "planned")));
    assert_member(entry, "index", "integer");
    assert_member(entry, "time", "string");
    assert_member(entry, "ended_by", "string");
    assert_member(entry, "timeline", "array");
    json_decref(history);
    assert_int_equal(operator_run("cli.yaml", "history -n 1"), 0);
    assert_says(operator.out, "switchover dc-a -> dc-b");
    assert_null(strstr(operator.out, "first_grant"));
}

/* A new cluster begins at the newest of everybody. */
static void the_feature_level_is_the_newest_and_only_an_operator_raises_it(void **state)
{
    (void)state;
    operator_until_it_says("cli.yaml", "feature-level", 0, "guard     dc-b                      3");
    assert_says(operator.out, "feature level 3, the newest that w");
    assert_says(operator.out, "witness   w1                        3");
    assert_says(operator.out, "witness   w3                        3");
    assert_says(operator.out, "agent     dc-a                      3");
    assert_int_equal(operator_run("viewer.yaml", "feature-level -o json"), 0);
    assert_says(operator.out, "\"schema\": \"breakwater.feature-level/v1\"");

    assert_int_equal(operator_run("cli.yaml", "feature-level raise"), 2); /* no terminal */
    assert_int_equal(operator_run("cli.yaml", "feature-level raise --plan"), 0);
    assert_int_equal(
        operator_run("cli.yaml", "feature-level raise --without dc-b --reason new --yes"), 0);
    assert_says(operator.out, "the newest that this program knows: there is nothing to raise");
    assert_int_equal(operator_run("viewer.yaml", "feature-level raise --yes"), 1);
    assert_says(operator.errors, "operator's certificate");
    assert_int_equal(
        operator_ask_leader(operator.operator, "POST", "/v1/feature-level/raise", "{\"to\":4}", 8),
        409);
    assert_int_equal(operator_ask_leader(operator.operator, "POST", "/v1/feature-level/raise",
                                         "{\"to\":\"x\"}", 10),
                     422);
}

static void a_holder_cannot_be_applied_away(void **state)
{
    (void)state;
    operator_put("away.yaml",
                 "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-c}]\n");

    const int status = operator_apply("away.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(operator.errors, "dc-b is primary of harbor, and cannot leave it; move the group first");
}

static void a_first_primary_is_chosen_only_before_the_first_grant(void **state)
{
    (void)state;

    operator_put("slower.yaml", "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b}]\n"
                                "    max_lag: 7s\n");

    const int status = operator_apply("slower.yaml", "--initial-primary dc-a --yes");

    assert_int_equal(status, 1);
    assert_says(operator.errors, "dc-b reports that harbor runs there already");
    assert_says(operator.errors, "use switchover or failover");
}

/* Of those of a file that wait for their first grant it is said, and after a lost answer once more. */
static void a_first_primary_says_nothing_of_a_group_that_was_granted(void **state)
{
    (void)state;
    assert_int_equal(operator_apply("groups.yaml", "--initial-primary dc-a --plan"), 0);
    assert_says(operator.out, "unchanged  harbor   it had a primary before: --initial-primary has no effect\n");
    assert_null(strstr(operator.out, "initial primary:"));
    assert_says(operator.out, "Nothing to change.");
    assert_int_equal(operator_apply("groups.yaml", "--initial-primary dc-a --yes"), 0);
    assert_says(operator.out, "unchanged  harbor ");
}

/* 3.9: nobody but the person keeps a site that is not heard from serving as well. */
static void whoever_names_a_first_primary_is_told_what_that_vouches_for(void **state)
{
    (void)state;
    operator_put("named.yaml", "groups:\n  - name: registry\n    sites: [{name: dc-a}, {name: dc-x}]\n");
    assert_int_equal(operator_apply("named.yaml", "--plan"), 0);
    assert_null(strstr(operator.out, "you confirm"));
    assert_says(operator.out, "  on_lag: refuse: failover is automatic only to a site whose readiness_script");
    assert_int_equal(operator_apply("named.yaml", "--initial-primary dc-a --plan"), 0);
    assert_says(operator.out, "  initial primary: dc-a\n"
                              "  ! dc-x is not connected: you confirm that registry does not run there; if it does, two "
                              "sites serve (split-brain)\n");
}

/* 3.9: neither taken back without a word, nor kept where it says nothing of a site that is new. */
static void whom_a_person_has_named_to_begin_is_seen_until_then(void **state)
{
    (void)state;
    operator_put("waits.yaml", "groups:\n  - name: registry\n    sites: [{name: dc-x}, {name: dc-y}]\n");
    assert_int_equal(operator_apply("waits.yaml", "--initial-primary dc-x --yes"), 0);
    assert_int_equal(operator_run("cli.yaml", "explain registry --all"), 0);
    assert_says(operator.out, ": initial primary (dc-x)");
    assert_int_equal(operator_apply("waits.yaml", "--plan"), 0);
    assert_says(operator.out, "unchanged  registry\n  initial primary: dc-x\n");

    operator_put("waits.yaml", "groups:\n  - name: registry\n    on_lag: allow\n    sites: [{name: dc-x}, {name: dc-y}]\n");
    assert_int_equal(operator_apply("waits.yaml", "--yes"), 0);
    assert_says(operator.out, "  on_lag: refuse -> allow\n  initial primary: dc-x\n");
    assert_int_equal(operator_run("cli.yaml", "explain registry --all"), 0);
    assert_says(operator.out, ": initial primary (dc-x)");

    operator_put("waits.yaml", "groups:\n  - name: registry\n    sites: [{name: dc-x}, {name: dc-y}, {name: dc-z}]\n");
    assert_int_equal(operator_apply("waits.yaml", "--plan"), 0);
    assert_says(operator.out, "  initial_primary: dc-x -> none\n");
    assert_null(strstr(operator.out, "initial primary:"));
    assert_int_equal(operator_run("cli.yaml", "delete registry --yes"), 0);
}

static void a_file_that_lets_a_group_go_says_what_that_means(void **state)
{
    (void)state;
    operator_put("watched.yaml", "groups:\n  - name: harbor\n    mode: observe\n"
                                 "    sites: [{name: dc-a}, {name: dc-b}]\n");
    assert_int_equal(operator_apply("watched.yaml", "--plan"), 0);
    assert_says(operator.out, "  mode: auto -> observe\n");
    assert_says(operator.out, "  1 its epoch ends, and every site releases the service to manual control: it runs on, "
                              "unmanaged\n");
    assert_says(operator.out, "  2 until the mode changes, only status, readiness and condition scripts run\n");
}

static void a_switchover_to_who_holds_it_has_nothing_to_do(void **state)
{
    static const char *const words[] = {"switchover harbor --to dc-b --plan", "switchover harbor --to dc-b --yes"};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(operator_run("cli.yaml", words[i]), 0);
        assert_says(operator.out, "switchover of harbor: nothing to do: dc-b is primary of harbor already\n");
    }
}

/* ---- metrics */

static bool has_lines(const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(operator.reply.body, lines[i]) == NULL)
            return false;
    return true;
}

/* What all witnesses have counted together, each since it was started. */
static double sum_of(const char *metric)
{
    double sum = 0;

    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const char *at;

        assert_int_equal(operator_ask(operator.trio.viewer, i, "GET", "/metrics", NULL, 0), 200);
        at = strstr(operator.reply.body, metric);
        sum += at != NULL ? strtod(at + strlen(metric), NULL) : 0;
    }
    return sum;
}

static void metrics_tell_what_was_decided(void **state)
{
    static const char *const lines[] = {
        "\nbreakwater_raft_role{role=\"leader\"} 1\n",
        "\nbreakwater_group_phase{group=\"harbor\",phase=\"GRANTED\"} 1\n",
        "\nbreakwater_group_epoch{group=\"harbor\"} 2\n",
        "\nbreakwater_site_primary{group=\"harbor\",site=\"dc-b\"} 1\n",
        "\nbreakwater_group_failover_possible{group=\"harbor\"} 1\n",
        "\nbreakwater_group_next{group=\"harbor\",next=\"nothing\",site=\"\"} 1\n",
        "\nbreakwater_decisions_total{decision=\"Grant\"} 2\n", /* as each witness applies them */
        "\nbreakwater_alarm_active{group=\"harbor\",site=\"dc-b\",alarm=\"start_failed\"} 1\n",
        "\nbreakwater_certificate_expiry_timestamp_seconds{role=\"witness\"} ",
        "\nbreakwater_lease_expiry_timestamp_seconds{group=\"harbor\",site=\"dc-b\"} ",
    };
    const size_t count = sizeof lines / sizeof lines[0];
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    (void)state;
    atomic_store(&operator.b_alarms, 1u << BW_ALARM_START_FAILED);
    for (;;) { /* of the moment: another leader begins to hear anew */
        assert_int_equal(operator_ask_leader(operator.trio.viewer, "GET", "/metrics", NULL, 0),
                         200);
        if (has_lines(lines, count))
            break;
        for (size_t i = 0; i < count && patience_is_over(&patience); i++)
            if (strstr(operator.reply.body, lines[i]) == NULL)
                patience_fail("the metrics say %s:\n%s", lines[i], operator.reply.body);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    assert_null(strstr(operator.reply.body, "site=\"dc-a\",alarm=")); /* only what is so */
    atomic_store(&operator.b_alarms, 0);
    assert_true(sum_of("\nbreakwater_http_requests_total{route=\"/v1/groups/{name}/switchover\","
                       "code=\"202\"} ") == 1);
}

static void metrics_are_what_promtool_accepts(void **state)
{
    FILE *tool;
    int status;

    (void)state;
    if (system("command -v promtool >/dev/null") != 0)
        skip_lacking("promtool");
    assert_int_equal(operator_ask_leader(operator.trio.viewer, "GET", "/metrics", NULL, 0), 200);

    tool = popen("promtool check metrics >&2", "w");
    assert_non_null(tool);
    assert_int_equal(
        fwrite(operator.reply.body, 1, operator.reply.body_size, tool), operator.reply.body_size);
    status = pclose(tool);

    assert_int_equal(status, 0);
}

/* metrics_open is false here. */
static void metrics_need_a_certificate_unless_they_are_open(void **state)
{
    SSL_CTX *nobody = test_pki_client(operator.trio.pki.ca_path, NULL);
    struct test_https client;
    struct test_answer answer = {0};

    (void)state;
    assert_true(test_https_open(&client, operator.trio.api[0], nobody));
    assert_true(test_https_say(&client, "GET /metrics HTTP/1.1\r\nHost: w1\r\n\r\n"));

    test_https_hear(&client, false, &answer);

    assert_int_equal(answer.status, 401);
    test_https_close(&client);
    SSL_CTX_free(nobody);
}

/* ---- the status page ------------------------------------------------------------------------- */

/* What a browser is told of it; 5.3. */
static void page_of(const char *path, SSL_CTX *context, struct test_answer *answer)
{
    struct test_https client;
    char request[128];

    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: w1\r\n\r\n", path);
    assert_true(test_https_open(&client, operator.trio.api[0], context));
    assert_true(test_https_say(&client, request));
    test_https_hear(&client, false, answer);
    test_https_close(&client);
}

static void the_page_is_served_to_viewers_and_runs_nothing_but_its_own_files(void **state)
{
    static const char *const paths[] = {"/", "/page.js", "/page.css"};
    static const char *const says[] = {"<script src=\"/page.js\" defer></script>", "\"use strict\"",
                                       ":root {"};
    static const char *const types[] = {"text/html", "text/javascript", "text/css"};
    char path[TEST_PKI_PATH_BYTES];
    SSL_CTX *viewer, *nobody = test_pki_client(operator.trio.pki.ca_path, NULL);

    (void)state;
    test_pki_issue_uri(&operator.trio.pki, "page.pem", "breakwater://prod/viewer/vera", path);
    viewer = test_pki_client(operator.trio.pki.ca_path, path);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct test_answer answer = {0};

        page_of(paths[i], viewer, &answer);
        assert_int_equal(answer.status, 200);
        assert_says(answer.head, types[i]);
        assert_says(answer.head,
                    "Content-Security-Policy: default-src 'none'; script-src 'self'; "
                    "style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
                    "form-action 'none'; frame-ancestors 'none'\r\n");
        assert_says(answer.head, "X-Content-Type-Options: nosniff\r\n");
        assert_says(answer.head, "X-Frame-Options: DENY\r\n");
        assert_says(answer.head, "Referrer-Policy: no-referrer\r\n");
        assert_says(answer.head, "Cache-Control: no-store\r\n");
        assert_says(answer.body, says[i]);
        answer = (struct test_answer){0};
        page_of(paths[i], nobody, &answer);
        assert_int_equal(answer.status, 401);
    }
    SSL_CTX_free(viewer);
    SSL_CTX_free(nobody);
}

/* ---- a mistyped name -------------------------------------------------------------------------- */

/* dc-a and dc-b speak, of harbor. */
static void a_group_that_no_site_file_has_is_named_at_apply_and_in_status(void **state)
{
    char words[400];
    char path[TRIO_PATH_BYTES];

    (void)state;
    operator_put("mistyped.yaml",
                 "groups:\n  - name: harbour\n    mode: observe\n"
                 "    sites: [{name: dc-a}, {name: dc-x}]\n    renew_interval: 2s\n");
    trio_path(&operator.trio, "mistyped.yaml", path);
    (void)snprintf(words, sizeof words, "apply -f %s --plan", path);
    operator_until_it_says("cli.yaml", words, 0,
                           "dc-a: its agent is connected, but its site file has no group harbour");
    assert_null(strstr(operator.out, "dc-x: its agent"));
    assert_says(operator.out,
                "! dc-x: no agent of a site with this name is connected: is the name right?");
    assert_says(operator.out, "If not:  breakwater delete ");
    assert_int_equal(operator_apply("groups.yaml", "--plan"), 0);
    assert_null(strstr(operator.out, "site file has no group"));
    assert_null(strstr(operator.out, "no agent of a site"));

    assert_int_equal(operator_apply("mistyped.yaml", "--yes"), 0);
    operator_until_it_says(
        "cli.yaml", "status harbour", 3,
        "(group_not_configured");
    assert_says(operator.out, "! dc-x: not connected");
    assert_null(
        strstr(operator.out, "dc-a: has not let go")); /* it never will, and has nothing to */
}

/* ---- schemas --------------------------------------------------------------------------------- */

static char *certificate_path(char path[TEST_PKI_PATH_BYTES])
{
    (void)snprintf(path, TEST_PKI_PATH_BYTES, "%s/operator.pem", operator.trio.pki.dir);
    return path;
}

/* Those that no other case asks as JSON. That each verb and route has a schema is for docs/schemas.
 */
static void what_can_be_read_is_read_as_json(void **state)
{
    static const char *const words[] = {
        "status harbor -o json",   "explain harbor -o json",
        "explain --rules -o json", "history -o json",
        "groups -o json",          "members -o json",
        "feature-level -o json",   "feature-level raise --plan -o json"};
    static const char *const paths[] = {
        "/v1/groups",  "/v1/groups/harbor", "/v1/groups/harbor/history",
        "/v1/members", "/v1/snapshot",      "/v1/feature-level"};
    static const char *const plans[][2] = {
        {"/v1/members?plan=1", "{\"do\":\"remove\",\"name\":\"w3\"}"},
        {"/v1/members?plan=1", "{\"do\":\"lead\",\"name\":\"nobody\"}"},
        {"/v1/groups/harbor/switchover?plan=1", "{\"to\":\"dc-a\"}"},
        {"/v1/groups/harbor/failover?plan=1", "{}"},
        {"/v1/groups/harbor/force-release?plan=1", "{\"site\":\"dc-b\"}"},
        {"/v1/groups/harbor/maintenance?plan=1", "{\"duration_ms\":60000}"},
        {"/v1/groups/harbor/delete?plan=1", "{}"}};
    char path[TEST_PKI_PATH_BYTES];
    char *show[] = {NULL,
                    (char[]){"pki"},
                    (char[]){"show"},
                    certificate_path(path),
                    (char[]){"-o"},
                    (char[]){"json"},
                    NULL};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const int exit_status = operator_run("cli.yaml", words[i]);

        assert_true(exit_status == 0 || /* 3: a site may speak late on a busy machine */
                    (exit_status == 3 && strncmp(words[i], "status", 6) == 0));
        assert_says(operator.out, "{");
    }
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(operator_ask_leader(operator.operator, "GET", paths[i], NULL, 0), 200);
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        assert_int_equal(operator_ask_leader(operator.operator, "POST", plans[i][0], plans[i][1],
                                             strlen(plans[i][1])),
                         200);
    assert_int_equal(trio_run(&operator.trio, show, operator.out, sizeof operator.out), 0);
    operator_keep_answer("pki show", operator.out);
}

/* ---- a file that goes in several requests ------------------------------------------------------- */

/* With the groups that are there already its last part is too much for the cluster. */
static void an_apply_that_ends_half_way_says_how_many_groups_are_committed(void **state)
{
    static char text[BW_GROUPS_MAX * 128];
    size_t size = (size_t)snprintf(text, sizeof text, "groups:\n");
    const char *half;
    unsigned done = 0, all = 0;

    (void)state;
    for (int i = 0; i < BW_GROUPS_MAX; i++)
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "  - {name: many-%d, mode: observe, renew_interval: 2s, "
                                 "sites: [{name: dc-a}, {name: dc-b}]}\n", i);
    operator_put("many.yaml", "%s", text);
    assert_int_not_equal(operator_apply("many.yaml", "--yes"), 0);

    half = strstr(operator.errors, "interrupted: ");
    if (half == NULL)
        fail_msg("not said how far it came:\n%s", operator.errors);
    assert_int_equal(sscanf(half, "interrupted: %u of %u groups", &done, &all), 2);
    assert_int_equal(all, BW_GROUPS_MAX);
    assert_in_range(done, 1, BW_GROUPS_MAX - 1);
    assert_int_equal(operator_ask_leader(operator.operator, "GET", "/v1/status", NULL, 0), 200);
    for (unsigned i = 0; i < BW_GROUPS_MAX; i++) { /* just the first so many are there */
        char name[32];

        (void)snprintf(name, sizeof name, "\"many-%u\"", i);
        assert_int_equal(strstr(operator.reply.body, name) != NULL, i < done);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_without_groups_says_what_is_next),
        cmocka_unit_test(a_file_with_problems_is_refused_before_anybody_is_asked),
        cmocka_unit_test(timings_that_an_election_would_break_are_refused_by_the_witnesses),
        cmocka_unit_test(apply_without_a_terminal_and_without_yes_changes_nothing),
        cmocka_unit_test(apply_with_plan_tells_and_changes_nothing),
        cmocka_unit_test(apply_creates_a_group_and_again_finds_it_unchanged),
        cmocka_unit_test(a_file_with_former_names_changes_nothing),
        cmocka_unit_test(status_of_a_group_without_agents_exits_4),
        cmocka_unit_test(a_viewer_may_look_and_not_change),
        cmocka_unit_test(a_follower_names_the_leader_and_the_command_follows),
        cmocka_unit_test(any_witness_answers_questions),
        cmocka_unit_test(explain_says_what_the_group_waits_for),
        cmocka_unit_test(status_has_the_members_of_its_schema),
        cmocka_unit_test(status_is_fine_when_one_serves_and_one_could_follow),
        cmocka_unit_test(status_as_json_has_what_each_witness_reaches),
        cmocka_unit_test(failover_with_a_live_holder_is_refused_and_names_switchover),
        cmocka_unit_test(the_plan_of_a_switchover_changes_nothing),
        cmocka_unit_test(a_switchover_is_done_and_in_the_history_with_its_author),
        cmocka_unit_test(the_feature_level_is_the_newest_and_only_an_operator_raises_it),
        cmocka_unit_test(a_holder_cannot_be_applied_away),
        cmocka_unit_test(a_first_primary_is_chosen_only_before_the_first_grant),
        cmocka_unit_test(a_first_primary_says_nothing_of_a_group_that_was_granted),
        cmocka_unit_test(whoever_names_a_first_primary_is_told_what_that_vouches_for),
        cmocka_unit_test(whom_a_person_has_named_to_begin_is_seen_until_then),
        cmocka_unit_test(a_file_that_lets_a_group_go_says_what_that_means),
        cmocka_unit_test(a_switchover_to_who_holds_it_has_nothing_to_do),
        cmocka_unit_test(metrics_tell_what_was_decided),
        cmocka_unit_test(metrics_are_what_promtool_accepts),
        cmocka_unit_test(metrics_need_a_certificate_unless_they_are_open),
        cmocka_unit_test(the_page_is_served_to_viewers_and_runs_nothing_but_its_own_files),
        cmocka_unit_test(a_group_that_no_site_file_has_is_named_at_apply_and_in_status),
        cmocka_unit_test(what_can_be_read_is_read_as_json),
        cmocka_unit_test(an_apply_that_ends_half_way_says_how_many_groups_are_committed),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, operator_set_up, operator_tear_down);
}
