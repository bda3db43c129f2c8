/* refused.c - who was refused, and why, in the log. Design 5.3. At a bounded rate (obs/log.h): of each
 * kind ten lines at once, then one every ten seconds, which says for how many it stands; so whoever is refused
 * as often as he likes fills no disk, and hides none of another kind. A name comes from a certificate only as
 * an identity, which has no byte that could forge a line; what else a peer wrote is quoted. */
#include "program.h"

#include <inttypes.h>

static const char *const kind_words[BW_REFUSED_COUNT] = {
#define X(name, word) [BW_REFUSED_##name] = (word),
    BW_REFUSED_LIST(X)
#undef X
};

uint64_t bw_refused_add(struct bw_program *program, enum bw_refused kind)
{
    return bw_summary_add(&program->refused[kind], uv_now(&program->loop));
}

void bw_refused_flush(struct bw_program *program)
{
    for (int kind = 0; kind < BW_REFUSED_COUNT; kind++) {
        const uint64_t count = bw_summary_flush(&program->refused[kind], uv_now(&program->loop));

        if (count > 0)
            bw_log_warn(&program->log, "refusals.untold", "what=%s count=%" PRIu64,
                        kind_words[kind], count);
    }
}

/* ---- the server's callbacks ---- */

static const char *name_of(const struct bw_identity *identity, char out_text[BW_IDENTITY_TEXT_BYTES])
{
    if (identity == NULL)
        return "none";
    bw_identity_format(identity, out_text);
    return out_text;
}

void bw_refused_on_handshake_failed(const char *remote, enum bw_err why, const char *text,
                                    void *user)
{
    struct bw_program *program = user;
    const uint64_t count = bw_refused_add(program, BW_REFUSED_HANDSHAKE);

    bw_meter_on_handshake_failed(program, why);
    if (count > 0)
        bw_log_warn(&program->log, "api.handshake_failed", "remote=%s error=%s count=%" PRIu64,
                    remote, bw_log_quote(text), count);
}

void bw_refused_on_evicted(const char *remote, const struct bw_identity *identity,
                           enum bw_http_eviction why, void *user)
{
    struct bw_program *program = user;
    const uint64_t count = bw_refused_add(program, BW_REFUSED_EVICTED);
    char text[BW_IDENTITY_TEXT_BYTES];

    if (count > 0)
        bw_log_warn(&program->log, "api.evicted", "identity=%s remote=%s why=%s count=%" PRIu64,
                    name_of(identity, text), remote, bw_http_eviction_word(why), count);
}

/* No to whoever asks, or to what he asks for; that something is not there is no refusal. */
static bool is_refusal(int status)
{
    return (status >= 400 && status < 500 && status != 404) || status == 505;
}

/* Kinds do not hide each other: a stranger none of those who have a name here, and who may not ask none whose
 * order the state of things forbids. */
static enum bw_refused kind_of(const struct bw_http_request *request, int status)
{
    if (request->peer == NULL)
        return BW_REFUSED_STRANGER;
    return status == 409 || status == 422 ? BW_REFUSED_ORDER : BW_REFUSED_CALLER;
}

void bw_refused_on_request(const struct bw_http_request *request, int status, const char *error,
                           void *user)
{
    struct bw_program *program = user;
    const struct bw_http_route *route = request->route;
    const bool is_of_group = route != NULL && route->about == BW_HTTP_ABOUT_GROUP;
    char text[BW_IDENTITY_TEXT_BYTES];
    uint64_t count;

    if (!is_refusal(status))
        return;
    count = bw_refused_add(program, kind_of(request, status));
    if (count > 0)
        bw_log_warn(&program->log, "api.refused",
                    "http_status=%d identity=%s remote=%s method=%s route=%s group=%s why=%s "
                    "count=%" PRIu64,
                    status, name_of(request->named, text), request->remote,
                    route != NULL ? route->method : "none", route != NULL ? route->pattern : "none",
                    bw_log_quote(is_of_group ? request->segments[0] : ""), bw_log_quote(error),
                    count);
}
