/* columns.h - columns for people: status and history as text. Never colour: each state is a word.
 */
#ifndef BW_CLI_COLUMNS_H
#define BW_CLI_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "exit.h"

/* A status document; `group` NULL: all groups. `now_unix_ms` is for "6 days ago". Returns what
 * `status` exits with: BW_EXIT_FINE, _WARNINGS or _NO_SITE. */
enum bw_exit bw_show_status(const json_t *status, const char *group, int64_t now_unix_ms,
                             FILE *out);
/* An explanation: what it does or why nothing, then the gates that hold, `is_all`: every gate. */
void bw_show_explain(const json_t *explanation, bool is_all, FILE *out);
/* What a person can do about `next`, where time alone changes nothing; not twice: `end` of the same
 * group names its own. */
void bw_show_way(const json_t *next, const json_t *end, FILE *out);
/* A line: witness `from` cannot connect to `to`, as `unreached` of a status or members document says. */
void bw_print_unreached(const char *from, const char *to, const json_t *unreached, FILE *out);
/* A history document. */
void bw_show_history(const json_t *history, FILE *out);
/* A report document. */
void bw_show_report(const json_t *report, FILE *out);

#endif
