#include <breakwater/lab/judge.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/instant.h>
#include <breakwater/base/name.h>

#define SUFFIX         ".beats"
#define NS_PER_US      UINT64_C(1000)
#define DIGITS_MAX     20 /* of a u64 */
#define LINE_MAX_BYTES (BW_NAME_MAX + 2 * DIGITS_MAX + 4)

void bw_judge_init(struct bw_judge *judge)
{
    *judge = (struct bw_judge){0};
}

void bw_judge_deinit(struct bw_judge *judge)
{
    free(judge->spans);
    bw_judge_init(judge);
}

/* ---- reading -------------------------------------------------------------------------------- */

struct beat {
    char site[BW_NAME_MAX + 1];
    uint64_t epoch;
    uint64_t boot_ns;
};

/* Digits up to `end`, which must be there. Moves `*text` behind it. */
static bool take_number(const char **text, char end, uint64_t *out)
{
    uint64_t value = 0;
    int digits = 0;

    for (; **text >= '0' && **text <= '9' && digits < DIGITS_MAX; (*text)++, digits++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**text - '0'), &value))
            return false;
    if (digits == 0 || **text != end)
        return false;
    (*text)++;
    *out = value;
    return true;
}

/* `line` ends with its newline. */
static bool parse_beat(const char *line, size_t size, struct beat *out_beat)
{
    const char *space = memchr(line, ' ', size);
    const char *rest;

    if (space == NULL || (size_t)(space - line) > BW_NAME_MAX || size > LINE_MAX_BYTES)
        return false;
    memcpy(out_beat->site, line, (size_t)(space - line));
    out_beat->site[space - line] = '\0';
    rest = space + 1;
    return bw_name_is_valid(out_beat->site) && take_number(&rest, ' ', &out_beat->epoch) &&
           take_number(&rest, '\n', &out_beat->boot_ns) && rest == line + size &&
           out_beat->boot_ns < UINT64_MAX - BW_JUDGE_BEAT_US_MAX * NS_PER_US;
}

static enum bw_err find_site(struct bw_judge *judge, const char *name, uint32_t *out_site,
                             struct bw_diag *diag)
{
    for (uint32_t i = 0; i < judge->site_count; i++) {
        if (strcmp(judge->sites[i], name) != 0)
            continue;
        *out_site = i;
        return BW_OK;
    }
    if (judge->site_count == BW_SITES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "records of more than %d sites", BW_SITES_MAX);
    BW_ASSERT(bw_copy_text(judge->sites[judge->site_count], sizeof judge->sites[0], name));
    *out_site = judge->site_count++;
    return BW_OK;
}

static enum bw_err add_span(struct bw_judge *judge, const struct bw_judge_span *span,
                            struct bw_diag *diag)
{
    if (judge->span_count == judge->span_capacity) {
        const size_t capacity = judge->span_capacity == 0 ? 64 : 2 * judge->span_capacity;
        struct bw_judge_span *grown = realloc(judge->spans, capacity * sizeof *grown);

        if (grown == NULL)
            return bw_diag_set(diag, BW_ERR_NOMEM, "judge the records: out of memory");
        judge->spans = grown;
        judge->span_capacity = capacity;
    }
    judge->spans[judge->span_count++] = *span;
    return BW_OK;
}

/* A beat after a hole, of a new epoch, or the first: a new span. Else the last one grows. */
static enum bw_err add_beat(struct bw_judge *judge, const struct beat *beat, bool is_first,
                            struct bw_diag *diag)
{
    struct bw_judge_span *last = is_first ? NULL : &judge->spans[judge->span_count - 1];
    const uint64_t last_beat_ns = is_first ? 0 : last->to_ns - BW_JUDGE_BEAT_US * NS_PER_US;
    struct bw_judge_span span = {.epoch = beat->epoch,
                                 .from_ns = beat->boot_ns,
                                 .to_ns = beat->boot_ns + BW_JUDGE_BEAT_US * NS_PER_US};
    enum bw_err err;

