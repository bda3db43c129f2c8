/* members_logs.c - what the witnesses' logs say of time: who led when, and when a leader took its steps.
 * For figures only; no promise is judged by them. */
#include "members.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <breakwater/base/instant.h>

#define LEADS_MAX (16 * BW_REPLACEMENTS_MAX)
#define MS_PER_S  1000

struct span {
    uint64_t from_ms;
    uint64_t to_ms;
};

/* Of all witnesses. */
struct leads {
    struct span *spans; /* on the heap */
    uint32_t count;
};

uint64_t bw_members_wall_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* fails only for clocks that are none */
    return (uint64_t)now.tv_sec * MS_PER_S + bw_ns_to_ms((uint64_t)now.tv_nsec);
}

/* ts=2026-11-22T00:23:10.802Z; 0: another line. */
static uint64_t time_of(const char *line)
{
    struct tm time = {0};
    unsigned ms;

    /* NOLINTNEXTLINE(cert-err34-c): what our own programs print: its numbers are in range */
    if (sscanf(line, "ts=%d-%d-%dT%d:%d:%d.%3uZ", &time.tm_year, &time.tm_mon, &time.tm_mday,
               &time.tm_hour, &time.tm_min, &time.tm_sec, &ms) != 7)
        return 0;
    time.tm_year -= 1900;
    time.tm_mon -= 1;
    return (uint64_t)timegm(&time) * MS_PER_S + ms;
}

/* ---- who led --------------------------------------------------------------------------------- */

/* By KILL no line is written: the harness knows when. */
static uint64_t killed_after(const struct bw_members *members, uint32_t id, uint64_t from_ms,
                             uint64_t to_ms)
{
    for (uint32_t i = 0; i < members->kill_count; i++)
        if (members->kills[i].id == id && members->kills[i].at_ms >= from_ms &&
            members->kills[i].at_ms < to_ms)
            to_ms = members->kills[i].at_ms;
    return to_ms;
}

static void add_span(struct leads *leads, uint64_t from_ms, uint64_t to_ms)
{
    if (leads->count < LEADS_MAX) /* a replacement has a few: enough */
        leads->spans[leads->count++] = (struct span){from_ms, to_ms};
}

static int compare(const void *a, const void *b)
{
    const struct span *left = a;
    const struct span *right = b;

    return (left->from_ms > right->from_ms) - (left->from_ms < right->from_ms);
}

static uint64_t longest_gap(struct leads *leads, uint64_t from_ms, uint64_t to_ms)
{
    uint64_t led_until_ms = from_ms;
    uint64_t gap_ms = 0;

    if (leads->count > 0)
        qsort(leads->spans, leads->count, sizeof *leads->spans, compare);
    for (uint32_t i = 0; i < leads->count && leads->spans[i].from_ms < to_ms; i++) {
        const struct span *span = &leads->spans[i];

        if (span->from_ms > led_until_ms && span->from_ms - led_until_ms > gap_ms)
            gap_ms = span->from_ms - led_until_ms;
        if (span->to_ms > led_until_ms)
            led_until_ms = span->to_ms;
    }
    return to_ms > led_until_ms && to_ms - led_until_ms > gap_ms ? to_ms - led_until_ms : gap_ms;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void take_step(struct bw_members *members, const char *line, uint64_t at_ms)
{
    const char *id_text = strstr(line, " id=");
    const uint64_t id = id_text == NULL ? 0 : strtoull(id_text + strlen(" id="), NULL, 10);
    const bool votes = strstr(line, "rule=M5") != NULL && strstr(line, "is to vote") != NULL;
    const bool is_out = strstr(line, "rule=M8") != NULL;

    for (uint32_t i = 0; i < members->replacement_count; i++) {
        struct bw_replacement *replacement = &members->replacements[i];

        if (votes && replacement->new_id == id &&
            (replacement->caught_up_ms == 0 || at_ms < replacement->caught_up_ms))
            replacement->caught_up_ms = at_ms;
        if (is_out && replacement->old_id == id &&
            (replacement->removed_ms == 0 || at_ms < replacement->removed_ms))
            replacement->removed_ms = at_ms;
    }
}

/* ---- a log ----------------------------------------------------------------------------------- */

static void read_lines(struct bw_members *members, uint32_t id, FILE *file, struct leads *leads)
{
    uint64_t leads_from_ms = 0; /* 0: it does not lead */
    uint64_t last_ms = 0;
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) > 0) {
        const uint64_t at_ms = time_of(line);
        const bool begins = strstr(line, "event=raft.leads ") != NULL;
        const bool changes = strstr(line, "event=raft.role_changed ") != NULL ||
                             strstr(line, "event=witness.started ") != NULL;

        if (at_ms == 0)
            continue;
        if (leads_from_ms != 0 && (begins || changes)) {
            add_span(leads, leads_from_ms, killed_after(members, id, leads_from_ms, at_ms));
            leads_from_ms = 0;
        }
        if (begins)
            leads_from_ms = at_ms;
        if (strstr(line, "event=members.step ") != NULL)
            take_step(members, line, at_ms);
        last_ms = at_ms;
    }
    free(line);
    if (leads_from_ms != 0)
        add_span(leads, leads_from_ms,
                 killed_after(members, id, leads_from_ms,
                              bw_machine_of(members, id) != NULL ? members->ended_ms : last_ms));
}

static enum bw_err read_log(struct bw_members *members, uint32_t id, struct leads *leads,
                            struct bw_diag *diag)
{
    const struct bw_lab *lab = members->lab;
    char path[BW_LAB_PATH_BYTES];
    const bool founds = id <= BW_LAB_WITNESSES; /* the log of a founder is on its machine */
    const enum bw_err err = founds ? bw_lab_path(path, lab->nodes[id - 1].dir, "witness.log", diag)
                                   : bw_members_log_path(lab, id, path, diag);
    FILE *file = err == BW_OK ? fopen(path, "re") : NULL;

    if (err == BW_OK && file == NULL)
        return bw_diag_set(diag, BW_ERR_IO, "read %s", path);
    if (err != BW_OK)
        return err;
    read_lines(members, id, file, leads);
    (void)fclose(file); /* only read from */
    return BW_OK;
}

enum bw_err bw_members_read_logs(struct bw_members *members, struct bw_diag *diag)
{
    struct leads leads = {.spans = calloc(LEADS_MAX, sizeof *leads.spans)};
    enum bw_err err = BW_OK;

    if (leads.spans == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    for (uint32_t id = 1; id < members->next_id && err == BW_OK; id++)
        err = read_log(members, id, &leads, diag);
    members->leaderless_ms = longest_gap(&leads, members->begun_ms, members->ended_ms);
    free(leads.spans);
    return err;
}
