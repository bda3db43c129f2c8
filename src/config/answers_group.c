#include "answers_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/spec_keys.h>

#include "config_file.h"

#define PROBLEMS_MAX 32
#define PATH_BYTES   192

#define CONFIG_MAP_BYTES_MAX (200 * 1024)

/* The path of a key of the group, or of one of its sites. */
struct place {
    char text[PATH_BYTES];
};

static struct place in_group(uint32_t index, const char *key)
{
    struct place place;

    (void)snprintf(place.text, sizeof place.text, "groups[%" PRIu32 "]%s%.120s", index, key[0] != '\0' ? "." : "", key);
    return place;
}

static struct place in_member(uint32_t index, uint32_t member, const char *key)
{
    struct place place;

    (void)snprintf(place.text, sizeof place.text, "groups[%" PRIu32 "].sites[%" PRIu32 "]%s%.100s", index, member,
                   key[0] != '\0' ? "." : "", key);
    return place;
}

static struct place variable_in(struct place env, const char *name)
{
    struct place place;

    (void)snprintf(place.text, sizeof place.text, "%.120s.%.63s", env.text, name);
    return place;
}

/* ---- set or scripts -------------------------------------------------------------------------- */

/* The scripts of a ConfigMap, as they are counted. */
struct config_map {
    const char *folder;
    size_t bytes;
    char wrong[BW_NAME_MAX + 1]; /* a name that is no key; "": none */
};

static void count_script(const char *name, bool is_executable, void *with)
{
    struct config_map *map = with;
    char path[BW_SET_PATH_BYTES];
    struct stat status;

    (void)is_executable;
    if (!bw_name_is_valid(name) && map->wrong[0] == '\0')
        (void)snprintf(map->wrong, sizeof map->wrong, "%.*s", BW_NAME_MAX, name);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", map->folder, name) < sizeof path && stat(path, &status) == 0)
        map->bytes += (size_t)status.st_size;
}

/* `kubectl apply` keeps all of an object in an annotation, of 256 KiB at most. */
static void check_config_map(const struct bw_answers_group *group, struct bw_document *document, uint32_t index)
{
    const struct place path = in_group(index, "scripts");
    struct config_map map = {.folder = group->scripts};

    if (!bw_document_is_sound(document, path.text))
        return;
    (void)bw_answers_each_script(group->scripts, count_script, &map); /* its needed files were found */
    if (map.wrong[0] != '\0')
        bw_document_fail(document, path.text, "the file %s cannot be in a ConfigMap; give it a name of letters, digits, '.', '_' and '-'",
                         map.wrong);
    if (map.bytes > CONFIG_MAP_BYTES_MAX)
        bw_document_fail(document, path.text, "the files have %zu KiB, and a ConfigMap of `kubectl apply` holds %d KiB; put large files "
                         "into the image tools", map.bytes / 1024, CONFIG_MAP_BYTES_MAX / 1024);
}

static void check_own_scripts(const struct bw_answers *answers, const struct bw_answers_group *group,
                              struct bw_document *document, uint32_t index)
{
    static const char *const needed[] = {"status.sh", "start.sh", "stop.sh"};
    const struct place path = in_group(index, "scripts");
    char file[BW_SET_PATH_BYTES];

    for (size_t i = 0; i < sizeof needed / sizeof needed[0] && bw_document_is_sound(document, path.text); i++)
        if ((size_t)snprintf(file, sizeof file, "%s/%s", group->scripts, needed[i]) >= sizeof file ||
            access(file, R_OK) != 0)
            bw_document_fail(document, path.text, "%s is not there; each of status.sh, start.sh and stop.sh is needed", file);
    if (bw_document_find(document, in_group(index, "at_sites.stop_method").text) == NULL)
        bw_document_fail(document, in_group(index, "at_sites").text, "own scripts need the key \"stop_method\"; for example "
                         "\"at_sites: {stop_method: cgroup}\"");
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct bw_answers_site *site = bw_answers_find_site(answers, group->members[i].spec.name);

