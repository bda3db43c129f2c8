/* api_agent.c - POST /v1/agent/sync, and the same sync passed on by a follower. Design 3.2, 5.3.
 *
 * Each witness keeps the reports of every sync that it hears. Only the leader confirms, and only
 * after its proof. Silence, never a refusal, is what a follower has to say about leases. */
#include "program.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/bytes.h>
#include <breakwater/base/mutant.h>
#include <breakwater/sys/clock.h>
#include <breakwater/wire/sync.h>

#define PROOF_MS               3000 /* then it is answered without a confirmation */
#define RELAY_MS               2000 /* all of it */
#define RELAY_CONNECT_MS       1000
#define RELAY_ANSWER_BYTES_MAX (1024 * 1024)

/* A sync whose answer waits for a proof, or for the leader's answer. */
struct bw_pending_sync {
    struct bw_program *program;
    struct bw_http_request *request; /* NULL: the client is gone */
    struct bw_sync sync;             /* its groups are owned */
    struct bw_instant received;
    const struct bw_witness_member_config *relayed_by; /* NULL: it came directly */
    uint64_t proof;                 /* number of the barrier; 0: none is waited for */
    struct bw_http_exchange *relay; /* NULL: not relayed */
    struct bw_pending_sync *next, **previous;
};

/* ---- answers ---- */

/* A group that is not there is let go. Only a leader after its proof may say that: anybody else may
 * just not have heard of the group yet (3.9). */
static void let_go(const struct bw_program *program, struct bw_sync_answer *answer,
                   const char *name, const char *site)
{
    struct bw_sync_answer_group *told = &answer->groups[answer->group_count++];

    (void)bw_copy_text(told->name, sizeof told->name, name); /* as long as the one it comes from */
    bw_order_derive(NULL, site, program->cluster.applied_index, &told->order);
}

/* How a sync came, and what its answer may say. */
struct arrival {
    const struct bw_witness_member_config *relayed_by; /* NULL: directly */
    bool has_waited;
    uint64_t proof; /* the barrier that it has waited for; 0: none, so nothing is confirmed */
    struct bw_instant received;
};

static uint64_t relayed_by_id(const struct bw_witness_member_config *witness)
{
    return witness != NULL ? witness->id : 0;
}

/* Whose word holds a lease is told once per leader, epoch and way, never per renewal. */
static void log_way(struct bw_program *program, const struct bw_sync *sync,
                    const struct bw_sync_group *said, uint64_t relayed_by)
{
    char from[BW_FROM_TEXT_BYTES];

    bw_program_tell_from(program, sync->site, sync->agent, relayed_by, from);
    bw_log_info(&program->log, "lease.renewed_by", "group=%s epoch=%" PRIu64 " from=%s", said->name,
                said->renew_epoch, bw_log_quote(from));
}

static void answer_group(struct bw_program *program, const struct bw_sync *sync,
                         const struct bw_sync_group *said, const struct arrival *arrival,
                         struct bw_sync_answer *answer)
{
    int place = bw_cluster_find(&program->cluster, said->name);
    const uint64_t relayed_by = relayed_by_id(arrival->relayed_by);
    struct bw_sync_answer_group *told;
    uint32_t ways_before;

    if (place < 0) {
        if (answer->is_leader && bw_proof_covers(&program->machine.proof, arrival->proof))
            let_go(program, answer, said->name, sync->site);
        return;
    }
    told = bw_answer_add(program, answer, place, sync->site);
    told->other_serves_epoch = bw_witness_other_serves(&program->machine, place, sync->site,
                                                       bw_clock_now());
    if (said->renew_epoch == 0 || arrival->proof == 0)
        return;
    ways_before = program->machine.watches[place].ways.count;
    if (bw_witness_confirm(&program->machine, sync, said, relayed_by, arrival->proof,
                           arrival->received, bw_clock_now())) {
        told->confirmed_epoch = said->renew_epoch;
        program->counters.renewals_confirmed++;
        if (program->machine.watches[place].ways.count != ways_before)
            log_way(program, sync, said, relayed_by);
    } else {
        program->counters.renewals_unconfirmed++;
    }
}

