#include "shape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/limits.h>
#include <breakwater/base/name.h>

/* Messages do not nest deeper: snapshot record, group, spec, site. The library recurses as deep as
 * the messages nest, no more. */
#define DEPTH_MAX        6
#define PATH_BYTES       256
#define MEMORY_BASE      4096
#define MEMORY_PER_BYTE  64 /* an empty message of a list: 2 bytes become a struct and a pointer */
#define MEMORY_PER_ENTRY 2048

/* One message that is being walked, and where in it. */
struct level {
    const struct bw_shape *shape;
    uint8_t *core;
    uint8_t *wire;
    size_t field;
    size_t element;
};

struct walk {
    const struct bw_coding *coding;
    struct bw_arena *arena;
    bool is_encoding;
    size_t depth;
    struct level levels[DEPTH_MAX];
    struct bw_diag *diag;
};

static const struct bw_field *field_at(const struct level *level)
{
    return &level->shape->fields[level->field];
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static void put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static size_t get_size(const uint8_t *at)
{
    size_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint8_t *get_pointer(const uint8_t *at)
{
    uint8_t *value;

    memcpy(&value, at, sizeof value);
    return value;
}

static void put_pointer(uint8_t *at, const void *value)
{
    memcpy(at, &value, sizeof value);
}

static bool is_list(const struct bw_field *field)
{
    return field->kind == BW_FIELD_ARRAY || field->kind == BW_FIELD_LIST ||
           field->kind == BW_FIELD_HEAP_LIST;
}

/* ---- what is wrong, and where ---- */

/* "groups[3].report.reach" */
static void format_path(const struct walk *walk, char out_path[PATH_BYTES])
{
    size_t used = 0;

    out_path[0] = '\0';
    /* not covered: a path that is full; the names of DEPTH_MAX levels take less. */
    for (size_t i = 0; i < walk->depth && used < PATH_BYTES; i++) {
        const struct level *level = &walk->levels[i];
        const struct bw_field *field;

        if (level->field == level->shape->field_count)
            return; /* not covered: who refuses stands at a field of each level */
        field = field_at(level);
        used += (size_t)snprintf(out_path + used, PATH_BYTES - used, "%s%s", i == 0 ? "" : ".",
                                 field->name);
        /* not covered: a path that is full, as above. */
        if (used < PATH_BYTES && i + 1 < walk->depth && is_list(field))
            used += (size_t)snprintf(out_path + used, PATH_BYTES - used, "[%zu]",
                                     level->element - 1);
    }
}

__attribute__((format(printf, 3, 4))) static enum bw_err
refuse(const struct walk *walk, enum bw_err err, const char *format, ...)
{
    char path[PATH_BYTES];
    char why[PATH_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args); /* ours, and short */
    va_end(args);
    format_path(walk, path);
    return bw_diag_set(walk->diag, err, "%s: %s: %s", walk->coding->what, path, why);
}

/* A value that breaks a rule: ours to be blamed for when encoding. */
static enum bw_err bad_value(const struct walk *walk)
{
    return walk->is_encoding ? BW_ERR_INVALID : BW_ERR_CORRUPT;
}

static enum bw_err no_room(const struct walk *walk)
{
    return bw_diag_set(walk->diag, BW_ERR_LIMIT, "%s: needs more than %zu bytes of memory",
                       walk->coding->what, walk->arena->size);
}

/* ---- values ---- */

static enum bw_err check_set(const struct walk *walk, const struct bw_field *field, bool is_set)
{
    if (field->is_required && !is_set)
        return refuse(walk, bad_value(walk), "is missing");
    return BW_OK;
}

static enum bw_err convert_version(struct walk *walk, const struct bw_field *field, uint8_t *wire)
{
    if (walk->is_encoding)
        put_u32(wire, field->max);
    else if (get_u32(wire) == 0)
        return refuse(walk, BW_ERR_CORRUPT, "is missing");
    else if (get_u32(wire) < field->min)
        return refuse(walk, BW_ERR_OUTDATED,
                      "%" PRIu32 ", at least %" PRIu32
                      " is read here; written by breakwater 0.1, of which nothing is read",
                      get_u32(wire), field->min);
    else if (get_u32(wire) > field->max)
        return refuse(walk, BW_ERR_VERSION,
                      "%" PRIu32 ", at most %" PRIu32
                      " is known here; written by a newer breakwater",
                      get_u32(wire), field->max);
    return BW_OK;
}

static enum bw_err convert_number(struct walk *walk, const struct bw_field *field, uint8_t *core,
                                  uint8_t *wire)
{
    const uint64_t none = 0;

    if (walk->is_encoding)
        memcpy(wire, core, field->core_size);
    else
        memcpy(core, wire, field->core_size);
    if (field->kind == BW_FIELD_BITS && get_u32(core) >> field->max != 0)
        return refuse(walk, walk->is_encoding ? BW_ERR_INVALID : BW_ERR_VERSION,
                      "0x%" PRIx32 " has bits that are not known here", get_u32(core));
    return check_set(walk, field,
                     !field->is_required || memcmp(core, &none, field->core_size) != 0);
}

static enum bw_err convert_bool(struct walk *walk, const struct bw_field *field, uint8_t *core,
                                uint8_t *wire)
{
    if (walk->is_encoding)
        put_u32(wire, *core != 0);
    else
        *core = get_u32(wire) != 0;
    return check_set(walk, field, *core != 0);
}

/* `flag`: used only if the field has one. */
static enum bw_err convert_enum(struct walk *walk, const struct bw_field *field, uint8_t *core,
                                uint8_t *wire, uint8_t *flag)
{
    const bool has_flag = field->wire_case_offset != 0;
    const uint32_t last = field->max - 1;
    const bool is_missing = !walk->is_encoding && get_u32(wire) == 0;
    uint32_t value = walk->is_encoding ? get_u32(core) : is_missing ? 0 : get_u32(wire) - 1;

    if (is_missing && !field->is_later)
        return refuse(walk, BW_ERR_CORRUPT, "is missing");
    if (has_flag && walk->is_encoding) {
        put_u32(flag, value == last);
        value = value == last ? 0 : value;
    }
    if (value >= field->max - has_flag)
        return refuse(walk, walk->is_encoding ? BW_ERR_INVALID : BW_ERR_VERSION,
                      "value %" PRIu32 " is not known here%s", value + 1,
                      walk->is_encoding ? "" : "; written by a newer breakwater");
    if (walk->is_encoding)
        put_u32(wire, value + 1);
    else
        put_u32(core, has_flag && get_u32(flag) != 0 && value == 0 ? last : value);
    return check_set(walk, field, value != 0);
}

static enum bw_err check_text(const struct walk *walk, const struct bw_field *field,
                              const char *text)
{
    if (field->kind == BW_FIELD_NAME && text[0] != '\0' && !bw_name_is_valid(text))
        return refuse(walk, bad_value(walk), "is not a valid name");
    return check_set(walk, field, text[0] != '\0');
}

static enum bw_err convert_text(struct walk *walk, const struct bw_field *field, uint8_t *core,
                                uint8_t *wire)
{
    ProtobufCBinaryData bytes;
    const size_t room = field->core_size - 1; /* beside the NUL */

    if (walk->is_encoding) {
        bytes = (ProtobufCBinaryData){.data = core, .len = strnlen((char *)core, room + 1)};
        memcpy(wire, &bytes, sizeof bytes);
    } else {
        memcpy(&bytes, wire, sizeof bytes);
    }
    if (bytes.len > room)
        return refuse(walk, walk->is_encoding ? BW_ERR_INVALID : BW_ERR_LIMIT,
                      "is longer than %zu bytes", room);
    if (!walk->is_encoding && bytes.len > 0) {
        if (memchr(bytes.data, '\0', bytes.len) != NULL)
            return refuse(walk, BW_ERR_CORRUPT, "has a NUL inside");
        memcpy(core, bytes.data, bytes.len);
    }
    return check_text(walk, field, (char *)core);
}

static enum bw_err convert_id(struct walk *walk, const struct bw_field *field, uint8_t *core,
                              uint8_t *wire)
{
    static const uint8_t none[BW_ID_BYTES];
    const bool is_none = memcmp(core, none, sizeof none) == 0;
    ProtobufCBinaryData bytes;

    if (walk->is_encoding) {
        bytes = (ProtobufCBinaryData){.data = core, .len = is_none ? 0 : BW_ID_BYTES};
        memcpy(wire, &bytes, sizeof bytes);
        return check_set(walk, field, !is_none);
    }
    memcpy(&bytes, wire, sizeof bytes);
    if (bytes.len != 0 && bytes.len != BW_ID_BYTES)
        return refuse(walk, BW_ERR_CORRUPT, "has %zu bytes, not %d", bytes.len, BW_ID_BYTES);
    if (bytes.len != 0)
        memcpy(core, bytes.data, BW_ID_BYTES);
    return check_set(walk, field, memcmp(core, none, sizeof none) != 0);
}

static bool is_zero(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static enum bw_err encode_array(struct walk *walk, const struct bw_field *field,
                                const uint8_t *core, uint8_t *wire, uint8_t *wire_count)
{
    const size_t core_step = field->core_size / field->max;
    const size_t wire_step = field->kind == BW_FIELD_BOOLS ? sizeof(uint32_t) : core_step;
    size_t count = field->max;
    uint8_t *places = bw_arena_take(walk->arena, count, wire_step);

    if (places == NULL)
        return no_room(walk);
    for (size_t i = 0; i < count; i++) {
        if (field->kind == BW_FIELD_BOOLS)
            put_u32(places + i * wire_step, core[i] != 0);
        else
            memcpy(places + i * wire_step, core + i * core_step, core_step);
    }
    while (count > 0 && is_zero(places + (count - 1) * wire_step, wire_step))
        count--;
    put_pointer(wire, places);
    memcpy(wire_count, &count, sizeof count);
    return BW_OK;
}

static enum bw_err decode_array(struct walk *walk, const struct bw_field *field, uint8_t *core,
                                const uint8_t *wire, const uint8_t *wire_count)
{
    const size_t core_step = field->core_size / field->max;
    const uint8_t *places = get_pointer(wire);
    const size_t count = get_size(wire_count);

    if (count > field->max)
        return refuse(walk, BW_ERR_LIMIT, "%zu of them; at most %" PRIu32, count, field->max);
    for (size_t i = 0; i < count; i++) {
        if (field->kind == BW_FIELD_BOOLS)
            core[i] = get_u32(places + i * sizeof(uint32_t)) != 0;
        else
            memcpy(core + i * core_step, places + i * core_step, core_step);
    }
    return BW_OK;
}

static enum bw_err convert_heap_bytes(struct walk *walk, const struct bw_field *field,
                                      uint8_t *core, uint8_t *core_size, uint8_t *wire)
{
    ProtobufCBinaryData bytes;
    uint8_t *copy;

    if (walk->is_encoding)
        bytes = (ProtobufCBinaryData){.data = get_pointer(core), .len = get_size(core_size)};
    else
        memcpy(&bytes, wire, sizeof bytes);
    if (bytes.len > field->max)
        return refuse(walk, BW_ERR_LIMIT, "%zu bytes; at most %" PRIu32, bytes.len, field->max);
    if (walk->is_encoding) {
        memcpy(wire, &bytes, sizeof bytes);
    } else if (bytes.len > 0) {
        copy = bw_wire_calloc(bytes.len + 1, 1); /* a text has its NUL */
        if (copy == NULL)
            return refuse(walk, BW_ERR_NOMEM, "no memory for %zu bytes", bytes.len);
        memcpy(copy, bytes.data, bytes.len);
        put_pointer(core, copy);
        memcpy(core_size, &bytes.len, sizeof bytes.len);
    }
    return check_set(walk, field, bytes.len > 0);
}

static enum bw_err convert_value(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);
    uint8_t *core = level->core + field->core_offset;
    uint8_t *wire = level->wire + field->wire_offset;
    uint8_t *wire_count = level->wire + field->wire_case_offset;

    switch (field->kind) {
    case BW_FIELD_VERSION:
        return convert_version(walk, field, wire);
    case BW_FIELD_NUMBER:
    case BW_FIELD_BITS:
        return convert_number(walk, field, core, wire);
    case BW_FIELD_BOOL:
        return convert_bool(walk, field, core, wire);
    case BW_FIELD_ENUM:
        return convert_enum(walk, field, core, wire, wire_count);
    case BW_FIELD_NAME:
    case BW_FIELD_TEXT:
        return convert_text(walk, field, core, wire);
    case BW_FIELD_ID:
        return convert_id(walk, field, core, wire);
    case BW_FIELD_NUMBERS:
    case BW_FIELD_BOOLS:
        return walk->is_encoding ? encode_array(walk, field, core, wire, wire_count)
                                 : decode_array(walk, field, core, wire, wire_count);
    case BW_FIELD_HEAP_BYTES:
        return convert_heap_bytes(walk, field, core, level->core + field->core_count_offset, wire);
    case BW_FIELD_MESSAGE: /* not covered: nested ones are for step_into */
    case BW_FIELD_ARRAY:
    case BW_FIELD_LIST:
    case BW_FIELD_HEAP_LIST:
    case BW_FIELD_CHOICE:
        break;
    }
    BW_ASSERT(false);
    return BW_ERR_INVALID;
}

/* ---- messages inside messages ---- */

static bool is_nested(const struct bw_field *field)
{
    return field->kind == BW_FIELD_MESSAGE || field->kind == BW_FIELD_CHOICE || is_list(field);
}

static const struct bw_shape *child_shape(const struct level *level)
{
    const struct bw_field *field = field_at(level);

    return field->kind == BW_FIELD_CHOICE
               ? field->choices[get_u32(level->core + field->core_offset)].shape
               : field->shape;
}

static ProtobufCMessage *new_message(struct walk *walk, const struct bw_shape *shape)
{
    ProtobufCMessage *message = bw_arena_take(walk->arena, 1, shape->wire->sizeof_message);

    if (message != NULL)
        shape->wire->message_init(message);
    return message;
}

/* Makes the messages that the field's structs go into. */
static enum bw_err open_to_encode(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);
    uint8_t *wire = level->wire + field->wire_offset;
    size_t count = 1;
    ProtobufCMessage **messages;

    if (field->kind == BW_FIELD_CHOICE) {
        const uint32_t choice = get_u32(level->core + field->core_offset);

        if (choice >= field->max || field->choices[choice].shape == NULL)
            return refuse(walk, BW_ERR_INVALID, "there is no kind %" PRIu32, choice);
        put_u32(level->wire + field->wire_case_offset, field->choices[choice].tag);
    }
    if (is_list(field)) {
        count = field->kind == BW_FIELD_ARRAY ? field->max
                                              : get_u32(level->core + field->core_count_offset);
        if (count > field->max)
            return refuse(walk, BW_ERR_LIMIT, "%zu of them; at most %" PRIu32, count, field->max);
        memcpy(level->wire + field->wire_case_offset, &count, sizeof count);
    }
    messages = bw_arena_take(walk->arena, count, sizeof(void *));
    if (messages == NULL)
        return no_room(walk);
    for (size_t i = 0; i < count; i++) {
        messages[i] = new_message(walk, child_shape(level));
        if (messages[i] == NULL)
            return no_room(walk);
    }
    put_pointer(wire, is_list(field) ? (void *)messages : (void *)messages[0]);
    return BW_OK;
}

static enum bw_err open_choice(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);
    const uint32_t tag = get_u32(level->wire + field->wire_case_offset);
    const ProtobufCMessage *message = (const ProtobufCMessage *)level->wire;

    if (message->n_unknown_fields > 0 && (tag == 0 || walk->coding->is_strict))
        return refuse(walk, BW_ERR_VERSION,
                      "field %" PRIu32 " is not known here; written by a newer breakwater",
                      message->unknown_fields[0].tag);
    for (uint32_t i = 0; i < field->max; i++) {
        if (tag != 0 && field->choices[i].tag == tag) {
            put_u32(level->core + field->core_offset, i);
            return BW_OK;
        }
    }
    return refuse(walk, BW_ERR_CORRUPT, "is missing");
}

