/* people.h - what of the cluster a caller may see and change. The loop's thread only. */
#ifndef BW_WITNESS_PEOPLE_H
#define BW_WITNESS_PEOPLE_H

#include <breakwater/core/people.h>
#include <breakwater/net/http_server.h>

struct bw_program;

/* The list by which this witness judges (5.3). */
const char *bw_people_of(const struct bw_program *program);
/* By that; good until another is applied, or the next reload. */
struct bw_scope bw_people_scope_of(const struct bw_program *program,
                                   const struct bw_http_request *request);

/* bw_http_server_config.may; `user` is the program. */
bool bw_people_may(const struct bw_http_request *request, struct bw_http_refused *out_refused,
                   void *user);
/* What this caller may not, and who can: `group`, NULL: what concerns the cluster as a whole. False. */
bool bw_people_refuse(const struct bw_program *program, const struct bw_http_request *request,
                      const char *group, struct bw_http_refused *out_refused);

#endif
