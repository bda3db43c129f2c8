/* Compares the witnesses of the answers with the folder that an earlier run has written. An operator may have replaced a witness by
 * hand since that run: its folder or its address is then in the folder, and not in the answers. */
#include <breakwater/generate/generate.h>

#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>
#include <breakwater/net/address.h>

#define PATH_BYTES 64

/* An entry of `witnesses` in a witness.yaml. The texts belong to an open document. */
struct entry {
    const char *name, *id, *address, *failure_domain;
    const char *file;
};

struct comparison {
    struct bw_answers *answers;
    struct bw_tree *tree;
    struct bw_document *files;
    size_t file_count;
    struct entry *entries;
    size_t entry_count;
};

static const char *text_of(const struct bw_node *map, const char *key)
{
    const struct bw_node *node = bw_node_value(map, key);

    return node != NULL ? node->text : "";
}

/* ---- entries of the folder ------------------------------------------------------------------- */

/* Calls `use` with each file of that name, one folder below. A file that is no YAML has no root: generate writes it again. */
static void each_file(struct comparison *comparison, const char *name,
                      void (*use)(struct comparison *comparison, const struct bw_document *document))
{
    char pattern[BW_TREE_PATH_BYTES];
    struct bw_problems unused;
    glob_t found = {0};
    char below[PATH_BYTES];

    (void)snprintf(below, sizeof below, "*/%s", name);
    bw_tree_old_path(comparison->tree, below, pattern);
    (void)glob(pattern, 0, NULL, &found); /* without a match the list is empty */
    bw_problems_init(&unused);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct bw_document *document;

        comparison->files = realloc(comparison->files, (comparison->file_count + 1) * sizeof *comparison->files);
        BW_ASSERT(comparison->files != NULL);
        document = &comparison->files[comparison->file_count++];
        (void)bw_document_open(document, found.gl_pathv[i], &unused); /* an unreadable file has no root */
        document->file = bw_config_arena_copy(&document->arena, found.gl_pathv[i]);
        use(comparison, document);
    }
    bw_problems_deinit(&unused);
    globfree(&found);
}

static void take_entries(struct comparison *comparison, const struct bw_document *document)
{
    const struct bw_node *list = bw_node_value(document->root, "witnesses");

    for (const struct bw_node *item = list != NULL ? list->first : NULL; item != NULL; item = item->next) {
        comparison->entries = realloc(comparison->entries, (comparison->entry_count + 1) * sizeof *comparison->entries);
        BW_ASSERT(comparison->entries != NULL);
        comparison->entries[comparison->entry_count++] =
            (struct entry){.name = text_of(item, "name"), .id = text_of(item, "id"), .address = text_of(item, "address"),
                           .failure_domain = text_of(item, "failure_domain"), .file = document->file};
    }
}

static const struct entry *entry_of(const struct comparison *comparison, const char *name)
{
    for (size_t i = 0; i < comparison->entry_count; i++)
        if (strcmp(comparison->entries[i].name, name) == 0)
            return &comparison->entries[i];
    return NULL;
}

static const struct bw_answers_witness *witness_of(const struct bw_answers *answers, const char *name)
{
    for (uint32_t i = 0; i < answers->witness_count; i++)
        if (strcmp(answers->witnesses[i].name, name) == 0)
            return &answers->witnesses[i];
    return NULL;
}

static uint32_t id_of(const struct entry *entry)
{
    return (uint32_t)strtoul(entry->id, NULL, 10); /* a damaged id: 0, which no witness has */
}

/* ---- the answers, compared with it ----------------------------------------------------------- */

