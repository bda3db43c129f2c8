/* core_world.h - one witness, one group of up to three sites, and a clock that the test moves. The
 * machines are the real ones; the sites are puppets whose reports the test sets. */
#ifndef BW_TEST_CORE_WORLD_H
#define BW_TEST_CORE_WORLD_H

#include <breakwater/core/explain.h>
#include <breakwater/core/witness.h>

enum { A, B, C, WORLD_SITES };

struct world_site {
    struct bw_id instance;
    struct bw_id session;
    struct bw_id boot_id;
    uint64_t relayed_by; /* id of the witness that passes its syncs on; 0: they come directly */
    uint64_t number;
    bool is_mute; /* nothing arrives from it */
    bool is_deaf; /* no answer reaches it */
    bool is_timed; /* its syncs tell of exchanges, by clocks that run at clock_ppm */
    int32_t clock_ppm;
    const char *timed_by; /* by another witness than this one */
    struct bw_exchange exchanges[2]; /* what its next sync says: with this witness, and with timed_by */
    uint64_t certificate_left_s;
    uint64_t renew_epoch;
    struct bw_released released;
    struct bw_report report;
    uint64_t generation; /* that it knows of the cluster; 0: the newest */
};

struct world {
    struct bw_cluster cluster;
    struct bw_group groups[2];
    struct bw_watch watches[2];
    struct bw_witness witness;
    struct bw_instant now;
    uint64_t index;
    struct world_site sites[WORLD_SITES];
    struct bw_remote_fence_news news; /* of the step before the last decision */
    struct bw_decision decision;
    struct bw_applied applied; /* what the newest command did */
};

/* The group "harbor" of dc-a (100), dc-b (50) and, for three, dc-c (10), just applied; this witness
 * leads since a minute and every site reports `stopped`, eligible in every way. */
void world_init(struct world *world, uint32_t site_count);
struct bw_group *world_group(struct world *world);
struct bw_watch *world_watch(struct world *world);

/* Applies a command at the next index. Returns the rule that fired, "-" for none. */
const char *world_apply(struct world *world, const struct bw_command *command);
/* Sets the group's spec; the sites hear of the new version. */
void world_set_spec(struct world *world, const struct bw_spec *spec, const char *initial_primary);
void world_set_mode(struct world *world, enum bw_mode mode);
void world_know_spec(struct world *world);

/* One sync of a site: report, and a renewal when renew_epoch is set, whose barrier is then proved.
 * True when the renewal was confirmed. */
bool world_sync(struct world *world, int site);
/* Every site that is not mute, twice: now each has heard an answer to what it just sent. */
void world_sync_all(struct world *world);
/* From their next sync on no site has a readiness script. */
void world_without_readiness(struct world *world);
/* Lets time go by, with a sync of all each half second. Nothing is decided. */
void world_pass_ms(struct world *world, uint64_t ms);
/* Moves the clock and nothing else. */
void world_wait_ms(struct world *world, uint64_t ms);

/* Decides; the rule of the step, "A0" when nothing acts. */
const char *world_decide(struct world *world);
/* Decides and applies what was decided. Returns the rule of the step. */
const char *world_act(struct world *world);

/* The site has armed and started the open epoch, and renews it. */
void world_serve(struct world *world, int site);
/* The site has stopped and gives back the open epoch. */
void world_give_back(struct world *world, int site, enum bw_reason reason, bool past_no_return,
                     const char *position);
/* dc-b serves by a switchover, dc-a gave back. */
void world_move_to_b(struct world *world);
/* The site stopped and says nothing of it but `stopped`. */
void world_stop(struct world *world, int site);
/* The first grant went to dc-a, which serves. */
void world_begin(struct world *world, uint32_t site_count);
void world_begin_with(struct world *world, uint32_t site_count, const struct bw_spec *changes);

/* The wait of 3.3 for the open epoch in ms, rounded up. */
uint64_t world_wait_of_terms_ms(struct world *world);
void world_lead_anew(struct world *world);
enum bw_err world_ask(struct world *world, enum bw_wish_kind kind, const char *to,
                      bool accept_data_loss, struct bw_diag *diag);

/* The gate of that id (and site, -1 the group's) in the last decision, of the last step that has
 * it; NULL: there is none. */
const struct bw_gate *world_gate(const struct world *world, const char *id, int site);
bool world_holds(const struct world *world, const char *id, int site);
/* The step that the gates alone decide for: the first of which no gate of the group holds; "A0" when
 * there is none, or a gate of every step holds. What was decided is always this. */
const char *world_verdict(const struct bw_decision *decision);

#endif
