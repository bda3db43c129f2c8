#include <breakwater/config/site_config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>

#include "config_file.h"

static void check_steps(struct bw_document *document, const char *prefix, enum bw_config_scope scope,
                        enum bw_action_kind action, struct bw_group_config *group);

static const struct script_key {
    enum bw_action_kind action;
    const char *key;
} script_keys[] = {
#define X(name, key, limit_key) {BW_ACTION_##name, key},
    BW_SCRIPT_LIST(X)
#undef X
};
#define SCRIPT_COUNT (sizeof script_keys / sizeof script_keys[0])

const char *bw_script_key(enum bw_action_kind action)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        if (script_keys[i].action == action)
            return script_keys[i].key;
    }
    return "";
}

/* Path of a key of the i-th group, or of a file that is one group ("" and any index). */
struct key_path {
    char text[192];
};

static struct key_path path_of(const char *prefix, const char *key)
{
    struct key_path path;
    const int length = snprintf(path.text, sizeof path.text, "%s%s", prefix, key);

    BW_ASSERT(length >= 0 && (size_t)length < sizeof path.text);
    return path;
}

/* ---- scripts ------------------------------------------------------------------------------- */

/* The kernel would run it as it is: executable, and a program or with an interpreter line. */
static bool is_runnable(const char *file)
{
    char head[4] = {0};
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, head, sizeof head);
    (void)close(fd); /* read only: nothing is left that close could lose */
    return access(file, X_OK) == 0 && got >= 2 &&
           (memcmp(head, "#!", 2) == 0 || memcmp(head, "\177ELF", 4) == 0);
}

/* site_config.c's: what keeps `file`, the value at `path`, from being run. */
static void check_script(struct bw_document *document, const char *path, const char *file)
{
    struct stat status;

    if (stat(file, &status) != 0) {
        bw_document_fail(document, path, "%s: %s", file, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        bw_document_fail(document, path, "%s is not a file", file);
    } else if (access(file, R_OK) != 0) {
        bw_document_fail(document, path, "%s cannot be read: %s", file, strerror(errno));
    } else if (!is_runnable(file)) {
        bw_document_warn(document, path,
                         "%s is not executable or has no #! line: bash runs it, or else sh", file);
    }
}

/* The scripts that this document gives. */
static void check_scripts(struct bw_document *document, const char *prefix,
                          const struct bw_group_config *group)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        const struct key_path path = path_of(prefix, script_keys[i].key);

        if (bw_document_is_sound(document, path.text))
            check_script(document, path.text, group->scripts[script_keys[i].action]);
    }
}

/* Of a step that has none of its own it is the script's, or its whole list's where that is shorter.
 */
static void fill_step_limits(const struct bw_group_config *group, enum bw_action_kind action)
{
    const struct bw_steps_config *steps = bw_group_config_steps(group, action);
    const uint32_t whole_ms = group->timeout_ms[action];
    const uint32_t limit_ms = whole_ms < group->script_timeout_ms ? whole_ms
                                                                  : group->script_timeout_ms;

    for (uint32_t i = 0; steps != NULL && i < steps->count; i++) {
        struct bw_step_config *step = (struct bw_step_config *)&steps->items[i]; /* of the arena */

        if (step->timeout_ms == 0)
            step->timeout_ms = limit_ms;
    }
}

static void fill_limits(struct bw_group_config *group)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        uint32_t *limit_ms = &group->timeout_ms[script_keys[i].action];

        if (*limit_ms == 0)
            *limit_ms = group->script_timeout_ms;
    }
    fill_step_limits(group, BW_ACTION_START);
    fill_step_limits(group, BW_ACTION_STOP);
}

/* ---- the seven keys ------------------------------------------------------------------------ */

