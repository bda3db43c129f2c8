/* spec_json.h - a group's spec as JSON: what `PUT /v1/groups` takes and `GET /v1/groups` gives.
 *
 * The keys are those of groups.yaml; a duration is an integer of milliseconds and its key ends in
 * `_ms` (lease_ttl_ms). A key that is absent has its default, as in groups.yaml. */
#ifndef BW_WITNESS_SPEC_JSON_H
#define BW_WITNESS_SPEC_JSON_H

#include <jansson.h>

#include <breakwater/core/spec.h>

/* All of `spec`, whose names are valid. NULL: no memory. */
json_t *bw_spec_json_encode(const struct bw_spec *spec);

/* What is wrong with a body, all at once. `problems` is an array of {"path","text"} of at most
 * BW_JSON_PROBLEMS_MAX; further ones are counted. */
#define BW_JSON_PROBLEMS_MAX 50
struct bw_json_problems {
    json_t *problems;
    size_t count;
};
void bw_json_problems_init(struct bw_json_problems *problems);
void bw_json_problems_deinit(struct bw_json_problems *problems);
void bw_json_problem(struct bw_json_problems *problems, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills `out_spec` from `value`, any JSON at all; every problem of it goes to `problems` under
 * `path` ("groups[3]"), those of bw_spec_check too once the types are right. True: none. */
bool bw_spec_json_decode(const json_t *value, const char *path, uint32_t election_timeout_ms,
                         struct bw_spec *out_spec, struct bw_json_problems *problems);

/* What differs, as [{"key","from","to"}]; `old` NULL: an empty array. NULL: no memory. */
json_t *bw_spec_json_changes(const struct bw_spec *old, const struct bw_spec *spec);
/* One of those. */
struct bw_spec_key;
json_t *bw_spec_json_change(const struct bw_spec_key *key, uint32_t from, uint32_t to);

#endif
