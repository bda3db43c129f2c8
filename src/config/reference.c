/* The key tables as a page for people: what the loader enforces, and nothing else. A failed write
 * stays in ferror(out). */
#include <breakwater/config/schema.h>

#include <stdlib.h>

#include <breakwater/base/assert.h>

#include "schema_value.h"

#define TABLES_MAX 16

static void print_key(const struct bw_key *key, const char *initialised, FILE *out)
{
    char range[BW_VALUE_TEXT_BYTES];
    char absent[BW_VALUE_TEXT_BYTES];

    bw_value_range(key, range);
    bw_value_absent(key, initialised, absent);
    (void)fprintf(out, "  %s: %s", key->name, bw_value_kind_name(key));
    if (range[0] != '\0')
        (void)fprintf(out, ", %s", range);
    if (key->required)
        (void)fprintf(out, "; required");
    else if (absent[0] != '\0')
        (void)fprintf(out, "; default %s", absent);
    (void)fprintf(out, "\n      %s\n", key->help);
}

static void print_table(const struct bw_table *table, FILE *out)
{
    char *initialised = calloc(1, table->size);

    BW_ASSERT(initialised != NULL);
    if (table->init != NULL)
        table->init(initialised);
    (void)fprintf(out, "%s - %s\n", table->name, table->help);
    for (size_t i = 0; i < table->key_count - table->described_elsewhere; i++)
        print_key(&table->keys[i], table->init != NULL ? initialised : NULL, out);
    free(initialised);
}

/* What several keys hold is described once. */
static bool has(const struct bw_table *const *queue, size_t count, const struct bw_table *table)
{
    for (size_t i = 0; i < count; i++)
        if (queue[i] == table)
            return true;
    return false;
}

void bw_schema_print_reference(const struct bw_table *table, FILE *out)
{
    const struct bw_table *queue[TABLES_MAX] = {table};
    size_t count = 1;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)fputc('\n', out);
        print_table(queue[i], out);
        for (size_t k = 0; k < queue[i]->key_count; k++) {
            if (queue[i]->keys[k].table == NULL || queue[i]->keys[k].table->is_part || has(queue, count, queue[i]->keys[k].table))
                continue;
            BW_ASSERT(count < TABLES_MAX);
            queue[count++] = queue[i]->keys[k].table;
        }
    }
}
