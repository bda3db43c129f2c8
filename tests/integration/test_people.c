/* what people ask of three real witnesses, by the real commands and by hostile bodies. Design 4,
 * 5.2, 5.3. The agents are puppets; they obey in a thread of their own. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include <breakwater/net/http_client.h>

#include "test_https.h"
#include "trio.h"

#define PAUSE_US 100000
#define TRIES    600
#define NO_QUORUM 5 /* an exit status: nothing was changed */
#define REFUSED   6 /* another: not now */

static struct trio trio;
static struct puppet a, b;
static struct bw_credentials *operator_credentials;
static pthread_t agents;
static atomic_bool agents_end;
static atomic_bool a_is_mute;
static atomic_bool b_is_mute;
static atomic_bool a_owes_rejoin;
static bool agents_run;

static char out[256 * 1024];     /* of the last command */
static char errors[64 * 1024];
static struct bw_http_reply reply; /* of the last request */

/* ---- puppets that obey ------------------------------------------------------------------------ */

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

    puppet->group.released = (struct bw_released){0};
    report->armed_epoch = epoch;
    report->service = BW_SERVICE_STARTED;
    report->verified = true;
    report->start_begun = true;
    report->serving_epoch_started = true;
}

static void obey(struct puppet *puppet)
{
    const struct bw_sync_answer_group *told = puppet_told(puppet);
    struct bw_report *report = &puppet->group.report;

    if (told == NULL)
        return;
    report->spec_version = told->order.spec_version;
    report->let_go_index = told->order.let_go_index;
    report->prepared_index = told->order.index;
    if (told->order.epoch > report->epoch_seen)
        report->epoch_seen = told->order.epoch;
    puppet->group.renew_epoch = 0;
    if (!bw_id_equal(told->order.instance, puppet->instance))
        return;
    if (told->order.kind == BW_ORDER_STOP)
        stop_and_give_back(puppet, &told->order);
    if (told->order.kind != BW_ORDER_RUN)
        return;
    puppet->group.renew_epoch = told->order.epoch;
    if (told->confirmed_epoch != 0)
        serve(puppet, told->confirmed_epoch);
}

static void *run_agents(void *user)
{
    (void)user;
    while (!atomic_load(&agents_end)) {
        if (atomic_load(&a_owes_rejoin))
            a.group.report.joined_epoch = 1;
        if (!atomic_load(&a_is_mute) && puppet_sync_all(&a))
            obey(&a);
        if (!atomic_load(&b_is_mute) && puppet_sync_all(&b))
            obey(&b);
        (void)usleep(PAUSE_US);
    }
    return NULL;
}

static void begin_agents(void)
{
    agents_run = true;
    assert_int_equal(pthread_create(&agents, NULL, run_agents, NULL), 0);
}

static void end_agents(void)
{
    if (!agents_run)
        return;
    atomic_store(&agents_end, true);
    assert_int_equal(pthread_join(agents, NULL), 0);
    agents_run = false;
}

/* ---- the world -------------------------------------------------------------------------------- */

static void put(const char *file, const char *format, ...)
{
    char path[TRIO_PATH_BYTES];
    FILE *stream;
    va_list args;

    trio_path(&trio, file, path);
    stream = fopen(path, "w");
    assert_non_null(stream);
    va_start(args, format);
    assert_true(vfprintf(stream, format, args) > 0);
    va_end(args);
    assert_int_equal(fclose(stream), 0);
}

/* A site counts as connected for two of these intervals and a request: seven seconds. */
static const char *const groups_text =
    "groups:\n  - name: harbor\n    sites: [{name: dc-a, priority: 100}, {name: dc-b, priority: "
    "50}]\n    lease_ttl: %s\n    fence_timeout: 500ms\n    renew_interval: 3s\n"
    "    margin: 50ms\n    switchover_timeout: 30s\n";

static void put_cli(const char *file, const char *identity, const int *which, int count)
{
    char endpoints[256] = "";

    for (int i = 0; i < count; i++)
        (void)snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints),
                       "%s\"127.0.0.1:%d\"", i > 0 ? ", " : "", trio.api[which[i]]);
    put(file, "endpoints: [%s]\ntls: {ca: %s/ca.pem, identity: %s/%s}\n", endpoints, trio.pki.dir,
        trio.pki.dir, identity);
}

