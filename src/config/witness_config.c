#include <breakwater/config/witness_config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/config/scalar.h>

#include "log_level.h"

#define MEMBER(member) offsetof(struct bw_witness_member_config, member)
#define FIELD(member)  offsetof(struct bw_witness_config, member)

static const struct bw_key member_keys[] = {
    {.name = "name",
     .kind = BW_KEY_NAME,
     .required = true,
     .offset = MEMBER(name),
     .example = "w1",
     .help = "its name, as in its certificate"},
    {.name = "id",
     .kind = BW_KEY_NUMBER,
     .required = true,
     .offset = MEMBER(id),
     .min = 1,
     .max = UINT32_MAX,
     .example = "1",
     .help = "its number in the log; never used again for another witness or an emptied one"},
    {.name = "address",
     .kind = BW_KEY_ADDRESS,
     .required = true,
     .offset = MEMBER(address),
     .min = 1,
     .example = "w1.example.net:7400",
     .help = "where agents and people reach it"},
    {.name = "raft",
     .kind = BW_KEY_ADDRESS,
     .required = true,
     .offset = MEMBER(raft),
     .min = 1,
     .example = "w1.example.net:7401",
     .help = "where the other witnesses reach it"},
    {.name = "failure_domain",
     .kind = BW_KEY_NAME,
     .offset = MEMBER(failure_domain),
     .example = "zone-1",
     .help = "what fails together with it: a zone, a building; no two witnesses should share one"},
};

static const struct bw_table member_table = {
    .name = "witnesses[]",
    .help = "one founding member",
    .keys = member_keys,
    .key_count = BW_KEY_COUNT(member_keys),
    .size = sizeof(struct bw_witness_member_config),
};

static const struct bw_key keys[] = {
    {.name = "cluster",
     .kind = BW_KEY_NAME,
     .required = true,
     .offset = FIELD(cluster),
     .example = "prod",
     .help = "the cluster's name, as in every certificate"},
    {.name = "name",
     .kind = BW_KEY_NAME,
     .required = true,
     .offset = FIELD(name),
     .example = "w1",
     .help = "which of the witnesses this one is"},
    {.name = "data_dir",
     .kind = BW_KEY_PATH,
     .required = true,
     .offset = FIELD(data_dir),
     .example = "/var/lib/breakwater",
     .help = "log, snapshots and term; on a disk whose fsync is true; never copied or restored"},
    {.name = "listen",
     .kind = BW_KEY_ADDRESS,
     .required = true,
     .offset = FIELD(listen),
     .example = "0.0.0.0:7400",
     .help = "HTTPS for agents, people and programs"},
    {.name = "raft_listen",
     .kind = BW_KEY_ADDRESS,
     .required = true,
     .offset = FIELD(raft_listen),
     .example = "0.0.0.0:7401",
     .help = "Raft for the other witnesses"},
    {.name = "tls",
     .kind = BW_KEY_MAP,
     .table = &bw_tls_config_table,
     .required = true,
     .offset = FIELD(tls),
     .example = "{ca: ca.pem, identity: w1.pem}",
     .help = "who is trusted, and who this witness is"},
    {.name = "witnesses",
     .kind = BW_KEY_LIST,
     .item = BW_KEY_MAP,
     .table = &member_table,
     .in_place = true,
     .required = true,
     .offset = FIELD(witnesses),
     .count_offset = FIELD(witness_count),
     .min = 1,
     .max = BW_WITNESSES_MAX,
     .help = "the founding members, the same in every witness's file; later changes live in the "
             "log. 3 survive the loss of any one, 5 of any two"},
    {.name = "election_timeout",
     .kind = BW_KEY_DURATION,
     .offset = FIELD(election_timeout_ms),
     .min = 100,
     .max = BW_ELECTION_TIMEOUT_MS_MAX,
     .absent = "1s",
     .help = "how long a leader may be silent; must equal what `witness init` committed"},
    {.name = "log_level",
     .kind = BW_KEY_WORD,
     .offset = FIELD(log_level),
     .words = bw_log_level_words,
     .absent = "info",
     .help = "the least urgent that is logged"},
    {.name = "metrics_open",
     .kind = BW_KEY_BOOL,
     .offset = FIELD(metrics_open),
     .absent = "false",
     .help = "/metrics, /healthz and /readyz answer without a client certificate"},
};

const struct bw_table bw_witness_config_table = {
    .name = "witness.yaml",
    .help = "what one witness needs to know to start",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_witness_config),
};

/* Path of a key of the i-th witness. */
struct member_path {
    char text[64];
};

static struct member_path path_of(uint32_t index, const char *key)
{
    struct member_path path;

    (void)snprintf(path.text, sizeof path.text, "witnesses[%" PRIu32 "].%s", index, key);
    return path; /* our own short names */
}

/* The first witness before `index` whose text of `key` at `offset` is the same; or `index`. */
static uint32_t find_twin(const struct bw_witness_config *config,
                          const struct bw_document *document, uint32_t index, const char *key,
                          size_t offset)
{
    const char *own = (const char *)&config->witnesses[index] + offset;
    uint32_t i = 0;

    if (!bw_document_is_sound(document, path_of(index, key).text))
        return index;
    while (i < index && strcmp((const char *)&config->witnesses[i] + offset, own) != 0)
        i++;
    return i;
}

