#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/problems.h>
#include <breakwater/config/scalar.h>
#include <breakwater/net/http_client.h>
#include <breakwater/net/http_server.h>
#include <breakwater/sys/clock.h>


#define LOOKUP_MS        30000 /* where no --wait-timeout says */
#define HOPS_MAX         4
#define LEADER_WAIT_MS   5000
#define LEADER_PAUSE_MS  200
#define SYSTEM_CONFIG    "/etc/breakwater/cli.yaml"

/* ---- small things ---- */

void bw_api_pause(uint32_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

uint64_t bw_api_now_ms(void)
{
    return bw_ns_to_ms(bw_clock_now().boot_ns);
}

/* ---- configuration ---- */

/* The file that counts; "" when there is none. */
static void find_config(const struct bw_api_values *values, char out_path[BW_API_PATH_BYTES])
{
    const char *home = getenv("HOME");
    const char *from_environment = getenv("BREAKWATER_CONFIG");

    if (values->config != NULL)
        from_environment = values->config;
    if (from_environment != NULL && from_environment[0] != '\0') {
        (void)snprintf(out_path, BW_API_PATH_BYTES, "%s", from_environment);
        return;
    }
    if (home != NULL && home[0] == '/') {
        (void)snprintf(out_path, BW_API_PATH_BYTES, "%s/.config/breakwater/cli.yaml", home);
        if (access(out_path, F_OK) == 0)
            return;
    }
    (void)snprintf(out_path, BW_API_PATH_BYTES, "%s",
                   access(SYSTEM_CONFIG, F_OK) == 0 ? SYSTEM_CONFIG : "");
}

static bool add_witness(struct bw_api *api, const char *address, bool is_learnt)
{
    for (size_t i = 0; i < api->count; i++)
        if (strcmp(api->witnesses[i].address, address) == 0)
            return true;
    if (api->count == BW_API_WITNESSES_MAX)
        return false;
    if (!bw_copy_text(api->witnesses[api->count].address, BW_ADDRESS_MAX + 1, address))
        return false;
    api->witnesses[api->count++].is_learnt = is_learnt;
    return true;
}

static bool add_configured(struct bw_api *api, const struct bw_api_values *values,
                           const struct bw_cli_config *config, enum bw_exit *out_exit)
{
    const size_t given = values->endpoints.count;
    const size_t count = given > 0 ? given : config->endpoint_count;
    const char *why = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *address = given > 0 ? values->endpoints.items[i] : config->endpoints[i];

        if (!bw_address_check(address, false, &why)) {
            *out_exit = bw_usage_error(api->command, "--endpoint %s: %s", address, why);
            return false;
        }
        if (i >= BW_ENDPOINTS_MAX || !add_witness(api, address, false)) {
            *out_exit = bw_usage_error(api->command, "more than %d endpoints", BW_ENDPOINTS_MAX);
            return false;
        }
    }
    return true;
}

static enum bw_err load_credentials(struct bw_api *api, const struct bw_tls_config *tls, struct bw_diag *diag)
{
    const struct bw_identity *own;
    enum bw_err err = bw_credentials_check_owners(tls->ca, tls->identity, diag);

    if (err == BW_OK)
        err = bw_credentials_load(tls->ca, tls->identity, &api->credentials, diag);
    if (err == BW_OK)
        err = bw_credentials_revoke(api->credentials, tls->revoked, tls->revoked_count, diag);
    if (err == BW_OK) {
        own = bw_credentials_identity(api->credentials);
        err = bw_credentials_check(api->credentials, own->cluster, BW_ROLES_ANY, bw_clock_wall(),
                                   diag);
    }
    return err;
}

/* False after a message. */
static bool take_credentials(struct bw_api *api, const struct bw_tls_config *tls, enum bw_exit *out_exit)
{
    struct bw_diag diag = {0};

    if (load_credentials(api, tls, &diag) == BW_OK)
        return true;
    (void)fprintf(stderr, "error: %s: %s\n", api->command->name, diag.text);
    *out_exit = BW_EXIT_FAILED;
    return false;
}