static int setup(void **state)
{
    static const int all[] = {0, 1, 2};
    char path[TEST_PKI_PATH_BYTES];
    struct bw_diag diag = {0};

    (void)state;
    trio_init(&trio);
    test_pki_issue_uri(&trio.pki, "operator.pem", "breakwater://prod/operator/anna", path);
    assert_int_equal(bw_credentials_load(trio.pki.ca_path, path, &operator_credentials, &diag),
                     BW_OK);
    test_pki_issue_uri(&trio.pki, "looker.pem", "breakwater://prod/viewer/vera", path);
    put_cli("cli.yaml", "operator.pem", all, 3);
    put_cli("viewer.yaml", "looker.pem", all, 3);
    put("groups.yaml", groups_text, "10s");
    puppet_init(&a, &trio, "dc-a", "harbor");
    puppet_init(&b, &trio, "dc-b", "harbor");
    trio_start_all(&trio, TRIO_EXECUTED);
    (void)trio_leader(&trio);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_agents();
    bw_http_reply_deinit(&reply);
    bw_credentials_free(operator_credentials);
    puppet_deinit(&a);
    puppet_deinit(&b);
    trio_deinit(&trio);
    return 0;
}

static void read_errors(void)
{
    char path[TRIO_PATH_BYTES];
    size_t size;
    FILE *stream;

    trio_path(&trio, "run1.log", path);
    stream = fopen(path, "r");
    assert_non_null(stream);
    size = fread(errors, 1, sizeof errors - 1, stream);
    errors[size] = '\0';
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(truncate(path, 0), 0);
}

/* Runs breakwater with these words and the configuration `config`; its exit status. What it printed
 * is in `out` and `errors`. */
static int run_once(const char *config, const char *words)
{
    char line[512];
    char path[TRIO_PATH_BYTES];
    char *argv[24] = {NULL};
    size_t count = 1;
    int status;

    (void)snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        argv[count++] = word;
    trio_path(&trio, config, path);
    argv[count++] = (char[]){"--config"};
    argv[count++] = path;
    assert_true(count < sizeof argv / sizeof argv[0]);
    status = trio_run(&trio, argv, out, sizeof out);
    read_errors();
    return status;
}

static void assert_says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, text);
}

/* The same; while witnesses elect a leader, of which nobody here knows, again. */
static int run(const char *config, const char *words)
{
    int status = NO_QUORUM;

    for (int i = 0; i < TRIES && status == NO_QUORUM; i++)
        status = run_once(config, words);
    return status;
}

/* What a command that changes nothing says of the moment is no more than that: again until it ends
 * with `expected` and says `part`. */
static void until_it_says(const char *config, const char *words, int expected, const char *part)
{
    int status = -1;

    for (int i = 0; i < TRIES; i++) {
        status = run_once(config, words);
        if (status == expected && strstr(out, part) != NULL)
            return;
        (void)usleep(PAUSE_US);
    }
    fail_msg("%s: exit %d, not %d, or no \"%s\" in:\n%s%s", words, status, expected, part, out,
             errors);
}

/* apply of a file of the trio's directory. */
static int apply(const char *file, const char *more)
{
    char words[400];
    char path[TRIO_PATH_BYTES];

    trio_path(&trio, file, path);
    (void)snprintf(words, sizeof words, "apply -f %s %s", path, more);
    return run("cli.yaml", words);
}

/* Any request to witness `i`; the HTTP status, `reply` has the body. */
static int ask(const struct bw_credentials *credentials, int i, const char *method,
               const char *path, const char *body, size_t size)
{
    char url[256];
    const struct bw_http_call call = {.method = method,
                                      .url = url,
                                      .content_type = body != NULL ? "application/json" : NULL,
                                      .body = body,
                                      .body_size = size,
                                      .timeout_ms = TRIO_WAIT_MS,
                                      .connect_timeout_ms = TRIO_WAIT_MS,
                                      .response_bytes_max = 4 * 1024 * 1024};
    struct bw_diag diag = {0};

    bw_http_reply_deinit(&reply);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d%s", trio.api[i], path);
    if (bw_http_client_call(credentials, &call, &reply, &diag) != BW_OK)
        fail_msg("%s %s: %s", method, path, diag.text);
    return reply.status;
}

