#include "patience.h"
#include "real_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/net/http_client.h>
#include <breakwater/sys/clock.h>

#include "janitor.h"
#include "real_files.h"

#define LOOK_US  100000
#define BEGIN_MS 5000
#define CALL_MS  10000

static uint64_t now_ms(void)
{
    return bw_clock_now().boot_ns / BW_NS_PER_MS;
}

/* ---- asking ---- */

/* The HTTP status; 0: no answer. The body, ended by NUL, is the caller's to free. */
static int call(const struct real_cluster *cluster, int witness, const char *method,
                const char *path, const char *body, char **out_body)
{
    char url[256];
    const struct bw_http_call request = {
        .method = method,
        .url = url,
        .content_type = strcmp(method, "GET") != 0 ? "application/json" : NULL,
        .body = body,
        .body_size = body != NULL ? strlen(body) : 0,
        .timeout_ms = 3 * CALL_MS,
        .connect_timeout_ms = CALL_MS,
        .response_bytes_max = 1024 * 1024};
    struct bw_http_reply reply;
    struct bw_diag diag = {0};
    int status = 0;

    *out_body = NULL;
    if (cluster->trio.pids[witness] == 0)
        return 0;
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d%s", cluster->trio.api[witness], path);
    if (bw_http_client_call(cluster->operator, & request, &reply, &diag) == BW_OK) {
        status = reply.status;
        *out_body = strdup(reply.body);
    }
    bw_http_reply_deinit(&reply);
    return status;
}

static json_t *get(const struct real_cluster *cluster, int witness, const char *path)
{
    char *body;
    json_t *document = NULL;

    if (call(cluster, witness, "GET", path, NULL, &body) == 200)
        document = json_loads(body, 0, NULL);
    free(body);
    return document;
}

/* To whoever leads; 421 and 503 mean that it must be asked again. */
static int ask(struct real_cluster *cluster, const char *method, const char *path, const char *body,
               char *answer, size_t size)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    while (!patience_is_over(&patience)) {
        for (int i = 0; i < TRIO_WITNESSES; i++) {
            char *text;
            const int status = call(cluster, (cluster->led + i) % TRIO_WITNESSES, method, path,
                                    body, &text);

            if (status != 0 && status != 421 && status != 503) {
                if (answer != NULL)
                    (void)snprintf(answer, size, "%s", text);
                free(text);
                return status;
            }
            free(text);
        }
        (void)usleep(LOOK_US);
    }
    patience_fail("a witness takes %s %s", method, path);
}

static int apply(struct real_cluster *cluster, const char *initial_primary, char *answer,
                 size_t size)
{
    json_t *body = json_pack("{s:[O], s:{}}", "groups", cluster->spec, "initial_primary");
    json_t *initial = json_object_get(body, "initial_primary");
    char *text;
    int status;

    if (initial_primary != NULL)
        assert_int_equal(json_object_set_new(initial, "harbor", json_string(initial_primary)), 0);
    text = json_dumps(body, JSON_COMPACT);
    assert_non_null(text);
    status = ask(cluster, "PUT", "/v1/groups", text, answer, size);
    free(text);
    json_decref(body);
    return status;
}

int real_apply_status(struct real_cluster *cluster, char *answer, size_t size)
{
    return apply(cluster, NULL, answer, size);
}

static void must_apply(struct real_cluster *cluster, const char *initial_primary)
{
    char answer[1024] = "";
    const int status = apply(cluster, initial_primary, answer, sizeof answer);

    if (status != 200)
        fail_msg("apply: %d %s", status, answer);
}

void real_apply(struct real_cluster *cluster)
{
    must_apply(cluster, NULL);
}

void real_apply_first(struct real_cluster *cluster)
{
    must_apply(cluster, cluster->sites[0].name);
}

/* Of the service of an epoch that nobody has seen, no time says that it is over (3.4). */
static bool is_reach_seen(struct real_cluster *cluster, int site)
{
    const char *seen = json_string_value(
        json_object_get(json_object_get(cluster->group, "last"), "reach_seen"));

    (void)site;
    return seen != NULL && strcmp(seen, "unseen") != 0;
}

void real_lose_holder(struct real_cluster *cluster, int number)
{
    struct real_site *site = &cluster->sites[number];
    pid_t service;

    real_until(cluster, is_reach_seen, number, "it is committed where the service was seen");
    service = real_service(cluster, number);
    if (site->loop > 0)
        (void)real_end(&site->loop, SIGKILL);
    (void)real_end(&site->agent, SIGKILL); /* first: without its guard it could fence */
    (void)real_end(&site->guard, SIGKILL);
    janitor_end_enforcers(site->name);
    if (service > 0)
        assert_int_equal(kill(service, SIGKILL), 0);
}