/* NULL after a message. */
static struct bw_cli_config *load_config(const struct bw_cli_command *command, const char *path,
                                         enum bw_exit *out_exit)
{
    struct bw_cli_config *config = NULL;
    struct bw_problems problems;

    if (path[0] == '\0') {
        (void)fprintf(stderr,
                      "error: %s: no configuration: the addresses of the witnesses and your certificate are "
                      "missing\n"
                      "  looked for:  --config, $BREAKWATER_CONFIG, ~/.config/breakwater/cli.yaml, "
                      SYSTEM_CONFIG "\n"
                      "  or give:     --endpoint HOST:PORT --ca FILE --identity FILE\n",
                      command->name);
        *out_exit = BW_EXIT_USAGE;
        return NULL;
    }
    bw_problems_init(&problems);
    if (bw_cli_config_load(path, BW_CONFIG_HERE, &config, &problems) != BW_OK)
        *out_exit = BW_EXIT_FAILED;
    bw_problems_print(&problems, "no request was sent", stderr);
    bw_problems_deinit(&problems);
    return config;
}

bool bw_api_open(struct bw_api *api, const struct bw_cli_command *command,
                 const struct bw_api_values *values, uint32_t wait_ms, enum bw_exit *out_exit)
{
    static struct bw_cli_config none;
    const bool needs_file = values->endpoints.count == 0 || values->ca == NULL ||
                            values->identity == NULL;
    struct bw_cli_config *config = NULL;
    struct bw_tls_config tls = {0};
    char path[BW_API_PATH_BYTES];
    bool is_open;

    *api = (struct bw_api){.command = command, .wait_ms = wait_ms, .leader = -1};
    if (values->wait_timeout != NULL &&
        (!bw_duration_parse(values->wait_timeout, &api->wait_ms) || api->wait_ms == 0)) {
        *out_exit = bw_usage_error(command, "--wait-timeout %s: expected a duration such as 30s",
                                   values->wait_timeout);
        return false;
    }
    api->lookup_ms = values->wait_timeout != NULL ? api->wait_ms : LOOKUP_MS;
    api->names = bw_names_new(); /* NULL: each question looks up for itself */
    if (needs_file) {
        find_config(values, path);
        config = load_config(command, path, out_exit);
        if (config == NULL) {
            bw_api_close(api);
            return false;
        }
    }
    if (config != NULL && values->endpoints.count == 0)
        (void)snprintf(api->config_file, sizeof api->config_file, "%s", path); /* of its size */
    if (config != NULL)
        tls = config->tls;
    if (values->ca != NULL)
        tls.ca = values->ca;
    if (values->identity != NULL)
        tls.identity = values->identity;
    (void)snprintf(api->identity_file, sizeof api->identity_file, "%s",
                   tls.identity != NULL ? tls.identity : "");
    is_open = add_configured(api, values, config != NULL ? config : &none, out_exit) &&
              take_credentials(api, &tls, out_exit);
    bw_cli_config_free(config);
    if (!is_open)
        bw_api_close(api);
    return is_open;
}

enum bw_err bw_api_open_at_site(struct bw_api *api, const struct bw_cli_command *command,
                                const struct bw_site_config *site, struct bw_diag *diag)
{
    enum bw_err err;

    *api = (struct bw_api){.command = command, .leader = -1, .lookup_ms = LOOKUP_MS, .names = bw_names_new()};
    for (uint32_t i = 0; i < site->witness_count; i++)
        BW_ASSERT(add_witness(api, site->witnesses[i], false)); /* the loader has bounded both */
    err = load_credentials(api, &site->tls, diag);
    if (err != BW_OK)
        bw_api_close(api);
    return err;
}

static void forget(struct bw_api *api)
{
    for (size_t i = 0; i < api->count; i++) {
        json_decref(api->witnesses[i].status);
        api->witnesses[i].status = NULL;
        api->witnesses[i].err = BW_ERR_UNREACHABLE;
        api->witnesses[i].is_forbidden = false;
        api->witnesses[i].is_left_behind = false;
        api->witnesses[i].why[0] = '\0';
    }
    api->status = NULL;
    api->leader = -1;
}

