/* trouble.h - what needs somebody's attention: the one list from which the alarms of status, the
 * metric and the manual come, and the book in which each witness keeps since when it sees one, how
 * often it came, when it ended and who has seen it. A fact begins an alarm, and its end ends it. No
 * decision rests on any of it. Design 5.2. Pure. */
#ifndef BW_CORE_TROUBLE_H
#define BW_CORE_TROUBLE_H

#include <breakwater/core/arbiter.h>

/* X(NAME, "word", "old word", "what happened", "effect", "fix", "when it ends, or a remark"). `ack` accepts both words; the
 * event script gets the old one for one release. A fix has each command on a line of its own. GROUP, SITE, WITNESS and
 * OTHER (a site that the group could move to) stand for names, which `status` puts in (cli/alarm_ways.c). The first are
 * those that sites report (report.h), in their order; deploy/man/reference writes the manual from this. */
#define BW_TROUBLE_LIST(X)                                                                         \
    X(ROGUE_START, "unauthorized_start", "rogue_start",                                            \
      "the service was started without a lease, and the guard fenced it",                          \
      "until the fence, a second copy of the service ran at SITE",                                 \
      "on SITE, disable the unit, container or job that starts it; then acknowledge:\n"                \
      "breakwater ack GROUP unauthorized_start --site SITE",                                       \
      "it ends with the site's next epoch or a restart of its agent; another such "                \
      "start raises it again")                                                                     \
    X(FENCE_FAILED, "fence_failed", "fence_failed",                                                \
      "a fence could not confirm that the service has stopped",                                    \
      "no other site becomes primary until the stop is confirmed",                                 \
      "on SITE, stop the service by hand; breakwater retries the fence and goes on "               \
      "after it has seen the stop. If the machine is off:\n"                                       \
      "breakwater confirm-fenced GROUP --site SITE",                                                \
      "it ends with a fence that has seen the service stopped, or with confirm-fenced")             \
    X(GUARD_LOST, "guard_lost", "guard_lost",                                                      \
      "the guard does not answer, or one of its probes hangs",                                     \
      "SITE can neither become primary nor renew a lease, and no switchover away from "            \
      "it begins",                                                                                 \
      "on SITE, see whether the guard is down or a script hangs:\n"                                \
      "systemctl status breakwater-guard",                                                         \
      "")                                                                                          \
    X(FENCE_TOO_SLOW, "fence_too_slow", "fence_too_slow",                                          \
      "the last fence took longer than the fence_window of the group",                             \
      "SITE is not eligible",                                                                      \
      "on SITE, see what the fence waited for; make it faster, or raise fence_window:\n"           \
      "journalctl -u breakwater-guard",                                                            \
      "it ends with a fence that fits; at a standby after 1 min, then 2 min, up to "               \
      "about 1 h if the next one is too slow again")                                               \
    X(STATUS_UNKNOWN, "status_unknown", "status_unknown",                                          \
      "the status_script fails, says unknown, or prints none of its four words",                   \
      "breakwater does not restart the service while its state is unknown",                        \
      "on SITE, run status_script by hand and repair it; what it printed is in the "               \
      "log:\n"                                                                                     \
      "journalctl -u breakwater-guard",                                                            \
      "")                                                                                          \
    X(CONDITION_FAILED, "condition_failed", "condition_failed",                                    \
      "the condition_check_script fails",                                                          \
      "no automatic move to SITE",                                                                 \
      "on SITE, run condition_check_script by hand and repair it:\n"                               \
      "journalctl -u breakwater-guard",                                                            \
      "")                                                                                          \
    X(STATE_NOT_DURABLE, "state_not_durable", "state_not_durable",                                 \
      "the agent or the guard cannot save its state, or the enforcer cannot take all "             \
      "that the group runs",                                                                       \
      "SITE starts nothing and renews no lease that depends on it",                                \
      "on SITE, find state.write_failed, deadline_file.write_failed, "                             \
      "enforcer.means_full or enforcer.paths_full in the logs; its line has the "                  \
      "cause:\n"                                                                                   \
      "journalctl -u breakwater-agent -u breakwater-guard",                                        \
      "")                                                                                          \
    X(START_FAILED, "start_failed", "start_failed",                                                \
      "the start script failed or timed out, or the service did not come up",                      \
      "SITE has to wait before its next start, twice as long after each failure, up "              \
      "to 10 min",                                                                                 \
      "on SITE, repair the cause; all that the script printed is in the log:\n"                    \
      "journalctl -u breakwater-guard\n"                                                           \
      "then acknowledge:\n"                                                                        \
      "breakwater ack GROUP start_failed --site SITE",                                             \
      "it ends with the site's next epoch or a restart of its agent")                              \
    X(STOP_FAILED, "stop_failed", "stop_failed",                                                   \
      "the stop script failed or timed out, or the service still ran after it",                    \
      "the guard fences the service instead, so a move takes longer",                              \
      "on SITE, repair stop_script; then acknowledge:\n"                                               \
      "breakwater ack GROUP stop_failed --site SITE",                                              \
      "it ends with the next stop that succeeds")                                                  \
    X(REJOIN_FAILED, "rejoin_failed", "rejoin_failed",                                             \
      "the rejoin script failed",                                                                  \
      "SITE is not eligible",                                                                      \
      "breakwater retries it; on SITE, see why it fails:\n"                                        \
      "journalctl -u breakwater-guard",                                                            \
      "it ends with a rejoin that succeeds, or if site.yaml names no rejoin script "               \
      "any more")                                                                                  \
    X(OUTSIDE_REACH, "cannot_stop_service", "outside_reach",                                       \
      "breakwater cannot stop this service",                                                       \
      "no automatic failover if SITE fails",                                                       \
      "set stop_method: for group GROUP in site.yaml on SITE, or remove what else restarts the service "  \
      "(docker, systemd); the guard's log names the cause:\n"                                      \
      "journalctl -u breakwater-guard\n"                                                           \
      "If the service ran before it was managed: kill and restart it once under control:\n"        \
      "breakwater prove GROUP -c /etc/breakwater/site.yaml",                                       \
      "if a second enforcer of the site counts, status shows a line instead of this "              \
      "alarm")                                                                                     \
    X(REACH_UNSEEN, "kill_unverified", "reach_unseen",                                             \
      "breakwater has not verified that it can stop this service as it runs now",                   \
      "no automatic failover if SITE fails",                                                       \
      "on SITE, see the cause in the log:\n"                                                       \
      "journalctl -u breakwater-guard\n"                                                           \
      "If a script was changed by mistake, undo that. Else test the kill, which stops and "        \
      "starts the service once:\n"                                                                 \
      "breakwater prove GROUP -c /etc/breakwater/site.yaml",                                       \
      "")                                                                                          \
    X(OVERRIDE, "override", "override",                                                            \
      "the site serves without a lease (operator override), or an override is ending",             \
      "no other site becomes primary until SITE reports the end",                                  \
      "to end it, on SITE:\n"                                                                      \
      "breakwater override GROUP -c /etc/breakwater/site.yaml --stop\n"                             \
      "If the machine is off:\n"                                                                   \
      "breakwater confirm-fenced GROUP --site SITE",                                                \
      "")                                                                                          \
    X(LOCAL_RESTARTS, "service_restarted", "local_restarts",                                       \
      "the service had ended and was restarted at the primary",                                    \
      "users had a short outage; if it goes on, the group moves to another site",                  \
      "on SITE, find the cause in the service's own log (a test by prove restarts the service, too); " \
      "then acknowledge:\n"                                                                         \
      "breakwater ack GROUP service_restarted --site SITE",                                        \
      "it ends 1 h after the last restart, or with the epoch")                                     \
    X(NOT_CONNECTED, "not_connected", "not_connected",                                             \
      "the site is not connected: this witness has no fresh report",                               \
      "SITE can neither become primary nor renew a lease until it is connected",                   \
      "check the machine, the agent and the network in both directions; on SITE:\n"                \
      "breakwater status --site",                                                                  \
      "")                                                                                          \
    X(GROUP_UNKNOWN, "group_not_configured", "group_unknown",                                      \
      "the agent is connected, but its site.yaml has no such group",                               \
      "SITE is not eligible for GROUP",                                                            \
      "on SITE, add group GROUP to site.yaml, then:\n"                                             \
      "systemctl reload breakwater-guard breakwater-agent",                                        \
      "")                                                                                          \
    X(SEVERAL_AGENTS, "duplicate_agents", "several_agents",                                        \
      "more than one agent reports for the site",                                                  \
      "SITE is not eligible",                                                                      \
      "find the second agent (a cloned or retired machine), and stop it there:\n"                  \
      "systemctl disable --now breakwater-agent",                                                  \
      "")                                                                                          \
    X(RELAYED, "no_direct_leader_path", "relayed",                                                 \
      "the site has no direct connection to the leader, only through another witness",             \
      "the lease of SITE depends on the witness in between",                                       \
      "check the network from SITE to the leader; on SITE:\n"                                      \
      "journalctl -u breakwater-agent",                                                            \
      "")                                                                                          \
    X(ONE_WITNESS, "single_witness_path", "one_witness",                                           \
      "the site is connected to only one witness",                                                 \
      "if that witness fails, SITE loses its lease",                                               \
      "check the network from SITE to the other witnesses; on SITE:\n"                             \
      "journalctl -u breakwater-agent",                                                            \
      "status alone shows it, since it asks all witnesses")                                        \
    X(CLOCK_RATE, "clock_rate", "clock_rate",                                                      \
      "a clock runs faster or slower than max_clock_drift_ppm allows",                             \
      "slow: SITE may still serve while another site starts (split-brain); fast: a lease ends "    \
      "too early",                                                                                 \
      "on SITE, check the time service and the clock source:\n"                                    \
      "chronyc tracking",                                                                          \
      "")                                                                                          \
    X(CERTIFICATE_ENDS, "certificate_expiring", "certificate_ends",                                \
      "a certificate of the agent or witness, or of its CA, expires within 60 days, "              \
      "or its file was replaced by an unusable one",                                               \
      "after that, peers reject its connections",                                                  \
      "on the machine with the CA, renew the file, then copy it to SITE, which takes it by "       \
      "itself:\n"                                                                                  \
      "breakwater pki renew --dir DIR FILE",                                                       \
      "")                                                                                          \
    X(NOT_SERVING, "primary_down", "not_serving",                                                  \
      "the site is primary, and its service is not started",                                       \
      "users have no service",                                                                     \
      "see what breakwater waits for:\n"                                                           \
      "breakwater explain GROUP",                                                                  \
      "")                                                                                          \
    X(UNHEALTHY, "unhealthy", "unhealthy",                                                         \
      "the primary cannot show that it serves",                                                    \
      "after unhealthy_after the group moves automatically if its mode is auto, a standby is "     \
      "eligible, and a test has shown that the guard of SITE can kill the service",                \
      "repair status_script or the service; to see what a move would do, and its risk:\n"          \
      "breakwater switchover GROUP --to OTHER --plan",                                             \
      "")                                                                                          \
    X(SECOND_ENFORCER_LOST, "second_enforcer_lost", "second_enforcer_lost",                        \
      "the second enforcer does not count",                                                        \
      "no automatic failover if the machine of SITE fails, because the guard cannot kill "         \
      "the service",                                                                               \
      "on the machine of the second enforcer:\n"                                                   \
      "journalctl -u breakwater-second-enforcer\n"                                                 \
      "If its fence was never tested, on SITE while it is primary (the service restarts once):\n"  \
      "breakwater prove GROUP -c /etc/breakwater/site.yaml",                                       \
      "")                                                                                          \
    X(REACH_UNPROVED, "kill_untested", "reach_unproved",                                           \
      "breakwater has never confirmed that killing its processes stops this service",              \
      "no automatic failover if SITE fails: an operator has to confirm that it is off",            \
      "test it, which restarts the service once; on SITE:\n"                                       \
      "breakwater prove GROUP -c /etc/breakwater/site.yaml",                                       \
      "before the first start breakwater-chaos scripts tests it")                                  \
    X(NOT_LET_GO, "release_pending", "not_let_go",                                                 \
      "the site has not released the service to manual control yet",                               \
      "a start by hand, at any site, could run a second copy",                                     \
      "start nothing by hand before this alarm ends; on SITE:\n"                                   \
      "breakwater status --site",                                                                  \
      "")                                                                                          \
    X(NO_ACTIVE_SITE, "no_primary", "no_active_site",                                              \
      "no site is primary",                                                                        \
      "no site has a lease, so users have no service",                                             \
      "see what breakwater waits for:\n"                                                           \
      "breakwater explain GROUP",                                                                  \
      "")                                                                                          \
    X(SEVERAL_SERVE, "split_brain", "several_serve",                                               \
      "split-brain: the service runs at more than one site",                                       \
      "each site changes its own data, and the changes of one of them will be lost",               \
      "at once, stop the service by hand at the site whose changes you give up",                   \
      "")                                                                                          \
    X(NEEDS_PERSON, "manual_action_required", "needs_person",                                      \
      "no automatic failover: the lease of the primary does not expire automatically",             \
      "no other site becomes primary until the stop is confirmed",                                 \
      "wait for the site to return; or power it off, then:\n"                                      \
      "breakwater confirm-fenced GROUP --site SITE",                                                \
      "a fence from another site that has seen the stop ends it, too")                             \
    X(NO_FAILOVER, "no_eligible_standby", "no_failover",                                           \
      "no standby is eligible for automatic failover",                                             \
      "if the primary fails, the group stays down",                                                \
      "see what blocks each standby:\n"                                                            \
      "breakwater explain GROUP",                                                                  \
      "")                                                                                          \
    X(MAINTENANCE_ENDS, "maintenance_expiring", "maintenance_ends",                                \
      "a maintenance ends within 10 minutes",                                                      \
      "then breakwater moves and starts the group automatically again",                            \
      "to extend it:\n"                                                                            \
      "breakwater maintenance GROUP --for DURATION",                                               \
      "")                                                                                          \
    X(WITNESS_LOST, "witness_lost", "witness_lost",                                                \
      "the leader cannot reach the witness",                                                       \
      "the cluster tolerates one lost witness less",                                               \
      "on WITNESS:\n"                                                                              \
      "systemctl start breakwater-witness\n"                                                       \
      "If the witness is lost for good:\n"                                                         \
      "breakwater members replace WITNESS NEW",                                                    \
      "")                                                                                          \
    X(DISK_LOW, "disk_low", "disk_low",                                                            \
      "the disk is full, or a snapshot of the Raft log failed for 30 s",                           \
      "if a majority of witnesses has no room, no lease is renewed",                               \
      "on WITNESS, see the cause, and free space outside of data_dir; the witness then goes on by " \
      "itself:\n"                                                                                  \
      "journalctl -u breakwater-witness",                                                          \
      "")                                                                                          \
    X(DECISIONS_LOST, "decisions_lost", "decisions_lost",                                          \
      "the leader has lost a committed decision, which a witness or a site still has",             \
      "the decision is lost if WITNESS is replaced; if a site reports it later, no site becomes "   \
      "primary",                                                                                   \
      "leave WITNESS as it is. To keep the decision, choose a time for an outage of all "          \
      "groups; then stop the other witnesses, and on WITNESS:\n"                                   \
      "breakwater recover -c FILE\n"                                                               \
      "Start WITNESS, and re-create the others as recover prints. Only to give the decision up:\n" \
      "breakwater members replace WITNESS NEW",                                                    \
      "")                                                                                          \
    X(PEOPLE_NOT_APPLIED, "people_not_applied", "people_not_applied",                              \
      "the list of operators (people:) is in this witness's file, and not applied",                \
      "each witness uses its own file, so the rights of a person may differ",                      \
      "apply one list for all witnesses:\n"                                                        \
      "breakwater people >people.yaml\n"                                                           \
      "breakwater apply -f people.yaml",                                                           \
      "")
