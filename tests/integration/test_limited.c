/* operators and viewers who may speak for some groups only, at three real witnesses: every route there is,
 * the real commands, what a reload changes until a list is applied, and what an apply does. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/witness/program.h"
#include "operator.h"
#include "patience.h"
#include "test_https.h"

/* anna may change harbor; vera, of viewer.yaml, may see it. Nobody but root may anything of the other group. */
#define OTHER      "payments"
#define OTHER_SITE "dc-z"
#define PEOPLE                                                                                     \
    "people:\n  - {name: operator/root}\n  - {name: operator/anna, groups: [harbor, later]}\n"     \
    "  - {name: viewer/vera, groups: [harbor]}\n"
/* As far as the last entry. */
#define PEOPLE_JSON                                                                                \
    "{\"people\":[{\"name\":\"operator/root\"},"                                                 \
    "{\"name\":\"operator/anna\",\"groups\":[\"harbor\",\"later\"]},"                            \
    "{\"name\":\"viewer/vera\",\"groups\":[\"harbor\"]}"
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
    operator_put_cli("root.yaml", "root.pem", all, 3);
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
    {bw_members_routes, &bw_members_route_count}, {bw_page_routes, &bw_page_route_count},
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
    assert_says(operator.reply.body, "operator/mallory has no rights in this cluster");
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
    operator_until_it_says("viewer.yaml", "status", 4, "This certificate may see only the groups: harbor\n");
    assert_null(strstr(operator.out, OTHER));
    assert_int_equal(operator_run("viewer.yaml", "status " OTHER), 1);
    assert_says(operator.errors, "among those that this certificate may see");
    assert_int_equal(operator_run("viewer.yaml", "history"), 0);
    assert_int_equal(operator_run("cli.yaml", "failover " OTHER " --to dc-a --yes"), 1);
    assert_says(operator.errors, "operator/anna may change only harbor, later, not " OTHER);
    assert_says(operator.errors, "operator/root can");
    assert_null(strstr(operator.errors, "with an operator's certificate"));
    assert_int_equal(operator_run("nobody.yaml", "status"), 1);
    assert_says(operator.errors, "the witnesses reject the certificate operator/mallory");
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
    say_who_may(0, PEOPLE);
}

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
        "error: status: the leader w%d rejects operator/anna: HTTP 403: ", leader + 1);
    assert_int_equal(strncmp(operator.errors, says, strlen(says)), 0);
    assert_says(operator.errors, "has no rights in this cluster");
    assert_says(operator.errors, "breakwater apply -f people.yaml");
    assert_null(strstr(operator.errors, "no leader"));
    assert_int_equal(operator_run_once("cli.yaml", "mode harbor paused --yes"), 1);
    say_who_may(leader, PEOPLE); /* for those that follow, whatever comes of it */
    assert_says(operator.errors, "; nothing was changed\n");
}

/* ---- an apply */

static void a_list_in_a_file_is_an_alarm_until_one_is_applied(void **state)
{
    (void)state;
    operator_until_it_says("root.yaml", "status", 4, "(people_not_applied");
    assert_says(operator.out, "breakwater apply -f people.yaml");
    assert_says(operator.out, "! w3: the list of operators (people:) is in this witness's file");
    assert_int_equal(operator_run("root.yaml", "people"), 0);
    assert_says(operator.out, "# not applied: from the file of w");
    assert_says(operator.out, "  - name: \"operator/anna\"\n    groups: [\"harbor\", \"later\"]\n");
}

static int apply_as(const char *config, const char *file, const char *more)
{
    char words[400];
    char path[TRIO_PATH_BYTES];

    trio_path(&operator.trio, file, path);
    (void)snprintf(words, sizeof words, "apply -f %s %s", path, more);
    return operator_run(config, words);
}

/* The list could be changed by nobody again. */
static void a_list_that_locks_everybody_out_is_refused(void **state)
{
    (void)state;
    assert_int_equal(ask_leader(root, "POST", "/v1/people",
                                "{\"people\":[{\"name\":\"operator/root\",\"groups\":[\"harbor\"]},"
                                "{\"name\":\"viewer/vera\"}]}"),
                     409);
    assert_says(operator.reply.body, "names no operator without groups: nobody could change the list again");
    operator_put("locked.yaml", "people:\n  - {name: viewer/vera}\n");
    assert_int_equal(apply_as("root.yaml", "locked.yaml", "--yes"), 1);
    assert_says(operator.errors, "nobody could change the list again");
    assert_int_equal(ask_leader(root, "GET", "/v1/people", ""), 200);
    assert_says(operator.reply.body, "\"version\":0");
}