        if (site != NULL && site->namespace[0] != '\0') {
            check_config_map(group, document, index);
            return;
        }
    }
}

static void take_scripts(const struct bw_answers *answers, const struct bw_answers_group *group, struct bw_document *document, uint32_t index)
{
    const bool has_set = bw_document_find(document, in_group(index, "set").text) != NULL;
    const bool has_scripts = bw_document_find(document, in_group(index, "scripts").text) != NULL;

    if (has_set && has_scripts)
        bw_document_fail(document, in_group(index, "scripts").text, "a group has a set or own scripts; remove one of the two keys");
    else if (has_scripts)
        check_own_scripts(answers, group, document, index);
    else if (!has_set)
        bw_document_fail(document, in_group(index, "").text, "needs the key \"set\" or \"scripts\"; for example \"set: postgresql\"");
    if (bw_document_find(document, in_group(index, "at_sites.name").text) != NULL)
        bw_document_fail(document, in_group(index, "at_sites.name").text, "the group's name stands above; remove this key");
}

/* ---- sites ----------------------------------------------------------------------------------- */

const struct bw_answers_site *bw_answers_find_site(const struct bw_answers *answers, const char *name)
{
    for (uint32_t i = 0; i < answers->site_count; i++)
        if (strcmp(answers->sites[i].name, name) == 0)
            return &answers->sites[i];
    return NULL;
}

static void check_member(const struct bw_answers *answers, struct bw_document *document, uint32_t index, uint32_t member)
{
    const struct bw_answers_group *group = &answers->groups[index];
    const struct place path = in_member(index, member, "name");
    const char *name = group->members[member].spec.name;
    uint32_t best = 2 + (uint32_t)(strlen(name) / 4);
    const char *nearest = NULL;

    if (!bw_document_is_sound(document, path.text) || bw_answers_find_site(answers, name) != NULL)
        return;
    for (uint32_t i = 0; i < answers->site_count; i++) {
        const uint32_t distance = bw_word_distance(name, answers->sites[i].name);

        if (distance >= best)
            continue;
        best = distance;
        nearest = answers->sites[i].name;
    }
    bw_document_fail(document, path.text, "\"%s\" is none of the sites above%s%s%s", name,
                     nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

const struct bw_answers_member *bw_answers_member_at(const struct bw_answers_group *group, const char *site)
{
    for (uint32_t i = 0; i < group->member_count; i++)
        if (strcmp(group->members[i].spec.name, site) == 0)
            return &group->members[i];
    return NULL;
}

/* ---- variables ------------------------------------------------------------------------------- */

static const char *value_in(const struct bw_env_entry *env, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(env[i].name, name) == 0)
            return env[i].value;
    return NULL;
}

static const char *nearest_variable(const struct bw_answers_group *group, const char *name)
{
    const char **known = bw_config_new((group->variable_count + 1) * sizeof *known);
    const char *nearest;

    for (uint32_t i = 0; i < group->variable_count; i++)
        known[i] = group->variables[i].of.name;
    nearest = bw_set_nearest_variable(name, known, group->variable_count);
    free((void *)known);
    return nearest;
}

/* A variable that the set does not have may be one of a program that its scripts call. */
static void check_given(struct bw_document *document, const struct bw_answers_group *group, struct place env_path,
                        const struct bw_env_entry *env, uint32_t count, bool is_of_site)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct place path = variable_in(env_path, env[i].name);
        const struct bw_answers_variable *variable = bw_answers_find_variable(group, env[i].name);
        const char *nearest = variable == NULL ? nearest_variable(group, env[i].name) : NULL;

        if (variable != NULL && variable->of.place == BW_VARIABLE_GROUP && is_of_site)
            bw_document_fail(document, path.text, "must be the same at all sites; write it once, under env of the group");
        if (variable != NULL && variable->of.place == BW_VARIABLE_SITE && !is_of_site)
            bw_document_fail(document, path.text, "is not the same at all sites; write it under env of each of the group's sites");
        if (nearest != NULL)
            bw_document_fail(document, path.text, "no script of the group reads it; did you mean \"%s\"?", nearest);
    }
}