void bw_api_close(struct bw_api *api)
{
    forget(api);
    bw_credentials_free(api->credentials);
    api->credentials = NULL;
    bw_names_free(api->names);
    api->names = NULL;
}

/* ---- the survey ---- */

/* Members that an answer names, which came over mutual TLS from a witness of this cluster. The name
 * of one that has answered already is no news. */
static void learn(struct bw_api *api)
{
    json_t *members = json_object_get(api->status, "witnesses");
    json_t *member;
    size_t i;

    json_array_foreach(members, i, member) {
        const char *why = NULL;
        const char *name = json_string_value(json_object_get(member, "name")); /* as long as the document */
        bool has_answered = false;

        for (size_t j = 0; j < api->count; j++)
            if (name != NULL && strcmp(bw_json_member(api->witnesses[j].status, "answered_by"), name) == 0)
                has_answered = true;
        if (!has_answered && bw_address_check(bw_json_member(member, "address"), false, &why))
            (void)add_witness(api, bw_json_member(member, "address"), true); /* more than there is room for: not asked */
    }
}

/* Each witness says itself whom it hears, how long its certificate holds, whether its disk is full, and what its file has. */
static void merge_own_words(struct bw_api *api)
{
    json_t *member;
    size_t i;

    json_array_foreach(json_object_get(api->status, "witnesses"), i, member) {
        for (size_t j = 0; j < api->count; j++) {
            json_t *own;
            size_t k;

            if (strcmp(bw_json_member(api->witnesses[j].status, "answered_by"),
                       bw_json_member(member, "name")) != 0)
                continue;
            json_array_foreach(json_object_get(api->witnesses[j].status, "witnesses"), k, own) {
                /* What it says of others is nothing, or was merged into it a moment ago. */
                if (own == member ||
                    strcmp(bw_json_member(own, "name"), bw_json_member(member, "name")) != 0)
                    continue;
                if (json_is_array(json_object_get(own, "reaches")))
                    (void)json_object_set(member, "reaches", json_object_get(own, "reaches"));
                if (json_is_array(json_object_get(own, "unreached")))
                    (void)json_object_set(member, "unreached", json_object_get(own, "unreached"));
                if (json_is_integer(json_object_get(own, "certificate_left_s")))
                    (void)json_object_set(member, "certificate_left_s",
                                          json_object_get(own, "certificate_left_s"));
                if (json_is_boolean(json_object_get(own, "disk_low")))
                    (void)json_object_set(member, "disk_low", json_object_get(own, "disk_low"));
                if (json_is_boolean(json_object_get(own, "people_not_applied")))
                    (void)json_object_set(member, "people_not_applied", json_object_get(own, "people_not_applied"));
            }
        }
    }
}

/* Beside what witnesses say, who asked them: an answer is kept for others too, and names nobody. */
static void note_caller(struct bw_api *api)
{
    const struct bw_identity *own = bw_credentials_identity(api->credentials);
    json_t *caller;

    if (api->status == NULL)
        return;
    caller = json_pack("{s:s, s:s, s:s, s:I}", "role", bw_role_text(own->role), "name", own->name,
                       "file", api->identity_file, "certificate_left_s",
                       (json_int_t)bw_credentials_left_s(api->credentials, bw_clock_wall()));
    if (caller != NULL) /* a file whose name is no text is not named */
        (void)json_object_set_new(api->status, "caller", caller);
}

bool bw_api_survey(struct bw_api *api)
{
    size_t asked = 0;

    forget(api);
    do { /* who was left behind may name one of the newer generation, and that one others */
        for (size_t i = asked; i < api->count; i++)
            api->witnesses[i].err = BW_ERR_UNREACHABLE;
        bw_api_ask_all(api, asked);
        asked = api->count;
        bw_api_choose(api);
        learn(api);
    } while (api->count > asked);
    bw_api_tell_left_behind(api);
    merge_own_words(api);
    note_caller(api);
    return api->leader >= 0;
}

