/* shape.h - how a struct of the core and a message of proto/ correspond, as a table; and the one
 * converter that walks such tables both ways. Private to wire.
 *
 * Every value is checked on both ways by the same code, so that nothing is written that could not
 * be read again: names by bw_name_is_valid, enums by how many values the core has, lengths and
 * counts by the place that they have in the struct. */
#ifndef BW_WIRE_SHAPE_H
#define BW_WIRE_SHAPE_H

#include "arena.h"

enum bw_field_kind {
    BW_FIELD_VERSION, /* on the wire only: min..max, written as max */
    BW_FIELD_NUMBER,  /* 4 or 8 bytes, signed or not: the same in both */
    BW_FIELD_BOOL,
    BW_FIELD_BITS, /* uint32_t; bits from `max` on are refused */
    BW_FIELD_ENUM, /* 0..max-1 in the core, one more on the wire: 0 was left out */
    BW_FIELD_NAME, /* "" or bw_name_is_valid */
    BW_FIELD_TEXT,
    BW_FIELD_ID,         /* none is left out */
    BW_FIELD_NUMBERS,    /* array of `max`; zeros at the end are left out */
    BW_FIELD_BOOLS,      /* the same */
    BW_FIELD_HEAP_BYTES, /* pointer and size_t; decoding makes a copy of at most `max` bytes */
    BW_FIELD_MESSAGE,    /* a struct inside; never left out, nor missing unless is_later */
    BW_FIELD_ARRAY,      /* array of `max` structs inside, all in use */
    BW_FIELD_LIST,       /* array of `max` structs inside */
    BW_FIELD_HEAP_LIST,  /* pointer to at most `max` structs; decoding makes the array */
    BW_FIELD_CHOICE,     /* a oneof: an enum says which of `choices` */
};

struct bw_shape;

struct bw_field {
    enum bw_field_kind kind;
    bool is_required; /* refused when 0, "" or none */
    bool is_later;    /* MESSAGE, ENUM: an older program does not write it: zeros */
    const char *name; /* for diags */
    uint32_t min; /* VERSION: the oldest that is read */
    uint32_t max;
    size_t core_offset;
    size_t core_size;         /* of the member; of a list: of one element */
    size_t core_count_offset; /* of a list: its uint32_t count; of bytes: their size */
    size_t wire_offset;
    size_t wire_case_offset;         /* n_ of what is repeated, case of a oneof; ENUM: a bool that stands for its last value
                                        beside the first; 0: none */
    const struct bw_shape *shape;    /* MESSAGE, ARRAY, LIST, HEAP_LIST */
    const struct bw_choice *choices; /* CHOICE: `max` of them, by the enum's value */
};

struct bw_choice {
    uint32_t tag; /* field number in the oneof */
    const char *name;
    const struct bw_shape *shape; /* its core_offset counts from the struct around */
};

struct bw_shape {
    const ProtobufCMessageDescriptor *wire;
    size_t core_offset; /* of a choice only */
    size_t core_size;
    size_t field_count;
    const struct bw_field *fields;
};

/* What one kind of message promises beside its table. */
struct bw_coding {
    const struct bw_shape *shape;
    const char *what; /* "sync": begins every diag */
    size_t bytes_max;
    bool is_strict; /* fields that are not known here are refused (BW_ERR_VERSION), not ignored */
    bool is_canonical; /* other bytes than those that it is written in are refused (BW_ERR_CORRUPT):
                          the bytes themselves are kept, and compared */
    /* What the machine that writes it keeps true, and the one that reads it goes by: the fact that does not
     * hold, or NULL. Without it a value is neither written (BW_ERR_INVALID) nor taken (BW_ERR_CORRUPT). */
    const char *(*unsound)(const void *core);
    const char *unsound_head; /* begins its diag */
};

/* How much memory a message of `size` bytes, or of `list_count` list elements, may need. */
size_t bw_coding_decode_memory(const struct bw_coding *coding, size_t size);
size_t bw_coding_encode_memory(size_t list_count);

/* `core` to `out` of `out_max` bytes; `out` NULL: only how many bytes it takes. `arena` is reset
 * first. BW_ERR_INVALID: a value that may not be written. BW_ERR_LIMIT: larger than bytes_max,
 * out_max or the arena. */
BW_MUST_CHECK enum bw_err bw_shape_encode(const struct bw_coding *coding, const void *core,
                                          struct bw_arena *arena, void *out, size_t out_max,
                                          size_t *out_size, struct bw_diag *diag);

/* `out_core` is of shape->core_size bytes; what HEAP fields point to then belongs to the caller.
 * BW_ERR_CORRUPT, BW_ERR_OUTDATED (of breakwater 0.1), BW_ERR_VERSION (values or, if strict, fields of a newer program), BW_ERR_LIMIT,
 * BW_ERR_NOMEM; `out_core` is then untouched and nothing was kept. */
BW_MUST_CHECK enum bw_err bw_shape_decode(const struct bw_coding *coding, const void *data,
                                          size_t size, struct bw_arena *arena, void *out_core,
                                          struct bw_diag *diag);

/* The same, each with an arena of its own. */
BW_MUST_CHECK enum bw_err bw_message_encode(const struct bw_coding *coding, const void *core,
                                            size_t list_count, void *out, size_t out_max,
                                            size_t *out_size, struct bw_diag *diag);
BW_MUST_CHECK enum bw_err bw_message_decode(const struct bw_coding *coding, const void *data,
                                            size_t size, void *out_core, struct bw_diag *diag);

#endif