/* Moves one key of the seven into the group, unless the group has it already. */
static void take_key(struct bw_document *document, const char *prefix,
                     const struct bw_document *seven_document, const struct bw_key *key,
                     const struct bw_group_config *seven, struct bw_group_config *group)
{
    const struct key_path path = path_of(prefix, key->name);
    const size_t size = key->kind == BW_KEY_PATH ? sizeof(const char *) : sizeof(uint32_t);

    if (bw_document_find(seven_document, key->name) == NULL)
        return;
    if (bw_document_find(document, path.text) != NULL) {
        bw_document_fail(document, path.text, "is also given in %s; keep one of them",
                         seven_document->file);
        return;
    }
    memcpy((char *)group + key->offset, (const char *)seven + key->offset, size);
}

static void load_seven(struct bw_document *document, const char *prefix, enum bw_config_scope scope,
                       struct bw_config_arena *arena, struct bw_group_config *group)
{
    const struct bw_table *table = &bw_seven_keys_table;
    const char *file = group->seven_keys_file;
    struct bw_group_config seven;
    struct bw_document seven_document;

    if (scope == BW_CONFIG_OFFLINE && access(file, F_OK) != 0) {
        bw_document_warn(document, path_of(prefix, "legacy_config").text,
                         "%s is not here, so its keys were not checked", file);
        return;
    }
    if (bw_document_open(&seven_document, file, document->problems) != BW_OK ||
        seven_document.root == NULL) {
        bw_document_fail(document, path_of(prefix, "legacy_config").text, "%s cannot be used", file);
    } else if (bw_schema_load(table, &seven_document, arena, &seven)) {
        for (size_t i = 0; i < table->key_count; i++)
            take_key(document, prefix, &seven_document, &table->keys[i], &seven, group);
        if (scope == BW_CONFIG_HERE) {
            bw_config_check_owner(&seven_document);
            check_scripts(&seven_document, "", &seven);
        }
    }
    bw_document_deinit(&seven_document);
}

/* ---- groups -------------------------------------------------------------------------------- */

static bool has_suffix(const char *text, const char *suffix)
{
    const size_t length = strlen(text);

    return length > strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

/* A unit's whole name as systemd has it; never an option or a pattern. */
static bool is_unit_name(const char *name)
{
    static const char *const suffixes[] = {".service", ".socket", ".target", ".scope", ".slice",
                                           ".mount",   ".timer",  ".path",   ".swap"};
    const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\@-";

    if (name[0] == '-' || name[0] == '.' || name[strspn(name, allowed)] != '\0')
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (has_suffix(name, suffixes[i]))
            return strstr(name, "@.") == NULL; /* a template is no unit */
    }
    return false;
}

static bool is_given(const struct bw_document *document, const char *prefix, const char *key)
{
    return bw_document_find(document, path_of(prefix, key).text) != NULL;
}

