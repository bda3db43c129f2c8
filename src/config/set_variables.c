/* The variables of a group's script sets in site.yaml: names that no script of these sets reads. */
#include <breakwater/config/set_config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/config/scalar.h>

#define SET_FILE         "set.yaml"
#define PARTS            "PARTS"
#define PREFIX_NAMES_MIN 3 /* this many variables of a set with one prefix make the prefix the set's own */
#define DISTANCE_MAX     2

/* ---- names of other programs ----------------------------------------------------------------- */

/* Whether other programs than the scripts of sets read the variable: the shell and the C library, libpq, and the clients of Docker,
 * Kubernetes and Ceph, which scripts call. */
static bool is_of_program(const char *name)
{
    static const char *const names[] = {
        "BASH_ENV", "CEPH_ARGS", "CEPH_KEYRING", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "DOCKER_API_VERSION",
        "DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "HOME", "IFS", "KUBECONFIG", "LANG",
        "LANGUAGE", "LOGNAME", "PATH", "PGAPPNAME", "PGDATABASE", "PGHOST", "PGHOSTADDR", "PGOPTIONS", "PGPASSFILE", "PGPASSWORD",
        "PGPORT", "PGSERVICE", "PGSSLCERT", "PGSSLCRL", "PGSSLKEY", "PGSSLMODE", "PGSSLROOTCERT", "PGTZ", "PGUSER", "SHELL", "TERM",
        "TMPDIR", "TZ", "USER",
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return strncmp(name, "LC_", 3) == 0;
}

const char *bw_set_nearest_variable(const char *name, const char *const *known, size_t count)
{
    const size_t length = strlen(name);
    const char *nearest = NULL;
    uint32_t best = DISTANCE_MAX + 1;

    for (size_t i = 0; i < count && !is_of_program(name); i++) {
        const uint32_t distance = bw_word_distance(name, known[i]);

        if (distance >= best || 2 * (size_t)distance >= length)
            continue; /* half of another name is not a slip */
        best = distance;
        nearest = known[i];
    }
    return nearest;
}

/* ---- the sets of a group --------------------------------------------------------------------- */

struct known {
    struct bw_set_config **sets;
    size_t set_count;
    const char **names;
    size_t name_count;
    bool is_whole; /* each script of the group is in the folder of a set */
};

static bool has_set(const struct known *known, const char *folder)
{
    for (size_t i = 0; i < known->set_count; i++)
        if (strcmp(known->sets[i]->name, folder) == 0)
            return true;
    return false;
}

static bool add_set(struct known *known, const char *folder)
{
    struct bw_problems unused; /* the set is not checked here */
    char file[BW_SET_PATH_BYTES + sizeof SET_FILE + 1];
    struct bw_set_config *set;

    (void)snprintf(file, sizeof file, "%s/" SET_FILE, folder);
    if (access(file, R_OK) != 0)
        return false;
    bw_problems_init(&unused);
    set = bw_set_config_load(folder, &unused);
    bw_problems_deinit(&unused);
    if (set == NULL)
        return false;
    set->name = bw_config_arena_copy(&set->arena, folder);
    known->sets = realloc(known->sets, (known->set_count + 1) * sizeof(struct bw_set_config *));
    known->names = realloc(known->names, (known->name_count + set->variable_count + 1) * sizeof(const char *));
    BW_ASSERT(known->sets != NULL && known->names != NULL);
    known->sets[known->set_count++] = set;
    for (uint32_t i = 0; i < set->variable_count; i++)
        known->names[known->name_count++] = set->variables[i].name;
    return true;
}

/* The folder NAME beside `folder`, or an absolute path. */
static void add_beside(struct known *known, const char *folder, const char *name)
{
    const int parent = (int)(strrchr(folder, '/') - folder); /* absolute: the configuration's paths are */
    char path[2 * BW_SET_PATH_BYTES];

    (void)snprintf(path, sizeof path, "%.*s%s%s", name[0] == '/' ? 0 : parent, folder, name[0] == '/' ? "" : "/", name);
    if (strlen(path) < BW_SET_PATH_BYTES && !has_set(known, path))
        (void)add_set(known, path); /* a folder without a set has what other sets share */
}

/* "database=postgresql harbor=/srv/harbor" names two folders. */
static void add_parts(struct known *known, const struct bw_group_config *group, const char *folder)
{
    for (uint32_t i = 0; i < group->env_count; i++) {
        char text[BW_SET_PATH_BYTES];
        char *rest = NULL;

        if (strcmp(group->env[i].name, PARTS) != 0 || !bw_copy_text(text, sizeof text, group->env[i].value))
            continue;
        for (char *word = strtok_r(text, " \t\n", &rest); word != NULL; word = strtok_r(NULL, " \t\n", &rest)) {
            const char *equals = strchr(word, '=');

            if (equals != NULL && equals[1] != '\0')
                add_beside(known, folder, equals + 1);
        }
    }
}

static void add_script(struct known *known, const struct bw_group_config *group, const char *script)
{
    const char *slash = script != NULL ? strrchr(script, '/') : NULL;
    char folder[BW_SET_PATH_BYTES];
    const size_t own = known->set_count;

    if (slash == NULL || slash == script ||
        (size_t)snprintf(folder, sizeof folder, "%.*s", (int)(slash - script), script) >= sizeof folder || has_set(known, folder))
        return;
    if (!add_set(known, folder)) {
        known->is_whole = false;
        return;
    }
    for (uint32_t i = 0; i < known->sets[own]->folder_count; i++)
        if (strchr(known->sets[own]->folders[i], '/') == NULL)
            add_beside(known, folder, known->sets[own]->folders[i]);
    add_parts(known, group, folder);
}

static void find_known(const struct bw_group_config *group, struct known *out)
{
    *out = (struct known){.is_whole = true};
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const struct bw_steps_config *steps = bw_group_config_steps(group, (enum bw_action_kind)action);

        add_script(out, group, group->scripts[action]);
        for (uint32_t i = 0; steps != NULL && i < steps->count; i++)
            add_script(out, group, steps->items[i].script);
    }
}