/* At whoever leads; 421 and 503 mean that another was elected meanwhile. */
static int ask_leader(const struct bw_credentials *credentials, const char *method,
                      const char *path, const char *body, size_t size)
{
    int status = 503;

    for (int i = 0; i < TRIES && (status == 421 || status == 503); i++)
        status = ask(credentials, trio_leader(&trio), method, path, body, size);
    return status;
}

static int put_groups(const char *body)
{
    return ask_leader(operator_credentials, "PUT", "/v1/groups", body, strlen(body));
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, 0, &error);

    if (value == NULL)
        fail_msg("%d:%d: %s in:\n%.2000s", error.line, error.column, error.text, text);
    return value;
}

/* The whole status as the leader tells it. */
static json_t *get_status(void)
{
    for (int i = 0; i < TRIES; i++) {
        json_t *status;

        assert_int_equal(ask_leader(operator_credentials, "GET", "/v1/status", NULL, 0), 200);
        status = parse(reply.body);
        if (json_is_true(json_object_get(status, "leads")))
            return status;
        json_decref(status);
    }
    fail_msg("nobody says that it leads");
    return NULL;
}

static bool holds_and_serves(const char *site)
{
    json_t *status = get_status();
    json_t *group = json_array_get(json_object_get(status, "groups"), 0);
    const char *holder = json_string_value(json_object_get(group, "holder"));
    bool is_serving = false;
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(group, "sites"), i, one) {
        if (holder != NULL && strcmp(holder, site) == 0 &&
            strcmp(json_string_value(json_object_get(one, "name")), site) == 0)
            is_serving = json_is_true(json_object_get(one, "serving"));
    }
    json_decref(status);
    return is_serving;
}

static void wait_until_serving(const char *site)
{
    for (int i = 0; i < TRIES; i++) {
        if (holds_and_serves(site))
            return;
        (void)usleep(PAUSE_US);
    }
    fail_msg("%s does not serve: %s", site, reply.body);
}

/* ---- before any agent ------------------------------------------------------------------------- */

static void status_without_groups_says_what_is_next(void **state)
{
    (void)state;

    until_it_says("cli.yaml", "status", 0, "quorum 3 of 3");

    assert_says(out, "breakwater apply -f");
}

