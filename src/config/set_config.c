#include <breakwater/config/set_config.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/config/answers_config.h>
#include <breakwater/config/scalar.h>

#include "config_file.h"
#include "spec_rows.h"

#define SET_FILE         "set.yaml"
#define SET(member)      offsetof(struct bw_set_config, member)
#define VARIABLE(member) offsetof(struct bw_set_variable, member)
#define TEXT_MAX         4096

static const struct bw_key_word place_words[] = {
    {"either", BW_VARIABLE_EITHER}, {"group", BW_VARIABLE_GROUP}, {"site", BW_VARIABLE_SITE}, {0}};

static const struct bw_key variable_keys[] = {
    BW_KEY(TEXT, "name", VARIABLE(name), .required = true, .min = 1, .max = BW_NAME_MAX, .example = "PG_CLUSTER",
           .help = "the variable's name"),
    BW_KEY(WORD, "of", VARIABLE(place), .words = place_words, .absent = "either",
           .help = "group: all sites need the same value; site: each site has its own"),
    BW_KEY(BOOL, "required", VARIABLE(is_required), .absent = "false", .help = "the set cannot do without a value"),
    BW_KEY(BOOL, "differs", VARIABLE(differs), .absent = "false", .help = "no two sites may have the same value"),
    BW_KEY(BOOL, "file", VARIABLE(is_file), .absent = "false",
           .help = "the value is the path of a file that the operator puts on the machine"),
    BW_KEY(BOOL, "namespace", VARIABLE(is_namespace), .absent = "false",
           .help = "the value replaces the namespace `value` in the manifests of the set"),
    BW_KEY(LIST, "role_names", VARIABLE(role_names), .item = BW_KEY_TEXT, .count_offset = VARIABLE(role_name_count),
           .max = BW_SET_ROLE_NAMES_MAX,
           .help = "names in `resourceNames` of the manifests: the variable replaces `value` in each, or all of it without `value`"),
    BW_KEY(TEXT, "script", VARIABLE(script), .min = 1, .max = BW_NAME_MAX,
           .help = "the script that reads the variable; without this key any script of the set"),
    BW_KEY(TEXT, "value", VARIABLE(value), .min = 1, .max = TEXT_MAX,
           .help = "the value without an answer; $SITE, $ADDRESS, $PEERS and $PEER_ADDRESSES are filled in"),
    BW_KEY(TEXT, "example", VARIABLE(example), .min = 1, .max = 255, .help = "a value to show"),
    BW_KEY(TEXT, "help", VARIABLE(help), .required = true, .min = 1, .max = 255, .help = "purpose of the variable"),
};

static const struct bw_table variable_table = {
    .name = "variables[]",
    .help = "a variable of the set",
    .keys = variable_keys,
    .key_count = BW_KEY_COUNT(variable_keys),
    .size = sizeof(struct bw_set_variable),
};

static const struct bw_key group_keys[] = {BW_SPEC_ROWS};

static void init_group(void *of)
{
    bw_spec_defaults(of);
}

static const struct bw_table group_table = {
    .name = "group",
    .help = "keys of a group in groups.yaml",
    .keys = group_keys,
    .key_count = BW_KEY_COUNT(group_keys),
    .size = sizeof(struct bw_spec),
    .init = init_group,
    .is_part = true,
};

/* What `site` has is read where it is copied: only its place is of interest. */
struct loaded_set {
    struct bw_set_config set;
    struct bw_group_config site;
};

static const struct bw_key keys[] = {
    BW_KEY(TEXT, "help", SET(help), .required = true, .min = 1, .max = 255, .help = "scripts and limits of the set"),
    BW_KEY(LIST, "folders", SET(folders), .item = BW_KEY_TEXT, .count_offset = SET(folder_count), .min = 1,
           .max = BW_SET_FOLDERS_MAX, .required = true, .example = "[postgresql]",
           .help = "the folders of scripts that it needs; it takes the variables of these sets, too"),
    BW_KEY(LIST, "manifests", SET(manifests), .item = BW_KEY_TEXT, .count_offset = SET(manifest_count),
           .max = BW_SET_FOLDERS_MAX, .help = "the folders whose kustomization.yaml has the roles that it needs"),
    BW_KEY(LIST, "variables", SET(variables), .item = BW_KEY_MAP, .table = &variable_table,
           .count_offset = SET(variable_count), .max = BW_SET_VARIABLES_MAX, .help = "the variables that it takes"),
    BW_KEY(MAP, "group", SET(group), .table = &group_table, .help = "keys of the group in groups.yaml"),
    BW_KEY(MAP, "site", offsetof(struct loaded_set, site), .table = &bw_site_group_part_table,
           .help = "keys of the group in site.yaml; $SCRIPTS is the folder of the sets; without this key the scripts are steps "
                   "of other sets"),
};