enum bw_trouble {
#define X(name, ...) BW_TROUBLE_##name,
    BW_TROUBLE_LIST(X)
#undef X
        BW_TROUBLE_COUNT
};
struct bw_trouble_text {
    const char *word;
    const char *old_word; /* the same where the word has not changed */
    const char *what;
    const char *effect;
    const char *fix;
    const char *remark; /* "": none */
    const char *meaning; /* what happened, effect and fix in one text */
};
/* The row of the list. */
const struct bw_trouble_text *bw_trouble_text(enum bw_trouble trouble);
const char *bw_trouble_word(enum bw_trouble trouble);
/* Reads the word or the old one. False: there is no such word. */
bool bw_trouble_parse(const char *word, enum bw_trouble *out_trouble);

#define BW_CERTIFICATE_ENDS_S  (BW_CERTIFICATE_ENDS_DAYS * 86400)
#define BW_MAINTENANCE_ENDS_MS (10 * 60 * 1000)
#define BW_RESTARTS_SHOWN_NS   (3600 * BW_NS_PER_S)

/* ---- what is so ---- */

/* Of a group (subject "") and its sites, or of the cluster and its witnesses, at one moment: bits
 * of enum bw_trouble. */
#define BW_TROUBLE_SUBJECTS_MAX (BW_SITES_MAX + 1)
struct bw_troubles {
    const char *of; /* name of the group; "": the cluster */
    uint32_t count;
    struct {
        const char *subject; /* borrowed */
        uint64_t bits;
        uint32_t
            rogue_starts;  /* so often, by the site's own word; one more begins the alarm anew */
        uint32_t restarts; /* the same of local_restarts */
    } list[BW_TROUBLE_SUBJECTS_MAX];
};
/* What the shell knows beside the state. */
struct bw_trouble_facts {
    bool may_fail_over;           /* somebody would follow if the holder fell silent */
    bool may_follow_fence;        /* likewise, once another site's fence has seen the end */
    uint32_t lacking;             /* bits by site: its agent speaks and has no such group */
    uint32_t maintenance_left_ms; /* of the group, or of the site that has least left; 0: none */
};
void bw_troubles_of_group(const struct bw_group *group, const struct bw_watch *watch,
                          const struct bw_leadership *leadership,
                          const struct bw_trouble_facts *facts, struct bw_instant now,
                          struct bw_troubles *out_troubles);

