/* check_sets.c - the part of `check` that looks at the script sets of a group: the parts that PARTS names, and the test
 * that a set has of its own variables. */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/utf8.h>
#include <breakwater/config/script_env.h>
#include <breakwater/config/set_config.h>
#include <breakwater/os/path_owner.h>

#define TEXT_BYTES 4096
#define SET_BYTES  (PATH_MAX + TEXT_BYTES)

static bool has(const char *folder, const char *file)
{
    char path[SET_BYTES + NAME_MAX + 2];

    (void)snprintf(path, sizeof path, "%s/%s", folder, file); /* fits, or is not there */
    return access(path, F_OK) == 0;
}

static bool may_run(const char *folder, const char *file)
{
    char path[SET_BYTES + NAME_MAX + 2];

    (void)snprintf(path, sizeof path, "%s/%s", folder, file); /* likewise */
    return access(path, X_OK) == 0;
}

/* The folder of `script`, if that is where parts.sh lies. */
static bool find_folder(const char *script, char out_folder[PATH_MAX])
{
    const char *slash = script != NULL ? strrchr(script, '/') : NULL;

    if (slash == NULL || slash - script >= PATH_MAX)
        return false;
    (void)snprintf(out_folder, PATH_MAX, "%.*s", (int)(slash - script), script); /* fits */
    return has(out_folder, "parts.sh");
}

enum bw_err bw_check_load_site(const char *file, enum bw_config_scope scope, struct bw_site_config **out_site, struct bw_problems *problems)
{
    const enum bw_err err = bw_site_config_load(file, scope, out_site, problems);

    if (err == BW_OK)
        bw_site_variables_check(file, *out_site, problems);
    return err;
}

/* ---- parts ---- */

static const char *parts_of(const struct bw_group_config *group)
{
    for (uint32_t i = 0; i < group->env_count; i++)
        if (strcmp(group->env[i].name, "PARTS") == 0)
            return group->env[i].value;
    return "";
}

/* As parts.sh reads it: NAME=SET, a folder beside that of the scripts or an absolute path. */
static void check_part(struct bw_check_lines *lines, const struct bw_group_config *group,
                       const char *folder, const char *word)
{
    const char *equals = strchr(word, '=');
    char set[SET_BYTES];
    char fence_folder[PATH_MAX];
    const bool is_fenced = find_folder(group->scripts[BW_ACTION_FENCE], fence_folder);

    if (equals == NULL || equals == word || equals[1] == '\0') {
        bw_check_line(
            lines, BW_CHECK_FAIL, group->name,
            "PARTS: '%s' is not NAME=SET, the name of a part's steps and the folder of its scripts",
            word);
        return;
    }
    if (equals[1] == '/')
        (void)snprintf(set, sizeof set, "%s", equals + 1); /* fits */
    else
        (void)snprintf(set, sizeof set, "%s/../%s", folder, equals + 1); /* fits */
    if (!may_run(set, "status.sh"))
        bw_check_line(lines, BW_CHECK_FAIL, group->name,
                      "PARTS: %s: there is no status.sh in %s that may be run: the group's status "
                      "would be unknown "
                      "for ever; write the folder of a set of scripts",
                      word, set);
    else if (is_fenced && !may_run(set, "fence.sh"))
        bw_check_line(lines, BW_CHECK_FAIL, group->name,
                      "PARTS: %s: there is no fence.sh in %s that may be run: each fence of the "
                      "group would fail",
                      word, set);
}

/* A step runs the script of the part of its name. */
static void check_step(struct bw_check_lines *lines, const struct bw_group_config *group,
                       const struct bw_step_config *step)
{
    char folder[PATH_MAX];
    char wanted[BW_NAME_MAX + 2];
    const char *parts = parts_of(group);
    const char *at;

    if (!find_folder(step->script, folder))
        return;
    (void)snprintf(wanted, sizeof wanted, "%s=", step->name); /* fits */
    for (at = strstr(parts, wanted); at != NULL; at = strstr(at + 1, wanted))
        if (at == parts || at[-1] == ' ' || at[-1] == '\t' || at[-1] == '\n')
            return;
    bw_check_line(lines, BW_CHECK_FAIL, group->name,
                  "step %s runs %s, and PARTS names no part %s: it would fail; give the step the "
                  "name of its part",
                  step->name, step->script, step->name);
}

static void check_steps(struct bw_check_lines *lines, const struct bw_group_config *group,
                        enum bw_action_kind kind)
{
    const struct bw_steps_config *steps = bw_group_config_steps(group, kind);

    for (uint32_t i = 0; steps != NULL && i < steps->count; i++)
        check_step(lines, group, &steps->items[i]);
}

