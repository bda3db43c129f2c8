/* whose certificate is taken back is out at once, open connections included: three real witnesses, an
 * operator, an agent's client and one of the witnesses. Design 5.3. */
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

#include <breakwater/sys/clock.h>

#include "patience.h"
#include "test_https.h"
#include "trio_life.h"

#define GET_STATUS "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"

static void open_as(struct test_https *client, int i, const char *uri, struct ssl_ctx_st **out_context)
{
    char path[TEST_PKI_PATH_BYTES];
    struct test_answer answer;

    test_pki_issue_uri(&trio.pki, "someone.pem", uri, path);
    *out_context = test_pki_client(trio.pki.ca_path, path);
    assert_true(test_https_open(client, trio.api[i], *out_context));
    assert_true(test_https_say(client, GET_STATUS));
    test_https_hear(client, false, &answer);
    assert_int_equal(answer.status, 200);
}

static bool is_let_in(int i, struct ssl_ctx_st *context)
{
    struct test_https client;
    struct test_answer answer = {0};

    if (test_https_open(&client, trio.api[i], context) && test_https_say(&client, GET_STATUS))
        test_https_hear(&client, false, &answer);
    test_https_close(&client);
    return answer.status == 200;
}

static void an_operator_is_out_while_connected_and_another_is_not(void **state)
{
    struct test_https anna;
    struct test_https bob;
    struct ssl_ctx_st *annas;
    struct ssl_ctx_st *bobs;
    struct test_answer answer;
    struct bw_instant begun;

    (void)state;
    open_as(&anna, 0, "breakwater://prod/operator/anna", &annas);
    open_as(&bob, 0, "breakwater://prod/operator/bob", &bobs);
    begun = bw_clock_now();
    trio_revoke(&trio, 0, "[operator/anna]");

    assert_true(test_https_is_at_end(&anna));
    print_message("out %.0f ms after the signal\n",
                  (double)bw_instant_elapsed_ns(bw_clock_now(), begun) / 1e6);
    trio_logs(&trio, 0, "operator/anna");
    trio_logs(&trio, 0, "why=untrusted");
    trio_logs(&trio, 0, "config.reloaded"); /* what opens before is judged once more */
    assert_false(is_let_in(0, annas));
    trio_logs(&trio, 0, "certificate revoked");
    assert_true(is_let_in(1, annas)); /* whose file does not say so */
    assert_true(test_https_say(&bob, GET_STATUS));
    test_https_hear(&bob, false, &answer);
    assert_int_equal(answer.status, 200);
    test_https_close(&anna);
    test_https_close(&bob);
    SSL_CTX_free(annas);
    SSL_CTX_free(bobs);
}

static void what_is_no_entry_is_refused_and_the_old_list_stays(void **state)
{
    struct test_https carl;
    struct ssl_ctx_st *carls;

    (void)state;
    trio_revoke(&trio, 0, "[operator/anna, nobody]");
    trio_logs(&trio, 0, "config.reload_failed");
    trio_logs(&trio, 0, "nobody");
    open_as(&carl, 0, "breakwater://prod/operator/carl", &carls);
    test_https_close(&carl);
    SSL_CTX_free(carls);
}

/* A file that its owner has opened to others is refused, and so is what was reloaded with it: but for whom it takes
 * back. The list is in force also for the certificate that is read once the file is well again. Whom a later file names no
 * more is let in with the certificate of that file, which may be of another authority, and not before. */
static void who_is_taken_back_is_out_also_where_the_witness_own_certificate_is_refused(void **state)
{
    struct test_https fay;
    struct test_https gus;
    struct ssl_ctx_st *fays;
    struct ssl_ctx_st *guses;
    char path[TRIO_PATH_BYTES];

    (void)state;
    open_as(&fay, 0, "breakwater://prod/operator/fay", &fays);
    open_as(&gus, 0, "breakwater://prod/operator/gus", &guses);
    trio_path(&trio, "w1.pem", path);
    assert_int_equal(chmod(path, 0644), 0);
    trio_revoke(&trio, 0, "[operator/fay]");

    assert_true(test_https_is_at_end(&fay));
    trio_logs(&trio, 0, "event=config.reload_failed component=witness what=configuration");
    trio_logs(&trio, 0, "w1.pem");
    assert_false(is_let_in(0, fays));
    trio_revoke(&trio, 0, "[operator/gus]");
    assert_true(test_https_is_at_end(&gus));
    assert_false(is_let_in(0, fays));

    trio_logs(&trio, 0, "event=config.reload_failed component=witness what=certificates");
    assert_int_equal(chmod(path, 0600), 0);
    trio_logs(&trio, 0, "event=config.reloaded component=witness what=certificates");
    assert_false(is_let_in(0, fays));
    test_https_close(&fay);
    test_https_close(&gus);
    SSL_CTX_free(fays);
    SSL_CTX_free(guses);
}

/* ---- at one witness alone ---- */

/* A witness is out once the two others have it in their files. */
static void a_witness_is_out_while_connected_and_the_others_go_on(void **state)
{
    struct patience patience;
    struct puppet puppet;

    (void)state;
    trio_revoke(&trio, 0, "[witness/w3]");
    trio_revoke(&trio, 1, "[witness/w3]");
    trio_logs(&trio, 0, "raft.peer_refused");
    trio_logs(&trio, 0, "counts no more: certificate revoked");
    trio_logs(&trio, 1, "certificate revoked");
    /* It dials again, and is told why. */
    trio_logs(&trio, 0, "certificate was refused: certificate revoked");

    /* Whoever leads now is one of the two, and answers an agent. */
    puppet_init(&puppet, &trio, "dc-a", "harbor");
    patience = patience_begin(TRIO_WAIT_MS);
    while (puppet_sync(&puppet, 0) != 200 && puppet_sync(&puppet, 1) != 200)
        if (patience_is_over(&patience))
            patience_fail("w1 or w2 answers an agent");
    puppet_deinit(&puppet);
}

/* 5.3: a follower that has not reread its file passes on whom the leader refuses: in vain. */
static void an_agent_is_out_also_behind_a_witness_that_does_not_know(void **state)
{
    struct patience patience;
    struct puppet puppet;
    int leader;
    int follower;

    (void)state;
    leader = trio_leader(&trio);
    follower = trio_follower(&trio);
    puppet_init(&puppet, &trio, "dc-b", "harbor");
    puppet.wants_relay = true;
    patience = patience_begin(TRIO_WAIT_MS);
    while (puppet_sync(&puppet, follower) != 200 || !puppet.answer.is_leader)
        if (patience_is_over(&patience)) /* passed on, and answered by the leader */
            patience_fail("the leader answers what its follower passes on");
    trio_revoke(&trio, leader, "[agent/dc-b/agent-1]");
    patience = patience_begin(TRIO_WAIT_MS);
    while (puppet_sync(&puppet, follower) == 200 && puppet.answer.is_leader)
        if (patience_is_over(&patience))
            patience_fail("the leader refuses what its follower passes on");
    trio_logs(&trio, leader, "it passes on an agent whose certificate is revoked here");
    puppet_deinit(&puppet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operator_is_out_while_connected_and_another_is_not),
        cmocka_unit_test(what_is_no_entry_is_refused_and_the_old_list_stays),
        cmocka_unit_test(who_is_taken_back_is_out_also_where_the_witness_own_certificate_is_refused),
        cmocka_unit_test(an_agent_is_out_also_behind_a_witness_that_does_not_know),
        cmocka_unit_test(a_witness_is_out_while_connected_and_the_others_go_on),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, trio_set_up_led, trio_tear_down);
}