const struct bw_table bw_set_table = {
    .name = "set.yaml",
    .help = "description of a script set for `generate`",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct loaded_set),
};

/* ---- where they are -------------------------------------------------------------------------- */

static const char *const places[] = {"scripts", ".."}; /* of a clone, and of what is installed */

bool bw_set_folder(const char *deploy, const char *name, char out_folder[BW_SET_PATH_BYTES])
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char script[BW_SET_PATH_BYTES];

        if (snprintf(out_folder, BW_SET_PATH_BYTES, "%s/%s/%s", deploy, places[i], name) >= BW_SET_PATH_BYTES - 32)
            return false;
        (void)snprintf(script, sizeof script, "%.*s/README.md", BW_SET_PATH_BYTES - 32, out_folder); /* each has one */
        if (access(script, R_OK) == 0)
            return true;
    }
    return false;
}

/* Whether the set has the key `site`: others are steps. */
static bool runs_service(const char *file)
{
    FILE *in = fopen(file, "re");
    char line[256];
    bool has_site = false;

    while (in != NULL && !has_site && fgets(line, sizeof line, in) != NULL)
        has_site = strncmp(line, "site:", 5) == 0;
    if (in != NULL)
        (void)fclose(in); /* only read from */
    return has_site;
}

static void consider(const char *folder, const char *name, const char *word, char *nearest, size_t nearest_size,
                     char *known, size_t known_size, uint32_t *best)
{
    const uint32_t distance = bw_word_distance(word, name);
    char file[BW_SET_PATH_BYTES];
    const size_t used = strlen(known);

    if ((size_t)snprintf(file, sizeof file, "%s/%s/" SET_FILE, folder, name) >= sizeof file || !runs_service(file))
        return;
    (void)snprintf(known + used, known_size - used, "%s%s", used > 0 ? ", " : "", name); /* a list may be cut */
    if (distance >= *best)
        return;
    *best = distance;
    (void)bw_copy_text(nearest, nearest_size, name); /* a longer name is no set's */
}

void bw_set_suggest(const char *deploy, const char *word, char *out_nearest, size_t nearest_size, char *out_known,
                    size_t known_size)
{
    uint32_t best = 2 + (uint32_t)(strlen(word) / 4);

    out_nearest[0] = out_known[0] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char folder[BW_SET_PATH_BYTES];
        struct dirent **entries = NULL;
        int count = -1;

        if ((size_t)snprintf(folder, sizeof folder, "%s/%s", deploy, places[i]) < sizeof folder)
            count = scandir(folder, &entries, NULL, alphasort);
        for (int e = 0; e < count; e++) {
            consider(folder, entries[e]->d_name, word, out_nearest, nearest_size, out_known, known_size, &best);
            free(entries[e]);
        }
        free(entries);
    }
}

/* ---- loading --------------------------------------------------------------------------------- */

static void check_names(struct bw_document *document, const char *key, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "%s[%u]", key, (unsigned)i);
        if (bw_document_is_sound(document, path) && !bw_name_is_valid(names[i]))
            bw_document_fail(document, path, "\"%s\" is no name of a folder", names[i]);
    }
}

static void check_variables(const struct bw_set_config *set, struct bw_document *document)
{
    for (uint32_t i = 0; i < set->variable_count; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "variables[%u].name", (unsigned)i);
        if (bw_document_is_sound(document, path) && !bw_env_name_is_valid(set->variables[i].name))
            bw_document_fail(document, path, "\"%s\" is no name of a variable", set->variables[i].name);
    }
}

struct bw_set_config *bw_set_config_load(const char *folder, struct bw_problems *problems)
{
    const uint32_t errors_before = problems->error_count;
    struct loaded_set *loaded = bw_config_new(sizeof *loaded);
    struct bw_set_config *set = &loaded->set;
    struct bw_config_arena arena = {0};
    struct bw_document document;
    char file[BW_SET_PATH_BYTES + sizeof SET_FILE];

    (void)snprintf(file, sizeof file, "%s/" SET_FILE, folder); /* fits */
    if (bw_document_open(&document, bw_config_arena_copy(&arena, file), problems) == BW_OK && document.root != NULL &&
        bw_schema_load(&bw_set_table, &document, &arena, loaded)) {
        check_names(&document, "folders", set->folders, set->folder_count);
        check_names(&document, "manifests", set->manifests, set->manifest_count);
        check_variables(set, &document);
    }
    set->is_whole = document.root != NULL && bw_document_find(&document, "site") != NULL;
    set->arena = arena;
    set->document = document;
    if (problems->error_count == errors_before)
        return set;
    bw_set_config_free(set);
    return NULL;
}

void bw_set_config_free(struct bw_set_config *set)
{
    if (set == NULL)
        return;
    bw_document_deinit(&set->document);
    bw_config_arena_deinit(&set->arena);
    free(set);
}
