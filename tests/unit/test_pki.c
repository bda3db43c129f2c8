/* pki: what `breakwater pki` makes, refuses and shows (design 5.2, 5.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <breakwater/net/credentials.h>
#include <breakwater/net/pki.h>

#include "lacking.h"

#define PATH_BYTES    256
#define COMMAND_BYTES 1024

struct fixture {
    char dir[64];
    struct bw_diag diag;
    char path[BW_PKI_PATH_MAX]; /* of the last file issued */
    struct bw_pki_file file;    /* the last one shown */
};

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
    char command[COMMAND_BYTES];
    va_list args;
    int status;

    va_start(args, format);
    assert_in_range(vsnprintf(command, sizeof command, format, args), 1, sizeof command - 1);
    va_end(args);
    status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    strcpy(fixture->dir, "/tmp/bw-test-pki-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run("rm -rf %s", fixture->dir), 0);
    free(fixture);
    return 0;
}

static int set_up_ca(void **state)
{
    struct fixture *fixture;

    assert_int_equal(set_up(state), 0);
    fixture = *state;
    assert_int_equal(bw_pki_init("prod", fixture->dir, &fixture->diag), BW_OK);
    return 0;
}

static enum bw_err issue(struct fixture *fixture, const char *subject, const char *san)
{
    const struct bw_pki_request request = {
        .dir = fixture->dir, .subject = subject, .sans = &san, .sans_count = san == NULL ? 0 : 1};

    return bw_pki_issue(&request, fixture->path, &fixture->diag);
}

static const char *path_in(const struct fixture *fixture, const char *name)
{
    static char paths[2][PATH_BYTES]; /* of the last two calls */
    static unsigned next;
    char *path = paths[next++ % 2];

    assert_in_range(snprintf(path, PATH_BYTES, "%s/%s", fixture->dir, name), 1, PATH_BYTES - 1);
    return path;
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define assert_says(fixture, words) assert_non_null(strstr((fixture)->diag.text, (words)))

/* ---- making ---------------------------------------------------------------------------------- */

static void ca_and_leaves_pass_strict_verification(void **state)
{
    struct fixture *fixture = *state;
    static const char *const purposes[] = {"sslserver", "sslclient"};

    assert_int_equal(issue(fixture, "witness/w1", "dns:w1.example.net"), BW_OK);

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(run("openssl verify -x509_strict -purpose %s -CAfile %s/ca.pem %s "
                             ">%s/out 2>&1",
                             purposes[i], fixture->dir, fixture->path, fixture->dir),
                         0);
    assert_int_equal(run("openssl verify -x509_strict -CAfile %s/ca.pem %s/ca.pem >%s/out 2>&1",
                         fixture->dir, fixture->dir, fixture->dir),
                     0);
}

static void ca_signs_leaves_only(void **state)
{
    const struct fixture *fixture = *state;

    assert_int_equal(
        run("openssl x509 -in %s/ca.pem -noout -text >%s/out", fixture->dir, fixture->dir), 0);
    assert_int_equal(run("grep -q 'CA:TRUE, pathlen:0' %s/out", fixture->dir), 0);
    assert_int_equal(run("grep -q 'P-256' %s/out", fixture->dir), 0);
}

static void keys_are_readable_by_their_owner_only(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "operator/anna", NULL), BW_OK);

    assert_int_equal(mode_of(path_in(fixture, "ca.key")), 0600);
    assert_int_equal(mode_of(fixture->path), 0600);
}

static void init_never_touches_an_existing_ca(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run("cp -p %s/ca.key %s/before", fixture->dir, fixture->dir), 0);

    assert_int_equal(bw_pki_init("other", fixture->dir, &fixture->diag), BW_ERR_EXISTS);

    assert_says(fixture, "ca.key exists already");
    assert_int_equal(run("cmp -s %s/ca.key %s/before", fixture->dir, fixture->dir), 0);
    assert_int_equal(unlink(path_in(fixture, "ca.key")), 0);
    assert_int_equal(bw_pki_init("other", fixture->dir, &fixture->diag), BW_ERR_EXISTS);
    assert_says(fixture, "ca.pem exists already");
    assert_int_equal(access(path_in(fixture, "ca.key"), F_OK), -1);
}