/* One that has waited for a proof in vain is not told that this witness leads: another may, by
 * now. */
static void answer_sync(struct bw_program *program, struct bw_http_request *request,
                        const struct bw_sync *sync, const struct arrival *arrival)
{
    struct bw_sync_answer *answer = bw_answer_new(program, sync->group_count);

    if (answer == NULL) {
        bw_http_respond_error(request, 503, "out of memory", NULL);
        return;
    }
    answer->is_leader = answer->is_leader && (arrival->proof != 0 || !arrival->has_waited);
    answer->session = sync->session;
    answer->number = sync->number;
    for (uint32_t i = 0; i < sync->group_count; i++)
        answer_group(program, sync, &sync->groups[i], arrival, answer);
    bw_answer_send(program, request, answer);
}

/* ---- syncs that wait ---- */

static void drop(struct bw_pending_sync *pending)
{
    *pending->previous = pending->next;
    if (pending->next != NULL)
        pending->next->previous = pending->previous;
    pending->program->sync_count--;
    bw_sync_deinit(&pending->sync);
    free(pending);
}

static void finish(struct bw_pending_sync *pending, uint64_t proof)
{
    const struct arrival arrival = {.relayed_by = pending->relayed_by,
                                    .has_waited = true,
                                    .proof = proof,
                                    .received = pending->received};

    answer_sync(pending->program, pending->request, &pending->sync, &arrival);
    drop(pending);
}

void bw_agents_on_proved(struct bw_program *program)
{
    const struct bw_witness *machine = &program->machine;
    struct bw_pending_sync *next;

    for (struct bw_pending_sync *pending = program->syncs; pending != NULL; pending = next) {
        next = pending->next;
        if (pending->proof == 0)
            continue;
        if (!machine->leadership.leads)
            finish(pending, 0);
        else if (bw_proof_covers(&machine->proof, pending->proof))
            finish(pending, pending->proof);
    }
}

static void on_gone(struct bw_http_request *request, void *user)
{
    struct bw_pending_sync *pending = user;

    (void)request;
    pending->request = NULL;
    if (pending->relay != NULL)
        bw_http_exchange_cancel(pending->relay); /* calls on_relayed, which sees that it is gone */
    drop(pending);
}

static void on_deadline(struct bw_http_request *request, void *user)
{
    (void)request;
    finish(user, 0); /* only a proof has one: a relay ends by itself */
}

static const struct bw_http_later later = {.on_gone = on_gone, .on_deadline = on_deadline};

/* Takes the groups of `sync`. NULL: it was answered, since no more may wait. */
static struct bw_pending_sync *pend(struct bw_program *program, struct bw_http_request *request,
                                    const struct bw_sync *sync)
{
    struct bw_pending_sync *pending = NULL;

    if (program->sync_count < BW_PENDING_SYNCS_MAX)
        pending = calloc(1, sizeof *pending);
    if (pending == NULL)
        return NULL;
    *pending = (struct bw_pending_sync){.program = program,
                                        .request = request,
                                        .sync = *sync,
                                        .received = request->received,
                                        .next = program->syncs,
                                        .previous = &program->syncs};
    if (pending->next != NULL)
        pending->next->previous = &pending->next;
    program->syncs = pending;
    program->sync_count++;
    return pending;
}

/* ---- through a follower ---- */

static void on_relayed(void *user, const struct bw_http_answer *answer)
{
    struct bw_pending_sync *pending = user;
    struct bw_program *program = pending->program;

    pending->relay = NULL;
    if (pending->request == NULL)
        return; /* on_gone frees it */
    if (answer->err == BW_OK && answer->status == 200) {
        bw_http_respond(pending->request, 200, BW_PROTOBUF_TYPE, answer->body, answer->body_size);
        drop(pending);
        return;
    }
    program->counters.relays_failed++;
    bw_log_debug(&program->log, "relay.failed", "site=%s agent=%s status=%d why=%s",
                 pending->sync.site, pending->sync.agent, answer->status,
                 bw_log_quote(answer->text));
    finish(pending, 0);
}

