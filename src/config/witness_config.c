#include <breakwater/config/witness_config.h>

#include <inttypes.h>
#include <string.h>

#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/members.h>

#include "config_file.h"

#define MEMBER(member) offsetof(struct bw_witness_member_config, member)
#define FIELD(member)  offsetof(struct bw_witness_config, member)

static const struct bw_key member_keys[] = {
    BW_KEY(NAME, "name", MEMBER(name), .required = true, .example = "w1",
           .help = "name, as in the certificate"),
    BW_KEY(NUMBER, "id", MEMBER(id), .required = true, .min = 1, .max = BW_MEMBERS_ID_MAX,
           .example = "1",
           .help = "number in the log; unique for ever, also after the witness is removed or emptied"),
    BW_KEY(ADDRESS, "address", MEMBER(address), .required = true, .min = 1,
           .example = "w1.example.net:7400", .help = "address for agents and operators"),
    BW_KEY(ADDRESS, "raft", MEMBER(raft), .required = true, .min = 1,
           .example = "w1.example.net:7401", .help = "address for witnesses"),
    BW_KEY(
        NAME, "failure_domain", MEMBER(failure_domain), .example = "zone-1",
        .help =
            "a zone or a building; give each witness a failure domain of its own"),
};

static const struct bw_table member_table = {
    .name = "witnesses[]",
    .help = "a founding member",
    .keys = member_keys,
    .key_count = BW_KEY_COUNT(member_keys),
    .size = sizeof(struct bw_witness_member_config),
};

static const struct bw_key keys[] = {
    BW_KEY(NAME, "cluster", FIELD(cluster), .required = true, .example = "prod",
           .help = "the cluster's name, as in every certificate"),
    BW_KEY(NAME, "name", FIELD(name), .required = true, .example = "w1",
           .help = "name of this witness"),
    BW_KEY(
        PATH, "data_dir", FIELD(data_dir), .required = true, .example = "/var/lib/breakwater",
        .help = "log, snapshots and term, on a local file system (ext4, xfs) with a true fsync, fast compared with "
                "election_timeout. Never copy or restore the directory. Outside of /var/lib/breakwater the shipped "
                "unit needs a drop-in with [Service] and ReadWritePaths= of the path, below /home and /root also "
                "ProtectHome=no"),
    BW_KEY(ADDRESS, "listen", FIELD(listen), .required = true, .example = "0.0.0.0:7400",
           .help = "HTTPS for agents, operators and programs"),
    BW_KEY(ADDRESS, "raft_listen", FIELD(raft_listen), .required = true, .example = "0.0.0.0:7401",
           .help = "Raft for the other witnesses"),
    BW_KEY(MAP, "tls", FIELD(tls), .table = &bw_tls_config_table, .required = true,
           .example = "{ca: ca.pem, identity: w1.pem}",
           .help = "trusted CAs, and the certificate of the witness"),
    BW_KEY(
        LIST, "witnesses", FIELD(witnesses), .item = BW_KEY_MAP, .table = &member_table,
        .in_place = true, .required = true, .count_offset = FIELD(witness_count), .min = 1,
        .max = BW_WITNESSES_MAX,
        .help = "the founding members, equal in the files of all witnesses; later changes live in the log. 3 "
                "survive the loss of any one, 5 of any two"),
    BW_KEY(DURATION, "election_timeout", FIELD(election_timeout_ms), .min = BW_ELECTION_TIMEOUT_MS_MIN,
           .max = BW_ELECTION_TIMEOUT_MS_MAX, .absent = "1s",
           .help = "how long a leader may be silent; fixed by `witness init`. An election waits for six fsyncs, "
                   "three of the candidate and three of the voters. If an fsync takes more than a sixth of this "
                   "time on a majority, elections may fail (`check` and `raft.vote_slow` warn from a tenth on)"),
    BW_KEY(WORD, "log_level", FIELD(log_level), .words = bw_log_level_words, .absent = "info",
           .help = "lowest level in the log"),
    BW_KEY(BOOL, "metrics_anonymous", FIELD(metrics_open), .absent = "false",
           .help = "/metrics, /healthz and /readyz answer all clients, also those that have no certificate"),
    BW_KEY(PATH, "event_script", FIELD(on_event), .absent_note = "none",
           .help = "a script that the leader runs for each decision, with JSON on stdin, for 30 s at most, in the "
                   "background. Equal at every witness; a reload reads the key again"),
    BW_PEOPLE_KEY(FIELD(people), .absent_note = "every operator and viewer with a certificate of the cluster",
                  .help = "all operators and viewers of this witness, and their groups. A list from `breakwater "
                          "apply` replaces this key at all witnesses: remove the key after the first apply. A "
                          "reload reads the key again"),
};

