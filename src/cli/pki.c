/* breakwater pki init | issue | renew | show. */
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/base/assert.h>
#include <breakwater/net/pki.h>
#include <breakwater/witness/json.h>

#include "api.h"
#include "options.h"
#include "verbs.h"

#define DAY_S      86400
#define TIME_BYTES 32

static enum bw_exit report(const char *command, enum bw_err err, const struct bw_diag *diag)
{
    (void)fprintf(stderr, "error: %s: %s\n", command, diag->text);
    return bw_exit_of_err(err);
}

/* ---- init ------------------------------------------------------------------------------------ */

struct init_values {
    const char *cluster;
    const char *dir;
};

static const struct bw_option init_options[] = {
    BW_OPTION_TEXT(struct init_values, cluster, "cluster", 0, "NAME", "name of the cluster"),
    BW_OPTION_TEXT(struct init_values, dir, "dir", 0, "DIR", "folder for ca.pem and ca.key"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command init_command = {
    .name = "pki init",
    .operands = "",
    .help = "Makes the CA of a new cluster: ca.pem, which every member trusts, and ca.key, which signs\n"
            "certificates. Keep ca.key away from all members. Existing files stay as they are.",
    .options = init_options,
};

static enum bw_exit run_init(int argc, char **argv)
{
    struct init_values values = {0};
    struct bw_operands operands;
    struct bw_diag diag = {0};
    enum bw_exit status;
    enum bw_err err;

    if (!bw_options_parse(&init_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.cluster == NULL || values.dir == NULL)
        return bw_usage_error(&init_command, "needs --cluster NAME and --dir DIR");
    err = bw_pki_init(values.cluster, values.dir, &diag);
    if (err != BW_OK)
        return report(init_command.name, err, &diag);
    (void)printf("%s/" BW_PKI_CA_FILE "\n%s/" BW_PKI_CA_KEY_FILE "\n", values.dir, values.dir);
    (void)fprintf(stderr,
                  "Made the CA of cluster %s. Copy %s/" BW_PKI_CA_FILE " to every member and keep "
                  "%s/" BW_PKI_CA_KEY_FILE " to yourself.\n",
                  values.cluster, values.dir, values.dir);
    return BW_EXIT_FINE;
}

/* ---- issue ----------------------------------------------------------------------------------- */

struct issue_values {
    const char *dir;
    struct bw_option_list sans;
    uint64_t days;
    const char *out;
};

static const struct bw_option issue_options[] = {
    BW_OPTION_TEXT(struct issue_values, dir, "dir", 0, "DIR", "folder with ca.pem and ca.key"),
    BW_OPTION_LIST(struct issue_values, sans, "san", 0, "dns:NAME|ip:ADDRESS",
                   "host name or address that peers connect to; may be repeated"),
    BW_OPTION_NUMBER(struct issue_values, days, "days", 0, "N", 1, BW_PKI_LEAF_DAYS_MAX,
                     "validity in days (365)"),
    BW_OPTION_TEXT(struct issue_values, out, "out", 0, "FILE",
                   "the file to write (NAME.pem, or SITE-NAME.pem, in DIR)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command issue_command = {
    .name = "pki issue",
    .operands = "ROLE/NAME|agent/SITE/NAME",
    .operands_min = 1,
    .operands_max = 1,
    .help = "Issues a certificate with a new key, in one file that only its owner can read.\n"
            "ROLE is witness, operator or viewer. A witness needs a --san for each host name or address\n"
            "that agents and operators connect to. A file of the same identity is replaced; any other\n"
            "file stays as it is.",
    .options = issue_options,
};

static enum bw_exit run_issue(int argc, char **argv)
{
    struct issue_values values = {.days = BW_PKI_LEAF_DAYS};
    struct bw_operands operands;
    struct bw_diag diag = {0};
    char path[BW_PKI_PATH_MAX];
    enum bw_exit status;
    enum bw_err err;

    if (!bw_options_parse(&issue_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.dir == NULL)
        return bw_usage_error(&issue_command, "needs --dir DIR");
    const struct bw_pki_request request = {
        .dir = values.dir,
        .subject = operands.items[0],
        .sans = values.sans.items,
        .sans_count = values.sans.count,
        .days = (unsigned)values.days,
        .out_path = values.out,
    };
    err = bw_pki_issue(&request, path, &diag);
    if (err != BW_OK)
        return report(issue_command.name, err, &diag);
    (void)printf("%s\n", path);
    if (strncmp(operands.items[0], "witness/", 8) == 0 && values.sans.count == 0) {
        (void)fputs("warning: without a --san, no client can connect to this witness; issue it again with --san "
                    "dns:NAME or --san ip:ADDRESS\n",
                    stderr);
        return BW_EXIT_WARNINGS;
    }
    return BW_EXIT_FINE;
}

/* ---- show ------------------------------------------------------------------------------------ */

struct show_values {
    enum bw_output output;
};

static const struct bw_option show_options[] = {
    BW_OPTION_OUTPUT(struct show_values, output),
    BW_OPTIONS_END,
};

static const struct bw_cli_command show_command = {
    .name = "pki show",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .help =
        "Describes the certificates in each FILE. Exit status 3: a certificate has expired, expires\n"
        "within 60 days or starts in the future, or a key is readable by other users.",
    .options = show_options,
};

static void format_time(int64_t unix_s, char out[TIME_BYTES])
{
    const time_t seconds = (time_t)unix_s;
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL || strftime(out, TIME_BYTES, "%FT%TZ", &tm) == 0)
        (void)snprintf(out, TIME_BYTES, "(out of range)");
}

/* Whole days until it ends, negative once it has ended. */
static int64_t days_left(const struct bw_pki_certificate *certificate, int64_t now_s)
{
    const int64_t left_s = certificate->not_after_s - now_s;

    return left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
}

/* Why a person should look at it; NULL when nothing is wrong. */
static const char *find_warning(const struct bw_pki_certificate *certificate, int64_t now_s)
{
    if (certificate->not_before_s > now_s)
        return "not valid yet";
    if (certificate->not_after_s <= now_s)
        return "expired";
    if (days_left(certificate, now_s) < BW_CERTIFICATE_ENDS_DAYS)
        return "ends soon";
    return NULL;
}

static void print_certificate(const char *path, const struct bw_pki_file *file, size_t index,
                              int64_t now_s)
{
    const struct bw_pki_certificate *certificate = &file->certificates[index];
    const char *warning = find_warning(certificate, now_s);
    char from[TIME_BYTES];
    char until[TIME_BYTES];

    format_time(certificate->not_before_s, from);
    format_time(certificate->not_after_s, until);
    (void)printf("%s: %s%s\n", path, certificate->is_ca ? "a CA" : "a certificate",
                 index == 0 && file->has_key ? " with its key" : "");
    (void)printf("  identity     %s\n", certificate->identity[0] != '\0' ? certificate->identity
                                        : certificate->is_ca             ? "-"
                                                             : "none (not exactly one URI)");
    (void)printf("  subject      %s\n  issuer       %s\n", certificate->subject,
                 certificate->issuer);
    (void)printf("  valid        %s to %s, %" PRId64 " days left%s%s\n", from, until,
                 days_left(certificate, now_s), warning == NULL ? "" : ": ",
                 warning == NULL ? "" : warning);
    for (size_t i = 0; i < certificate->sans_count; i++)
        (void)printf("  %-12s %s\n", i == 0 ? "names" : "", certificate->sans[i]);
    (void)printf("  serial       %s\n  fingerprint  SHA256 %s\n", certificate->serial,
                 certificate->fingerprint);
}

static json_t *certificate_json(const char *path, const struct bw_pki_file *file, size_t index,
                                int64_t now_s)
{
    const struct bw_pki_certificate *certificate = &file->certificates[index];
    char from[TIME_BYTES];
    char until[TIME_BYTES];
    json_t *sans = json_array();

    format_time(certificate->not_before_s, from);
    format_time(certificate->not_after_s, until);
    for (size_t i = 0; i < certificate->sans_count; i++)
        sans = bw_json_append(sans, json_string(certificate->sans[i]));
    return json_pack("{s:s, s:b, s:b, s:s*, s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:s, s:s*}", "file",
                     path, "ca", certificate->is_ca, "key", index == 0 && file->has_key, "identity",
                     certificate->identity[0] == '\0' ? NULL : certificate->identity, "subject",
                     certificate->subject, "issuer", certificate->issuer, "not_before", from,
                     "not_after", until, "days_left", (json_int_t)days_left(certificate, now_s),
                     "names", sans, "serial", certificate->serial, "fingerprint_sha256",
                     certificate->fingerprint, "warning", find_warning(certificate, now_s));
}

/* Print or collect one file; adds to *status what it deserves. */
static enum bw_err show_file(const char *path, struct bw_pki_file *file, json_t *collected,
                             enum bw_exit *status, struct bw_diag *diag)
{
    const int64_t now_s = (int64_t)time(NULL);
    const enum bw_err err = bw_pki_show(path, file, diag);

    if (err != BW_OK)
        return err;
    if (file->key_is_exposed) {
        (void)fprintf(stderr,
                      "warning: %s: other users can read this key, so every daemon rejects it; if no other user has "
                      "read it:  chmod 600 %s\n",
                      path, path);
        *status = BW_EXIT_WARNINGS;
    }
    for (size_t i = 0; i < file->count; i++) {
        if (find_warning(&file->certificates[i], now_s) != NULL)
            *status = BW_EXIT_WARNINGS;
        if (collected == NULL)
            print_certificate(path, file, i, now_s);
        else if (json_array_append_new(collected, certificate_json(path, file, i, now_s)) != 0)
            return bw_diag_set(diag, BW_ERR_INVALID,
                               "%s: its path is not UTF-8, or out of memory", path);
    }
    return BW_OK;
}

static enum bw_exit print_json(json_t *certificates)
{
    json_t *document = json_pack("{s:s, s:O}", "schema", "breakwater.pki/v1", "certificates",
                                 certificates);
    const enum bw_exit exit = bw_json_print(document);

    json_decref(document);
    return exit;
}

static enum bw_exit run_show(int argc, char **argv)
{
    struct show_values values = {.output = BW_OUTPUT_TABLE};
    struct bw_operands operands;
    enum bw_exit status;
    enum bw_exit worst = BW_EXIT_FINE;
    struct bw_pki_file *file;
    json_t *collected = NULL;

    if (!bw_options_parse(&show_command, argc, argv, &values, &operands, &status))
        return status;
    file = malloc(sizeof *file);
    if (values.output == BW_OUTPUT_JSON)
        collected = json_array();
    if (file == NULL || (values.output == BW_OUTPUT_JSON && collected == NULL)) {
        (void)fputs("error: pki show: out of memory\n", stderr);
        free(file);
        return BW_EXIT_FAILED;
    }
    status = BW_EXIT_FINE;
    for (size_t i = 0; i < operands.count; i++) {
        struct bw_diag diag = {0};
        const enum bw_err err = show_file(operands.items[i], file, collected, &status, &diag);

        if (err != BW_OK)
            worst = report(show_command.name, err, &diag);
    }
    if (collected != NULL && print_json(collected) != BW_EXIT_FINE)
        worst = BW_EXIT_FAILED;
    json_decref(collected);
    free(file);
    return worst != BW_EXIT_FINE ? worst : status;
}

/* ---- renew ----------------------------------------------------------------------------------- */

struct renew_values {
    const char *dir;
    bool is_all;
    uint64_t within;
    uint64_t days;
};

static const struct bw_option renew_options[] = {
    BW_OPTION_TEXT(struct renew_values, dir, "dir", 0, "DIR", "folder with ca.pem and ca.key"),
    BW_OPTION_FLAG(struct renew_values, is_all, "all", 0, "FILE is a folder: renew each certificate below it"),
    BW_OPTION_NUMBER(struct renew_values, within, "within", 0, "N", 1, BW_PKI_LEAF_DAYS_MAX,
                     "with --all: only certificates that end within N days (all)"),
    BW_OPTION_NUMBER(struct renew_values, days, "days", 0, "N", 1, BW_PKI_LEAF_DAYS_MAX,
                     "validity in days (that of the old certificate)"),
    BW_OPTIONS_END,
};

static const struct bw_cli_command renew_command = {
    .name = "pki renew",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .help =
        "Replaces certificate and key in each FILE by new ones of the same identity and names. The CA\n"
        "in DIR has to be the issuer of the old certificate, and to end later than the new one. Then\n"
        "copy the file over the old one of its daemon. With --all, each FILE is a folder: its CA is in\n"
        "that folder or in its subfolder ca, unless --dir names another CA.",
    .options = renew_options,
};

/* Whose it is, by its identity: what makes him take it. */
static void print_next(const char *identity)
{
    static const struct {
        const char *role, *text;
    } daemons[] = {{"witness/", "  systemctl reload breakwater-witness\n"},
                   /* Its agent reads the site file with it: the guard has to read the same one (5.4). */
                   {"agent/", "  systemctl reload breakwater-guard breakwater-agent\n"
                              "  for a second enforcer:\n"
                              "  systemctl reload breakwater-second-enforcer\n"}};
    const char *role = strchr(identity + strlen("breakwater://"), '/') + 1;

    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++)
        if (strncmp(role, daemons[i].role, strlen(daemons[i].role)) == 0)
            (void)fprintf(stderr,
                          "  Copy it over the old file of its daemon. The daemon uses it within 10 s, or at once "
                          "after:\n"
                          "%s",
                          daemons[i].text);
}

static enum bw_exit renew_file(const struct renew_values *values, const char *dir, const char *file)
{
    struct bw_pki_renewed renewed = {.identity = ""};
    struct bw_diag diag = {0};
    char until[TIME_BYTES];
    char before[TIME_BYTES];
    const enum bw_err err = bw_pki_renew(dir, file, (unsigned)values->days, &renewed, &diag);

    if (err != BW_OK)
        return report(renew_command.name, err, &diag);
    format_time(renewed.not_after_s, until);
    format_time(renewed.old_not_after_s, before);
    (void)printf("%s\n", file);
    (void)fprintf(stderr,
                  "%s: valid until %s. The old certificate is accepted until %s.\n"
                  "  To revoke it before, write this under tls in the files of its peers, and reload them:\n"
                  "    revoked: [\"serial:%s\"]\n",
                  renewed.identity, until, before, renewed.old_serial);
    print_next(renewed.identity);
    return BW_EXIT_FINE;
}

/* What the walk over a folder has found; nftw passes nothing on. */
static struct {
    const struct renew_values *values;
    char dir[BW_PKI_PATH_MAX];
    struct bw_pki_file *shown;
    size_t count; /* of certificates that could be renewed */
    enum bw_exit worst;
} walk;

/* A leaf of a cluster, with its key. */
static bool is_renewable(const char *path)
{
    const struct bw_pki_certificate *own = &walk.shown->certificates[0];
    struct bw_diag diag = {0};

    return bw_pki_show(path, walk.shown, &diag) == BW_OK && walk.shown->has_key && !own->is_ca &&
           strncmp(own->identity, "breakwater://", strlen("breakwater://")) == 0;
}

static int renew_found(const char *path, const struct stat *status, int type, struct FTW *at)
{
    const char *end = strrchr(path, '.');
    enum bw_exit exit;

    (void)status;
    (void)at;
    if (type != FTW_F || end == NULL || strcmp(end, ".pem") != 0 || !is_renewable(path))
        return 0;
    walk.count++;
    if (walk.values->within != 0 &&
        days_left(&walk.shown->certificates[0], (int64_t)time(NULL)) >= (int64_t)walk.values->within)
        return 0;
    exit = renew_file(walk.values, walk.dir, path);
    walk.worst = exit != BW_EXIT_FINE ? exit : walk.worst;
    return 0;
}

/* The CA of a folder is in it, or in the folder `ca` as generate writes it. */
static void find_ca(const char *folder)
{
    char key[BW_PKI_PATH_MAX];

    (void)snprintf(key, sizeof key, "%s/" BW_PKI_CA_KEY_FILE, folder); /* one that is too long is not there */
    (void)snprintf(walk.dir, sizeof walk.dir, "%s%s", walk.values->dir != NULL ? walk.values->dir : folder,
                   walk.values->dir != NULL || access(key, F_OK) == 0 ? "" : "/ca");
}

static enum bw_exit renew_all(const struct renew_values *values, const char *folder)
{
    walk.values = values;
    walk.shown = malloc(sizeof *walk.shown);
    walk.count = 0;
    walk.worst = BW_EXIT_FINE;
    BW_ASSERT(walk.shown != NULL);
    find_ca(folder);
    if (nftw(folder, renew_found, 16, FTW_PHYS) != 0 || walk.count == 0) {
        (void)fprintf(stderr, "error: pki renew: %s: this folder has no certificate with its key\n", folder);
        walk.worst = BW_EXIT_FAILED;
    }
    free(walk.shown);
    return walk.worst;
}

static enum bw_exit run_renew(int argc, char **argv)
{
    struct renew_values values = {0};
    struct bw_operands operands;
    enum bw_exit status;

    if (!bw_options_parse(&renew_command, argc, argv, &values, &operands, &status))
        return status;
    if (values.dir == NULL && !values.is_all)
        return bw_usage_error(&renew_command, "needs --dir DIR");
    if (values.within != 0 && !values.is_all)
        return bw_usage_error(&renew_command, "--within is for --all");
    status = BW_EXIT_FINE;
    for (size_t i = 0; i < operands.count; i++) {
        const enum bw_exit exit = values.is_all ? renew_all(&values, operands.items[i])
                                                : renew_file(&values, values.dir, operands.items[i]);

        status = exit != BW_EXIT_FINE ? exit : status;
    }
    return status;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static const struct bw_part parts[] = {
    {&init_command, run_init},
    {&issue_command, run_issue},
    {&renew_command, run_renew},
    {&show_command, run_show},
};

enum bw_exit bw_verb_pki(int argc, char **argv)
{
    return bw_parts_run(parts, sizeof parts / sizeof parts[0], argc, argv);
}
