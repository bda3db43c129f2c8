/* The sets of one group of the answers: the one that runs its service, those whose scripts are steps of it, and the variables
 * that all of these read. */
#include "answers_group.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>

#define KNOWN_BYTES 512
#define PATH_BYTES  64
#define SCRIPTS     "$SCRIPTS/"
#define PARTS       "PARTS" /* the variable of the set `parts` */

/* The sets that are loaded for one group. */
struct loading {
    struct bw_answers *answers;
    struct bw_answers_group *group;
    struct bw_document *document;
    uint32_t index;
    const char *deploy;
};

/* "groups[2].set" */
static const char *path_of(const struct loading *loading, const char *key, char out_path[PATH_BYTES])
{
    (void)snprintf(out_path, PATH_BYTES, "groups[%" PRIu32 "].%.40s", loading->index, key);
    return out_path;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool has_set(const struct loading *loading, const char *name, char folder[BW_SET_PATH_BYTES])
{
    char file[BW_SET_PATH_BYTES + 16];

    if (!bw_set_folder(loading->deploy, name, folder))
        return false;
    (void)snprintf(file, sizeof file, "%s/set.yaml", folder);
    return access(file, R_OK) == 0;
}

static void note_unknown(const struct loading *loading, const char *path)
{
    const char *name = loading->group->set;
    char nearest[BW_NAME_MAX + 1];
    char known[KNOWN_BYTES];

    bw_set_suggest(loading->deploy, name, nearest, sizeof nearest, known, sizeof known);
    if (nearest[0] != '\0')
        bw_document_fail(loading->document, path, "\"%s\" is no set; did you mean \"%s\"?", name, nearest);
    else if (known[0] != '\0')
        bw_document_fail(loading->document, path, "\"%s\" is no set; write one of %s, or name a folder of own scripts with the key "
                         "\"scripts\"", name, known);
    else
        bw_document_fail(loading->document, path, "\"%s\" is no set: %s has none; name the folder deploy with --deploy", name,
                         loading->deploy);
}

static void load_own(const struct loading *loading)
{
    struct bw_answers_group *group = loading->group;
    char nearest[BW_NAME_MAX + 1];
    char folder[BW_SET_PATH_BYTES];
    char known[KNOWN_BYTES];
    char path[PATH_BYTES];

    if (!bw_document_is_sound(loading->document, path_of(loading, "set", path)))
        return;
    if (!has_set(loading, group->set, folder)) {
        note_unknown(loading, path);
        return;
    }
    group->loaded = bw_set_config_load(folder, loading->document->problems);
    if (group->loaded == NULL || group->loaded->is_whole)
        return;
    bw_set_suggest(loading->deploy, group->set, nearest, sizeof nearest, known, sizeof known);
    bw_document_fail(loading->document, path,
                     "the scripts of \"%s\" are steps, and run no service; write a set that does (%s), and name these scripts "
                     "under at_sites, as in \"verify_script: $SCRIPTS/verify/registry.sh\"",
                     group->set, known);
}

/* A set whose scripts are steps, or parts, of the group's. Each once. */
static void load_part(const struct loading *loading, const char *name)
{
    struct bw_answers_group *group = loading->group;
    char folder[BW_SET_PATH_BYTES];

    for (uint32_t i = 0; i < group->part_count; i++)
        if (strcmp(group->parts[i]->name, name) == 0)
            return;
    if ((group->loaded != NULL && strcmp(group->set, name) == 0) || !has_set(loading, name, folder) ||
        group->part_count == BW_ANSWERS_PARTS_MAX)
        return; /* a folder without a set is what others share */
    group->parts[group->part_count] = bw_set_config_load(folder, loading->document->problems);
    if (group->parts[group->part_count] == NULL)
        return;
    group->parts[group->part_count]->name = bw_config_arena_copy(&group->parts[group->part_count]->arena, name);
    group->part_count++;
}

/* ---- scripts that the answers name ----------------------------------------------------------- */

/* "$SCRIPTS/route/dns.sh": the folder is there, and the script in it. */
static void check_named(const struct loading *loading, struct bw_node *node)
{
    const char *rest = node->text + strlen(SCRIPTS);
    const int length = (int)strcspn(rest, "/");
    char folder[BW_SET_PATH_BYTES];
    char file[2 * BW_SET_PATH_BYTES];
    char name[BW_NAME_MAX + 1];

    if (snprintf(name, sizeof name, "%.*s", length, rest) >= (int)sizeof name || length == 0 ||
        !bw_set_folder(loading->deploy, name, folder)) {
        bw_document_problem(loading->document, false, node, "",
                            "\"%s\": there is no folder %.*s of scripts; write %sFOLDER/SCRIPT, as in %sroute/dns.sh", node->text,
                            length, rest, SCRIPTS, SCRIPTS);
        return;
    }
    (void)snprintf(file, sizeof file, "%s%s", folder, rest + length);
    if (access(file, R_OK) != 0)
        bw_document_problem(loading->document, false, node, "", "\"%s\": %s is not there", node->text, file);
    else
        load_part(loading, name);
}

static void find_named(const struct loading *loading, struct bw_node *top)
{
    for (struct bw_node *at = top; at != NULL; at = bw_node_after(top, at))
        if (strncmp(at->text, SCRIPTS, strlen(SCRIPTS)) == 0)
            check_named(loading, at);
}

/* Whether a text at or below `top` is $SCRIPTS/FOLDER/SCRIPT. `script` NULL: any of the folder. */
static bool names_script(const struct bw_node *top, const char *folder, const char *script)
{
    const size_t length = strlen(folder);

    for (const struct bw_node *at = top; at != NULL; at = bw_node_after(top, at)) {
        const char *rest = strncmp(at->text, SCRIPTS, strlen(SCRIPTS)) == 0 ? at->text + strlen(SCRIPTS) : "";

        if (strncmp(rest, folder, length) == 0 && rest[length] == '/' &&
            (script == NULL || strcmp(rest + length + 1, script) == 0))
            return true;
    }
    return false;
}

/* "database=postgresql harbor=harbor-compose" names two folders. */
static bool is_part(const struct bw_answers_group *group, const char *folder)
{
    const size_t length = strlen(folder);
    const char *value = NULL;

    for (uint32_t i = 0; i < group->loaded->variable_count; i++)
        if (strcmp(group->loaded->variables[i].name, PARTS) == 0)
            value = group->loaded->variables[i].value;
    for (uint32_t i = 0; i < group->env_count; i++)
        if (strcmp(group->env[i].name, PARTS) == 0)
            value = group->env[i].value;
    for (const char *at = value != NULL ? strchr(value, '=') : NULL; at != NULL; at = strchr(at + 1, '='))
        if (strncmp(at + 1, folder, length) == 0 && strchr(" \t\n", at[1 + length]) != NULL)
            return true;
    return false;
}

/* Whether the group runs that script: by its set, or by the answers, which come first. */
static bool runs_script(const struct loading *loading, const char *folder, const char *script)
{
    const struct bw_answers_group *group = loading->group;
    char path[PATH_BYTES];
    char key[PATH_BYTES];
    const struct bw_node *own = bw_document_find(loading->document, path_of(loading, "at_sites", path));
    const struct bw_node *site = NULL;

    if (own != NULL && names_script(own, folder, script))
        return true;
    if (group->loaded != NULL)
        site = bw_document_find(&group->loaded->document, "site");
    for (const struct bw_node *at = site != NULL ? site->first : NULL; at != NULL; at = at->next->next) {
        (void)snprintf(key, sizeof key, "at_sites.%.50s", at->text);
        if (bw_document_find(loading->document, path_of(loading, key, path)) == NULL && names_script(at->next, folder, script))
            return true;
    }
    return group->loaded != NULL && script == NULL && is_part(group, folder);
}

/* Scripts, what they read beside them, and the set's variables for `check`; no pages, no manifests. */
static bool is_wanted(const char *name)
{
    const char *end = strrchr(name, '.');

    return name[0] != '.' && (end == NULL || strcmp(name, "set.yaml") == 0 || (strcmp(end, ".md") != 0 && strcmp(end, ".yaml") != 0));
}

bool bw_answers_each_script(const char *folder, void (*use)(const char *name, bool is_executable, void *with), void *with)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char path[2 * BW_SET_PATH_BYTES];
        struct stat status;

        if (is_wanted(entries[i]->d_name) && (size_t)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < sizeof path &&
            stat(path, &status) == 0 && S_ISREG(status.st_mode))
            use(entries[i]->d_name, (status.st_mode & 0111) != 0, with);
        free(entries[i]);
    }
    free(entries);
    return count >= 0;
}