static void check_id(struct comparison *comparison, uint32_t index, uint32_t highest)
{
    const struct bw_answers_witness *witness = &comparison->answers->witnesses[index];
    const struct entry *before = entry_of(comparison, witness->name);
    struct bw_document *document = &comparison->answers->document;
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].%s", index, witness->has_joined ? "id" : "name");
    if (before == NULL && witness->has_joined && witness->id <= highest)
        bw_document_fail(document, path, "%" PRIu32 " is not above all ids in %s (%" PRIu32 "), and a cluster uses each id once; "
                         "write \"id: %" PRIu32 "\"", witness->id, comparison->tree->dir, highest, highest + 1);
    else if (before == NULL && !witness->has_joined)
        bw_document_fail(document, path, "\"%s\" joins the cluster that is in %s, and needs a new id: write \"id: %" PRIu32 "\". "
                         "Before any witness runs, remove %s instead", witness->name, comparison->tree->dir, highest + 1,
                         comparison->tree->dir);
    else if (before != NULL && witness->id != id_of(before))
        bw_document_fail(document, path, "%s has the id %s in %s, and keeps it: write \"id: %s\"", witness->name, before->id,
                         before->file, before->id);
}

/* An entry of the folder that neither the answers nor an earlier run of generate know. */
static void check_entry(struct comparison *comparison, const struct entry *entry)
{
    char name[BW_TREE_PATH_BYTES];
    struct bw_address address;
    const char *host;

    (void)snprintf(name, sizeof name, "%.*s/witness.yaml", BW_NAME_MAX, entry->name);
    if (witness_of(comparison->answers, entry->name) != NULL || bw_tree_was_written(comparison->tree, name))
        return;
    host = bw_address_parse(entry->address, &address, NULL) == BW_OK ? address.host : entry->address;
    bw_document_fail(&comparison->answers->document, "witnesses",
                     "%s has the witness %s, and the answers do not. Write it instead of the witness that %s replaced: {name: %s, "
                     "id: %s, address: %s, failure_domain: %s}. If %s is no witness, remove %s from %s", entry->file, entry->name,
                     entry->name, entry->name, entry->id, host, entry->failure_domain, entry->name,
                     entry->name, entry->file);
}

static bool is_known(const struct comparison *comparison, const char *address)
{
    for (size_t i = 0; i < comparison->entry_count; i++)
        if (strcmp(comparison->entries[i].address, address) == 0)
            return true;
    for (uint32_t i = 0; i < comparison->answers->witness_count; i++) {
        const struct bw_answers_witness *witness = &comparison->answers->witnesses[i];
        char own[BW_ADDRESS_MAX + 1];

        if (bw_answers_address(witness->host, witness->port, own) && strcmp(own, address) == 0)
            return true;
    }
    return false;
}

/* An earlier run has written only addresses that are in the witnesses' files, too. */
static void check_addresses(struct comparison *comparison, const struct bw_document *document)
{
    const struct bw_node *list = bw_node_value(document->root, "witnesses");

    list = list != NULL ? list : bw_node_value(document->root, "endpoints");
    for (const struct bw_node *item = list != NULL ? list->first : NULL; item != NULL; item = item->next)
        if (!is_known(comparison, item->text))
            bw_document_fail(&comparison->answers->document, "witnesses",
                             "%s has the witness %s, and no witness of the answers has this address. Write the address to its "
                             "witness; a replacement has a new name and id", document->file, item->text);
}

void bw_generate_compare(struct bw_answers *answers, struct bw_tree *tree)
{
    static const char *const with_addresses[] = {"site.yaml", "second.yaml", "second-enforcer.yaml", "cli.yaml"};
    struct comparison comparison = {.answers = answers, .tree = tree};
    uint32_t highest = 0;

    each_file(&comparison, "witness.yaml", take_entries);
    for (size_t i = 0; i < comparison.entry_count; i++) {
        bool is_first = entry_of(&comparison, comparison.entries[i].name) == &comparison.entries[i];

        highest = id_of(&comparison.entries[i]) > highest ? id_of(&comparison.entries[i]) : highest;
        if (is_first)
            check_entry(&comparison, &comparison.entries[i]);
    }
    for (uint32_t i = 0; i < answers->witness_count && highest > 0; i++)
        check_id(&comparison, i, highest);
    for (size_t i = 0; i < sizeof with_addresses / sizeof with_addresses[0] && highest > 0; i++)
        each_file(&comparison, with_addresses[i], check_addresses);
    for (size_t i = 0; i < comparison.file_count; i++)
        bw_document_deinit(&comparison.files[i]);
    free(comparison.files);
    free(comparison.entries);
}