static void a_file_with_problems_is_refused_before_anybody_is_asked(void **state)
{
    (void)state;
    put("bad.yaml", "groups:\n  - name: harbor\n    sites: [{name: dc-a}]\n    lease_tll: 5s\n");

    const int status = apply("bad.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(errors, "bad.yaml:4:5");
    assert_says(errors, "nothing was changed");
}

/* Offline nobody knows the election timeout: the witnesses judge it (4). */
static void timings_that_an_election_would_break_are_refused_by_the_witnesses(void **state)
{
    (void)state;
    put("short.yaml", groups_text, "1s");

    const int status = apply("short.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(errors, "groups[0].lease_ttl_ms: ");
    assert_says(errors, "election_timeout 300ms");
    assert_says(errors, "nothing was changed");
}

static void apply_without_a_terminal_and_without_yes_changes_nothing(void **state)
{
    (void)state;

    const int status = apply("groups.yaml", "");

    assert_int_equal(status, 2);
    assert_says(errors, "--plan");
    until_it_says("cli.yaml", "status", 0, "breakwater apply -f"); /* still no group */
}

static void apply_with_plan_tells_and_changes_nothing(void **state)
{
    (void)state;

    const int status = apply("groups.yaml", "--plan");

    assert_int_equal(status, 0);
    assert_says(out, "created    harbor");
    assert_says(out, "Nothing was changed");
    until_it_says("cli.yaml", "status", 0, "breakwater apply -f"); /* still no group */
}

static void apply_creates_a_group_and_again_finds_it_unchanged(void **state)
{
    (void)state;

    assert_int_equal(apply("groups.yaml", "--yes"), 0);
    assert_says(out, "created    harbor   index ");
    assert_int_equal(apply("groups.yaml", "--yes"), 0);
    assert_says(out, "unchanged  harbor\n");
    put("other.yaml", groups_text, "11s");
    assert_int_equal(apply("other.yaml", "--yes"), 0);
    assert_says(out, "changed    harbor");
    assert_says(out, "lease_ttl_ms: 10000 -> 11000");
    assert_int_equal(apply("groups.yaml", "--yes"), 0);
}

static void status_of_a_group_without_agents_exits_4(void **state)
{
    (void)state;

    const int status = run("cli.yaml", "status harbor");

    assert_int_equal(status, 4);
    assert_says(out, "phase VACANT");
    assert_says(out, "no site is active");
    assert_says(out, "dc-a: not connected");
    assert_int_equal(run("cli.yaml", "status harbour"), 1);
    assert_says(errors, "there is no group \"harbour\"");
}

/* ---- hostile bodies --------------------------------------------------------------------------- */

static void garbage_is_refused_as_no_json(void **state)
{
    (void)state;

    assert_int_equal(put_groups("{\"groups\":[{"), 400);
    assert_says(reply.body, "the body is no JSON");
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
        assert_says(reply.body, part);
    }
    assert_says(reply.body, "nothing was changed");
}

static void one_bad_group_keeps_the_good_ones_out(void **state)
{
    (void)state;

    const int status = put_groups(
        "{\"groups\":[{\"name\":\"good\",\"sites\":[{\"name\":\"a\"},{\"name\":\"b\"}]},"
        "{\"name\":\"bad\",\"sites\":[]}]}");

    assert_int_equal(status, 422);
    assert_int_equal(ask_leader(operator_credentials, "GET", "/v1/groups/good", NULL,
                         0),
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

    assert_int_equal(ask_leader(operator_credentials, "PUT", "/v1/groups", body,
                         200 * 1024),
                     400);
    assert_says(reply.body, "no JSON");
    assert_int_equal(ask_leader(operator_credentials, "PUT", "/v1/groups", body, size),
                     413);
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
        {"/v1/groups/harbor/failover", "{\"reason\":\"a\\nb\"}", 422, "control character"},
        {"/v1/groups/harbor/failover", "{\"to\":\"nowhere\"}", 404, "no site of harbor"},
        {"/v1/groups/harbor/switchover", "{\"to\":\"dc-b\",\"timeout_ms\":0.5}", 422, "timeout_ms"},
        {"/v1/groups/harbor/switchover", "{}", 422, "--to"},
        {"/v1/groups/nothing/switchover", "{\"to\":\"dc-b\"}", 404, "no group"},
        {"/v1/groups/harbor/switchover?plan=2", "{}", 400, "plan is 1 or 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int status = ask_leader(operator_credentials, "POST", cases[i].path,
                               cases[i].body, strlen(cases[i].body));

        if (status != cases[i].status)
            fail_msg("%s %s: %d %s", cases[i].path, cases[i].body, status, reply.body);
        assert_says(reply.body, cases[i].says);
    }
}

/* ---- rights and leaders ----------------------------------------------------------------------- */

static void a_viewer_may_look_and_not_change(void **state)
{
    (void)state;

    assert_int_equal(run("viewer.yaml", "status"), 4);
    assert_int_equal(run("viewer.yaml", "failover harbor --yes"), 1);
    assert_says(errors, "viewer/vera");
    assert_int_equal(ask_leader(trio.viewer, "PUT", "/v1/groups", "{}", 2), 403);
    assert_int_equal(ask_leader(a.credentials, "GET", "/v1/status", NULL, 0), 200);
}

static void a_follower_names_the_leader_and_the_command_follows(void **state)
{
    char address[40] = "";
    int follower = -1;
    int status = 0;

    (void)state;
    for (int i = 0; i < TRIES && (status != 421 || strstr(reply.body, address) == NULL); i++) {
        follower = trio_follower(&trio);
        (void)snprintf(address, sizeof address, "\"address\":\"127.0.0.1:%d\"",
                       trio.api[trio_leader(&trio)]);
        status = ask(operator_credentials, follower, "PUT", "/v1/groups", "{}", 2);
    }
    assert_int_equal(status, 421);
    assert_says(reply.body, address);
    put_cli("follower.yaml", "operator.pem", &follower, 1);
    assert_int_equal(run("follower.yaml", "failover harbor --plan"), 0);
    assert_says(out, "Nothing was changed");
}

static void any_witness_answers_questions(void **state)
{
    int follower = trio_follower(&trio);

    (void)state;
    assert_int_equal(ask(trio.viewer, follower, "GET", "/v1/groups", NULL, 0), 200);
    assert_says(reply.body, "\"lease_ttl_ms\":10000");
    assert_int_equal(ask(trio.viewer, follower, "GET", "/v1/groups/harbor/explain", NULL, 0), 200);
    assert_says(reply.body, "\"id\":\"leads\"");
    for (int i = 0; i < TRIES; i++, follower = trio_follower(&trio)) {
        assert_int_equal(ask(trio.viewer, follower, "GET", "/v1/status", NULL, 0), 200);
        if (strstr(reply.body, "\"leads\":false") != NULL)
            return;
    }
    fail_msg("no follower says that it does not lead");
}

static void explain_says_what_the_group_waits_for(void **state)
{
    (void)state;

    until_it_says("cli.yaml", "explain harbor", 0, "It does nothing now");

    assert_says(out, "dc-a may not be granted unplanned:");
}

/* ---- with agents ------------------------------------------------------------------------------ */

static const char *type_of(const json_t *value)
{
    static const char *const words[] = {"object",  "array", "string", "integer",
                                        "real",    "bool",  "bool",   "null"};

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
    begin_agents();
    wait_until_serving("dc-a");

    status = get_status();

    group = json_array_get(json_object_get(status, "groups"), 0);
    site = json_array_get(json_object_get(group, "sites"), 0);
    witness = json_array_get(json_object_get(status, "witnesses"), 0);
    assert_string_equal(json_string_value(json_object_get(status, "schema")),
                        "breakwater.status/v1");
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

    until_it_says("cli.yaml", "status", 0, "Failover to dc-b: possible.");

    assert_says(out, "phase GRANTED");
    assert_says(out, "s left");
}

static void status_as_json_has_what_each_witness_reaches(void **state)
{
    json_t *status;

    (void)state;

    until_it_says("cli.yaml", "status -o json", 0, "\"reaches\"");

    status = parse(out);
    for (size_t i = 0; i < TRIO_WITNESSES; i++) {
        const json_t *member = json_array_get(json_object_get(status, "witnesses"), i);
        const char *name = json_string_value(json_object_get(member, "name"));
        size_t place;
        json_t *reached;

        assert_member(member, "reaches", "array");
        json_array_foreach(json_object_get(member, "reaches"), place, reached)
            assert_string_not_equal(json_string_value(reached), name); /* it is another's list */
    }
    json_decref(status);
}

static void failover_with_a_live_holder_is_refused_and_names_switchover(void **state)
{
    (void)state;

    wait_until_serving("dc-a");
    const int status = run("cli.yaml", "failover harbor --to dc-b --yes");

    assert_int_equal(status, REFUSED);
    assert_says(errors, "use switchover");
    assert_int_equal(run("cli.yaml", "failover harbor --to dc-b --plan"), REFUSED);
    wait_until_serving("dc-a");
    assert_int_equal(run("cli.yaml", "history harbor"), 0);
    assert_null(strstr(out, "dc-b")); /* it was never anywhere else */
}

static void the_plan_of_a_switchover_changes_nothing(void **state)
{
    json_t *before, *after;

    (void)state;
    until_it_says("cli.yaml", "status", 0, "Failover to dc-b: possible.");
    before = get_status();

    const int status = run("cli.yaml", "switchover harbor --to dc-b --plan");

    after = get_status();
    assert_int_equal(status, 0);
    assert_says(out, " 1 dc-a is told to stop harbor (Revoke of epoch 1)");
    assert_says(out, "Nothing was changed");
    assert_true(json_equal(json_object_get(before, "index"), json_object_get(after, "index")));
    assert_true(json_is_null(json_object_get(
        json_array_get(json_object_get(after, "groups"), 0), "wish")));
    json_decref(before);
    json_decref(after);
}

static void a_switchover_is_done_and_in_the_history_with_its_author(void **state)
{
    json_t *history, *entry;

    (void)state;

    int status = REFUSED; /* while the leader has not heard of dc-b lately */

    for (int i = 0; i < TRIES && status == REFUSED; i++) {
        status = run("cli.yaml", "switchover harbor --to dc-b --reason drill --yes");
        (void)usleep(PAUSE_US);
    }
    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, out, errors);
    assert_says(out, "done: dc-b serves in epoch 2");
    assert_int_equal(run("cli.yaml", "history harbor -o json"), 0);
    history = parse(out);
    entry = json_array_get(json_object_get(history, "entries"), 0);
    assert_string_equal(json_string_value(json_object_get(history, "schema")),
                        "breakwater.history/v1");
    assert_string_equal(json_string_value(json_object_get(entry, "by")), "operator/anna");
    assert_string_equal(json_string_value(json_object_get(entry, "site")), "dc-b");
    assert_string_equal(json_string_value(json_object_get(entry, "previous_site")), "dc-a");
    assert_string_equal(json_string_value(json_object_get(entry, "reason")), "switchover");
    assert_true(json_is_true(json_object_get(entry, "planned")));
    assert_member(entry, "index", "integer");
    assert_member(entry, "time", "string");
    assert_member(entry, "grade", "string");
    assert_member(entry, "timeline", "array");
    json_decref(history);
    assert_int_equal(run("cli.yaml", "history -n 1"), 0);
    assert_says(out, "switchover dc-a -> dc-b");
    assert_null(strstr(out, "first_grant"));
}

