/* trouble.h - what needs somebody's attention: the one list from which the alarms of status, the
 * metric and the manual come, and the book in which each witness keeps since when it sees one, how
 * often it came, when it ended and who has seen it. A fact begins an alarm, and its end ends it. No
 * decision rests on any of it. Design 5.2. Pure. */
#ifndef BW_CORE_TROUBLE_H
#define BW_CORE_TROUBLE_H

#include <breakwater/core/arbiter.h>

/* X(NAME, "word", "what it means, and what to do"). The first are those that sites report
 * (report.h), in their order; deploy/man/reference writes the manual from this. */
#define BW_TROUBLE_LIST(X)                                                                         \
    X(ROGUE_START, "rogue_start",                                                                  \
      "a unit, an orchestrator or a person started the service without a lease, and it was "       \
      "fenced; find out who, and end that. One more makes it loud again. It ends with the site's next epoch, or with a " \
      "new start of its agent")                                                                    \
    X(FENCE_FAILED, "fence_failed",                                                                \
      "a fence has not seen the end of the service: the group is held; make it stop there, and "   \
      "the next fence that sees the end clears it, or force-release")                              \
    X(GUARD_LOST, "guard_lost",                                                                    \
      "the guard is away, or has not ended a look by its limit: until it is back the site is "     \
      "granted nothing, renews nothing that its guard does not arm, and is not asked to stop "     \
      "the service for a planned move: systemctl status breakwater-guard")                         \
    X(FENCE_TOO_SLOW, "fence_too_slow",                                                            \
      "a fence was measured to take longer than the fence_timeout of the group: the site is no "   \
      "candidate until one fits, or the limit does; at a site that holds nothing it is forgotten " \
      "after a minute, when the next one takes too long after two, and so on up to about an hour") \
    X(STATUS_UNKNOWN, "status_unknown",                                                            \
      "the status_script says unknown, prints none of its four words, or fails; run it by hand: " \
      "it says why. Until it says another word nothing is done about a service that is down. To "  \
      "move the group away from such a holder: breakwater switchover GROUP --to SITE")             \
    X(CONDITION_FAILED, "condition_failed",                                                        \
      "the condition_check_script fails, which is no yes for a move that happens by itself: run "  \
      "it "                                                                                        \
      "by hand")                                                                                   \
    X(STATE_NOT_DURABLE, "state_not_durable",                                                      \
      "the state directory of agent or guard cannot be written, or the guard's enforcer cannot be " \
      "told of all that the group runs: nothing that rests on it is renewed or begun; the log of the one that " \
      "cannot says why: state.unsaved, mirror.unsaved, enforcer.means_full, enforcer.paths_full")  \
    X(START_FAILED, "start_failed",                                                                \
      "the start script failed, ran into its limit, or its service was not seen to start: status " \
      "has the last line that it printed, the guard's log all of it. It ends with the site's "     \
      "next epoch, or with a new start of its agent")                                              \
    X(STOP_FAILED, "stop_failed",                                                                  \
      "the stop script failed, ran into its limit, or the end of the service was not seen; it "    \
      "ends with a stop that is")                                                                  \
    X(REJOIN_FAILED, "rejoin_failed",                                                              \
      "the rejoin script failed: the site is no candidate; it ends with a rejoin that ends well, or " \
      "when the site file has no such script any more")  \
    X(OUTSIDE_REACH, "outside_reach",                                                              \
      "the service runs where its guard can end nothing, and no second enforcer is counted on: "   \
      "time alone hands it over to nobody; the "                                                   \
      "guard's log says what to write as enforce instead")                                         \
    X(REACH_UNSEEN, "reach_unseen",                                                                \
      "the service runs, and its guard has not seen it where it can end it: a script has been "    \
      "changed since it was started, or its processes cannot be listed. Time alone hands it over " \
      "to nobody. Take the change back, or let the new scripts start it once: a switchover there " \
      "and back does. Where the epoch that is open was seen inside before, time alone still hands it " \
      "over: a line of status then, and no alarm")                                                 \
    X(OVERRIDE, "override",                                                                        \
      "an operator gave the site a manual lease, or that is being ended: see override. It stays "  \
      "on while the site is not connected: no other site becomes primary until the site reports "  \
      "the end, or, if its machine is off, force-release --site SITE")                             \
    X(LOCAL_RESTARTS, "local_restarts",                                                            \
      "the service had ended at the site that serves, and was started again there: why it ended "  \
      "its own log says, and history how often. It ends an hour after the last time, or with the " \
      "epoch; ack says that you have seen it")                                                     \
    X(NOT_CONNECTED, "not_connected",                                                              \
      "this witness has no fresh report of the site: its machine, its agent or the way to it is "  \
      "lost")                                                                                      \
    X(GROUP_UNKNOWN, "group_unknown",                                                              \
      "the site's agent is connected, and its site file has no such group: name it there, and "    \
      "reload agent and guard")                                                                    \
    X(SEVERAL_AGENTS, "several_agents",                                                            \
      "more than one agent speaks for the site, which is no candidate until one is stopped")       \
    X(RELAYED, "relayed",                                                                          \
      "the site reaches the witness that leads through another one alone: mend the way between "   \
      "them")                                                                                      \
    X(ONE_WITNESS, "one_witness",                                                                  \
      "of the witnesses that answer one alone hears the site: when that one is lost, so is the "   \
      "site. In status alone, which asks them all")                                                \
    X(CLOCK_RATE, "clock_rate",                                                                    \
      "its clocks run faster or slower against those of the witness that answers than "            \
      "max_clock_drift_ppm allows")                                                                \
    X(CERTIFICATE_ENDS, "certificate_ends",                                                        \
      "the certificate of the site's agent, or of the witness, or that of the CA that vouches for it, ends within " \
      "30 days: pki renew, with another CA if that ends; or its file " \
      "was replaced by one that the next start would refuse (78), which counts as ended: check the daemon's " \
      "configuration file there")    \
    X(NOT_SERVING, "not_serving", "the site holds the group, and its service is not started")      \
    X(UNHEALTHY, "unhealthy",                                                                      \
      "the site holds the group and cannot show that it serves: its status_script says unknown or " \
      "unhealthy, or fails, failure_threshold times, or its condition script says stop where it "  \
      "speaks for its health. Status says why, and since when. After unhealthy_after the group "   \
      "moves by itself, if its mode, a target and the proof of the reach let it. Else: breakwater " \
      "switchover GROUP --to SITE, whose plan says what may happen there")              \
    X(SECOND_ENFORCER_LOST, "second_enforcer_lost",                                                \
      "a second enforcer has asked the agent of the site that holds the group, and it is not "     \
      "counted on: status says why, and what to do. Where the service outlives the guard's "       \
      "machine, that site lost now is handed over by a fence from another site, or a person")      \
    X(REACH_UNPROVED, "reach_unproved",                                                            \
      "no kill by the guard alone was ever seen to stop this service, so a lost primary is "       \
      "not failed over automatically: an operator has to confirm that it is off. Prove it, which " \
      "is one restart: breakwater prove GROUP at that site; before the service runs: "             \
      "breakwater-chaos scripts. ack says that you know")                                          \
    X(NOT_LET_GO, "not_let_go",                                                                    \
      "the site has not let go of the service yet, or is not heard to have: start nothing by hand "  \
      "anywhere until it has")                                                                     \
    X(NO_ACTIVE_SITE, "no_active_site", "no site may serve: explain says what it waits for")       \
    X(SEVERAL_SERVE, "several_serve",                                                              \
      "more than one site says that the service runs there, and what both write drifts apart: "    \
      "stop it at once where the data may be lost")                                                \
    X(NEEDS_PERSON, "needs_person",                                                                \
      "time alone does not end the epoch: its site has to give it back, a fence from another "     \
      "site "                                                                                      \
      "has to see the end, or a person says that the site is off, by force-release")               \
    X(NO_FAILOVER, "no_failover",                                                                  \
      "no other site could take over by itself: explain says what each of them lacks")             \
    X(MAINTENANCE_ENDS, "maintenance_ends",                                                        \
      "a maintenance ends within ten minutes; longer: maintenance with a new --for")               \
    X(WITNESS_LOST, "witness_lost",                                                                \
      "the witness that leads does not hear this one. Of one that was added and has no vote yet, " \
      "members remove gives it up: members replace is refused as long as it joins")                \
    X(DISK_LOW, "disk_low",                                                                        \
      "the disk of the witness has no room for the log, or has taken no snapshot, since half a "   \
      "minute: which, and why, its log says. Where a majority has no room for the log nothing is " \
      "decided, and no lease renewed. Make room outside of its data_dir: one that lacked it for "  \
      "the log then ends by itself, to be started again. Each witness says it of itself, and "     \
      "status asks them all")                                                                      \
    X(DECISIONS_LOST, "decisions_lost",                                                            \
      "the witness has an entry that was decided, or the site names one, and the leader lacks it: " \
      "another witness has lost part of its log, as one does whose directory is restored from an " \
      "earlier moment. recover on the witness that has it keeps what was decided; members replace " \
      "gives it up. If a site names it, no site becomes primary before a recovery, or, if the "   \
      "report is false, force-release --site SITE")                                \
    X(PEOPLE_NOT_APPLIED, "people_not_applied",                                                    \
      "the witness has a list people in its file, and no list is applied: each witness judges by " \
      "its own file, and they may differ. Apply one list for all, which ends it: breakwater "      \
      "people prints the file's, breakwater apply -f FILE commits it. Each witness says it of "    \
      "itself, and status asks them all")
enum bw_trouble {
#define X(name, word, meaning) BW_TROUBLE_##name,
    BW_TROUBLE_LIST(X)
#undef X
        BW_TROUBLE_COUNT
};
const char *bw_trouble_word(enum bw_trouble trouble);
const char *bw_trouble_meaning(enum bw_trouble trouble);
/* False: there is no such word. */
bool bw_trouble_parse(const char *word, enum bw_trouble *out_trouble);

#define BW_CERTIFICATE_ENDS_S  (30 * 86400)
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
