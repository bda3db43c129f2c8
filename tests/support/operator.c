#include "operator.h"

#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lacking.h"
#include "patience.h"

#define ANSWER_BYTES_MAX (64 * 1024) /* more is the same, a thousand times */
#define ANSWERS_FILE     "answers"

struct operator operator;

static pthread_t agents;
static atomic_bool agents_end;
static bool agents_run;

/* ---- puppets that obey */

static void stop_and_give_back(struct puppet *puppet, const struct bw_order *order)
{
    struct bw_report *report = &puppet->group.report;

    report->stop_begun_epoch = order->epoch;
    report->armed_epoch = 0;
    report->start_begun = false;
    report->serving_epoch_started = false;
    report->verified = false;
    report->service = BW_SERVICE_STOPPED;
    report->has_fence_or_stop_succeeded = true;
    puppet->group.renew_epoch = 0;
    puppet->group.released = (struct bw_released){
        .epoch = order->epoch, .reason = BW_REASON_SWITCHOVER, .past_no_return = true};
}

static void serve(struct puppet *puppet, uint64_t epoch)
{
    struct bw_report *report = &puppet->group.report;
    const int start = puppet == &operator.a ? atomic_load(&operator.a_start) : OPERATOR_START_SERVES;

    puppet->group.released = (struct bw_released){0};
    report->armed_epoch = epoch;
    report->service = BW_SERVICE_STARTED;
    report->verified = true;
    report->start_begun = true;
    report->serving_epoch_started = start == OPERATOR_START_SERVES;
    report->guard_busy = start == OPERATOR_START_RUNS;
}

static void obey(struct puppet *puppet)
{
    const struct bw_sync_answer_group *answer = puppet_answer(puppet);
    struct bw_report *report = &puppet->group.report;

    if (answer == NULL)
        return;
    report->spec_version = answer->order.spec_version;
    report->let_go_index = answer->order.let_go_index;
    report->prepared_index = answer->order.index;
    if (answer->order.epoch > report->epoch_seen)
        report->epoch_seen = answer->order.epoch;
    puppet->group.renew_epoch = 0;
    if (!bw_id_equal(answer->order.instance, puppet->instance))
        return;
    if (answer->order.kind == BW_ORDER_STOP && puppet == &operator.a &&
                                                          atomic_load(&operator.a_holds_on))
        puppet->group.renew_epoch = answer->order.epoch;
    else if (answer->order.kind == BW_ORDER_STOP)
        stop_and_give_back(puppet, &answer->order);
    if (answer->order.kind != BW_ORDER_RUN)
        return;
    puppet->group.renew_epoch = answer->order.epoch;
    if (answer->confirmed_epoch != 0)
        serve(puppet, answer->confirmed_epoch);
}

static void *run_agents(void *user)
{
    (void)user;
    while (!atomic_load(&agents_end)) {
        if (atomic_load(&operator.a_owes_rejoin))
            operator.a.group.report.joined_epoch = 1;
        operator.b.group.report.alarms = atomic_load(&operator.b_alarms);
        if (!atomic_load(&operator.a_is_mute) && puppet_sync_all(&operator.a))
            obey(&operator.a);
        if (!atomic_load(&operator.b_is_mute) && puppet_sync_all(&operator.b))
            obey(&operator.b);
        atomic_fetch_add(&operator.rounds, 1);
        (void)usleep(OPERATOR_PAUSE_US);
    }
    return NULL;
}

void operator_begin_agents(void)
{
    agents_run = true;
    assert_int_equal(pthread_create(&agents, NULL, run_agents, NULL), 0);
}

void operator_wait_for_round(void)
{
    const unsigned begun = atomic_load(&operator.rounds);
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    while (atomic_load(&operator.rounds) - begun < 2) { /* the first may have begun before */
        if (patience_is_over(&patience))
            patience_fail("both agents have a round");
        (void)usleep(OPERATOR_PAUSE_US);
    }
}

void operator_end_agents(void)
{
    if (!agents_run)
        return;
    atomic_store(&agents_end, true);
    assert_int_equal(pthread_join(agents, NULL), 0);
    agents_run = false;
}

/* ---- the world */

void operator_put(const char *file, const char *format, ...)
{
    char path[TRIO_PATH_BYTES];
    FILE *stream;
    va_list args;

    trio_path(&operator.trio, file, path);
    stream = fopen(path, "w");
    assert_non_null(stream);
    va_start(args, format);
    assert_true(vfprintf(stream, format, args) > 0);
    va_end(args);
    assert_int_equal(fclose(stream), 0);
}

/* A site counts as connected for two of these intervals and a request: seven seconds. */
const char *const operator_groups_text =
    "groups:\n  - name: harbor\n    sites: [{name: dc-a, priority: 100}, {name: dc-b, priority: "
    "50}]\n    lease_ttl: %s\n    fence_window: 500ms\n    renew_interval: 3s\n"
    "    lease_margin: 50ms\n    switchover_timeout: 30s\n    on_lag: allow\n";