/* As compose has it; never an option. */
static bool is_project_name(const char *name)
{
    return name[0] != '-' && name[0] != '_' &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

/* What a list of names belongs to. */
static const struct named_reach {
    enum bw_reach_kind reach;
    const char *key;
    const char *example_end; /* behind the group's name */
    bool (*is_name)(const char *name);
    const char *expected;
} named_reaches[] = {
    {BW_REACH_UNITS, "units", ".service", is_unit_name,
     "is not a valid name of a systemd unit, such as harbor.service"},
    {BW_REACH_CONTAINERS, "containers", "", is_project_name,
     "is not a valid name of a compose project: lower case letters, digits, - and _"},
};

/* `is_only`: no other list of names is given, so that these are its. */
static void check_named(struct bw_document *document, const char *prefix,
                        const struct bw_group_config *group, const struct named_reach *named,
                        bool is_only)
{
    const struct key_path path = path_of(prefix, named->key);
    const bool has_names = is_given(document, prefix, named->key);
    char quote[BW_QUOTE_BYTES];

    if (group->enforce == named->reach && !has_names)
        bw_document_fail(document, path_of(prefix, "stop_method").text,
                         "%s needs the key \"%s\"; for example \"%s: [%s%s]\"",
                         bw_reach_word(named->reach), named->key, named->key, group->name,
                         named->example_end);
    if (group->enforce != named->reach && has_names)
        bw_document_fail(document, path.text, "is used only with \"stop_method: %s\"",
                         bw_reach_word(named->reach));
    for (uint32_t i = 0; has_names && is_only && i < group->unit_count; i++) {
        char item_key[32];
        struct key_path item;

        (void)snprintf(item_key, sizeof item_key, "%s[%" PRIu32 "]", named->key, i);
        item = path_of(prefix, item_key);
        if (bw_document_is_sound(document, item.text) && !named->is_name(group->units[i]))
            bw_document_fail(document, item.text, "\"%s\" %s",
                             bw_document_quote(group->units[i], quote), named->expected);
    }
}

static void check_units(struct bw_document *document, const char *prefix,
                        const struct bw_group_config *group)
{
    const bool is_only = !is_given(document, prefix, "units") ||
                         !is_given(document, prefix, "containers");

    if (!bw_document_is_sound(document, path_of(prefix, "stop_method").text))
        return;
    for (size_t i = 0; i < sizeof named_reaches / sizeof named_reaches[0]; i++)
        check_named(document, prefix, group, &named_reaches[i], is_only);
    if (group->enforce != BW_REACH_CONTAINERS && is_given(document, prefix, "container_tool"))
        bw_document_fail(document, path_of(prefix, "container_tool").text,
                         "is used only with \"stop_method: containers\"");
}

static bool names(const struct bw_group_config *group, enum bw_reach_kind reach, const char *unit)
{
    for (uint32_t i = 0; group->enforce == reach && i < group->unit_count; i++)
        if (group->units[i] != NULL && strcmp(group->units[i], unit) == 0)
            return true;
    return false;
}

/* 3.4: a fence ends all that its group names, whoever else serves there under a lease of his own. */
static void check_shared(const struct bw_site_config *config, struct bw_document *document,
                         uint32_t number)
{
    const struct bw_group_config *group = &config->groups[number];
    const char *key = group->enforce == BW_REACH_CONTAINERS ? "containers" : "units";
    char path[64];

    for (uint32_t i = 0; i < group->unit_count; i++) {
        (void)snprintf(path, sizeof path, "groups[%" PRIu32 "].%s[%" PRIu32 "]", number, key, i);
        for (uint32_t other = 0; other < number && bw_document_is_sound(document, path); other++)
            if (names(&config->groups[other], group->enforce, group->units[i]))
                bw_document_fail(document, path,
                                 "\"%s\" also belongs to groups[%" PRIu32 "], whose fence would stop it during the "
                                 "lease of this group: write each unit and project in one group only",
                                 group->units[i], other);
    }
}

/* Where its own loop starts the service nothing of it is in the guard's cgroup, and what only one
 * of the two could run is no business of the other (design 3.4, driver). */
static void check_external(struct bw_document *document, const char *prefix,
                           const struct bw_group_config *group)
{
    if (is_given(document, prefix, "start_script"))
        bw_document_fail(document, path_of(prefix, "start_script").text,
                         "with \"started_by: external\" a loop starts the service, and the guard never runs "
                         "start_script: remove start_script, or started_by");
    if (is_given(document, prefix, "start_steps"))
        bw_document_fail(document, path_of(prefix, "start_steps").text,
                         "with \"started_by: external\" a loop starts the service, and the guard never runs "
                         "start_steps: remove start_steps, or started_by");
    if (is_given(document, prefix, "legacy_config"))
        bw_document_fail(document, path_of(prefix, "legacy_config").text,
                         "with \"started_by: external\" this file belongs to the loop: name "
                         "status_script and stop_script here");
    if (group->enforce == BW_REACH_CGROUP)
        bw_document_fail(
            document, path_of(prefix, "stop_method").text,
            "cgroup does not contain a service that an external loop starts: with \"started_by: external\" write "
            "units, containers, or remote and a fence_script");
    if (group->enforce == BW_REACH_REMOTE && group->scripts[BW_ACTION_FENCE] == NULL &&
        !is_given(document, prefix, "fence_script"))
        bw_document_fail(
            document, path_of(prefix, "stop_method").text,
            "remote needs a fence_script: only fence_script can stop the service when its lease ends");
}

static void check_driver(struct bw_document *document, const char *prefix,
                         const struct bw_group_config *group)
{
    if (!bw_document_is_sound(document, path_of(prefix, "stop_method").text))
        return;
    if (group->driver == BW_DRIVER_EXTERNAL) {
        check_external(document, prefix, group);
        return;
    }
    if (group->enforce == BW_REACH_REMOTE)
        bw_document_fail(document, path_of(prefix, "stop_method").text,
                         "remote is used only with \"started_by: external\"");
    if (is_given(document, prefix, "external_start_delay"))
        bw_document_fail(document, path_of(prefix, "external_start_delay").text,
                         "is used only with \"started_by: external\"");
}

const struct bw_steps_config *bw_group_config_steps(const struct bw_group_config *group,
                                                    enum bw_action_kind action)
{
    if (action == BW_ACTION_START && group->start_steps.count != 0)
        return &group->start_steps;
    if (action == BW_ACTION_STOP && group->stop_steps.count != 0)
        return &group->stop_steps;
    return NULL;
}

bool bw_group_config_has_point(const struct bw_group_config *group)
{
    const struct bw_steps_config *start = bw_group_config_steps(group, BW_ACTION_START);

    for (uint32_t i = 0; start != NULL && i < start->count; i++)
        if (start->items[i].rule.is_point)
            return true;
    return false;
}

bool bw_group_config_has(const struct bw_group_config *group, enum bw_action_kind action)
{
    return group->scripts[action] != NULL || bw_group_config_steps(group, action) != NULL;
}

static const char *steps_key(enum bw_action_kind action)
{
    return action == BW_ACTION_START ? "start_steps" : "stop_steps";
}

const char *bw_group_config_run_name(const struct bw_group_config *group,
                                     enum bw_action_kind action)
{
    return bw_group_config_steps(group, action) != NULL ? steps_key(action)
                                                        : group->scripts[action];
}

static void check_required_scripts(struct bw_document *document, const char *prefix,
                                   const struct bw_group_config *group)
{
    static const enum bw_action_kind required[] = {BW_ACTION_STATUS, BW_ACTION_START,
                                                   BW_ACTION_STOP};

    if (bw_document_find(document, path_of(prefix, "legacy_config").text) != NULL)
        return; /* its own table requires them */
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        const char *key = bw_script_key(required[i]);
        const struct key_path path = path_of(prefix, key);

        if (required[i] == BW_ACTION_START && group->driver == BW_DRIVER_EXTERNAL)
            continue; /* its own loop does that */
        if (required[i] != BW_ACTION_STATUS && is_given(document, prefix, steps_key(required[i])))
            continue; /* in its place */
        if (group->scripts[required[i]] == NULL && bw_document_find(document, path.text) == NULL)
            bw_document_fail(document, path.text,
                             "required key is missing; for example \"%s: "
                             "/scripts/%s.sh\"",
                             key,
                             required[i] == BW_ACTION_STATUS  ? "status"
                             : required[i] == BW_ACTION_START ? "start"
                                                              : "stop");
    }
}