/* A witness that has just begun, or follows, answers so as soon as it has applied what was committed. */
static void until_harbor(int i, const struct bw_credentials *who, int status)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    while (ask(who, i, "GET", "/v1/groups/harbor", "") != status)
        if (patience_is_over(&patience))
            patience_fail("w%d answers with %d", i + 1, status);
}

/* 5.3: at all witnesses at once; one that was down has it with the log, whatever its file says. */
static void who_is_not_in_the_applied_list_is_out_at_every_witness(void **state)
{
    const int leader = trio_leader(&operator.trio);
    const int follower = trio_follower(&operator.trio);

    (void)state;
    operator_put("people.yaml", "people:\n  - {name: operator/root}\n  - {name: viewer/vera, groups: [harbor]}\n");
    assert_int_equal(apply_as("cli.yaml", "people.yaml", "--plan"), 1); /* anna is limited */
    assert_int_equal(apply_as("root.yaml", "people.yaml", "--plan"), 0);
    assert_says(operator.out, "operator/anna has no rights any more");
    assert_says(operator.out, "has no effect from then on");
    assert_int_equal(operator_ask(operator.operator, leader, "GET", "/v1/groups/harbor", "", 0), 200);
    (void)trio_stop(&operator.trio, follower, SIGKILL);
    assert_int_equal(apply_as("root.yaml", "people.yaml", "--yes"), 0);
    assert_says(operator.out, "people of the cluster: done: this list is in force at every witness");
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != follower)
            until_harbor(i, operator.operator, 403);
    assert_int_equal(ask_leader(operator.operator, "PUT", "/v1/groups", GROUPS_JSON(GROUP_JSON("harbor", "dc-b"))), 403);

    trio_start(&operator.trio, follower, TRIO_EXECUTED);
    (void)trio_leader(&operator.trio); /* all are ready */
    until_harbor(follower, operator.operator, 403);
    until_harbor(follower, vera, 200);
    assert_int_equal(operator_run("root.yaml", "people"), 0);
    assert_says(operator.out, "# applied, version 1\n");
    assert_int_equal(operator_run("root.yaml", "status"), 4);
    assert_null(strstr(operator.out, "people_not_applied"));
    assert_null(strstr(operator.out, "the list of operators (people:)"));
}

static void a_list_in_a_file_counts_for_nothing_once_one_is_applied(void **state)
{
    char path[TRIO_PATH_BYTES];
    char *argv[] = {NULL, "check", "--connect", path, NULL};

    (void)state;
    (void)trio_leader(&operator.trio); /* all are ready, for a signal too */
    say_who_may(0, "people:\n  - {name: operator/anna}\n  - {name: operator/mallory}\n");
    assert_int_equal(ask(nobody, 0, "GET", "/v1/status", ""), 403);
    assert_int_equal(ask(root, 0, "GET", "/v1/people", ""), 200);
    trio_path(&operator.trio, "w1.yaml", path);
    (void)trio_run(&operator.trio, argv, operator.out, sizeof operator.out); /* whatever else it finds */
    assert_says(operator.out, "people counts for nothing: list version 1 is applied");
}

static void a_plan_of_before_another_apply_is_stale(void **state)
{
    (void)state;
    assert_int_equal(ask_leader(root, "POST", "/v1/people",
                                "{\"people\":[{\"name\":\"operator/mallory\"}],\"spec_version\":0}"),
                     409);
    assert_says(operator.reply.body, "\"code\":\"stale\"");
    assert_int_equal(ask_leader(root, "POST", "/v1/people", PEOPLE_JSON "]}"), 200); /* anna is back */
    assert_int_equal(ask_leader(operator.operator, "GET", "/v1/groups/harbor", ""), 200);
}

