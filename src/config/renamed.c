#include "schema_value.h"

#include <string.h>

/* A row is a key's name and its former name, or a word of the key and its former word. The next release removes all rows. */
static const struct renamed {
    const char *key;
    const char *former_key;
    const char *word;
    const char *former_word;
} rows[] = {
    /* site.yaml */
    {"stop_method", "enforce", NULL, NULL},
    {"started_by", "driver", NULL, NULL},
    {"external_start_delay", "loop_delay", NULL, NULL},
    {"legacy_config", "scripts", NULL, NULL},
    {"max_local_restarts", "local_restarts", NULL, NULL},
    {"condition", NULL, "blocking", "veto"},
    {"condition", NULL, "advisory", "show"},
    /* witness.yaml */
    {"event_script", "on_event", NULL, NULL},
    {"metrics_anonymous", "metrics_open", NULL, NULL},
    /* groups.yaml; site.yaml keeps its key fence_timeout, the limit of fence_script */
    {"fence_window", "fence_timeout", NULL, NULL},
    {"lease_margin", "margin", NULL, NULL},
    {"failover_candidate", "candidate", NULL, NULL},
    {"failover_candidate", NULL, "true", "always"},
    {"failover_candidate", NULL, "false", "never"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

static bool is_same(const char *text, const char *other)
{
    return text != NULL && other != NULL && strcmp(text, other) == 0;
}

static const struct bw_key *find(const struct bw_table *table, const char *name)
{
    for (size_t i = 0; i < table->key_count; i++)
        if (strcmp(table->keys[i].name, name) == 0)
            return &table->keys[i];
    return NULL;
}

const struct bw_key *bw_renamed_key(const struct bw_table *table, const char *former)
{
    if (find(table, former) != NULL)
        return NULL;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_same(rows[i].former_key, former) && find(table, rows[i].key) != NULL)
            return find(table, rows[i].key);
    return NULL;
}

const char *bw_renamed_word(const struct bw_key *key, const char *former)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_same(rows[i].key, key->name) && is_same(rows[i].former_word, former))
            return rows[i].word;
    return NULL;
}

const char *bw_renamed_former(const struct bw_key *key)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_same(rows[i].key, key->name) && rows[i].former_key != NULL)
            return rows[i].former_key;
    return NULL;
}