static void check_group(struct bw_site_config *config, struct bw_document *document,
                        enum bw_config_scope scope, uint32_t index)
{
    struct bw_group_config *group = &config->groups[index];
    char prefix[32];

    (void)snprintf(prefix, sizeof prefix, "groups[%" PRIu32 "].", index);
    for (uint32_t i = 0; i < index && group->name[0] != '\0'; i++) {
        if (strcmp(config->groups[i].name, group->name) != 0)
            continue;
        bw_document_fail(document, path_of(prefix, "name").text,
                         "\"%s\" is also the name of groups[%" PRIu32 "]", group->name, i);
        break;
    }
    group->allow_writable_scripts = config->allow_writable_scripts;
    check_units(document, prefix, group);
    check_driver(document, prefix, group);
    check_steps(document, prefix, scope, BW_ACTION_START, group);
    check_steps(document, prefix, scope, BW_ACTION_STOP, group);
    if (bw_document_is_sound(document, path_of(prefix, "legacy_config").text))
        load_seven(document, prefix, scope, &config->arena, group);
    check_required_scripts(document, prefix, group);
    if (scope == BW_CONFIG_HERE) {
        check_scripts(document, prefix, group);
        group->digest = bw_group_config_digest(group);
    }
    fill_limits(group);
}

static void check_witnesses(const struct bw_site_config *config, struct bw_document *document)
{
    for (uint32_t i = 0; i < config->witness_count; i++) {
        char path[32];

        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "]", i);
        for (uint32_t j = 0; j < i && bw_document_is_sound(document, path); j++) {
            if (config->witnesses[j] != NULL &&
                strcmp(config->witnesses[i], config->witnesses[j]) == 0)
                bw_document_fail(document, path, "\"%s\" is also witnesses[%" PRIu32 "]",
                                 config->witnesses[i], j);
        }
    }
}