/* The same, again and again until there is a leader or `limit_ms` are over. */
static bool survey_for(struct bw_api *api, uint32_t limit_ms)
{
    const uint64_t end_ms = bw_api_now_ms() + limit_ms;

    while (!bw_api_survey(api)) {
        if (bw_api_now_ms() >= end_ms)
            return false;
        bw_api_pause(LEADER_PAUSE_MS);
    }
    return true;
}

/* Witnesses that answer, and will not have this certificate, are no lack of a quorum. */
static bool is_refused_by_all(const struct bw_api *api)
{
    size_t refusing = 0;

    for (size_t i = 0; i < api->count; i++) {
        if (api->witnesses[i].status != NULL)
            return false;
        refusing += api->witnesses[i].is_forbidden;
    }
    return refusing > 0;
}

static enum bw_exit complain_refused(const struct bw_api *api)
{
    const struct bw_identity *own = bw_credentials_identity(api->credentials);

    (void)fprintf(stderr, "error: %s: the witnesses reject the certificate %s/%s\n", api->command->name,
                  bw_role_text(own->role), own->name);
    for (size_t i = 0; i < api->count; i++)
        (void)fprintf(stderr, "  %s  %s\n", api->witnesses[i].address, api->witnesses[i].why);
    return BW_EXIT_FAILED;
}

/* What each says, a line each. */
static void tell_witnesses(const struct bw_api *api)
{
    for (size_t i = 0; i < api->count; i++) {
        const struct bw_api_witness *witness = &api->witnesses[i];
        const char *leader = bw_json_member(witness->status, "leader");

        if (witness->status != NULL)
            (void)fprintf(stderr, "  %s  %s answers, %s%s\n", witness->address,
                          bw_json_member(witness->status, "answered_by"),
                          leader[0] != '\0' ? "leader: " : "knows no leader", leader);
        else
            (void)fprintf(stderr, "  %s  %s\n", witness->address, witness->why);
    }
}

/* By one that answers: a quorum is there, whatever this terminal can see of it. */
static bool is_leader_known(const struct bw_api *api)
{
    for (size_t i = 0; i < api->count; i++)
        if (api->witnesses[i].status != NULL &&
            bw_json_member(api->witnesses[i].status, "leader")[0] != '\0')
            return true;
    return false;
}

/* The one that the others follow, where it will not have this certificate; NULL: it is not that. */
static const struct bw_api_witness *find_refusing_leader(const struct bw_api *api)
{
    const char *leader = bw_json_member(api->status, "leader");
    json_t *member;
    size_t i;

    json_array_foreach(json_object_get(api->status, "witnesses"), i, member)
    {
        for (size_t j = 0; j < api->count; j++)
            if (leader[0] != '\0' && api->witnesses[j].is_forbidden &&
                strcmp(bw_json_member(member, "name"), leader) == 0 &&
                strcmp(bw_json_member(member, "address"), api->witnesses[j].address) == 0)
                return &api->witnesses[j];
    }
    return NULL;
}

/* A quorum that is there and does not have this person is no lack of one. */
static enum bw_exit complain_of_leader(const struct bw_api *api,
                                       const struct bw_api_witness *leader, const char *consequence)
{
    const struct bw_identity *own = bw_credentials_identity(api->credentials);

    (void)fprintf(stderr, "error: %s: the leader %s rejects %s/%s: %s; %s\n", api->command->name,
                  bw_json_member(api->status, "leader"), bw_role_text(own->role), own->name,
                  leader->why, consequence);
    tell_witnesses(api);
    (void)fputs("  The other witnesses accept it: their files differ. To have one list for all:\n"
                "    breakwater apply -f people.yaml\n",
                stderr);
    return BW_EXIT_FAILED;
}

enum bw_exit bw_api_no_quorum(const struct bw_api *api, const char *consequence)
{
    const struct bw_api_witness *leader = find_refusing_leader(api);
    const bool is_followed = is_leader_known(api);
    size_t answering = 0;
    int64_t of = bw_json_number(json_object_get(api->status, "quorum"), "of");

