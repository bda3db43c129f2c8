/* Answers what an API server asks before it takes a new pod of a group's service (5.3): may it be made at
 * this site? HTTPS; nobody is asked for a certificate, since API servers mostly have none to show,
 * and what is said here is nobody's secret. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/http_server.h>
#include <breakwater/net/tls_context.h>
#include <breakwater/sys/clock.h>

#define CONNECTIONS_MAX 16
#define IDLE_MS         120000 /* an API server lets go of one that is idle for 90 s: it goes first */
#define BODY_BYTES_MAX  (2 * 1024 * 1024)
#define TEXT_BYTES      768

/* ---- answers --------------------------------------------------------------------------------- */

static void answer(struct bw_agent_admission *waiting, bool is_allowed, const char *text)
{
    struct bw_http_request *request = waiting->request;
    char *body = bw_admission_review_encode(waiting->uid, is_allowed, text);

    waiting->request = NULL;
    if (body == NULL)
        bw_http_respond_error(request, 503, "out of memory", NULL);
    else
        bw_http_respond(request, 200, "application/json", body, strlen(body));
    free(body);
}

/* One line for each change, not for each request. */
static void log_change(struct bw_agent *agent, uint32_t group, enum bw_admission admission,
                       enum bw_may_run may_run)
{
    struct bw_agent_admissions *all = &agent->admissions;

    if (all->logged[group].is_logged && all->logged[group].admission == admission &&
        all->logged[group].may_run == may_run)
        return;
    all->logged[group].is_logged = true;
    all->logged[group].admission = admission;
    all->logged[group].may_run = may_run;
    bw_log_info(&agent->log, "admission.answer", "group=%s admission=%s may_run=%s",
                agent->machine.groups[group].site.group, bw_admission_word(admission),
                bw_may_run_word(may_run));
}