/* ---- the book ---- */

/* One alarm of one subject, on or over. */
struct bw_trouble_entry {
    char subject[BW_NAME_MAX + 1]; /* "": the group itself */
    enum bw_trouble trouble;
    bool is_used;
    bool is_on;
    uint32_t count;          /* how often it has begun since this witness began, or forgot it */
    uint32_t times; /* of rogue_start and local_restarts: what their site had counted then */
    struct bw_instant since; /* the newest time: of its beginning, or of its end */
    int64_t since_unix_ms;   /* of its beginning, for people */
    int64_t ended_unix_ms;   /* 0: it is on */
    char acked_by[BW_REASON_MAX + 1]; /* "": nobody has; a new beginning takes it away */
    char acked_text[BW_REASON_MAX + 1];
    struct bw_instant begun; /* the newest time */
    struct {                 /* what people were told of it by this witness; trouble_notify.c */
        uint64_t term;       /* as leader of that one; 0: nothing */
        bool is_on;          /* that it is so */
        uint32_t count;      /* as of then */
        bool has_at;
        struct bw_instant at;
    } notified;
    uint32_t next; /* of the same chain: its number, counted from 1; 0: none */
};
/* Over for so long it is forgotten; sooner where there is no room. */
#define BW_TROUBLE_KEPT_NS (24 * 3600 * BW_NS_PER_S)
#define BW_TROUBLES_MAX    4096
#define BW_TROUBLE_CHAINS  (BW_GROUPS_MAX + 1) /* of groups, and the cluster's */
#define BW_TROUBLE_CLUSTER BW_GROUPS_MAX
/* All zero it is empty, and only what is in use of it is ever touched: of calloc it takes 4 MiB of
 * address space, and as much memory as there were alarms. */
