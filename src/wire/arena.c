#include "arena.h"

#include <stdlib.h>
#include <string.h>

int bw_wire_allocs_until_fault;

static bool fails_now(void)
{
    return bw_wire_allocs_until_fault > 0 && --bw_wire_allocs_until_fault == 0;
}

void *bw_wire_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : calloc(count, size);
}

static void *take_for_library(void *context, size_t size)
{
    return bw_arena_take(context, 1, size);
}

static void keep(void *context, void *memory)
{
    (void)context; /* the block is given back as a whole */
    (void)memory;
}

void bw_arena_borrow(struct bw_arena *arena, void *block, size_t size)
{
    *arena = (struct bw_arena){
        .block = block,
        .size = size,
        .allocator = {.alloc = take_for_library, .free = keep, .allocator_data = arena},
    };
}

enum bw_err bw_arena_init(struct bw_arena *arena, size_t size, struct bw_diag *diag)
{
    bw_arena_borrow(arena, fails_now() ? NULL : malloc(size), size); /* zeroed as it is taken */
    if (arena->block == NULL)
        return bw_diag_set(diag, BW_ERR_NOMEM, "no memory: %zu bytes for a message", size);
    return BW_OK;
}

void bw_arena_deinit(struct bw_arena *arena)
{
    free(arena->block);
    *arena = (struct bw_arena){0};
}

void bw_arena_reset(struct bw_arena *arena)
{
    arena->used = 0;
    arena->is_exhausted = false;
}

void *bw_arena_take(struct bw_arena *arena, size_t count, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    const size_t left = arena->size - arena->used;
    size_t bytes;
    void *memory = arena->block + arena->used;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > left) {
        arena->is_exhausted = true;
        return NULL;
    }
    memset(memory, 0, bytes);
    bytes = (bytes + align - 1) / align * align;
    arena->used = bytes < left ? arena->used + bytes : arena->size;
    return memory;
}
