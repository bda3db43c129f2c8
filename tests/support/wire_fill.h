/* wire_fill.h - structs filled and compared by the tables of src/wire: every field that has a wire
 * form gets a value that may be written. That the tables leave no field out is a test of its own. */
#ifndef BW_TEST_WIRE_FILL_H
#define BW_TEST_WIRE_FILL_H

#include <breakwater/base/prng.h>

#include "../../src/wire/shapes.h"

struct wire_filler {
    struct bw_prng prng;
    bool is_largest;       /* every list full, every text and number as long as it may be */
    uint32_t heap_count;   /* elements of lists on the heap */
    int choice;            /* of a oneof; -1: any */
};

/* `core` is zeroed first. Heap fields are the caller's to free: wire_free. */
void wire_fill(struct wire_filler *filler, const struct bw_shape *shape, void *core);
void wire_free(const struct bw_shape *shape, void *core);

/* Field by field; padding and unchosen members of a union do not count. */
bool wire_is_equal(const struct bw_shape *shape, const void *a, const void *b);

#endif
