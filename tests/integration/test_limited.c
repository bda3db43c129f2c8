/* operators and viewers who may speak for some groups only, at three real witnesses: every route there is,
 * the real commands, and what a reload changes. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/sys/clock.h>

#include "../../src/witness/consent.h"
#include "../../src/witness/program.h"
#include "operator.h"
#include "patience.h"
#include "test_https.h"

/* anna may change harbor; vera, of viewer.yaml, may see it. Nobody but root may anything of the other group. */
#define SLACK_MS 300 /* a stall that can make a request of a few hundred ms take a second */
#define OTHER      "payments"
#define OTHER_SITE "dc-z"
#define PEOPLE                                                                                     \
    "people:\n  - {name: operator/root}\n  - {name: operator/anna, groups: [harbor, later]}\n"     \
    "  - {name: viewer/vera, groups: [harbor]}\n"
#define MANY 60
#define GROUP_JSON(name, site)                                                                     \
    "{\"name\":\"" name "\",\"sites\":[{\"name\":\"dc-a\"},{\"name\":\"" site "\"}]}"
#define GROUPS_JSON(groups) "{\"groups\":[" groups "]}"

static struct bw_credentials *root;
static struct bw_credentials *vera;
static struct bw_credentials *nobody;

static struct bw_credentials *issue(const char *file, const char *uri)
{
    struct bw_credentials *credentials = NULL;
    char path[TEST_PKI_PATH_BYTES];

    test_pki_issue_uri(&operator.trio.pki, file, uri, path);
    assert_int_equal(
        bw_credentials_load(operator.trio.pki.ca_path, path, &credentials, &(struct bw_diag){0}),
        BW_OK);
    return credentials;
}

/* Puts `people` at the end of the file of witness `i`, and has it read that. */
static void say_who_may(int i, const char *people)
{
    static unsigned reloads[TRIO_WITNESSES];
    char name[32];
    char path[TRIO_PATH_BYTES];
    FILE *file;

    trio_configure(&operator.trio, i, NULL);
    (void)snprintf(name, sizeof name, "w%d.yaml", i + 1);
    trio_path(&operator.trio, name, path);
    file = fopen(path, "a");
    assert_non_null(file);
    assert_true(fputs(people, file) >= 0);
    assert_int_equal(fclose(file), 0);
    trio_signal(&operator.trio, i, SIGHUP);
    trio_logs_times(&operator.trio, i, "what=configuration", ++reloads[i]);
}

static int ask_leader(const struct bw_credentials *who, const char *method, const char *path,
                      const char *body)
{
    return operator_ask_leader(who, method, path, body, strlen(body));
}

/* This very witness, as soon as it has the time: a busy one refuses (503), and asks to come again.
 */
static int ask(const struct bw_credentials *who, int i, const char *method, const char *path,
               const char *body)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    for (;;) {
        const int status = operator_ask(who, i, method, path, body, strlen(body));

        if (status != 503)
            return status;
        if (patience_is_over(&patience))
            patience_fail("w%d has the time for %s %s", i + 1, method, path);
    }
}

static int setup(void **state)
{
    static const int all[] = {0, 1, 2};

    (void)state;
    operator_init();
    root = issue("root.pem", "breakwater://prod/operator/root");
    vera = issue("vera.pem", "breakwater://prod/viewer/vera");
    nobody = issue("nobody.pem", "breakwater://prod/operator/mallory");
    operator_put_cli("nobody.yaml", "nobody.pem", all, 3);
    assert_int_equal(ask_leader(root, "PUT", "/v1/groups",
                                GROUPS_JSON(GROUP_JSON("harbor", "dc-b") ","
                                            GROUP_JSON(OTHER, OTHER_SITE))),
                     200);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        say_who_may(i, PEOPLE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bw_credentials_free(root);
    bw_credentials_free(vera);
    bw_credentials_free(nobody);
    operator_deinit();
    return 0;
}

/* ---- every route */

static const struct {
    const struct bw_http_route *routes;
    const size_t *count;
} tables[] = {
    {bw_agent_routes, &bw_agent_route_count},     {bw_operator_routes, &bw_operator_route_count},
    {bw_health_routes, &bw_health_route_count},   {bw_metrics_routes, &bw_metrics_route_count},
    {bw_members_routes, &bw_members_route_count}, {bw_consent_routes, &bw_consent_route_count},
    {bw_page_routes, &bw_page_route_count},
};

/* The pattern as a path, with `group` for {name}. */
static void fill_pattern(const char *pattern, const char *group, char out_path[256])
{
    const char *brace = strchr(pattern, '{');
    const char *rest = brace != NULL ? strchr(brace, '}') + 1 : "";
    const int before = brace != NULL ? (int)(brace - pattern) : (int)strlen(pattern);

    (void)snprintf(out_path, 256, "%.*s%s%s", before, pattern, brace != NULL ? group : "", rest);
}

static void for_each_route(void (*look)(const struct bw_http_route *route))
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (size_t j = 0; j < *tables[i].count; j++)
            look(&tables[i].routes[j]);
}