/* There is one level yet: the newest of everybody. */
static void the_feature_level_is_the_newest_and_only_an_operator_raises_it(void **state)
{
    (void)state;
    until_it_says("cli.yaml", "feature-level", 0, "guard     dc-b                      1");
    assert_says(out, "feature level 1, the newest that w");
    assert_says(out, "witness   w1                        1");
    assert_says(out, "witness   w3                        1");
    assert_says(out, "agent     dc-a                      1");
    assert_int_equal(run("viewer.yaml", "feature-level -o json"), 0);
    assert_says(out, "\"schema\": \"breakwater.feature-level/v1\"");

    assert_int_equal(run("cli.yaml", "feature-level raise"), 2); /* no terminal */
    assert_int_equal(run("cli.yaml", "feature-level raise --plan"), 0);
    assert_int_equal(run("cli.yaml", "feature-level raise --without dc-b --reason new --yes"), 0);
    assert_says(out, "the newest that this program knows: there is nothing to raise");
    assert_int_equal(run("viewer.yaml", "feature-level raise --yes"), 1);
    assert_says(errors, "operator's certificate");
    assert_int_equal(ask_leader(operator_credentials, "POST", "/v1/feature-level/raise",
                                "{\"to\":2}", 8),
                     409);
    assert_int_equal(ask_leader(operator_credentials, "POST", "/v1/feature-level/raise",
                                "{\"to\":\"x\"}", 10),
                     422);
}