static enum bw_err open_list(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);
    const size_t count = get_size(level->wire + field->wire_case_offset);
    void *array;

    if (count > field->max)
        return refuse(walk, BW_ERR_LIMIT, "%zu of them; at most %" PRIu32, count, field->max);
    if (field->kind == BW_FIELD_HEAP_LIST && count > 0) {
        array = bw_wire_calloc(count, field->core_size);
        if (array == NULL)
            return refuse(walk, BW_ERR_NOMEM, "no memory for %zu of them", count);
        put_pointer(level->core + field->core_offset, array);
    }
    if (field->kind != BW_FIELD_ARRAY)
        put_u32(level->core + field->core_count_offset, (uint32_t)count);
    return BW_OK;
}

/* Checks the messages that the field's structs come from. */
static enum bw_err open_to_decode(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);

    if (is_list(field))
        return open_list(walk, level);
    if (field->kind == BW_FIELD_CHOICE)
        return open_choice(walk, level);
    if (get_pointer(level->wire + field->wire_offset) == NULL && !field->is_later)
        return refuse(walk, BW_ERR_CORRUPT, "is missing");
    return BW_OK;
}

static size_t child_count(const struct level *level)
{
    const struct bw_field *field = field_at(level);

    if (is_list(field))
        return get_size(level->wire + field->wire_case_offset);
    return field->is_later && get_pointer(level->wire + field->wire_offset) == NULL ? 0 : 1;
}

