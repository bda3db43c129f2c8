/* By what a group is ended, kept beside its mirror and its memory: a guard whose site file does not name it
 * any more, or cannot be read, ends it as well. Design 3.4. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>

/* A fence needs no others: where a stop is made of steps there is a fence script. */
static const enum bw_action_kind kept_scripts[] = {BW_ACTION_FENCE, BW_ACTION_STOP,
                                                   BW_ACTION_STATUS};

static enum bw_err add_scripts(const struct bw_group_config *config,
                               struct bw_guard_reach_file *file)
{
    enum bw_err err = BW_OK;

    for (size_t i = 0; i < sizeof kept_scripts / sizeof kept_scripts[0]; i++) {
        struct bw_guard_script *script = &file->scripts[file->script_count];

        if (config->scripts[kept_scripts[i]] == NULL)
            continue;
        script->action = kept_scripts[i];
        script->timeout_ms = config->timeout_ms[kept_scripts[i]];
        if (!bw_copy_text(script->path, sizeof script->path, config->scripts[kept_scripts[i]]))
            err = BW_ERR_LIMIT;
        file->script_count++;
    }
    return err;
}

static enum bw_err add_variables(const struct bw_group_config *config,
                                 struct bw_guard_reach_file *file)
{
    for (uint32_t i = 0; i < config->env_count; i++) {
        char *text = file->variables[file->variable_count].text;
        const size_t size = sizeof file->variables[0].text;
        const struct bw_env_entry *entry = &config->env[i];

        if (i == BW_GUARD_VARIABLES_MAX || strlen(entry->name) + strlen(entry->value) + 2 > size)
            return BW_ERR_LIMIT;
        (void)stpcpy(stpcpy(stpcpy(text, entry->name), "="), entry->value);
        file->variable_count++;
    }
    return BW_OK;
}

/* By these alone everything that its scripts started is found. */
static void fill_names(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const struct bw_group_config *config = group->config;

    (void)bw_copy_text(file->group, sizeof file->group, config->name); /* of the same size */
    (void)bw_copy_text(file->cluster, sizeof file->cluster, group->program->config->cluster);
    (void)bw_copy_text(file->site, sizeof file->site, group->program->store.site);
    file->enforce = BW_REACH_CGROUP;
    file->kill_grace_ms = config->kill_grace_ms;
}

/* By these what its scripts did not start themselves. */
static enum bw_err add_reach(const struct bw_group_config *config, struct bw_guard_reach_file *file)
{
    file->enforce = config->enforce;
    if (config->container_tool != NULL &&
        !bw_copy_text(file->container_tool, sizeof file->container_tool, config->container_tool))
        return BW_ERR_LIMIT;
    for (uint32_t i = 0; i < config->unit_count; i++)
        if (!bw_copy_text(file->units[file->unit_count++].name, sizeof file->units[0].name,
                          config->units[i]))
            return BW_ERR_LIMIT;
    return BW_OK;
}

static enum bw_err fill(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const struct bw_group_config *config = group->config;
    enum bw_err err = add_scripts(config, file);

    fill_names(group, file);
    file->allow_writable_scripts = config->allow_writable_scripts;
    if (err == BW_OK)
        err = add_variables(config, file);
    return err == BW_OK ? add_reach(config, file) : err;
}

/* Without scripts, and what is ended by scripts alone is not known to be ended. */
static void fill_without_scripts(const struct bw_guard_group *group, struct bw_guard_reach_file *file)
{
    const enum bw_reach_kind enforce = group->config->enforce;

    *file = (struct bw_guard_reach_file){.script_count = 0};
    fill_names(group, file);
    if ((enforce == BW_REACH_UNITS || enforce == BW_REACH_CONTAINERS) && add_reach(group->config, file) == BW_OK)
        return;
    *file = (struct bw_guard_reach_file){.script_count = 0};
    fill_names(group, file);
}

/* What cannot be kept whole is kept by its names and by those of its reach: what was kept before would run scripts that
 * were replaced. The error says what could not be. */
static enum bw_err encode(const struct bw_guard_group *group, uint8_t **out_bytes, size_t *out_size,
                          struct bw_diag *diag)
{
    struct bw_guard_reach_file *file = calloc(1, sizeof *file);
    uint8_t *bytes = malloc(BW_GUARD_REACH_BYTES_MAX);
    enum bw_err err;

