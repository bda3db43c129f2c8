/* json.h - what one witness knows, as JSON for people: status, history, explanations, plans.
 * Design 4, 5.3. Reads core structs and touches nothing else.
 *
 * Every function that returns json_t gives a new reference, NULL when memory is short. Times are
 * RFC 3339 UTC with milliseconds, durations integers of milliseconds; null: this witness does not
 * know. */
#ifndef BW_WITNESS_JSON_H
#define BW_WITNESS_JSON_H

#include <jansson.h>

#include <breakwater/core/foretell.h>
#include <breakwater/core/people.h>
#include <breakwater/core/trouble.h>
#include <breakwater/core/witness.h>
#include <breakwater/witness/callers.h>

/* A witness of the cluster, as the one that answers sees it. */
struct bw_operator_member {
    const char *name;
    const char *address;
    const char *failure_domain; /* "": nobody said */
    const char *role;           /* "leader", "follower", "candidate", "unknown" */
    uint64_t id;
    bool is_self;
    bool is_in_contact; /* lately */
    bool is_certificate_known;
    uint64_t certificate_left_s; /* 0 once it has ended */
    bool is_disk_low;            /* of this one alone */
    bool is_people_not_applied;  /* likewise: its file has a list, and none was applied (5.3) */
    bool has_no_vote;            /* as a leader knows: it is to have one */
    uint64_t decided_index; /* an entry that it knows to be decided, and this leader lacks (L33); 0: none */
    const char *unreached_why; /* this one cannot connect to it, and for so long; NULL: it can */
    uint64_t unreached_ms;
    const char *raft_address;
};

/* One moment of one witness. All pointers are borrowed. */
struct bw_operator_view {
    const struct bw_witness *machine;
    const char *cluster;
    const char *self;           /* name of this witness */
    const char *leader;         /* NULL: none known */
    const char *leader_address; /* NULL with it */
    uint64_t term;
    uint32_t voters_in_contact; /* this one included; a leader's only: 0 elsewhere */
    uint32_t voters;
    uint32_t member_count;
    struct bw_operator_member members[BW_WITNESSES_MAX];
    const struct bw_callers *callers; /* NULL: not told */
    struct bw_scope scope; /* no document has a group, or anything of one, that is not within it */
    const struct bw_trouble_book *alarms; /* NULL: not told */
    struct bw_instant now;
};

/* What comes next; false: this witness does not lead, or memory is short. */
bool bw_view_foretell(const struct bw_operator_view *view, int group_index,
                      struct bw_foretold *out_foretold);
/* Who follows if the holder falls silent now, as soon as its lease is over or within a minute from then.
 * Every screen, document, metric and alarm asks this. Of whom does not lead: what it would do if it led. */
struct bw_failover {
    bool is_possible;            /* by time alone */
    bool follows_fence;          /* not so, but once another site's fence has seen the end */
    struct bw_foretold foretold; /* by time alone: who, and when, be it later, or that nobody would without a person */
    struct bw_foretold fenced;   /* follows_fence: who */
};
void bw_view_failover(const struct bw_operator_view *view, int group_index,
                      struct bw_failover *out_failover);
/* Another site would take over by itself: no person is needed. */
bool bw_failover_takes_over(const struct bw_failover *failover);
/* The command that changes what comes next (bw_foretell_way), or null. */
json_t *bw_json_way(const struct bw_operator_view *view, int group_index);
/* What comes next if nobody says anything new, in words too, and what changes it. Of whom does not
 * lead: null. */
json_t *bw_json_next(const struct bw_operator_view *view, int group_index);

/* The groups of a line of the list of who may do what (people.h). */
json_t *bw_json_person_groups(const char *person);
/* There is a group at that place, and it is within the view's scope. */
bool bw_json_sees(const struct bw_operator_view *view, int group_index);

/* The families of groups and of their sites (metrics_text.c). */
struct bw_metrics;
void bw_view_write_metrics(const struct bw_operator_view *view, struct bw_metrics *metrics);

#define BW_TIME_TEXT_BYTES 32
/* "2026-01-06T09:14:02.123Z". */
void bw_json_time(int64_t unix_ms, char out_text[BW_TIME_TEXT_BYTES]);
/* A text that a peer wrote: what is no UTF-8 has `?` for each byte beyond ASCII. */
json_t *bw_json_text(const char *text);
/* `list` with `value` at its end; takes both, and gives NULL when memory is short, or was. */
json_t *bw_json_append(json_t *list, json_t *value);
/* `object` with all members of `more`; takes both, and gives NULL when memory is short, or was. */
json_t *bw_json_merge(json_t *object, json_t *more);
/* The text of `key`. False: there is none, or it does not fit. */
bool bw_json_read_text(const json_t *object, const char *key, char *out, size_t size);
/* What its scripts failed with last, as `contact` said; NULL: nobody knows. */
json_t *bw_json_failures(const struct bw_contact *contact, struct bw_instant now);
/* How far the steps of its start or stop have come, as `contact` reported; null: none run, or nothing is known. */
json_t *bw_json_steps(const struct bw_contact *contact, struct bw_instant now);
/* How often what the site serves had ended and was started there again in the open epoch; null: not
 * once, or it does not hold the group. */
