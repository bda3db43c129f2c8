#include "wire_fill.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>

/* What is still to be visited: one struct, or two that are compared. */
#define WORK_MAX 20000
struct work {
    const struct bw_shape *shape;
    uint8_t *a;
    uint8_t *b;
};
struct worklist {
    size_t count;
    struct work list[WORK_MAX];
};

static void push(struct worklist *work, const struct bw_shape *shape, uint8_t *a, uint8_t *b)
{
    BW_ASSERT(work->count < WORK_MAX);
    work->list[work->count++] = (struct work){shape, a, b};
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint8_t *get_pointer(const uint8_t *at)
{
    uint8_t *value;

    memcpy(&value, at, sizeof value);
    return value;
}

/* ---- fill ---- */

static void fill_bytes(struct wire_filler *filler, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = filler->is_largest ? 0xff : (uint8_t)(1 + bw_prng_below(&filler->prng, 255));
}

static void fill_text(struct wire_filler *filler, uint8_t *out, size_t size, bool is_name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    const size_t length = filler->is_largest ? size - 1
                                             : 1 + bw_prng_below(&filler->prng, size - 1);

    for (size_t i = 0; i < length; i++)
        out[i] = is_name ? (uint8_t)letters[bw_prng_below(&filler->prng, i == 0 ? 62 : 65)]
                         : (uint8_t)(1 + bw_prng_below(&filler->prng, 255));
}

static uint32_t pick_count(struct wire_filler *filler, uint32_t max)
{
    return filler->is_largest ? max : (uint32_t)bw_prng_below(&filler->prng, max + 1);
}

static void fill_list(struct wire_filler *filler, struct worklist *work,
                      const struct bw_field *field, uint8_t *core)
{
    uint8_t *list = core + field->core_offset;
    uint32_t count = field->kind == BW_FIELD_ARRAY ? field->max : pick_count(filler, field->max);

    if (field->kind == BW_FIELD_HEAP_LIST) {
        count = filler->heap_count;
        list = calloc(count + 1, field->core_size);
        memcpy(core + field->core_offset, &list, sizeof list);
    }
    if (field->kind != BW_FIELD_ARRAY)
        memcpy(core + field->core_count_offset, &count, sizeof count);
    for (uint32_t i = 0; i < count; i++)
        push(work, field->shape, list + i * field->core_size, NULL);
}

static void fill_heap_bytes(struct wire_filler *filler, const struct bw_field *field, uint8_t *core)
{
    size_t size = filler->is_largest ? field->max : 100;
    uint8_t *bytes = malloc(size);

    fill_bytes(filler, bytes, size);
    memcpy(core + field->core_offset, &bytes, sizeof bytes);
    memcpy(core + field->core_count_offset, &size, sizeof size);
}

static void fill_choice(struct wire_filler *filler, struct worklist *work,
                        const struct bw_field *field, uint8_t *core)
{
    const uint32_t least = field->choices[0].shape == NULL ? 1 : 0; /* it stands for none */
    const uint32_t choice = filler->choice >= 0
                                ? (uint32_t)filler->choice
                                : least +
                                      (uint32_t)bw_prng_below(&filler->prng, field->max - least);
    const struct bw_shape *shape = field->choices[choice].shape;

    memcpy(core + field->core_offset, &choice, sizeof choice);
    push(work, shape, core + shape->core_offset, NULL);
}

static void fill_enum(struct wire_filler *filler, const struct bw_field *field, uint8_t *at)
{
    const uint32_t least = field->is_required ? 1 : 0;
    const uint32_t value = filler->is_largest
                               ? field->max - 1
                               : least + (uint32_t)bw_prng_below(&filler->prng, field->max - least);

    memcpy(at, &value, sizeof value);
}

static void fill_field(struct wire_filler *filler, struct worklist *work,
                       const struct bw_field *field, uint8_t *core)
{
    uint8_t *at = core + field->core_offset;
    uint32_t bits;

    switch (field->kind) {
    case BW_FIELD_VERSION:
        return;
    case BW_FIELD_NUMBER:
    case BW_FIELD_ID:
    case BW_FIELD_NUMBERS:
        fill_bytes(filler, at, field->core_size);
        return;
    case BW_FIELD_BOOL:
    case BW_FIELD_BOOLS:
        memset(at, 1, field->core_size);
        return;
    case BW_FIELD_BITS:
        bits = (UINT32_C(1) << field->max) - 1;
        memcpy(at, &bits, sizeof bits);
        return;
    case BW_FIELD_ENUM:
        fill_enum(filler, field, at);
        return;
    case BW_FIELD_NAME:
    case BW_FIELD_TEXT:
        fill_text(filler, at, field->core_size, field->kind == BW_FIELD_NAME);
        return;
    case BW_FIELD_HEAP_BYTES:
        fill_heap_bytes(filler, field, core);
        return;
    case BW_FIELD_MESSAGE:
        push(work, field->shape, at, NULL);
        return;
    case BW_FIELD_ARRAY:
    case BW_FIELD_LIST:
    case BW_FIELD_HEAP_LIST:
        fill_list(filler, work, field, core);
        return;
    case BW_FIELD_CHOICE:
        fill_choice(filler, work, field, core);
        return;
    }
}

void wire_fill(struct wire_filler *filler, const struct bw_shape *shape, void *core)
{
    struct worklist *work = calloc(1, sizeof *work);

    memset(core, 0, shape->core_size);
    push(work, shape, core, NULL);
    while (work->count > 0) {
        const struct work item = work->list[--work->count];

        for (size_t i = 0; i < item.shape->field_count; i++)
            fill_field(filler, work, &item.shape->fields[i], item.a);
    }
    free(work);
}

void wire_free(const struct bw_shape *shape, void *core)
{
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct bw_field *field = &shape->fields[i];

        if (field->kind == BW_FIELD_HEAP_LIST || field->kind == BW_FIELD_HEAP_BYTES)
            free(get_pointer((uint8_t *)core + field->core_offset));
        if (field->kind == BW_FIELD_CHOICE) {
            const struct bw_shape *chosen = field->choices[get_u32((uint8_t *)core + field->core_offset)].shape;

            if (chosen != NULL)
                wire_free(chosen, (uint8_t *)core + chosen->core_offset);
        }
    }
}

