/* All files of the plan, in order. */
#include <breakwater/generate/generate.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/config/scalar.h>

#include "parts.h"

/* ---- names of hosts -------------------------------------------------------------------------- */

static void resolve(struct bw_document *document, const char *host, const char *path)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int why;

    if (host == NULL)
        return;
    why = getaddrinfo(host, NULL, &hints, &found);
    if (why != 0)
        bw_document_fail(document, path, "\"%s\" cannot be resolved here (%s); write an address, or a name that the name servers "
                         "have. --offline looks up no names", host, gai_strerror(why));
    else
        freeaddrinfo(found);
}

void bw_generate_resolve(struct bw_answers *answers)
{
    char path[64];

    for (uint32_t i = 0; i < answers->witness_count; i++) {
        (void)snprintf(path, sizeof path, "witnesses[%" PRIu32 "].address", i);
        resolve(&answers->document, answers->witnesses[i].host, path);
    }
    for (uint32_t i = 0; i < answers->site_count; i++) {
        (void)snprintf(path, sizeof path, "sites[%" PRIu32 "].address", i);
        resolve(&answers->document, answers->sites[i].host, path);
        (void)snprintf(path, sizeof path, "sites[%" PRIu32 "].second_enforcer", i);
        resolve(&answers->document, answers->sites[i].second, path);
    }
}

/* ---- witnesses ------------------------------------------------------------------------------- */

/* As certificates are shown: an address in its one form. */
static void san_of(const char *host, char *out, size_t size)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    const int family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;

    if (inet_pton(family, host, bytes) == 1 && inet_ntop(family, bytes, text, sizeof text) != NULL)
        (void)snprintf(out, size, "ip:%s", text);
    else
        (void)snprintf(out, size, "dns:%s", host);
}

static void put_members(const struct bw_answers *answers, FILE *out)
{
    char address[BW_ADDRESS_MAX + 1];
    char raft[BW_ADDRESS_MAX + 1];

    (void)fputs("witnesses:\n", out);
    for (uint32_t i = 0; i < answers->witness_count; i++) {
        const struct bw_answers_witness *of = &answers->witnesses[i];

        (void)bw_answers_address(of->host, of->port, address); /* was checked */
        (void)bw_answers_address(of->host, of->raft_port, raft); /* likewise */
        (void)fprintf(out, "  - {name: %s, id: %" PRIu32 ", address: \"%s\", raft: \"%s\", failure_domain: %s}\n", of->name,
                      of->id, address, raft, of->failure_domain);
    }
}

/* A numeric address of this machine's own, in 127.0.0.0/8, is listened at alone: several witnesses of one machine may have the
 * same ports. */
static void put_listen(FILE *out, const struct bw_answers_witness *witness)
{
    const bool is_loopback = strncmp(witness->host, "127.", 4) == 0;
    const char *host = is_loopback ? witness->host : strchr(witness->host, ':') != NULL ? "[::]" : "0.0.0.0";

    (void)fprintf(out, "listen: \"%s:%" PRIu32 "\"\nraft_listen: \"%s:%" PRIu32 "\"\n", host, witness->port, host,
                  witness->raft_port);
}

static void write_witness(struct bw_generation *generation, const struct bw_answers_witness *witness)
{
    const struct bw_answers *answers = generation->answers;
    const bool is_pod = witness->namespace[0] != '\0';
    char subject[BW_NAME_MAX + 16];
    char san[BW_ADDRESS_MAX + 8];
    char name[BW_NAME_MAX + 32];
    FILE *out;

    (void)snprintf(name, sizeof name, "%s/witness.yaml", witness->name);
    out = bw_tree_open(generation->tree, name, 0644);
    if (out == NULL)
        return;
    (void)fprintf(out,
                  "# Written by breakwater generate, for this witness. Change the answers, not this file, and run it again.\n"
                  "cluster: %s\nname: %s\ndata_dir: ",
                  answers->cluster, witness->name);
    bw_yaml_text(out, is_pod ? "/var/lib/breakwater/data" : witness->data_dir);
    (void)putc('\n', out);
    put_listen(out, witness);
    (void)fprintf(out, "tls: {ca: ca.pem, identity: %s}\n%selection_timeout: %" PRIu32 "ms\n",
                  is_pod ? "identity.pem" : "witness.pem", is_pod ? "metrics_anonymous: true\n" : "", answers->election_timeout_ms);
    put_members(answers, out);
    bw_tree_close(generation->tree, out, name);
    (void)snprintf(subject, sizeof subject, "witness/%s", witness->name);
    san_of(witness->host, san, sizeof san);
    (void)snprintf(name, sizeof name, "%s/witness.pem", witness->name);
    bw_generate_certificate(generation, subject, san, name);
    bw_generate_trust(generation, witness->name);
    if (is_pod)
        bw_generate_witness_overlay(generation, witness);
    bw_install_witness(generation, witness);
}