static void files_are_named_after_the_identity(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_string_equal(fixture->path, path_in(fixture, "w1.pem"));
    assert_int_equal(issue(fixture, "agent/dc-a/agent-1", NULL), BW_OK);
    assert_string_equal(fixture->path, path_in(fixture, "dc-a-agent-1.pem"));
    assert_int_equal(issue(fixture, "viewer/wall", NULL), BW_OK);
    assert_string_equal(fixture->path, path_in(fixture, "wall.pem"));
}

static void issued_file_loads_as_the_identity_it_names(void **state)
{
    struct fixture *fixture = *state;
    struct bw_credentials *credentials = NULL;

    assert_int_equal(issue(fixture, "agent/dc-a/agent-1", NULL), BW_OK);

    assert_int_equal(bw_credentials_load(path_in(fixture, "ca.pem"), fixture->path, &credentials,
                                         &fixture->diag),
                     BW_OK);
    assert_int_equal(bw_credentials_identity(credentials)->role, BW_ROLE_AGENT);
    assert_string_equal(bw_credentials_identity(credentials)->cluster, "prod");
    assert_string_equal(bw_credentials_identity(credentials)->site, "dc-a");
    assert_string_equal(bw_credentials_identity(credentials)->name, "agent-1");
    bw_credentials_free(credentials);
}

static void reissue_replaces_a_file_of_the_same_identity(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(run("cp %s %s/before", fixture->path, fixture->dir), 0);

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);

    assert_int_equal(run("cmp -s %s %s/before", fixture->path, fixture->dir), 1);
}

static void issue_leaves_files_of_others_alone(void **state)
{
    struct fixture *fixture = *state;
    struct bw_pki_request request = {.dir = fixture->dir, .subject = "viewer/v"};

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);

    assert_int_equal(issue(fixture, "operator/w1", NULL), BW_ERR_EXISTS);
    assert_says(fixture, "w1.pem exists");
    assert_says(fixture, "--out");
    assert_int_equal(issue(fixture, "witness/ca", NULL), BW_ERR_EXISTS);
    request.out_path = path_in(fixture, "ca.key");
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_EXISTS);
    request.out_path = fixture->dir;
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_EXISTS);
    request.out_path = "/tmp/bw-test-no-such-directory/x.pem";
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_NOT_FOUND);
}

static void failed_issue_leaves_no_file_behind(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", "dns:*.example.net"), BW_ERR_INVALID);

    assert_int_equal(run("test \"$(ls -A %s | tr '\\n' ' ')\" = 'ca.key ca.pem '", fixture->dir),
                     0);
}

/* ---- refusing -------------------------------------------------------------------------------- */

static void names_outside_the_rule_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "",
        "witness",
        "witness/",
        "witness/a/b",
        "witness/a b",
        "agent/a",
        "agent/a/b/c",
        "agent//b",
        "king/a",
        "/witness/a",
        "operator/../ca",
        "viewer/.hidden",
        "witness/\n",
        "Witness/w1",
        "witness/w1/",
    };
    char longest[] = "witness/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(issue(fixture, bad[i], NULL), BW_ERR_INVALID);
        assert_says(fixture, "expected witness/NAME");
    }
    assert_int_equal(strlen(longest), 8 + BW_NAME_MAX + 1);
    assert_int_equal(issue(fixture, longest, NULL), BW_ERR_INVALID);
    longest[8 + BW_NAME_MAX] = '\0';
    assert_int_equal(issue(fixture, longest, NULL), BW_OK);
    assert_int_equal(bw_pki_init("no spaces", fixture->dir, &fixture->diag), BW_ERR_INVALID);
}

static void sans_that_name_no_host_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "",
        "w1.example.net",
        "dns:",
        "dns:*.x",
        "dns:.x",
        "dns:x.",
        "dns:-x",
        "dns:x-",
        "dns:a..b",
        "dns:a b",
        "dns:x:7400",
        "ip:",
        "ip:x",
        "ip:1.2.3",
        "ip:1.2.3.4/8",
        "ip:[::1]",
        "uri:breakwater://prod/witness/x",
        "dns:x,URI:breakwater://prod/operator/x",
        "email:a@b",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(issue(fixture, "witness/w1", bad[i]), BW_ERR_INVALID);
    assert_int_equal(issue(fixture, "witness/w1", "ip:2001:db8::1"), BW_OK);
    assert_int_equal(issue(fixture, "witness/w1", "dns:w1_a.example.net"), BW_OK);
}

