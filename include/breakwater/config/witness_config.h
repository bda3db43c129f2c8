/* witness_config.h - witness.yaml (design 5.4): what one witness needs to know to start. */
#ifndef BW_CONFIG_WITNESS_CONFIG_H
#define BW_CONFIG_WITNESS_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <breakwater/base/limits.h>
#include <breakwater/config/config_kind.h>
#include <breakwater/config/people_config.h>
#include <breakwater/obs/log.h>

struct bw_witness_member_config {
    char name[BW_NAME_MAX + 1];
    uint32_t id;                        /* 1.., never reused */
    char address[BW_ADDRESS_MAX + 1];   /* HTTPS, as others dial it */
    char raft[BW_ADDRESS_MAX + 1];      /* Raft, as others dial it */
    char failure_domain[BW_NAME_MAX + 1]; /* "": nobody said */
};

struct bw_witness_config {
    struct bw_config_arena arena; /* owns the strings */
    char cluster[BW_NAME_MAX + 1];
    char name[BW_NAME_MAX + 1];
    const char *data_dir;
    char listen[BW_ADDRESS_MAX + 1];
    char raft_listen[BW_ADDRESS_MAX + 1];
    struct bw_tls_config tls;
    struct bw_witness_member_config witnesses[BW_WITNESSES_MAX];
    uint32_t witness_count;        /* 1, 3, 5 or 7; another one more while it joins */
    uint32_t self;                 /* index of `name` in `witnesses` */
    uint32_t election_timeout_ms;  /* must equal what `witness init` committed */
    enum bw_log_level log_level;
    bool metrics_open;             /* /metrics, /healthz, /readyz without a client certificate */
    const char *on_event;          /* script; NULL: none */
    struct bw_people_config people; /* counts until a list is applied; none: every operator and viewer of the cluster */
};

extern const struct bw_table bw_witness_config_table;

/* Loads and checks FILE. BW_OK: `*out_config` is the caller's, to be freed. Otherwise `problems`
 * has what is wrong, and the output is untouched. Warnings may be noted in both cases. */
BW_MUST_CHECK enum bw_err bw_witness_config_load(const char *file, enum bw_config_scope scope,
                                                 struct bw_witness_config **out_config,
                                                 struct bw_problems *problems);
/* The same for a program that begins, or ends with it, HERE: what is wrong goes to stderr, with `consequence`. NULL: refused. */
struct bw_witness_config *bw_witness_config_take(const char *file, const char *consequence);
/* Accepts NULL. */
void bw_witness_config_free(struct bw_witness_config *config);

#endif
