/* poll.c - GET /v1/agent/orders?after=N&wait=20s: answered the moment an order for this site
 * changes. Design 5.3. Any witness answers, from committed state; nothing is confirmed here. */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/config/scalar.h>

struct bw_pending_poll {
    struct bw_program *program;
    struct bw_http_request *request;
    uint64_t after;
    struct bw_pending_poll *next, **previous;
};

/* The group's order for this site is newer than what the agent has. A site that is not in the spec
 * hears of that in the answer to its sync, where it names the group. */
static bool is_news(const struct bw_program *program, int place, const char *site, uint64_t after)
{
    const struct bw_group *group = &program->groups[place];

    return group->spec.name[0] != '\0' && group->changed_index > after &&
           bw_spec_find_site(&group->spec, site) >= 0;
}

static bool has_news(const struct bw_program *program, const char *site, uint64_t after)
{
    for (int place = 0; place < (int)program->cluster.group_count; place++)
        if (is_news(program, place, site, after))
            return true;
    return false;
}

static void answer_poll(struct bw_program *program, struct bw_http_request *request, uint64_t after)
{
    const char *site = request->peer->site;
    struct bw_sync_answer *answer = bw_answer_new(program, program->cluster.group_count);

    if (answer == NULL) {
        bw_http_respond_error(request, 503, "out of memory", NULL);
        return;
    }
    for (int place = 0; place < (int)program->cluster.group_count; place++)
        if (is_news(program, place, site, after))
            (void)bw_answer_add(program, answer, place, site);
    program->counters.polls_answered++;
    bw_answer_send(program, request, answer);
}

static void drop(struct bw_pending_poll *poll)
{
    *poll->previous = poll->next;
    if (poll->next != NULL)
        poll->next->previous = poll->previous;
    poll->program->poll_count--;
    free(poll);
}

static void finish(struct bw_pending_poll *poll)
{
    struct bw_program *program = poll->program;
    struct bw_http_request *request = poll->request;
    uint64_t after = poll->after;

    drop(poll);
    answer_poll(program, request, after);
}

void bw_polls_on_changed(struct bw_program *program, int group)
{
    struct bw_pending_poll *next;

    for (struct bw_pending_poll *poll = program->polls; poll != NULL; poll = next) {
        next = poll->next;
        if (is_news(program, group, poll->request->peer->site, poll->after))
            finish(poll);
    }
}

static void on_gone(struct bw_http_request *request, void *user)
{
    (void)request;
    drop(user);
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    (void)request;
    finish(user); /* nothing new: an answer without groups */
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

static void wait_for_news(struct bw_program *program, struct bw_http_request *request,
                          uint64_t after, uint32_t wait_ms)
{
    struct bw_pending_poll *poll;

    if (program->poll_count >= BW_PENDING_POLLS_MAX) {
        bw_http_respond_error(request, 503, "256 polls for orders wait here already",
                              "ask another witness");
        return;
    }
    poll = calloc(1, sizeof *poll);
    if (poll == NULL) {
        bw_http_respond_error(request, 503, "out of memory", NULL);
        return;
    }
    *poll = (struct bw_pending_poll){.program = program,
                                     .request = request,
                                     .after = after,
                                     .next = program->polls,
                                     .previous = &program->polls};
    if (poll->next != NULL)
        poll->next->previous = &poll->next;
    program->polls = poll;
    program->poll_count++;
    bw_http_defer(request, wait_ms, &later, poll);
}

/* Decimal digits only; missing is 0. */
static bool read_after(const struct bw_http_request *request, uint64_t *out_after)
{
    char text[24];
    char *end;
    enum bw_err err = bw_http_query(request, "after", text, sizeof text);

    if (err == BW_ERR_NOT_FOUND) {
        *out_after = 0;
        return true;
    }
    if (err != BW_OK || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out_after = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_wait(const struct bw_http_request *request, uint32_t *out_wait_ms)
{
    char text[24];
    enum bw_err err = bw_http_query(request, "wait", text, sizeof text);

    if (err == BW_ERR_NOT_FOUND) {
        *out_wait_ms = 0;
        return true;
    }
    return err == BW_OK && bw_duration_parse(text, out_wait_ms) &&
           *out_wait_ms <= BW_POLL_WAIT_MS_MAX;
}

static void on_poll(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    uint64_t after;
    uint32_t wait_ms;

    if (!read_after(request, &after) || !read_wait(request, &wait_ms)) {
        bw_http_respond_error(request, 400, "after is a log index, wait a duration up to 60s",
                              "such as ?after=17&wait=20s");
        return;
    }
    if (bw_answer_is_too_early(program, request))
        return;
    if (wait_ms == 0 || has_news(program, request->peer->site, after))
        answer_poll(program, request, after);
    else
        wait_for_news(program, request, after, wait_ms);
}

const struct bw_http_route bw_poll_routes[] = {
    {"GET", "/v1/agent/orders", BW_ROLE_BIT(BW_ROLE_AGENT), on_poll},
};
const size_t bw_poll_route_count = sizeof bw_poll_routes / sizeof bw_poll_routes[0];