/* ---- sites and operators --------------------------------------------------------------------- */

static void write_site(struct bw_generation *generation, const struct bw_answers_site *site)
{
    const bool is_pod = site->namespace[0] != '\0';
    struct bw_site_part part = {.site = site};
    bool has_group = false;

    for (uint32_t i = 0; i < generation->answers->group_count; i++)
        has_group = has_group || bw_answers_member_at(&generation->answers->groups[i], site->name) != NULL;
    if (!has_group)
        return; /* it has nothing to run yet */
    (void)snprintf(part.folder, sizeof part.folder, "%s", site->name);
    bw_generate_site(generation, &part);
    bw_install_site(generation, &part);
    if (!is_pod && site->second == NULL)
        return;
    part.is_second = true;
    if (!is_pod)
        (void)snprintf(part.folder, sizeof part.folder, "%s-second", site->name);
    bw_generate_site(generation, &part);
    if (is_pod)
        bw_generate_site_overlay(generation, site);
    else
        bw_install_site(generation, &part);
}

static void write_operator(struct bw_generation *generation, const char *operator)
{
    const struct bw_answers *answers = generation->answers;
    char subject[BW_NAME_MAX + 16];
    char name[2 * BW_NAME_MAX + 32];
    FILE *out;

    (void)snprintf(name, sizeof name, "%s/cli.yaml", operator);
    out = bw_tree_open(generation->tree, name, 0644);
    if (out == NULL)
        return;
    (void)fputs("# Written by breakwater generate, for the commands of this operator.\nendpoints: [", out);
    for (uint32_t i = 0; i < answers->witness_count; i++) {
        char address[BW_ADDRESS_MAX + 1];

        (void)bw_answers_address(answers->witnesses[i].host, answers->witnesses[i].port, address); /* was checked */
        (void)fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", address);
    }
    (void)fprintf(out, "]\ntls: {ca: ca.pem, identity: %s.pem}\n", operator);
    bw_tree_close(generation->tree, out, name);
    (void)snprintf(subject, sizeof subject, "operator/%s", operator);
    (void)snprintf(name, sizeof name, "%s/%s.pem", operator, operator);
    bw_generate_certificate(generation, subject, NULL, name);
    bw_generate_trust(generation, operator);
    (void)snprintf(name, sizeof name, "%s/groups.yaml", operator);
    bw_generate_groups(generation, name);
    bw_install_operator(generation, operator);
}

enum bw_err bw_generate(const struct bw_answers *answers, const char *deploy, struct bw_tree *tree)
{
    struct bw_generation generation = {.answers = answers, .deploy = deploy, .tree = tree};

    bw_generate_ca(&generation);
    for (uint32_t i = 0; i < answers->witness_count; i++)
        write_witness(&generation, &answers->witnesses[i]);
    for (uint32_t i = 0; i < answers->site_count; i++)
        write_site(&generation, &answers->sites[i]);
    for (uint32_t i = 0; i < answers->operator_count; i++)
        write_operator(&generation, answers->operators[i]);
    bw_install_order(&generation);
    return tree->err;
}

void bw_generate_each_config(const struct bw_tree *tree, void (*use)(const char *name, void *with), void *with)
{
    static const char *const configs[] = {"witness.yaml", "site.yaml", "second.yaml", "second-enforcer.yaml", "cli.yaml",
                                          "groups.yaml"};

    for (size_t i = 0; i < tree->file_count; i++) {
        const char *slash = strchr(tree->files[i], '/');

        for (size_t c = 0; slash != NULL && c < sizeof configs / sizeof configs[0]; c++)
            if (strcmp(slash + 1, configs[c]) == 0)
                use(tree->files[i], with);
    }
}