static enum bw_err send_relay(struct bw_pending_sync *pending,
                              const struct bw_witness_member_config *leader, struct bw_diag *diag)
{
    struct bw_program *program = pending->program;
    struct bw_http_request *request = pending->request;
    struct bw_relay relay = {.sync = (uint8_t *)(uintptr_t)request->body, /* only read */
                             .sync_size = request->body_size};
    char url[BW_ADDRESS_MAX + 64];
    struct bw_http_call call = {.method = "POST",
                                .url = url,
                                .content_type = BW_PROTOBUF_TYPE,
                                .timeout_ms = RELAY_MS,
                                .connect_timeout_ms = RELAY_CONNECT_MS,
                                .response_bytes_max = RELAY_ANSWER_BYTES_MAX};
    uint8_t *body = malloc(BW_BODY_BYTES_MAX);
    enum bw_err err = BW_ERR_NOMEM;

    memcpy(relay.site, pending->sync.site, sizeof relay.site);
    memcpy(relay.agent, pending->sync.agent, sizeof relay.agent);
    (void)snprintf(url, sizeof url, "https://%s/v1/agent/relay", leader->address);
    if (body != NULL)
        err = bw_relay_encode(&relay, body, BW_BODY_BYTES_MAX, &call.body_size, diag);
    if (err == BW_OK) {
        call.body = body;
        pending->relay = bw_http_client_send(&program->relay, &call, on_relayed, pending, diag);
        err = pending->relay == NULL ? diag->err : BW_OK;
    }
    free(body);
    return err;
}

/* True: the sync was taken, and is answered with what the leader says, or as a follower's. */
static bool relay(struct bw_program *program, struct bw_http_request *request,
                  const struct bw_sync *sync)
{
    const struct bw_witness_member_config *leader = bw_program_leader(program);
    struct bw_pending_sync *pending;
    struct bw_diag diag = {0};

    if (leader == NULL || leader == &program->config->witnesses[program->config->self])
        return false;
    pending = pend(program, request, sync);
    if (pending == NULL)
        return false;
    bw_http_defer(request, 0, &later, pending); /* the relay has a limit */
    if (send_relay(pending, leader, &diag) == BW_OK) {
        program->counters.relays_sent++;
        return true;
    }
    program->counters.relays_failed++;
    bw_log_debug(&program->log, "relay.refused", "site=%s why=%s", sync->site,
                 bw_log_quote(diag.text));
    finish(pending, 0);
    return true;
}

/* ---- what comes in ---- */

static void refuse(struct bw_program *program, struct bw_http_request *request, int status,
                   const char *why, const char *hint)
{
    program->counters.syncs_refused++;
    bw_http_respond_error(request, status, why, hint);
}

static void refuse_undecoded(struct bw_program *program, struct bw_http_request *request,
                             enum bw_err err, const struct bw_diag *diag)
{
    refuse(program, request,
           err == BW_ERR_NOMEM   ? 503
           : err == BW_ERR_LIMIT ? 413
                                 : 400,
           diag->text,
           err == BW_ERR_VERSION    ? "upgrade this witness"
           : err == BW_ERR_OUTDATED ? "upgrade the agent"
                                    : NULL);
}

/* False: it was answered. Only this cluster, and only this or an earlier generation of it: what an
 * agent of another one says means nothing here. */
static bool is_of_this_cluster(struct bw_program *program, struct bw_http_request *request,
                               const struct bw_sync *sync)
{
    if (bw_answer_is_too_early(program, request))
        return false;
    if (!bw_id_is_none(sync->cluster_id) && !bw_id_equal(sync->cluster_id, program->cluster.id)) {
        refuse(program, request, 409, "the agent belongs to another cluster of this name",
               "give it a state directory of its own for this cluster");
        return false;
    }
    if (sync->generation > program->cluster.generation) {
        refuse(program, request, 409, "the agent knows a newer generation of this cluster",
               "this witness was left behind by a recovery: stop it");
        return false;
    }
    return true;
}

static bool names_unknown_group(const struct bw_program *program, const struct bw_sync *sync)
{
    for (uint32_t i = 0; i < sync->group_count; i++)
        if (bw_cluster_find(&program->cluster, sync->groups[i].name) < 0)
            return true;
    return false;
}