void operator_put_cli(const char *file, const char *identity, const int *which, int count)
{
    char endpoints[256] = "";

    for (int i = 0; i < count; i++)
        (void)snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints),
                       "%s\"127.0.0.1:%d\"", i > 0 ? ", " : "", operator.trio.api[which[i]]);
    operator_put(file, "endpoints: [%s]\ntls: {ca: %s/ca.pem, identity: %s/%s}\n",
                 endpoints, operator.trio.pki.dir, operator.trio.pki.dir, identity);
}

void operator_init(void)
{
    static const int all[] = {0, 1, 2};
    char path[TEST_PKI_PATH_BYTES];
    char answers[TRIO_PATH_BYTES];
    struct bw_diag diag = {0};

    trio_init(&operator.trio);
    test_pki_issue_uri(&operator.trio.pki, "operator.pem", "breakwater://prod/operator/anna", path);
    assert_int_equal(
        bw_credentials_load(operator.trio.pki.ca_path, path, &operator.operator, & diag), BW_OK);
    test_pki_issue_uri(&operator.trio.pki, "looker.pem", "breakwater://prod/viewer/vera", path);
    operator_put_cli("cli.yaml", "operator.pem", all, 3);
    operator_put_cli("viewer.yaml", "looker.pem", all, 3);
    operator_put("groups.yaml", operator_groups_text, "10s");
    trio_path(&operator.trio, ANSWERS_FILE, answers);
    operator.answers = fopen(answers, "w");
    assert_non_null(operator.answers);
    puppet_init(&operator.a, &operator.trio, "dc-a", "harbor");
    puppet_init(&operator.b, &operator.trio, "dc-b", "harbor");
    trio_start_all(&operator.trio, TRIO_EXECUTED);
    (void)trio_leader(&operator.trio);
}

void operator_deinit(void)
{
    operator_end_agents();
    (void)fclose(operator.answers); /* each line was flushed */
    bw_http_reply_deinit(&operator.reply);
    bw_credentials_free(operator.operator);
    puppet_deinit(&operator.a);
    puppet_deinit(&operator.b);
    trio_deinit(&operator.trio);
}

/* ---- what was answered */

void operator_keep_answer(const char *asked, const char *text)
{
    json_t *answer = strlen(text) <= ANSWER_BYTES_MAX ? json_loads(text, 0, NULL) : NULL;
    json_t *line;

    if (answer == NULL)
        return;
    if (strcmp(asked, operator.asked) == 0)
        assert_int_equal(fseek(operator.answers, operator.asked_at, SEEK_SET), 0);
    else
        assert_int_equal(fseek(operator.answers, 0, SEEK_END), 0);
    operator.asked_at = ftell(operator.answers);
    (void)snprintf(operator.asked, sizeof operator.asked, "%s", asked);
    line = json_pack("{s:s, s:o}", "asked", asked, "answer", answer);
    assert_non_null(line);
    assert_int_equal(json_dumpf(line, operator.answers, JSON_COMPACT), 0);
    assert_int_equal(fputc('\n', operator.answers), '\n');
    assert_int_equal(fflush(operator.answers), 0);
    assert_int_equal(ftruncate(fileno(operator.answers), ftell(operator.answers)),
                     0); /* of an older answer */
    json_decref(line);
}

/* -1: it is not there. */
static int run_validator(const char *words)
{
    char line[TRIO_PATH_BYTES + 256];

    if (system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0)
        return -1;
    (void)snprintf(line, sizeof line, "%s/tests/support/validate %s", getenv("BREAKWATER_SOURCE"),
                   words);
    return system(line);
}

void every_answer_is_as_its_schema_says(void **state)
{
    char path[TRIO_PATH_BYTES];
    int status;

    (void)state;
    trio_path(&operator.trio, ANSWERS_FILE, path);
    status = run_validator(path);
    if (status == -1)
        skip_lacking("jsonschema");
    assert_int_equal(status, 0);
}

static void read_errors(void)
{
    char path[TRIO_PATH_BYTES];
    size_t size;
    FILE *stream;

    trio_path(&operator.trio, "run1.log", path);
    stream = fopen(path, "r");
    assert_non_null(stream);
    size = fread(operator.errors, 1, sizeof operator.errors - 1, stream);
    operator.errors[size] = '\0';
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(truncate(path, 0), 0);
}

int operator_run_once(const char *config, const char *words)
{
    char line[512];
    char path[TRIO_PATH_BYTES];
    char *argv[24] = {NULL};
    size_t count = 1;
    int status;

    (void)snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        argv[count++] = word;
    trio_path(&operator.trio, config, path);
    argv[count++] = (char[]){"--config"};
    argv[count++] = path;
    assert_true(count < sizeof argv / sizeof argv[0]);
    status = trio_run(&operator.trio, argv, operator.out, sizeof operator.out);
    read_errors();
    if (strstr(words, "-o json") != NULL)
        operator_keep_answer(words, operator.out);
    return status;
}

