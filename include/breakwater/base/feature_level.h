/* feature_level.h - what this program knows of what is replicated, and of what witnesses, agents and
 * guards say to each other (design 5.3). A type, field or state of level L is written only once the
 * replicated state is at L. Pure. */
#ifndef BW_BASE_FEATURE_LEVEL_H
#define BW_BASE_FEATURE_LEVEL_H

/* Level 1 is 0.2.0. Level 2: members change, a person overrides at a site, the record is kept,
 * a requested move outlives its leader, a second enforcer counts, a point of no return does. Level 3: a holder that
 * cannot show that it serves is moved, time ends only what is proved to end by itself, an override is a manual lease,
 * and committed once it is reported, witnesses tell each other what they know to be decided, sites tell them, who may
 * do what is in the log, a leader asks the others for their terms, a Note says how long nobody served at least. */
#define BW_FEATURE_LEVEL_NEWEST 3
#define BW_OVERRIDE_LEVEL       2 /* from which on all know what one is (3.8) */
#define BW_MANUAL_LEVEL         3 /* from which on a guard arms a manual lease (3.8) */
#define BW_RECORD_LEVEL         2 /* from which on the record is kept (3.1) */
#define BW_WISH_LEVEL           2 /* from which on a requested move is replicated (4) */
#define BW_SECOND_LEVEL         2 /* from which on a second enforcer is committed as seen (3.4) */
#define BW_PASS_LEVEL           2 /* from which on a point of no return is committed as passed (4) */
#define BW_UNHEALTHY_LEVEL      3 /* from which on a spec may have `unhealthy_after` (4) */
#define BW_PROOF_LEVEL          3 /* from which on time ends only what is proved to end by itself (3.3) */
#define BW_CLAIM_LEVEL          3 /* from which on a claim is committed (3.8) */
#define BW_AHEAD_LEVEL          3 /* from which on a site keeps and reports the newest index and epoch of its orders (3.9) */
#define BW_COMMITTED_LEVEL      3 /* from which on witnesses tell what they know to be decided (3.9, L33) */
#define BW_QUESTION_LEVEL       3 /* from which on witnesses ask each other for their terms (3.2.2) */
#define BW_PEOPLE_LEVEL         3 /* from which on the list of who may do what is committed (5.3) */
#define BW_LEAST_LEVEL          3 /* from which on a Note says how long nobody served at least (3.1) */

#endif