static bool is_get(const struct bw_http_route *route)
{
    return strcmp(route->method, "GET") == 0;
}

/* Whatever there is to read: nothing of the other group, its site neither. */
static void look_as_vera(const struct bw_http_route *route)
{
    const int fine = strcmp(route->pattern, "/v1/groups/{name}/report") == 0
                         ? 404 /* nothing was granted yet */
                         : 200;
    char path[256];
    int status;

    if (!is_get(route) || (route->roles & BW_ROLE_BIT(BW_ROLE_VIEWER)) == 0)
        return;
    fill_pattern(route->pattern, "harbor", path);
    status = ask(vera, 0, "GET", path, "");
    assert_int_equal(status, route->about == BW_HTTP_ABOUT_CLUSTER ? 403 : fine);
    if (strstr(operator.reply.body, OTHER) != NULL || strstr(operator.reply.body, OTHER_SITE) != NULL)
        fail_msg("%s shows what is not the reader's:\n%s", path, operator.reply.body);
    if (route->about != BW_HTTP_ABOUT_GROUP)
        return;
    fill_pattern(route->pattern, OTHER, path);
    assert_int_equal(ask(vera, 0, "GET", path, ""), 403);
    assert_says(operator.reply.body, "viewer/vera may see only harbor, not " OTHER);
    fill_pattern(route->pattern, "nowhere", path); /* the same, whether it exists or not */
    assert_int_equal(ask(vera, 0, "GET", path, ""), 403);
}

static void no_route_shows_what_is_not_the_readers(void **state)
{
    (void)state;
    for_each_route(look_as_vera);
    assert_int_equal(ask(root, 0, "GET", "/v1/status", ""), 200);
    assert_says(operator.reply.body, OTHER_SITE);
    assert_says(operator.reply.body, "\"limited_to\":null");
}

/* Each route that changes something, and nothing is changed. */
static void change_as_anna(const struct bw_http_route *route)
{
    char path[256];

    if (is_get(route) || (route->roles & BW_ROLE_BIT(BW_ROLE_OPERATOR)) == 0)
        return;
    fill_pattern(route->pattern, OTHER, path);
    assert_int_equal(ask_leader(operator.operator, route->method, path,
                                route->about == BW_HTTP_ABOUT_GROUPS
                                    ? GROUPS_JSON(GROUP_JSON(OTHER, "dc-y"))
                                    : "{}"),
                     403);
    assert_says(operator.reply.body, "operator/anna may change only harbor, later, not ");
    assert_says(operator.reply.body, route->about == BW_HTTP_ABOUT_CLUSTER ? "the whole cluster" : OTHER);
    assert_says(operator.reply.body, "operator/root can");
    assert_null(strstr(operator.reply.body, "vera"));
}

static void no_route_changes_what_is_not_the_operators(void **state)
{
    (void)state;
    for_each_route(change_as_anna);
    assert_int_equal(ask_leader(root, "GET", "/v1/groups/" OTHER, ""), 200);
    assert_says(operator.reply.body, OTHER_SITE);
}

static void refuse_nobody(const struct bw_http_route *route)
{
    char path[256];
    int status;

    if ((route->roles & BW_ROLE_BIT(BW_ROLE_OPERATOR)) == 0)
        return;
    fill_pattern(route->pattern, "harbor", path);
    status = ask_leader(nobody, route->method, path, is_get(route) ? "" : "{}");
    if (route->about == BW_HTTP_ABOUT_NOTHING) {
        assert_int_equal(status, 200);
        return;
    }
    assert_int_equal(status, 403);
    assert_says(operator.reply.body, "operator/mallory is none of the people who may speak here");
}