static void a_holder_cannot_be_applied_away(void **state)
{
    (void)state;
    put("away.yaml", "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-c}]\n");

    const int status = apply("away.yaml", "--yes");

    assert_int_equal(status, 1);
    assert_says(errors, "dc-b holds harbor and cannot leave it; switch over first");
}

static void a_first_primary_is_chosen_only_before_the_first_grant(void **state)
{
    (void)state;

    const int status = apply("groups.yaml", "--initial-primary dc-a --yes");

    assert_int_equal(status, 1);
    assert_says(errors, "dc-b says that harbor runs there already");
    assert_says(errors, "use switchover or failover");
}

/* ---- metrics ---------------------------------------------------------------------------------- */

static bool has_lines(const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(reply.body, lines[i]) == NULL)
            return false;
    return true;
}

/* What all witnesses have counted together, each since it was started. */
static double sum_of(const char *metric)
{
    double sum = 0;

    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const char *at;

        assert_int_equal(ask(trio.viewer, i, "GET", "/metrics", NULL, 0), 200);
        at = strstr(reply.body, metric);
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
        "\nbreakwater_decisions_total{decision=\"Grant\"} 2\n", /* as each witness applies them */
        "\nbreakwater_certificate_expiry_timestamp_seconds{role=\"witness\"} ",
        "\nbreakwater_lease_expiry_timestamp_seconds{group=\"harbor\",site=\"dc-b\"} ",
    };
    const size_t count = sizeof lines / sizeof lines[0];

    (void)state;
    for (int i = 0; i < TRIES; i++) { /* of the moment: another leader begins to hear anew */
        assert_int_equal(ask_leader(trio.viewer, "GET", "/metrics", NULL, 0), 200);
        if (has_lines(lines, count))
            break;
        (void)usleep(PAUSE_US);
    }

    for (size_t i = 0; i < count; i++)
        assert_says(reply.body, lines[i]);
    assert_true(sum_of("\nbreakwater_http_requests_total{route=\"/v1/groups/{name}/switchover\","
                       "code=\"202\"} ") == 1);
}