static void days_beyond_the_limit_or_the_ca_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct bw_pki_request request = {.dir = fixture->dir, .subject = "viewer/v"};

    request.days = BW_PKI_LEAF_DAYS_MAX + 1;
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_INVALID);
    assert_int_equal(run("openssl req -x509 -new -key %s/ca.key -days 5 -subj "
                         "/O=breakwater/CN=prod -out %s/ca.pem 2>%s/out",
                         fixture->dir, fixture->dir, fixture->dir),
                     0);
    request.days = 6;
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_INVALID);
    assert_says(fixture, "ends before that");
    request.days = 4;
    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_OK);
}

static void ca_key_that_others_can_read_is_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(chmod(path_in(fixture, "ca.key"), 0640), 0);

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_ERR_REFUSED);
    assert_says(fixture, "chmod 600");
}

static void missing_or_foreign_ca_is_named(void **state)
{
    struct fixture *fixture = *state;
    struct bw_pki_request request = {.dir = "/tmp/bw-test-no-such-directory",
                                     .subject = "viewer/v"};

    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_ERR_NOT_FOUND);
    assert_says(fixture, "breakwater pki init");
    assert_int_equal(run("openssl req -x509 -new -key %s/ca.key -days 900 -subj /CN=prod -out "
                         "%s/ca.pem 2>%s/out",
                         fixture->dir, fixture->dir, fixture->dir),
                     0);
    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_ERR_INVALID);
    assert_says(fixture, "does not name a cluster");
    assert_int_equal(run("openssl genpkey -algorithm ED25519 -out %s/ca.key", fixture->dir), 0);
    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_ERR_INVALID);
    assert_says(fixture, "no certificate that belongs to ca.key");
    write_text(path_in(fixture, "ca.key"), "nonsense");
    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_ERR_INVALID);
    assert_says(fixture, "no usable private key");
}

static void ca_file_may_hold_several_cas(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run("openssl req -x509 -newkey ed25519 -nodes -keyout %s/o.key -subj /CN=old "
                         "-out %s/old 2>%s/out && cat %s/ca.pem >>%s/old && mv %s/old %s/ca.pem",
                         fixture->dir, fixture->dir, fixture->dir, fixture->dir, fixture->dir,
                         fixture->dir, fixture->dir),
                     0);

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
}

/* ---- renewing -------------------------------------------------------------------------------- */

static enum bw_err renew(struct fixture *fixture, const char *dir, const char *file)
{
    struct bw_pki_renewed renewed;

    return bw_pki_renew(dir, path_in(fixture, file), 0, &renewed, &fixture->diag);
}

static void show(struct fixture *fixture, const char *file)
{
    assert_int_equal(bw_pki_show(path_in(fixture, file), &fixture->file, &fixture->diag), BW_OK);
}

static void renewed_file_is_the_same_identity_with_another_key(void **state)
{
    struct fixture *fixture = *state;
    static const char *const sans[] = {"dns:w1.example.net", "ip:::1", "ip:10.0.0.7"};
    const struct bw_pki_request request = {
        .dir = fixture->dir, .subject = "witness/w1", .sans = sans, .sans_count = 3, .days = 200};
    struct bw_pki_certificate old;
    const struct bw_pki_certificate *fresh = &fixture->file.certificates[0];
    struct bw_pki_renewed renewed;

    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_OK);
    show(fixture, "w1.pem");
    old = fixture->file.certificates[0];
    assert_int_equal(run("openssl pkey -in %s -pubout >%s/before", fixture->path, fixture->dir), 0);

    assert_int_equal(bw_pki_renew(fixture->dir, fixture->path, 0, &renewed, &fixture->diag), BW_OK);

    show(fixture, "w1.pem");
    assert_true(fixture->file.has_key && !fixture->file.key_is_exposed);
    assert_string_equal(fresh->identity, old.identity);
    assert_string_equal(fresh->subject, old.subject);
    assert_int_equal(fresh->sans_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(fresh->sans[i], old.sans[i]);
    assert_string_not_equal(fresh->serial, old.serial);
    assert_in_range(fresh->not_after_s - fresh->not_before_s,
                    old.not_after_s - old.not_before_s - 60, old.not_after_s - old.not_before_s + 60);
    assert_int_equal(run("openssl pkey -in %s -pubout | cmp -s - %s/before", fixture->path, fixture->dir), 1);
    assert_string_equal(renewed.identity, old.identity);
    assert_string_equal(renewed.old_serial, old.serial);
    assert_int_equal(renewed.old_not_after_s, old.not_after_s);
    assert_int_equal(renewed.not_after_s, fresh->not_after_s);
    assert_int_equal(run("openssl verify -x509_strict -CAfile %s/ca.pem %s >%s/out", fixture->dir,
                         fixture->path, fixture->dir),
                     0);
}