static enum bw_err enter(struct walk *walk, struct level level)
{
    BW_ASSERT(walk->depth < DEPTH_MAX);
    if (!walk->is_encoding && walk->coding->is_strict) {
        const ProtobufCMessage *message = (const ProtobufCMessage *)level.wire;
        const struct bw_shape *shape = level.shape;
        const bool has_choice = shape->field_count > 0 &&
                                shape->fields[shape->field_count - 1].kind == BW_FIELD_CHOICE;

        /* A message with a oneof is checked there: an unknown member says more. */
        if (message->n_unknown_fields > 0 && !has_choice)
            return refuse(walk, BW_ERR_VERSION,
                          "field %" PRIu32 " is not known here; written by a newer breakwater",
                          message->unknown_fields[0].tag);
    }
    walk->levels[walk->depth++] = level;
    return BW_OK;
}

/* Enters the next struct of the field, or goes on behind the last. */
static enum bw_err step_into(struct walk *walk, struct level *level)
{
    const struct bw_field *field = field_at(level);
    const size_t element = level->element;
    const struct bw_shape *shape;
    uint8_t *core = level->core + field->core_offset;
    uint8_t *wire;
    enum bw_err err;

    if (element == 0) {
        err = walk->is_encoding ? open_to_encode(walk, level) : open_to_decode(walk, level);
        if (err != BW_OK)
            return err;
    }
    if (element == child_count(level)) {
        level->element = 0;
        level->field++;
        return BW_OK;
    }
    shape = child_shape(level);
    wire = get_pointer(level->wire + field->wire_offset);
    if (is_list(field))
        wire = get_pointer(wire + element * sizeof(void *));
    if (field->kind == BW_FIELD_CHOICE)
        core = level->core + shape->core_offset;
    else if (field->kind == BW_FIELD_HEAP_LIST)
        core = get_pointer(core);
    level->element++;
    return enter(
        walk,
        (struct level){.shape = shape, .core = core + element * field->core_size, .wire = wire});
}

