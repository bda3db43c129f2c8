/* record.h - what has happened to each group, kept long: one event for each command that took
 * effect. Design 3.1. Pure, and the same on every witness: an event is made of the command and of
 * the state that it changed, and its time is the proposing leader's.
 *
 * Beside the groups' state lie blocks of bytes; the events of a group fill a chain of them, oldest
 * first, and its chain outlives the group. Where no block is left the longest chain gives its
 * oldest. Nothing is ever decided by what stands here. */
#ifndef BW_CORE_RECORD_H
#define BW_CORE_RECORD_H

#include <breakwater/core/command.h>

/* What the record is to hold: of a group that moves this often, this long, and of several such
 * groups (tests/unit/test_record.c counts how many). */
#define BW_RECORD_DAYS           90
#define BW_RECORD_EPOCHS_PER_DAY 30

#define BW_RECORD_BLOCK_BYTES 4096
#define BW_RECORD_BLOCKS_MAX  2048                 /* 8 MiB, of all groups together */
#define BW_RECORD_CHAINS_MAX  (BW_GROUPS_MAX + 64) /* groups, those that were deleted included */

/* X(NAME, word); what stands in snapshots for it is in proto/snapshot.proto. */
#define BW_RECORD_LIST(X)                                                                          \
    X(GRANTED, "granted")                                                                          \
    X(ADOPTED, "adopted")       /* the adoption is armed */                                        \
    X(MOVE_BEGUN, "move_begun") /* the holder is to stop for `site` */                             \
    X(MOVE_GIVEN_UP, "given_up")                                                                   \
    X(CLOSED, "closed")                                                                            \
    X(FENCE_FAILED, "fence_failed") /* the epoch is held from here */                              \
    X(SEEN, "seen")                 /* where its site has seen the service */                      \
    X(ENDED, "ended")                                                                              \
    X(CREATED, "created")                                                                          \
    X(SPEC, "apply") /* its spec was replaced: `keys` and `sites` say by what */                   \
    X(MODE, "mode")                                                                                \
    X(MAINTENANCE, "maintenance") /* of `site`, or of the group; duration 0 ends it */             \
    X(DELETED, "deleted")                                                                          \
    X(RECOVERED, "recovered") /* the cluster began anew (3.9) */                                   \
    X(NOTED, "noted")         /* its start was verified: `note` */                                 \
    X(WISHED, "wished")       /* a person asks for `wish`, of `site` */                            \
    X(WISH_OVER, "wish_over") /* and it is asked for no more: `wish_end` */                        \
    X(PASSED, "passed") /* its start may go on behind its point of no return */                    \
    X(CLAIMED, "claimed")       /* `site` serves without the open epoch, or may (3.8) */         \
    X(CLAIM_OVER, "claim_over") /* and does no more: `claim_end` */
enum bw_record_kind {
    BW_RECORD_NONE,
#define X(name, word) BW_RECORD_##name,
    BW_RECORD_LIST(X)
#undef X
};

/* The newest number of a key in core/spec_keys.h, and one whose key is gone: expired_is_enough. */
#define BW_RECORD_KEYS_MAX      18
#define BW_RECORD_KEY_OF_BEFORE 17
struct bw_record_key {
    uint32_t key; /* its number */
    uint32_t before;
    uint32_t after;
};

/* A site that came, went, or has other values. */
struct bw_record_site {
    char name[BW_NAME_MAX + 1];
    bool was;
    bool is;
    bool never_before;
    bool never_after;
    uint32_t priority_before;
    uint32_t priority_after;
};
#define BW_RECORD_SITES_MAX (2 * BW_SITES_MAX)

/* Each kind has index, unix_ms, epoch, by and text, and what is named for it: no more is kept. */
struct bw_record_event {
    enum bw_record_kind kind;
    uint64_t index;  /* of the log entry; several events may share one */
    int64_t unix_ms; /* the proposing leader's clock, for people only */
    uint64_t epoch;
    enum bw_reason reason; /* GRANTED MOVE_BEGUN CLOSED ENDED */
    enum bw_grade grade;   /* ENDED */
    bool planned;          /* GRANTED, as in the command; so are the next */
    bool adopt;
    uint32_t silent_ms;
    enum bw_reach_seen seen; /* SEEN, too */
    bool proved;             /* SEEN, too */
    bool has_lag;
    uint64_t lag_ms;
    uint32_t lag_age_ms;
    char waived[BW_REASON_MAX + 1];
    char why[BW_WHY_MAX + 1];
    uint64_t duration_ms;           /* MAINTENANCE */
    struct bw_note note;            /* NOTED */
    enum bw_wish_kind wish;         /* WISHED WISH_OVER */
    enum bw_wish_end wish_end;      /* WISH_OVER */
    enum bw_claim_kind claim;       /* CLAIMED */
    enum bw_claim_end claim_end;    /* CLAIM_OVER */
    char site[BW_NAME_MAX + 1];     /* granted, ended, moved to, maintained, asked for */
    char previous[BW_NAME_MAX + 1]; /* GRANTED: whose epoch the last one was */
    char by[BW_REASON_MAX + 1];
    char text[BW_REASON_MAX + 1]; /* a person's reason */
    uint32_t key_count;           /* SPEC MODE */
    struct bw_record_key keys[BW_RECORD_KEYS_MAX];
    uint32_t site_count; /* SPEC MODE */
    struct bw_record_site sites[BW_RECORD_SITES_MAX];
};

const char *bw_record_word(enum bw_record_kind kind);
/* What of it no command could have left, for who takes it from outside; NULL: nothing. */
const char *bw_record_event_unsound(const struct bw_record_event *event);