static void note_missing(struct bw_document *document, const struct bw_answers_variable *missing, struct place path)
{
    const struct bw_set_variable *variable = &missing->of;
    const bool has_env = bw_document_find(document, path.text) != NULL;
    const char *example = variable->example != NULL ? variable->example : "VALUE";
    const char *quote = strpbrk(example, ", :#[]{}") != NULL ? "'" : "";

    bw_document_fail(document, path.text, "the set %s needs the variable %s (%s); for example \"%s%s: %s%s%s%s\"", missing->set,
                     variable->name, variable->help, has_env ? "" : "env: {", variable->name, quote, example, quote,
                     has_env ? "" : "}");
}

static void check_needed(struct bw_document *document, const struct bw_answers_group *group, uint32_t index,
                         const struct bw_answers_variable *of)
{
    const struct bw_set_variable *variable = &of->of;
    const bool is_of_all = value_in(group->env, group->env_count, variable->name) != NULL;

    if (variable->is_required && variable->place != BW_VARIABLE_SITE && !is_of_all && variable->value == NULL) {
        bool is_anywhere = false;

        for (uint32_t i = 0; i < group->member_count; i++)
            is_anywhere |= value_in(group->members[i].env, group->members[i].env_count, variable->name) != NULL;
        if (!is_anywhere) {
            note_missing(document, of, in_group(index, "env"));
            return;
        }
    }
    for (uint32_t i = 0; i < group->member_count; i++) {
        const struct bw_answers_member *member = &group->members[i];
        const char *own = value_in(member->env, member->env_count, variable->name);

        if (own == NULL && variable->is_required && !is_of_all && variable->value == NULL)
            note_missing(document, of, in_member(index, i, "env"));
        for (uint32_t other = 0; other < i && own != NULL && variable->differs; other++) {
            const char *its = value_in(group->members[other].env, group->members[other].env_count, variable->name);

            if (its != NULL && strcmp(own, its) == 0)
                bw_document_fail(document, variable_in(in_member(index, i, "env"), variable->name).text,
                                 "\"%s\" is the value at %s too; each site needs its own", own, group->members[other].spec.name);
        }
    }
}

static void check_variables(const struct bw_answers_group *group, struct bw_document *document, uint32_t index)
{
    check_given(document, group, in_group(index, "env"), group->env, group->env_count, false);
    for (uint32_t i = 0; i < group->member_count; i++)
        check_given(document, group, in_member(index, i, "env"), group->members[i].env, group->members[i].env_count, true);
    for (uint32_t i = 0; i < group->variable_count; i++)
        check_needed(document, group, index, &group->variables[i]);
}

/* ---- namespaces ------------------------------------------------------------------------------ */

/* The namespace that a variable gives at a member's site; NULL: none. */
static const char *namespace_of(const struct bw_answers_group *group, const struct bw_answers_variable *variable, uint32_t member)
{
    const char *own = value_in(group->members[member].env, group->members[member].env_count, variable->of.name);
    const char *all = value_in(group->env, group->env_count, variable->of.name);

    if (!variable->of.is_namespace || !variable->is_used)
        return NULL;
    return own != NULL ? own : all != NULL ? all : variable->of.value;
}