/* What is listened on is an address of this machine; nothing is resolved to find it. */
static void check_listen(struct bw_document *document, const char *key, const char *address)
{
    if (address[0] != '\0' && bw_document_is_sound(document, key) &&
        !bw_address_has_numeric_host(address))
        bw_document_fail(document, key,
                         "\"%s\" names a host; write an address of this machine, or 0.0.0.0 or "
                         "[::] for all of them",
                         address);
}

/* ---- loading ------------------------------------------------------------------------------- */

static void check_site(void *into, struct bw_document *document, const void *user)
{
    struct bw_site_config *config = into;
    const enum bw_config_scope *scope = user;

    if (*scope == BW_CONFIG_HERE)
        bw_config_check_owner(document);
    check_witnesses(config, document);
    check_listen(document, "health_listen", config->health_listen);
    check_listen(document, "admission_listen", config->admission_listen);
    for (uint32_t i = 0; i < config->group_count; i++)
        check_group(config, document, *scope, i);
    for (uint32_t i = 0; i < config->group_count; i++)
        check_shared(config, document, i);
}

enum bw_err bw_site_config_load(const char *file, enum bw_config_scope scope,
                                struct bw_site_config **out_config, struct bw_problems *problems)
{
    struct bw_site_config *config = bw_config_new(sizeof *config);
    const enum bw_err err = bw_config_load(&config->arena, &bw_site_config_table, config, file,
                                           check_site, &scope, problems);

    if (err == BW_OK)
        *out_config = config;
    return err;
}

struct bw_site_config *bw_site_config_take(const char *file, enum bw_config_scope scope,
                                           const char *consequence)
{
    struct bw_site_config *config = NULL;
    struct bw_problems problems;
    enum bw_err err;

    bw_problems_init(&problems);
    err = bw_site_config_load(file, scope, &config, &problems);
    if (consequence != NULL)
        bw_problems_print(&problems, consequence, stderr);
    bw_problems_deinit(&problems);
    return err == BW_OK ? config : NULL;
}

static void check_seven(void *into, struct bw_document *document, const void *user)
{
    const enum bw_config_scope *scope = user;

    if (*scope == BW_CONFIG_HERE)
        check_scripts(document, "", into);
    fill_limits(into);
}

enum bw_err bw_seven_keys_load(const char *file, enum bw_config_scope scope,
                               struct bw_site_config **out_config, struct bw_problems *problems)
{
    struct bw_site_config *config = bw_config_new(sizeof *config);
    enum bw_err err;