void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, text);
}

int operator_run(const char *config, const char *words)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    for (;;) {
        const int status = operator_run_once(config, words);

        if (status != OPERATOR_NO_QUORUM)
            return status;
        if (patience_is_over(&patience))
            patience_fail("%s finds a quorum:\n%s", words, operator.errors);
    }
}

void operator_until_it_says(const char *config, const char *words, int expected, const char *part)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);
    int status = -1;

    while (!patience_is_over(&patience)) {
        status = operator_run_once(config, words);
        if (status == expected && strstr(operator.out, part) != NULL)
            return;
        (void)usleep(OPERATOR_PAUSE_US);
    }
    patience_fail("%s: exit %d, not %d, or no \"%s\" in:\n%s%s", words, status, expected,
             part, operator.out, operator.errors);
}

int operator_apply(const char *file, const char *more)
{
    char words[400];
    char path[TRIO_PATH_BYTES];

    trio_path(&operator.trio, file, path);
    (void)snprintf(words, sizeof words, "apply -f %s %s", path, more);
    return operator_run("cli.yaml", words);
}

int operator_ask(const struct bw_credentials *credentials, int i, const char *method,
                 const char *path, const char *body, size_t size)
{
    char url[256];
    char asked[300];
    const struct bw_http_call call = {
        .method = method,
        .url = url,
        .content_type = strcmp(method, "GET") != 0 ? "application/json" : NULL,
        .body = body,
        .body_size = size,
        .timeout_ms = TRIO_CALL_MS,
        .connect_timeout_ms = TRIO_CALL_MS,
        .response_bytes_max = 4 * 1024 * 1024};
    struct bw_diag diag = {0};

    bw_http_reply_deinit(&operator.reply);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d%s", operator.trio.api[i], path);
    if (bw_http_client_call(credentials, &call, &operator.reply, &diag) != BW_OK)
        fail_msg("%s %s: %s", method, path, diag.text);
    (void)snprintf(asked, sizeof asked, "%s %s: %d", method, path, operator.reply.status);
    operator_keep_answer(asked, operator.reply.body);
    return operator.reply.status;
}

int operator_ask_leader(const struct bw_credentials *credentials, const char *method,
                        const char *path, const char *body, size_t size)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    for (;;) {
        const int status =
            operator_ask(credentials, trio_leader(&operator.trio), method, path, body, size);

        if (status != 421 && status != 503)
            return status;
        if (patience_is_over(&patience))
            patience_fail("a leader answers %s %s: %d", method, path, status);
    }
}

json_t *operator_parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);

    if (value == NULL)
        fail_msg("%d:%d: %s in:\n%.2000s", error.line, error.column, error.text, text);
    return value;
}

json_t *operator_status(void)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    for (;;) {
        json_t *status;

        assert_int_equal(operator_ask_leader(operator.operator, "GET", "/v1/status", NULL, 0), 200);
        status = operator_parse(operator.reply.body);
        if (json_is_true(json_object_get(status, "leads")))
            return status;
        json_decref(status);
        if (patience_is_over(&patience))
            patience_fail("a witness says that it leads");
    }
}

static bool holds_and_serves(const char *site)
{
    json_t *status = operator_status();
    json_t *group = json_array_get(json_object_get(status, "groups"), 0);
    const char *holder = json_string_value(json_object_get(group, "holder"));
    bool is_serving = false;
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, one)
    {
        if (holder != NULL && strcmp(holder, site) == 0 &&
            strcmp(json_string_value(json_object_get(one, "name")), site) == 0)
            is_serving = json_is_true(json_object_get(one, "serving"));
    }
    json_decref(status);
    return is_serving;
}

void operator_wait_until_serving(const char *site)
{
    struct patience patience = patience_begin(OPERATOR_WAIT_MS);

    while (!patience_is_over(&patience)) {
        if (holds_and_serves(site))
            return;
        (void)usleep(OPERATOR_PAUSE_US);
    }
    print_message("%s does not serve: %s\n", site, operator.reply.body);
    (void)operator_ask_leader(operator.trio.viewer, "GET", "/v1/groups/harbor/history", NULL, 0);
    patience_fail("%s serves; its history: %s", site, operator.reply.body);
}

void operator_begin_serving(void)
{
    operator_init();
    /* Beside much else a few rounds can take ten seconds: who had begun nothing by then would lose it. And a wish that
     * waits for a site which has not been heard for seven still stands when a slow machine comes to look for it. */
    operator_put("groups.yaml", operator_groups_text, "25s");
    operator_begin_agents();
    assert_int_equal(operator_apply("groups.yaml", "--yes"), 0);
    operator_wait_until_serving("dc-a");
}

int operator_set_up(void **state)
{
    (void)state;
    operator_init();
    return 0;
}

int operator_set_up_serving(void **state)
{
    (void)state;
    operator_begin_serving();
    return 0;
}

int operator_tear_down(void **state)
{
    (void)state;
    operator_deinit();
    return 0;
}
