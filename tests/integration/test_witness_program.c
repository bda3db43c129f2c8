/* the witness program: three processes, agents that are puppets, hostile peers. Design 2, 3.2, 3.3,
 * 5.3, 5.4. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/core/expiry.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

#include "patience.h"
#include "test_https.h"
#include "janitor.h"
#include "trio.h"

#define RENEW_MS 400
#define PAUSE_US 100000
#define AT_ONCE_MS 5000

static struct trio trio;
static struct puppet a, b;

/* ---- helpers --------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    trio_init(&trio);
    puppet_init(&a, &trio, "dc-a", "harbor");
    puppet_init(&b, &trio, "dc-b", "harbor");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    puppet_deinit(&a);
    puppet_deinit(&b);
    trio_deinit(&trio);
    return 0;
}

static struct bw_command set_spec(void)
{
    struct bw_command command = {.kind = BW_COMMAND_SET_SPEC, .group = "harbor"};
    struct bw_spec *spec = &command.spec;

    bw_spec_defaults(spec);
    (void)strcpy(spec->name, "harbor");
    (void)strcpy(spec->sites[0].name, "dc-a");
    (void)strcpy(spec->sites[1].name, "dc-b");
    spec->sites[0].priority = 100;
    spec->sites[1].priority = 50;
    spec->site_count = 2;
    spec->lease_ttl_ms = 10000;
    spec->fence_timeout_ms = 500;
    spec->renew_interval_ms = RENEW_MS;
    spec->request_timeout_ms = 1000;
    spec->margin_ms = 50;
    spec->on_lag = BW_ON_LAG_ALLOW;
    return command;
}

/* What an agent does with an answer: it knows the spec and the epoch, arms and starts what it was
 * ordered to run, and renews it. */
static void obey(struct puppet *puppet)
{
    const struct bw_sync_answer_group *answer = puppet_answer(puppet);
    struct bw_report *report = &puppet->group.report;

    if (answer == NULL)
        return;
    report->spec_version = answer->order.spec_version;
    if (answer->order.epoch > report->epoch_seen)
        report->epoch_seen = answer->order.epoch;
    puppet->group.renew_epoch = 0;
    if (answer->order.kind == BW_ORDER_RUN && bw_id_equal(answer->order.instance, puppet->instance))
        puppet->group.renew_epoch = answer->order.epoch;
    if (answer->confirmed_epoch == 0)
        return;
    report->armed_epoch = answer->confirmed_epoch;
    report->service = BW_SERVICE_STARTED;
    report->verified = true;
    report->start_begun = true;
    report->serving_epoch_started = true;
}

static void sync_both(void)
{
    if (puppet_sync_all(&a))
        obey(&a);
    if (puppet_sync_all(&b))
        obey(&b);
}

/* Both sites sync until dc-a's renewal of some epoch is confirmed: which. */
static uint64_t wait_for_confirmation(void)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    while (!patience_is_over(&patience)) {
        const struct bw_sync_answer_group *answer;

        sync_both();
        answer = puppet_answer(&a);
        if (answer != NULL && answer->confirmed_epoch != 0)
            return answer->confirmed_epoch;
        (void)usleep(PAUSE_US);
    }
    patience_fail("a renewal of dc-a is confirmed");
}

static uint64_t begin_serving(void)
{
    struct bw_command command = set_spec();

    trio_start_all(&trio, TRIO_FORKED);
    trio_propose(&trio, &command);
    return wait_for_confirmation();
}

struct contact {
    enum bw_order_kind order;
    uint64_t confirmed;
    bool is_leader;
};

/* One sync of `puppet` at each witness. What must never be is asserted of each answer: a witness that
 * does not lead confirms nothing. True: one of them leads, and all name it. */
static bool ask_each(struct puppet *puppet, struct contact contact[TRIO_WITNESSES])
{
    int leads = 0;
    bool is_named_by_all = true;
    char named[BW_NAME_MAX + 1] = "";

    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const struct bw_sync_answer_group *answer;

        assert_int_equal(puppet_sync(puppet, i), 200);
        answer = puppet_answer(puppet);
        contact[i].order = answer != NULL ? answer->order.kind : BW_ORDER_NONE;
        contact[i].confirmed = answer != NULL ? answer->confirmed_epoch : 0;
        contact[i].is_leader = puppet->answer.is_leader;
        assert_true(contact[i].is_leader || contact[i].confirmed == 0);
        leads += contact[i].is_leader ? 1 : 0;
        if (i == 0)
            (void)snprintf(named, sizeof named, "%s", puppet->answer.leader);
        is_named_by_all = is_named_by_all && strcmp(named, puppet->answer.leader) == 0;
    }
    return leads == 1 && is_named_by_all && contact[named[1] - '1'].is_leader;
}

