/* Certificates that are renewed, and a CA that is replaced by another with both trusted meanwhile: by the commands
 * of breakwater-pki(1), "REPLACE THE CA", under three real witnesses. Design 5.3. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "patience.h"
#include "test_https.h"
#include "trio_life.h"

#define GET_STATUS    "GET /v1/status HTTP/1.1\r\nHost: w\r\n\r\n"
#define COMMAND_BYTES 1024

static unsigned reloads; /* of each witness */

static int setup(void **state)
{
    reloads = 0;
    return trio_set_up_led(state);
}

/* In the directory of the trio; $bw is the program. */
static int attempt(const char *command)
{
    char line[COMMAND_BYTES];
    int status;

    assert_true(snprintf(line, sizeof line,
                         "cd '%s' && bw=\"$BREAKWATER_BUILD/breakwater\" api=%u && { %s ; } >>said 2>&1",
                         trio.pki.dir, trio.api[0], command) < (int)sizeof line);
    status = system(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void do_in(const char *command)
{
    if (attempt(command) != 0)
        fail_msg("%s", command);
}

static void reload_all(void)
{
    reloads++;
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        trio_signal(&trio, i, SIGHUP);
        trio_logs_times(&trio, i, "event=config.reloaded component=witness what=configuration", reloads);
    }
}

static void open_as_anna(struct test_https *client, struct ssl_ctx_st **out_context)
{
    char path[TEST_PKI_PATH_BYTES];
    struct test_answer answer;

    test_pki_issue_uri(&trio.pki, "anna.pem", "breakwater://prod/operator/anna", path);
    *out_context = test_pki_client(trio.pki.ca_path, path);
    assert_true(test_https_open(client, trio.api[0], *out_context));
    assert_true(test_https_say(client, GET_STATUS));
    test_https_hear(client, false, &answer);
    assert_int_equal(answer.status, 200);
}

static bool is_answered(struct test_https *client)
{
    struct test_answer answer = {0};

    if (test_https_say(client, GET_STATUS))
        test_https_hear(client, false, &answer);
    return answer.status == 200;
}

/* A quorum, and whoever asks is let in by the CA that is left. */
static bool is_decided_by_the_new(void)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    char command[COMMAND_BYTES];
    int status;

    (void)snprintf(command, sizeof command,
                   "\"$bw\" status --endpoint 127.0.0.1:%u --ca only-new.pem --identity anna.pem", trio.api[1]);
    do {
        status = attempt(command);
        if (status == 5 && patience_is_over(&patience))
            patience_fail("a quorum answers");
    } while (status == 5);
    return status == 0 || status == 3 || status == 4;
}

static void a_ca_is_replaced_with_overlap_and_the_old_one_is_out_at_its_end(void **state)
{
    struct test_https anna;
    struct ssl_ctx_st *context;

    (void)state;
    open_as_anna(&anna, &context);
    do_in("\"$bw\" pki init --cluster prod --dir new && cp new/ca.pem only-new.pem && cat ca.pem >>new/ca.pem");

    /* Both are trusted everywhere. */
    do_in("cp new/ca.pem ca.pem.next && mv ca.pem.next ca.pem");
    reload_all();
    assert_true(is_answered(&anna));

    /* What the new one has issued speaks beside what the old one has. */
    do_in("\"$bw\" pki renew w1.pem --dir new");
    reload_all();
    assert_true(is_answered(&anna));
    assert_false(trio_has_logged(&trio, 1, "counts no more"));
    do_in("\"$bw\" pki renew w2.pem w3.pem --dir new");
    reload_all();
    assert_true(is_answered(&anna));
    do_in("cp anna.pem annas-old.pem && \"$bw\" pki renew anna.pem --dir new");

    /* The old one is out: at once, also over what is open. */
    do_in("cp only-new.pem ca.pem.next && mv ca.pem.next ca.pem");
    reload_all();
    assert_true(test_https_is_at_end(&anna));
    trio_logs(&trio, 0, "why=untrusted");
    assert_true(is_decided_by_the_new());
    do_in("rm -rf new");

    test_https_close(&anna);
    SSL_CTX_free(context);
}

/* The CA file first: else a daemon keeps what it has, and says so. */
static void a_certificate_of_a_ca_that_is_not_trusted_yet_is_not_taken(void **state)
{
    (void)state;
    do_in("\"$bw\" pki init --cluster prod --dir new && cat ca.pem >>new/ca.pem && "
          "\"$bw\" pki renew w1.pem --dir new");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.reload_failed");
    trio_logs(&trio, 0, "vouches for this certificate");

    do_in("cp new/ca.pem ca.pem.next && mv ca.pem.next ca.pem");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "event=config.reloaded");

    /* One that nobody who dials this witness would take is not used either. */
    do_in("\"$bw\" pki issue witness/w1 --dir new --san dns:elsewhere --out new/other.pem && mv "
          "new/other.pem w1.pem");
    trio_signal(&trio, 0, SIGHUP);
    trio_logs(&trio, 0, "the certificate does not name 127.0.0.1, at which");
    do_in("openssl s_client -connect 127.0.0.1:$api -CAfile ca.pem </dev/null 2>/dev/null | "
          "openssl x509 -noout -text | "
          "grep 'IP Address:127.0.0.1'");
    do_in("rm -rf new");
}

/* Certificate and key are one file, and that is replaced whole: whenever a daemon looks, they belong together. */
static void no_look_at_a_file_that_is_renewed_finds_halves_of_two(void **state)
{
    (void)state;
    do_in("\"$bw\" pki init --cluster prod --dir new && "
          "\"$bw\" pki issue witness/w1 --dir new --san ip:127.0.0.1 --out new/w1.pem");
    do_in("(for i in 1 2 3 4 5 6 7 8; do \"$bw\" pki renew new/w1.pem --dir new || touch failed; done; touch done) & "
          "until [ -e done ]; do "
          "cp new/w1.pem look.pem && openssl x509 -in look.pem -noout -pubkey >a.pub && "
          "openssl pkey -in look.pem -pubout >b.pub && cmp a.pub b.pub || exit 1; done; wait; [ ! -e failed ]");
    do_in("rm -rf new");
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, trio_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(a_ca_is_replaced_with_overlap_and_the_old_one_is_out_at_its_end),
        CLAIM(a_certificate_of_a_ca_that_is_not_trusted_yet_is_not_taken),
        CLAIM(no_look_at_a_file_that_is_renewed_finds_halves_of_two),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
