/* record_event.c - one event of the record as bytes: its length, its kind, then what is not zero,
 * each with a tag, in the order of the tags. Design 3.1. The same event gives the same bytes, for
 * ever: a tag is never used for anything else. */
#include <breakwater/core/record.h>

#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/name.h>

#define HEAD_BYTES    3 /* length of what follows (two bytes), kind */
#define TAG_INDEX     1
#define TAG_KEYS      40
#define TAG_SITES     41
#define VARINT_BYTES  10
#define TEXT_SIZE_MAX 255

enum what { NUMBER, NAME, TEXT };
struct field {
    uint8_t tag;
    enum what what;
    size_t offset;
    size_t size;
    uint64_t max; /* of a number */
};

#define ONE(...)       +1
#define COUNT_OF(LIST) (0 LIST(ONE))
#define AT(member)                                                                                 \
    offsetof(struct bw_record_event, member), sizeof(((struct bw_record_event *)0)->member)
static const struct field fields[] = {
    {TAG_INDEX, NUMBER, AT(index), UINT64_MAX},
    {2, NUMBER, AT(unix_ms), UINT64_MAX},
    {3, NUMBER, AT(epoch), UINT64_MAX},
    {4, NUMBER, AT(reason), COUNT_OF(BW_REASON_LIST) - 1},
    {5, NUMBER, AT(grade), COUNT_OF(BW_GRADE_LIST) - 1},
    {6, NUMBER, AT(planned), 1},
    {7, NUMBER, AT(adopt), 1},
    {8, NUMBER, AT(silent_ms), UINT32_MAX},
    {9, NUMBER, AT(seen), COUNT_OF(BW_REACH_SEEN_LIST) - 1},
    {10, NUMBER, AT(proved), 1},
    {11, NUMBER, AT(duration_ms), UINT64_MAX},
    {30, NAME, AT(site), 0},
    {31, NAME, AT(previous), 0},
    {32, TEXT, AT(by), 0},
    {33, TEXT, AT(text), 0},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])
_Static_assert(BW_NAME_MAX <= TEXT_SIZE_MAX && BW_REASON_MAX <= TEXT_SIZE_MAX, "one byte says it");
_Static_assert(BW_RECORD_EVENT_BYTES_MAX <= BW_RECORD_BLOCK_BYTES, "an event fits in a block");
_Static_assert(HEAD_BYTES + 11 * (1 + VARINT_BYTES) + 2 * (2 + BW_NAME_MAX) +
                       2 * (2 + BW_REASON_MAX) + 2 + BW_RECORD_KEYS_MAX * (1 + 2 * 5) + 2 +
                       BW_RECORD_SITES_MAX * (1 + BW_NAME_MAX + 1 + 2 * 5) <=
                   BW_RECORD_EVENT_BYTES_MAX,
               "the largest event");

const char *bw_record_word(enum bw_record_kind kind)
{
    switch (kind) {
#define X(name, word, number)                                                                      \
    case BW_RECORD_##name:                                                                         \
        return word;
        BW_RECORD_LIST(X)
#undef X
    case BW_RECORD_NONE:
        break;
    }
    return "unlisted";
}

/* ---- writing ---- */

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static size_t put_text(uint8_t *out, const char *text, size_t room)
{
    const size_t size = strnlen(text, room);

    out[0] = (uint8_t)size;
    memcpy(out + 1, text, size);
    return 1 + size;
}

static uint64_t number_at(const void *at, size_t size)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;

    if (size == sizeof(bool))
        return *(const bool *)at ? 1 : 0;
    if (size == sizeof narrow) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    BW_ASSERT(size == sizeof wide);
    memcpy(&wide, at, sizeof wide);
    return wide;
}

static size_t put_field(uint8_t *out, const struct bw_record_event *event,
                        const struct field *field)
{
    const char *at = (const char *)event + field->offset;

    if (field->what == NUMBER ? number_at(at, field->size) == 0 : at[0] == '\0')
        return 0;
    out[0] = field->tag;
    return 1 + (field->what == NUMBER ? put_varint(out + 1, number_at(at, field->size))
                                      : put_text(out + 1, at, field->size - 1));
}

