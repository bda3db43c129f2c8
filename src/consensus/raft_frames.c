#include <breakwater/consensus/raft_frames.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <raft.h>

#include <breakwater/base/bytes.h>
#include <breakwater/core/counters.h>

/* libraft, uv_encoding.c: little-endian words of 8 bytes. Preamble: type, header length. */
#define WORD                  8
#define VOTE_BYTES            (5 * WORD)
#define VOTE_RESULT_BYTES     (3 * WORD)
#define APPEND_BYTES          (5 * WORD) /* up to and with the count of entries */
#define APPEND_ENTRY_BYTES    (2 * WORD)
#define APPEND_RESULT_BYTES   (4 * WORD)
#define SNAPSHOT_BYTES        (5 * WORD) /* up to and with the length of the configuration */
#define TIMEOUT_NOW_BYTES     (3 * WORD)
#define HEADER_TAIL_BYTES_MAX 64 /* what a later libraft may add at the end */

#define CONFIGURATION_FORMAT 1

static const char *const messages[] = {[RAFT_APPEND_ENTRIES] = "AppendEntries",
                                       [RAFT_APPEND_ENTRIES_RESULT] = "AppendEntriesResult",
                                       [RAFT_REQUEST_VOTE] = "RequestVote",
                                       [RAFT_REQUEST_VOTE_RESULT] = "RequestVoteResult",
                                       [RAFT_INSTALL_SNAPSHOT] = "InstallSnapshot",
                                       [RAFT_TIMEOUT_NOW] = "TimeoutNow"};

static const uint64_t header_bytes_min[] = {[RAFT_APPEND_ENTRIES] = APPEND_BYTES,
                                            [RAFT_APPEND_ENTRIES_RESULT] = APPEND_RESULT_BYTES,
                                            [RAFT_REQUEST_VOTE] = VOTE_BYTES,
                                            [RAFT_REQUEST_VOTE_RESULT] = VOTE_RESULT_BYTES,
                                            [RAFT_INSTALL_SNAPSHOT] = SNAPSHOT_BYTES + WORD,
                                            [RAFT_TIMEOUT_NOW] = TIMEOUT_NOW_BYTES};

/* libraft looks at this byte alone. */
static unsigned type_of(const struct bw_raft_frames *frames)
{
    return frames->preamble[0];
}

static uint64_t header_bytes_max(unsigned type)
{
    switch (type) {
    case RAFT_APPEND_ENTRIES:
        return BW_RAFT_HEADER_BYTES_MAX;
    case RAFT_INSTALL_SNAPSHOT:
        return SNAPSHOT_BYTES + WORD + BW_RAFT_CONFIGURATION_BYTES_MAX + HEADER_TAIL_BYTES_MAX;
    default:
        return header_bytes_min[type] + HEADER_TAIL_BYTES_MAX;
    }
}

static enum bw_err begin_header(struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const unsigned type = type_of(frames);
    const uint64_t size = bw_get_u64le(frames->preamble + WORD);

    if (type >= sizeof messages / sizeof messages[0] || messages[type] == NULL)
        return bw_diag_set(diag, BW_ERR_INVALID, "Raft has no message of type %u", type);
    if (size < header_bytes_min[type])
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "%s: its header has %" PRIu64 " bytes, at least %" PRIu64 " are needed",
                           messages[type], size, header_bytes_min[type]);
    if (size > header_bytes_max(type))
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "%s: its header has %" PRIu64 " bytes, the limit is %" PRIu64,
                           messages[type], size, header_bytes_max(type));
    frames->header = malloc((size_t)size);
    if (frames->header == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "out of memory");
    frames->header_bytes = size;
    return BW_OK;
}

/* ---- terms and indexes ---- */

/* 3.9: Raft takes any higher term, for good. */
static enum bw_err judge_term(const struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const uint64_t term = bw_get_u64le(frames->header);

    if (bw_counter_may_follow(frames->own_term, term, BW_TERM_JUMP_MAX))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_LIMIT,
                       "term %" PRIu64 ", and this witness is in term %" PRIu64
                       ": no elections lead there (at most %" PRIu64 " at once, and %" PRIu64
                       " at all, are believed)",
                       term, frames->own_term, BW_TERM_JUMP_MAX, BW_COUNTER_MAX);
}

