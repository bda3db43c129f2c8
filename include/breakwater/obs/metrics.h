/* metrics.h - what Prometheus reads: its text exposition format 0.0.4.
 *
 * There is no registry: when /metrics is asked for, a program writes each family from its own
 * state,
 *
 *     bw_metrics_init(&metrics);
 *     bw_metrics_begin(&metrics, "breakwater_group_epoch", BW_METRIC_GAUGE, "Epoch of the group.");
 *     for each group: bw_metrics_add_u64(&metrics, epoch, BW_METRIC_LABELS({"group", name}));
 *     err = bw_metrics_get(&metrics, &text, &size, &diag);
 *
 * The first error stays and is what bw_metrics_get returns: half a text never leaves. */
#ifndef BW_OBS_METRICS_H
#define BW_OBS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/err.h>

#define BW_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#define BW_METRIC_TYPE_LIST(X)                                                                     \
    X(COUNTER, "counter") X(GAUGE, "gauge")
enum bw_metric_type {
#define X(name, word) BW_METRIC_##name,
    BW_METRIC_TYPE_LIST(X)
#undef X
};

struct bw_metric_label {
    const char *name;  /* [a-zA-Z_][a-zA-Z0-9_]*, asserted; not beginning with "__" */
    const char *value; /* any text; a byte that is no printable ASCII or newline shows as `?` */
};

struct bw_metrics {
    char *text; /* ours, on the heap */
    size_t size;
    size_t capacity;
    const char *family; /* the name given last to bw_metrics_begin; NULL: none */
    enum bw_err err;    /* the first error */
};

/* `labels, label_count` of a sample, and of one without labels. */
#define BW_METRIC_LABELS(...)                                                                      \
    (const struct bw_metric_label[]){__VA_ARGS__},                                                 \
        sizeof(const struct bw_metric_label[]){__VA_ARGS__} / sizeof(struct bw_metric_label)
#define BW_METRIC_NO_LABELS NULL, 0

void bw_metrics_init(struct bw_metrics *metrics);
void bw_metrics_deinit(struct bw_metrics *metrics);

/* Begins a family; the samples that follow are its. `name` ([a-zA-Z_:][a-zA-Z0-9_:]*, asserted) is
 * kept until the next family, and begun once in a text. A counter's name ends in `_total`,
 * asserted. */
void bw_metrics_begin(struct bw_metrics *metrics, const char *name, enum bw_metric_type type,
                      const char *help);

/* One sample of the family begun last. No two samples of a family have the same labels. */
void bw_metrics_add_u64(struct bw_metrics *metrics, uint64_t value,
                        const struct bw_metric_label *labels, size_t label_count);
/* NaN and the infinities are values too. */
void bw_metrics_add_double(struct bw_metrics *metrics, double value,
                           const struct bw_metric_label *labels, size_t label_count);

/* The text, not NUL-terminated, good until the next call on `metrics`. BW_ERR_LIMIT when it would
 * be more than BW_METRICS_BYTES_MAX, or BW_ERR_NOMEM; the outputs are then untouched. */
BW_MUST_CHECK enum bw_err bw_metrics_get(const struct bw_metrics *metrics, const char **out_text,
                                         size_t *out_size, struct bw_diag *diag);

#endif