static void who_is_not_in_the_list_gets_nothing(void **state)
{
    (void)state;
    for_each_route(refuse_nobody);
}

/* ---- what is theirs, and by the commands */

/* All of a file or nothing: one foreign group, and the others are not changed either. */
static void an_apply_with_one_foreign_group_changes_none(void **state)
{
    (void)state;
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups",
                                GROUPS_JSON(GROUP_JSON("later", "dc-b") ","
                                            GROUP_JSON(OTHER, "dc-b"))),
                     403);
    assert_int_equal(ask_leader(root, "GET", "/v1/groups/later", ""), 404);
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups?plan=1",
                                GROUPS_JSON(GROUP_JSON(OTHER, "dc-b"))),
                     403);
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups",
                                GROUPS_JSON(GROUP_JSON("later", "dc-b"))),
                     200);
    assert_int_equal(ask_leader(vera, "PUT", "/v1/groups", GROUPS_JSON(GROUP_JSON("harbor", "dc-b"))),
                     403); /* her role */
    assert_says(operator.reply.body, "your certificate's role");
}

static void the_commands_say_who_may_what(void **state)
{
    (void)state;
    operator_until_it_says("viewer.yaml", "status", 4, "This certificate may see only: harbor\n");
    assert_null(strstr(operator.out, OTHER));
    assert_int_equal(operator_run("viewer.yaml", "status " OTHER), 1);
    assert_says(operator.errors, "among those that this certificate may see");
    assert_int_equal(operator_run("viewer.yaml", "history"), 0);
    assert_int_equal(operator_run("cli.yaml", "failover " OTHER " --to dc-a --yes"), 1);
    assert_says(operator.errors, "operator/anna may change only harbor, later, not " OTHER);
    assert_says(operator.errors, "operator/root can");
    assert_null(strstr(operator.errors, "with an operator's certificate"));
    assert_int_equal(operator_run("nobody.yaml", "status"), 1);
    assert_says(operator.errors, "operator/mallory may not ask here");
}

/* Groups that make a status so long that no witness has the time to write it for each reader. */
static void apply_many(char *people, size_t size)
{
    static char body[128 * 1024];
    size_t used = (size_t)snprintf(body, sizeof body, "{\"groups\":[");

    (void)snprintf(people, size, "%s  - {name: viewer/zoe, groups: [" OTHER, PEOPLE);
    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(body + used, sizeof body - used,
                                 "%s{\"name\":\"" OTHER "-%d\",\"sites\":[{\"name\":\"dc-a\"},"
                                 "{\"name\":\"dc-b\"},{\"name\":\"dc-c\"},{\"name\":\"dc-d\"},{\"name\":\"dc-e\"},"
                                 "{\"name\":\"dc-f\"},{\"name\":\"dc-g\"}]}",
                                 i > 0 ? "," : "", i);
        (void)snprintf(people + strlen(people), size - strlen(people), ", " OTHER "-%d", i);
    }
    (void)snprintf(people + strlen(people), size - strlen(people), "]}\n");
    (void)snprintf(body + used, sizeof body - used, "]}");
    assert_int_equal(ask_leader(root, "PUT", "/v1/groups", body), 200);
}

/* GET /v1/status on a connection that stays open; the status. */
static int look(struct test_https *client, struct test_answer *out_answer)
{
    assert_true(test_https_say(client, "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"));
    test_https_hear(client, false, out_answer);
    return out_answer->status;
}

static struct ssl_ctx_st *open_as(struct test_https *client, int i, const char *file, const char *uri)
{
    char path[TEST_PKI_PATH_BYTES];
    struct ssl_ctx_st *context;

    test_pki_issue_uri(&operator.trio.pki, file, uri, path);
    context = test_pki_client(operator.trio.pki.ca_path, path);
    assert_true(test_https_open(client, operator.trio.api[i], context));
    return context;
}

/* What was made for one reader is never given to another, also when there is no time to make a new one: a
 * busy witness refuses instead. */
