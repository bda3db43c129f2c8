/* Reach `containers`: what Docker says of the containers of compose projects, or Podman; anything
 * that has `ps` and `inspect` as they have. */
#include "unit_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID_BYTES_MIN 12
#define ID_BYTES_MAX 64

/* The label is compose's own, whichever program it is. Each call of the tool that fails ends the
 * look: what was printed is no answer then. The process is not found where pids are others (in a
 * container, in a trial): then its cgroup is looked for by the id. One that has gone since has
 * none, and its container is not known. What `compose run` has left, and has ended, comes up no
 * more: it is not named. */
const char bw_containers_look[] =
    "tool=$1; shift\n"
    "ask() {\n"
    "  timeout -k 1 8 \"$tool\" \"$@\" && return\n"
    "  case $? in\n"
    "  124 | 137) echo \"'$1' has no answer after 8 s (does its daemon hang?)\" >&2 ;;\n"
    "  esac\n"
    "  exit 1\n"
    "}\n"
    "for project do\n"
    "  ids=$(ask ps -a -q --no-trunc --filter \"label=com.docker.compose.project=$project\") "
    "|| exit 1\n"
    "  [ -n \"$ids\" ] || continue\n"
    "  seen=$(ask inspect --type container --format \\\n"
    "'{{.Id}} {{.State.Status}} {{.State.Pid}} {{.HostConfig.RestartPolicy.Name}}/{{.Name}} '"
    "'{{index .Config.Labels \"com.docker.compose.oneoff\"}}' $ids) || exit 1\n"
    "  printf '%s\\n' \"$seen\" | while read -r id state pid rest oneoff; do\n"
    "    [ \"$state $oneoff\" = 'exited True' ] && continue\n"
    "    printf 'container %s %s %s %s\\n' \"$id\" \"$state\" \"$pid\" \"$rest\"\n"
    "    [ \"$pid\" = 0 ] && continue\n"
    "    own=$(cat \"/proc/$pid/cgroup\" 2>/dev/null)\n"
    "    case $own in *\"$id\"*) printf '%s\\n' \"$own\" | grep -E '^(0::|[0-9]+:name=systemd:)'; "
    "continue ;; esac\n"
    "    for top in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do\n"
    "      at=$(find \"$top\" -type d -name \"*$id*\" ! -name '*conmon*' -print -prune 2>/dev/null "
    "| head -n 1)\n"
    "      [ -z \"$at\" ] || { printf '0::%s\\n' \"${at#\"$top\"}\"; break; }\n"
    "    done\n"
    "  done\n"
    "done\n";

/* ---- names ----------------------------------------------------------------------------------- */

/* Compose specification: lower case letters, digits, dashes and underscores, and first no sign. */
static bool is_project_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    const size_t length = strlen(name);

    return length > 0 && length < BW_UNIT_NAME_BYTES && strspn(name, allowed) == length &&
           name[0] != '-' && name[0] != '_';
}