void real_serve(struct real_cluster *cluster)
{
    real_start_sites(cluster);
    real_apply_first(cluster);
    real_until(cluster, real_serves, 0, "the first site serves");
    real_until(cluster, is_reach_seen, 0, "it is committed where the service was seen");
    for (int site = 1; site < cluster->site_count; site++)
        real_until(cluster, real_is_enforced, site, "the others know of the epoch");
    assert_int_equal(real_number(cluster, "epoch"), 1);
}

int real_order(struct real_cluster *cluster, const char *verb, const char *body)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/v1/groups/harbor/%s", verb);
    return ask(cluster, "POST", path, body, NULL, 0);
}

int real_switchover(struct real_cluster *cluster, int site, unsigned timeout_ms)
{
    char body[128];

    (void)snprintf(body, sizeof body, "{\"to\": \"%s\", \"timeout_ms\": %u}",
                   cluster->sites[site].name, timeout_ms);
    return real_order(cluster, "switchover", body);
}

/* It is to be at `site`, or was ended for it. */
static bool has_begun(const struct real_cluster *cluster, int site, int64_t epoch)
{
    return real_number(cluster, "epoch") > epoch || real_says(cluster, "phase", "VACANT") ||
           real_says(cluster, "target", cluster->sites[site].name);
}

void real_begin_switchover(struct real_cluster *cluster, int site, unsigned timeout_ms)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);
    int64_t epoch = -1;
    int status = 0;

    while (!patience_is_over(&patience)) {
        if (epoch < 0 && real_look(cluster))
            epoch = real_number(cluster, "epoch");
        if (epoch >= 0)
            status = real_switchover(cluster, site, timeout_ms);
        if (status != 202 && status != 409 && status != 0)
            fail_msg("the move to %s is refused: %d", cluster->sites[site].name, status);
        for (const uint64_t end = now_ms() + BEGIN_MS; status == 202 && now_ms() < end;) {
            if (real_look(cluster) && has_begun(cluster, site, epoch))
                return;
            (void)usleep(LOOK_US);
        }
        (void)usleep(LOOK_US);
    }
    patience_fail("the move to %s begins: %d", cluster->sites[site].name, status);
}

void real_spec_number(struct real_cluster *cluster, const char *key, int value)
{
    assert_int_equal(json_object_set_new(cluster->spec, key, json_integer(value)), 0);
}

void real_spec_text(struct real_cluster *cluster, const char *key, const char *value)
{
    assert_int_equal(json_object_set_new(cluster->spec, key, json_string(value)), 0);
}

/* ---- looking ---- */

char *real_get(struct real_cluster *cluster, const char *path)
{
    for (int i = 0; i < TRIO_WITNESSES; i++) {
        const int asked = (cluster->led + i) % TRIO_WITNESSES;
        json_t *status = get(cluster, asked, "/v1/status");
        const bool leads = json_is_true(json_object_get(status, "leads"));
        char *body;

        json_decref(status);
        if (leads && call(cluster, asked, "GET", path, NULL, &body) == 200)
            return body;
        if (leads)
            free(body);
    }
    return NULL;
}

bool real_look(struct real_cluster *cluster)
{
    json_decref(cluster->group);
    cluster->group = NULL;
    for (int i = 0; i < TRIO_WITNESSES && cluster->group == NULL; i++) {
        const int asked = (cluster->led + i) % TRIO_WITNESSES; /* each costs a handshake */
        json_t *document = get(cluster, asked, "/v1/status");

        if (json_is_true(json_object_get(document, "leads"))) {
            cluster->group = json_incref(json_array_get(json_object_get(document, "groups"), 0));
            cluster->led = asked;
        }
        json_decref(document);
    }
    return cluster->group != NULL;
}

static void fail_with_state(const struct real_cluster *cluster, const char *what)
{
    char *text = json_dumps(cluster->group, JSON_INDENT(1));

    (void)fprintf(stderr, "last seen: %s\n", text != NULL ? text : "no leader");
    free(text);
    for (int i = 0; i < cluster->site_count; i++)
        (void)fprintf(stderr, "journal of %s:\n%s", cluster->sites[i].name,
                      real_read(cluster, i, "journal"));
    patience_fail("%s; BREAKWATER_KEEP=1 keeps the logs", what);
}