/* ---- one event as bytes ---- */

#define BW_RECORD_EVENT_BYTES_MAX 2560
/* What an event takes in a snapshot beside its own bytes, at most. */
#define BW_RECORD_EVENT_HEAD_BYTES 3

/* How events are written, which is for wire/record_event.h to say. The same event gives the same
 * bytes, at most BW_RECORD_EVENT_BYTES_MAX of them, and `decode` gets only such bytes. Neither
 * fails, takes memory or calls back. */
struct bw_record_codec {
    size_t (*encode)(const struct bw_record_event *event, uint8_t *out, size_t out_max);
    void (*decode)(const uint8_t *data, size_t size, struct bw_record_event *out_event);
};

/* ---- the record ---- */

/* What is known of an event without decoding it; in no snapshot. */
struct bw_record_slot {
    uint64_t index;
    uint16_t size;
    uint8_t kind; /* enum bw_record_kind */
};
#define BW_RECORD_BLOCK_EVENTS_MAX 128

struct bw_record_block {
    uint16_t next;  /* index + 1; 0: none */
    uint16_t used;  /* of BW_RECORD_BLOCK_BYTES: what its events take in a snapshot */
    uint16_t size;  /* of `bytes`: the same without what they have there beside */
    uint16_t count; /* events, BW_RECORD_BLOCK_EVENTS_MAX at most */
    struct bw_record_slot slots[BW_RECORD_BLOCK_EVENTS_MAX];
    uint8_t bytes[BW_RECORD_BLOCK_BYTES];
};

struct bw_record_chain {
    char group[BW_NAME_MAX + 1];
    uint16_t first; /* index + 1 of its blocks: it has one at least */
    uint16_t last;
    uint32_t block_count;
    uint64_t newest_index;
    bool is_deleted; /* its newest event is that */
    uint64_t
        noted_epoch; /* of its newest NOTED; 0: none. For who would note it again, as the next */
    uint64_t reported_epoch; /* of its newest one with the word of the site before */
    uint32_t noted_restarts; /* of noted_epoch, the most that was noted */
};

struct bw_record {
    const struct bw_record_codec *codec; /* the caller's */
    struct bw_record_block *blocks; /* the caller's */
    uint32_t block_max;
    uint32_t
        block_limit; /* of them may be used: fewer where many groups need the snapshot's room */
    uint32_t block_count; /* are in use */
    uint32_t block_fresh; /* from here on none was ever used */
    uint16_t free_first;  /* index + 1 */
    uint32_t chain_count;
    struct bw_record_chain chains[BW_RECORD_CHAINS_MAX]; /* by name */
};

/* `codec` and `blocks`, memory for `block_max` (<= BW_RECORD_BLOCKS_MAX) of them, are kept, and the
 * same on every witness of a cluster. */
void bw_record_init(struct bw_record *record, const struct bw_record_codec *codec,
                    struct bw_record_block *blocks, uint32_t block_max);

/* Both at once, for the heap: what is not used is never touched. */
struct bw_record_room {
    struct bw_record record;
    struct bw_record_block blocks[BW_RECORD_BLOCKS_MAX];
};

/* How many blocks there may be beside `group_count` groups, so that a snapshot has room for all. */
uint32_t bw_record_limit(uint32_t block_max, uint32_t group_count);
/* From now on it is `limit`; what is too much goes, oldest first. */
void bw_record_set_limit(struct bw_record *record, uint32_t limit);

void bw_record_append(struct bw_record *record, const char *group,
                      const struct bw_record_event *event);

/* The chain of that group; NULL: nothing of it is kept. */
const struct bw_record_chain *bw_record_find(const struct bw_record *record, const char *group);

/* A place in a chain. */
struct bw_record_at {
    uint16_t block;  /* index + 1; 0: the chain's end */
    uint16_t number; /* of the event in it */
    uint16_t offset; /* of its bytes */
};
struct bw_record_at bw_record_begin(const struct bw_record_chain *chain);
/* Reads the event at *at and moves on; false at the end. */
bool bw_record_next(const struct bw_record *record, struct bw_record_at *at,
                    struct bw_record_event *out_event);
/* The same, for who looks for something among many. */
bool bw_record_skip(const struct bw_record *record, struct bw_record_at *at,
                    enum bw_record_kind *out_kind, uint64_t *out_index);

/* What an event of so many bytes takes of a block. */
size_t bw_record_room_of(size_t size);
/* As a snapshot has them, oldest first: a new block of that group, and the next event in its newest
 * block, with the bytes that it was decoded from. Groups come in the order of their names, and all
 * of it fits. */
void bw_record_put_block(struct bw_record *record, const char *group);
void bw_record_put_event(struct bw_record *record, const char *group,
                         const struct bw_record_event *event, const uint8_t *data, size_t size);

/* ---- what is recorded ---- */

struct bw_group;

/* Of a group, before a command is applied to it. */
struct bw_record_before {
    struct bw_spec spec; /* of SET_SPEC and SET_MODE only */
    uint64_t epoch;
    bool is_open;
};
void bw_record_look(const struct bw_group *group, const struct bw_command *command,
                    struct bw_record_before *out_before);
/* `command` took effect at `index`. `before` NULL: it made the group. */
void bw_record_command(struct bw_record *record, const struct bw_group *group,
                       const struct bw_record_before *before, uint64_t index,
                       const struct bw_command *command);
/* 3.9: the group began anew at `index`. */
void bw_record_recovery(struct bw_record *record, const struct bw_group *group,
                        const struct bw_record_before *before, uint64_t index, int64_t unix_ms);

#endif
