/* The keys of the answers, and what they have to be by themselves. What concerns one group: answers_group.c. */
#include <breakwater/config/answers_config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/base/name.h>
#include <breakwater/config/scalar.h>
#include <breakwater/core/members.h>

#include "answers_group.h"
#include "config_file.h"
#include "spec_rows.h"

#define FIELD(member)   offsetof(struct bw_answers, member)
#define WITNESS(member) offsetof(struct bw_answers_witness, member)
#define SITE(member)    offsetof(struct bw_answers_site, member)
#define MEMBER(member)  offsetof(struct bw_answers_member, member)
#define GROUP(member)   offsetof(struct bw_answers_group, member)
#define HOST_BYTES_MAX  253
#define NAMESPACE_HELP  "the namespace in Kubernetes where it runs"
#define KUBERNETES_HELP "any name for the cluster of Kubernetes where it runs; write the same name if two of them share one"

#define KUBERNETES_ABSENT "a cluster of its own"

_Static_assert(offsetof(struct bw_answers_group, spec) == 0 && offsetof(struct bw_answers_member, spec) == 0,
               "the rows of spec_rows.h are of a struct's beginning");

static const struct bw_key witness_keys[] = {
    BW_KEY(NAME, "name", WITNESS(name), .required = true, .example = "w1", .help = "the witness's name"),
    BW_KEY(TEXT, "address", WITNESS(host), .required = true, .min = 1, .max = HOST_BYTES_MAX,
           .example = "w1.example.net", .help = "the name or address of its machine, or of its load balancer in Kubernetes"),
    BW_KEY(NUMBER, "id", WITNESS(id), .min = 1, .max = BW_MEMBERS_ID_MAX,
           .absent_note = "a founding witness: its place in the list",
           .help = "for a witness that joined later: a number above all ids before it, also above those of former witnesses"),
    BW_KEY(NAME, "failure_domain", WITNESS(failure_domain), .required = true, .example = "zone-1",
           .help = "failure domain: a zone, a building"),
    BW_KEY(NUMBER, "port", WITNESS(port), .min = 1, .max = 65535, .absent = "7400", .help = "HTTPS for agents and operators"),
    BW_KEY(NUMBER, "raft_port", WITNESS(raft_port), .min = 1, .max = 65535, .absent = "7401",
           .help = "Raft for the other witnesses"),
    BW_KEY(PATH, "data_dir", WITNESS(data_dir), .absent = "/var/lib/breakwater", .help = "as in witness.yaml"),
    BW_KEY(NAME, "namespace", WITNESS(namespace), .absent_note = "it runs on a machine", .help = NAMESPACE_HELP),
    BW_KEY(NAME, "kubernetes", WITNESS(kubernetes), .absent_note = KUBERNETES_ABSENT, .help = KUBERNETES_HELP),
};

static const struct bw_table witness_table = {
    .name = "witnesses[]",
    .help = "a witness",
    .keys = witness_keys,
    .key_count = BW_KEY_COUNT(witness_keys),
    .size = sizeof(struct bw_answers_witness),
};

static const struct bw_key site_keys[] = {
    BW_KEY(NAME, "name", SITE(name), .required = true, .example = "dc-a", .help = "the site's name"),
    BW_KEY(TEXT, "address", SITE(host), .required = true, .min = 1, .max = HOST_BYTES_MAX, .example = "192.0.2.10",
           .help = "the name or address of its machine; the sets use it as $ADDRESS and $PEER_ADDRESSES"),
    BW_KEY(TEXT, "second_enforcer", SITE(second), .min = 1, .max = HOST_BYTES_MAX, .absent_note = "none",
           .help = "the name or address of another machine of this site, for its second enforcer"),
    BW_KEY(NAME, "namespace", SITE(namespace), .absent_note = "it runs on a machine",
           .help = NAMESPACE_HELP "; it has a second enforcer there"),
    BW_KEY(NAME, "kubernetes", SITE(kubernetes), .absent_note = KUBERNETES_ABSENT, .help = KUBERNETES_HELP),
    BW_KEY(ADDRESS, "health_listen", SITE(health_listen), .min = 1, .absent_note = "as in site.yaml",
           .help = "address for load balancers"),
    BW_KEY(PATH, "state_dir", SITE(state_dir), .absent_note = "as in site.yaml", .help = "as in site.yaml"),
    BW_KEY(PATH, "run_dir", SITE(run_dir), .absent_note = "as in site.yaml", .help = "as in site.yaml"),
    BW_KEY(PATH, "guard_socket", SITE(guard_socket), .max = BW_SOCKET_PATH_MAX, .absent_note = "as in site.yaml",
           .help = "as in site.yaml"),
};