/* The sites of one cluster that come before the member's, in all groups. */
static void check_namespace(const struct bw_answers *answers, struct bw_document *document, uint32_t index, uint32_t member,
                            const struct bw_answers_variable *variable)
{
    const struct bw_answers_group *group = &answers->groups[index];
    const struct bw_answers_site *site = bw_answers_find_site(answers, group->members[member].spec.name);
    const char *namespace = namespace_of(group, variable, member);
    struct place path = variable_in(in_member(index, member, "env"), variable->of.name);

    if (site == NULL || site->kubernetes[0] == '\0' || namespace == NULL)
        return;
    if (bw_document_find(document, path.text) == NULL)
        path = in_member(index, member, "");
    for (uint32_t g = 0; g <= index; g++)
        for (uint32_t m = 0; m < (g < index ? answers->groups[g].member_count : member); m++)
            for (uint32_t v = 0; v < answers->groups[g].variable_count; v++) {
                const struct bw_answers_variable *other = &answers->groups[g].variables[v];
                const char *its = namespace_of(&answers->groups[g], other, m);
                const struct bw_answers_site *there = bw_answers_find_site(answers, answers->groups[g].members[m].spec.name);

                if (its == NULL || there == NULL || there == site || strcmp(there->kubernetes, site->kubernetes) != 0 ||
                    strcmp(its, namespace) != 0)
                    continue;
                bw_document_fail(document, path.text, "\"%s\" is the %s of %s too, in the cluster %s: both sites would run one "
                                 "service; write another namespace, as in \"env: {%s: %s-%s}\"", namespace, other->of.name, there->name,
                                 site->kubernetes, variable->of.name, namespace, site->name);
                return;
            }
}

void bw_answers_namespaces_check(const struct bw_answers *answers, struct bw_document *document)
{
    for (uint32_t g = 0; g < answers->group_count; g++)
        for (uint32_t m = 0; m < answers->groups[g].member_count; m++)
            for (uint32_t v = 0; v < answers->groups[g].variable_count; v++)
                check_namespace(answers, document, g, m, &answers->groups[g].variables[v]);
}

/* ---- timings --------------------------------------------------------------------------------- */

static void complete_spec(struct bw_answers_group *group, const struct bw_document *document, uint32_t index)
{
    for (uint32_t i = 0; i < group->member_count; i++)
        group->spec.sites[i] = group->members[i].spec;
    group->spec.site_count = group->member_count;
    for (size_t k = 0; k < BW_SPEC_KEY_COUNT && group->loaded != NULL; k++) {
        const struct bw_spec_key *key = &bw_spec_keys[k];

        if (bw_document_find(document, in_group(index, key->word).text) == NULL)
            bw_spec_key_set(&group->spec, key, bw_spec_key_get(&group->loaded->group, key));
    }
}

static void check_spec(const struct bw_answers *answers, struct bw_document *document, uint32_t index)
{
    struct bw_spec_problem found[PROBLEMS_MAX];
    const size_t count = bw_spec_check(&answers->groups[index].spec, answers->election_timeout_ms, found, PROBLEMS_MAX);

    if (answers->groups[index].spec.mode == BW_MODE_OBSERVE)
        bw_document_fail(document, in_group(index, "mode").text,
                         "each later `breakwater apply` of groups.yaml would release the service again; remove this key: by "
                         "INSTALL.txt the group begins unmanaged");
    for (size_t i = 0; i < count && i < PROBLEMS_MAX; i++)
        bw_document_fail(document, in_group(index, found[i].key).text, "%s", found[i].text);
    if (count > PROBLEMS_MAX)
        bw_document_fail(document, in_group(index, "").text, "and %zu more problems of this group", count - PROBLEMS_MAX);
}

void bw_answers_group_check(struct bw_answers *answers, struct bw_document *document, uint32_t index, const char *deploy)
{
    struct bw_answers_group *group = &answers->groups[index];

    for (uint32_t i = 0; i < index && group->spec.name[0] != '\0'; i++)
        if (strcmp(answers->groups[i].spec.name, group->spec.name) == 0)
            bw_document_fail(document, in_group(index, "name").text, "\"%s\" is the name of groups[%" PRIu32 "] too",
                             group->spec.name, i);
    take_scripts(answers, group, document, index);
    bw_answers_group_load(answers, document, index, deploy);
    for (uint32_t i = 0; i < group->member_count; i++)
        check_member(answers, document, index, i);
    complete_spec(group, document, index);
    check_variables(group, document, index);
    if (bw_document_is_sound(document, in_group(index, "").text))
        check_spec(answers, document, index);
}
