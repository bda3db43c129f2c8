/* columns.h - columns for people: status and history as text. Never colour: each state is a word. */
#ifndef BW_CLI_COLUMNS_H
#define BW_CLI_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <breakwater/core/trouble.h>

#include "alarm_lines.h"
#include "options.h"

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
/* The reason of a grant or of an end; the command that it came from, if an operator confirmed the stop. */
const char *bw_reason_of(const json_t *object);
/* True if a site is primary, also while it stops for another one. */
bool bw_group_is_open(const json_t *group);
/* True if the command by which an operator ends the epoch attests a stop that the operator has seen: the site still answers. */
bool bw_end_attests(const json_t *end);
/* The state of a group for a screen: "active", "blocked (fence not confirmed)". */
#define BW_STATE_TEXT_BYTES 48
const char *bw_state_text(const json_t *group, char out_text[BW_STATE_TEXT_BYTES]);
/* Its mode for a screen: "unmanaged" for the machine word `observe`. */
const char *bw_mode_text(const json_t *group);
/* "Next: dc-b becomes primary in 9.8 s.", or that nothing is to come. */
void bw_show_next(const json_t *next, FILE *out);
/* A history document. */
void bw_show_history(const json_t *history, FILE *out);
/* A report document. */
void bw_show_report(const json_t *report, FILE *out);

/* What `status` says of a group's time to come: who follows a lost holder, what time alone
 * does not end, and what its mode keeps from happening. Design 3.6, 4. */

/* Prints one line: where the service runs, as the probes of the connected sites report it. `known_by`: the witness that knew
 * this last; NULL: a leader knows it. */
void bw_print_service(const json_t *group, const char *known_by, FILE *out);

/* What would come of a lost holder. Who does not lead decides nothing: its answer promises nothing. */
void bw_print_failover(const json_t *status, const json_t *group, FILE *out);
/* What time alone does not end: nothing here may sound as if it did. With a holder that renews it is
 * how the group was set up; without, somebody must act. */
void bw_warn_of_end(const json_t *group, struct bw_verdict *verdict);
/* What becomes of the fence from another site, where there is one. */
void bw_tell_remote_fence(const json_t *end, FILE *out);
/* A line of each mode but auto; `name`: the group's. */
void bw_tell_mode(const json_t *group, const char *name, FILE *out);
/* True if the primary before may hold data that the site of `entry`, an epoch of a history, does not have. */
bool bw_left_data_behind(const json_t *entry);
/* The same of a group's newest epoch, until that site has rejoined. */
void bw_tell_data_behind(const json_t *group, const char *name, FILE *out);

/* What is no fault at a site: how its file is written, and what that means. */

/* In lines, as `status` shows them; `group` and `site` as a witness answers them. */
void bw_site_facts(const json_t *group, const json_t *site, FILE *out);

/* One of the site's own alarms that is none of the group, by what is committed of its epoch (core/trouble.h); one of
 * the lines above says it. */
bool bw_site_alarm_is_fact(const json_t *group, const json_t *site, enum bw_trouble trouble);

/* What the guard of this machine knows, without any witness. Design 3.4, 5.2. */

/* Prints it, of `group` or of all (NULL). Fine; WARNINGS: something is worth a look; NO_QUORUM: the
 * guard does not answer, which is said. */
enum bw_exit bw_status_site(const char *socket, const char *group, enum bw_output output);

#endif
