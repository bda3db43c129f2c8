#include "reads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_operator.h"
#include "program.h"

#define SHARE_OF_TIME  20 /* one part of so many, for each of BW_READ_PART_COUNT */
#define BUDGET_MAX_NS  ((int64_t)(BW_NS_PER_S / 2))

struct bw_read_body {
    struct bw_read_body *next; /* newer */
    struct bw_http_body *body;
    uint32_t argument;
    const char *person; /* for whom: his line of the list; NULL: for all who may see everything */
    uint64_t made_ns; /* uv_hrtime before it was written: what it says is of then, or of later */
};

/* ---- the bytes that are kept ---- */

static bool is_current(const struct bw_reads *reads, const struct bw_read_body *kept)
{
    for (size_t i = 0; i < BW_READ_COUNT; i++)
        if (reads->current[i][0] == kept || reads->current[i][1] == kept)
            return true;
    return false;
}

/* Forgets what nobody reads and nobody will get. Of the rest the oldest go while there are too many
 * bytes: their readers are dropped, and let go of them. */
static void trim(struct bw_program *program)
{
    struct bw_reads *reads = &program->reads;
    struct bw_read_body **group_index = &reads->oldest;

    reads->newest = NULL;
    while (*group_index != NULL) {
        struct bw_read_body *kept = *group_index;
        const bool is_old = !is_current(reads, kept);
        const bool is_excess = is_old && reads->bytes > BW_READS_BYTES_MAX;

        if (is_excess)
            bw_http_server_drop_readers(program->api, kept->body);
        if (is_excess || (is_old && kept->body->keeper_count == 1)) {
            *group_index = kept->next;
            reads->bytes -= kept->body->size;
            bw_http_body_free(kept->body);
            free(kept);
        } else {
            reads->newest = kept;
            group_index = &kept->next;
        }
    }
}

/* Who is limited to some groups; NULL: he sees everything, as others do. */
static const char *reader_of(const struct bw_scope *scope)
{
    return scope->is_everything ? NULL : scope->person;
}

/* Where the newest of that kind is kept for such a reader. */
static struct bw_read_body **slot_of(struct bw_reads *reads, enum bw_read kind,
                                     const struct bw_scope *scope)
{
    return &reads->current[kind][scope->is_everything ? 0 : 1];
}

/* Takes the buffer's text. NULL: no memory. */
static struct bw_read_body *hold(struct bw_reads *reads, uint64_t made_ns,
                                 const struct bw_json_buffer *buffer)
{
    struct bw_read_body *kept = malloc(sizeof *kept);
    struct bw_http_body *body = bw_http_body_new(buffer->text, buffer->size);

    if (kept == NULL || body == NULL) {
        free(kept);
        bw_http_body_free(body);
        return NULL;
    }
    *kept = (struct bw_read_body){.body = body, .made_ns = made_ns};
    if (reads->newest != NULL)
        reads->newest->next = kept;
    else
        reads->oldest = kept;
    reads->newest = kept;
    reads->bytes += body->size;
    return kept;
}

/* The newest of its kind from here on. As above. */
static struct bw_read_body *keep(struct bw_program *program, enum bw_read kind,
                                 const struct bw_scope *scope, uint32_t argument,
                                 uint64_t made_ns, const struct bw_json_buffer *buffer)
{
    struct bw_read_body *kept = hold(&program->reads, made_ns, buffer);

    if (kept == NULL)
        return NULL;
    kept->argument = argument;
    kept->person = reader_of(scope);
    *slot_of(&program->reads, kind, scope) = kept;
    trim(program);
    return kept; /* NOLINT(clang-analyzer-unix.Malloc): what is current is not trimmed */
}

void bw_reads_forget(struct bw_reads *reads)
{
    memset(reads->current, 0, sizeof reads->current);
}

void bw_reads_deinit(struct bw_reads *reads)
{
    while (reads->oldest != NULL) {
        struct bw_read_body *next = reads->oldest->next;

        bw_http_body_free(reads->oldest->body);
        free(reads->oldest);
        reads->oldest = next;
    }
    *reads = (struct bw_reads){0};
}

/* ---- the time that they may take ---- */

/* Of the processor, spent by this thread: what others take of it meanwhile is not the reader's. */
static uint64_t spent_ns(void)
{
    struct timespec spent;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent); /* always there */
    return (uint64_t)spent.tv_sec * BW_NS_PER_S + (uint64_t)spent.tv_nsec;
}

static bool has_budget(struct bw_reads *reads, enum bw_read_part part)
{
    struct bw_read_budget *budget = &reads->budgets[part];
    const uint64_t now_ns = uv_hrtime();

    if (budget->at_ns == 0)
        budget->left_ns = BUDGET_MAX_NS;
    else
        budget->left_ns += (int64_t)((now_ns - budget->at_ns) / SHARE_OF_TIME);
    if (budget->left_ns > BUDGET_MAX_NS)
        budget->left_ns = BUDGET_MAX_NS;
    budget->at_ns = now_ns;
    return budget->left_ns > 0;
}