    config->log_level = BW_LOG_INFO;
    config->groups = bw_config_arena_take(&config->arena, sizeof *config->groups);
    config->group_count = 1;
    err = bw_config_load(&config->arena, &bw_seven_keys_table, config->groups, file, check_seven,
                         &scope, problems);
    if (err == BW_OK)
        *out_config = config;
    return err;
}

void bw_site_config_free(struct bw_site_config *config)
{
    bw_config_free((struct bw_config_arena *)config);
}

bool bw_group_config_has_same_reach(const struct bw_group_config *from,
                                    const struct bw_group_config *to)
{
    bool is_same = from->driver == to->driver && from->enforce == to->enforce &&
                   from->unit_count == to->unit_count &&
                   (from->container_tool == NULL) == (to->container_tool == NULL) &&
                   (to->container_tool == NULL ||
                    strcmp(from->container_tool, to->container_tool) == 0);

    for (uint32_t i = 0; is_same && i < from->unit_count; i++)
        is_same = strcmp(from->units[i], to->units[i]) == 0;
    return is_same;
}

uint64_t bw_group_config_loop_delay_ns(const struct bw_group_config *group)
{
    return group->driver == BW_DRIVER_EXTERNAL ? bw_ms_to_ns(group->loop_delay_ms) : 0;
}

const struct bw_group_config *bw_site_config_find(const struct bw_site_config *config,
                                                  const char *group)
{
    for (uint32_t i = 0; i < config->group_count; i++) {
        if (strcmp(config->groups[i].name, group) == 0)
            return &config->groups[i];
    }
    return NULL;
}

/* ---- lists of steps ---- */

/* Lists of steps: who needs whom, and whether that can ever come to an end. Design 5.1. */

struct step_key_path {
    char text[192];
};

static struct step_key_path step_path_of(const char *prefix, const char *key, uint32_t step,
                               const char *member)
{
    struct step_key_path path;
    const int length = snprintf(path.text, sizeof path.text, "%s%s[%" PRIu32 "]%s", prefix, key,
                                step, member);

    BW_ASSERT(length >= 0 && (size_t)length < sizeof path.text);
    return path;
}

static int find(const struct bw_step_config *steps, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(steps[i].name, name) == 0)
            return (int)i;
    return BW_STEP_NONE;
}

static void check_needs(struct bw_document *document, const char *prefix, const char *key,
                        struct bw_step_config *steps, uint32_t count, uint32_t index)
{
    struct bw_step_config *step = &steps[index];
    char quote[BW_QUOTE_BYTES];

    for (uint32_t i = 0; i < step->need_count; i++) {
        char member[32];
        struct step_key_path path;
        int needed;

        (void)snprintf(member, sizeof member, ".needs[%" PRIu32 "]", i);
        path = step_path_of(prefix, key, index, member);
        if (!bw_document_is_sound(document, path.text))
            continue;
        needed = find(steps, count, step->needs[i]);
        if (needed == BW_STEP_NONE)
            bw_document_fail(document, path.text, "this list has no step with the name \"%s\"",
                             bw_document_quote(step->needs[i], quote));
        else if (needed == (int)index)
            bw_document_fail(document, path.text, "\"%s\" needs itself: it would never begin",
                             step->name);
        else if ((step->rule.needs & UINT32_C(1) << needed) != 0)
            bw_document_fail(document, path.text, "\"%s\" is given twice", step->needs[i]);
        else
            step->rule.needs |= UINT32_C(1) << needed;
    }
}