static enum bw_err walk_all(struct walk *walk)
{
    enum bw_err err = BW_OK;

    while (err == BW_OK && walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];

        if (level->field == level->shape->field_count)
            walk->depth--;
        else if (is_nested(field_at(level)))
            err = step_into(walk, level);
        else if ((err = convert_value(walk, level)) == BW_OK)
            level->field++;
    }
    return err;
}

/* ---- whole messages ---- */

size_t bw_coding_decode_memory(const struct bw_coding *coding, size_t size)
{
    return MEMORY_BASE + coding->shape->core_size + MEMORY_PER_BYTE * size;
}

size_t bw_coding_encode_memory(size_t list_count)
{
    return 4 * (size_t)MEMORY_BASE + list_count * MEMORY_PER_ENTRY;
}

static enum bw_err judge(const struct bw_coding *coding, const void *core, enum bw_err err,
                         struct bw_diag *diag)
{
    const char *wrong = coding->unsound != NULL ? coding->unsound(core) : NULL;

    return wrong == NULL ? BW_OK : bw_diag_set(diag, err, "%s%s", coding->unsound_head, wrong);
}

enum bw_err bw_shape_encode(const struct bw_coding *coding, const void *core,
                            struct bw_arena *arena, void *out, size_t out_max, size_t *out_size,
                            struct bw_diag *diag)
{
    struct walk walk = {.coding = coding, .arena = arena, .is_encoding = true, .diag = diag};
    ProtobufCMessage *message;
    size_t size;
    enum bw_err err = judge(coding, core, BW_ERR_INVALID, diag);

