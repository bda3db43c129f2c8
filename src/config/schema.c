#include <breakwater/config/schema.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>

#include "schema_value.h"

#define PATH_BYTES 256
#define KEYS_MAX   64

/* A mapping that waits to be loaded. The tables nest; a queue walks them without recursion. */
struct job {
    const struct bw_table *table;
    struct bw_node *node; /* NULL: absent, only the defaults count */
    char *out;
    const char *path;
    struct job *next;
};

struct loading {
    struct bw_document *document;
    struct bw_config_arena *arena;
    struct job *first;
    struct job **tail;
};

static void enqueue(struct loading *loading, const struct bw_table *table, struct bw_node *node,
                    void *out, const char *path)
{
    struct job *job = bw_config_arena_take(&loading->document->arena, sizeof *job);

    *job = (struct job){.table = table, .node = node, .out = out};
    job->path = bw_config_arena_copy(&loading->document->arena, path);
    *loading->tail = job;
    loading->tail = &job->next;
}

static void join(char out_path[PATH_BYTES], const char *path, const char *name)
{
    const int length = snprintf(out_path, PATH_BYTES, "%s%s%s", path, *path != '\0' ? "." : "",
                                name);

    BW_ASSERT(length >= 0 && length < PATH_BYTES); /* our own names, and no deep tables */
}

static const char *kind_of(const struct bw_node *node)
{
    switch (node->kind) {
    case BW_NODE_SCALAR:
        return node->text[0] == '\0' && !node->quoted ? "nothing" : "a value";
    case BW_NODE_LIST:
        return "a list";
    case BW_NODE_MAP:
        return "a mapping";
    }
    return "something else";
}

/* ---- values -------------------------------------------------------------------------------- */

static void load_scalar(struct loading *loading, const struct bw_key *key, struct bw_node *node,
                        void *out, const char *path)
{
    char why[BW_VALUE_WHY_BYTES];

    if (node->kind != BW_NODE_SCALAR) {
        bw_document_problem(loading->document, false, node, path, "expected %s, found %s",
                            bw_value_kind_name(key), kind_of(node));
        return;
    }
    if (!bw_value_read(key, node, loading->document->directory, loading->arena, out, why))
        bw_document_problem(loading->document, false, node, path, "%s", why);
}

/* The number of items is one that the key allows. */
static bool check_count(struct loading *loading, const struct bw_key *key, struct bw_node *node,
                        const char *path)
{
    if (node->count >= key->min && (key->max == 0 || node->count <= key->max))
        return true;
    if (node->count < key->min)
        bw_document_problem(loading->document, false, node, path,
                            "needs at least %" PRIu32 " entries, has %" PRIu32, key->min,
                            node->count);
    else
        bw_document_problem(loading->document, false, node, path,
                            "may have %" PRIu32 " entries, has %" PRIu32, key->max, node->count);
    return false;
}

static void load_list(struct loading *loading, const struct bw_key *key, struct bw_node *node,
                      char *out, const char *path)
{
    const bool is_mapping = key->item == BW_KEY_MAP;
    const size_t size = is_mapping ? key->table->size : sizeof(const char *);
    const struct bw_key item = {
        .kind = key->item, .min = 1, .max = key->item == BW_KEY_TEXT ? 255 : 0};
    char item_path[PATH_BYTES];
    uint32_t index = 0;
    char *items;

    if (node->kind != BW_NODE_LIST) {
        bw_document_problem(loading->document, false, node, path, "expected a list, found %s",
                            kind_of(node));
        return;
    }
    if (!check_count(loading, key, node, path))
        return;
    items = key->in_place ? out + key->offset
                          : bw_config_arena_take(loading->arena, size * node->count);
    for (struct bw_node *at = node->first; at != NULL; at = at->next, index++) {
        const int length = snprintf(item_path, sizeof item_path, "%s[%" PRIu32 "]", path, index);

        BW_ASSERT(length >= 0 && (size_t)length < sizeof item_path);
        bw_document_mark(loading->document, item_path, at);
        if (is_mapping)
            enqueue(loading, key->table, at, items + index * size, item_path);
        else
            load_scalar(loading, &item, at, items + index * size, item_path);
    }
    if (!key->in_place)
        memcpy(out + key->offset, &items, sizeof items);
    memcpy(out + key->count_offset, &index, sizeof index);
}

