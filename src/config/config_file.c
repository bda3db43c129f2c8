#include "config_file.h"

#include <stdint.h>
#include <stdlib.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/utf8.h>
#include <breakwater/os/path_owner.h>

void *bw_config_new(size_t size)
{
    void *config = calloc(1, size);

    BW_ASSERT(config != NULL);
    return config;
}

enum bw_err bw_config_load(struct bw_config_arena *config, const struct bw_table *table, void *into,
                           const char *file,
                           void (*check)(void *into, struct bw_document *document, const void *user),
                           const void *user, struct bw_problems *problems)
{
    const uint32_t errors_before = problems->error_count;
    struct bw_config_arena arena = *config; /* the table may begin all of it anew */
    struct bw_document document;
    const enum bw_err err = bw_document_open(&document, file, problems);
    const bool is_loaded = document.root != NULL && bw_schema_load(table, &document, &arena, into);

    *config = arena;
    if (is_loaded && check != NULL)
        check(into, &document, user);
    bw_document_deinit(&document);
    if (problems->error_count == errors_before)
        return BW_OK;
    bw_config_free(config);
    return err != BW_OK ? err : BW_ERR_INVALID;
}

void bw_config_check_owner(struct bw_document *document)
{
    struct bw_diag diag = {0};

    if (bw_path_check_file(document->file, &diag) != BW_OK)
        bw_problems_add_file(document->problems, false, document->file, "%s", diag.text);
}

void bw_config_free(struct bw_config_arena *config)
{
    if (config == NULL)
        return;
    bw_config_arena_deinit(config);
    free(config); /* the struct, which begins with it */
}

/* ---- which characters there may be ---- */

/* What may not stand in a file: it would hide in a terminal, or be a line for YAML but not for
 * people. NULL: fine. */
static const char *refusal(uint32_t point)
{
    if (point == 0)
        return "a NUL character; this is not a text file";
    if (point == 0x85 || point == 0x2028 || point == 0x2029)
        return "an unusual line break; end lines with a newline";
    if ((point < 0x20 && point != '\t' && point != '\n') || (point >= 0x7f && point < 0xa0))
        return "a control character";
    if (bw_utf8_turns(point))
        return "a character that changes the direction of text";
    if (point == 0xfeff)
        return "a byte order mark inside the file";
    return NULL;
}

const char *bw_text_check(const char *text, size_t size, size_t *out_offset)
{
    size_t length;

    for (size_t i = 0; i < size; i += length) {
        uint32_t point = 0;
        const char *why;

        length = bw_utf8_decode(text + i, size - i, &point);
        why = length == 0 ? "bytes that are not UTF-8" : refusal(point);
        if (point == '\r' && i + 1 < size && text[i + 1] == '\n')
            why = NULL;
        if (why != NULL) {
            *out_offset = i;
            return why;
        }
    }
    return NULL;
}