    if (!is_first && (strcmp(judge->sites[last->site], beat->site) != 0 ||
                      beat->boot_ns < last_beat_ns || beat->epoch < last->epoch))
        return bw_diag_set(diag, BW_ERR_CORRUPT,
                           "another site, an earlier time or a lower epoch than the beat before");
    err = find_site(judge, beat->site, &span.site, diag);
    if (err != BW_OK)
        return err;
    judge->beat_count++;
    judge->process_count += is_first;
    span.process = judge->process_count - 1;
    if (is_first)
        return add_span(judge, &span, diag);
    if (beat->boot_ns - last_beat_ns <= BW_JUDGE_BEAT_US_MAX * NS_PER_US) {
        if (beat->epoch == last->epoch) {
            last->to_ns = span.to_ns;
            return BW_OK;
        }
        last->to_ns = beat->boot_ns;
    } else {
        last->to_ns = last_beat_ns + BW_JUDGE_BEAT_US_MAX * NS_PER_US;
    }
    return add_span(judge, &span, diag);
}

enum bw_err bw_judge_add(struct bw_judge *judge, const char *text, size_t size,
                         struct bw_diag *diag)
{
    size_t line_number = 1;
    size_t used = 0;

    for (;; line_number++) {
        const char *newline = memchr(text + used, '\n', size - used);
        struct beat beat;
        size_t line_size;
        enum bw_err err;

        if (newline == NULL)
            return BW_OK; /* what is left was cut by a kill */
        line_size = (size_t)(newline - (text + used)) + 1;
        if (!parse_beat(text + used, line_size, &beat))
            return bw_diag_set(diag, BW_ERR_CORRUPT, "line %zu: expected SITE EPOCH BOOT_NS",
                               line_number);
        err = add_beat(judge, &beat, line_number == 1, diag);
        if (err != BW_OK)
            return bw_diag_wrap(diag, err, "line %zu", line_number);
        used += line_size;
    }
}

static enum bw_err add_file(struct bw_judge *judge, const char *path, struct bw_diag *diag)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    enum bw_err err = BW_OK;

    if (file == NULL)
        return bw_diag_errno(diag, errno, "open %s", path);
    errno = 0;
    size = getdelim(&text, &capacity, '\0', file); /* beats hold no NUL: all of it, or corrupt */
    if (size < 0 && ferror(file))
        err = bw_diag_errno(diag, errno, "read %s", path);
    else if (size > 0)
        err = bw_judge_add(judge, text, (size_t)size, diag);
    if (err == BW_OK && size > 0 && text[size - 1] == '\0')
        err = bw_diag_set(diag, BW_ERR_CORRUPT, "a NUL byte");
    if (err != BW_OK)
        (void)bw_diag_wrap(diag, err, "%s", path);
    free(text);
    (void)fclose(file); /* only read from */
    return err;
}

static bool is_records_file(const char *name)
{
    const size_t length = strlen(name);

    return length > sizeof SUFFIX - 1 && strcmp(name + length - (sizeof SUFFIX - 1), SUFFIX) == 0;
}

enum bw_err bw_judge_add_dir(struct bw_judge *judge, const char *dir, struct bw_diag *diag)
{
    DIR *stream = opendir(dir);
    enum bw_err err = BW_OK;
    struct dirent *entry;

    if (stream == NULL)
        return bw_diag_errno(diag, errno, "open %s", dir);
    while (err == BW_OK && (errno = 0, entry = readdir(stream)) != NULL) {
        char path[4096];
        const int length = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);

        if (!is_records_file(entry->d_name))
            continue;
        if (length < 0 || (size_t)length >= sizeof path)
            err = bw_diag_set(diag, BW_ERR_LIMIT, "path longer than %zu bytes", sizeof path - 1);
        else
            err = add_file(judge, path, diag);
    }
    if (err == BW_OK && errno != 0)
        err = bw_diag_errno(diag, errno, "read %s", dir);
    (void)closedir(stream); /* only read from */
    return err;
}

/* ---- judging -------------------------------------------------------------------------------- */

/* Where a span begins or ends. */
struct edge {
    uint64_t at_ns;
    uint32_t site;
    int step; /* +1 begins, -1 ends */
};

/* At one instant ends come before beginnings: spans that touch do not overlap. */
static int compare_edges(const void *a, const void *b)
{
    const struct edge *left = a;
    const struct edge *right = b;

    if (left->at_ns != right->at_ns)
        return left->at_ns < right->at_ns ? -1 : 1;
    return left->step - right->step;
}

