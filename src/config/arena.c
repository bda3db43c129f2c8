/* Memory of one loaded file: blocks in a chain, freed together. */
#include <breakwater/config/document.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

#define BLOCK_BYTES 16384
#define ALIGNMENT   _Alignof(max_align_t)

struct bw_config_block {
    struct bw_config_block *next;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

void *bw_config_arena_take(struct bw_config_arena *arena, size_t size)
{
    struct bw_config_block *block = arena->blocks;
    void *taken;

    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (block == NULL || block->size - block->used < size) {
        const size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

        block = calloc(1, sizeof *block + room);
        BW_ASSERT(block != NULL);
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    taken = block->bytes + block->used;
    block->used += size;
    return taken;
}

char *bw_config_arena_copy(struct bw_config_arena *arena, const char *text)
{
    const size_t size = strlen(text) + 1;

    return memcpy(bw_config_arena_take(arena, size), text, size);
}

char *bw_config_arena_format(struct bw_config_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    BW_ASSERT(length >= 0);
    text = bw_config_arena_take(arena, (size_t)length + 1);
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args); /* measured just before */
    va_end(args);
    return text;
}

void bw_config_arena_deinit(struct bw_config_arena *arena)
{
    struct bw_config_block *next;

    for (struct bw_config_block *block = arena->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}