    if (err != BW_OK)
        return err;
    bw_arena_reset(arena);
    message = new_message(&walk, coding->shape);
    if (message == NULL)
        return no_room(&walk);
    /* The walk writes to the core's side only when decoding. */
    err = enter(&walk, (struct level){.shape = coding->shape,
                                      .core = (uint8_t *)(uintptr_t)core,
                                      .wire = (uint8_t *)message});
    if (err == BW_OK) /* not covered: entering fails only when decoding */
        err = walk_all(&walk);
    if (err != BW_OK)
        return err;
    size = protobuf_c_message_get_packed_size(message);
    if (size > coding->bytes_max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %zu bytes; at most %zu", coding->what, size,
                           coding->bytes_max);
    if (out != NULL && size > out_max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %zu bytes; there is room for %zu", coding->what,
                           size, out_max);
    if (out != NULL) {
        const size_t written = protobuf_c_message_pack(message, out);

        BW_ASSERT(written == size);
    }
    *out_size = size;
    return BW_OK;
}

/* Frees what was made for the fields at the top and of its choice, where alone such fields are. */
static void free_heap_fields(const struct bw_shape *shape, const uint8_t *core)
{
    for (const struct bw_shape *chosen; shape != NULL; shape = chosen) {
        chosen = NULL;
        for (size_t i = 0; i < shape->field_count; i++) {
            const struct bw_field *field = &shape->fields[i];

            if (field->kind == BW_FIELD_HEAP_LIST || field->kind == BW_FIELD_HEAP_BYTES)
                free(get_pointer(core + field->core_offset));
            if (field->kind == BW_FIELD_CHOICE && get_u32(core + field->core_offset) < field->max)
                chosen = field->choices[get_u32(core + field->core_offset)].shape;
        }
        if (chosen != NULL)
            core += chosen->core_offset;
    }
}