static void what_no_ca_here_has_issued_is_not_renewed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(run("cp %s %s/before", fixture->path, fixture->dir), 0);
    assert_int_equal(bw_pki_init("prod", path_in(fixture, "new"), &fixture->diag), BW_OK);

    assert_int_equal(renew(fixture, path_in(fixture, "new"), "w1.pem"), BW_ERR_REFUSED);

    assert_says(fixture, "has issued this certificate, so it was not touched");
    assert_int_equal(run("cmp %s %s/before", fixture->path, fixture->dir), 0);
    assert_int_equal(run("cat %s/ca.pem >>%s/new/ca.pem", fixture->dir, fixture->dir), 0);
    assert_int_equal(renew(fixture, path_in(fixture, "new"), "w1.pem"), BW_OK); /* now it holds both */
    assert_int_equal(run("openssl verify -CAfile %s/new/ca.pem %s >%s/out", fixture->dir, fixture->path,
                         fixture->dir),
                     0);
    assert_int_equal(run("openssl verify -CAfile %s/ca.pem %s >%s/out 2>&1", fixture->dir, fixture->path,
                         fixture->dir),
                     2);
}

static void another_clusters_is_not_renewed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(bw_pki_init("other", path_in(fixture, "new"), &fixture->diag), BW_OK);
    assert_int_equal(run("cat %s/ca.pem >>%s/new/ca.pem", fixture->dir, fixture->dir), 0);

    assert_int_equal(renew(fixture, path_in(fixture, "new"), "w1.pem"), BW_ERR_EXISTS);
    assert_says(fixture, "is not a file of breakwater://other/witness/w1, and was not touched");
}

static void what_is_no_identity_is_not_renewed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(renew(fixture, fixture->dir, "ca.pem"), BW_ERR_INVALID);
    assert_says(fixture, "a CA is not renewed");
    assert_int_equal(renew(fixture, fixture->dir, "ca.key"), BW_ERR_INVALID);
    assert_int_equal(renew(fixture, fixture->dir, "none.pem"), BW_ERR_NOT_FOUND);
    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(renew(fixture, "/tmp/bw-test-no-such-directory", "w1.pem"), BW_ERR_NOT_FOUND);
}

static void no_renewal_outlives_its_ca(void **state)
{
    struct fixture *fixture = *state;
    struct bw_pki_renewed renewed;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(run("cp %s %s/before && openssl req -x509 -new -key %s/ca.key -days 5 -subj "
                         "/O=breakwater/CN=prod -out %s/ca.pem 2>%s/out",
                         fixture->path, fixture->dir, fixture->dir, fixture->dir, fixture->dir),
                     0);

    assert_int_equal(renew(fixture, fixture->dir, "w1.pem"), BW_ERR_INVALID);

    assert_says(fixture, "ends before that");
    assert_int_equal(run("cmp %s %s/before", fixture->path, fixture->dir), 0);
    assert_int_equal(bw_pki_renew(fixture->dir, fixture->path, 4, &renewed, &fixture->diag), BW_OK);
}

/* A daemon that runs as another user must be able to read it. */
static void a_renewed_file_stays_its_owners_and_a_link_a_link(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(symlink("w1.pem", path_in(fixture, "link")), 0);
    assert_int_equal(renew(fixture, fixture->dir, "link"), BW_OK);
    assert_int_equal(run("test -L %s/link -a ! -L %s/w1.pem", fixture->dir, fixture->dir), 0);
    if (geteuid() != 0)
        skip_lacking("root");
    assert_int_equal(chown(fixture->path, 65534, 0), 0);

    assert_int_equal(renew(fixture, fixture->dir, "w1.pem"), BW_OK);

    assert_int_equal(run("test \"$(stat -c '%%u %%a' %s)\" = '65534 600'", fixture->path), 0);
}

/* ---- showing --------------------------------------------------------------------------------- */