static const struct bw_table site_table = {
    .name = "sites[]",
    .help = "a site",
    .keys = site_keys,
    .key_count = BW_KEY_COUNT(site_keys),
    .size = sizeof(struct bw_answers_site),
};

static const struct bw_key member_keys[] = {
    BW_SITE_SPEC_ROWS,
    BW_KEY(ENV, "env", MEMBER(env), .count_offset = MEMBER(env_count), .max = BW_ENV_MAX,
           .help = "variables of the set that are this site's own"),
};

static const struct bw_table member_table = {
    .name = "groups[].sites[]",
    .help = "a site of the group",
    .keys = member_keys,
    .key_count = BW_KEY_COUNT(member_keys),
    .size = sizeof(struct bw_answers_member),
};

static const struct bw_key group_keys[] = {
    BW_KEY(NAME, "name", GROUP(spec.name), .required = true, .example = "orders", .help = "the group's name"),
    BW_KEY(NAME, "set", GROUP(set), .example = "postgresql", .absent_note = "none: `scripts` names own ones",
           .help = "the script set that runs the service"),
    BW_KEY(PATH, "scripts", GROUP(scripts), .absent_note = "none",
           .help = "a folder of own scripts in place of a set: status.sh, start.sh, stop.sh, and others by the name of "
                   "their key"),
    BW_KEY(LIST, "sites", GROUP(members), .item = BW_KEY_MAP, .table = &member_table, .in_place = true, .required = true,
           .count_offset = GROUP(member_count), .min = 2, .max = BW_SITES_MAX,
           .example = "[{name: dc-a, priority: 100}, {name: dc-b, priority: 50}]", .help = "sites of the group"),
    BW_KEY(ENV, "env", GROUP(env), .count_offset = GROUP(env_count), .max = BW_ENV_MAX,
           .help = "variables of the set, the same at all sites"),
    BW_KEY(MAP, "at_sites", GROUP(at_sites), .table = &bw_site_group_part_table,
           .help = "keys of the group in each site.yaml, in place of those of the set; $SCRIPTS is the folder of the sets, as in "
                   "verify_script: $SCRIPTS/verify/registry.sh"),
    BW_SPEC_ROWS};

static void init_group(void *of)
{
    struct bw_answers_group *group = of;

    bw_spec_defaults(&group->spec);
}

static const struct bw_table group_table = {
    .name = "groups[]",
    .help = "a group; also takes each key of a group in groups.yaml",
    .keys = group_keys,
    .key_count = BW_KEY_COUNT(group_keys),
    .size = sizeof(struct bw_answers_group),
    .init = init_group,
    .described_elsewhere = BW_SPEC_KEY_COUNT,
};

static const struct bw_key keys[] = {
    BW_KEY(NAME, "cluster", FIELD(cluster), .required = true, .example = "prod", .help = "the cluster's name"),
    BW_KEY(LIST, "witnesses", FIELD(witnesses), .item = BW_KEY_MAP, .table = &witness_table, .in_place = true,
           .required = true, .count_offset = FIELD(witness_count), .min = 1, .max = BW_WITNESSES_MAX,
           .example = "[{name: w1, address: w1.example.net, failure_domain: zone-1}]",
           .help = "the witnesses, 3 or 5; a replacement is written in the place of the former one, with an id of its own"),
    BW_KEY(LIST, "sites", FIELD(sites), .item = BW_KEY_MAP, .table = &site_table, .required = true,
           .count_offset = FIELD(site_count), .min = 2, .max = BW_ANSWERS_SITES_MAX,
           .example = "[{name: dc-a, address: 192.0.2.10}]", .help = "the sites"),
    BW_KEY(LIST, "groups", FIELD(groups), .item = BW_KEY_MAP, .table = &group_table, .required = true,
           .count_offset = FIELD(group_count), .min = 1, .max = BW_SITE_GROUPS_MAX,
           .example = "[{name: orders, set: postgresql, sites: [{name: dc-a}, {name: dc-b}]}]", .help = "the groups"),
    BW_KEY(LIST, "operators", FIELD(operators), .item = BW_KEY_TEXT, .count_offset = FIELD(operator_count), .required = true,
           .min = 1, .max = BW_ANSWERS_OPERATORS_MAX, .example = "[anna]", .help = "the names of those who give commands"),
    BW_KEY(DURATION, "election_timeout", FIELD(election_timeout_ms), .min = BW_ELECTION_TIMEOUT_MS_MIN, .max = BW_ELECTION_TIMEOUT_MS_MAX,
           .absent = "1s", .help = "as in witness.yaml"),
    BW_KEY(NUMBER, "certificate_days", FIELD(certificate_days), .min = 1, .max = 825, .absent = "365",
           .help = "how long a new certificate is valid"),
    BW_KEY(TEXT, "image", FIELD(image), .min = 1, .max = 255, .absent_note = "none; Kubernetes needs it",
           .help = "the image of breakwater, REPOSITORY:TAG"),
    BW_KEY(TEXT, "tools_image", FIELD(tools_image), .min = 1, .max = 255, .absent_note = "none; a site in Kubernetes needs it",
           .help = "the image with kubectl, curl and bash, REPOSITORY:TAG"),
};