    BW_ASSERT(file != NULL && bytes != NULL);
    err = fill(group, file);
    if (err != BW_OK)
        err = bw_diag_set(diag, err, "a path or a variable of it is longer than %zu bytes",
                          sizeof file->variables[0].text - 1);
    if (err == BW_OK)
        err = bw_guard_reach_encode(file, bytes, BW_GUARD_REACH_BYTES_MAX, out_size, diag);
    if (err != BW_OK) {
        fill_without_scripts(group, file);
        BW_ASSERT(bw_guard_reach_encode(file, bytes, BW_GUARD_REACH_BYTES_MAX, out_size, NULL) ==
                  BW_OK); /* names */
    }
    free(file);
    *out_bytes = malloc(*out_size);
    BW_ASSERT(*out_bytes != NULL);
    memcpy(*out_bytes, bytes, *out_size);
    free(bytes);
    return err;
}

void bw_guard_reach_keep(struct bw_guard_group *group)
{
    struct bw_diag diag = {0};
    uint8_t *bytes;
    size_t size = 0;

    group->is_reach_kept = encode(group, &bytes, &size, &diag) == BW_OK;
    if (!group->is_reach_kept)
        bw_log_warn(
            &group->program->log, "reach.unkept",
            "group=%s error=%s does=\"once the site file does not name it, no script of it is run: only what "
            "is in its reach is killed\"",
            group->config->name, bw_log_quote(diag.text));
    free(group->reach_bytes);
    group->reach_bytes = bytes;
    group->reach_size = size;
    group->reach_version++;
}

struct bw_guard_reach_copy bw_guard_reach_copy(const struct bw_guard_group *group, uint64_t known)
{
    struct bw_guard_reach_copy copy = {.size = group->reach_size, .version = group->reach_version};

    if (known == group->reach_version)
        return copy;
    (void)snprintf(copy.name, sizeof copy.name, "%s" BW_GUARD_REACH_SUFFIX, group->config->name);
    copy.bytes = malloc(copy.size);
    BW_ASSERT(copy.bytes != NULL);
    memcpy(copy.bytes, group->reach_bytes, copy.size);
    return copy;
}

/* ---- read again -------------------------------------------------------------------------------- */

struct kept {
    struct bw_group_config config; /* first: whoever frees it frees all */
    struct bw_guard_reach_file file;
    const char *units[BW_UNITS_MAX];
    struct bw_env_entry env[BW_GUARD_VARIABLES_MAX];
};

static void configure(struct kept *kept)
{
    struct bw_group_config *config = &kept->config;

    (void)bw_copy_text(config->name, sizeof config->name, kept->file.group);
    config->enforce = kept->file.enforce;
    config->kill_grace_ms = kept->file.kill_grace_ms;
    config->allow_writable_scripts = kept->file.allow_writable_scripts;
    for (uint32_t i = 0; i < kept->file.script_count; i++) {
        const struct bw_guard_script *script = &kept->file.scripts[i];

        config->scripts[script->action] = script->path;
        config->timeout_ms[script->action] = script->timeout_ms;
    }
    for (uint32_t i = 0; i < kept->file.unit_count; i++)
        kept->units[i] = kept->file.units[i].name;
    config->units = kept->units;
    config->unit_count = kept->file.unit_count;
    if (kept->file.container_tool[0] != '\0')
        config->container_tool = kept->file.container_tool;
    config->env = kept->env;
    for (uint32_t i = 0; i < kept->file.variable_count; i++) {
        char *equals = strchr(kept->file.variables[i].text, '=');

        if (equals == NULL)
            continue;
        *equals = '\0';
        kept->env[config->env_count++] =
            (struct bw_env_entry){kept->file.variables[i].text, equals + 1};
    }
}

struct bw_group_config *bw_guard_reach_copy_config(const struct bw_guard_group *group)
{
    struct kept *kept = calloc(1, sizeof *kept);
    struct bw_diag diag = {0};

    BW_ASSERT(kept != NULL);
    if (!group->is_reach_kept ||
        bw_guard_reach_decode(group->reach_bytes, group->reach_size, &kept->file, &diag) != BW_OK) {
        free(kept);
        return NULL;
    }
    configure(kept);
    kept->config.digest = group->config->digest;
    kept->config.driver = group->config->driver; /* named again it is the same one */
    return &kept->config;
}

enum bw_err bw_guard_reach_config(const struct bw_guard_store *store, const char *group,
                                  struct bw_group_config **out_config,
                                  const struct bw_guard_reach_file **out_file,
                                  struct bw_diag *diag)
{
    struct kept *kept = calloc(1, sizeof *kept);
    enum bw_err err;

    BW_ASSERT(kept != NULL);
    err = bw_guard_store_load_reach(store, group, &kept->file, diag);
    if (err != BW_OK) {
        free(kept);
        return err;
    }
    configure(kept);
    *out_config = &kept->config;
    *out_file = &kept->file;
    return BW_OK;
}
