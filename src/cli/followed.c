#include "followed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "at_site.h"

#define SILENT_MS 5000 /* a leader that changes takes less */

json_t *bw_followed_ask(const char *path)
{
    json_t *request = json_pack("{s:s, s:s}", "verb", "witnesses", "group", "");
    json_t *answer = NULL;
    struct bw_diag diag = {0};

    if (request != NULL && bw_at_site_ask(path, request, &answer, &diag) != BW_OK)
        answer = NULL;
    json_decref(request);
    if (json_is_array(json_object_get(answer, "refused")))
        return answer;
    json_decref(answer);
    return NULL;
}

static bool is_of_ours(const json_t *answer, const json_t *witness)
{
    return strcmp(bw_json_member(witness, "cluster_id"), bw_json_member(answer, "cluster_id")) == 0;
}

/* The one whose way out counts: of this site's cluster, if any is. */
static const json_t *choose(const json_t *answer)
{
    const json_t *refused = json_object_get(answer, "refused");
    const json_t *witness;
    size_t i;

    json_array_foreach(refused, i, witness)
        if (is_of_ours(answer, witness))
            return witness;
    return json_array_get(refused, 0);
}

static void say_other_cluster(const json_t *answer, const json_t *witness, const char *before,
                              char out_what[BW_FOLLOWED_TEXT_BYTES], char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const char *state = bw_json_member(answer, "state_dir");

    (void)snprintf(out_what, BW_FOLLOWED_TEXT_BYTES,
                   "%s is a witness of cluster %s, generation %" PRId64 "; this site follows cluster %s, generation %" PRId64,
                   bw_json_member(witness, "address"), bw_json_member(witness, "cluster_id"),
                   bw_json_number(witness, "generation"), bw_json_member(answer, "cluster_id"),
                   bw_json_number(answer, "generation"));
    (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                   "%sif every witness was re-created, stop the service on this machine and re-create this site's state:"
                   "%s  systemctl stop breakwater-agent breakwater-guard"
                   "%s  rm -r %s/agent %s/guard"
                   "%s  systemctl start breakwater-guard breakwater-agent",
                   before, before, before, state, state, before);
}

static void say_generation(const json_t *answer, const json_t *witness, const char *before,
                           char out_what[BW_FOLLOWED_TEXT_BYTES], char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const int64_t ours = bw_json_number(answer, "generation");
    const int64_t theirs = bw_json_number(witness, "generation");

    (void)snprintf(out_what, BW_FOLLOWED_TEXT_BYTES, "%s answers in generation %" PRId64 "; this site follows generation %" PRId64
                   " (%s)", bw_json_member(witness, "address"), theirs, ours, bw_json_member(witness, "why"));
    if (theirs < ours)
        (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                       "%sstart the witness that was recovered last; or, on the only witness that is left, stopped, as its user:"
                       "%s  breakwater recover -c /etc/breakwater/witness.yaml --above %" PRId64, before, before, ours);
    else
        (void)snprintf(out_fix, BW_FOLLOWED_TEXT_BYTES,
                       "%sits certificate may be in wrong hands: revoke it (tls.revoked) at witnesses and sites, and replace "
                       "that witness", before);
}

bool bw_followed_is_none(const json_t *answer, const char *before, char out_what[BW_FOLLOWED_TEXT_BYTES],
                         char out_fix[BW_FOLLOWED_TEXT_BYTES])
{
    const json_t *witness = answer != NULL ? choose(answer) : NULL;

    if (witness == NULL || bw_json_number(answer, "silent_ms") < SILENT_MS)
        return false;
    if (is_of_ours(answer, witness))
        say_generation(answer, witness, before, out_what, out_fix);
    else
        say_other_cluster(answer, witness, before, out_what, out_fix);
    return true;
}