/* ---- compare ---- */

static bool are_lists_alike(struct worklist *work, const struct bw_field *field, const uint8_t *a,
                            const uint8_t *b)
{
    const bool is_array = field->kind == BW_FIELD_ARRAY;
    const uint32_t count = is_array ? field->max : get_u32(a + field->core_count_offset);
    const bool is_on_heap = field->kind == BW_FIELD_HEAP_LIST;
    const uint8_t *a_list = a + field->core_offset;
    const uint8_t *b_list = b + field->core_offset;

    if (!is_array && count != get_u32(b + field->core_count_offset))
        return false;
    if (is_on_heap) {
        a_list = get_pointer(a_list);
        b_list = get_pointer(b_list);
    }
    for (uint32_t i = 0; i < count; i++)
        push(work, field->shape, (uint8_t *)(uintptr_t)a_list + i * field->core_size,
             (uint8_t *)(uintptr_t)b_list + i * field->core_size);
    return true;
}

static bool are_bytes_alike(const struct bw_field *field, const uint8_t *a, const uint8_t *b)
{
    size_t size;

    memcpy(&size, a + field->core_count_offset, sizeof size);
    return memcmp(&size, b + field->core_count_offset, sizeof size) == 0 &&
           memcmp(get_pointer(a + field->core_offset), get_pointer(b + field->core_offset), size) ==
               0;
}

static bool is_field_alike(struct worklist *work, const struct bw_field *field, uint8_t *a,
                           uint8_t *b)
{
    uint8_t *a_at = a + field->core_offset;
    uint8_t *b_at = b + field->core_offset;
    const struct bw_shape *shape;

    switch (field->kind) {
    case BW_FIELD_VERSION:
        return true;
    case BW_FIELD_NUMBER:
    case BW_FIELD_ID:
    case BW_FIELD_NUMBERS:
    case BW_FIELD_BOOL:
    case BW_FIELD_BOOLS:
    case BW_FIELD_BITS:
    case BW_FIELD_ENUM:
        return memcmp(a_at, b_at, field->core_size) == 0;
    case BW_FIELD_NAME:
    case BW_FIELD_TEXT: /* what stands behind the NUL means nothing */
        return strncmp((char *)a_at, (char *)b_at, field->core_size) == 0;
    case BW_FIELD_HEAP_BYTES:
        return are_bytes_alike(field, a, b);
    case BW_FIELD_MESSAGE:
        push(work, field->shape, a_at, b_at);
        return true;
    case BW_FIELD_ARRAY:
    case BW_FIELD_LIST:
    case BW_FIELD_HEAP_LIST:
        return are_lists_alike(work, field, a, b);
    case BW_FIELD_CHOICE:
        if (get_u32(a_at) != get_u32(b_at))
            return false;
        shape = field->choices[get_u32(a_at)].shape;
        push(work, shape, a + shape->core_offset, b + shape->core_offset);
        return true;
    }
    return false;
}

bool wire_is_equal(const struct bw_shape *shape, const void *a, const void *b)
{
    struct worklist *work = calloc(1, sizeof *work);
    bool is_equal = true;

    push(work, shape, (uint8_t *)(uintptr_t)a, (uint8_t *)(uintptr_t)b);
    while (is_equal && work->count > 0) {
        const struct work item = work->list[--work->count];

        for (size_t i = 0; is_equal && i < item.shape->field_count; i++)
            is_equal = is_field_alike(work, &item.shape->fields[i], item.a, item.b);
    }
    free(work);
    return is_equal;
}