static bool load_variable(struct loading *loading, struct bw_node *name, struct bw_node *value,
                          const char *path, struct bw_env_entry *out_entry)
{
    static const struct bw_key text = {.kind = BW_KEY_TEXT, .max = 4096};
    char quote[BW_QUOTE_BYTES];
    char value_path[PATH_BYTES];

    if (name->refused)
        return false;
    if (name->kind != BW_NODE_SCALAR || !bw_env_name_is_valid(name->text)) {
        bw_document_problem(loading->document, false, name, path,
                            "\"%s\" is not a valid name of a variable (letters, digits and _)",
                            bw_document_quote(name->text, quote));
        return false;
    }
    if (strncmp(name->text, "BREAKWATER_", 11) == 0) {
        bw_document_problem(loading->document, false, name, path,
                            "names that begin with BREAKWATER_ are reserved for breakwater");
        return false;
    }
    join(value_path, path, name->text);
    if (bw_document_find(loading->document, value_path) != NULL) {
        bw_document_problem(loading->document, false, name, path, "variable \"%s\" given twice",
                            name->text);
        return false;
    }
    bw_document_mark(loading->document, value_path, value);
    if (value->refused)
        return false;
    out_entry->name = bw_config_arena_copy(loading->arena, name->text);
    if (value->kind == BW_NODE_SCALAR && value->text[0] == '\0')
        out_entry->value = ""; /* a variable may be empty */
    else
        load_scalar(loading, &text, value, &out_entry->value, value_path);
    return true;
}

static void load_env(struct loading *loading, const struct bw_key *key, struct bw_node *node,
                     char *out, const char *path)
{
    struct bw_env_entry *entries;
    uint32_t count = 0;

    if (node->kind != BW_NODE_MAP) {
        bw_document_problem(loading->document, false, node, path,
                            "expected a mapping of variables, found %s", kind_of(node));
        return;
    }
    if (!check_count(loading, key, node, path))
        return;
    entries = bw_config_arena_take(loading->arena, node->count * sizeof *entries);
    for (struct bw_node *name = node->first; name != NULL; name = name->next->next)
        count += load_variable(loading, name, name->next, path, &entries[count]);
    memcpy(out + key->offset, (const void *)&entries, sizeof(const void *));
    memcpy(out + key->count_offset, &count, sizeof count);
}

static void load_value(struct loading *loading, const struct bw_key *key, struct bw_node *node,
                       char *out, const char *path)
{
    if (node->refused)
        return;
    switch (key->kind) {
    case BW_KEY_MAP:
        enqueue(loading, key->table, node, out + key->offset, path);
        return;
    case BW_KEY_LIST:
        load_list(loading, key, node, out, path);
        return;
    case BW_KEY_ENV:
        load_env(loading, key, node, out, path);
        return;
    case BW_KEY_NAME:
    case BW_KEY_TEXT:
    case BW_KEY_PATH:
    case BW_KEY_ADDRESS:
    case BW_KEY_DURATION:
    case BW_KEY_NUMBER:
    case BW_KEY_BOOL:
    case BW_KEY_WORD:
        load_scalar(loading, key, node, out + key->offset, path);
        return;
    }
}

/* ---- mappings ------------------------------------------------------------------------------ */

static void set_defaults(struct loading *loading, const struct job *job)
{
    memset(job->out, 0, job->table->size);
    if (job->table->init != NULL)
        job->table->init(job->out);
    for (size_t i = 0; i < job->table->key_count; i++) {
        const struct bw_key *key = &job->table->keys[i];
        const struct bw_node node = {.kind = BW_NODE_SCALAR, .text = key->absent};
        char why[BW_VALUE_WHY_BYTES];

        if (key->absent != NULL)
            BW_ASSERT(bw_value_read(key, &node, "/", loading->arena, job->out + key->offset, why));
    }
}

/* The key that was probably meant, or key_count. Longer words may differ in more letters. */
static size_t suggest(const struct bw_table *table, const char *word)
{
    const uint32_t distance_max = 1 + (uint32_t)(strlen(word) / 4);
    uint32_t best = UINT32_MAX;
    size_t found = table->key_count;

    for (size_t i = 0; i < table->key_count; i++) {
        const uint32_t distance = bw_word_distance(word, table->keys[i].name);

        if (distance < best) {
            best = distance;
            found = i;
        }
    }
    return best <= distance_max ? found : table->key_count;
}