static void no_answer_is_shared_with_whom_it_was_not_made_for(void **state)
{
    static char people[8192];
    struct test_https zoe;
    struct test_https board;
    struct ssl_ctx_st *zoes = open_as(&zoe, 0, "zoe.pem", "breakwater://prod/viewer/zoe");
    struct ssl_ctx_st *boards = open_as(&board, 0, "vera.pem", "breakwater://prod/viewer/vera");
    struct test_answer answer;
    int busy_count = 0;

    (void)state;
    apply_many(people, sizeof people);
    say_who_may(0, people);
    for (int i = 0; i < 5000 && busy_count < 10; i++) {
        if (look(&zoe, &answer) == 200)
            assert_says(answer.body, OTHER "-1");
        busy_count += look(&board, &answer) == 503;
        assert_null(strstr(answer.body, OTHER));
    }
    assert_true(busy_count > 0);
    test_https_close(&zoe);
    test_https_close(&board);
    SSL_CTX_free(zoes);
    SSL_CTX_free(boards);
}

/* ---- witnesses that differ */

/* The quorum is there: what is missing is a line in the leader's file. */
static void a_person_whom_the_leader_alone_does_not_know_is_told_so(void **state)
{
    const int leader = trio_leader(&operator.trio);
    char says[128];

    (void)state;
    say_who_may(leader, "people:\n  - {name: operator/root}\n");
    assert_int_equal(operator_run_once("cli.yaml", "status"), 1);
    (void)snprintf(
        says, sizeof says,
        "error: status: w%d, which leads, refuses operator/anna: HTTP 403: ", leader + 1);
    assert_int_equal(strncmp(operator.errors, says, strlen(says)), 0);
    assert_says(operator.errors, "none of the people who may speak here");
    assert_says(operator.errors, "give all witnesses the same `people`");
    assert_null(strstr(operator.errors, "no leader"));
    assert_int_equal(operator_run_once("cli.yaml", "mode harbor paused --yes"), 1);
    say_who_may(leader, PEOPLE); /* for those that follow, whatever comes of it */
    assert_says(operator.errors, "; nothing was changed\n");
}

/* 5.3: a leader that has not reread its file would let in whom the others refuse. */
static void one_witness_that_says_no_is_enough(void **state)
{
    const int leader = trio_leader(&operator.trio);
    const int follower = trio_follower(&operator.trio);
    char name[8];

    (void)state;
    (void)snprintf(name, sizeof name, "w%d", (unsigned char)follower + 1);
    say_who_may(follower, "people:\n  - {name: operator/root}\n");
    assert_int_equal(operator_ask(operator.operator, leader, "PUT", "/v1/groups",
                                  GROUPS_JSON(GROUP_JSON("harbor", "dc-b")),
                                  strlen(GROUPS_JSON(GROUP_JSON("harbor", "dc-b")))),
                     403);
    assert_says(operator.reply.body, " says no: operator/anna is none of the people");
    assert_says(operator.reply.body, name);
    assert_int_equal(operator_ask(operator.operator, leader, "POST", "/v1/groups/harbor/failover",
                                  "{\"to\":\"dc-b\"}", 13),
                     403);
    assert_int_equal(operator_ask(operator.operator, leader, "POST",
                                  "/v1/groups/harbor/failover?plan=0", "{\"to\":\"dc-b\"}", 13),
                     403);
    /* Who may everything everywhere is asked about, and let in. */
    assert_int_equal(ask_leader(root, "PUT", "/v1/groups", GROUPS_JSON(GROUP_JSON("harbor", "dc-b"))),
                     200);
    /* A witness that does not answer has no say. */
    (void)trio_stop(&operator.trio, follower, SIGKILL);
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups",
                                GROUPS_JSON(GROUP_JSON("harbor", "dc-b"))),
                     200);
    trio_start(&operator.trio, follower, TRIO_EXECUTED);
    (void)trio_leader(&operator.trio); /* all are ready, for a signal too */
    say_who_may(follower, PEOPLE);
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups",
                                GROUPS_JSON(GROUP_JSON("harbor", "dc-b"))),
                     200);
}

#define CROWD 12

/* Each of them may everything, so that only room is lacking. */
#define CROWD_NAMED                                                                                \
    "  - {name: operator/c0}\n  - {name: operator/c1}\n  - {name: operator/c2}\n"                  \
    "  - {name: operator/c3}\n  - {name: operator/c4}\n  - {name: operator/c5}\n"                  \
    "  - {name: operator/c6}\n  - {name: operator/c7}\n  - {name: operator/c8}\n"                  \
    "  - {name: operator/c9}\n  - {name: operator/c10}\n  - {name: operator/c11}\n"

static const char crowds_body[] = GROUPS_JSON(GROUP_JSON("harbor", "dc-b"));