    for (size_t i = 0; i < api->count; i++)
        answering += api->witnesses[i].status != NULL;
    if (of == 0)
        of = (int64_t)api->count;
    if (is_refused_by_all(api))
        return complain_refused(api);
    if (leader != NULL)
        return complain_of_leader(api, leader, consequence);
    if (is_followed)
        (void)fprintf(stderr,
                      "error: the leader does not answer here: %zu of %lld witnesses answer%s and follow it; %s\n"
                      "  Check the network from here to the leader. The services are probably fine. If the leader is\n"
                      "  down, another one is elected within seconds: try again.\n",
                      answering, (long long)of, answering == 1 ? "s" : "", consequence);
    else if ((int64_t)answering > of / 2)
        (void)fprintf(stderr, "error: no leader: %zu of %lld witnesses answer and none leads; %s\n",
                      answering, (long long)of, consequence);
    else
        (void)fprintf(stderr,
                      "error: no quorum: %zu of %lld witnesses answer%s here (needs %lld); %s\n",
                      answering, (long long)of, answering == 1 ? "s" : "", (long long)of / 2 + 1,
                      consequence);
    tell_witnesses(api);
    if (answering > 0 && (int64_t)answering <= of / 2 && !is_followed)
        (void)fputs("  First run this command on another machine: if only the network from here is cut, the witnesses\n"
                    "  still decide, and another site may serve.\n"
                    "  If the witnesses are down, no lease is renewed, and each site stops its services. On each witness that\n"
                    "  is down:\n"
                    "    systemctl start breakwater-witness\n"
                    "  If they are lost for good, stop the witness that is left, and run there:\n"
                    "    runuser -u breakwater -- breakwater recover -c "
                    "/etc/breakwater/witness.yaml --plan\n"
                    "  To serve at one site until a quorum is back, after you have seen that no other site serves:\n"
                    "    breakwater override GROUP -c /etc/breakwater/site.yaml --plan\n",
                    stderr);
    if (answering == 0 && api->config_file[0] != '\0')
        (void)fprintf(stderr,
                      "  If the witnesses were replaced since %s was written, a site's agent knows the\n"
                      "  new ones. On a site:\n    breakwater check /etc/breakwater/site.yaml\n",
                      api->config_file);
    return BW_EXIT_NO_QUORUM;
}

/* ---- asking the leader ---- */

void bw_api_reply_deinit(struct bw_api_reply *reply)
{
    json_decref(reply->body);
    reply->body = NULL;
}

bool bw_api_is_busy(const struct bw_api_reply *reply)
{
    return strcmp(bw_json_member(reply->body, "code"), "busy") == 0;
}

/* The leader that a follower names, if it may be asked. */
static int find_named_leader(struct bw_api *api, const json_t *body)
{
    const char *address = bw_json_member(json_object_get(body, "leader"), "address");

    for (size_t i = 0; i < api->count; i++)
        if (strcmp(api->witnesses[i].address, address) == 0)
            return (int)i;
    return -1;
}

static enum bw_err call_one(struct bw_api *api, const char *method, const char *path,
                            const char *body, struct bw_api_reply *out_reply,
                            bool *out_may_have_arrived, struct bw_diag *diag)
{
    char url[BW_HTTP_URL_BYTES_MAX + 1];
    const struct bw_http_call call = {
        .method = method,
        .url = url,
        .content_type = strcmp(method, "GET") != 0 ? "application/json" : NULL,
        .body = body,
        .body_size = body != NULL ? strlen(body) : 0,
        .timeout_ms = api->wait_ms,
        .connect_timeout_ms = BW_API_CONNECT_MS,
        .lookup_timeout_ms = api->lookup_ms,
        .names = api->names,
        .response_bytes_max = BW_API_ANSWER_BYTES_MAX};
    struct bw_http_reply reply;
    enum bw_err err;

    (void)snprintf(url, sizeof url, "https://%s%s", api->witnesses[api->leader].address, path);
    err = bw_http_client_call(api->credentials, &call, &reply, diag);
    *out_may_have_arrived = reply.may_have_arrived;
    if (err == BW_OK)
        *out_reply = (struct bw_api_reply){reply.status,
                                           json_loadb(reply.body, reply.body_size, 0, NULL)};
    if (err == BW_OK)
        bw_json_from_former(out_reply->body);
    bw_http_reply_deinit(&reply);
    return err;
}