static enum bw_read_part part_of(enum bw_read kind, const struct bw_scope *scope)
{
    if (!scope->is_everything)
        return BW_READ_PART_LIMITED;
    if (kind == BW_READ_METRICS)
        return BW_READ_PART_METRICS;
    return kind == BW_READ_STATUS ? BW_READ_PART_STATUS : BW_READ_PART_REST;
}

static struct bw_read_body *make(struct bw_program *program, enum bw_read kind,
                                 const struct bw_scope *scope, uint32_t argument,
                                 bw_read_write *write)
{
    struct bw_json_buffer buffer = {0};
    const struct bw_read_clock clock = {part_of(kind, scope), spent_ns()};
    const uint64_t made_ns = uv_hrtime();

    write(program, scope, argument, &buffer);
    bw_reads_written(program, &clock);
    if (buffer.is_failed) {
        free(buffer.text);
        return NULL;
    }
    return keep(program, kind, scope, argument, made_ns, &buffer);
}

static void refuse_busy(struct bw_program *program, struct bw_http_request *request)
{
    program->reads.busy_count++;
    bw_http_respond_error(request, 503, "this witness has too many requests for long documents",
                          "try again in a moment, or ask another witness");
}

bool bw_reads_may_write(struct bw_program *program, struct bw_http_request *request,
                        struct bw_read_clock *out_clock)
{
    const struct bw_scope scope = bw_people_scope_of(program, request);

    *out_clock = (struct bw_read_clock){part_of(BW_READ_HISTORY, &scope), spent_ns()};
    if (has_budget(&program->reads, out_clock->part))
        return true;
    refuse_busy(program, request);
    return false;
}

void bw_reads_order(struct bw_program *program, struct bw_http_request *request, bw_http_handler *handler)
{
    const struct bw_scope scope = bw_people_scope_of(program, request);
    const struct bw_read_clock clock = {scope.is_everything ? BW_READ_PART_ORDERS : BW_READ_PART_LIMITED_ORDERS,
                                        spent_ns()};

    if (has_budget(&program->reads, clock.part)) {
        handler(request, program);
        bw_reads_written(program, &clock);
        return;
    }
    program->reads.busy_count++;
    bw_http_respond_error(request, 503, "this witness has too many requests, or too long ones; nothing was changed",
                          "try again in a moment");
}

static void refuse_unwritten(struct bw_http_request *request)
{
    bw_http_respond_error(request, 503, "the document could not be written: this witness is short "
                          "of memory, or it passes its limit",
                          "ask for one group, or another witness");
}

void bw_reads_send(struct bw_program *program, struct bw_http_request *request, struct bw_json_buffer *buffer)
{
    struct bw_read_body *held = NULL;

    if (buffer->is_failed)
        free(buffer->text);
    else
        held = hold(&program->reads, uv_hrtime(), buffer);
    if (held == NULL) {
        refuse_unwritten(request);
    } else {
        bw_http_respond_body(request, 200, "", BW_JSON_TYPE, held->body);
        trim(program); /* what is on its way already, and whoever is too slow */
    }
    *buffer = (struct bw_json_buffer){0};
}

void bw_reads_written(struct bw_program *program, const struct bw_read_clock *clock)
{
    program->reads.budgets[clock->part].left_ns -= (int64_t)(spent_ns() - clock->begun_ns);
}

/* What was made for somebody else is none of his business, and what is old nobody's: it says how things are. */
static bool is_for(const struct bw_read_body *kept, const struct bw_scope *scope, uint32_t argument)
{
    return kept != NULL && kept->argument == argument && kept->person == reader_of(scope) &&
           uv_hrtime() - kept->made_ns <= BW_READS_AGE_MAX_NS;
}

/* It may be an earlier reader's: what of a lease was left then is less by its age. Rounded up, so that it is never
 * younger than it is. */
static void send_with_age(struct bw_http_request *request, const char *content_type,
                          const struct bw_read_body *kept)
{
    char fields[40];

    (void)snprintf(fields, sizeof fields, "Age-Ms: %" PRIu64 "\r\n",
                   bw_ns_to_ms(uv_hrtime() - kept->made_ns + BW_NS_PER_MS - 1));
    bw_http_respond_body(request, 200, fields, content_type, kept->body);
}

void bw_reads_answer(struct bw_program *program, struct bw_http_request *request, enum bw_read kind,
                     uint32_t argument, const char *content_type, bw_read_write *write)
{
    struct bw_reads *reads = &program->reads;
    const struct bw_scope scope = bw_people_scope_of(program, request);
    struct bw_read_body *kept = *slot_of(reads, kind, &scope);

    if (has_budget(reads, part_of(kind, &scope))) {
        kept = make(program, kind, &scope, argument, write);
        if (kept == NULL) {
            refuse_unwritten(request);
            return;
        }
    } else if (!is_for(kept, &scope, argument)) {
        refuse_busy(program, request);
        return;
    } else {
        reads->shared_count++;
    }
    send_with_age(request, content_type, kept);
}