/* Groups that make a status so long that no witness has the time to write it for each reader, and zoe, who sees them. */
static void apply_many(void)
{
    static char body[128 * 1024];
    static char people[8192];
    size_t used = (size_t)snprintf(body, sizeof body, "{\"groups\":[");
    size_t said = (size_t)snprintf(people, sizeof people, "%s,{\"name\":\"viewer/zoe\",\"groups\":[\"" OTHER "\"",
                                   PEOPLE_JSON);

    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(body + used, sizeof body - used,
                                 "%s{\"name\":\"" OTHER "-%d\",\"sites\":[{\"name\":\"dc-a\"},"
                                 "{\"name\":\"dc-b\"},{\"name\":\"dc-c\"},{\"name\":\"dc-d\"},{\"name\":\"dc-e\"},"
                                 "{\"name\":\"dc-f\"},{\"name\":\"dc-g\"}]}",
                                 i > 0 ? "," : "", i);
        said += (size_t)snprintf(people + said, sizeof people - said, ",\"" OTHER "-%d\"", i);
    }
    (void)snprintf(people + said, sizeof people - said, "]}]}");
    (void)snprintf(body + used, sizeof body - used, "]}");
    assert_int_equal(ask_leader(root, "PUT", "/v1/groups", body), 200);
    assert_int_equal(ask_leader(root, "POST", "/v1/people", people), 200);
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
    struct test_https zoe;
    struct test_https board;
    struct ssl_ctx_st *zoes = open_as(&zoe, 0, "zoe.pem", "breakwater://prod/viewer/zoe");
    struct ssl_ctx_st *boards = open_as(&board, 0, "vera.pem", "breakwater://prod/viewer/vera");
    struct test_answer answer;
    int busy_count = 0;

    (void)state;
    apply_many();
    until_harbor(0, operator.operator, 200); /* w1 has applied it too */
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

static bool is_let_in(int i, struct ssl_ctx_st *context)
{
    struct test_https client;
    struct test_answer answer = {0};

    if (test_https_open(&client, operator.trio.api[i], context) &&
        test_https_say(&client, "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"))
        test_https_hear(&client, false, &answer);
    test_https_close(&client);
    return answer.status == 200;
}

/* No quorum is needed for it, and no list helps. */
static void whom_a_file_revokes_is_out_whatever_the_list_says(void **state)
{
    const int leader = trio_leader(&operator.trio);
    const int follower = trio_follower(&operator.trio);
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    char path[TEST_PKI_PATH_BYTES];
    struct ssl_ctx_st *annas;

    (void)state;
    assert_int_equal(operator_ask(root, leader, "GET", "/v1/people", "", 0), 200);
    assert_says(operator.reply.body, "operator/anna");
    test_pki_issue_uri(&operator.trio.pki, "anna.pem", "breakwater://prod/operator/anna", path);
    annas = test_pki_client(operator.trio.pki.ca_path, path);
    while (!is_let_in(leader, annas)) /* it may be busy yet */
        if (patience_is_over(&patience))
            patience_fail("w%d lets in whom nothing revokes", leader + 1);
    trio_revoke(&operator.trio, leader, "[operator/anna]");
    while (is_let_in(leader, annas))
        if (patience_is_over(&patience))
            patience_fail("w%d refuses whom its file revokes", leader + 1);
    SSL_CTX_free(annas);
    assert_int_equal(ask(operator.operator, follower, "GET", "/v1/groups/harbor", ""), 200); /* its file does not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_route_shows_what_is_not_the_readers),
        cmocka_unit_test(no_route_changes_what_is_not_the_operators),
        cmocka_unit_test(who_is_not_in_the_list_gets_nothing),
        cmocka_unit_test(an_apply_with_one_foreign_group_changes_none),
        cmocka_unit_test(the_commands_say_who_may_what),
        cmocka_unit_test(a_reload_changes_who_may_and_a_bad_list_changes_nothing),
        cmocka_unit_test(a_person_whom_the_leader_alone_does_not_know_is_told_so),
        cmocka_unit_test(a_list_in_a_file_is_an_alarm_until_one_is_applied),
        cmocka_unit_test(a_list_that_locks_everybody_out_is_refused),
        cmocka_unit_test(who_is_not_in_the_applied_list_is_out_at_every_witness),
        cmocka_unit_test(a_list_in_a_file_counts_for_nothing_once_one_is_applied),
        cmocka_unit_test(a_plan_of_before_another_apply_is_stale),
        cmocka_unit_test(no_answer_is_shared_with_whom_it_was_not_made_for),
        cmocka_unit_test(whom_a_file_revokes_is_out_whatever_the_list_says),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, setup, teardown);
}