/* protobuf reads more than it writes: other orders, zeros, longer numbers, fields said twice. */
static enum bw_err check_canonical(const struct walk *walk, const ProtobufCMessage *message,
                                   const void *data, size_t size)
{
    const bool is_as_long = protobuf_c_message_get_packed_size(message) == size;
    uint8_t *again = bw_arena_take(walk->arena, 1, size);

    if (again == NULL)
        return no_room(walk);
    /* not covered: as long as it says, and packed to another length: a fault of protobuf-c. */
    if (!is_as_long || protobuf_c_message_pack(message, again) != size ||
        memcmp(again, data, size) != 0)
        return bw_diag_set(walk->diag, BW_ERR_CORRUPT,
                           "%s: is not written in the bytes that it has", walk->coding->what);
    return BW_OK;
}

enum bw_err bw_shape_decode(const struct bw_coding *coding, const void *data, size_t size,
                            struct bw_arena *arena, void *out_core, struct bw_diag *diag)
{
    struct walk walk = {.coding = coding, .arena = arena, .diag = diag};
    const struct bw_shape *shape = coding->shape;
    ProtobufCMessage *message;
    uint8_t *core;
    enum bw_err err;

    if (size > coding->bytes_max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %zu bytes; at most %zu", coding->what, size,
                           coding->bytes_max);
    bw_arena_reset(arena);
    core = bw_arena_take(arena, 1, shape->core_size);
    if (core == NULL)
        return no_room(&walk);
    message = protobuf_c_message_unpack(shape->wire, &arena->allocator, size, data);
    if (message == NULL && arena->is_exhausted)
        return no_room(&walk);
    if (message == NULL)
        return bw_diag_set(diag, BW_ERR_CORRUPT, "%s: not a message of that kind", coding->what);
    err = enter(&walk, (struct level){.shape = shape, .core = core, .wire = (uint8_t *)message});
    if (err == BW_OK)
        err = walk_all(&walk);
    if (err == BW_OK && coding->is_canonical)
        err = check_canonical(&walk, message, data, size);
    if (err == BW_OK)
        err = judge(coding, core, BW_ERR_CORRUPT, diag);
    if (err == BW_OK)
        memcpy(out_core, core, shape->core_size);
    else
        free_heap_fields(shape, core);
    return err;
}

enum bw_err bw_message_encode(const struct bw_coding *coding, const void *core, size_t list_count,
                              void *out, size_t out_max, size_t *out_size, struct bw_diag *diag)
{
    struct bw_arena arena;
    enum bw_err err = bw_arena_init(&arena, bw_coding_encode_memory(list_count), diag);

    if (err != BW_OK)
        return err;
    err = bw_shape_encode(coding, core, &arena, out, out_max, out_size, diag);
    bw_arena_deinit(&arena);
    return err;
}

enum bw_err bw_message_decode(const struct bw_coding *coding, const void *data, size_t size,
                              void *out_core, struct bw_diag *diag)
{
    struct bw_arena arena;
    enum bw_err err;

    if (size > coding->bytes_max)
        return bw_diag_set(diag, BW_ERR_LIMIT, "%s: %zu bytes; at most %zu", coding->what, size,
                           coding->bytes_max);
    err = bw_arena_init(&arena, bw_coding_decode_memory(coding, size), diag);
    if (err != BW_OK)
        return err;
    err = bw_shape_decode(coding, data, size, &arena, out_core, diag);
    bw_arena_deinit(&arena);
    return err;
}