static struct edge *sort_edges(const struct bw_judge *judge)
{
    struct edge *edges = calloc(2 * judge->span_count + 1, sizeof *edges);

    if (edges == NULL)
        return NULL;
    for (size_t i = 0; i < judge->span_count; i++) {
        const struct bw_judge_span *span = &judge->spans[i];

        edges[2 * i] = (struct edge){.at_ns = span->from_ns, .site = span->site, .step = 1};
        edges[2 * i + 1] = (struct edge){.at_ns = span->to_ns, .site = span->site, .step = -1};
    }
    qsort(edges, 2 * judge->span_count, sizeof *edges, compare_edges);
    return edges;
}

struct excuses {
    const struct bw_judge_excuse *list;
    size_t count;
};

static bool is_excused(const struct bw_judge *judge, const struct excuses *excuses, uint32_t site,
                       uint64_t at_ns, bool is_of_order)
{
    for (size_t i = 0; i < excuses->count; i++)
        if ((is_of_order || !excuses->list[i].is_of_order) &&
            strcmp(excuses->list[i].site, judge->sites[site]) == 0 &&
            excuses->list[i].from_ns <= at_ns && at_ns < excuses->list[i].to_ns)
            return true;
    return false;
}

/* Where the next excuse begins or ends; `until_ns` at the latest. */
static uint64_t next_change_ns(const struct excuses *excuses, uint64_t after_ns, uint64_t until_ns)
{
    uint64_t next_ns = until_ns;

    for (size_t i = 0; i < excuses->count; i++) {
        const struct bw_judge_excuse *excuse = &excuses->list[i];

        if (excuse->from_ns > after_ns && excuse->from_ns < next_ns)
            next_ns = excuse->from_ns;
        if (excuse->to_ns > after_ns && excuse->to_ns < next_ns)
            next_ns = excuse->to_ns;
    }
    return next_ns;
}

/* Adds the time from one edge to the next, in which the same processes served. */
static void add_overlap(const struct bw_judge *judge, const struct excuses *excuses,
                        const int *processes, uint64_t from_ns, uint64_t to_ns,
                        uint64_t *overlap_ns, uint64_t *excused_ns)
{
    while (from_ns < to_ns) {
        const uint64_t next_ns = next_change_ns(excuses, from_ns, to_ns);
        uint32_t serving = 0;
        uint32_t held_to_it = 0; /* of these, without an excuse */

        for (uint32_t site = 0; site < judge->site_count; site++) {
            serving += processes[site] > 0;
            held_to_it += processes[site] > 0 && !is_excused(judge, excuses, site, from_ns, false);
        }
        if (held_to_it > 1)
            *overlap_ns += next_ns - from_ns;
        else if (serving > 1)
            *excused_ns += next_ns - from_ns;
        from_ns = next_ns;
    }
}

enum bw_err bw_judge_overlap_excused_us(const struct bw_judge *judge,
                                        const struct bw_judge_excuse *list, size_t excuse_count,
                                        uint64_t *out_us, uint64_t *out_excused_us)
{
    const struct excuses excuses = {list, excuse_count};
    struct edge *edges = sort_edges(judge);
    int processes[BW_SITES_MAX] = {0}; /* serving now, per site */
    uint64_t overlap_ns = 0;
    uint64_t excused_ns = 0;

    if (edges == NULL)
        return BW_ERR_NOMEM;
    for (size_t i = 0; i < 2 * judge->span_count; i++) {
        if (i > 0)
            add_overlap(judge, &excuses, processes, edges[i - 1].at_ns, edges[i].at_ns, &overlap_ns,
                        &excused_ns);
        processes[edges[i].site] += edges[i].step;
    }
    free(edges);
    *out_us = (overlap_ns + NS_PER_US - 1) / NS_PER_US;
    *out_excused_us = (excused_ns + NS_PER_US - 1) / NS_PER_US;
    return BW_OK;
}

enum bw_err bw_judge_overlap_us(const struct bw_judge *judge, uint64_t *out_us)
{
    uint64_t excused_us;

    return bw_judge_overlap_excused_us(judge, NULL, 0, out_us, &excused_us);
}

