/* alarm_lines.h - the warnings of `status`: each is one of the alarms of core/trouble.h, with since
 * when it is on, how often it came, and who has seen it, as the witness that answers knows that.
 * Design 5.2. */
#ifndef BW_CLI_ALARM_LINES_H
#define BW_CLI_ALARM_LINES_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/core/trouble.h>

#include "options.h"

struct bw_verdict {
    enum bw_exit exit;
    const json_t *alarms; /* of the group, or of the witnesses, that is shown */
    const json_t *group;  /* which one, or which witness; NULL: neither */
    const char *answered_by; /* the witness whose answer is shown */
    bool needs_operator;     /* manual_action_required of the group is printed */
    FILE *out;
};
void bw_verdict_worsen(struct bw_verdict *verdict, enum bw_exit exit);

/* "12 min"; overwritten by the next call. */
const char *bw_passed(int64_t seconds);
/* "once", "twice", "3 times"; overwritten by the next call. */
const char *bw_times(int64_t count);
/* "12.3 s", cut, in `out_text`, which it returns. */
#define BW_SECONDS_BYTES 32
const char *bw_seconds(int64_t ms, char out_text[BW_SECONDS_BYTES]);

/* The one that is on; `of` NULL: the group's own. NULL: the witness that answers does not know of
 * it. */
const json_t *bw_find_alarm(const json_t *alarms, enum bw_trouble trouble, const char *of);

/* In place of what the list of alarms has; NULL: as there. A fix has each command on a line of its own. */
struct bw_remedy {
    const char *effect;
    const char *fix;
    const char *see; /* the alarm above that this one follows from: printed in place of effect and fix */
};

/* Prints a line with the alarm's word, its effect and its fix, and sets exit status 3. One that was acknowledged is the
 * line alone, and no warning. `own` NULL: what the group and the list say. */
__attribute__((format(printf, 5, 6))) void bw_warn(struct bw_verdict *verdict, enum bw_trouble trouble, const char *of,
                                                   const struct bw_remedy *own, const char *format, ...);
/* The same, with what the list says has happened, or how the script failed that raised it; `of` NULL: the group's. */
void bw_warn_as_listed(struct bw_verdict *verdict, enum bw_trouble trouble, const char *of);

/* Prints effect and fix. `group`: or the witness. */
void bw_tell_remedy(enum bw_trouble trouble, const struct bw_remedy *own, const json_t *group, const char *of, FILE *out);
/* What has happened to the second enforcer, by the word that its agent has for it. */
const char *bw_second_text(const char *word);

/* Prints how each script failed, and its last line. `is_below_alarms`: without those that an alarm above has named. */
void bw_tell_of_failures(const json_t *site, bool is_below_alarms, const char *before, FILE *out);

/* That what the site serves had ended and was started there again: a warning for an hour, from then
 * on a line as any other; nothing where it was not so. */
void bw_warn_of_restarts(const json_t *site, struct bw_verdict *verdict);
void bw_tell_of_restarts(const json_t *site, const char *before, FILE *out);
/* How far the list of steps has come that its guard runs, if it runs one. */
void bw_tell_of_steps(const json_t *site, FILE *out);

/* Of each site that one witness alone hears, of at least two that answered: no other can follow it
 * when that one is lost. */
void bw_warn_of_reach(const json_t *status, struct bw_verdict *verdict);

#endif
