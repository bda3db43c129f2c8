/* hello.h - the first words on a connection between two witnesses, in both directions, before any
 * message of Raft: which cluster, who, and which data directory. Design 3.9. Pure.
 *
 * magic 8 | word 8 | cluster id 16 | incarnation 16 | expected 16 | from 8 | to 8 | feature level
 * 8; little endian. In REMOVED the place of `expected` has generation 8 | highest id 8, in
 * CERTIFICATE seconds 8 | 0, in COMMITTED index 8 | term 8, in RELEASE that of `incarnation` and `expected` has the text, in TERM number 8 | asked 8 |
 * term 8 | 0. */
#ifndef BW_CONSENSUS_HELLO_H
#define BW_CONSENSUS_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/name.h>
#include <breakwater/consensus/roll.h>
#include <breakwater/consensus/vote_store.h>
#include <breakwater/core/question.h>

#define BW_HELLO_BYTES 88
/* How people are told of OTHER_CLUSTER; `status` and `check` know it by that. */
#define BW_HELLO_FOREIGN "it belongs to cluster"

enum bw_hello_word {
    BW_HELLO_JOIN = 1, /* who dials: Raft's messages follow */
    BW_HELLO_ASK,      /* who dials: would a new directory of this id be taken? */
    BW_HELLO_WELCOME,  /* the answer; or why not */
    BW_HELLO_OTHER_CLUSTER,
    BW_HELLO_OTHER_ID,          /* the two do not agree on who is who */
    BW_HELLO_OTHER_INCARNATION, /* the roster names another directory for this id */
    BW_HELLO_REMOVED,           /* who dialed was removed: the answer, or said later, when it is */
    BW_HELLO_RELEASE,           /* after a WELCOME: the release of who was dialed */
    BW_HELLO_CERTIFICATE, /* after a WELCOME, and with each new one: how long its certificate holds
                           */
    BW_HELLO_COMMITTED, /* after a WELCOME: what it knows to be decided (L33); to who knows BW_COMMITTED_LEVEL */
    BW_HELLO_TERM, /* after a WELCOME, at any time: a question or its answer (3.2.2); to who knows BW_QUESTION_LEVEL */
};

#define BW_HELLO_LEVEL         2 /* only who knows this feature level is told of what follows WELCOME */
#define BW_HELLO_RELEASE_BYTES 32 /* with at least one NUL */
#define BW_HELLO_CERTIFICATE_S_MAX                                                                 \
    (UINT64_C(10000) * 366 * 86400) /* X.509 ends with the year 9999 */

struct bw_hello {
    enum bw_hello_word word;
    struct bw_id cluster_id; /* none: only who asks before it founds a cluster */
    struct bw_id incarnation;
    struct bw_id expected; /* of `to`, by the roster; none: there is no roster */
    uint64_t from, to; /* ids, as the one who speaks knows them */
    uint64_t feature_level; /* the newest that it knows (5.3) */
    uint64_t generation, id_max; /* REMOVED: core/members.h */
    char release[BW_HELLO_RELEASE_BYTES]; /* RELEASE */
    uint64_t certificate_left_s;          /* CERTIFICATE; 0: it has ended */
    struct bw_commit_mark committed;      /* COMMITTED */
    struct bw_term_word term;             /* TERM */
};

void bw_hello_encode(const struct bw_hello *hello, uint8_t out_bytes[BW_HELLO_BYTES]);
/* False: not what bw_hello_encode makes. */
bool bw_hello_decode(const uint8_t bytes[BW_HELLO_BYTES], struct bw_hello *out_hello);

/* What `self` answers to `theirs`, which came from the member `peer` by its certificate (0: from a witness of this
 * cluster that is no member known here). WELCOME: to a JOIN, it was met (bw_roll_meet); else `diag` says why. */
enum bw_hello_word bw_hello_judge(const struct bw_hello *self, struct bw_roll *roll, uint64_t peer,
                                  const struct bw_hello *theirs, struct bw_diag *diag);
/* The one who dialed `peer` judges the answer. BW_OK: it is welcome, and has met the other. */
BW_MUST_CHECK enum bw_err bw_hello_take_answer(const struct bw_hello *self, struct bw_roll *roll,
                                               uint64_t peer, const struct bw_hello *answer,
                                               struct bw_diag *diag);

/* What `peer`, which was dialed, says at any time: that this witness was removed, and it is believed (3.9). */
bool bw_hello_is_removal(uint64_t peer, const struct bw_hello *hello,
                         const struct bw_members_hearer *hearer);

#endif