static void metrics_are_what_promtool_accepts(void **state)
{
    FILE *tool;
    int status;

    (void)state;
    if (system("command -v promtool >/dev/null") != 0) {
        print_message("promtool is not installed: skipped\n");
        skip();
    }
    assert_int_equal(ask_leader(trio.viewer, "GET", "/metrics", NULL, 0), 200);

    tool = popen("promtool check metrics >&2", "w");
    assert_non_null(tool);
    assert_int_equal(fwrite(reply.body, 1, reply.body_size, tool), reply.body_size);
    status = pclose(tool);

    assert_int_equal(status, 0);
}

/* metrics_open is false here. */
static void metrics_need_a_certificate_unless_they_are_open(void **state)
{
    SSL_CTX *nobody = test_pki_client(trio.pki.ca_path, NULL);
    struct test_https client;
    struct test_answer answer = {0};

    (void)state;
    assert_true(test_https_open(&client, trio.api[0], nobody));
    assert_true(test_https_say(&client, "GET /metrics HTTP/1.1\r\nHost: w1\r\n\r\n"));

    test_https_hear(&client, false, &answer);

    assert_int_equal(answer.status, 401);
    test_https_close(&client);
    SSL_CTX_free(nobody);
}

/* ---- a lost holder ---------------------------------------------------------------------------- */

/* In mode manual nobody else would grant it; the wait of 3.3 is never shortened. Whom dc-a would have to
 * follow is lost, so a person must say that its data is to be taken as it is. */
static void failover_of_a_lost_holder_waits_for_its_lease_and_is_done(void **state)
{
    int status = REFUSED;

    (void)state;
    put("manual.yaml", groups_text, "10s\n    mode: manual");
    assert_int_equal(apply("manual.yaml", "--yes"), 0);
    assert_says(out, "mode: auto -> manual");
    atomic_store(&a_owes_rejoin, true);
    atomic_store(&b_is_mute, true);

    for (int i = 0; i < TRIES && strstr(errors, "dc-a owes a rejoin") == NULL; i++) {
        assert_int_equal(run("cli.yaml", "failover harbor --to dc-a --yes"), REFUSED);
        (void)usleep(PAUSE_US);
    }
    assert_says(errors, "breakwater failover harbor --to dc-a --accept-data-loss");
    for (int i = 0; i < TRIES && status == REFUSED; i++) { /* refused as long as dc-b seems alive */
        status = run("cli.yaml",
                     "failover harbor --to dc-a --accept-data-loss --reason lost --yes");
        (void)usleep(PAUSE_US);
    }

    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, out, errors);
    assert_says(out, "done: dc-a serves in epoch 3");
    assert_int_equal(run("cli.yaml", "history harbor -n 2"), 0);
    assert_says(out, "failover dc-b -> dc-a    operator/anna");
    assert_says(out, "expired, site_lost");
}

/* ---- an epoch that time does not end ---------------------------------------------------------- */

static void nobody_is_vouched_for_who_serves_or_holds_nothing(void **state)
{
    (void)state;
    put("fenced.yaml", groups_text, "10s\n    mode: manual\n    min_grade: fenced");
    assert_int_equal(apply("fenced.yaml", "--yes"), 0);
    atomic_store(&b_is_mute, false);
    wait_until_serving("dc-a");

    assert_int_equal(run("cli.yaml", "force-release harbor --site dc-a"), 2); /* no terminal */
    assert_int_equal(run("cli.yaml", "force-release harbor --yes"), 2);
    assert_says(errors, "--site SITE");
    assert_int_equal(run("cli.yaml", "force-release harbor --site dc-a --holder-is-off --yes"),
                     REFUSED);
    assert_says(out, "dc-a holds epoch 3 of harbor since ");
    assert_says(errors, "dc-a answers, and says that harbor runs there");
    assert_int_equal(run("cli.yaml", "force-release harbor --site dc-b --yes"), REFUSED);
    assert_says(errors, "dc-b does not hold harbor: dc-a does, in epoch 3");
    assert_int_equal(run("viewer.yaml", "force-release harbor --site dc-a --yes"), 1);
    assert_says(errors, "operator's certificate");
    assert_int_equal(ask_leader(operator_credentials, "POST", "/v1/groups/harbor/force-release",
                                "{\"site\":\"dc-a\"}", 15),
                     422);
    assert_says(reply.body, "not the number of the epoch that is to end");
    wait_until_serving("dc-a");
}

/* The leader that was told ends between Close and Forced: what it was told is in the record, and is
 * said again. */