static void free_known(struct known *known)
{
    for (size_t i = 0; i < known->set_count; i++)
        bw_set_config_free(known->sets[i]);
    free(known->sets);
    free((void *)known->names);
}

static bool is_known(const struct known *known, const char *name)
{
    for (size_t i = 0; i < known->name_count; i++)
        if (strcmp(known->names[i], name) == 0)
            return true;
    return false;
}

/* Whether several variables of the sets begin as this name does: POSTGRES_ belongs to postgres-zalando. */
static bool has_own_prefix(const struct known *known, const char *name)
{
    const char *end = strchr(name, '_');
    const char *seen[PREFIX_NAMES_MIN];
    size_t count = 0;

    for (size_t i = 0; i < known->name_count && end != NULL && count < PREFIX_NAMES_MIN; i++) {
        bool is_seen = false;

        for (size_t s = 0; s < count; s++)
            is_seen = is_seen || strcmp(seen[s], known->names[i]) == 0;
        if (!is_seen && strncmp(known->names[i], name, (size_t)(end - name) + 1) == 0)
            seen[count++] = known->names[i];
    }
    return count == PREFIX_NAMES_MIN;
}

/* ---- the file -------------------------------------------------------------------------------- */

static void check_group(struct bw_document *document, struct bw_node *node, const struct bw_group_config *group, uint32_t index)
{
    struct bw_node *env = bw_node_value(node, "env");
    struct known known;

    find_known(group, &known);
    for (struct bw_node *name = env != NULL && env->kind == BW_NODE_MAP ? env->first : NULL; name != NULL && known.set_count > 0;
         name = name->next->next) {
        const char *nearest = bw_set_nearest_variable(name->text, known.names, known.name_count);
        char path[64 + BW_NAME_MAX];

        if (is_known(&known, name->text))
            continue;
        (void)snprintf(path, sizeof path, "groups[%u].env.%.*s", (unsigned)index, BW_NAME_MAX, name->text);
        if (nearest != NULL)
            bw_document_problem(document, true, name, path, "no script of the group's sets reads it; did you mean \"%s\"?", nearest);
        else if (known.is_whole && !is_of_program(name->text) && has_own_prefix(&known, name->text))
            bw_document_problem(document, true, name, path, "no script of the group's sets reads it; remove it, or write a variable "
                                "of the sets (README.md of each set)");
    }
    free_known(&known);
}

void bw_site_variables_check(const char *file, const struct bw_site_config *site, struct bw_problems *problems)
{
    struct bw_document document;
    struct bw_node *groups;
    uint32_t index = 0;

    if (bw_document_open(&document, file, problems) == BW_OK && document.root != NULL) {
        groups = bw_node_value(document.root, "groups");
        for (struct bw_node *node = groups != NULL ? groups->first : NULL; node != NULL && index < site->group_count;
             node = node->next, index++)
            check_group(&document, node, &site->groups[index], index);
    }
    bw_document_deinit(&document);
}