const struct bw_table bw_witness_config_table = {
    .name = "witness.yaml",
    .help = "settings of a witness",
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
                             "\"%s\" is also the %s of witnesses[%" PRIu32 "]",
                             (const char *)own + unique[k].offset, unique[k].key, twin);
    }
    if (own->address[0] != '\0' && strcmp(own->address, own->raft) == 0)
        bw_document_fail(document, path_of(index, "raft").text,
                         "is the same as address; Raft needs a port of its own");
    for (uint32_t i = 0; i < index && own->id != 0; i++) {
        if (config->witnesses[i].id == own->id)
            bw_document_fail(document, path_of(index, "id").text,
                             "%" PRIu32 " is also the id of witnesses[%" PRIu32 "]", own->id, i);
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
    if (bw_document_find(document, path.text) == NULL) {
        bw_document_warn(document, path.text,
                         "is missing: status cannot show which witnesses would fail together");
        return;
    }
    twin = find_twin(config, document, index, "failure_domain", MEMBER(failure_domain));
    if (twin < index)
        bw_document_warn(document, path.text,
                         "\"%s\" is also that of witnesses[%" PRIu32 "]: both may be lost at once",
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
        bw_document_fail(document, "name", "\"%s\" is not one of the names under witnesses",
                         config->name);
}

/* Other ports than the others dial may be mapped on the way. Each the other's is never meant, and
 * each alone seems to work: the witness sends, and nothing comes back. */
static void check_swapped(const struct bw_witness_config *config, struct bw_document *document)
{
    const struct bw_witness_member_config *own = &config->witnesses[config->self];

    if (config->self == config->witness_count || !bw_document_is_sound(document, "listen") ||
        !bw_document_is_sound(document, "raft_listen") ||
        !bw_document_is_sound(document, "witnesses"))
        return;
    if (!bw_address_is_same_port(config->listen, config->raft_listen) &&
        bw_address_is_same_port(config->listen, own->raft) &&
        bw_address_is_same_port(config->raft_listen, own->address))
        bw_document_fail(document, "listen",
                         "has the port of raft of %s under witnesses, and raft_listen that of its "
                         "address: they are swapped",
                         config->name);
}

static void check_people(struct bw_witness_config *config, struct bw_document *document)
{
    const char *at = config->people.people.text;
    bool is_any_limited = false;

    for (uint32_t i = 0; i < config->people.count; i++)
        is_any_limited = is_any_limited || config->people.list[i].group_count > 0;
    if (!bw_people_config_check(&config->people, document) || config->people.count == 0)
        return;
    if (bw_people_who_may(&at, NULL, true) == NULL)
        bw_document_warn(document, "people",
                         "has no operator without groups: changes of the cluster as a whole are impossible");
    if (is_any_limited && config->metrics_open)
        bw_document_warn(document, "people",
                         "limits the groups of operators and viewers, but metrics_anonymous shows all groups to "
                         "every client");
}

static void check(void *into, struct bw_document *document, const void *user)
{
    struct bw_witness_config *config = into;
    const enum bw_config_scope *scope = user;
    const uint32_t count = config->witness_count;

    if (*scope == BW_CONFIG_HERE)
        bw_config_check_owner(document);
    if (count > 0 && count % 2 == 0)
        bw_document_warn(document, "witnesses",
                         "%" PRIu32 " witnesses tolerate the loss of %" PRIu32 ", like %" PRIu32 ": use 3 or 5; an even "
                         "number is only for a replacement",
                         count, (count - 1) / 2, count - 1);
    if (count == 1)
        bw_document_warn(document, "witnesses",
                         "one witness alone: its loss stops all decisions, and every lease expires");
    for (uint32_t i = 0; i < count; i++) {
        check_member(config, document, i);
        if (count > 1)
            check_failure_domain(config, document, i);
    }
    if (bw_document_is_sound(document, "listen") && bw_document_is_sound(document, "raft_listen") &&
        strcmp(config->listen, config->raft_listen) == 0 &&
        strcmp(strrchr(config->listen, ':'), ":0") != 0)
        bw_document_fail(document, "raft_listen",
                         "is the same as listen; Raft needs a port of its own");
    check_listen(document, "listen", config->listen);
    check_listen(document, "raft_listen", config->raft_listen);
    check_self(config, document);
    check_swapped(config, document);
    check_people(config, document);
}

enum bw_err bw_witness_config_load(const char *file, enum bw_config_scope scope,
                                   struct bw_witness_config **out_config,
                                   struct bw_problems *problems)
{
    struct bw_witness_config *config = bw_config_new(sizeof *config);
    const enum bw_err err = bw_config_load(&config->arena, &bw_witness_config_table, config, file,
                                           check, &scope, problems);

    if (err == BW_OK)
        *out_config = config;
    return err;
}

struct bw_witness_config *bw_witness_config_take(const char *file, const char *consequence)
{
    struct bw_witness_config *config = NULL;
    struct bw_problems problems;
    enum bw_err err;

    bw_problems_init(&problems);
    err = bw_witness_config_load(file, BW_CONFIG_HERE, &config, &problems);
    bw_problems_print(&problems, consequence, stderr);
    bw_problems_deinit(&problems);
    return err == BW_OK ? config : NULL;
}

void bw_witness_config_free(struct bw_witness_config *config)
{
    bw_config_free((struct bw_config_arena *)config);
}
