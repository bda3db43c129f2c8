/* record_line.h - what people read of the record: one line for each epoch, made of all its events,
 * and one for each change that is none. Design 3.1. Pure. */
#ifndef BW_CORE_RECORD_LINE_H
#define BW_CORE_RECORD_LINE_H

#include <breakwater/core/group.h>
#include <breakwater/core/record.h>

struct bw_record_line {
    enum bw_record_kind
        kind; /* GRANTED: an epoch. Else `event` says it all, and nothing else is set */
    struct bw_record_event event; /* that it begins with */
    struct bw_history_entry entry;
    char
        text[BW_REASON_MAX + 1]; /* the reason of whoever asked for the epoch; "": none was given */
    char ended_by[BW_REASON_MAX + 1]; /* the person on whose word it ended, or for whose move; "" */
    char ended_text[BW_REASON_MAX + 1];
    int64_t passed_unix_ms; /* its start was let past its point of no return (4). 0: it was not */
    int64_t held_unix_ms;  /* a fence failed: since then it was held. 0: none did */
    int64_t free_unix_ms;  /* ... until its end; 0: it still is */
    bool has_reported_end; /* its site has said when it served last, and that it has stopped */
    uint64_t late_ms;      /* by that it served so long after its end, at least; 0: it did not */
    struct bw_note note;   /* zeros: it was not seen to serve */
    int64_t restarted_unix_ms; /* it was started again at its site, for the last time on record
                                  then; 0: it was not */
    /* Of the epoch before, as far as the record has it; 0: that was not, or is not known. */
    int64_t before_move_unix_ms;   /* it was told to stop */
    int64_t before_closed_unix_ms; /* from here on nobody confirmed a renewal of it */
    int64_t before_ended_unix_ms;
};

/* Where a line begins. */
struct bw_record_mark {
    uint64_t index;
    struct bw_record_at at;
    struct bw_record_at before; /* the epoch before, in the same chain; block 0: none */
    bool is_epoch;
};

/* The next line at or behind *at, which is moved on; `mark` keeps the epoch before between the
 * calls, and begins as zeros. False at the end. */
bool bw_record_next_line(const struct bw_record *record, struct bw_record_at *at,
                         struct bw_record_mark *mark);
void bw_record_read_line(const struct bw_record *record, const struct bw_record_mark *mark,
                         struct bw_record_line *out_line);
/* The same of an epoch that is older than the record. */
void bw_record_line_of(const struct bw_group *group, const struct bw_history_entry *entry,
                       struct bw_record_line *out_line);
/* The oldest epoch that has its grant in the chain; UINT64_MAX: none has. */
uint64_t bw_record_oldest_epoch(const struct bw_record *record,
                                const struct bw_record_chain *chain);

#endif