static const char *find_tool(void)
{
    static const char *const paths[] = {"/usr/bin/docker", "/usr/local/bin/docker",
                                        "/usr/bin/podman", "/usr/local/bin/podman"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

/* ---- look ------------------------------------------------------------------------------------ */

/* The next word of a line, up to a space or its end. */
static bool take_word(const char **at, const char *end, char *out_word, size_t room)
{
    const char *from = *at;
    const char *to;

    while (from < end && *from == ' ')
        from++;
    for (to = from; to < end && *to != ' '; to++)
        ;
    if (to == from || (size_t)(to - from) >= room)
        return false;
    memcpy(out_word, from, (size_t)(to - from));
    out_word[to - from] = '\0';
    *at = to;
    return true;
}

static bool is_id(const char *id)
{
    const size_t length = strlen(id);

    return length >= ID_BYTES_MIN && length <= ID_BYTES_MAX &&
           strspn(id, "0123456789abcdef") == length;
}

/* What Docker and Podman call the states of a container. */
static enum bw_unit_activity activity_of(const char *word)
{
    static const char *const up[] = {"running",  "paused",   "restarting",
                                     "removing", "stopping", "initialized"};
    static const char *const down[] = {"created", "configured", "exited", "stopped", "dead"};

    for (size_t i = 0; i < sizeof up / sizeof up[0]; i++)
        if (strcmp(word, up[i]) == 0)
            return BW_UNIT_UP;
    for (size_t i = 0; i < sizeof down / sizeof down[0]; i++)
        if (strcmp(word, down[i]) == 0)
            return BW_UNIT_DOWN;
    return BW_UNIT_UNKNOWN;
}

/* "POLICY/NAME", Docker's names with a slash of their own before them. */
static void take_policy(struct bw_unit *unit, const char *rest)
{
    const size_t policy_bytes = strcspn(rest, "/");
    const char *name = rest + policy_bytes;

    while (*name == '/')
        name++;
    (void)snprintf(unit->name, sizeof unit->name, "%s", name[0] != '\0' ? name : unit->id);
    if (policy_bytes > 0 && !(policy_bytes == 2 && memcmp(rest, "no", 2) == 0))
        (void)snprintf(unit->again, sizeof unit->again, "restart: %.*s", (int)policy_bytes, rest);
}

static bool take_container(struct bw_unit *unit, const char *line, const char *end)
{
    char id[BW_UNIT_NAME_BYTES];
    char state[32];
    char pid[16];
    char rest[BW_UNIT_NAME_BYTES];

    if (!take_word(&line, end, id, sizeof id) || !is_id(id) ||
        !take_word(&line, end, state, sizeof state) || !take_word(&line, end, pid, sizeof pid) ||
        !take_word(&line, end, rest, sizeof rest))
        return false;
    *unit = (struct bw_unit){.activity = activity_of(state), .has_process = strcmp(pid, "0") != 0};
    unit->is_settled = unit->activity == BW_UNIT_UP;
    memcpy(unit->id, id, sizeof unit->id);
    take_policy(unit, rest);
    return true;
}

/* A line of /proc/PID/cgroup: of version 2 ("0::"), or where there is none of systemd's own
 * hierarchy. It counts only where the container's id is a part of it: the number may be another
 * process's by now, or that of another pid namespace, and a container may have been told to live in
 * a cgroup that holds others too. */
static bool take_cgroup(struct bw_unit *unit, const char *line, size_t bytes)
{
    static const char version_2[] = "0::";
    static const char systemd[] = ":name=systemd:";
    char text[BW_UNIT_CGROUP_BYTES + 32];
    const char *path;
    const char *part;

    if (bytes >= sizeof text)
        return true; /* the kernel's, and longer than we keep: not known */
    memcpy(text, line, bytes);
    text[bytes] = '\0';
    if (strncmp(text, version_2, strlen(version_2)) == 0)
        path = text + strlen(version_2);
    else if ((path = strstr(text, systemd)) != NULL && unit->cgroup[0] == '\0')
        path += strlen(systemd);
    else
        return text[strspn(text, "0123456789")] == ':'; /* another hierarchy */
    part = path[0] == '/' ? strstr(path, unit->id) : NULL;
    if (part == NULL)
        return true;
    bytes = (size_t)(part - path) +
            strcspn(part, "/"); /* what a manager makes below it belongs to it */
    if (bytes < sizeof unit->cgroup)
        (void)snprintf(unit->cgroup, sizeof unit->cgroup, "%.*s", (int)bytes, path);
    return true;
}

bool bw_container_take_line(struct bw_unit *seen, size_t max, size_t *count, const char *line,
                            size_t bytes)
{
    static const char head[] = "container ";

    if (bytes > strlen(head) && memcmp(line, head, strlen(head)) == 0) {
        if (*count == max || !take_container(&seen[*count], line + strlen(head), line + bytes))
            return false;
        (*count)++;
        return true;
    }
    return *count > 0 && take_cgroup(&seen[*count - 1], line, bytes);
}

static void take_line(struct bw_units *units, const char *line, size_t bytes)
{
    if (!bw_container_take_line(units->seen, BW_UNITS_SEEN_MAX, &units->seen_count, line, bytes))
        units->is_too_much = true;
}

static const struct bw_unit *find(const struct bw_unit *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].id, id) == 0)
            return &list[i];
    return NULL;
}