/* By what has it in the end. */
static enum bw_exit complain_unknown(const struct bw_api *api, const char *path, const char *why)
{
    (void)fprintf(stderr, "error: %s: the outcome is not known: %s\n  see:  %s\n", api->command->name,
                  why,
                  strncmp(path, "/v1/members", 11) == 0         ? "breakwater members"
                  : strncmp(path, "/v1/feature-level", 17) == 0 ? "breakwater feature-level"
                                                                : "breakwater history; breakwater status");
    return BW_EXIT_UNKNOWN;
}

/* Whether it was taken may be asked again. */
static bool is_unknown(const struct bw_api *api, const struct bw_api_reply *reply)
{
    return api->is_repeatable && strcmp(bw_json_member(reply->body, "code"), "unknown") == 0;
}

enum bw_exit bw_api_ask(struct bw_api *api, const char *method, const char *path,
                        const json_t *body, struct bw_api_reply *out_reply)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    const bool is_reading = strcmp(method, "GET") == 0;
    struct bw_diag lost = {0}; /* of an answer to what is repeated */

    if (body != NULL && text == NULL) {
        (void)fprintf(stderr, "error: %s: out of memory\n", api->command->name);
        return BW_EXIT_FAILED;
    }
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        struct bw_diag diag = {0};
        bool may_have_arrived = false;
        enum bw_err err;

        if (api->leader < 0 && !survey_for(api, LEADER_WAIT_MS))
            break;
        err = call_one(api, method, path, text, out_reply, &may_have_arrived, &diag);
        if (err != BW_OK && may_have_arrived && !is_reading) {
            lost = diag;
            if (!api->is_repeatable)
                break;
        }
        if (err == BW_OK && is_unknown(api, out_reply))
            (void)bw_diag_set(&lost, BW_ERR_UNKNOWN, "%s",
                              bw_json_member(out_reply->body, "error"));
        if (err == BW_OK && out_reply->status == 421) {
            api->leader = find_named_leader(api, out_reply->body);
        } else if (err == BW_OK && !is_unknown(api, out_reply) &&
                   strcmp(bw_json_member(out_reply->body, "code"), "no_leader") != 0) {
            free(text);
            return BW_EXIT_FINE;
        } else {
            api->leader = -1;
        }
        if (err == BW_OK)
            bw_api_reply_deinit(out_reply);
    }
    free(text);
    if (lost.text[0] != '\0')
        return complain_unknown(api, path, lost.text);
    return bw_api_no_quorum(api, is_reading ? "nothing can be decided" : "nothing was changed");
}

static enum bw_exit exit_of_code(const struct bw_api_reply *reply)
{
    static const struct {
        const char *code;
        enum bw_exit exit;
    } codes[] = {{"refused", BW_EXIT_UNSAFE},
                 {"no_leader", BW_EXIT_NO_QUORUM},
                 {"not_leader", BW_EXIT_NO_QUORUM},
                 {"unproved", BW_EXIT_NO_QUORUM},
                 {"unknown", BW_EXIT_UNKNOWN}};
    const char *code = bw_json_member(reply->body, "code");

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(code, codes[i].code) == 0)
            return codes[i].exit;
    return BW_EXIT_FAILED;
}

void bw_print_refusal(const char *text, FILE *out)
{
    static const char mark[] = ": breakwater ";
    const char *found;

    while ((found = strstr(text, mark)) != NULL) {
        const char *command = found + 2;
        const size_t size = strcspn(command, ";");

        (void)fprintf(out, "%.*s:\n    %.*s\n", (int)(found - text), text, (int)size, command);
        text = command + size;
        if (*text == '\0')
            return;
        text += strspn(text, "; ");
        (void)fputs("  ", out);
    }
    (void)fprintf(out, "%s\n", text);
}