/* At a follower that passes it on, until it comes back with a leader's answer; which follower. */
static int relay(struct puppet *puppet)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    puppet->wants_relay = true;
    while (!patience_is_over(&patience)) {
        const int follower = trio_follower(&trio);

        assert_int_equal(puppet_sync(puppet, follower), 200);
        if (puppet->answer.is_leader && puppet->answer.leader[1] - '1' != follower)
            return follower;
    }
    patience_fail("a follower passes it on");
}

/* Polls of dc-b at one witness, over one connection as an agent does it, until it is to run. */
struct poll_run {
    uint16_t port;
    const char *identity;
    uint64_t after;
    struct bw_order order;
    struct bw_instant answered;
};

static bool poll_once(struct poll_run *run, struct test_https *client)
{
    char request[128];
    struct test_answer answer;
    struct bw_sync_answer orders;
    bool is_done;

    (void)snprintf(request, sizeof request,
                   "GET /v1/agent/orders?after=%llu&wait=25s HTTP/1.1\r\nHost: w\r\n\r\n",
                   (unsigned long long)run->after);
    if (!test_https_say(client, request))
        return true;
    test_https_hear(client, false, &answer);
    run->answered = bw_clock_now();
    if (answer.status != 200 ||
        bw_sync_answer_decode(answer.body, answer.body_size, &orders, NULL) != BW_OK)
        return true;
    if (orders.group_count == 1)
        run->order = orders.groups[0].order;
    run->after = run->order.index;
    is_done = orders.group_count != 1 || run->order.kind == BW_ORDER_RUN;
    bw_sync_answer_deinit(&orders);
    return is_done;
}

static void *run_polls(void *user)
{
    struct poll_run *run = user;
    struct ssl_ctx_st *context = test_pki_client(trio.pki.ca_path, run->identity);
    struct test_https client;

    if (test_https_open(&client, run->port, context))
        while (!poll_once(run, &client))
            continue;
    test_https_close(&client);
    SSL_CTX_free(context);
    return NULL;
}

/* ---- claims: agents -------------------------------------------------------------------------- */

static void only_a_leader_after_its_proof_lets_an_unknown_group_go(void **state)
{
    struct contact contact[TRIO_WITNESSES];
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    bool is_settled = false;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    while (!is_settled) {
        if (patience_is_over(&patience))
            patience_fail("all name one leader");
        (void)trio_leader(&trio);
        is_settled = ask_each(&a, contact);
        assert_true(bw_id_equal(a.answer.cluster_id, trio.cluster_id));
        assert_int_equal(a.answer.generation, 1);
        assert_int_equal(a.answer.member_count, 3);
        assert_int_equal(a.answer.number, a.number);
        for (int i = 0; i < TRIO_WITNESSES; i++)
            assert_int_equal(contact[i].order,
                             contact[i].is_leader ? BW_ORDER_LET_GO : BW_ORDER_NONE);
    }
}

static void a_sync_through_a_follower_is_answered_by_the_leader(void **state)
{
    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)relay(&a);

    assert_int_equal(a.answer.number, a.number);
    assert_int_equal(puppet_answer(&a)->order.kind, BW_ORDER_LET_GO);
}

/* All tell dc-a to run and dc-b to stand by, and the leader alone confirms `epoch`, to dc-a alone. */
static void await_orders(uint64_t epoch)
{
    struct contact of_a[TRIO_WITNESSES], of_b[TRIO_WITNESSES];
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    bool is_settled = false;

    while (!is_settled) {
        if (patience_is_over(&patience))
            patience_fail("all tell the orders, and the leader confirms epoch %llu", (unsigned long long)epoch);
        is_settled = ask_each(&a, of_a);
        is_settled = ask_each(&b, of_b) && is_settled;
        for (int i = 0; i < TRIO_WITNESSES; i++) {
            is_settled = is_settled && of_a[i].order == BW_ORDER_RUN &&
                         of_b[i].order == BW_ORDER_STAND_BY &&
                         of_a[i].confirmed == (of_a[i].is_leader ? epoch : 0);
            assert_int_equal(of_b[i].confirmed, 0);
        }
    }
}