static void show_tells_what_issue_made(void **state)
{
    struct fixture *fixture = *state;
    const char *const sans[] = {"dns:w1.example.net", "ip:192.0.2.1", "ip:2001:db8::1"};
    const struct bw_pki_request request = {
        .dir = fixture->dir, .subject = "witness/w1", .sans = sans, .sans_count = 3};
    const struct bw_pki_certificate *shown = &fixture->file.certificates[0];
    const int64_t now_s = (int64_t)time(NULL);

    assert_int_equal(bw_pki_issue(&request, fixture->path, &fixture->diag), BW_OK);

    assert_int_equal(bw_pki_show(fixture->path, &fixture->file, &fixture->diag), BW_OK);
    assert_int_equal(fixture->file.count, 1);
    assert_true(fixture->file.has_key);
    assert_false(fixture->file.key_is_exposed);
    assert_false(shown->is_ca);
    assert_string_equal(shown->identity, "breakwater://prod/witness/w1");
    assert_string_equal(shown->issuer, "CN=prod,O=breakwater");
    assert_int_equal(shown->sans_count, 4);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(shown->sans[i + 1], sans[i]);
    assert_in_range(shown->not_before_s, now_s - 25 * 3600 - 60, now_s - 25 * 3600 + 60);
    assert_in_range(shown->not_after_s, now_s + 365 * 86400 - 60, now_s + 365 * 86400 + 60);
    assert_int_equal(strlen(shown->serial), 40);
    assert_int_equal(strlen(shown->fingerprint), 95);
}

static void show_tells_of_an_exposed_key(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(issue(fixture, "witness/w1", NULL), BW_OK);
    assert_int_equal(chmod(fixture->path, 0644), 0);

    assert_int_equal(bw_pki_show(fixture->path, &fixture->file, &fixture->diag), BW_OK);
    assert_true(fixture->file.key_is_exposed);
}

static void show_escapes_what_a_stranger_wrote(void **state)
{
    struct fixture *fixture = *state;
    const char *shown = fixture->file.certificates[0].sans[0];

    write_text(
        path_in(fixture, "cnf"),
        "[req]\ndistinguished_name=dn\nx509_extensions=x\nprompt=no\nutf8=yes\n"
        "[dn]\nCN=evil\\x1b[31m\n[x]\nsubjectAltName=@s\n"
        "[s]\nURI.1=breakwater://prod/witness/a\\\\b\nURI.2=two\notherName=1.2.3.4;UTF8:x\n");
    assert_int_equal(run("openssl req -x509 -newkey ed25519 -nodes -keyout %s/k -out %s/evil.pem "
                         "-config %s/cnf 2>%s/out",
                         fixture->dir, fixture->dir, fixture->dir, fixture->dir),
                     0);

    assert_int_equal(bw_pki_show(path_in(fixture, "evil.pem"), &fixture->file, &fixture->diag),
                     BW_OK);
    assert_string_equal(fixture->file.certificates[0].identity, ""); /* two URIs are none */
    assert_string_equal(shown, "uri:breakwater://prod/witness/a\\x5cb");
    assert_string_equal(fixture->file.certificates[0].sans[2], "other:(type 0)");
    for (const char *c = fixture->file.certificates[0].subject; *c != '\0'; c++)
        assert_in_range(*c, 0x20, 0x7e);
}

static void show_refuses_files_that_are_not_certificates(void **state)
{
    struct fixture *fixture = *state;
    const char *path = path_in(fixture, "bad");

    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_NOT_FOUND);
    write_text(path, "");
    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_INVALID);
    assert_says(fixture, "no certificate in it");
    write_text(path, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_CORRUPT);
    write_text(path, "-----BEGIN CERTIFICATE-----\nMIIB");
    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_CORRUPT);
    assert_int_equal(run("head -c 200000 /dev/zero >%s", path), 0);
    assert_int_not_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_OK);
    assert_int_equal(run("head -c 200000 /dev/zero | tr '\\0' x >%s", path), 0);
    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_LIMIT);
    assert_int_equal(bw_pki_show(fixture->dir, &fixture->file, &fixture->diag), BW_ERR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(bw_pki_show(path, &fixture->file, &fixture->diag), BW_ERR_INVALID);
}