/* Of a log: nothing in it is of a later term than who has it. */
static enum bw_err judge_log_term(const struct bw_raft_frames *frames, uint64_t term,
                                  struct bw_diag *diag)
{
    if (term <= bw_get_u64le(frames->header))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_INVALID,
                       "it says term %" PRIu64 " and speaks of a log of term %" PRIu64,
                       bw_get_u64le(frames->header), term);
}

/* The end of a log that this one is to follow, or to vote for. */
static enum bw_err judge_index(const struct bw_raft_frames *frames, uint64_t index,
                               struct bw_diag *diag)
{
    if (bw_counter_may_follow(frames->own_index, index, BW_INDEX_JUMP_MAX))
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_LIMIT,
                       "index %" PRIu64 ", and this witness's log ends at %" PRIu64
                       ": no log grows like that (at most %" PRIu64 " at once, and %" PRIu64
                       " at all, are believed)",
                       index, frames->own_index, BW_INDEX_JUMP_MAX, BW_COUNTER_MAX);
}

static uint64_t word(const struct bw_raft_frames *frames, unsigned number)
{
    return bw_get_u64le(frames->header + (size_t)number * WORD);
}

/* libraft, uv_encoding.c: where index and term of the sender's log are, after its term. */
static enum bw_err judge_log(const struct bw_raft_frames *frames, struct bw_diag *diag)
{
    enum bw_err err = BW_OK;
    unsigned at;

    switch (type_of(frames)) {
    case RAFT_REQUEST_VOTE:
        at = 2;
        break;
    case RAFT_APPEND_ENTRIES:
    case RAFT_INSTALL_SNAPSHOT:
    case RAFT_TIMEOUT_NOW:
        at = 1;
        break;
    default:
        return BW_OK; /* a result: of its index libraft takes what its own log has */
    }
    err = judge_index(frames, word(frames, at), diag);
    return err == BW_OK ? judge_log_term(frames, word(frames, at + 1), diag) : err;
}

/* ---- the kinds of message ---- */

/* An entry is never empty: libraft would free what it never allocated. Its length is a multiple of
 * 8: libraft would read the next one from beyond the message. */
static enum bw_err judge_entries(struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const uint64_t count = bw_get_u64le(frames->header + APPEND_BYTES - WORD);
    uint64_t sum = 0;

    if (count > BW_RAFT_ENTRIES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%" PRIu64 " entries, the limit is %d", count,
                           BW_RAFT_ENTRIES_MAX);
    if (frames->header_bytes < APPEND_BYTES + count * APPEND_ENTRY_BYTES)
        return bw_diag_set(diag, BW_ERR_INVALID,
                           "a header of %" PRIu64 " bytes for %" PRIu64 " entries",
                           frames->header_bytes, count);
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *entry = frames->header + APPEND_BYTES + i * APPEND_ENTRY_BYTES;
        const uint32_t size = bw_get_u32le(entry + WORD + 4);
        const enum bw_err err = judge_log_term(frames, bw_get_u64le(entry), diag);

        if (err != BW_OK)
            return err;
        if (size == 0 || size % WORD != 0 || size > BW_RAFT_ENTRY_BYTES_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT,
                               "an entry of %" PRIu32 " bytes; 8 to %d, in steps of 8, are allowed",
                               size, BW_RAFT_ENTRY_BYTES_MAX);
        sum += size;
    }
    if (sum > BW_RAFT_PAYLOAD_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "entries of %" PRIu64 " bytes, the limit is %d", sum,
                           BW_RAFT_PAYLOAD_BYTES_MAX);
    frames->payload_left = sum;
    return BW_OK;
}

/* One who believes that it is another member collects votes for that one: two leaders in a term. */
static enum bw_err judge_vote(const struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const uint64_t candidate = bw_get_u64le(frames->header + WORD);

    if (candidate == frames->peer)
        return BW_OK;
    return bw_diag_set(diag, BW_ERR_AUTH,
                       "it asks for votes as witness %" PRIu64 ", but its certificate is that of "
                       "witness %" PRIu64
                       " by this witness's file; give all witnesses the same `witnesses`",
                       candidate, frames->peer);
}

