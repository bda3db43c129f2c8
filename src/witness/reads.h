/* reads.h - documents about all groups, made rarely and shared by everybody who reads them.
 *
 * A status of a thousand groups takes a noticeable part of a second to write, on the loop that also
 * renews leases. So writing such documents, and reading and judging orders, gets three tenths of a processor, with half a
 * second in advance: a part for the status that every command of the operators begins with, one for whoever is limited to
 * some groups, one for metrics, which a stranger may ask for (metrics_open), one for all other documents, and for orders
 * one of those who are limited and one of all others. None takes another's. As long as its part lasts each reader gets one that was made for him, after that the newest
 * one, or a busy answer where there is none of that kind that is BW_READS_AGE_MAX_NS old at most. Answers that are
 * still being sent share their bytes; together they keep at most BW_READS_BYTES_MAX, and whoever still reads the oldest
 * when that is passed is dropped. What was made for somebody who may see some groups only is never
 * given to anybody else (design 5.3). The loop's thread only. */
#ifndef BW_WITNESS_READS_H
#define BW_WITNESS_READS_H

#include <breakwater/core/people.h>
#include <breakwater/net/http_server.h>
#include <breakwater/witness/json.h>

#define BW_READS_BYTES_MAX  (64 * 1024 * 1024)
#define BW_READS_AGE_MAX_NS (5 * BW_NS_PER_S)

#define BW_READ_LIST(X) X(STATUS) X(GROUPS) X(HISTORY) X(METRICS)
enum bw_read {
#define X(name) BW_READ_##name,
    BW_READ_LIST(X)
#undef X
    BW_READ_COUNT
};

enum bw_read_part {
    BW_READ_PART_STATUS,
    BW_READ_PART_LIMITED,
    BW_READ_PART_METRICS,
    BW_READ_PART_REST,
    BW_READ_PART_ORDERS,
    BW_READ_PART_LIMITED_ORDERS,
    BW_READ_PART_COUNT
};

struct bw_read_body;
struct bw_reads {
    struct bw_read_body *oldest; /* of those that somebody still has, or may get */
    struct bw_read_body *newest;
    size_t bytes;                /* of all of them */
    /* [1]: for whoever is limited to some groups, so that he does not displace what all others share. */
    struct bw_read_body *current[BW_READ_COUNT][2];
    struct bw_read_budget {
        int64_t left_ns; /* time that may be spent on writing; below 0: the last one took longer */
        uint64_t at_ns;  /* uv_hrtime of that; 0: never used */
    } budgets[BW_READ_PART_COUNT];
    uint64_t shared_count; /* answers that were not made for their reader */
    uint64_t busy_count;
};

struct bw_program;
/* Writes the document, with what `scope` has and nothing else; a failed buffer is one that could not be
 * written. */
typedef void bw_read_write(struct bw_program *program, const struct bw_scope *scope,
                           uint32_t argument, struct bw_json_buffer *out_buffer);

/* Answers `request` with the document of that kind and argument, as above, and how old it is. */
void bw_reads_answer(struct bw_program *program, struct bw_http_request *request, enum bw_read kind,
                     uint32_t argument, const char *content_type, bw_read_write *write);
/* Whose time is spent, and since when. */
struct bw_read_clock {
    enum bw_read_part part;
    uint64_t begun_ns;
};
/* Of what is written for its reader alone (one group, a snapshot, or the feature level), from the time of all else.
 * False: none is left, and that was answered. */
bool bw_reads_may_write(struct bw_program *program, struct bw_http_request *request,
                        struct bw_read_clock *out_clock);
/* Has `handler` read and judge an order, or the plan of one, in its part of the time. */
void bw_reads_order(struct bw_program *program, struct bw_http_request *request, bw_http_handler *handler);
void bw_reads_written(struct bw_program *program, const struct bw_read_clock *clock);
/* Answers with it, and takes its text: its bytes count as those of the documents above. */
void bw_reads_send(struct bw_program *program, struct bw_http_request *request, struct bw_json_buffer *buffer);
/* Who may see what has changed: nobody gets what was made before. */
void bw_reads_forget(struct bw_reads *reads);
void bw_reads_deinit(struct bw_reads *reads);

#endif
