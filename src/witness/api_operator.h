/* api_operator.h - what the requests of people share. The loop's thread only. */
#ifndef BW_WITNESS_API_OPERATOR_H
#define BW_WITNESS_API_OPERATOR_H

#include <breakwater/witness/json.h>
#include <breakwater/witness/spec_json.h>

#include "program.h"

#define BW_JSON_TYPE "application/json"

/* This witness, now, as far as `scope` goes. Pointers are the program's. */
void bw_operator_look(const struct bw_program *program, const struct bw_scope *scope,
                      struct bw_operator_view *out_view);

/* Answers with `value` (taken); NULL: 503, memory is short. */
void bw_operator_answer(struct bw_http_request *request, int status, json_t *value);
/* {"error","hint","code"}; `code` is a stable word: what a program reads. hint NULL: without. */
void bw_operator_refuse(struct bw_http_request *request, int status, const char *code,
                        const char *error, const char *hint);
/* As the code of `err` deserves: 404, 409, 422, 421 with the leader, 503. */
void bw_operator_refuse_err(const struct bw_program *program, struct bw_http_request *request,
                            enum bw_err err, const char *text);
/* All was read: ends the problems. False: there were some, and all were answered with 422; nothing was changed. */
bool bw_operator_end_problems(struct bw_http_request *request, struct bw_json_problems *problems);
/* The body as a JSON object; an empty body is {}. NULL: it was answered, 400. */
json_t *bw_operator_body(struct bw_http_request *request);
/* Reads an order out of the body into `into`, and who gives it into `out_by`. False: it was
 * answered, with every problem that `read` found. */
typedef void bw_operator_read_fn(const json_t *body, void *into, struct bw_json_problems *problems);
bool bw_operator_read_order(struct bw_http_request *request, char out_by[BW_REASON_MAX + 1],
                            bw_operator_read_fn *read, void *into);
/* `known`: the keys that a body may have, "reason, spec_version". Whatever else is there is a
 * problem. */
bool bw_operator_is_key(const char *known, const char *key);
void bw_operator_note_unknown(const json_t *body, const char *known,
                              struct bw_json_problems *problems);
/* True when this witness may change something; otherwise it was answered: 503 or 421. */
bool bw_operator_may_change(struct bw_program *program, struct bw_http_request *request);
/* `?plan=1`. False: the query is neither that nor absent, and was answered. */
bool bw_operator_is_plan(struct bw_http_request *request, bool *out_is_plan);
/* The body of what may change something here, a plan or not. NULL: it was answered. */
json_t *bw_operator_change_body(struct bw_program *program, struct bw_http_request *request,
                                bool *out_is_plan);
/* "operator/anna": who asks. */
void bw_operator_name(const struct bw_http_request *request, char out_by[BW_REASON_MAX + 1]);

/* A member of the body that a person wrote; a control character or a text too long is a problem. */
void bw_operator_read_text(const json_t *body, const char *key, char *out, size_t size,
                           struct bw_json_problems *problems);

/* The group of {name}; -1: it was answered. */
int bw_operator_find_group(const struct bw_program *program, struct bw_http_request *request);

/* api_move.c */
void bw_operator_on_switchover(struct bw_http_request *request, void *user);
void bw_operator_on_failover(struct bw_http_request *request, void *user);
void bw_operator_on_force_release(struct bw_http_request *request, void *user);

/* api_group.c */
/* What comes of it that the group's mode becomes this one, as `steps` of a plan; `is_named`: and a person says where it
 * begins. NULL: no memory. */
json_t *bw_operator_mode_steps(const struct bw_program *program, int group, enum bw_mode mode, bool is_named);
void bw_operator_on_mode(struct bw_http_request *request, void *user);
void bw_operator_on_maintenance(struct bw_http_request *request, void *user);
void bw_operator_on_cancel(struct bw_http_request *request, void *user);
void bw_operator_on_delete(struct bw_http_request *request, void *user);

/* alarms.c */
void bw_operator_on_ack(struct bw_http_request *request, void *user);

/* api_level.c */
void bw_operator_on_level(struct bw_http_request *request, void *user);
void bw_operator_on_raise_level(struct bw_http_request *request, void *user);

/* api_snapshot.c */
void bw_operator_on_snapshot(struct bw_http_request *request, void *user);

/* api_apply.c: PUT /v1/groups. */
void bw_operator_on_apply(struct bw_http_request *request, void *user);

/* api_group.c */
void bw_operator_on_people(struct bw_http_request *request, void *user);
void bw_operator_on_set_people(struct bw_http_request *request, void *user);

#endif