static size_t put_keys(uint8_t *out, const struct bw_record_event *event)
{
    size_t size = 2;

    if (event->key_count == 0)
        return 0;
    out[0] = TAG_KEYS;
    out[1] = (uint8_t)event->key_count;
    for (uint32_t i = 0; i < event->key_count; i++) {
        out[size++] = event->keys[i].key;
        size += put_varint(out + size, event->keys[i].before);
        size += put_varint(out + size, event->keys[i].after);
    }
    return size;
}

static size_t put_sites(uint8_t *out, const struct bw_record_event *event)
{
    size_t size = 2;

    if (event->site_count == 0)
        return 0;
    out[0] = TAG_SITES;
    out[1] = (uint8_t)event->site_count;
    for (uint32_t i = 0; i < event->site_count; i++) {
        const struct bw_record_site *site = &event->sites[i];

        size += put_text(out + size, site->name, BW_NAME_MAX);
        out[size++] = (uint8_t)((site->was ? 1 : 0) | (site->is ? 2 : 0) |
                                (site->never_before ? 4 : 0) | (site->never_after ? 8 : 0));
        size += put_varint(out + size, site->priority_before);
        size += put_varint(out + size, site->priority_after);
    }
    return size;
}

size_t bw_record_encode(const struct bw_record_event *event, uint8_t *out)
{
    size_t size = HEAD_BYTES;

    BW_ASSERT(event->key_count <= BW_RECORD_KEYS_MAX);
    BW_ASSERT(event->site_count <= BW_RECORD_SITES_MAX);
    for (size_t i = 0; i < FIELD_COUNT; i++)
        size += put_field(out + size, event, &fields[i]);
    size += put_keys(out + size, event);
    size += put_sites(out + size, event);
    BW_ASSERT(size <= BW_RECORD_EVENT_BYTES_MAX);
    out[0] = (uint8_t)(size - HEAD_BYTES);
    out[1] = (uint8_t)((size - HEAD_BYTES) >> 8);
    out[2] = (uint8_t)event->kind;
    return size;
}

/* ---- reading ---- */

struct reader {
    const uint8_t *data;
    size_t size;
    size_t used;
    bool is_damaged;
};

static uint8_t take_byte(struct reader *reader)
{
    if (reader->used == reader->size) {
        reader->is_damaged = true;
        return 0;
    }
    return reader->data[reader->used++];
}

/* In the shortest form, and at most `max`. */
static uint64_t take_varint(struct reader *reader, uint64_t max)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 7 * VARINT_BYTES; shift += 7) {
        const uint8_t byte = take_byte(reader);

        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) != 0)
            continue;
        if ((byte == 0 && shift > 0) || value > max)
            break;
        return value;
    }
    reader->is_damaged = true;
    return 0;
}

static void take_text(struct reader *reader, enum what what, char *out, size_t room)
{
    const size_t size = take_byte(reader);

    if (size == 0 || size > room || size > reader->size - reader->used ||
        memchr(reader->data + reader->used, '\0', size) != NULL) {
        reader->is_damaged = true;
        return;
    }
    memcpy(out, reader->data + reader->used, size);
    out[size] = '\0';
    reader->used += size;
    if (what == NAME && !bw_name_is_valid(out))
        reader->is_damaged = true;
}

static void take_number(struct reader *reader, const struct field *field, char *at)
{
    const uint64_t value = take_varint(reader, field->max);
    const uint32_t narrow = (uint32_t)value;

    if (value == 0)
        reader->is_damaged = true; /* it would have been left out */
    if (field->size == sizeof(bool))
        *(bool *)at = value != 0;
    else if (field->size == sizeof narrow)
        memcpy(at, &narrow, sizeof narrow);
    else
        memcpy(at, &value, sizeof value);
}

