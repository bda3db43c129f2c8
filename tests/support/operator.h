/* operator.h - what people ask of three real witnesses, by the real commands and by any requests.
 * The agents are puppets; they obey in a thread of their own. One world per program. */
#ifndef TEST_OPERATOR_H
#define TEST_OPERATOR_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/net/http_client.h>

#include "trio.h"

#define OPERATOR_PAUSE_US  100000
#define OPERATOR_WAIT_MS   20000 /* for what must happen, on an idle machine: patience.h */
#define OPERATOR_NO_QUORUM 5 /* an exit status: nothing was changed */
#define OPERATOR_REFUSED   6 /* another: not now */

enum operator_start { OPERATOR_START_SERVES, OPERATOR_START_RUNS, OPERATOR_START_UNSEEN };

struct operator
{
    struct trio trio;
    struct puppet a, b; /* of dc-a and dc-b */
    struct bw_credentials *operator;
    atomic_bool a_is_mute;
    atomic_bool b_is_mute;
    atomic_bool a_owes_rejoin;
    atomic_uint b_alarms;   /* bits of its report */
    atomic_bool a_holds_on; /* it is told to stop, and has not begun */
    atomic_int a_start;     /* what it says of the start of its epoch */
    atomic_uint rounds;     /* in which both have synced and obeyed */
    char out[256 * 1024]; /* of the last command */
    char errors[64 * 1024];
    struct bw_http_reply reply; /* of the last request */
    FILE *answers;              /* for every_answer_is_as_its_schema_says */
    char asked[320];            /* the last question in it */
    long asked_at;
};

extern struct operator operator;
/* A file of one group; %s: its lease_ttl, and more lines. */
extern const char *const operator_groups_text;

void operator_init(void);
void operator_deinit(void);
int operator_set_up(void **state);
int operator_set_up_serving(void **state);
int operator_tear_down(void **state);
/* Both agents sync and obey from now on, each as long as it is not mute. */
void operator_begin_agents(void);
void operator_end_agents(void);
/* Each agent obeys what it is told after this call has begun, and no older order any more. */
void operator_wait_for_round(void);

/* Writes a file of the trio's directory. */
void operator_put(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A configuration of the commands, with the witnesses which[0..count-1]. */
void operator_put_cli(const char *file, const char *identity, const int *which, int count);

void assert_says(const char *text, const char *part);
/* Runs breakwater with these words and the configuration `config`; its exit status. What it printed
 * is in operator.out and operator.errors. */
int operator_run_once(const char *config, const char *words);
/* The same; while witnesses elect a leader, of which nobody here knows, again. */
int operator_run(const char *config, const char *words);
/* What a command that changes nothing says of the moment is no more than that: again until it ends
 * with `expected` and says `part`. */
void operator_until_it_says(const char *config, const char *words, int expected, const char *part);
/* apply of a file of the trio's directory. */
int operator_apply(const char *file, const char *more);

/* Any request to witness `i`; the HTTP status, operator.reply has the body. */
int operator_ask(const struct bw_credentials *credentials, int i, const char *method,
                 const char *path, const char *body, size_t size);
/* At whoever leads; 421 and 503 mean that another was elected meanwhile. */
int operator_ask_leader(const struct bw_credentials *credentials, const char *method,
                        const char *path, const char *body, size_t size);
json_t *operator_parse(const char *text);
/* The whole status as the leader tells it. */
json_t *operator_status(void);
void operator_wait_until_serving(const char *site);
/* All of that: operator_init, its agents, its groups, and dc-a serves. */
void operator_begin_serving(void);

/* What operator_run and operator_ask did not give. What is no JSON is left out. */
void operator_keep_answer(const char *asked, const char *text);
/* A case, the last of its program: each JSON document that the programs gave it, by -o json or as
 * the answer to a request, is what its schema in proto/schema says. Of questions that were asked
 * again and again the last answer; documents of a thousand groups are left out. */
void every_answer_is_as_its_schema_says(void **state);

#endif