void real_until(struct real_cluster *cluster, real_condition *is_met, int site, const char *what)
{
    struct patience patience = patience_begin(REAL_WAIT_MS);

    for (;;) {
        if (real_look(cluster) && is_met(cluster, site))
            return;
        if (patience_is_over(&patience))
            fail_with_state(cluster, what);
        (void)usleep(LOOK_US);
    }
}

bool real_for_a_lease(struct real_cluster *cluster, real_condition *holds, int site)
{
    const uint64_t ttl_ms = (uint64_t)json_integer_value(
        json_object_get(cluster->spec, "lease_ttl_ms"));
    const uint64_t end = now_ms() + ttl_ms + ttl_ms / 4;
    struct patience patience = patience_begin((unsigned)(ttl_ms + ttl_ms / 4) + REAL_WAIT_MS);

    for (;;) {
        const bool has_looked = real_look(cluster);

        if (has_looked && !holds(cluster, site))
            return false;
        if (has_looked && now_ms() > end)
            return true;
        if (patience_is_over(&patience))
            fail_with_state(cluster, "a leader answers");
        (void)usleep(LOOK_US);
    }
}

int64_t real_number(const struct real_cluster *cluster, const char *key)
{
    return json_integer_value(json_object_get(cluster->group, key));
}

bool real_says(const struct real_cluster *cluster, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(cluster->group, key));

    return value != NULL && strcmp(value, text) == 0;
}

const json_t *real_site_json(const struct real_cluster *cluster, int site)
{
    const json_t *sites = json_object_get(cluster->group, "sites");
    const json_t *one;
    size_t i;

    json_array_foreach(sites, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "name")), cluster->sites[site].name) == 0)
            return one;
    }
    return NULL;
}

bool real_site_flag(const struct real_cluster *cluster, int site, const char *key)
{
    return json_is_true(json_object_get(real_site_json(cluster, site), key));
}

bool real_site_lists(const struct real_cluster *cluster, int site, const char *key,
                     const char *word)
{
    const json_t *list = json_object_get(real_site_json(cluster, site), key);
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (strcmp(json_string_value(one), word) == 0)
            return true;
    }
    return false;
}

/* The entry of the epoch as the leader has it; NULL: it has none. */
static json_t *history_of(struct real_cluster *cluster, int64_t epoch)
{
    json_t *found = NULL;

    for (int i = 0; i < TRIO_WITNESSES && found == NULL; i++) {
        json_t *document = get(cluster, i, "/v1/groups/harbor/history");
        json_t *entry;
        size_t number;

        json_array_foreach(json_object_get(document, "entries"), number, entry)
        {
            if (json_integer_value(json_object_get(entry, "epoch")) == epoch &&
                json_is_object(json_object_get(entry, "ended")))
                found = json_incref(entry);
        }
        json_decref(document);
    }
    return found;
}

void real_assert_ended(struct real_cluster *cluster, int64_t epoch, const char *ended_by,
                       const char *reason)
{
    json_t *entry = history_of(cluster, epoch);

    if (entry == NULL)
        fail_msg("epoch %lld has no end in the history", (long long)epoch);
    assert_string_equal(json_string_value(json_object_get(entry, "ended_by")), ended_by);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(entry, "ended"), "reason")), reason);
    json_decref(entry);
}

bool real_serves(struct real_cluster *cluster, int site)
{
    return real_says(cluster, "holder", cluster->sites[site].name) &&
           real_says(cluster, "phase", "GRANTED") && real_site_flag(cluster, site, "serving") &&
           real_number(cluster, "lease_remaining_ms") > 0;
}

bool real_some_site_serves(struct real_cluster *cluster, int any)
{
    (void)any;
    for (int site = 0; site < cluster->site_count; site++)
        if (real_serves(cluster, site))
            return true;
    return false;
}

bool real_keeps_epoch_1(struct real_cluster *cluster, int site)
{
    return real_number(cluster, "epoch") == 1 &&
           real_says(cluster, "holder", cluster->sites[site].name) &&
           real_service_lives(cluster, site);
}

bool real_is_vacant(struct real_cluster *cluster, int site)
{
    (void)site;
    return real_says(cluster, "phase", "VACANT");
}

bool real_is_enforced(struct real_cluster *cluster, int site)
{
    return real_site_flag(cluster, site, "enforced");
}

bool real_is_connected(struct real_cluster *cluster, int site)
{
    return real_site_flag(cluster, site, "connected");
}