static void check_member(const struct bw_witness_config *config, struct bw_document *document,
                         uint32_t index)
{
    static const struct unique {
        const char *key;
        size_t offset;
    } unique[] = {{"name", MEMBER(name)}, {"address", MEMBER(address)}, {"raft", MEMBER(raft)}};
    const struct bw_witness_member_config *own = &config->witnesses[index];

    for (size_t k = 0; k < sizeof unique / sizeof unique[0]; k++) {
        const uint32_t twin = find_twin(config, document, index, unique[k].key, unique[k].offset);

        if (twin < index)
            bw_document_fail(document, path_of(index, unique[k].key).text,
                             "\"%s\" is the %s of witnesses[%" PRIu32 "] too",
                             (const char *)own + unique[k].offset, unique[k].key, twin);
    }
    if (own->address[0] != '\0' && strcmp(own->address, own->raft) == 0)
        bw_document_fail(document, path_of(index, "raft").text,
                         "is the same as address; Raft has a port of its own");
    for (uint32_t i = 0; i < index && own->id != 0; i++) {
        if (config->witnesses[i].id == own->id)
            bw_document_fail(document, path_of(index, "id").text,
                             "%" PRIu32 " is the id of witnesses[%" PRIu32 "] too", own->id, i);
    }
}

static void check_failure_domain(const struct bw_witness_config *config,
                                 struct bw_document *document, uint32_t index)
{
    const struct member_path path = path_of(index, "failure_domain");
    char member[32];
    uint32_t twin;

    (void)snprintf(member, sizeof member, "witnesses[%" PRIu32 "]", index);
    if (!bw_document_is_sound(document, member))
        return; /* first the errors */
    if (bw_document_place(document, path.text) == NULL) {
        bw_document_warn(document, path.text,
                         "is absent: nobody can tell what fails together with this witness");
        return;
    }
    twin = find_twin(config, document, index, "failure_domain", MEMBER(failure_domain));
    if (twin < index)
        bw_document_warn(document, path.text,
                         "\"%s\" is that of witnesses[%" PRIu32 "] too: both may be lost at once",
                         config->witnesses[index].failure_domain, twin);
}

/* What we listen on is an address of this machine; nothing is resolved to find it. */
static void check_listen(struct bw_document *document, const char *key, const char *address)
{
    if (bw_document_is_sound(document, key) && !bw_address_has_numeric_host(address))
        bw_document_fail(document, key,
                         "\"%s\" names a host; write an address of this machine, or 0.0.0.0 or "
                         "[::] for all of them",
                         address);
}

static void check_self(struct bw_witness_config *config, struct bw_document *document)
{
    config->self = 0;
    while (config->self < config->witness_count &&
           strcmp(config->witnesses[config->self].name, config->name) != 0)
        config->self++;
    if (config->self == config->witness_count && bw_document_is_sound(document, "name") &&
        bw_document_is_sound(document, "witnesses"))
        bw_document_fail(document, "name", "\"%s\" is none of the names under witnesses",
                         config->name);
}

static void check(struct bw_witness_config *config, struct bw_document *document)
{
    const uint32_t count = config->witness_count;

    if (count > 0 && count % 2 == 0)
        bw_document_fail(document, "witnesses",
                         "%" PRIu32 " witnesses survive no more losses than %" PRIu32
                         "; use 3 or 5, or 1 to try things out",
                         count, count - 1);
    if (count == 1)
        bw_document_warn(document, "witnesses",
                         "one witness alone: when it is lost nobody decides, and every lease ends");
    for (uint32_t i = 0; i < count; i++) {
        check_member(config, document, i);
        if (count > 1)
            check_failure_domain(config, document, i);
    }
    if (bw_document_is_sound(document, "listen") && bw_document_is_sound(document, "raft_listen") &&
        strcmp(config->listen, config->raft_listen) == 0 &&
        strcmp(strrchr(config->listen, ':'), ":0") != 0)
        bw_document_fail(document, "raft_listen",
                         "is the same as listen; Raft has a port of its own");
    check_listen(document, "listen", config->listen);
    check_listen(document, "raft_listen", config->raft_listen);
    check_self(config, document);
}

enum bw_err bw_witness_config_load(const char *file, struct bw_witness_config **out_config,
                                   struct bw_problems *problems)
{
    const uint32_t errors_before = problems->error_count;
    struct bw_witness_config *config = calloc(1, sizeof *config);
    struct bw_config_arena arena = {0};
    struct bw_document document;
    enum bw_err err;

    BW_ASSERT(config != NULL);
    err = bw_document_open(&document, file, problems);
    if (document.root != NULL &&
        bw_schema_load(&bw_witness_config_table, &document, &arena, config))
        check(config, &document);
    config->arena = arena;
    bw_document_deinit(&document);
    if (problems->error_count > errors_before) {
        bw_witness_config_free(config);
        return err != BW_OK ? err : BW_ERR_INVALID;
    }
    *out_config = config;
    return BW_OK;
}

void bw_witness_config_free(struct bw_witness_config *config)
{
    if (config == NULL)
        return;
    bw_config_arena_deinit(&config->arena);
    free(config);
}