/* Format, count, then per server: id, address ended by NUL, role. */
static bool is_configuration(const uint8_t *bytes, uint64_t size)
{
    uint64_t at = 1 + WORD;
    uint64_t count;

    if (size < at || bytes[0] != CONFIGURATION_FORMAT)
        return false;
    count = bw_get_u64le(bytes + 1);
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *end;

        if (size - at < WORD)
            return false;
        at += WORD;
        end = memchr(bytes + at, 0, (size_t)(size - at));
        if (end == NULL || (uint64_t)(end - bytes) + 2 > size)
            return false;
        at = (uint64_t)(end - bytes) + 2;
    }
    return true;
}

static enum bw_err judge_snapshot(struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const uint64_t size = bw_get_u64le(frames->header + SNAPSHOT_BYTES - WORD);
    uint64_t data;

    if (size > BW_RAFT_CONFIGURATION_BYTES_MAX ||
        frames->header_bytes < SNAPSHOT_BYTES + size + WORD)
        return bw_diag_set(diag, BW_ERR_LIMIT,
                           "a configuration of %" PRIu64 " bytes in a header of %" PRIu64
                           ", the limit is %d",
                           size, frames->header_bytes, BW_RAFT_CONFIGURATION_BYTES_MAX);
    if (!is_configuration(frames->header + SNAPSHOT_BYTES, size))
        return bw_diag_set(diag, BW_ERR_INVALID, "what should be a configuration is none");
    data = bw_get_u64le(frames->header + SNAPSHOT_BYTES + size);
    if (data == 0 || data > BW_RAFT_SNAPSHOT_BYTES_MAX)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%" PRIu64 " bytes, 1 to %d are allowed", data,
                           BW_RAFT_SNAPSHOT_BYTES_MAX);
    frames->payload_left = data;
    return BW_OK;
}

static enum bw_err end_header(struct bw_raft_frames *frames, struct bw_diag *diag)
{
    const unsigned type = type_of(frames);
    enum bw_err err = judge_term(frames, diag);

    if (err == BW_OK && type == RAFT_APPEND_ENTRIES)
        err = judge_entries(frames, diag);
    else if (err == BW_OK && type == RAFT_INSTALL_SNAPSHOT)
        err = judge_snapshot(frames, diag);
    else if (err == BW_OK && type == RAFT_REQUEST_VOTE)
        err = judge_vote(frames, diag);
    if (err == BW_OK)
        err = judge_log(frames, diag);
    if (err != BW_OK)
        return bw_diag_wrap(diag, err, "%s", messages[type]);
    free(frames->header);
    frames->header = NULL;
    frames->header_bytes = 0;
    return BW_OK;
}

/* Copies what belongs to the part at hand; true: the part is whole. */
static bool gather(struct bw_raft_frames *frames, uint8_t *part, uint64_t part_bytes,
                   const uint8_t **data, size_t *size)
{
    const uint64_t missing = part_bytes - frames->have_bytes;
    const size_t taken = *size < missing ? *size : (size_t)missing;

    memcpy(part + frames->have_bytes, *data, taken);
    *data += taken;
    *size -= taken;
    frames->have_bytes += taken;
    if (frames->have_bytes < part_bytes)
        return false;
    frames->have_bytes = 0;
    return true;
}

enum bw_err bw_raft_frames_take(struct bw_raft_frames *frames, const uint8_t *data, size_t size,
                                struct bw_diag *diag)
{
    enum bw_err err = BW_OK;

    while (size > 0 && err == BW_OK) {
        if (frames->payload_left > 0) {
            const size_t taken = size < frames->payload_left ? size : (size_t)frames->payload_left;

            frames->payload_left -= taken;
            data += taken;
            size -= taken;
        } else if (frames->header != NULL) {
            if (gather(frames, frames->header, frames->header_bytes, &data, &size))
                err = end_header(frames, diag);
        } else if (gather(frames, frames->preamble, sizeof frames->preamble, &data, &size)) {
            err = begin_header(frames, diag);
        }
    }
    return err;
}

void bw_raft_frames_deinit(struct bw_raft_frames *frames)
{
    free(frames->header);
    *frames = (struct bw_raft_frames){.peer = frames->peer};
}
