/* record.c - the chains of blocks that the record is kept in. Design 3.1. */
#include <breakwater/core/record.h>

#include <string.h>

#include <breakwater/base/assert.h>

_Static_assert(BW_RECORD_BLOCKS_MAX < UINT16_MAX, "an index + 1 fits");
_Static_assert(BW_RECORD_BLOCK_BYTES <= UINT16_MAX, "an offset fits");

void bw_record_init(struct bw_record *record, struct bw_record_block *blocks, uint32_t block_max)
{
    BW_ASSERT(block_max > 0 && block_max <= BW_RECORD_BLOCKS_MAX);
    record->blocks = blocks;
    record->block_max = block_max;
    record->block_limit = block_max;
    record->block_count = 0;
    record->block_fresh = 0;
    record->free_first = 0;
    record->chain_count = 0;
}

uint32_t bw_record_limit(uint32_t block_max, uint32_t group_count)
{
    const size_t groups = ((size_t)group_count + 2) * BW_SNAPSHOT_GROUP_BYTES_MAX;
    const size_t room = (BW_SNAPSHOT_BYTES_MAX - groups) / BW_SNAPSHOT_BLOCK_BYTES_MAX;

    BW_ASSERT(group_count <= BW_GROUPS_MAX);
    return room < block_max ? (uint32_t)room : block_max;
}

static struct bw_record_block *block_of(const struct bw_record *record, uint16_t number)
{
    BW_ASSERT(number > 0 && number <= record->block_fresh);
    return &record->blocks[number - 1];
}

/* ---- chains, by name ---- */