struct bw_trouble_book {
    struct {
        char of[BW_NAME_MAX + 1];
        uint32_t first;    /* as `next` */
        uint32_t left_out; /* alarms for which there was no room when it was looked at last */
    } chains[BW_TROUBLE_CHAINS];
    struct bw_trouble_entry entries[BW_TROUBLES_MAX];
    uint32_t used; /* of them; full, what weighs less is given up for what weighs more (trouble.c) */
    struct {          /* until when others told of them; trouble_notify.c */
        uint64_t term;            /* newest in which this witness led */
        struct bw_instant before; /* newest time before that at which it knew a leader */
        struct bw_instant newest; /* at which it knows one; zero: it never has */
    } led;
};
_Static_assert(sizeof(struct bw_trouble_book) <= 4 << 20, "what is said above");
/* What is so at `index` now: begins and ends. Of another group than was there before all is
 * forgotten. */
void bw_trouble_book_note(struct bw_trouble_book *book, uint32_t index,
                          const struct bw_troubles *troubles, struct bw_instant now,
                          int64_t unix_ms);
/* The first of a chain, and the one after; NULL: none. What a group of another name has left at its index is not of the
 * one that is there now. */
const struct bw_trouble_entry *bw_trouble_book_first(const struct bw_trouble_book *book,
                                                     uint32_t index, const char *of);
