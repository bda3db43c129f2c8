/* record.c - the chains of blocks that the record is kept in. Design 3.1. */
#include <breakwater/core/record.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/name.h>

_Static_assert(BW_RECORD_BLOCKS_MAX < UINT16_MAX, "an index + 1 fits");
_Static_assert(BW_RECORD_BLOCK_BYTES <= UINT16_MAX, "an offset fits");
_Static_assert(BW_RECORD_EVENT_BYTES_MAX + BW_RECORD_EVENT_HEAD_BYTES <= BW_RECORD_BLOCK_BYTES,
               "an event fits in a block");

void bw_record_init(struct bw_record *record, const struct bw_record_codec *codec,
                    struct bw_record_block *blocks, uint32_t block_max)
{
    BW_ASSERT(block_max > 0 && block_max <= BW_RECORD_BLOCKS_MAX);
    record->codec = codec;
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
    const size_t room = (BW_SNAPSHOT_RECORD_BYTES_MAX - groups) / BW_SNAPSHOT_BLOCK_BYTES_MAX;

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
static uint32_t index_of(const struct bw_record *record, const char *group)
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
    const uint32_t at = index_of(record, group);

    return at < record->chain_count && strcmp(record->chains[at].group, group) == 0
               ? &record->chains[at]
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

    BW_ASSERT(chain->block_count > 0 && chain->block_count <= record->block_count);
    BW_ASSERT((chain->block_count == 1) == (chain->first == chain->last));
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
    block_of(record, number)->size = 0;
    block_of(record, number)->count = 0;
    return number;
}

static struct bw_record_chain *new_chain(struct bw_record *record, const char *group)
{
    const uint32_t at = index_of(record, group);
    struct bw_record_chain *chain = &record->chains[at];

    BW_ASSERT(record->chain_count < BW_RECORD_CHAINS_MAX);
    BW_ASSERT(strlen(group) <= BW_NAME_MAX);
    memmove(chain + 1, chain, (record->chain_count - at) * sizeof *chain);
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

size_t bw_record_room_of(size_t size)
{
    return size + BW_RECORD_EVENT_HEAD_BYTES - (size < 128 ? 1 : 0);
}

static bool has_room(const struct bw_record *record, const struct bw_record_chain *chain,
                     size_t size)
{
    const struct bw_record_block *block = chain == NULL ? NULL : block_of(record, chain->last);

    return block != NULL && block->count < BW_RECORD_BLOCK_EVENTS_MAX &&
           block->used + bw_record_room_of(size) <= BW_RECORD_BLOCK_BYTES;
}

static void note_noted(struct bw_record_chain *chain, const struct bw_record_event *event)
{
    const bool is_same = chain->noted_epoch == event->epoch;

    if (!is_same || event->note.restarts > chain->noted_restarts)
        chain->noted_restarts = event->note.restarts;
    chain->noted_epoch = event->epoch;
    if (event->note.is_reported)
        chain->reported_epoch = event->epoch;
}

static void note_event(struct bw_record_chain *chain, const struct bw_record_event *event)
{
    chain->newest_index = event->index;
    chain->is_deleted = event->kind == BW_RECORD_DELETED;
    if (event->kind == BW_RECORD_NOTED)
        note_noted(chain, event);
}

/* Behind what the newest block of the chain has, which has room for it. */
static void put(struct bw_record *record, struct bw_record_chain *chain,
                const struct bw_record_event *event, const uint8_t *data, size_t size)
{
    struct bw_record_block *block = block_of(record, chain->last);

    BW_ASSERT(has_room(record, chain, size));
    BW_ASSERT(event->index >= chain->newest_index); /* as the log has them */
    block->slots[block->count++] = (struct bw_record_slot){
        .index = event->index, .size = (uint16_t)size, .kind = (uint8_t)event->kind};
    memcpy(block->bytes + block->size, data, size);
    block->size = (uint16_t)(block->size + size);
    block->used = (uint16_t)(block->used + bw_record_room_of(size));
    note_event(chain, event);
}

void bw_record_append(struct bw_record *record, const char *group,
                      const struct bw_record_event *event)
{
    uint8_t bytes[BW_RECORD_EVENT_BYTES_MAX];
    struct bw_record_chain *chain = find(record, group);
    size_t size;

    if (record->block_limit == 0)
        return;
    BW_ASSERT_NONE(bw_record_event_unsound(event)); /* which a reader demands */
    size = record->codec->encode(event, bytes, sizeof bytes);
    BW_ASSERT(size > 0 && size <= sizeof bytes);
    if (!has_room(record, chain, size)) {
        if (chain == NULL && record->chain_count == BW_RECORD_CHAINS_MAX)
            for (uint32_t left = least_chain(record)->block_count; left > 0; left--)
                drop_oldest(record, least_chain(record));
        while (record->block_count >= record->block_limit)
            drop_oldest(record, longest_chain(record));
        chain = add_block(record, group);
    }
    put(record, chain, event, bytes, size);
}

void bw_record_put_block(struct bw_record *record, const char *group)
{
    BW_ASSERT(record->block_count < record->block_max);
    (void)add_block(record, group); /* its chain is found by its name */
}

void bw_record_put_event(struct bw_record *record, const char *group,
                         const struct bw_record_event *event, const uint8_t *data, size_t size)
{
    struct bw_record_chain *chain = find(record, group);

    BW_ASSERT(chain != NULL);
    put(record, chain, event, data, size);
}

/* ---- reading ---- */

struct bw_record_at bw_record_begin(const struct bw_record_chain *chain)
{
    return (struct bw_record_at){.block = chain == NULL ? 0 : chain->first};
}

static void move_on(const struct bw_record_block *block, struct bw_record_at *at)
{
    at->offset = (uint16_t)(at->offset + block->slots[at->number].size);
    at->number++;
    if (at->number == block->count)
        *at = (struct bw_record_at){.block = block->next};
}

bool bw_record_next(const struct bw_record *record, struct bw_record_at *at,
                    struct bw_record_event *out_event)
{
    const struct bw_record_block *block;