static void show_survives_every_flipped_byte(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_BYTES];
    char der[2048];
    size_t size;
    FILE *file;

    assert_int_equal(issue(fixture, "witness/w1", "dns:w1.example.net"), BW_OK);
    file = fopen(fixture->path, "r");
    assert_non_null(file);
    size = fread(der, 1, sizeof der - 1, file);
    assert_int_equal(fclose(file), 0);
    der[size] = '\0';
    strcpy(path, path_in(fixture, "flipped"));

    for (size_t i = 0; i < size; i++) {
        const char kept = der[i];

        der[i] = kept == 'A' ? 'B' : 'A';
        write_text(path, der);
        if (bw_pki_show(path, &fixture->file, &fixture->diag) == BW_OK)
            assert_int_equal(fixture->file.count, 1);
        der[i] = kept;
    }
}

static void show_reads_at_most_the_limit_of_certificates(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(run("for i in $(seq %d); do cat %s/ca.pem; done >%s/many",
                         BW_PKI_CERTIFICATES_MAX, fixture->dir, fixture->dir),
                     0);
    assert_int_equal(bw_pki_show(path_in(fixture, "many"), &fixture->file, &fixture->diag), BW_OK);
    assert_int_equal(fixture->file.count, BW_PKI_CERTIFICATES_MAX);
    assert_int_equal(run("cat %s/ca.pem >>%s/many", fixture->dir, fixture->dir), 0);
    assert_int_equal(bw_pki_show(path_in(fixture, "many"), &fixture->file, &fixture->diag),
                     BW_ERR_LIMIT);
    assert_says(fixture, "more than 16 certificates");
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run_cli(const struct fixture *fixture, const char *arguments)
{
    const char *build = getenv("BREAKWATER_BUILD");

    assert_non_null(build);
    return run("%s/breakwater %s >%s/stdout 2>%s/stderr", build, arguments, fixture->dir,
               fixture->dir);
}

static bool says(const struct fixture *fixture, const char *stream, const char *words)
{
    return run("grep -qF -- '%s' %s/%s", words, fixture->dir, stream) == 0;
}

static void command_makes_issues_and_shows(void **state)
{
    const struct fixture *fixture = *state;
    char arguments[COMMAND_BYTES];

    (void)snprintf(arguments, sizeof arguments, "pki init --cluster prod --dir %s/new",
                   fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    (void)snprintf(arguments, sizeof arguments,
                   "pki issue witness/w1 --dir %s/new --san dns:localhost --san=ip:127.0.0.1",
                   fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    assert_true(says(fixture, "stdout", "/new/w1.pem"));
    (void)snprintf(arguments, sizeof arguments, "pki show %s/new/w1.pem -o json", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    assert_true(says(fixture, "stdout", "\"identity\": \"breakwater://prod/witness/w1\""));
    (void)snprintf(arguments, sizeof arguments, "pki issue viewer/v --days 13 --dir %s/new",
                   fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    (void)snprintf(arguments, sizeof arguments, "pki show %s/new/v.pem", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 3);
    assert_true(says(fixture, "stdout", "ends soon"));
}

/* A folder as generate writes it: the CA in `ca`, one that ends soon, one that does not, and what is no certificate. */
static void a_folder_of_certificates_is_renewed_without_their_names(void **state)
{
    const struct fixture *fixture = *state;
    char arguments[COMMAND_BYTES];

    assert_int_equal(run("cd %s && mkdir w1 anna && $BREAKWATER_BUILD/breakwater pki init --cluster prod --dir ca >log 2>&1 && "
                         "$BREAKWATER_BUILD/breakwater pki issue viewer/w1 --days 20 --dir ca --out w1/witness.pem >log && "
                         "$BREAKWATER_BUILD/breakwater pki issue operator/anna --dir ca --out anna/anna.pem >log && "
                         "cp ca/ca.pem w1 && echo none >w1/none.pem && md5sum anna/anna.pem ca/* w1/ca.pem >sums && "
                         "md5sum w1/witness.pem >sum", fixture->dir), 0);
    (void)snprintf(arguments, sizeof arguments, "pki renew --all --within 60 --days 300 %s", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    assert_true(says(fixture, "stdout", "/w1/witness.pem"));
    assert_int_equal(run("cd %s && md5sum --quiet -c sums && ! md5sum --status -c sum", fixture->dir), 0);
    (void)snprintf(arguments, sizeof arguments, "pki renew --all %s", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    assert_true(says(fixture, "stdout", "/anna/anna.pem"));
    (void)snprintf(arguments, sizeof arguments, "pki show %s/w1/witness.pem", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 0);
    assert_true(says(fixture, "stdout", "299 days left") || says(fixture, "stdout", "300 days left")); /* of this second */
    (void)snprintf(arguments, sizeof arguments, "pki renew --all %s/none", fixture->dir);
    assert_int_equal(run_cli(fixture, arguments), 1);
    assert_true(says(fixture, "stderr", "this folder has no certificate with its key"));
}

static void command_line_mistakes_exit_2_and_suggest(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *arguments;
        const char *words;
    } mistakes[] = {
        {"pik", "did you mean \"pki\"?"},
        {"pki isseu", "did you mean \"issue\"?"},
        {"pki issue witness/w1 --dri x", "did you mean --dir?"},
        {"pki issue witness/w1", "needs --dir DIR"},
        {"pki issue --dir", "--dir: expects a value"},
        {"pki issue --dir x", "expected ROLE/NAME|agent/SITE/NAME"},
        {"pki issue a b --dir x", "unexpected \"b\""},
        {"pki issue a --dir x --days 0", "expected a whole number from 1 to 825"},
        {"pki issue a --dir x --days 1e1", "expected a whole number from 1 to 825"},
        {"pki renew x", "needs --dir DIR"},
        {"pki renew --dir x", "expected FILE"},
        {"pki renew --dir x --within 9 y", "--within is for --all"},
        {"pki show x -o xml", "expected table or json"},
        {"pki show -z x", "unknown option -z"},
        {"pki show --help=x", "takes no value"},
        {"pki init extra", "unexpected \"extra\""},
        {"zzzzzz", "unknown verb \"zzzzzz\""},
        {"", "usage: breakwater VERB"},
    };

    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        assert_int_equal(run_cli(fixture, mistakes[i].arguments), 2);
        assert_true(says(fixture, "stderr", mistakes[i].words));
        assert_true(run("test -s %s/stdout", fixture->dir) != 0);
    }
}

static void help_and_version_are_data(void **state)
{
    const struct fixture *fixture = *state;

    assert_int_equal(run_cli(fixture, "--version"), 0);
    assert_true(says(fixture, "stdout", "breakwater "));
    assert_int_equal(run_cli(fixture, "--help"), 0);
    assert_true(says(fixture, "stdout", "verbs:"));
    assert_int_equal(run_cli(fixture, "pki issue --help"), 0);
    assert_true(says(fixture, "stdout", "--san dns:NAME|ip:ADDRESS"));
    assert_int_equal(run_cli(fixture, "pki --help"), 0);
    assert_int_equal(run_cli(fixture, "pki show /no/such/file"), 1);
    assert_true(says(fixture, "stderr", "/no/such/file"));
}

#define with_ca(test) cmocka_unit_test_setup_teardown(test, set_up_ca, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_ca(ca_and_leaves_pass_strict_verification),
        with_ca(ca_signs_leaves_only),
        with_ca(keys_are_readable_by_their_owner_only),
        with_ca(init_never_touches_an_existing_ca),
        with_ca(files_are_named_after_the_identity),
        with_ca(issued_file_loads_as_the_identity_it_names),
        with_ca(reissue_replaces_a_file_of_the_same_identity),
        with_ca(issue_leaves_files_of_others_alone),
        with_ca(failed_issue_leaves_no_file_behind),
        with_ca(names_outside_the_rule_are_refused),
        with_ca(sans_that_name_no_host_are_refused),
        with_ca(days_beyond_the_limit_or_the_ca_are_refused),
        with_ca(ca_key_that_others_can_read_is_refused),
        with_ca(missing_or_foreign_ca_is_named),
        with_ca(ca_file_may_hold_several_cas),
        with_ca(renewed_file_is_the_same_identity_with_another_key),
        with_ca(what_no_ca_here_has_issued_is_not_renewed),
        with_ca(another_clusters_is_not_renewed),
        with_ca(what_is_no_identity_is_not_renewed),
        with_ca(no_renewal_outlives_its_ca),
        with_ca(a_renewed_file_stays_its_owners_and_a_link_a_link),
        with_ca(show_tells_what_issue_made),
        with_ca(show_tells_of_an_exposed_key),
        with_ca(show_escapes_what_a_stranger_wrote),
        with_ca(show_refuses_files_that_are_not_certificates),
        with_ca(show_survives_every_flipped_byte),
        with_ca(show_reads_at_most_the_limit_of_certificates),
        cmocka_unit_test_setup_teardown(command_makes_issues_and_shows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_of_certificates_is_renewed_without_their_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(command_line_mistakes_exit_2_and_suggest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(help_and_version_are_data, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
