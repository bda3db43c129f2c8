#include "check_parts.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/base/bytes.h>

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