const struct bw_table bw_answers_table = {
    .name = "answers.yaml",
    .help = "from which `generate` makes the files of a whole cluster",
    .keys = keys,
    .key_count = BW_KEY_COUNT(keys),
    .size = sizeof(struct bw_answers),
};

/* ---- addresses ------------------------------------------------------------------------------- */

bool bw_answers_address(const char *host, uint32_t port, char out_address[BW_ADDRESS_MAX + 1])
{
    const bool is_ipv6 = strchr(host, ':') != NULL;

    return snprintf(out_address, BW_ADDRESS_MAX + 1, "%s%s%s:%" PRIu32, is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
                    port) <= BW_ADDRESS_MAX;
}

static void check_host(struct bw_document *document, const char *path, const char *host)
{
    char address[BW_ADDRESS_MAX + 1];
    char quote[BW_QUOTE_BYTES];
    const char *why;

    if (!bw_document_is_sound(document, path))
        return;
    if (!bw_answers_address(host, 1, address) || !bw_address_check(address, false, &why))
        bw_document_fail(document, path,
                         "\"%s\" is neither the name of a host nor an address; write it without a port, such as w1.example.net "
                         "or 192.0.2.10",
                         bw_document_quote(host, quote));
}

/* ---- Kubernetes ------------------------------------------------------------------------------ */

/* A witness or a site, and the path of it. */
struct in_kubernetes {
    const char *name, *namespace, *cluster;
    char path[32];
};

static bool is_dns_label(const char *name)
{
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name) && name[strlen(name) - 1] != '-';
}

/* `others`: those of the same kind that were checked before. What generate makes for two of one kind has the same names. */
static void check_in_kubernetes(struct bw_document *document, const struct in_kubernetes *all, uint32_t count)
{
    const struct in_kubernetes *own = &all[count];
    char path[64];

    (void)snprintf(path, sizeof path, "%s.kubernetes", own->path);
    if (own->cluster[0] != '\0' && own->namespace[0] == '\0')
        bw_document_fail(document, path, "needs the key \"namespace\", too; without both keys %s runs on a machine", own->name);
    (void)snprintf(path, sizeof path, "%s.namespace", own->path);
    if (!bw_document_is_sound(document, path))
        return;
    if (own->namespace[0] != '\0' && !is_dns_label(own->namespace))
        bw_document_fail(document, path, "\"%s\" is no name of a namespace: 1 to 63 of a to z, 0 to 9 and '-'", own->namespace);
    for (uint32_t i = 0; i < count && own->cluster[0] != '\0'; i++) {
        if (strcmp(all[i].cluster, own->cluster) != 0)
            continue;
        if (strcmp(all[i].namespace, own->namespace) == 0)
            bw_document_fail(document, path, "\"%s\" is the namespace of %s too, in the cluster %s; write another one for %s",
                             own->namespace, all[i].name, own->cluster, own->name);
        else
            bw_document_warn(document, path, "%s is in the cluster %s too: both are lost at once", all[i].name, own->cluster);
        break;
    }
}

static void check_kubernetes(const struct bw_answers *answers, struct bw_document *document)
{
    struct in_kubernetes all[BW_ANSWERS_SITES_MAX];

    _Static_assert((int)BW_ANSWERS_SITES_MAX >= (int)BW_WITNESSES_MAX, "one list has room for both kinds");
    for (uint32_t i = 0; i < answers->witness_count; i++) {
        const struct bw_answers_witness *witness = &answers->witnesses[i];

        all[i] = (struct in_kubernetes){.name = witness->name, .namespace = witness->namespace, .cluster = witness->kubernetes};
        (void)snprintf(all[i].path, sizeof all[i].path, "witnesses[%" PRIu32 "]", i);
        check_in_kubernetes(document, all, i);
    }
    for (uint32_t i = 0; i < answers->site_count; i++) {
        const struct bw_answers_site *site = &answers->sites[i];

        all[i] = (struct in_kubernetes){.name = site->name, .namespace = site->namespace, .cluster = site->kubernetes};
        (void)snprintf(all[i].path, sizeof all[i].path, "sites[%" PRIu32 "]", i);
        check_in_kubernetes(document, all, i);
    }
}

