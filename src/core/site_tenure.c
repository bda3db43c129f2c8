/* How a site's relation to the newest epoch that it accepted changes: a table. Nothing sets it elsewhere. */
#include "site_internal.h"

#include <breakwater/base/assert.h>
#include <breakwater/base/words.h>

#define BIT(name) (1u << BW_TENURE_##name)
/* Before a stop or a fence has begun. */
#define HOLDING (BIT(WAITING) | BIT(STARTING) | BIT(SERVING))
/* What may be seen to have ended: by a stop, by a fence, or by an agent before us. */
#define ENDABLE (BIT(WAITING) | BIT(STOPPING) | BIT(FENCING) | BIT(ENDING) | BIT(STUCK))
#define OPEN    (BIT(ACCEPTING) | HOLDING | ENDABLE)

/* clang-format off */
/* A pair without a row is a bug.
 *    from             event         to                                                               */
#define TENURE_MOVES(X)                                                                           \
    X(BIT(NONE),       FOUND,        WAITING)   /* 3.7: of this boot, it is renewed first */      \
    X(BIT(NONE),       REBOOTED,     STOPPING)  /* 3.7: of another, it is given back */           \
    X(BIT(NONE),       ACCEPTED,     ACCEPTING)                                                   \
    X(BIT(ACCEPTING),  KEPT,         WAITING)   /* 3.4, start order: fsynced, then armed */       \
    X(BIT(WAITING),    LEASED,       STARTING)  /* 3.4: its first renewal is confirmed */         \
    X(BIT(STARTING),   SERVES,       SERVING)                                                     \
    X(BIT(SERVING),    RESTARTS,     STARTING)  /* 4: by itself, before it goes elsewhere */      \
    X(HOLDING,         STOP,         STOPPING)  /* 3.5: no more start of it */                    \
    X(BIT(ENDING),     NOT_STOPPED,  STOPPING)  /* 3.4, ended: the guard knows of something */    \
    X(OPEN,            FENCE_BEGUN,  FENCING)   /* 3.4: from here it is renewed no more */        \
    X(OPEN,            FENCE_FAILED, STUCK)     /* 3.3: only a fence that sees the end ends it */ \
    X(ENDABLE,         ENDED,        ENDING)    /* 3.5: seen; the guard has to say so too */      \
    X(OPEN,            GIVEN_BACK,   NONE)                                                        \
    X(OPEN | BIT(NONE), LET_GO,      NONE)      /* 3.1: whatever it was */
/* clang-format on */

static const struct {
    unsigned from;
    enum bw_tenure_event event;
    enum bw_tenure to;
} moves[] = {
#define X(from, event, to) {from, BW_TENURE_EVENT_##event, BW_TENURE_##to},
    TENURE_MOVES(X)
#undef X
};

_Static_assert(BW_TENURE_NONE == 0, "a site that begins holds nothing");

void bw_site_tenure_move(struct bw_site *site, enum bw_tenure_event event)
{
    const size_t count = sizeof moves / sizeof moves[0];
    size_t found = count;

    for (size_t i = 0; i < count; i++) {
        if ((moves[i].from & (1u << site->tenure)) == 0 || moves[i].event != event)
            continue;
        BW_ASSERT(found == count);
        found = i;
    }
    BW_ASSERT(found < count);
    site->tenure = moves[found].to;
}

/* 3.5, 3.7: no more start of this epoch; what runs is stopped, then the epoch is given back. */
void bw_site_begin_stop(const struct step *step, enum bw_reason reason, const char *rule)
{
    struct bw_site *site = step->site;

    switch (site->tenure) {
    case BW_TENURE_WAITING:
    case BW_TENURE_STARTING:
    case BW_TENURE_SERVING:
        break;
    case BW_TENURE_NONE:
    case BW_TENURE_ACCEPTING:
    case BW_TENURE_STOPPING: /* a stop that has begun is finished */
    case BW_TENURE_FENCING:
    case BW_TENURE_ENDING:
    case BW_TENURE_STUCK:
        return;
    }
    bw_site_tenure_move(site, BW_TENURE_EVENT_STOP);
    site->ending_reason = reason;
    site->stop_succeeded = false;
    bw_site_emit(step, BW_SITE_ACTION_TRACE, rule)->epoch = site->memory.epoch;
}

/* 3.2, 3.4: an epoch that is not durable yet, is being fenced, has been stopped or given back, is
 * neither renewed nor armed. */
bool bw_site_tenure_renews(const struct bw_site *site)
{
    switch (site->tenure) {
    case BW_TENURE_WAITING:
        if (site->running == BW_ACTION_FENCE) /* of a rogue: first it has to be gone (3.8) */
            return false;
        return bw_site_epoch_is_open(site) && !site->over && !site->fence_begun;
    case BW_TENURE_STARTING:
    case BW_TENURE_SERVING:
    case BW_TENURE_STOPPING: /* a planned stop: renewals go on (3.6); not one after a fence (3.4) */
        return bw_site_epoch_is_open(site) && !site->over && !site->fence_begun;
    case BW_TENURE_NONE:
    case BW_TENURE_ACCEPTING:
    case BW_TENURE_FENCING:
    case BW_TENURE_ENDING:
    case BW_TENURE_STUCK:
        break;
    }
    return false;
}

BW_NAMES(bw_tenure_word, enum bw_tenure, BW_TENURE_LIST, "?")