/* Keys of a mapping, each by the bit of its place in the table. */
struct seen {
    uint64_t given;
    uint64_t former; /* of these: by their former name */
    uint64_t named;  /* by a suggestion for an unknown key */
};

static void note_unknown(struct loading *loading, const struct job *job, struct bw_node *name, struct seen *seen)
{
    const size_t meant = suggest(job->table, name->text);
    char quote[BW_QUOTE_BYTES];
    char path[PATH_BYTES];
    char known[640] = "";

    join(path, job->path, bw_document_quote(name->text, quote));
    for (const struct bw_retired_key *key = job->table->retired; key != NULL && key->name != NULL; key++) {
        if (strcmp(key->name, name->text) != 0)
            continue;
        bw_document_problem(loading->document, false, name, path, "this key is no longer read: %s", key->instead);
        return;
    }
    if (meant < job->table->key_count) {
        bw_document_problem(loading->document, false, name, path,
                            "unknown key; did you mean \"%s\"?", job->table->keys[meant].name);
        join(path, job->path, job->table->keys[meant].name);
        if (bw_document_find(loading->document, path) == NULL)
            bw_document_mark(loading->document, path, name);
        seen->named |= UINT64_C(1) << meant;
        return;
    }
    for (size_t i = 0; i < job->table->key_count; i++) {
        const size_t used = strlen(known);

        if (snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                     job->table->keys[i].name) >= (int)(sizeof known - used))
            break; /* a table is not that long; what does not fit ends the list */
    }
    bw_document_problem(loading->document, false, name, path, "unknown key (known here: %s)",
                        known);
}

static size_t find(const struct bw_table *table, const char *name)
{
    size_t i = 0;

    while (i < table->key_count && strcmp(table->keys[i].name, name) != 0)
        i++;
    return i;
}

static void note_missing(struct loading *loading, const struct job *job, const struct bw_key *key)
{
    bw_document_problem(loading->document, false, job->node, job->path,
                        "required key \"%s\" is missing%s%s%s%s%s", key->name,
                        key->example != NULL ? "; for example \"" : "",
                        key->example != NULL ? key->name : "", key->example != NULL ? ": " : "",
                        key->example != NULL ? key->example : "", key->example != NULL ? "\"" : "");
}

/* Writes the names of this release into the document, with one warning if it has a former one. True: the key's name was
 * a former one. */
static bool rename_pair(struct loading *loading, const struct job *job, struct bw_node *name)
{
    struct bw_node *value = name->next;
    const struct bw_key *renamed = bw_renamed_key(job->table, name->text);
    const size_t index = find(job->table, renamed != NULL ? renamed->name : name->text);
    const char *word = NULL;
    char path[PATH_BYTES];
    char quote[BW_QUOTE_BYTES];

    if (index < job->table->key_count && value->kind == BW_NODE_SCALAR)
        word = bw_renamed_word(&job->table->keys[index], value->text);
    join(path, job->path, bw_document_quote(name->text, quote));
    if (renamed != NULL)
        bw_document_problem(loading->document, true, name, path,
                            "former name of a key, accepted in this release only; write \"%s%s%s\"", renamed->name,
                            word != NULL ? ": " : "", word != NULL ? word : "");
    else if (word != NULL)
        bw_document_problem(loading->document, true, value, path,
                            "former word, accepted in this release only; write \"%s\"", word);
    name->text = renamed != NULL ? renamed->name : name->text;
    value->text = word != NULL ? word : value->text;
    return renamed != NULL;
}

static void note_twice(struct loading *loading, struct bw_node *name, const char *path, const struct bw_key *key,
                       bool has_former)
{
    if (has_former)
        bw_document_problem(loading->document, false, name, path,
                            "key given twice: \"%s\" is the former name of \"%s\"; remove \"%s\"",
                            bw_renamed_former(key), key->name, bw_renamed_former(key));
    else
        bw_document_problem(loading->document, false, name, path, "key given twice");
}