/* ---- witnesses ------------------------------------------------------------------------------- */

static bool is_same_host(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcasecmp(a, b) == 0;
}

static void check_witness(const struct bw_answers *answers, struct bw_document *document, uint32_t index)
{
    const struct bw_answers_witness *own = &answers->witnesses[index];
    char path[64];

    (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].address", index);
    check_host(document, path, own->host);
    if (own->port == own->raft_port) {
        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].raft_port", index);
        bw_document_fail(document, path, "is the same as port; Raft has a port of its own");
    }
    for (uint32_t i = 0; i < index; i++) {
        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].id", index);
        if (own->id == answers->witnesses[i].id)
            bw_document_fail(document, path, "%" PRIu32 " is the id of witnesses[%" PRIu32 "] too; write a number above all ids",
                             own->id, i);
    }
    for (uint32_t i = 0; i < index; i++) {
        const struct bw_answers_witness *other = &answers->witnesses[i];

        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].address", index);
        if (!is_same_host(own->host, other->host))
            continue;
        if (own->port == other->port || own->raft_port == other->raft_port)
            bw_document_fail(document, path, "\"%s\" is the address of witnesses[%" PRIu32 "] too; each witness needs a machine of "
                             "its own", own->host, i);
        else
            bw_document_warn(document, path, "\"%s\" is the machine of witnesses[%" PRIu32 "] too: both are lost at once",
                             own->host, i);
        break;
    }
}

static void check_witnesses(struct bw_answers *answers, struct bw_document *document)
{
    for (uint32_t i = 0; i < answers->witness_count; i++) {
        struct bw_answers_witness *witness = &answers->witnesses[i];

        witness->has_joined = witness->id != 0;
        witness->is_first = i == 0 && !witness->has_joined;
        witness->id = witness->has_joined ? witness->id : i + 1;
    }
    for (uint32_t i = 0; i < answers->witness_count; i++)
        check_witness(answers, document, i);
    if (answers->witness_count % 2 == 0 && bw_document_is_sound(document, "witnesses"))
        bw_document_fail(document, "witnesses", "a cluster begins with 3 or 5 witnesses, not with %" PRIu32,
                         answers->witness_count);
}

/* ---- sites ----------------------------------------------------------------------------------- */

/* A second enforcer on the machine that it is to outlive ends with it. */
static void check_second(const struct bw_answers *answers, struct bw_document *document, uint32_t index)
{
    const struct bw_answers_site *own = &answers->sites[index];
    char path[64];

    (void)snprintf(path, sizeof path, "sites[%" PRIu32 "].second_enforcer", index);
    check_host(document, path, own->second);
    if (is_same_host(own->second, own->host))
        bw_document_fail(document, path, "\"%s\" is the machine of the site's guard too; the second enforcer has to outlive it: "
                         "write another machine", own->second);
    if (own->second != NULL && own->namespace[0] != '\0')
        bw_document_fail(document, path, "a site in Kubernetes has its second enforcer in the cluster; remove this key");
}

static void check_site(const struct bw_answers *answers, struct bw_document *document, uint32_t index)
{
    const struct bw_answers_site *own = &answers->sites[index];
    char path[64];

    (void)snprintf(path, sizeof path, "sites[%" PRIu32 "].address", index);
    check_host(document, path, own->host);
    for (uint32_t i = 0; i < index; i++)
        if (is_same_host(own->host, answers->sites[i].host))
            bw_document_fail(document, path, "\"%s\" is the address of sites[%" PRIu32 "] too; write the address of %s", own->host,
                             i, own->name);
    for (uint32_t i = 0; i < answers->witness_count; i++)
        if (is_same_host(own->host, answers->witnesses[i].host))
            bw_document_warn(document, path, "\"%s\" is the machine of witness %s too: both are lost at once", own->host,
                             answers->witnesses[i].name);
    check_second(answers, document, index);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Each is the name of a folder. */
struct named {
    const char *name;
    char path[64];
};

static void check_name(struct bw_document *document, const struct named *all, uint32_t count)
{
    static const char *const taken[] = {"ca"};
    const struct named *own = &all[count];

    if (!bw_document_is_sound(document, own->path))
        return;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(own->name, taken[i]) == 0)
            bw_document_fail(document, own->path, "\"%s\" is the name of a folder that `generate` makes; choose another one",
                             own->name);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].name == NULL || strcmp(all[i].name, own->name) != 0)
            continue;
        bw_document_fail(document, own->path, "\"%s\" is %s too; each witness, site and operator needs a name of its own",
                         own->name, all[i].path);
        return;
    }
}

