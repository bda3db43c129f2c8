/* who was refused, and who has changed something, in the logs of three real witnesses: by name and address,
 * at a bounded rate, and in lines that nobody can forge. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/obs/log.h>

#include "operator.h"
#include "patience.h"
#include "test_https.h"

#define FLOOD 200

static char log_text[4 * 1024 * 1024];

/* All that witness `i` has logged. */
static void read_log(int i)
{
    char name[32];
    char path[TRIO_PATH_BYTES];
    FILE *file;
    size_t size;

    (void)snprintf(name, sizeof name, "w%d.log", i + 1);
    trio_path(&operator.trio, name, path);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(log_text, 1, sizeof log_text - 1, file);
    assert_true(size < sizeof log_text - 1);
    log_text[size] = '\0';
    (void)fclose(file);
}

/* Lines with all of these; the sum of their `count=` is added to `out_events`. */
static unsigned count_lines(int i, const char *first, const char *second, unsigned long *out_events)
{
    unsigned lines = 0;

    read_log(i);
    for (char *line = strtok(log_text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *count = strstr(line, " count=");

        if (strstr(line, first) == NULL || strstr(line, second) == NULL)
            continue;
        lines++;
        if (count != NULL)
            *out_events += strtoul(count + strlen(" count="), NULL, 10);
    }
    return lines;
}

/* One request of somebody with the certificate `uri`, or without one (NULL), of any cluster; the status. */
static int ask_as(const char *uri, const char *request)
{
    struct ssl_ctx_st *context;
    struct test_https client;
    struct test_answer answer = {0};
    char path[TEST_PKI_PATH_BYTES];

    if (uri != NULL)
        test_pki_issue_uri(&operator.trio.pki, "asker.pem", uri, path);
    context = test_pki_client(operator.trio.pki.ca_path, uri != NULL ? path : NULL);
    if (test_https_open(&client, operator.trio.api[0], context) && test_https_say(&client, request))
        test_https_hear(&client, false, &answer);
    test_https_close(&client);
    SSL_CTX_free(context);
    return answer.status;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: w\r\n\r\n"

static void assert_logs(const char *text)
{
    trio_logs(&operator.trio, 0, text);
}

static void a_refused_caller_is_named_with_his_address(void **state)
{
    (void)state;
    assert_int_equal(ask_as(NULL, GET("/v1/status")), 401);
    assert_logs(
        "event=api.refused component=witness http_status=401 identity=none remote=127.0.0.1:");
    assert_int_equal(ask_as("breakwater://test/operator/anna", GET("/v1/status")), 401);
    assert_logs("http_status=401 identity=breakwater://test/operator/anna remote=127.0.0.1:");
    assert_int_equal(ask_as("breakwater://prod/viewer/vera",
                            "PUT /v1/groups HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"),
                     403);
    assert_logs("http_status=403 identity=breakwater://prod/viewer/vera remote=127.0.0.1:");
    assert_int_equal(ask_as("breakwater://prod/operator/bob",
                            "PUT /v1/groups HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"),
                     415);
    assert_logs("http_status=415 identity=breakwater://prod/operator/bob remote=127.0.0.1:");
    assert_logs("method=PUT route=/v1/groups group=\"\" why=\"what is sent here is JSON, and says so\"");
}

/* A person's name, address and word, also of what is refused by the state of things. */
static void a_change_is_told_with_its_author_and_his_address(void **state)
{
    char line[128];
    int leader;

    (void)state;
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    leader = trio_leader(&operator.trio);
    trio_logs(&operator.trio, leader,
                          "event=apply.asked component=witness by=\"operator/anna\" remote=127.0.0.1:");
    assert_int_equal(operator_ask_leader(operator.operator, "POST", "/v1/groups/harbor/switchover",
                                         "{\"to\":\"dc-b\"}", 13),
                     409);
    (void)snprintf(line, sizeof line,
                   "http_status=409 identity=breakwater://prod/operator/anna remote=127.0.0.1:");
    trio_logs(&operator.trio, leader, line);
    trio_logs(&operator.trio, leader,
                          "route=/v1/groups/{name}/switchover group=\"harbor\" why=");
}

/* A self-made CA, whose certificate calls itself an operator of this cluster. */
static void a_certificate_of_another_ca_is_told_with_what_it_says(void **state)
{
    struct test_pki other;
    struct ssl_ctx_st *context;
    struct test_https client;
    struct test_answer answer = {0};
    char path[TEST_PKI_PATH_BYTES];

    (void)state;
    test_pki_init(&other);
    test_pki_issue_uri(&other, "mallory.pem", "breakwater://prod/operator/root", path);
    context = test_pki_client(operator.trio.pki.ca_path, path);
    if (test_https_open(&client, operator.trio.api[0], context) &&
        test_https_say(&client, GET("/v1/status")))
        test_https_hear(&client, false, &answer);
    assert_int_equal(answer.status, 0);
    assert_logs("event=api.handshake_failed component=witness remote=127.0.0.1:");
    assert_logs("the peer's certificate was refused: ");
    assert_logs("; it says breakwater://prod/operator/root\" count=1");
    test_https_close(&client);
    SSL_CTX_free(context);
    test_pki_deinit(&other);
}

/* What he wrote stands within quotes, whatever it is. */
static void nobody_forges_a_line(void **state)
{
    unsigned long events = 0;

    (void)state;
    assert_int_equal(ask_as("breakwater://prod/viewer/vera",
                            "POST /v1/groups/%22%20event=decision.made%20x=%22%ff%c2%9b/failover "
                            "HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n"),
                     403);
    assert_logs("group=\"\\\" event=decision.made x=\\\"\\xff\\xc2\\x9b\" why=");
    assert_int_equal(ask_as("breakwater://prod/viewer/vera",
                            "POST /v1/groups/a%0alevel=error/failover HTTP/1.1\r\nHost: w\r\n"
                            "Content-Length: 0\r\n\r\n"),
                     404);
    read_log(0);
    assert_null(strstr(log_text, "\nlevel=error"));
    assert_int_equal(count_lines(0, "level=info event=decision.made x=", "", &events), 0);
}

/* Ten at once, then one every ten seconds: the log does not grow with what is refused, and says how much. */
static void a_flood_is_told_in_few_lines_that_say_how_many_they_stand_for(void **state)
{
    static const char mallory[] = "identity=breakwater://prod/operator/mallory";
    struct ssl_ctx_st *context;
    struct test_https client;
    char path[TEST_PKI_PATH_BYTES];
    struct patience patience;
    unsigned long events = 0;
    unsigned lines = 0;

    (void)state;
    test_pki_issue_uri(&operator.trio.pki, "mallory.pem", "breakwater://prod/operator/mallory", path);
    context = test_pki_client(operator.trio.pki.ca_path, path);
    for (int i = 0; i < FLOOD; i++) {
        struct test_answer answer = {0};

        assert_true(test_https_open(&client, operator.trio.api[0], context));
        assert_true(test_https_say(&client, "DELETE /v1/groups HTTP/1.1\r\nHost: w\r\n\r\n"));
        test_https_hear(&client, false, &answer);
        assert_int_equal(answer.status, 405);
        test_https_close(&client);
    }
    SSL_CTX_free(context);
    patience = patience_begin(OPERATOR_WAIT_MS);
    while (events < FLOOD / 2) { /* the last of them tells of those before it, or a line of its own does */
        if (patience_is_over(&patience))
            patience_fail("%d refusals are told of: %lu", FLOOD / 2, events);
        (void)usleep(OPERATOR_PAUSE_US);
        events = 0;
        lines = count_lines(0, "event=api.refused", mallory, &events);
        assert_in_range(lines, 1, BW_SUMMARY_BURST + 20);
        lines += count_lines(0, "event=refusals.suppressed", "what=callers", &events);
    }
    print_message("%d refusals in %u lines, which tell of %lu\n", FLOOD, lines, events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_caller_is_named_with_his_address),
        cmocka_unit_test(a_change_is_told_with_its_author_and_his_address),
        cmocka_unit_test(a_certificate_of_another_ca_is_told_with_what_it_says),
        cmocka_unit_test(nobody_forges_a_line),
        cmocka_unit_test(a_flood_is_told_in_few_lines_that_say_how_many_they_stand_for),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, operator_set_up, operator_tear_down);
}
