/* entries.h - what writers were told is committed, and what of it a cluster has forgotten. Pure.
 *
 * An entry is a number that a writer has given a group by `breakwater apply`, higher than any before: a
 * slot of a writer is one group, which it gives a number again and again. What is acknowledged is looked
 * for twice at least: by every reader that asks for the slot while it is the newest there, and by the
 * write that replaces it, which says what was there before. Besides, each has an index of the log: no two
 * have the same, and those of one writer only grow, so a log that was cut and went on shows, too.
 *
 * A writer's record has one line for each step, written before the next step begins:
 *   `? SLOT NUMBER`                   this is asked for; from here on it may be there
 *   `+ SLOT NUMBER INDEX BEFORE AT`   acknowledged, at that index, in the slot of BEFORE, at that instant
 *                                     (0: nothing was there; -: it did not say)
 * A last line without newline is one that is being written: it is read the next time. */
#ifndef BW_CHAOS_ENTRIES_H
#define BW_CHAOS_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>

#define BW_ENTRIES_WRITERS_MAX 8
#define BW_ENTRIES_SLOTS      16 /* of one writer */
#define BW_ENTRIES_TEXTS_MAX   8  /* the first violations in words; all are counted */

struct bw_entry_slot {
    uint64_t tried;    /* the highest number asked for; 0: none */
    uint64_t acked;    /* the newest that was acknowledged; 0: none */
    uint64_t expected; /* what the look under way must find, or a later one */
    uint64_t missed;   /* the newest that was missing: counted once */
};

struct bw_entry_writer {
    struct bw_entry_slot slots[BW_ENTRIES_SLOTS];
    uint64_t index_max; /* of all that it was told */
    size_t read;        /* bytes of its record */
};

/* On the heap or static; all zero at first, and to bw_entries_deinit. Fields are for reading. */
struct bw_entries {
    struct bw_entry_writer writers[BW_ENTRIES_WRITERS_MAX];
    uint64_t *indexes; /* of all that are acknowledged */
    size_t index_capacity;
    uint64_t acknowledged_count;
    uint64_t lost_count;   /* of these */
    uint64_t broken_count; /* an index twice or backwards, a number that nobody asked for */
    uint64_t found_count;  /* acknowledged entries that a reader found, each time */
    uint64_t first_ns;     /* when the first was acknowledged, and the last */
    uint64_t last_ns;
    uint64_t silence_ns; /* the longest time without an acknowledgement, between the two */
    uint64_t *instants;  /* as indexes */
    char texts[BW_ENTRIES_TEXTS_MAX][160];
};

void bw_entries_deinit(struct bw_entries *entries);
/* Takes what is new in the record of one writer, which is given whole. BW_ERR_CORRUPT names the line. */
BW_MUST_CHECK enum bw_err bw_entries_take(struct bw_entries *entries, uint32_t writer,
                                          const char *text, size_t size, struct bw_diag *diag);

/* A look: all that was acknowledged before it began must be there, or what came later. First
 * bw_entries_expect, with all records taken; then the cluster is asked; the records are taken once more;
 * and bw_entries_judge is told what was there (0: no such group). */
void bw_entries_expect(struct bw_entries *entries);
void bw_entries_judge(struct bw_entries *entries, uint32_t writer, uint32_t slot, uint64_t number);
/* Would bw_entries_judge say that it is lost? */
bool bw_entries_misses(const struct bw_entries *entries, uint32_t writer, uint32_t slot,
                       uint64_t number);
/* Once, after the last line: indexes that were given twice, and the longest silence. */
void bw_entries_end(struct bw_entries *entries);

static inline bool bw_entries_are_whole(const struct bw_entries *entries)
{
    return entries->acknowledged_count > 0 && entries->lost_count == 0 &&
           entries->broken_count == 0;
}

#endif