static void only_a_leader_confirms_and_others_tell_the_order(void **state)
{
    uint64_t epoch;

    (void)state;
    epoch = begin_serving();

    assert_int_equal(epoch, 1);
    await_orders(epoch);
    b.group.renew_epoch = epoch; /* it is not the holder */
    await_orders(epoch);
}

static void one_follower_is_enough_to_renew(void **state)
{
    struct patience patience;
    uint64_t epoch;
    uint64_t confirmed = 0;

    (void)state;
    epoch = begin_serving();
    patience = patience_begin(TRIO_WAIT_MS);
    while (confirmed == 0) {
        if (patience_is_over(&patience))
            patience_fail("a renewal through a follower is confirmed");
        (void)relay(&a);
        confirmed = puppet_answer(&a)->confirmed_epoch;
    }

    assert_int_equal(confirmed, epoch);
}

/* I1, 3.2.2: it may be replaced already, and does not know. */
static void a_leader_without_a_majority_confirms_nothing(void **state)
{
    int leader;

    (void)state;
    (void)begin_serving();
    leader = trio_leader(&trio);
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != leader)
            (void)trio_stop(&trio, i, SIGKILL);
    assert_int_equal(puppet_sync(&a, leader), 200);

    assert_int_equal(puppet_answer(&a)->confirmed_epoch, 0);
    assert_false(a.answer.is_leader);
    assert_int_equal(puppet_answer(&a)->order.kind, BW_ORDER_RUN);
}

/* Its own answer, which is freed: the sanitizer looks when it ends. */
static void a_follower_that_reaches_no_leader_answers_itself_and_ends_well(void **state)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);
    int follower = -1;

    (void)state;
    a.wants_relay = true;
    while (follower < 0) {
        int leader;

        for (int i = 0; i < TRIO_WITNESSES; i++)
            if (trio.pids[i] == 0)
                trio_start(&trio, i, TRIO_EXECUTED);
        leader = trio_leader(&trio);
        follower = (leader + 1) % TRIO_WITNESSES;
        (void)trio_stop(&trio, leader, SIGKILL);
        (void)trio_stop(&trio, (leader + 2) % TRIO_WITNESSES, SIGKILL);
        assert_int_equal(puppet_sync(&a, follower), 200);
        assert_false(a.answer.is_leader);
        if (!trio_has_logged(&trio, follower, "relay.failed"))
            follower = -1; /* it took so long that it knew of no leader any more */
        if (follower < 0 && patience_is_over(&patience))
            patience_fail("a follower knows of a leader that is gone");
    }

    assert_int_equal(trio_stop(&trio, follower, SIGTERM), 0);
}

/* No program here is told anything by them. */
static void signals_that_mean_nothing_end_no_witness(void **state)
{
    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        trio_signal(&trio, i, SIGUSR1);
        trio_signal(&trio, i, SIGUSR2);
        trio_signal(&trio, i, SIGHUP);
        trio_logs(&trio, i, "event=config.reloaded");
    }
}

static void a_killed_leader_is_replaced_and_the_new_one_confirms_again(void **state)
{
    uint64_t epoch;
    int leader;

    (void)state;
    epoch = begin_serving();
    leader = trio_leader(&trio);
    assert_int_equal(trio_stop(&trio, leader, SIGKILL), 128 + SIGKILL);

    assert_int_equal(wait_for_confirmation(), epoch);
    assert_int_not_equal(trio_leader(&trio), leader);
    trio_start(&trio, leader, TRIO_FORKED);
    assert_int_equal(wait_for_confirmation(), epoch);
}

static void state_survives_the_death_of_all(void **state)
{
    uint64_t epoch;

    (void)state;
    epoch = begin_serving();
    for (int i = 0; i < TRIO_WITNESSES; i++)
        (void)trio_stop(&trio, i, SIGKILL);
    trio_start_all(&trio, TRIO_FORKED);

    assert_int_equal(wait_for_confirmation(), epoch);
    assert_int_equal(puppet_answer(&a)->order.epoch, epoch);
}

/* `witness init --cluster-id` of witness 2, in a directory that is empty. */
static int init_second(void)
{
    char config[TRIO_PATH_BYTES];
    char id[BW_ID_TEXT_BYTES];
    char out[64];
    char *init[] = {NULL, "witness", "init", "-c", config, "--cluster-id", id, NULL};

    trio_path(&trio, "w2.yaml", config);
    bw_id_format(trio.cluster_id, id);
    return trio_run(&trio, init, out, sizeof out);
}

static void remove_second(void)
{
    char path[TRIO_PATH_BYTES];

    trio_path(&trio, "data2", path);
    janitor_remove_dir(path);
}