enum bw_err bw_judge_gap_us(const struct bw_judge *judge, uint64_t from_ns, uint64_t to_ns,
                            uint64_t *out_us)
{
    struct edge *edges = sort_edges(judge);
    uint64_t covered_ns = from_ns; /* until here the holes are counted */
    uint64_t longest_ns = 0;
    int processes = 0;

    if (edges == NULL)
        return BW_ERR_NOMEM;
    for (size_t i = 0; i < 2 * judge->span_count && edges[i].at_ns < to_ns; i++) {
        if (processes == 0 && edges[i].at_ns > covered_ns &&
            edges[i].at_ns - covered_ns > longest_ns)
            longest_ns = edges[i].at_ns - covered_ns;
        processes += edges[i].step;
        if (edges[i].at_ns > covered_ns)
            covered_ns = edges[i].at_ns;
    }
    if (processes == 0 && to_ns > covered_ns && to_ns - covered_ns > longest_ns)
        longest_ns = to_ns - covered_ns;
    free(edges);
    *out_us = longest_ns / NS_PER_US;
    return BW_OK;
}

static int compare_begins(const void *a, const void *b)
{
    const struct bw_judge_span *left = *(const struct bw_judge_span *const *)a;
    const struct bw_judge_span *right = *(const struct bw_judge_span *const *)b;

    return (left->from_ns > right->from_ns) - (left->from_ns < right->from_ns);
}

/* In order of time: the highest epoch that each other site has begun before. Of spans that begin at
 * one instant none is before the other. */
enum bw_err bw_judge_epochs_grow_excused(const struct bw_judge *judge,
                                         const struct bw_judge_excuse *list, size_t excuse_count,
                                         bool *out_grow)
{
    const struct excuses excuses = {list, excuse_count};
    const struct bw_judge_span **order = calloc(judge->span_count + 1,
                                                 sizeof(struct bw_judge_span *));
    uint64_t highest[BW_SITES_MAX] = {0};
    bool has_begun[BW_SITES_MAX] = {false};
    bool grow = true;
    size_t noted = 0;

    if (order == NULL)
        return BW_ERR_NOMEM;
    for (size_t i = 0; i < judge->span_count; i++)
        order[i] = &judge->spans[i];
    qsort(order, judge->span_count, sizeof(struct bw_judge_span *), compare_begins);
    for (size_t i = 0; i < judge->span_count && grow; i++) {
        for (; order[noted]->from_ns < order[i]->from_ns; noted++) {
            has_begun[order[noted]->site] = true;
            if (order[noted]->epoch > highest[order[noted]->site])
                highest[order[noted]->site] = order[noted]->epoch;
        }
        if (is_excused(judge, &excuses, order[i]->site, order[i]->from_ns, true))
            continue;
        for (uint32_t site = 0; site < judge->site_count; site++)
            grow = grow && (site == order[i]->site || !has_begun[site] ||
                            highest[site] < order[i]->epoch);
    }
    free(order);
    *out_grow = grow;
    return BW_OK;
}

enum bw_err bw_judge_epochs_grow(const struct bw_judge *judge, bool *out_grow)
{
    return bw_judge_epochs_grow_excused(judge, NULL, 0, out_grow);
}

static bool is_of(const struct bw_judge *judge, const struct bw_judge_span *span, const char *site)
{
    return strcmp(judge->sites[span->site], site) == 0;
}

bool bw_judge_serves_after(const struct bw_judge *judge, const char *site, uint64_t since_ns,
                           uint64_t *out_ns)
{
    bool was_found = false;

    for (size_t i = 0; i < judge->span_count; i++) {
        const struct bw_judge_span *span = &judge->spans[i];
        const uint64_t at_ns = span->from_ns > since_ns ? span->from_ns : since_ns;

        if (!is_of(judge, span, site) || span->to_ns <= since_ns)
            continue;
        if (!was_found || at_ns < *out_ns)
            *out_ns = at_ns;
        was_found = true;
    }
    return was_found;
}

bool bw_judge_served_until(const struct bw_judge *judge, const char *site, uint64_t *out_ns)
{
    bool was_found = false;

    for (size_t i = 0; i < judge->span_count; i++) {
        const struct bw_judge_span *span = &judge->spans[i];

        if (!is_of(judge, span, site))
            continue;
        if (!was_found || span->to_ns > *out_ns)
            *out_ns = span->to_ns;
        was_found = true;
    }
    return was_found;
}
