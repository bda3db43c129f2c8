#include "config_file.h"

#include <stdlib.h>

#include <breakwater/base/assert.h>
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