/* How often the programs that trio_run ran have said it. */
static unsigned count_lines(const char *text)
{
    unsigned times = 0;
    char path[TRIO_PATH_BYTES];
    char log[8192];
    size_t size;
    FILE *in;

    trio_path(&trio, "run1.log", path);
    in = fopen(path, "r");
    assert_non_null(in);
    size = fread(log, 1, sizeof log - 1, in);
    log[size] = '\0';
    assert_int_equal(fclose(in), 0);
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
        times++;
    return times;
}

/* I2, I3: dc-a is granted an epoch by w2 and w3, and cut off; w3 is down, w2 has lost its disk and is
 * made anew, and w1, which never heard of the epoch, is back: nobody leads who could grant it again. */
static void a_witness_that_lost_its_disk_gives_no_epoch_twice(void **state)
{
    const struct bw_command command = set_spec();
    unsigned silent;
    uint64_t epoch;

    (void)state;
    trio_start_all(&trio, TRIO_FORKED);
    (void)trio_leader(&trio);
    (void)trio_stop(&trio, 0, SIGKILL);
    (void)trio_leader(&trio);
    trio_propose(&trio, &command);
    epoch = wait_for_confirmation();
    (void)trio_stop(&trio, 1, SIGKILL);
    (void)trio_stop(&trio, 2, SIGKILL);

    remove_second();
    trio_start(&trio, 0, TRIO_FORKED);
    trio_logs_times(&trio, 0, "event=witness.started", 2);
    assert_int_equal(init_second(), 6); /* w1 knows better; nothing was made */
    assert_int_equal(count_lines("w1 knows witness id 2 with another data directory"), 1);
    (void)trio_stop(&trio, 0, SIGKILL);
    silent = count_lines("w1 silent");
    assert_int_equal(init_second(), 0);
    assert_int_equal(count_lines("w1 silent"), silent + 1);

    trio_start(&trio, 0, TRIO_FORKED);
    trio_start(&trio, 1, TRIO_FORKED);
    for (int i = 0; i < 10 * TRIO_ELECTION_MS * 1000 / PAUSE_US; i++) {
        assert_false(puppet_sync_all(&b)); /* no leader answers */
        (void)usleep(PAUSE_US);
    }
    trio_logs(&trio, 0, "it was made anew");
    trio_logs(&trio, 1, "by another data directory");

    trio_start(&trio, 2, TRIO_FORKED);
    assert_int_equal(wait_for_confirmation(), epoch);
}

/* Both sites sync until dc-a is told an order of `kind`. */
static void wait_for_order(enum bw_order_kind kind)
{
    struct patience patience = patience_begin(TRIO_WAIT_MS);

    while (!patience_is_over(&patience)) {
        sync_both();
        if (puppet_answer(&a) != NULL && puppet_answer(&a)->order.kind == kind)
            return;
        (void)usleep(PAUSE_US);
    }
    patience_fail("dc-a is ordered to %s", bw_order_word(kind));
}

/* dc-a stops and gives `epoch` back; nobody is granted another. */
static void give_back(uint64_t epoch)
{
    const struct bw_command pause = {
        .kind = BW_COMMAND_SET_MODE, .group = "harbor", .mode = BW_MODE_PAUSED};
    struct bw_report *report = &a.group.report;

    trio_propose(&trio, &pause);
    a.group.released = (struct bw_released){.epoch = epoch, .reason = BW_REASON_OPERATOR};
    a.group.renew_epoch = 0;
    report->service = BW_SERVICE_STOPPED;
    report->armed_epoch = 0;
    report->start_begun = report->serving_epoch_started = false;
    wait_for_order(BW_ORDER_STAND_BY);
}

/* 3.1 Delete: agents that remember higher epochs would refuse every grant of a lower one. */
static void a_group_made_again_after_its_deletion_begins_above_its_old_epochs(void **state)
{
    const struct bw_command delete = {.kind = BW_COMMAND_DELETE, .group = "harbor"};
    struct bw_command again = set_spec();
    uint64_t epoch;

    (void)state;
    epoch = begin_serving();
    give_back(epoch);

    trio_propose(&trio, &delete);
    wait_for_order(BW_ORDER_LET_GO);
    a.group.released = (struct bw_released){0};
    trio_propose(&trio, &again);

    assert_true(wait_for_confirmation() > epoch);
}