    if (at->block == 0)
        return false;
    block = block_of(record, at->block);
    BW_ASSERT(at->number < block->count); /* no block is empty, nor a slot behind its last event */
    record->codec->decode(block->bytes + at->offset, block->slots[at->number].size, out_event);
    BW_ASSERT(out_event->index == block->slots[at->number].index);
    move_on(block, at);
    return true;
}

bool bw_record_skip(const struct bw_record *record, struct bw_record_at *at,
                    enum bw_record_kind *out_kind, uint64_t *out_index)
{
    const struct bw_record_block *block;

    if (at->block == 0)
        return false;
    block = block_of(record, at->block);
    BW_ASSERT(at->number < block->count); /* as above */
    *out_kind = (enum bw_record_kind)block->slots[at->number].kind;
    *out_index = block->slots[at->number].index;
    move_on(block, at);
    return true;
}

/* ---- events ---- */

/* What an event of the record may say, and the words for it. Design 3.1. */

/* By kind; NULL: NONE. */
static const char *const words[] = {
#define X(name, word) [BW_RECORD_##name] = (word),
    BW_RECORD_LIST(X)
#undef X
};

static bool is_kind(unsigned kind)
{
    return kind != BW_RECORD_NONE && kind < sizeof words / sizeof words[0];
}

const char *bw_record_word(enum bw_record_kind kind)
{
    return is_kind(kind) ? words[kind] : "unlisted";
}

static bool are_keys_sound(const struct bw_record_event *event)
{
    uint32_t last = 0;

    if (event->key_count > BW_RECORD_KEYS_MAX)
        return false;
    for (uint32_t i = 0; i < event->key_count; i++) {
        if (event->keys[i].key <= last || event->keys[i].key > BW_RECORD_KEYS_MAX)
            return false;
        last = event->keys[i].key;
    }
    return true;
}

static bool are_sites_sound(const struct bw_record_event *event)
{
    if (event->site_count > BW_RECORD_SITES_MAX)
        return false;
    for (uint32_t i = 0; i < event->site_count; i++)
        if (!bw_name_is_valid(event->sites[i].name) ||
            (!event->sites[i].was && !event->sites[i].is))
            return false;
    return true;
}

const char *bw_record_event_unsound(const struct bw_record_event *event)
{
    if (!is_kind(event->kind))
        return "there is no such kind";
    if (event->index == 0)
        return "it has no log index";
    if (!are_keys_sound(event))
        return "its keys are not those of a spec, in their order";
    if (!are_sites_sound(event))
        return "a site of it neither was there nor is";
    return NULL;
}