/* One that is removed, and still has processes, is there. */
static enum bw_err keep_left(struct bw_units *units, struct bw_diag *diag)
{
    for (size_t i = 0; i < units->count; i++) {
        const struct bw_unit *old = &units->units[i];
        size_t count = 0;
        enum bw_err err;

        if (old->cgroup[0] == '\0' || find(units->seen, units->seen_count, old->id) != NULL)
            continue;
        err = bw_unit_count_processes(old, &count, diag);
        if (err != BW_OK)
            return err;
        if (count > 0 && units->seen_count == BW_UNITS_SEEN_MAX)
            return bw_diag_set(diag, BW_ERR_LIMIT, "more than %d containers", BW_UNITS_SEEN_MAX);
        if (count > 0)
            units->seen[units->seen_count++] = *old;
    }
    return BW_OK;
}

/* Where one that never was up yet will come up: as another one of them, under its own id. */
static void guess_cgroup(const struct bw_unit *example, struct bw_unit *unit)
{
    const char *id = strstr(example->cgroup, example->id);

    if (example->cgroup[0] == '\0' || id == NULL || unit->cgroup[0] != '\0' || unit->has_process)
        return;
    if (snprintf(unit->cgroup, sizeof unit->cgroup, "%.*s%s%s", (int)(id - example->cgroup),
                 example->cgroup, unit->id, id + strlen(example->id)) >= (int)sizeof unit->cgroup)
        unit->cgroup[0] = '\0';
}

/* A container that has ended keeps the cgroup in which it would come up again. */
static enum bw_err take_over(struct bw_units *units, struct bw_diag *diag)
{
    enum bw_err err = keep_left(units, diag);

    if (err != BW_OK)
        return err;
    for (size_t i = 0; i < units->seen_count; i++) {
        struct bw_unit *seen = &units->seen[i];
        const struct bw_unit *old = find(units->units, units->count, seen->id);

        if (old != NULL && seen->cgroup[0] == '\0')
            memcpy(seen->cgroup, old->cgroup, sizeof seen->cgroup);
        if (seen->has_process && seen->cgroup[0] == '\0')
            seen->activity = BW_UNIT_UNKNOWN;
        if (seen->cgroup[0] != '\0')
            units->example = *seen;
    }
    for (size_t i = 0; i < units->seen_count; i++) {
        guess_cgroup(&units->example, &units->seen[i]);
        bw_unit_judge_left(&units->seen[i]);
    }
    memcpy(units->units, units->seen, units->seen_count * sizeof units->seen[0]);
    units->count = units->seen_count;
    return BW_OK;
}

static size_t look_arguments(const struct bw_units *units, const char **out_args)
{
    out_args[0] = "-c";
    out_args[1] = bw_containers_look;
    out_args[2] = "look";
    out_args[3] = units->tool;
    return 4;
}

const struct bw_unit_manager bw_unit_manager_compose = {
    .noun = "containers",
    .expected = "the name of a compose project (lower case letters, digits, - and _)",
    .no_tool = "no docker on this machine, nor podman (which was not tried): reach `containers` needs "
               "one of them, or container_tool",
    .advice = "write restart: \"no\" for it in the compose file, and start the project again",
    .shell = "/bin/sh",
    .has_no_signal = true,
    .limit_ns = UINT64_C(10) * BW_NS_PER_S,
    .is_name = is_project_name,
    .find_tool = find_tool,
    .look_arguments = look_arguments,
    .take_line = take_line,
    .take_over = take_over,
};
