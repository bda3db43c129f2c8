/* Changes an input that is, after its first byte, a protobuf message (or records in that shape)
 * field by field, at any depth, and puts the lengths around it right: a byte changed inside a nested
 * message is otherwise most often only a wrong length. Half of the time libFuzzer's own ideas. */
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/prng.h>

#include "fuzz.h"

#define DEPTH_MAX   6
#define RECORDS_MAX 512

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

struct piece {
    size_t begin; /* of the tag */
    size_t value; /* of a varint: it; of bytes: the first of them */
    size_t end;
    bool is_bytes;
};

/* Where the records of data[begin..end) are; 0: it is no message. */
static size_t split(const uint8_t *data, size_t begin, size_t end, struct piece *out_pieces)
{
    struct fuzz_records records = {data + begin, end - begin};
    struct fuzz_record record;
    size_t count = 0;

    while (records.size > 0 && count < RECORDS_MAX) {
        const size_t at = (size_t)(records.data - data);

        if (!fuzz_record_next(&records, &record))
            return 0;
        out_pieces[count] = (struct piece){.begin = at,
                                           .end = (size_t)(records.data - data),
                                           .is_bytes = record.data != NULL};
        out_pieces[count].value = record.data != NULL ? (size_t)(record.data - data) : at;
        count++;
    }
    return count;
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        out[size++] = (uint8_t)(value | 0x80);
    out[size++] = (uint8_t)value;
    return size;
}

static uint64_t interesting(struct bw_prng *prng)
{
    static const uint64_t values[] = {0, 1, 2, 3, 7, 127, 128, 1000, 15000, 65535, 65536,
                                      UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX};

    return bw_prng_below(prng, 2) == 0
               ? values[bw_prng_below(prng, sizeof values / sizeof values[0])]
               : bw_prng_next(prng) >> bw_prng_below(prng, 64);
}

/* A new record in place of one: another number, other bytes, twice, or nothing. */
static size_t change(struct bw_prng *prng, const uint8_t *data, const struct piece *piece,
                     uint8_t *out, size_t room)
{
    const size_t whole = piece->end - piece->begin;
    const uint64_t tag = data[piece->begin]; /* fields up to 15; others are copied as they are */
    size_t size;

    switch (bw_prng_below(prng, 6)) {
    case 0: /* gone */
        return 0;
    case 1: /* twice */
        if (2 * whole > room)
            return 0;
        memcpy(out, data + piece->begin, whole);
        memcpy(out + whole, data + piece->begin, whole);
        return 2 * whole;
    default:
        break;
    }
    if (room < whole + 64) {
        memcpy(out, data + piece->begin, whole < room ? whole : room);
        return whole < room ? whole : room;
    }
    if (!piece->is_bytes || tag >= 0x80) {
        out[0] = (uint8_t)(tag & 0x7f);
        return 1 + put_varint(out + 1, interesting(prng));
    }
    memcpy(out + 16, data + piece->value, piece->end - piece->value);
    size = LLVMFuzzerMutate(out + 16, piece->end - piece->value, piece->end - piece->value + 24);
    out[0] = (uint8_t)tag;
    {
        uint8_t length[10];
        const size_t length_size = put_varint(length, size);

        memcpy(out + 1, length, length_size);
        memmove(out + 1 + length_size, out + 16, size);
        return 1 + length_size + size;
    }
}

/* Replaces data[at.begin..at.end) by `with`, and writes the lengths of those around it anew. */
static size_t replace(const uint8_t *data, size_t size, const struct piece *around, size_t depth,
                      struct piece at, const uint8_t *with, size_t with_size, uint8_t *scratch,
                      size_t scratch_size, uint8_t *out)
{
    size_t inner_size = with_size;

    if (with_size + size + 16 * DEPTH_MAX > scratch_size)
        return 0;
    memcpy(scratch, with, with_size);
    for (size_t i = depth; i > 0; i--) { /* from the inside out */
        const struct piece *outer = &around[i - 1];
        const size_t before = at.begin - outer->value;
        const size_t after = outer->end - at.end;
        uint8_t head[20];
        size_t head_size = 0;

        for (size_t j = outer->begin; j < outer->value && head_size == 0; j++)
            if ((data[j] & 0x80) == 0)
                head_size = j + 1 - outer->begin; /* the tag ends here */
        memcpy(head, data + outer->begin, head_size);
        head_size += put_varint(head + head_size, before + inner_size + after);
        memmove(scratch + head_size + before, scratch, inner_size);
        memcpy(scratch, head, head_size);
        memcpy(scratch + head_size, data + outer->value, before);
        memcpy(scratch + head_size + before + inner_size, data + at.end, after);
        inner_size += head_size + before + after;
        at = *outer;
    }
    memcpy(out, data, at.begin);
    memcpy(out + at.begin, scratch, inner_size);
    memcpy(out + at.begin + inner_size, data + at.end, size - at.end);
    return at.begin + inner_size + (size - at.end);
}

static size_t mutate(uint8_t *data, size_t size, size_t size_max, struct bw_prng *prng)
{
    static struct piece pieces[RECORDS_MAX];
    static uint8_t with[64 * 1024];
    static uint8_t scratch[64 * 1024];
    static uint8_t out[64 * 1024];
    struct piece around[DEPTH_MAX];
    struct piece chosen;
    size_t depth = 0;
    size_t count = split(data, 1, size, pieces);
    size_t with_size;
    size_t out_size;

    if (count == 0 || size > 16 * 1024)
        return 0;
    chosen = pieces[bw_prng_below(prng, count)];
    while (chosen.is_bytes && depth < DEPTH_MAX && bw_prng_below(prng, 3) > 0) {
        count = split(data, chosen.value, chosen.end, pieces);
        if (count == 0)
            break;
        around[depth++] = chosen;
        chosen = pieces[bw_prng_below(prng, count)];
    }
    with_size = change(prng, data, &chosen, with, 32 * 1024);
    out_size = replace(data, size, around, depth, chosen, with, with_size, scratch, sizeof scratch,
                       out);
    if (out_size == 0 || out_size > size_max)
        return 0;
    memcpy(data, out, out_size);
    return out_size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    struct bw_prng prng;
    size_t changed = 0;

    bw_prng_init(&prng, seed);
    if (size > 1 && bw_prng_below(&prng, 2) == 0)
        changed = mutate(data, size, size_max, &prng);
    return changed > 0 ? changed : LLVMFuzzerMutate(data, size, size_max);
}