/* 3.3: not before the wait is over, and then at once. */
static void
a_silent_holder_loses_its_epoch_after_the_wait_and_the_other_site_hears_at_once(void **state)
{
    struct bw_spec spec = set_spec().spec;
    struct bw_terms terms = bw_terms_of_spec(&spec);
    struct poll_run run = {0};
    struct patience patience;
    struct bw_instant sent, answered, led_since;
    char led_at_first[BW_NAME_MAX + 1], led_by[BW_NAME_MAX + 1];
    pthread_t thread;
    char identity[TRIO_PATH_BYTES];
    uint64_t after_ns, wait_ns;
    int leader;

    (void)state;
    (void)begin_serving();
    do { /* one last renewal, at the leader alone */
        leader = trio_leader(&trio);
        sent = bw_clock_now();
        assert_int_equal(puppet_sync(&a, leader), 200);
        answered = bw_clock_now();
        assert_int_equal(puppet_answer(&a)->order.epoch, 1);
    } while (puppet_answer(&a)->confirmed_epoch != 1);
    led_since = answered;
    (void)snprintf(led_at_first, sizeof led_at_first, "%s", a.answer.leader);
    (void)snprintf(led_by, sizeof led_by, "%s", a.answer.leader);
    trio_path(&trio, "agent-dc-b.pem", identity);
    run.identity = identity;
    run.port = trio.api[(leader + 1) % TRIO_WITNESSES];
    run.after = puppet_answer(&a)->order.index;
    assert_int_equal(pthread_create(&thread, NULL, run_polls, &run), 0);
    patience = patience_begin(TRIO_WAIT_MS);
    while (puppet_answer(&b) == NULL || puppet_answer(&b)->order.kind != BW_ORDER_RUN) {
        if (patience_is_over(&patience))
            patience_fail("dc-b is ordered to run");
        if (puppet_sync_all(&b))
            obey(&b);
        if (strcmp(b.answer.leader, led_by) != 0 && b.answer.is_leader) {
            (void)snprintf(led_by, sizeof led_by, "%s", b.answer.leader);
            led_since = bw_clock_now(); /* since before now: its wait is counted from then (3.3) */
        }
        (void)usleep(PAUSE_US);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);

    wait_ns = bw_expiry_wait_ns(&terms);
    after_ns = bw_instant_elapsed_ns(run.answered, sent);
    assert_true(after_ns >= wait_ns);
    if (strcmp(led_by, led_at_first) != 0)
        after_ns = bw_instant_elapsed_ns(run.answered, led_since);
    assert_int_equal(run.order.kind, BW_ORDER_RUN);
    assert_int_equal(run.order.epoch, 2);
    print_message("order at the other site %.1f to %.1f ms after expiry was possible\n",
                  ((double)after_ns - (double)wait_ns) / 1e6 -
                      (double)bw_instant_elapsed_ns(answered, sent) / 1e6,
                  ((double)after_ns - (double)wait_ns) / 1e6);
    assert_true(after_ns < wait_ns + AT_ONCE_MS * BW_NS_PER_MS); /* its poll would wait 25 s */
}

static void a_poll_without_news_ends_with_its_wait(void **state)
{
    struct bw_instant begun;

    (void)state;
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    begun = bw_clock_now();
    assert_int_equal(puppet_poll(&a, 0, 0, "300ms"), 200);

    assert_true(bw_instant_elapsed_ns(bw_clock_now(), begun) >= 300 * BW_NS_PER_MS);
    assert_int_equal(a.answer.group_count, 0);
    assert_int_equal(puppet_poll(&a, 0, 0, "61s"), 400);
    assert_int_equal(puppet_poll(&a, 0, 0, "1"), 400);
}

#define CLAIM(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(only_a_leader_after_its_proof_lets_an_unknown_group_go),
        CLAIM(a_sync_through_a_follower_is_answered_by_the_leader),
        CLAIM(only_a_leader_confirms_and_others_tell_the_order),
        CLAIM(one_follower_is_enough_to_renew),
        CLAIM(a_leader_without_a_majority_confirms_nothing),
        CLAIM(a_follower_that_reaches_no_leader_answers_itself_and_ends_well),
        CLAIM(signals_that_mean_nothing_end_no_witness),
        CLAIM(a_killed_leader_is_replaced_and_the_new_one_confirms_again),
        CLAIM(state_survives_the_death_of_all),
        CLAIM(a_witness_that_lost_its_disk_gives_no_epoch_twice),
        CLAIM(a_group_made_again_after_its_deletion_begins_above_its_old_epochs),
        CLAIM(a_silent_holder_loses_its_epoch_after_the_wait_and_the_other_site_hears_at_once),
        CLAIM(a_poll_without_news_ends_with_its_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