struct crowd {
    struct test_https guests[CROWD];
    struct ssl_ctx_st *contexts[CROWD];
};

/* All at once, and nobody waits for an answer. `person` NULL: each is another one. */
static void ask_in_a_crowd(struct crowd *crowd, int leader, const char *person)
{
    char order[sizeof crowds_body + 128];
    char name[16];
    char file[48];
    char uri[64];

    (void)snprintf(order, sizeof order,
                   "PUT /v1/groups HTTP/1.1\r\nHost: w\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(crowds_body), crowds_body);
    for (int i = 0; i < CROWD; i++) {
        (void)snprintf(name, sizeof name, "c%d", i);
        (void)snprintf(file, sizeof file, "crowd-%s.pem", person != NULL ? person : name);
        (void)snprintf(uri, sizeof uri, "breakwater://prod/operator/%s",
                       person != NULL ? person : name);
        crowd->contexts[i] = open_as(&crowd->guests[i], leader, file, uri);
    }
    trio_signal(&operator.trio, trio_follower(&operator.trio), SIGSTOP);
    for (int i = 0; i < CROWD; i++)
        assert_true(test_https_say(&crowd->guests[i], order));
}

/* How many were carried out, and how many found no room, as `why` says. */
static void hear_the_crowd(struct crowd *crowd, const char *why, int out_counts[2])
{
    struct test_answer answer;

    out_counts[0] = out_counts[1] = 0;
    for (int i = 0; i < CROWD; i++) {
        test_https_hear(&crowd->guests[i], false, &answer);
        assert_true(answer.status == 200 || answer.status == 503);
        out_counts[answer.status == 503]++;
        if (answer.status == 503)
            assert_says(answer.body, why);
        test_https_close(&crowd->guests[i]);
        SSL_CTX_free(crowd->contexts[i]);
    }
}

static void wake_all(void)
{
    for (int i = 0; i < TRIO_WITNESSES; i++)
        trio_signal(&operator.trio, i, SIGCONT);
    (void)trio_leader(&operator.trio);
}

/* In nanoseconds, of root's order that is answered with `status`. */
static uint64_t time_of(int leader, const char *method, const char *path, const char *body,
                        int status)
{
    const struct bw_instant begun = bw_clock_now();

    assert_int_equal(operator_ask(root, leader, method, path, body, strlen(body)), status);
    return bw_instant_elapsed_ns(bw_clock_now(), begun);
}

struct quick {
    int leader;
    const char *method, *path, *body;
    int status;
    uint64_t quickest_ns;
};

/* True if one of five requests takes less than a second. Whoever waits for a witness that hangs waits each time. */
static bool is_quick(void *user)
{
    struct quick *quick = user;

    quick->quickest_ns = UINT64_MAX;
    for (int i = 0; i < 5 && quick->quickest_ns >= BW_NS_PER_S; i++) {
        const uint64_t took = time_of(quick->leader, quick->method, quick->path, quick->body, quick->status);

        quick->quickest_ns = took < quick->quickest_ns ? took : quick->quickest_ns;
    }
    return quick->quickest_ns < BW_NS_PER_S;
}

static uint64_t quickest_ns(int leader, const char *method, const char *path, const char *body,
                            int status)
{
    struct quick quick = {leader, method, path, body, status, 0};

    claim_in_time(SLACK_MS, is_quick, &quick);
    return quick.quickest_ns;
}

/* A witness that answers nothing, and whose silence is not noticed yet, costs an order a second at
 * most, and a crowd of orders no more: what finds no room is refused. Then it is not asked any
 * more. 5.3 */
static void a_witness_that_hangs_delays_an_order_by_a_second_at_most(void **state)
{
    const int leader = trio_leader(&operator.trio);
    struct crowd crowd;
    struct bw_instant begun;
    int counts[2];

    (void)state;
    for (int i = 0; i < TRIO_WITNESSES; i++)
        say_who_may(i, PEOPLE CROWD_NAMED);
    ask_in_a_crowd(&crowd, leader, NULL);
    begun = bw_clock_now();
    hear_the_crowd(&crowd, "being asked about other orders", counts);
    print_message("%d orders took %.0f ms beside a witness that hangs: %d carried out, %d refused\n",
                  CROWD, (double)bw_instant_elapsed_ns(bw_clock_now(), begun) / 1e6, counts[0],
                  counts[1]);
    assert_true(counts[0] >= 4);
    assert_true(counts[1] > 0);
    assert_true(bw_instant_elapsed_ns(bw_clock_now(), begun) <
                8 * BW_NS_PER_S); /* one by one: 12 */
    print_message("then the quickest took %.0f ms\n",
                  (double)quickest_ns(leader, "PUT", "/v1/groups", crowds_body, 200) / 1e6);
    wake_all();
}

/* Who may order little, or holds such a person's key, and finds a witness that hangs. 5.3 */
static void one_person_leaves_room_for_the_orders_of_others(void **state)
{
    const int leader = trio_leader(&operator.trio);
    struct crowd crowd;
    int counts[2];
    int status;

    (void)state;
    ask_in_a_crowd(&crowd, leader, "anna");
    status = operator_ask(root, leader, "PUT", "/v1/groups", crowds_body, strlen(crowds_body));
    hear_the_crowd(&crowd, "being asked about earlier orders of yours", counts);

    assert_int_equal(status, 200);
    assert_true(counts[0] >= 1);
    wake_all();
}

/* True if one of three requests takes less than a second while a follower hangs. */
static bool is_quick_beside_one_that_hangs(void *user)
{
    struct quick *quick = user;

    quick->quickest_ns = UINT64_MAX;
    for (int tries = 0; tries < 3 && quick->quickest_ns >= BW_NS_PER_S; tries++) {
        uint64_t took;

        quick->leader = trio_leader(&operator.trio);
        trio_signal(&operator.trio, trio_follower(&operator.trio), SIGSTOP);
        took = time_of(quick->leader, quick->method, quick->path, quick->body, quick->status);
        quick->quickest_ns = took < quick->quickest_ns ? took : quick->quickest_ns;
        wake_all();
    }
    return quick->quickest_ns < BW_NS_PER_S;
}

/* Nobody is asked about what is refused anyway, and no room is taken: 404 and 400 come at once. */
static void what_is_refused_anyway_waits_for_nobody(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
    } orders[] = {{"/v1/groups/never/failover", "{\"to\":\"dc-b\"}", 404},
                  {"/v1/groups/harbor/failover", "{", 400},
                  {"/v1/groups/harbor/failover", "[]", 400}};

    (void)state;
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct quick quick = {0, "POST", orders[i].path, orders[i].body, orders[i].status, 0};

        claim_in_time(SLACK_MS, is_quick_beside_one_that_hangs, &quick);
    }
}