/* Loads one key with its value. */
static void load_pair(struct loading *loading, const struct job *job, struct bw_node *name, struct seen *seen)
{
    char path[PATH_BYTES];
    char quote[BW_QUOTE_BYTES];
    bool is_former;
    size_t index;

    if (name->refused)
        return;
    if (name->kind != BW_NODE_SCALAR) {
        bw_document_problem(loading->document, false, name, job->path,
                            "a key must be a word, found %s", kind_of(name));
        return;
    }
    is_former = rename_pair(loading, job, name);
    index = find(job->table, name->text);
    if (index == job->table->key_count) {
        note_unknown(loading, job, name, seen);
        return;
    }
    join(path, job->path, bw_document_quote(name->text, quote));
    seen->former |= (uint64_t)is_former << index;
    if ((seen->given & UINT64_C(1) << index) != 0) {
        note_twice(loading, name, path, &job->table->keys[index], (seen->former & UINT64_C(1) << index) != 0);
        return;
    }
    seen->given |= UINT64_C(1) << index;
    bw_document_mark(loading->document, path, name->next);
    load_value(loading, &job->table->keys[index], name->next, job->out, path);
}

static void load_mapping(struct loading *loading, const struct job *job)
{
    const struct bw_table *table = job->table;
    struct seen seen = {0};

    BW_ASSERT(table->key_count <= KEYS_MAX);
    set_defaults(loading, job);
    if (job->node != NULL && job->node->refused)
        return;
    if (job->node != NULL && job->node->kind != BW_NODE_MAP) {
        bw_document_problem(loading->document, false, job->node, job->path,
                            "expected a mapping (key: value), found %s", kind_of(job->node));
        return;
    }
    for (struct bw_node *name = job->node == NULL ? NULL : job->node->first; name != NULL;
         name = name->next->next)
        load_pair(loading, job, name, &seen);
    for (size_t i = 0; i < table->key_count; i++) {
        const struct bw_key *key = &table->keys[i];
        char path[PATH_BYTES];

        if ((seen.given & UINT64_C(1) << i) != 0)
            continue;
        join(path, job->path, key->name);
        if (key->kind == BW_KEY_MAP)
            enqueue(loading, key->table, NULL, job->out + key->offset, path);
        if (key->required && !table->is_part && job->node != NULL && (seen.named & UINT64_C(1) << i) == 0)
            note_missing(loading, job, key);
    }
}

bool bw_schema_load(const struct bw_table *table, struct bw_document *document,
                    struct bw_config_arena *arena, void *out)
{
    struct loading loading = {.document = document, .arena = arena};

    loading.tail = &loading.first;
    enqueue(&loading, table, document->root, out, "");
    for (const struct job *job = loading.first; job != NULL; job = job->next)
        load_mapping(&loading, job);
    return document->root != NULL && document->root->kind == BW_NODE_MAP;
}

/* ---- two configurations ----------------------------------------------------------------------- */

static bool has_value_changed(const struct bw_key *key, const void *old, const void *fresh)
{
    const char *a = (const char *)old + key->offset;
    const char *b = (const char *)fresh + key->offset;

    switch (key->kind) {
    case BW_KEY_TEXT:
    case BW_KEY_PATH:
        return strcmp(*(const char *const *)a, *(const char *const *)b) != 0;
    case BW_KEY_NAME:
    case BW_KEY_ADDRESS:
        return strcmp(a, b) != 0;
    case BW_KEY_DURATION:
    case BW_KEY_NUMBER:
    case BW_KEY_WORD:
        return *(const uint32_t *)a != *(const uint32_t *)b;
    case BW_KEY_BOOL:
        return *(const bool *)a != *(const bool *)b;
    case BW_KEY_MAP:
    case BW_KEY_LIST:
    case BW_KEY_ENV:
        break;
    }
    BW_ASSERT(false); /* not one value */
    return true;
}

/* Of a map each value in it. */
static bool has_changed(const struct bw_key *key, const void *old, const void *fresh)
{
    const char *a = (const char *)old + key->offset;
    const char *b = (const char *)fresh + key->offset;

    if (key->kind != BW_KEY_MAP)
        return has_value_changed(key, old, fresh);
    for (size_t i = 0; i < key->table->key_count; i++)
        if (has_value_changed(&key->table->keys[i], a, b))
            return true;
    return false;
}

const char *bw_schema_first_change(const struct bw_table *table, const char *const *names,
                                   const void *old, const void *fresh)
{
    for (; *names != NULL; names++) {
        size_t i = 0;

        while (i < table->key_count && strcmp(table->keys[i].name, *names) != 0)
            i++;
        BW_ASSERT(i < table->key_count);
        if (has_changed(&table->keys[i], old, fresh))
            return *names;
    }
    return NULL;
}