const struct bw_trouble_entry *bw_trouble_book_next(const struct bw_trouble_book *book,
                                                    const struct bw_trouble_entry *entry);
/* Alarms that are on and not in the book, for want of room. */
uint32_t bw_trouble_book_left_out(const struct bw_trouble_book *book);
/* The one that is on; NULL: it is not. */
struct bw_trouble_entry *bw_trouble_book_find(struct bw_trouble_book *book, uint32_t index,
                                              const char *subject, enum bw_trouble trouble);

/* ---- who is told ---- */

/* What begins or ends for less is not told, unless it has begun so often since it was told last. */
#define BW_TROUBLE_SETTLED_NS    (5 * BW_NS_PER_S)
#define BW_TROUBLE_FLAPS         3
#define BW_TROUBLE_NOTIFY_GAP_NS (60 * BW_NS_PER_S) /* between two words about the same one */
#define BW_TROUBLE_HANDOVER_NS   (70 * BW_NS_PER_S)
_Static_assert(BW_TROUBLE_HANDOVER_NS >= BW_TROUBLE_NOTIFY_GAP_NS + 2 * BW_TROUBLE_SETTLED_NS,
               "what has waited for its minute, and has settled, was told");
/* Before each look: whether this witness knows a leader, itself or another. */
void bw_trouble_book_led(struct bw_trouble_book *book, const struct bw_leadership *leadership,
                         bool is_led, struct bw_instant now);
/* The next of a chain of which whoever leads has to tell that it began, or that it is over (is_on
 * says which); NULL: none, or this witness does not lead. What was so BW_TROUBLE_HANDOVER_NS before
 * the newest time at which it knew the leader before it counts as told by that one, unless each
 * witness sees it in its own way and it is on; what came later may be told by both. */
struct bw_trouble_entry *bw_trouble_book_due(struct bw_trouble_book *book, uint32_t index,
                                             const struct bw_leadership *leadership,
                                             struct bw_instant now);
/* It was told, as it is. */
void bw_trouble_note_notified(struct bw_trouble_entry *entry,
                              const struct bw_leadership *leadership, struct bw_instant now);

#endif