static uint32_t take_count(struct reader *reader, uint32_t max)
{
    const uint32_t count = take_byte(reader);

    if (count > 0 && count <= max)
        return count;
    reader->is_damaged = true;
    return 0;
}

static void take_keys(struct reader *reader, struct bw_record_event *event)
{
    uint8_t last = 0;

    event->key_count = take_count(reader, BW_RECORD_KEYS_MAX);
    for (uint32_t i = 0; i < event->key_count; i++) {
        struct bw_record_key *key = &event->keys[i];

        key->key = take_byte(reader);
        key->before = (uint32_t)take_varint(reader, UINT32_MAX);
        key->after = (uint32_t)take_varint(reader, UINT32_MAX);
        if (key->key <= last || key->key > BW_RECORD_KEYS_MAX)
            reader->is_damaged = true;
        last = key->key;
    }
}

static void take_sites(struct reader *reader, struct bw_record_event *event)
{
    event->site_count = take_count(reader, BW_RECORD_SITES_MAX);
    for (uint32_t i = 0; i < event->site_count; i++) {
        struct bw_record_site *site = &event->sites[i];
        uint8_t bits;

        take_text(reader, NAME, site->name, BW_NAME_MAX);
        bits = take_byte(reader);
        if (bits > 15 || (bits & 3) == 0)
            reader->is_damaged = true;
        site->was = (bits & 1) != 0;
        site->is = (bits & 2) != 0;
        site->never_before = (bits & 4) != 0;
        site->never_after = (bits & 8) != 0;
        site->priority_before = (uint32_t)take_varint(reader, UINT32_MAX);
        site->priority_after = (uint32_t)take_varint(reader, UINT32_MAX);
    }
}

static void take_tagged(struct reader *reader, uint8_t tag, struct bw_record_event *event)
{
    if (tag == TAG_KEYS) {
        take_keys(reader, event);
        return;
    }
    if (tag == TAG_SITES) {
        take_sites(reader, event);
        return;
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        char *at = (char *)event + fields[i].offset;

        if (fields[i].tag != tag)
            continue;
        if (fields[i].what == NUMBER)
            take_number(reader, &fields[i], at);
        else
            take_text(reader, fields[i].what, at, fields[i].size - 1);
        return;
    }
    reader->is_damaged = true;
}

static bool is_kind(uint8_t number)
{
    switch (number) {
#define X(name, word, kind_number) case kind_number:
        BW_RECORD_LIST(X)
#undef X
        return true;
    default:
        return false;
    }
}

size_t bw_record_peek(const uint8_t *data, enum bw_record_kind *out_kind, uint64_t *out_index)
{
    struct reader reader = {.data = data, .used = HEAD_BYTES};

    reader.size = HEAD_BYTES + (size_t)(data[0] | data[1] << 8);
    *out_kind = (enum bw_record_kind)data[2];
    BW_ASSERT(take_byte(&reader) == TAG_INDEX); /* the first, and never 0 */
    *out_index = take_varint(&reader, UINT64_MAX);
    return reader.size;
}

size_t bw_record_decode(const uint8_t *data, size_t size, struct bw_record_event *out_event)
{
    struct bw_record_event event = {0};
    struct reader reader = {.data = data, .used = HEAD_BYTES};
    uint8_t last = 0;

    if (size < HEAD_BYTES || !is_kind(data[2]))
        return 0;
    reader.size = HEAD_BYTES + (size_t)(data[0] | data[1] << 8);
    if (reader.size > size || reader.size > BW_RECORD_EVENT_BYTES_MAX)
        return 0;
    event.kind = (enum bw_record_kind)data[2];
    while (reader.used < reader.size && !reader.is_damaged) {
        const uint8_t tag = take_byte(&reader);

        if (tag <= last)
            return 0;
        last = tag;
        take_tagged(&reader, tag, &event);
    }
    if (reader.is_damaged || event.index == 0)
        return 0;
    *out_event = event;
    return reader.size;
}