enum bw_exit bw_api_complain(const struct bw_api *api, const struct bw_api_reply *reply)
{
    json_t *problems = json_object_get(reply->body, "problems");
    const char *error = bw_json_member(reply->body, "error");
    const char *hint;
    json_t *problem;
    size_t i;

    (void)fprintf(stderr, "error: %s: ", api->command->name);
    if (reply->status == 404 && strcmp(error, BW_HTTP_NO_SUCH_PATH) == 0)
        (void)fputs("the witness runs an older release, which does not know this request: upgrade the witnesses "
                    "first\n", stderr);
    else if (error[0] != '\0')
        bw_print_refusal(error, stderr);
    else
        (void)fprintf(stderr, "the witness answered with HTTP %d and no reason\n", reply->status);
    json_array_foreach(problems, i, problem) {
        (void)fprintf(stderr, "  %s: %s\n", bw_json_member(problem, "path"),
                      bw_json_member(problem, "text"));
    }
    if (bw_json_number(reply->body, "problem_count") > (int64_t)json_array_size(problems))
        (void)fprintf(stderr, "  and %lld more\n",
                      (long long)(bw_json_number(reply->body, "problem_count") -
                                  (int64_t)json_array_size(problems)));
    hint = bw_json_member(reply->body, "hint"); /* read now: its text lasts for some others only */
    if (hint[0] != '\0')
        (void)fprintf(stderr, "  fix:   %s\n", hint);
    if (reply->status == 403 &&
        bw_credentials_identity(api->credentials)->role != BW_ROLE_OPERATOR)
        (void)fprintf(stderr, "  fix:   use an operator's certificate (this one is %s/%s)\n",
                      bw_role_text(bw_credentials_identity(api->credentials)->role),
                      bw_credentials_identity(api->credentials)->name);
    return exit_of_code(reply);
}

enum bw_exit bw_api_fetch(struct bw_api *api, const char *method, const char *path,
                          const json_t *body, json_t **out_document)
{
    struct bw_api_reply reply = {0};
    enum bw_exit exit = bw_api_ask(api, method, path, body, &reply);

    if (exit != BW_EXIT_FINE)
        return exit;
    if (reply.status != 200 && reply.status != 202)
        exit = bw_api_complain(api, &reply);
    else
        *out_document = json_incref(reply.body);
    bw_api_reply_deinit(&reply);
    return exit;
}

void bw_json_print_texts(const json_t *list, const char *before)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        (void)printf("%s%s\n", before, bw_json_shown(json_array_get(list, i)));
}

enum bw_exit bw_json_print(const json_t *document)
{
    return json_dumpf(document, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF
               ? BW_EXIT_FINE
               : BW_EXIT_FAILED;
}

/* Asks the leader, or, without one, whoever answers, and says so: what is committed stays true.
 * `nothing`: the end of what is said where nobody does. */
static enum bw_exit fetch_known(struct bw_api *api, const char *path, const char *nothing,
                                json_t **out_document)
{
    if (!bw_api_survey(api) && api->status != NULL) {
        for (size_t i = 0; i < api->count; i++)
            if (api->witnesses[i].status == api->status)
                api->leader = (int)i;
        (void)fprintf(stderr, "warning: no leader answers; this is what %s last received\n",
                      bw_json_member(api->status, "answered_by"));
    }
    if (api->leader < 0)
        return bw_api_no_quorum(api, nothing);
    return bw_api_fetch(api, "GET", path, NULL, out_document);
}

enum bw_exit bw_api_show(struct bw_api *api, const char *path, const char *nothing,
                         enum bw_output output, void (*print)(const json_t *document))
{
    json_t *document = NULL;
    enum bw_exit exit = nothing != NULL ? fetch_known(api, path, nothing, &document)
                                        : bw_api_fetch(api, "GET", path, NULL, &document);

    if (exit != BW_EXIT_FINE)
        return exit;
    if (output == BW_OUTPUT_TABLE)
        print(document);
    else
        exit = bw_json_print(document);
    json_decref(document);
    return exit;
}

