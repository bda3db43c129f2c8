/* limits.h - every bound of the program in one place. What a peer sends sizes nothing until it was
 * checked against one of these; each is an error that names the limit (design 5.3). */
#ifndef BW_BASE_LIMITS_H
#define BW_BASE_LIMITS_H

#include <stdint.h>

#define BW_NAME_MAX 63           /* bytes of a cluster, group, site, witness or agent name */
#define BW_ADDRESS_MAX 255       /* bytes of HOST:PORT */
#define BW_REASON_MAX 159        /* bytes of a reason or operator name given by a person */
#define BW_WHY_MAX      255        /* bytes of what is on record of why nobody else was granted */
#define BW_POSITION_MAX 63       /* bytes of a replication position */
#define BW_ID_BYTES 16           /* instance, session and cluster ids: random 128 bits */

#define BW_GROUPS_MAX 1024
/* Of one site's file. Granted at one instant, its groups are written down by the agent one after the
 * other: with many, or a slow disk, the first leases end before the last start has begun
 * (tests/bench/scale.py shows it). What is served once is kept with more. */
#define BW_SITE_GROUPS_MAX 256
#define BW_SITES_MAX 8           /* sites of one group */
#define BW_UNITS_MAX 16          /* systemd units that one group names */
#define BW_STEPS_MAX        32          /* steps of one list: of a start, or of a stop */
#define BW_STEP_RETRIES_MAX 100         /* of one step */
#define BW_HISTORY_MAX     32 /* epochs of one group that decisions rest on (damping, back-off) */
#define BW_CLAIMS_MAX      8  /* claims of one group; with more of them no site of it is granted */
#define BW_WITNESSES_MAX 7       /* founding members; 3 and 5 are the useful numbers */
#define BW_WITNESSES_ASKED_MAX (2 * BW_WITNESSES_MAX) /* those of a roster, and of a file that has none of them */
#define BW_BOOTS_MAX 4           /* boots kept for one epoch from which it was renewed; with more of
                                    them the epoch's end waits for all */
#define BW_AGENTS_PER_SITE_MAX 4 /* instances of one site whose reports are kept side by side */

#define BW_BODY_BYTES_MAX (256 * 1024)          /* HTTP request body */
#define BW_COMMAND_BYTES_MAX (64 * 1024)        /* one log command */
#define BW_PEOPLE_BYTES_MAX             16383        /* the list of who may do what */
#define BW_SNAPSHOT_CLAIMS_BYTES_MAX    1280         /* of it: the claims of one group; level 3 */
#define BW_SNAPSHOT_GROUP_BYTES_MAX     15936        /* of it: the rest of one group's state */
#define BW_SNAPSHOT_RECORD_BYTES_MAX    (16 * 1024 * 1024) /* of it: all but the claims */
#define BW_SNAPSHOT_BYTES_MAX (BW_SNAPSHOT_RECORD_BYTES_MAX + (BW_GROUPS_MAX + 2) * BW_SNAPSHOT_CLAIMS_BYTES_MAX)
#define BW_SNAPSHOT_BLOCK_BYTES_MAX     (4096 + 128) /* of it: one block of the record */
#define BW_SCRIPT_OUTPUT_BYTES_MAX (64 * 1024)  /* kept per script run */
#define BW_SCRIPT_TAIL_BYTES_MAX 512            /* of it, sent in a report */
#define BW_SCRIPT_WORDS_MAX             127 /* bytes of the last line that a failed script printed */
#define BW_SCRIPT_FAILURES_MAX          3   /* of one group, told by its site; the newest */
#define BW_CONNECTIONS_MAX 256                  /* per listening port */
#define BW_CONNECTIONS_PER_IDENTITY_MAX 16      /* of them: with a certificate of one name */
#define BW_CONNECTIONS_PEOPLE_MAX 96            /* of them: operators' and viewers' */
#define BW_CERTIFICATE_ENDS_DAYS 60             /* before a certificate ends it is worth a warning; 30, 7 and 1 days too */
#define BW_REVOKED_MAX 1024                     /* certificates that one list takes back */
#define BW_HTTP_HEAD_BYTES_MAX 8192
#define BW_HTTP_FIELDS_MAX 64
#define BW_STREAM_QUEUE_BYTES_MAX (256 * 1024)  /* unsent bytes of one connection */
/* Syncs of one agent, from the newest on, of which an answer counts: looks alone can ask for 320 in a second. */
#define BW_RENEWALS_MAX 4096
#define BW_METRICS_BYTES_MAX (16 * 1024 * 1024)   /* one answer of /metrics, with 1,024 groups */

#define BW_ELECTION_TIMEOUT_MS_MIN 50           /* below it scheduling alone costs elections */
#define BW_ELECTION_TIMEOUT_MS_MAX 30000
#define BW_MARGIN_NS_MIN UINT64_C(20000000)     /* 20 ms: timer granularity + scheduling, 3.3 */
#define BW_DRIFT_PPM_MAX 100000                 /* 10 %: beyond that a clock is broken */

/* The smaller and the greater of two numbers. */

static inline uint64_t bw_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t bw_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