/* ---- variables ------------------------------------------------------------------------------- */

static struct bw_answers_variable *find_variable(const struct bw_answers_group *group, const char *name)
{
    for (uint32_t i = 0; i < group->variable_count; i++)
        if (strcmp(group->variables[i].of.name, name) == 0)
            return &group->variables[i];
    return NULL;
}

const struct bw_answers_variable *bw_answers_find_variable(const struct bw_answers_group *group, const char *name)
{
    return find_variable(group, name);
}

/* The group's own set decides about a variable. Between two other sets, the one that is used decides. */
static void add_variables(const struct loading *loading, const struct bw_set_config *set, const char *name)
{
    struct bw_answers_group *group = loading->group;
    const bool is_own = set == group->loaded;

    for (uint32_t i = 0; i < set->variable_count; i++) {
        const struct bw_set_variable *from = &set->variables[i];
        struct bw_answers_variable *to = find_variable(group, from->name);
        const bool is_used = (is_own && from->script == NULL) || runs_script(loading, name, from->script);

        if (to == NULL)
            to = &group->variables[group->variable_count++];
        else if (to->set == group->set || to->is_used || !is_used)
            continue;
        *to = (struct bw_answers_variable){.of = *from, .set = is_own ? group->set : name, .is_used = is_used};
        to->of.is_required = to->of.is_required && is_used;
    }
}

static void collect_variables(const struct loading *loading)
{
    struct bw_answers_group *group = loading->group;
    size_t most = group->loaded != NULL ? group->loaded->variable_count : 0;

    for (uint32_t i = 0; i < group->part_count; i++)
        most += group->parts[i]->variable_count;
    group->variables = bw_config_arena_take(&loading->answers->arena, (most + 1) * sizeof *group->variables);
    if (group->loaded != NULL)
        add_variables(loading, group->loaded, group->set);
    for (uint32_t i = 0; i < group->part_count; i++)
        add_variables(loading, group->parts[i], group->parts[i]->name);
    BW_ASSERT(group->variable_count <= most);
}

void bw_answers_group_load(struct bw_answers *answers, struct bw_document *document, uint32_t index, const char *deploy)
{
    const struct loading loading = {.answers = answers, .group = &answers->groups[index], .document = document, .index = index,
                                    .deploy = deploy};
    struct bw_answers_group *group = loading.group;
    char path[PATH_BYTES];

    if (group->set[0] != '\0')
        load_own(&loading);
    for (uint32_t i = 0; group->loaded != NULL && i < group->loaded->folder_count; i++)
        load_part(&loading, group->loaded->folders[i]);
    find_named(&loading, bw_document_find(document, path_of(&loading, "at_sites", path)));
    collect_variables(&loading);
}
