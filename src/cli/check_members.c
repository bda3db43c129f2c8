#include "check_members.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <breakwater/agent/agent.h>
#include <breakwater/os/durable.h>
#include <breakwater/wire/state.h>

#include "followed.h"

#define LIST_BYTES (BW_WITNESSES_MAX * (BW_ADDRESS_MAX + 2) + 1)

static const struct bw_durable_kind members_kind = {.magic = BW_KEPT_MEMBERS_MAGIC,
                                                    .version = BW_KEPT_MEMBERS_VERSION,
                                                    .oldest = BW_DURABLE_OLDEST};

/* BW_ERR_NOT_FOUND: there is none; this agent has heard no leader yet, or is of 0.2. */
static enum bw_err load(const struct bw_site_config *config, struct bw_kept_members *out_members,
                        struct bw_diag *diag)
{
    static uint8_t bytes[BW_KEPT_MEMBERS_BYTES_MAX];
    char path[4096];
    char name[BW_NAME_MAX + sizeof BW_KEPT_MEMBERS_SUFFIX];
    uint32_t version;
    size_t size;
    enum bw_err err;
    int dir;

    (void)snprintf(path, sizeof path, "%s/agent", config->state_dir); /* longer: it is not there */
    (void)snprintf(name, sizeof name, "%s%s", config->cluster, BW_KEPT_MEMBERS_SUFFIX); /* fits */
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return BW_ERR_NOT_FOUND; /* what is wrong with the directory is said elsewhere */
    err = bw_durable_load(dir, name, &members_kind, bytes, sizeof bytes, &size, &version, diag);
    (void)close(dir); /* only read from */
    return err == BW_OK ? bw_kept_members_decode(bytes, size, out_members, diag) : err;
}

static bool is_member(const struct bw_kept_members *kept, const char *address)
{
    for (uint32_t i = 0; i < kept->member_count; i++)
        if (strcmp(kept->members[i].address, address) == 0)
            return true;
    return false;
}

static void list(const struct bw_kept_members *kept, char out_list[LIST_BYTES])
{
    size_t used = 0;

    out_list[0] = '\0';
    for (uint32_t i = 0; i < kept->member_count; i++)
        used += (size_t)snprintf(out_list + used, LIST_BYTES - used, "%s%s", i > 0 ? ", " : "",
                                 kept->members[i].address); /* fits */
}

void bw_check_members(struct bw_check_lines *lines, const char *file,
                      const struct bw_site_config *config)
{
    struct bw_kept_members kept = {.member_count = 0};
    struct bw_diag diag = {0};
    char members[LIST_BYTES];
    const enum bw_err err = load(config, &kept, &diag);
    bool is_outdated = false;

    if (err == BW_ERR_NOT_FOUND)
        return;
    if (err != BW_OK) {
        bw_check_line(lines, BW_CHECK_WARN, "members",
                      "%s/agent/%s%s: %s; the agent asks the witnesses of %s until a leader has told "
                      "who the members are",
                      config->state_dir, config->cluster, BW_KEPT_MEMBERS_SUFFIX, diag.text, file);
        return;
    }
    list(&kept, members);
    for (uint32_t i = 0; i < config->witness_count; i++) {
        if (is_member(&kept, config->witnesses[i]))
            continue;
        is_outdated = true;
        bw_check_line(lines, BW_CHECK_WARN, file,
                      "witnesses[%u] %s is the address of no witness, as a leader told this agent last: "
                      "unless that is another way to one, write  witnesses: [%s]",
                      (unsigned)i, config->witnesses[i], members);
    }
    if (!is_outdated)
        bw_check_line(lines, BW_CHECK_OK, "members",
                      "as a leader told this agent last: %s; it asks them beside those of %s", members,
                      file);
}

void bw_check_followed(struct bw_check_lines *lines, const struct bw_site_config *config)
{
    char path[BW_AGENT_SOCKET_BYTES];
    char what[BW_FOLLOWED_TEXT_BYTES];
    char fix[BW_FOLLOWED_TEXT_BYTES];
    json_t *answer = bw_agent_socket_path(config, path) ? bw_followed_ask(path) : NULL;

    if (bw_followed_is_none(answer, "\n       ", what, fix))
        bw_check_line(lines, BW_CHECK_FAIL, "members", "this site follows no witness: %s%s", what, fix);
    json_decref(answer);
}
