/* arena.h - the memory of one conversion: one block of fixed size, taken at the beginning and given
 * back at the end. What a peer sends can make a conversion fail, never take more than the block;
 * and what the library forgets to free on its error paths is gone with the block. Private to wire.
 */
#ifndef BW_WIRE_ARENA_H
#define BW_WIRE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include <breakwater/base/diag.h>

/* The heap as this layer reaches it; zeroed memory. Tests make the n-th call fail: when
 * bw_wire_allocs_until_fault is n > 0. Freed with free(). */
extern int bw_wire_allocs_until_fault;
void *bw_wire_calloc(size_t count, size_t size);

struct bw_arena {
    uint8_t *block;
    size_t size;
    size_t used;
    bool is_exhausted;            /* something was refused since the last reset */
    ProtobufCAllocator allocator; /* takes from this arena; its free does nothing */
};

/* Keeps no pointer to itself but in `allocator`: must not be moved. */
BW_MUST_CHECK enum bw_err bw_arena_init(struct bw_arena *arena, size_t size, struct bw_diag *diag);
void bw_arena_deinit(struct bw_arena *arena);
/* The same in the caller's memory, aligned as max_align_t is: no deinit follows. */
void bw_arena_borrow(struct bw_arena *arena, void *block, size_t size);

/* Everything taken so far is given back to the arena. */
void bw_arena_reset(struct bw_arena *arena);

/* Zeroed; NULL when the block is used up. */
void *bw_arena_take(struct bw_arena *arena, size_t count, size_t size);

#endif