/* Takes the groups of `sync`. `relayed_by` is NULL: it came directly, and may be passed on. */
static void take(struct bw_program *program, struct bw_http_request *request, struct bw_sync *sync,
                 const struct bw_witness_member_config *relayed_by)
{
    struct bw_witness *machine = &program->machine;
    uint64_t proof = bw_witness_on_sync(machine, sync, relayed_by_id(relayed_by),
                                        request->received);
    struct arrival arrival = {.relayed_by = relayed_by, .received = request->received};
    struct bw_pending_sync *pending = NULL;

    program->counters.syncs++;
    bw_callers_note(&program->callers, sync, request->received);
    for (uint32_t i = 0; i < sync->group_count; i++) {
        int place = bw_cluster_find(&program->cluster, sync->groups[i].name);

        if (place >= 0)
            bw_agenda_touch(program, place);
    }
    if (proof == 0 && machine->leadership.leads && names_unknown_group(program, sync))
        proof = bw_proof_want(&machine->proof);
    if (!machine->leadership.leads && relayed_by == NULL && sync->wants_relay &&
        relay(program, request, sync))
        return;
    if (proof != 0 && !BW_MUTANT(BARRIER))
        pending = pend(program, request, sync);
    if (pending != NULL) {
        pending->proof = proof;
        pending->relayed_by = relayed_by;
        bw_http_defer(request, PROOF_MS, &later, pending);
        bw_program_want_proof(program);
        return;
    }
    arrival.proof = BW_MUTANT(BARRIER) ? proof : 0;
    answer_sync(program, request, sync, &arrival);
    bw_sync_deinit(sync);
}

static void on_sync(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    struct bw_diag diag = {0};
    struct bw_sync sync;
    enum bw_err err = bw_sync_decode(request->body, request->body_size, &sync, &diag);

    if (err != BW_OK) {
        refuse_undecoded(program, request, err, &diag);
        return;
    }
    if ((strcmp(sync.site, request->peer->site) != 0 ||
         strcmp(sync.agent, request->peer->name) != 0) &&
        !BW_MUTANT(SPEAKS_FOR_ITSELF))
        refuse(program, request, 403,
               "an agent speaks for itself: site and agent must be those "
               "of its certificate",
               NULL);
    else if (is_of_this_cluster(program, request, &sync)) {
        take(program, request, &sync, NULL);
        return;
    }
    bw_sync_deinit(&sync);
}

/* Never relayed again: a witness that does not lead says so. */
static void on_relay(struct bw_http_request *request, void *user)
{
    struct bw_program *program = user;
    const struct bw_witness_member_config *relayed_by =
        bw_program_member_named(program, request->peer->name);
    struct bw_diag diag = {0};
    struct bw_relay relayed;
    struct bw_sync sync;
    enum bw_err err;

    if (relayed_by == NULL) {
        refuse(program, request, 403, "this witness is no member", NULL);
        return;
    }
    err = bw_relay_decode(request->body, request->body_size, &relayed, &diag);
    if (err == BW_OK) {
        err = bw_sync_decode(relayed.sync, relayed.sync_size, &sync, &diag);
        bw_relay_deinit(&relayed); /* the names stay */
    }
    if (err != BW_OK) {
        refuse_undecoded(program, request, err, &diag);
        return;
    }
    program->counters.relays_received++;
    if (strcmp(sync.site, relayed.site) != 0 || strcmp(sync.agent, relayed.agent) != 0)
        refuse(program, request, 403, "the sync does not name the agent that it is vouched for",
               NULL);
    else if (is_of_this_cluster(program, request, &sync)) {
        take(program, request, &sync, relayed_by);
        return;
    }
    bw_sync_deinit(&sync);
}

const struct bw_http_route bw_agent_routes[] = {
    {"POST", "/v1/agent/sync", BW_ROLE_BIT(BW_ROLE_AGENT) | BW_HTTP_KEEPS_SEAT, on_sync},
    {"POST", "/v1/agent/relay", BW_ROLE_BIT(BW_ROLE_WITNESS) | BW_HTTP_KEEPS_SEAT, on_relay},
};
const size_t bw_agent_route_count = sizeof bw_agent_routes / sizeof bw_agent_routes[0];