static void a_lost_site_that_time_does_not_end_is_ended_by_a_persons_word(void **state)
{
    int leader, status = REFUSED;

    (void)state;
    atomic_store(&a_is_mute, true);
    for (int i = 0; i < TRIES && strstr(errors, "breakwater force-release") == NULL; i++) {
        assert_int_equal(run("cli.yaml", "failover harbor --to dc-b --yes"), REFUSED);
        (void)usleep(PAUSE_US);
    }
    assert_says(errors, "time alone does not end epoch 3 of harbor at dc-a (gate grade");
    assert_says(errors, "breakwater force-release harbor --site dc-a");
    for (int i = 0; i < TRIES && status == REFUSED; i++) { /* refused as long as dc-a seems alive */
        status = run("cli.yaml", "force-release harbor --site dc-a --reason fire --no-wait --yes");
        (void)usleep(PAUSE_US);
    }
    assert_int_equal(status, 0);
    leader = trio_leader(&trio);
    (void)trio_stop(&trio, leader, SIGKILL);
    until_it_says("cli.yaml", "status harbor", 4, "was closed on the word of operator/anna: fire");
    assert_says(out, "breakwater force-release harbor --site dc-a");
    assert_int_equal(ask_leader(trio.viewer, "GET", "/metrics", NULL, 0), 200);
    assert_says(reply.body, "\nbreakwater_group_needs_person{group=\"harbor\"} 1\n");
    assert_says(reply.body, "\nbreakwater_group_failover_possible{group=\"harbor\"} 0\n");
    trio_start(&trio, leader, TRIO_EXECUTED);

    status = run("cli.yaml", "force-release harbor --site dc-a --reason again --yes");

    if (status != 0)
        fail_msg("exit %d\n%s\n%s", status, out, errors);
    assert_says(out, "done: epoch 3 of dc-a is over (forced)");
    assert_int_equal(run("cli.yaml", "force-release harbor --site dc-a --yes"), 0);
    assert_says(out, "nothing to do: no site holds harbor: epoch 3 of dc-a is over (forced)");
    assert_int_equal(run("cli.yaml", "history harbor -n 1"), 0);
    assert_says(out, "forced, operator (operator/anna: again)");
}

/* ---- without a quorum ------------------------------------------------------------------------- */

static void without_a_quorum_commands_say_why_and_exit_5(void **state)
{
    const int leader = trio_leader(&trio);

    (void)state;
    end_agents();
    for (int i = 0; i < TRIO_WITNESSES; i++)
        if (i != leader)
            (void)trio_stop(&trio, i, SIGKILL);
    for (int i = 0; i < TRIES && run_once("cli.yaml", "status") != NO_QUORUM; i++)
        (void)usleep(PAUSE_US);

    const int status = run_once("cli.yaml", "switchover harbor --to dc-a --yes");

    assert_int_equal(status, NO_QUORUM);
    assert_says(errors, "error: no quorum: 1 of 3 witnesses answers (needs 2); nothing was changed");
    assert_says(errors, "refused");
    assert_int_equal(run_once("cli.yaml", "status"), NO_QUORUM);
    assert_int_equal(run("cli.yaml", "history"), 0);
    assert_says(errors, "no leader answers");
    assert_says(out, "switchover dc-a -> dc-b");
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
        cmocka_unit_test(status_of_a_group_without_agents_exits_4),
        cmocka_unit_test(garbage_is_refused_as_no_json),
        cmocka_unit_test(every_problem_is_named_at_once),
        cmocka_unit_test(one_bad_group_keeps_the_good_ones_out),
        cmocka_unit_test(deep_and_large_bodies_are_refused),
        cmocka_unit_test(orders_with_wrong_members_are_refused),
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
        cmocka_unit_test(metrics_tell_what_was_decided),
        cmocka_unit_test(metrics_are_what_promtool_accepts),
        cmocka_unit_test(metrics_need_a_certificate_unless_they_are_open),
        cmocka_unit_test(failover_of_a_lost_holder_waits_for_its_lease_and_is_done),
        cmocka_unit_test(nobody_is_vouched_for_who_serves_or_holds_nothing),
        cmocka_unit_test(a_lost_site_that_time_does_not_end_is_ended_by_a_persons_word),
        cmocka_unit_test(without_a_quorum_commands_say_why_and_exit_5),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