static void check_operator(struct bw_document *document, const char *path, const char *name)
{
    char quote[BW_QUOTE_BYTES];

    if (bw_document_is_sound(document, path) && !bw_name_is_valid(name))
        bw_document_fail(document, path, "\"%s\" is no name (1 to 63 of letters, digits, '.', '_' and '-')",
                         bw_document_quote(name, quote));
}

static void check_names(const struct bw_answers *answers, struct bw_document *document)
{
    static const uint32_t most = BW_WITNESSES_MAX + BW_ANSWERS_SITES_MAX + BW_ANSWERS_OPERATORS_MAX;
    struct named *all = bw_config_new(most * sizeof *all);
    uint32_t count = 0;

    for (uint32_t i = 0; i < answers->witness_count; i++, count++) {
        all[count].name = answers->witnesses[i].name;
        (void)snprintf(all[count].path, sizeof all[count].path, "witnesses[%" PRIu32 "].name", i);
        check_name(document, all, count);
    }
    for (uint32_t i = 0; i < answers->site_count; i++, count++) {
        all[count].name = answers->sites[i].name;
        (void)snprintf(all[count].path, sizeof all[count].path, "sites[%" PRIu32 "].name", i);
        check_name(document, all, count);
    }
    for (uint32_t i = 0; i < answers->operator_count; i++, count++) {
        all[count].name = answers->operators[i];
        (void)snprintf(all[count].path, sizeof all[count].path, "operators[%" PRIu32 "]", i);
        check_operator(document, all[count].path, all[count].name);
        check_name(document, all, count);
    }
    free(all);
}

/* ---- images ---------------------------------------------------------------------------------- */

static void check_images(const struct bw_answers *answers, struct bw_document *document)
{
    char path[64];

    for (uint32_t i = 0; i < answers->witness_count; i++) {
        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].namespace", i);
        if (answers->witnesses[i].namespace[0] != '\0' && answers->image == NULL)
            bw_document_fail(document, path, "a witness in Kubernetes needs the key \"image\"; for example \"image: "
                             "registry.example.net/breakwater:0.3.0\"");
    }
    for (uint32_t i = 0; i < answers->site_count; i++) {
        (void)snprintf(path, sizeof path, "sites[%" PRIu32 "].namespace", i);
        if (answers->sites[i].namespace[0] != '\0' && (answers->image == NULL || answers->tools_image == NULL))
            bw_document_fail(document, path, "a site in Kubernetes needs the keys \"image\" and \"tools_image\"; for example "
                             "\"image: registry.example.net/breakwater:0.3.0\" and \"tools_image: registry.example.net/tools:1\"");
    }
}

/* ---- loading --------------------------------------------------------------------------------- */

struct bw_answers *bw_answers_load(const char *file, const char *deploy, struct bw_problems *problems)
{
    const uint32_t errors_before = problems->error_count;
    struct bw_answers *answers = bw_config_new(sizeof *answers);
    struct bw_config_arena arena = {0};
    struct bw_document document;
    bool is_loaded;

    is_loaded = bw_document_open(&document, file, problems) == BW_OK && document.root != NULL &&
                bw_schema_load(&bw_answers_table, &document, &arena, answers);
    answers->arena = arena;
    if (is_loaded) {
        check_witnesses(answers, &document);
        for (uint32_t i = 0; i < answers->site_count; i++)
            check_site(answers, &document, i);
        check_names(answers, &document);
        check_images(answers, &document);
        check_kubernetes(answers, &document);
        for (uint32_t i = 0; i < answers->group_count; i++)
            bw_answers_group_check(answers, &document, i, deploy);
        bw_answers_namespaces_check(answers, &document);
    }
    answers->document = document;
    if (problems->error_count == errors_before)
        return answers;
    bw_answers_free(answers);
    return NULL;
}

void bw_answers_free(struct bw_answers *answers)
{
    if (answers == NULL)
        return;
    for (uint32_t i = 0; i < answers->group_count; i++) {
        bw_set_config_free(answers->groups[i].loaded);
        for (uint32_t p = 0; p < answers->groups[i].part_count; p++)
            bw_set_config_free(answers->groups[i].parts[p]);
    }
    bw_document_deinit(&answers->document);
    bw_config_arena_deinit(&answers->arena);
    free(answers);
}