static void on_shown(struct bw_agent *agent, uint32_t group, const struct bw_guard_message *shown,
                     const char *why, void *user)
{
    const struct bw_site *site = &agent->machine.groups[group].site;
    enum bw_admission admission = BW_ADMISSION_REFUSED;
    char text[TEXT_BYTES];

    if (agent->served[group].config == NULL)
        why = "the site file names it no more";
    else if (shown != NULL) {
        const enum bw_may_run may_run = bw_agent_may_run(agent, shown, bw_clock_now());

        admission = bw_admission(may_run, site);
        log_change(agent, group, admission, may_run);
        why = bw_may_run_sentence(may_run);
    }
    (void)snprintf(text, sizeof text, "%s at %s: %s%s", site->group, agent->config->site, why,
                   admission == BW_ADMISSION_REFUSED
                       ? "; nothing of it is made here now, and `breakwater status` says "
                         "where it serves"
                       : "");
    answer(user, admission != BW_ADMISSION_REFUSED, text);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The reader's. What a stranger sends may take a tenth of a second for each megabyte: leases do not
 * wait for it. */
struct job {
    size_t size;
    enum bw_err err;
    struct bw_diag diag;
    char uid[BW_ADMISSION_UID_BYTES];
    uint8_t body[BODY_BYTES_MAX];
};

/* On the thread. */
static void read_review(void *of)
{
    struct job *job = of;

    job->err = bw_admission_review_decode(job->body, job->size, job->uid, &job->diag);
}

/* NULL: there is none. */
static struct bw_agent_admission *find(struct bw_agent_admissions *admissions,
                                       enum bw_agent_admission_phase phase)
{
    for (size_t i = 0; i < BW_AGENT_ADMISSIONS_MAX; i++)
        if (admissions->waiting[i].request != NULL && admissions->waiting[i].phase == phase)
            return &admissions->waiting[i];
    return NULL;
}

static void read_next(struct bw_agent_admissions *admissions)
{
    struct bw_agent_admission *next = find(admissions, BW_ADMISSION_UNREAD);
    struct job *job;

    if (next == NULL || bw_worker_is_busy(admissions->reader))
        return;
    next->phase = BW_ADMISSION_READING;
    job = bw_worker_job(admissions->reader);
    job->size = next->request->body_size;
    if (job->size > 0)
        memcpy(job->body, next->request->body, job->size);
    bw_worker_begin(admissions->reader, read_review);
}

static void on_read(void *of, void *user)
{
    struct bw_agent *agent = user;
    struct bw_agent_admission *waiting = find(&agent->admissions, BW_ADMISSION_READING);
    struct job *job = of;

    if (waiting != NULL && job->err != BW_OK) {
        struct bw_http_request *request = waiting->request;

        waiting->request = NULL;
        bw_http_respond_error(request, 400, job->diag.text, NULL);
    } else if (waiting != NULL) {
        waiting->phase = BW_ADMISSION_ASKING;
        memcpy(waiting->uid, job->uid, sizeof job->uid);
        bw_agent_ask_guard(agent, waiting->group, on_shown, waiting);
    }
    read_next(&agent->admissions);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* One that is being read leaves nobody who is told of it. */
static void on_gone(struct bw_http_request *request, void *user)
{
    struct bw_agent_admission *waiting = user;

    BW_ASSERT(waiting->request == request);
    waiting->request = NULL;
    if (waiting->phase == BW_ADMISSION_ASKING)
        bw_agent_unask_guard(waiting->agent, waiting);
}

static struct bw_agent_admission *find_free(struct bw_agent_admissions *admissions)
{
    for (size_t i = 0; i < BW_AGENT_ADMISSIONS_MAX; i++)
        if (admissions->waiting[i].request == NULL)
            return &admissions->waiting[i];
    return NULL;
}

static void on_review(struct bw_http_request *request, void *user)
{
    static const struct bw_http_later later = {.on_gone = on_gone}; /* asking.c has a limit */
    struct bw_agent *agent = user;
    const int group = bw_agent_machine_find(&agent->machine, request->segments[0]);
    struct bw_agent_admission *waiting = find_free(&agent->admissions);

    if (group < 0)
        bw_http_respond_error(request, 404, "this site knows no such group", NULL);
    else if (waiting == NULL)
        bw_http_respond_error(request, 503, "too many requests wait: at most 8", NULL);
    else {
        *waiting = (struct bw_agent_admission){
            .agent = agent, .request = request, .group = (uint32_t)group};
        bw_http_defer(request, 0, &later, waiting);
        read_next(&agent->admissions);
    }
}

static const struct bw_http_route routes[] = {
    {"POST", "/v1/groups/{name}/admission", BW_HTTP_OPEN, BW_HTTP_ABOUT_GROUP, on_review},
};

/* ---- listening ------------------------------------------------------------------------------- */

static struct bw_instant clock_now(void *user)
{
    (void)user;
    return bw_clock_now();
}

/* An API server that does not trust this certificate makes no pod at all: nobody else would tell
 * a person of the site why. */
static void on_handshake_failed(const char *remote, enum bw_err why, const char *text, void *user)
{
    struct bw_agent *agent = user;
    const uint64_t count = bw_summary_add(&agent->admissions.failed, uv_now(&agent->loop));

    (void)why;
    if (count > 0)
        bw_log_warn(&agent->log, "admission.handshake_failed",
                    "remote=%s error=%s count=%" PRIu64 " next=\"where an API server asked, put "
                    "the CA of this agent's certificate into caBundle of its webhook: until then "
                    "it takes no new pod of the service\"",
                    remote, bw_log_quote(text), count);
}

static enum bw_err listen_for_reviews(struct bw_agent *agent, struct bw_diag *diag)
{
    struct ssl_ctx_st *context = NULL;
    struct bw_http_server_config config = {.listen = agent->config->admission_listen,
                                           .cluster = agent->config->cluster,
                                           .routes = routes,
                                           .route_count = 1,
                                           .clock = clock_now,
                                           .on_handshake_failed = on_handshake_failed,
                                           .user = agent,
                                           .connections_max = CONNECTIONS_MAX,
                                           .body_bytes_max = BODY_BYTES_MAX,
                                           .idle_ms = IDLE_MS};
    enum bw_err err = BW_OK;

    if (agent->admissions.reader == NULL)
        err = bw_worker_open(&agent->admissions.reader, &agent->loop, sizeof(struct job), NULL,
                             on_read, agent, diag);
    if (err == BW_OK)
        err = bw_tls_context_new(agent->credentials, BW_TLS_SERVER_ALONE, &context, diag);
    if (err != BW_OK)
        return err;
    config.context = context;
    err = bw_http_server_open(&agent->loop, &config, &agent->admissions.server, diag);
    bw_tls_context_free(context);
    return err;
}

void bw_agent_admission_serve(struct bw_agent *agent)
{
    struct bw_agent_admissions *admissions = &agent->admissions;
    const char *address = agent->config->admission_listen;
    struct bw_diag diag = {0};

    if (address[0] == '\0' || admissions->server != NULL)
        return;
    if (listen_for_reviews(agent, &diag) == BW_OK) {
        bw_log_info(&agent->log, "admission.listening", "address=%s", address);
        admissions->is_refused = false;
        return;
    }
    if (!admissions->is_refused)
        bw_log_error(&agent->log, "admission.listen_failed",
                     "address=%s error=%s does=\"goes on, and tries again; API servers that ask "
                     "hear nothing, which is no\"",
                     address, bw_log_quote(diag.text));
    admissions->is_refused = true;
}

void bw_agent_admission_close(struct bw_agent *agent)
{
    if (agent->admissions.server != NULL)
        bw_http_server_close(agent->admissions.server, NULL, NULL);
    (void)bw_worker_close(agent->admissions.reader); /* what it reads is its own */
    agent->admissions.server = NULL;
    agent->admissions.reader = NULL;
}

void bw_agent_admission_use_credentials(struct bw_agent *agent)
{
    bw_agent_renew_server(agent, agent->admissions.server, BW_TLS_SERVER_ALONE);
}
