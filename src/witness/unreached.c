/* unreached.c - which witnesses this one cannot connect to, and why: in its log once for each change, and in what it
 * answers. For people: nothing is decided by it. */
#include "program.h"

#include <stdio.h>
#include <string.h>

#include <breakwater/consensus/hello.h>
#include <breakwater/sys/clock.h>

#define SETTLED_MS 2000  /* what restarts is back by then, and is no news */
#define AGAIN_MS   60000 /* another reason for the same is told so often at most */

static bool has_passed(struct bw_instant since, uint64_t ms)
{
    return bw_instant_elapsed_ns(bw_clock_now(), since) >= bw_ms_to_ns(ms);
}

static void log_it(struct bw_program *program, struct bw_known *known)
{
    known->unreached.is_logged = true;
    known->unreached.logged = bw_clock_now();
    bw_log_warn(&program->log, "raft.peer_connect_failed", "name=%s raft_address=%s why=%s", known->config.name,
                bw_log_quote(known->config.raft), bw_log_quote(known->unreached.why));
}

void bw_unreached_note(struct bw_program *program, uint64_t id, const char *why)
{
    const int at = bw_directory_find(program, id);
    struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;
    struct bw_unreached *unreached = known != NULL ? &known->unreached : NULL;
    bool is_other;

    if (unreached == NULL)
        return;
    if (!unreached->is_so)
        *unreached = (struct bw_unreached){.is_so = true, .since = bw_clock_now()};
    is_other = strncmp(unreached->why, why, sizeof unreached->why - 1) != 0;
    (void)snprintf(unreached->why, sizeof unreached->why, "%s", why); /* cut is fine */
    if (unreached->is_logged ? is_other && has_passed(unreached->logged, AGAIN_MS)
                             : has_passed(unreached->since, SETTLED_MS))
        log_it(program, known);
}

void bw_unreached_over(struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);
    struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;

    if (known == NULL)
        return;
    if (known->unreached.is_logged)
        bw_log_info(&program->log, "raft.peer_reached", "name=%s raft_address=%s", known->config.name,
                    bw_log_quote(known->config.raft));
    known->unreached = (struct bw_unreached){0};
}

/* A cluster begins once all its witnesses have met (consensus/roll.h); of one that was made for another it never does. */
bool bw_unreached_begins_late(struct bw_program *program, char out_text[BW_NOT_BEGUN_BYTES])
{
    const struct bw_witness_config *config = program->config;
    const struct bw_data_dir_identity *identity = bw_node_identity(program->node);
    size_t used = (size_t)snprintf(out_text, BW_NOT_BEGUN_BYTES, "the cluster has not begun: it waits for");
    const char *separator = " ";
    char id[BW_ID_TEXT_BYTES];

    if (!bw_node_is_bare(program->node) || identity->origin == BW_ROLL_JOINING)
        return false;
    bw_id_format(identity->cluster_id, id);
    for (uint32_t i = 0; i < config->witness_count && used < BW_NOT_BEGUN_BYTES; i++) {
        const char *name = config->witnesses[i].name;
        const int at = bw_directory_find(program, config->witnesses[i].id);
        const char *why = at >= 0 ? program->directory.list[at].unreached.why : "";

        if (i == config->self || bw_node_has_met(program->node, config->witnesses[i].id))
            continue;
        if (strstr(why, BW_HELLO_FOREIGN) == NULL)
            used += (size_t)snprintf(out_text + used, BW_NOT_BEGUN_BYTES - used, "%s%s", separator, name);
        else
            used += (size_t)snprintf(out_text + used, BW_NOT_BEGUN_BYTES - used,
                                     "%s%s, created for another cluster (if the others agree: on %s, move data_dir away, "
                                     "and run `breakwater witness init -c FILE --cluster-id %s`)",
                                     separator, name, name, id);
        separator = "; ";
    }
    return true;
}

const struct bw_unreached *bw_unreached_of(const struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);
    const struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;

    return known != NULL && known->is_member && known->unreached.is_so ? &known->unreached : NULL;
}
