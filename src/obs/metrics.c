#include <breakwater/base/words.h>
#include <breakwater/obs/metrics.h>

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>

#define CAPACITY_FIRST 4096

#define GROWTH_MAX (BW_METRICS_BYTES_MAX / CAPACITY_FIRST)

_Static_assert((GROWTH_MAX & (GROWTH_MAX - 1)) == 0,
               "doubling the capacity meets the limit exactly");

void bw_metrics_init(struct bw_metrics *metrics)
{
    *metrics = (struct bw_metrics){.err = BW_OK};
}

void bw_metrics_deinit(struct bw_metrics *metrics)
{
    if (metrics == NULL)
        return;
    free(metrics->text);
    bw_metrics_init(metrics);
}

/* Makes room for `size` more bytes. False with the error noted; nothing is written from then on. */
static bool reserve(struct bw_metrics *metrics, size_t size)
{
    size_t capacity = metrics->capacity == 0 ? CAPACITY_FIRST : metrics->capacity;
    char *text;

    if (metrics->err != BW_OK)
        return false;
    if (size > BW_METRICS_BYTES_MAX - metrics->size) {
        metrics->err = BW_ERR_LIMIT;
        return false;
    }
    while (capacity - metrics->size < size)
        capacity *= 2;
    if (capacity == metrics->capacity)
        return true;
    text = realloc(metrics->text, capacity);
    if (text == NULL) {
        metrics->err = BW_ERR_NOMEM;
        return false;
    }
    metrics->text = text;
    metrics->capacity = capacity;
    return true;
}

static void put_bytes(struct bw_metrics *metrics, const char *bytes, size_t size)
{
    if (size == 0 || !reserve(metrics, size))
        return;
    memcpy(metrics->text + metrics->size, bytes, size);
    metrics->size += size;
}

static void put(struct bw_metrics *metrics, const char *text)
{
    put_bytes(metrics, text, strlen(text));
}

/* A label's value is quoted and escapes the quote; a help text is neither, and `\"` is an error in
 * it. Bytes outside of ASCII are replaced because one that is no UTF-8 voids the whole scrape. */
static void put_escaped(struct bw_metrics *metrics, const char *text, bool escapes_quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            put(metrics, "\\\\");
        else if (*text == '\n')
            put(metrics, "\\n");
        else if (*text == '"' && escapes_quote)
            put(metrics, "\\\"");
        else if (*text < 0x20 || *text >= 0x7f)
            put(metrics, "?");
        else
            put_bytes(metrics, text, 1);
    }
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_metric_name(const char *name, bool may_have_colons)
{
    if (!is_letter(name[0]) && !(may_have_colons && name[0] == ':'))
        return false;
    for (; *name != '\0'; name++)
        if (!is_letter(*name) && !(*name >= '0' && *name <= '9') &&
            !(may_have_colons && *name == ':'))
            return false;
    return true;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t text_size = strlen(text);
    const size_t end_size = strlen(end);

    return text_size >= end_size && strcmp(text + text_size - end_size, end) == 0;
}

static BW_WORDS(type_text, enum bw_metric_type, BW_METRIC_TYPE_LIST, "untyped")

void bw_metrics_begin(struct bw_metrics *metrics, const char *name, enum bw_metric_type type,
                      const char *help)
{
    BW_ASSERT(is_metric_name(name, true));
    BW_ASSERT(type != BW_METRIC_COUNTER || ends_in(name, "_total"));

    metrics->family = name;
    put(metrics, "# HELP ");
    put(metrics, name);
    put(metrics, " ");
    put_escaped(metrics, help, false);
    put(metrics, "\n# TYPE ");
    put(metrics, name);
    put(metrics, " ");
    put(metrics, type_text(type));
    put(metrics, "\n");
}

static void put_sample(struct bw_metrics *metrics, const struct bw_metric_label *labels,
                       size_t label_count, const char *value)
{
    BW_ASSERT(metrics->family != NULL);

    put(metrics, metrics->family);
    for (size_t i = 0; i < label_count; i++) {
        BW_ASSERT(is_metric_name(labels[i].name, false));
        BW_ASSERT(strncmp(labels[i].name, "__", 2) != 0);
        put(metrics, i == 0 ? "{" : ",");
        put(metrics, labels[i].name);
        put(metrics, "=\"");
        put_escaped(metrics, labels[i].value, true);
        put(metrics, "\"");
    }
    put(metrics, label_count > 0 ? "} " : " ");
    put(metrics, value);
    put(metrics, "\n");
}

void bw_metrics_add_u64(struct bw_metrics *metrics, uint64_t value,
                        const struct bw_metric_label *labels, size_t label_count)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, value); /* 20 digits fit */
    put_sample(metrics, labels, label_count, text);
}

void bw_metrics_add_double(struct bw_metrics *metrics, double value,
                           const struct bw_metric_label *labels, size_t label_count)
{
    char text[32];

    if (isnan(value)) {
        put_sample(metrics, labels, label_count, "NaN");
    } else if (isinf(value)) {
        put_sample(metrics, labels, label_count, value > 0 ? "+Inf" : "-Inf");
    } else {
        /* the shortest that reads back as the same number; 17 digits always do */
        for (int digits = 15; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, value); /* at most 24 bytes */
            if (strtod(text, NULL) == value)
                break;
        }
        put_sample(metrics, labels, label_count, text);
    }
}

enum bw_err bw_metrics_get(const struct bw_metrics *metrics, const char **out_text,
                           size_t *out_size, struct bw_diag *diag)
{
    if (metrics->err == BW_ERR_LIMIT)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "the metrics take more than %d bytes (BW_METRICS_BYTES_MAX)",
                           BW_METRICS_BYTES_MAX);
    if (metrics->err != BW_OK)
        return bw_diag_set(diag, metrics->err, "write the metrics: %s", bw_err_text(metrics->err));
    *out_text = metrics->size == 0 ? "" : metrics->text;
    *out_size = metrics->size;
    return BW_OK;
}