/* Where it is, or belongs. */
static uint32_t place_of(const struct bw_record *record, const char *group)
{
    uint32_t low = 0;
    uint32_t high = record->chain_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (strcmp(record->chains[middle].group, group) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct bw_record_chain *find(struct bw_record *record, const char *group)
{
    const uint32_t place = place_of(record, group);

    return place < record->chain_count && strcmp(record->chains[place].group, group) == 0
               ? &record->chains[place]
               : NULL;
}

const struct bw_record_chain *bw_record_find(const struct bw_record *record, const char *group)
{
    return find((struct bw_record *)(uintptr_t)record, group); /* which changes nothing */
}

static void remove_chain(struct bw_record *record, struct bw_record_chain *chain)
{
    const size_t behind = record->chain_count - 1 - (size_t)(chain - record->chains);

    memmove(chain, chain + 1, behind * sizeof *chain);
    record->chain_count--;
}

/* Its oldest block is free again; without another one the chain is gone. */
static void drop_oldest(struct bw_record *record, struct bw_record_chain *chain)
{
    const uint16_t number = chain->first;
    struct bw_record_block *block = block_of(record, number);

    chain->first = block->next;
    chain->block_count--;
    block->next = record->free_first;
    record->free_first = number;
    record->block_count--;
    if (chain->block_count == 0)
        remove_chain(record, chain);
}

/* The longest; of several the one that was silent longest. */
static struct bw_record_chain *longest_chain(struct bw_record *record)
{
    struct bw_record_chain *longest = NULL;

    for (uint32_t i = 0; i < record->chain_count; i++) {
        struct bw_record_chain *chain = &record->chains[i];

        if (longest == NULL || chain->block_count > longest->block_count ||
            (chain->block_count == longest->block_count &&
             chain->newest_index < longest->newest_index))
            longest = chain;
    }
    BW_ASSERT(longest != NULL);
    return longest;
}

/* A deleted group's before one that is there; then whoever was silent longest. */
static struct bw_record_chain *least_chain(struct bw_record *record)
{
    struct bw_record_chain *least = &record->chains[0];

    for (uint32_t i = 1; i < record->chain_count; i++) {
        struct bw_record_chain *chain = &record->chains[i];

        if (chain->is_deleted != least->is_deleted ? chain->is_deleted
                                                   : chain->newest_index < least->newest_index)
            least = chain;
    }
    return least;
}

void bw_record_set_limit(struct bw_record *record, uint32_t limit)
{
    BW_ASSERT(limit <= record->block_max);
    record->block_limit = limit;
    while (record->block_count > limit)
        drop_oldest(record, longest_chain(record));
}

/* ---- writing ---- */

static uint16_t take_block(struct bw_record *record)
{
    uint16_t number = record->free_first;

    if (number != 0)
        record->free_first = block_of(record, number)->next;
    else
        number = (uint16_t)++record->block_fresh;
    record->block_count++;
    block_of(record, number)->next = 0;
    block_of(record, number)->used = 0;
    return number;
}

static struct bw_record_chain *new_chain(struct bw_record *record, const char *group)
{
    const uint32_t place = place_of(record, group);
    struct bw_record_chain *chain = &record->chains[place];

    BW_ASSERT(record->chain_count < BW_RECORD_CHAINS_MAX);
    BW_ASSERT(strlen(group) <= BW_NAME_MAX);
    memmove(chain + 1, chain, (record->chain_count - place) * sizeof *chain);
    record->chain_count++;
    *chain = (struct bw_record_chain){0};
    memcpy(chain->group, group, strlen(group));
    return chain;
}

static struct bw_record_chain *add_block(struct bw_record *record, const char *group)
{
    const uint16_t number = take_block(record);
    struct bw_record_chain *chain = find(record, group);

    if (chain == NULL)
        chain = new_chain(record, group);
    if (chain->block_count == 0)
        chain->first = number;
    else
        block_of(record, chain->last)->next = number;
    chain->last = number;
    chain->block_count++;
    return chain;
}

static bool has_room(const struct bw_record *record, const struct bw_record_chain *chain,
                     size_t size)
{
    return chain != NULL && size + block_of(record, chain->last)->used <= BW_RECORD_BLOCK_BYTES;
}

void bw_record_append(struct bw_record *record, const char *group,
                      const struct bw_record_event *event)
{
    uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    const size_t size = bw_record_encode(event, bytes);
    struct bw_record_chain *chain = find(record, group);
    struct bw_record_block *block;

    if (record->block_limit == 0)
        return;
    if (!has_room(record, chain, size)) {
        if (chain == NULL && record->chain_count == BW_RECORD_CHAINS_MAX)
            for (uint32_t left = least_chain(record)->block_count; left > 0; left--)
                drop_oldest(record, least_chain(record));
        while (record->block_count >= record->block_limit)
            drop_oldest(record, longest_chain(record));
        chain = add_block(record, group);
    }
    block = block_of(record, chain->last);
    memcpy(block->bytes + block->used, bytes, size);
    block->used = (uint16_t)(block->used + size);
    chain->newest_index = event->index;
    chain->is_deleted = event->kind == BW_RECORD_DELETED;
}

/* ---- reading ---- */

struct bw_record_at bw_record_begin(const struct bw_record_chain *chain)
{
    return (struct bw_record_at){.block = chain == NULL ? 0 : chain->first};
}

bool bw_record_next(const struct bw_record *record, struct bw_record_at *at,
                    struct bw_record_event *out_event)
{
    const struct bw_record_block *block;
    size_t size;

    if (at->block == 0)
        return false;
    block = block_of(record, at->block);
    size = bw_record_decode(block->bytes + at->offset, (size_t)block->used - at->offset, out_event);
    BW_ASSERT(size > 0); /* what came from outside was checked */
    at->offset = (uint16_t)(at->offset + size);
    if (at->offset == block->used)
        *at = (struct bw_record_at){.block = block->next};
    return true;
}

bool bw_record_skip(const struct bw_record *record, struct bw_record_at *at,
                    enum bw_record_kind *out_kind, uint64_t *out_index)
{
    const struct bw_record_block *block;

    if (at->block == 0)
        return false;
    block = block_of(record, at->block);
    at->offset = (uint16_t)(at->offset +
                            bw_record_peek(block->bytes + at->offset, out_kind, out_index));
    if (at->offset == block->used)
        *at = (struct bw_record_at){.block = block->next};
    return true;
}

const char *bw_record_block_unsound(const uint8_t *data, size_t size, uint64_t applied_index,
                                    uint64_t *last_index)
{
    struct bw_record_event event;

    if (size == 0 || size > BW_RECORD_BLOCK_BYTES)
        return "it is of no size that a block has";
    for (size_t used = 0; used < size;) {
        const size_t taken = bw_record_decode(data + used, size - used, &event);

        if (taken == 0)
            return "an event in it is damaged";
        if (event.index < *last_index)
            return "its events are not in order";
        if (event.index > applied_index)
            return "an event in it is later than the state";
        *last_index = event.index;
        used += taken;
    }
    return NULL;
}

void bw_record_put_block(struct bw_record *record, const char *group, const uint8_t *data,
                         size_t size)
{
    struct bw_record_event event = {0};
    struct bw_record_chain *chain = add_block(record, group);
    struct bw_record_block *block = block_of(record, chain->last);

    BW_ASSERT(record->block_count <= record->block_max);
    BW_ASSERT(size <= BW_RECORD_BLOCK_BYTES);
    memcpy(block->bytes, data, size);
    block->used = (uint16_t)size;
    for (size_t used = 0; used < size;)
        used += bw_record_decode(data + used, size - used, &event);
    chain->newest_index = event.index;
    chain->is_deleted = event.kind == BW_RECORD_DELETED;
}