json_t *bw_json_restarts(const struct bw_operator_view *view, int group_index, int site);
json_t *bw_json_name_or_null(const char *name); /* NULL and "" are null */
json_t *bw_json_number_or_null(bool is_known, uint64_t number);
json_t *bw_json_time_or_null(int64_t unix_ms); /* 0 is null */

/* Text under construction: a document is written group by group, so that a thousand of them never
 * are in memory as values all at once. Zeroed at the beginning; free `text`. */
struct bw_json_buffer {
    char *text; /* NUL after its end */
    size_t size;
    size_t capacity;
    bool is_failed; /* memory was short: nothing of it is to be used */
};
void bw_json_put_text(struct bw_json_buffer *buffer, const char *text, size_t size);
/* Takes `value`; NULL is a failure. */
void bw_json_put(struct bw_json_buffer *buffer, json_t *value);
/* `head` (an object, taken) with `key` as its last member: the list of what `put` appends, one call
 * each, with bw_json_put. */
void bw_json_put_list(struct bw_json_buffer *buffer, json_t *head, const char *key, size_t count,
                      bool (*put)(struct bw_json_buffer *buffer, size_t number, const void *user),
                      const void *user);

/* breakwater.status/v2: see design 5.3. */
void bw_json_status(const struct bw_operator_view *view, struct bw_json_buffer *buffer);
/* breakwater.group/v2: {"group": as in status, "spec", "terms"}. */
json_t *bw_json_group_document(const struct bw_operator_view *view, int group_index);
/* breakwater.groups/v1: name, spec_version and spec of each. */
void bw_json_groups(const struct bw_operator_view *view, struct bw_json_buffer *buffer);
/* breakwater.history/v2, newest first: at most `count_max` epochs, and what people changed since
 * the oldest of them. `group` NULL: of all groups, those that were deleted too. */
#define BW_HISTORY_ANSWER_MAX 3000 /* and never more: what one group has in 90 days is less */
void bw_json_history(const struct bw_operator_view *view, const char *group, size_t count_max,
                     struct bw_json_buffer *buffer);
/* breakwater.report/v2: one epoch, and how the one before ended; `epoch` 0: the newest. NULL: it is
 * not on record, or memory is short. */
json_t *bw_json_report(const struct bw_operator_view *view, const char *group, uint64_t epoch);
/* What a cancel takes back, and what it does not, as `steps` of a plan: of a group with a move that may be given up, or
 * with a wish that waits. NULL: no memory. */
json_t *bw_json_cancel_steps(const struct bw_group *group, const struct bw_wish *wish);
/* One epoch: an entry of the history. `number` as in bw_group_history_at. */
json_t *bw_json_history_entry(const struct bw_group *group, uint32_t number);
/* How the open epoch ends when its holder is lost: {"by_time", "by_holder": false where the holder's
 * site came back without the state that could give it back, "gate", "why", "way": the command that
 * ends it on a person's word, null where time does, "lease_may_live_ms", "vouched_by",
 * "vouched_text"}; null when no epoch is open. */
json_t *bw_json_end(const struct bw_operator_view *view, int group_index);
/* What a person must know before vouching that the holder's site is off: a list of sentences. */
json_t *bw_json_end_facts(const struct bw_operator_view *view, int group_index);
/* What a person must know before moving a group away from a holder whose status says nothing (3.6). */
json_t *bw_json_unseen_facts(const struct bw_operator_view *view, int group_index);
/* breakwater.explain/v2: the gates of `decision`, and of each site's candidacy. */
json_t *bw_json_explain(const struct bw_operator_view *view, int group_index,
                        const struct bw_decision *decision);
/* breakwater.plan/v2: what `wish` would do, step by step, as things are. `plan` was made with
 * it. `err`: what became of the question, in words `why`; BW_ERR_EXISTS: there is nothing to do. */
json_t *bw_json_plan(const struct bw_operator_view *view, int group_index,
                     const struct bw_wish *wish, const struct bw_wish_plan *plan, enum bw_err err,
                     const char *why);

#endif
