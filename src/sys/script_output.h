/* script_output.h - private to script.c: lines of a stream, and what is kept of the output. */
#ifndef BW_SYS_SCRIPT_OUTPUT_H
#define BW_SYS_SCRIPT_OUTPUT_H

#include <breakwater/sys/script.h>

#define BW_SCRIPT_HALF_BYTES ((size_t)BW_SCRIPT_OUTPUT_BYTES_MAX / 2)

/* Grows with the output up to its two halves, and never beyond. */
struct bw_script_store {
    char *head;
    size_t head_bytes;
    size_t head_room;
    char *tail; /* a ring of BW_SCRIPT_HALF_BYTES, made when the head is full */
    uint64_t tail_total;
};

/* Out of memory: what does not fit is counted as dropped. */
void bw_script_store_add(struct bw_script_store *store, const char *data, size_t size);
void bw_script_store_get(const struct bw_script_store *store, struct bw_script_kept *out_kept);
void bw_script_store_deinit(struct bw_script_store *store);

/* Cuts a stream into lines. */
struct bw_script_lines {
    char line[BW_SCRIPT_LINE_BYTES_MAX];
    size_t used;
    bool is_cutting; /* the rest of a line too long is passed over */
    bool was_cut;    /* that has happened */
};

typedef void (*bw_script_on_line)(const char *line, size_t bytes, void *user);
void bw_script_lines_add(struct bw_script_lines *lines, const char *data, size_t size,
                         bw_script_on_line on_line, void *user);
/* The last line, if it has no end. */
void bw_script_lines_end(struct bw_script_lines *lines, bw_script_on_line on_line, void *user);

#endif