void bw_check_parts(struct bw_check_lines *lines, const struct bw_group_config *group)
{
    char folder[PATH_MAX];
    char text[TEXT_BYTES];
    char *rest = NULL;
    bool is_any = false;

    if (!find_folder(group->scripts[BW_ACTION_STATUS], folder) ||
        !bw_copy_text(text, sizeof text, parts_of(group)))
        return;
    for (char *word = strtok_r(text, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest)) {
        check_part(lines, group, folder, word);
        is_any = true;
    }
    if (!is_any)
        bw_check_line(lines, BW_CHECK_FAIL, group->name,
                      "its scripts are those of %s, and env has no PARTS: write PARTS: NAME=SET "
                      "..., the name of each "
                      "part's steps and the folder of its scripts",
                      folder);
    check_steps(lines, group, BW_ACTION_START);
    check_steps(lines, group, BW_ACTION_STOP);
}

/* ---- variables ---- */

#define SETTINGS         "settings.sh"
#define SETTINGS_S       "20" /* for its end */
#define SCRIPT_NAMES_MAX (BW_ACTION_COUNT + 2 * BW_STEPS_MAX)
#define SAID_BYTES       512

/* Every script of a group, each once. Borrowed from its configuration. */
struct scripts {
    const char *items[SCRIPT_NAMES_MAX];
    size_t count;
};

static void add_script(struct scripts *scripts, const char *path)
{
    for (size_t i = 0; i < scripts->count; i++)
        if (strcmp(scripts->items[i], path) == 0)
            return;
    scripts->items[scripts->count++] = path;
}

static void find_scripts(const struct bw_group_config *group, struct scripts *out)
{
    out->count = 0;
    for (int action = 0; action < BW_ACTION_COUNT; action++) {
        const struct bw_steps_config *steps = bw_group_config_steps(group, (enum bw_action_kind)action);

        if (group->scripts[action] != NULL)
            add_script(out, group->scripts[action]);
        for (uint32_t i = 0; steps != NULL && i < steps->count; i++)
            add_script(out, steps->items[i].script);
    }
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1; /* the configuration holds absolute paths */
}

static bool is_beside(const char *script, const char *other)
{
    const size_t length = (size_t)(name_of(script) - script);

    return (size_t)(name_of(other) - other) == length && strncmp(script, other, length) == 0;
}

/* Keeps the last line that is not empty. */
static void read_last_line(FILE *answer, char out_said[SAID_BYTES])
{
    char line[SAID_BYTES];

    out_said[0] = '\0';
    while (fgets(line, sizeof line, answer) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0')
            bw_utf8_plain(out_said, SAID_BYTES, line, strlen(line));
    }
}

/* `arguments` end with NULL. What it reports as wrong fails for root, as whom a guard runs; others may lack rights alone. */
static void run_settings(struct bw_check_lines *lines, const struct bw_group_config *group, const char *const *env,
                         const char *path, const char *const *arguments)
{
    char said[SAID_BYTES];
    int status = -1;
    pid_t pid = -1;
    FILE *answer = bw_check_ask(arguments, env, &pid);

    if (answer == NULL)
        return;
    read_last_line(answer, said);
    (void)fclose(answer); /* only read from */
    if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    bw_check_line(lines, geteuid() == 0 ? BW_CHECK_FAIL : BW_CHECK_WARN, group->name, "%s: %s", path,
                  said[0] != '\0' ? said : "it failed, or did not end within " SETTINGS_S " s");
}

/* The set in whose folder `scripts->items[first]` lies. */
static void check_set(struct bw_check_lines *lines, const struct bw_group_config *group, const char *const *env,
                      const struct scripts *scripts, size_t first)
{
    const char *const script = scripts->items[first];
    const char *arguments[5 + SCRIPT_NAMES_MAX + 1] = {"timeout", "-k", "1", SETTINGS_S};
    char path[PATH_MAX];
    char writable[BW_PATH_OWNER_BYTES];
    size_t count = 4;

    if (snprintf(path, sizeof path, "%.*s" SETTINGS, (int)(name_of(script) - script), script) >= (int)sizeof path ||
        access(path, X_OK) != 0)
        return;
    if (bw_path_is_writable(path, writable) && !group->allow_writable_scripts) {
        bw_check_line(lines, BW_CHECK_FAIL, group->name,
                      "%s can be changed by others than root and this user, so check does not run it (chown root, chmod go-w)",
                      writable);
        return;
    }
    arguments[count++] = path;
    for (size_t i = first; i < scripts->count; i++)
        if (is_beside(script, scripts->items[i]))
            arguments[count++] = name_of(scripts->items[i]);
    run_settings(lines, group, env, path, arguments);
}

void bw_check_settings(struct bw_check_lines *lines, const char *site, const struct bw_group_config *group)
{
    const struct bw_run_facts facts = {0};
    const struct bw_script_order order = {.group = group, .site = site, .facts = &facts};
    struct bw_script_env env;
    struct scripts scripts;

    find_scripts(group, &scripts);
    if (bw_script_env_init(&env, &order, NULL) == BW_OK)
        for (size_t i = 0; i < scripts.count; i++) {
            bool is_seen = false;

            for (size_t j = 0; j < i && !is_seen; j++)
                is_seen = is_beside(scripts.items[i], scripts.items[j]);
            if (!is_seen)
                check_set(lines, group, env.list, &scripts, i);
        }
    bw_script_env_deinit(&env);
}
