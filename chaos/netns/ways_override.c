/* ways_override.c - what an operator does at a site without a quorum, and what the witnesses then know of it (3.8). */
#include "ways.h"

#include <stdio.h>

#include <jansson.h>

#include <breakwater/base/instant.h>

#include "api.h"

#define COMMAND_MS 5000
#define AGAIN_MS   200
#define AWAIT_MS   20000 /* the agent stops counting on its leader; the witnesses elect, hear and commit */
#define MANUAL_FOR "10m" /* longer than any scenario: only what breakwater decides ends it */

static void pause_a_moment(struct bw_lab *lab)
{
    bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(AGAIN_MS));
}

/* Refused while the agent counts on a leader: typed again until it is taken. */
enum bw_err bw_begin_override(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    const struct bw_lab_node *node = &lab->nodes[fault->node];
    const struct bw_lab_process *agent = bw_lab_process(lab, BW_LAB_AGENT, fault->node);
    const char *const words[] = {lab->options->program, "override", lab->groups[0], "--config",
                                 agent->config,         "--for",    MANUAL_FOR,     "--reason",
                                 "chaos",               "--yes",    "--no-wait",    NULL};
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(AWAIT_MS);
    char text[2048] = "";
    int status = bw_lab_run(lab, fault->node, words, COMMAND_MS, text, sizeof text);

    while (status != 0 && bw_lab_now_ns() < until_ns) {
        pause_a_moment(lab);
        status = bw_lab_run(lab, fault->node, words, COMMAND_MS, text, sizeof text);
    }
    if (status != 0)
        return bw_diag_set(diag, BW_ERR_REFUSED, "override of %s at %s ended with %d: %.400s",
                           lab->groups[0], node->name, status, text);
    bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "override of %s is taken", lab->groups[0]);
    return BW_OK;
}

/* Of `status -o json`: the leader's log has a claim of the site on the group. */
static bool is_claimed(const char *text, const char *group, const char *site)
{
    json_t *document = json_loads(text, 0, NULL);
    const json_t *claims = json_object_get(bw_json_find_group(document, group), "claims");
    const bool is = bw_json_truth(bw_json_find(claims, "site", site), "committed");

    json_decref(document);
    return is;
}

enum bw_err bw_begin_await_claim(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    static const char *const words[] = {"status", "-o", "json", NULL};
    static char text[1 << 18];
    const char *site = lab->nodes[fault->node].name;
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(AWAIT_MS);

    while (bw_lab_now_ns() < until_ns) {
        (void)bw_lab_ask(lab, words, COMMAND_MS, text, sizeof text); /* 4: nobody serves */
        if (is_claimed(text, lab->groups[0], site)) {
            bw_lab_say(lab, BW_LAB_NOTE, (int)fault->node, -1, "its claim on %s is in the log",
                       lab->groups[0]);
            return BW_OK;
        }
        pause_a_moment(lab);
    }
    return bw_diag_set(diag, BW_ERR_TIMEOUT, "the leader has no claim of %s on %s within %d s: %.400s",
                       site, lab->groups[0], AWAIT_MS / 1000, text);
}

static enum bw_err order(struct bw_lab *lab, const char *verb, struct bw_diag *diag)
{
    const char *const words[] = {verb, lab->groups[0], "--yes", "--reason", "chaos", NULL};
    char text[1024] = "";
    const int status = bw_lab_command(lab, words, COMMAND_MS, text, sizeof text);

    bw_lab_say(lab, BW_LAB_NOTE, -1, -1, "%s %s: exit %d", verb, lab->groups[0], status);
    return status == 0 ? BW_OK
                       : bw_diag_set(diag, BW_ERR_REFUSED, "%s of %s ended with %d: %.400s", verb,
                                     lab->groups[0], status, text);
}

enum bw_err bw_begin_pause(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)fault;
    return order(lab, "pause", diag);
}

enum bw_err bw_end_pause(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    (void)fault;
    return order(lab, "resume", diag);
}
