/* hostile bodies: what three real witnesses answer to requests that nobody should send.
 * Design 5.2, 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operator.h"
#include "test_https.h"

static int setup(void **state)
{
    (void)state;
    operator_init();
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    return 0;
}

static int put_groups(const char *body)
{
    return operator_ask_leader(operator.operator, "PUT", "/v1/groups", body, strlen(body));
}

/* What a browser sends for a page of somebody else, without asking first. */
static int put_groups_as(const char *content_type)
{
    struct ssl_ctx_st *context;
    struct test_https client;
    struct test_answer answer = {0};
    char path[TEST_PKI_PATH_BYTES];
    char text[256];

    test_pki_issue_uri(&operator.trio.pki, "browser.pem", "breakwater://prod/operator/anna", path);
    context = test_pki_client(operator.trio.pki.ca_path, path);
    (void)snprintf(text, sizeof text,
                   "PUT /v1/groups HTTP/1.1\r\nHost: w\r\n%sContent-Length: 2\r\n\r\n[]",
                   content_type);
    assert_true(test_https_open(&client, operator.trio.api[0], context));
    assert_true(test_https_say(&client, text));
    test_https_hear(&client, false, &answer);
    test_https_close(&client);
    SSL_CTX_free(context);
    return answer.status;
}

static void what_does_not_say_that_it_is_json_is_refused(void **state)
{
    (void)state;
    assert_int_equal(put_groups_as(""), 415);
    assert_int_equal(put_groups_as("Content-Type: text/plain\r\n"), 415);
    assert_int_equal(put_groups_as("Content-Type: application/jsonx\r\n"), 415);
    assert_int_equal(put_groups_as("Content-Type: text/plain, application/json\r\n"), 415);
    assert_int_not_equal(put_groups_as("Content-Type: application/json\r\n"), 415);
    assert_int_not_equal(put_groups_as("content-type: Application/JSON; charset=utf-8\r\n"), 415);
}

static void garbage_is_refused_as_no_json(void **state)
{
    (void)state;

    assert_int_equal(put_groups("{\"groups\":[{"), 400);
    assert_says(operator.reply.body, "the body is no JSON");
    assert_int_equal(put_groups("[]"), 400);
    assert_int_equal(put_groups("{\"groups\":[],\"groups\":[]}"), 400);
    assert_int_equal(put_groups("{\"groups\":[{\"name\":\"a\\u0000b\"}]}"), 400);
    assert_int_equal(put_groups("\xff\xfe"), 400);
}

static void every_problem_is_named_at_once(void **state)
{
    (void)state;

    const int status = put_groups(
        "{\"group\":1,\"groups\":[{\"name\":7,\"sites\":{},\"lease_ttl_ms\":\"5s\",\"mode\":\"on\","
        "\"x\":null},3,{\"name\":\"g\",\"sites\":[{\"name\":\"a\",\"priority\":-1},7]},"
        "{\"name\":\"h\",\"sites\":[{\"name\":\"a\"},{\"name\":\"a\"}],\"margin_ms\":1}]}");
    static const char *const paths[] = {"body",
                                        "groups[0].name",
                                        "groups[0].sites",
                                        "groups[0].lease_ttl_ms",
                                        "groups[0].mode",
                                        "groups[0].x",
                                        "groups[1]",
                                        "groups[2].sites[0].priority",
                                        "groups[2].sites[1]",
                                        "groups[3].sites[1].name",
                                        "groups[3].margin_ms"};

    assert_int_equal(status, 422);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char part[80];

        (void)snprintf(part, sizeof part, "\"path\":\"%s\"", paths[i]);
        assert_says(operator.reply.body, part);
    }
    assert_says(operator.reply.body, "nothing was changed");
}

static void one_bad_group_keeps_the_good_ones_out(void **state)
{
    (void)state;

    const int status = put_groups(
        "{\"groups\":[{\"name\":\"good\",\"sites\":[{\"name\":\"a\"},{\"name\":\"b\"}]},"
        "{\"name\":\"bad\",\"sites\":[]}]}");

    assert_int_equal(status, 422);
    assert_int_equal(operator_ask_leader(operator.operator, "GET", "/v1/groups/good", NULL, 0),
                     404);
}

static void deep_and_large_bodies_are_refused(void **state)
{
    const size_t size = 300 * 1024;
    char *body = malloc(size + 1);

    (void)state;
    assert_non_null(body);
    memset(body, '[', size);
    body[size] = '\0';

    assert_int_equal(operator_ask_leader(operator.operator, "PUT", "/v1/groups", body, 200 * 1024),
                     400);
    assert_says(operator.reply.body, "no JSON");
    assert_int_equal(operator_ask_leader(operator.operator, "PUT", "/v1/groups", body, size), 413);
    free(body);
}

static void orders_with_wrong_members_are_refused(void **state)
{
    static const struct {
        const char *path;
        const char *body;
        int status;
        const char *says;
    } cases[] = {
        {"/v1/groups/harbor/failover", "{\"to\":1}", 422, "not a text"},
        {"/v1/groups/harbor/failover", "{\"accept_data_loss\":\"yes\"}", 422, "not true or false"},
        {"/v1/groups/harbor/failover", "{\"timeout_ms\":5}", 422, "unknown key"},
        {"/v1/groups/harbor/failover", "{\"reason\":\"a\\nb\"}", 422, "has a control character"},
        {"/v1/groups/harbor/failover", "{\"to\":\"nowhere\"}", 404, "nowhere is not a site of harbor"},
        {"/v1/groups/harbor/switchover", "{\"to\":\"dc-b\",\"timeout_ms\":0.5}", 422, "timeout_ms"},
        {"/v1/groups/harbor/switchover", "{}", 422, "--to"},
        {"/v1/groups/nothing/switchover", "{\"to\":\"dc-b\"}", 404, "no group"},
        {"/v1/groups/harbor/switchover?plan=2", "{}", 400, "plan is 1 or 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int status = operator_ask_leader(operator.operator, "POST", cases[i].path,
                                               cases[i].body, strlen(cases[i].body));

        if (status != cases[i].status)
            fail_msg("%s %s: %d %s", cases[i].path, cases[i].body, status, operator.reply.body);
        assert_says(operator.reply.body, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_say_that_it_is_json_is_refused),
        cmocka_unit_test(garbage_is_refused_as_no_json),
        cmocka_unit_test(every_problem_is_named_at_once),
        cmocka_unit_test(one_bad_group_keeps_the_good_ones_out),
        cmocka_unit_test(deep_and_large_bodies_are_refused),
        cmocka_unit_test(orders_with_wrong_members_are_refused),
        cmocka_unit_test(every_answer_is_as_its_schema_says),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, operator_tear_down);
}
