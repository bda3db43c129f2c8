/* The ground of a proof that a group's reach ends its service (design 3.4): what starts it, and what says that it has
 * ended. */
#include <breakwater/config/site_config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325) /* FNV-1a of 64 bits: it tells edits apart, no forgeries */
#define FNV_PRIME  UINT64_C(0x100000001b3)

static uint64_t mix(uint64_t digest, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * FNV_PRIME;
    return digest;
}

static uint64_t mix_text(uint64_t digest, const char *text)
{
    return mix(digest, text, strlen(text) + 1);
}

int bw_script_file_open(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (file < 0 || (fstat(file, &st) == 0 && S_ISREG(st.st_mode)))
        return file;
    (void)close(file); /* nothing was read */
    errno = EINVAL;
    return -1;
}

/* One that cannot be read counts by its name, as what is no file does, which is never run: the next load that can
 * read it has another digest. */
static uint64_t mix_file(uint64_t digest, const char *path)
{
    unsigned char bytes[4096];
    const int file = bw_script_file_open(path);
    ssize_t got;

    digest = mix_text(digest, path);
    if (file < 0)
        return digest;
    while ((got = read(file, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        digest = mix(digest, bytes, got > 0 ? (size_t)got : 0);
    }
    (void)close(file); /* only read from */
    return digest;
}

uint64_t bw_script_file_digest(const char *path)
{
    return mix_file(FNV_OFFSET, path);
}

/* What each step does, and in which order they may be run. Of how long and how often nothing is
 * said: what is seen does not hang on it. */
static uint64_t mix_steps(uint64_t digest, const char *key, const struct bw_steps_config *steps,
                          uint64_t *out_steps)
{
    if (steps->count != 0)
        digest = mix_text(digest, key);
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct bw_step_config *step = &steps->items[i];
        const uint64_t file = step->script != NULL ? bw_script_file_digest(step->script) : 0;
        const uint32_t needs = step->rule.needs;

        digest = mix_text(digest, step->name);
        digest = mix(digest, &needs, sizeof needs);
        if (step->rule.is_point)
            digest = mix_text(digest, "point_of_no_return");
        digest = mix(digest, &file, sizeof file);
        if (out_steps != NULL)
            out_steps[i] = file;
    }
    return digest;
}

/* A rejoin may start what a start starts. What stops, fences, measures or verifies has no part in where it runs. */
static bool is_covered(enum bw_action_kind kind)
{
    return kind == BW_ACTION_START || kind == BW_ACTION_STATUS || kind == BW_ACTION_REJOIN;
}

static uint64_t digest_of(const struct bw_group_config *group, bool is_of_all, uint64_t *out_steps)
{
    uint64_t digest = mix_text(FNV_OFFSET, bw_reach_word(group->enforce));

    if (group->driver == BW_DRIVER_EXTERNAL)
        digest = mix_text(digest, "driver: external"); /* its former name: proofs of before stay valid */
    for (uint32_t i = 0; i < group->unit_count; i++)
        digest = mix_text(digest, group->units[i]);
    if (group->container_tool != NULL)
        digest = mix_text(digest, group->container_tool);
    for (uint32_t i = 0; i < group->env_count; i++) { /* what scripts do hangs on it too */
        digest = mix_text(digest, group->env[i].name);
        digest = mix_text(digest, group->env[i].value);
    }
    for (int kind = 0; kind < BW_ACTION_COUNT; kind++) {
        if (is_of_all ? kind == BW_ACTION_REMOTE_FENCE : !is_covered((enum bw_action_kind)kind))
            continue;
        digest = mix_text(digest, bw_action_word((enum bw_action_kind)kind));
        if (group->scripts[kind] != NULL)
            digest = mix_file(digest, group->scripts[kind]);
    }
    digest = mix_steps(digest, "start_steps", &group->start_steps, out_steps);
    if (is_of_all)
        digest = mix_steps(digest, "stop_steps", &group->stop_steps, NULL);
    return digest != 0 ? digest : 1;
}

uint64_t bw_group_config_digest(const struct bw_group_config *group)
{
    return digest_of(group, false, NULL);
}

uint64_t bw_group_config_digest_of_all(const struct bw_group_config *group)
{
    return digest_of(group, true, NULL);
}

uint64_t bw_group_config_digest_steps(const struct bw_group_config *group, uint64_t out_steps[BW_STEPS_MAX])
{
    return digest_of(group, false, out_steps);
}