/* False: it cannot be said who needs whom. */
static bool check_names(struct bw_document *document, const char *prefix, const char *key,
                        const struct bw_step_config *steps, uint32_t count)
{
    bool are_fine = true;

    for (uint32_t i = 0; i < count; i++) {
        const struct step_key_path path = step_path_of(prefix, key, i, ".name");
        const int first = find(steps, count, steps[i].name);

        if (!bw_document_is_sound(document, path.text)) {
            are_fine = false;
        } else if (first < (int)i) {
            bw_document_fail(document, path.text, "\"%s\" is also the name of %s[%d]", steps[i].name,
                             key, first);
            are_fine = false;
        }
    }
    return are_fine;
}

static void check_circles(struct bw_document *document, const char *prefix, const char *key,
                          const struct bw_step_config *steps, uint32_t count)
{
    struct bw_step_rule rules[BW_STEPS_MAX];
    uint32_t stuck;

    for (uint32_t i = 0; i < count; i++)
        rules[i] = steps[i].rule;
    stuck = bw_steps_stuck(rules, count);
    for (uint32_t i = 0; i < count; i++) {
        if ((stuck & UINT32_C(1) << i) == 0)
            continue;
        bw_document_fail(document, step_path_of(prefix, key, i, ".needs").text,
                         "\"%s\" would never begin: the steps in `needs` wait for each other in a circle",
                         steps[i].name);
        return; /* one is named; the others of the circle follow from it */
    }
}

static void check_whole(struct bw_document *document, const char *prefix, const char *key,
                        enum bw_action_kind action, const struct bw_group_config *group)
{
    char script[192];
    char whole[192];

    (void)snprintf(script, sizeof script, "%s%s", prefix, bw_script_key(action));
    (void)snprintf(whole, sizeof whole, "%s%s", prefix, key);
    if (bw_document_find(document, script) != NULL)
        bw_document_fail(document, whole, "replaces %s: keep one of them",
                         bw_script_key(action));
    (void)snprintf(script, sizeof script, "%slegacy_config", prefix);
    if (bw_document_find(document, script) != NULL)
        bw_document_fail(document, whole,
                         "replaces the %s in the file of `legacy_config`: write the group's scripts here instead",
                         bw_script_key(action));
    (void)snprintf(script, sizeof script, "%sfence_script", prefix);
    if (action == BW_ACTION_STOP && group->scripts[BW_ACTION_FENCE] == NULL &&
        bw_document_find(document, script) == NULL)
        bw_document_fail(document, whole, "needs a fence_script: a fence has no time for steps");
}

/* Of `start_steps` or `stop_steps`, if the group has it: names become bits, and what is wrong is
 * told. */
static void check_steps(struct bw_document *document, const char *prefix, enum bw_config_scope scope,
                           enum bw_action_kind action, struct bw_group_config *group)
{
    const char *key = action == BW_ACTION_START ? "start_steps" : "stop_steps";
    struct bw_steps_config *list = action == BW_ACTION_START ? &group->start_steps
                                                             : &group->stop_steps;
    struct bw_step_config *steps = (struct bw_step_config *)
                                       list->items; /* of the arena: not const */
    char whole[192];

    (void)snprintf(whole, sizeof whole, "%s%s", prefix, key);
    if (!bw_document_is_sound(document, whole))
        return;
    check_whole(document, prefix, key, action, group);
    for (uint32_t i = 0; i < list->count && action == BW_ACTION_STOP; i++)
        if (steps[i].rule.is_point)
            bw_document_fail(document, step_path_of(prefix, key, i, ".point_of_no_return").text,
                             "is only for a start: a stop has no point of no return");
    for (uint32_t i = 0; i < list->count && scope == BW_CONFIG_HERE; i++) {
        const struct step_key_path path = step_path_of(prefix, key, i, ".script");

        if (bw_document_is_sound(document, path.text))
            check_script(document, path.text, steps[i].script);
    }
    if (!check_names(document, prefix, key, steps, list->count))
        return;
    for (uint32_t i = 0; i < list->count; i++)
        check_needs(document, prefix, key, steps, list->count, i);
    check_circles(document, prefix, key, steps, list->count);
}
