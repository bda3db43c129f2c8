/* foretell.h - what happens next in a group if nobody says anything new: the arbiter itself, on a
 * state in which only time goes on. No screen counts a wait or ranks sites in another way.
 * Design 4. Pure. */
#ifndef BW_CORE_FORETELL_H
#define BW_CORE_FORETELL_H

#include <breakwater/core/arbiter.h>

struct bw_foretold {
    bool acts;         /* false: time alone brings no decision. Somebody has to say something new */
    uint64_t after_ns; /* acts: from now; 0: at once. By the slower of the two clocks */
    struct bw_command command; /* acts: what is proposed then, as bw_arbiter_decide completes it */
    const char *rule;          /* acts: id of the step that decides; else "A0" */
};

/* Room for the edited state, some 100 kB: the caller's, overwritten, of no use to him. */
struct bw_foretelling {
    struct bw_group group;
    struct bw_watch watch;
    struct bw_decision decision;
};

/* Reports that are fresh go on to come, and to say the same, the holder's renewals among them; who
 * is silent stays silent, and nobody asks for anything. A proposal that is on its way counts as not
 * made: it, too, is what happens next. Of a witness that does not lead, and of a group in mode
 * observe, nothing is foretold. */
void bw_foretell(const struct bw_group *group, const struct bw_watch *watch,
                 const struct bw_leadership *leadership, struct bw_instant now,
                 struct bw_foretelling *room, struct bw_foretold *out_foretold);
/* The same with the holder's site silent, nothing that it has said fresh any more, and on to the
 * next Grant: who would follow, and after how long. `acts` is false where nobody would without a
 * person's word. Of a group that is vacant: its next Grant. */
void bw_foretell_loss(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now,
                      struct bw_foretelling *room, struct bw_foretold *out_foretold);
/* Likewise, with an end that another site's fence sees as soon as it may be asked for one (3.3). `acts`
 * is false also where nobody can be asked: time alone ends the epoch, or no other site has the script. */
void bw_foretell_fenced(const struct bw_group *group, const struct bw_watch *watch,
                        const struct bw_leadership *leadership, struct bw_instant now,
                        struct bw_foretelling *room, struct bw_foretold *out_foretold);

/* What comes of `wish` if it is noted now, up to the next Grant: each decision, and after how long.
 */
#define BW_FORETOLD_MAX                                                                            \
    (BW_SITES_MAX + 4) /* a Close, an end, a maintenance that is over for each site */
struct bw_foretold_course {
    struct bw_foretold decisions[BW_FORETOLD_MAX];
    uint32_t count; /* the last is the Grant, or time alone brings none */
};
void bw_foretell_wish(const struct bw_group *group, const struct bw_watch *watch,
                      const struct bw_leadership *leadership, struct bw_instant now,
                      const struct bw_wish *wish, struct bw_foretelling *room,
                      struct bw_foretold_course *out_course);
/* The Grant that a course ends with, or NULL. */
const struct bw_command *bw_foretold_grant(const struct bw_foretold_course *course);

/* What a person is shown before anything is asked for. */
struct bw_wish_plan {
    struct bw_decision decision; /* what would be decided next */
    struct bw_foretold_course
        course; /* what would come of it; of a wish that is refused: nothing */
};

/* BW_ERR_REFUSED: a failover that nobody, or not the site that it names, would be granted by. Says
 * the gate that holds, the flag that would pass it where one does, and who follows without it. A
 * leader that has not had the time to hear its sites refuses none. `wish` is one that
 * bw_witness_ask takes. */
BW_MUST_CHECK enum bw_err bw_foretell_judge_wish(const struct bw_group *group,
                                                 const struct bw_watch *watch,
                                                 const struct bw_leadership *leadership,
                                                 struct bw_instant now, const struct bw_wish *wish,
                                                 struct bw_foretelling *room, struct bw_diag *diag);

/* It comes by itself, at the latest a minute after the rest of a lease: a pause after a failed start is a failover that
 * takes longer, a maintenance of two hours is none. */
bool bw_foretold_is_soon(const struct bw_group *group, const struct bw_foretold *foretold);

/* The command by which a person changes what is foretold: of a group that nobody serves, and nobody
 * will soon by time alone. It ends the open epoch where only a person does (bw_end_way), or is the
 * failover that waives least and comes true. False: none does, or none is needed. Cut to `size`,
 * ended by NUL.
 */
bool bw_foretell_way(const struct bw_group *group, const struct bw_watch *watch,
                     const struct bw_leadership *leadership, struct bw_instant now,
                     struct bw_foretelling *room, char *out_text, size_t size);

/* In words, for every screen: "Grant to dc-b in 11.700 s (A9), if nobody says anything new". Cut to
 * `size`, ended by NUL. */
void bw_foretold_text(const struct bw_foretold *foretold, const struct bw_group *group, bool is_requested,
                      char *out_text, size_t size);

#endif