/* ---- a reload */

static void a_reload_changes_who_may_and_a_bad_list_changes_nothing(void **state)
{
    (void)state;
    say_who_may(0, "people: []\n");
    trio_logs(&operator.trio, 0, "config.reload_failed");
    assert_int_equal(ask(nobody, 0, "GET", "/v1/status", ""), 403);

    say_who_may(0, "people:\n  - {name: operator/root}\n"
                   "  - {name: viewer/vera, groups: [" OTHER "]}\n");
    assert_int_equal(ask(vera, 0, "GET", "/v1/groups/harbor", ""), 403);
    assert_int_equal(ask(vera, 0, "GET", "/v1/groups/" OTHER, ""), 200);
    assert_int_equal(ask(operator.operator, 0, "GET", "/v1/status", ""), 403);

    say_who_may(0, ""); /* without a list everybody may, as ever */
    assert_int_equal(ask(nobody, 0, "GET", "/v1/groups/harbor", ""), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_route_shows_what_is_not_the_readers),
        cmocka_unit_test(no_route_changes_what_is_not_the_operators),
        cmocka_unit_test(who_is_not_in_the_list_gets_nothing),
        cmocka_unit_test(an_apply_with_one_foreign_group_changes_none),
        cmocka_unit_test(the_commands_say_who_may_what),
        cmocka_unit_test(a_person_whom_the_leader_alone_does_not_know_is_told_so),
        cmocka_unit_test(one_witness_that_says_no_is_enough),
        cmocka_unit_test(a_witness_that_hangs_delays_an_order_by_a_second_at_most),
        cmocka_unit_test(one_person_leaves_room_for_the_orders_of_others),
        cmocka_unit_test(what_is_refused_anyway_waits_for_nobody),
        cmocka_unit_test(no_answer_is_shared_with_whom_it_was_not_made_for),
        cmocka_unit_test(a_reload_changes_who_may_and_a_bad_list_changes_nothing),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, setup, teardown);
}
