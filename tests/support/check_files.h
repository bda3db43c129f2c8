/* check_files.h - files, certificates and directories as one machine has them, and `breakwater
 * check` on them. For the tests of it; include it after cmocka.h. */
#ifndef BW_TEST_CHECK_FILES_H
#define BW_TEST_CHECK_FILES_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/net/pki.h>

#include "janitor.h"
#include "shell_outcome.h"

static char directory[] = "/tmp/breakwater-check-XXXXXX";

static inline void put(const char *name, mode_t mode, const char *text)
{
    FILE *out = fopen(name, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(name, mode), 0);
}

static inline void issue_named(const char *subject, const char *path, unsigned days,
                               const char *san)
{
    const struct bw_pki_request request = {.dir = "pki",
                                           .subject = subject,
                                           .sans = &san,
                                           .sans_count = san != NULL ? 1 : 0,
                                           .days = days,
                                           .out_path = path};
    char written[BW_PKI_PATH_MAX];
    struct bw_diag diag = {0};

    assert_int_equal(bw_pki_issue(&request, written, &diag), BW_OK);
}

static inline void issue(const char *subject, const char *path, unsigned days)
{
    issue_named(subject, path, days, NULL);
}

static const char *const site_text =
    "cluster: prod\nsite: dc-a\nname: agent-1\nstate_dir: state\n"
    "tls: {ca: pki/ca.pem, identity: agent.pem}\nwitnesses: [w1:7400, w2:7400, w3:7400]\n"
    "groups:\n  - name: harbor\n    stop_method: cgroup\n    status_script: look.sh\n"
    "    start_script: act.sh\n    stop_script: run.sh\n    fence_script: run.sh\n";

static const char *const witness_text =
    "cluster: prod\nname: w1\ndata_dir: data\nlisten: 127.0.0.1:0\nraft_listen: 127.0.0.1:0\n"
    "tls: {ca: pki/ca.pem, identity: w1.pem}\nelection_timeout: 2s\nwitnesses:\n"
    "  - {name: w1, id: 1, address: w1:7400, raft: w1:7401, failure_domain: a}\n"
    "  - {name: w2, id: 2, address: w2:7400, raft: w2:7401, failure_domain: b}\n"
    "  - {name: w3, id: 3, address: w3:7400, raft: w3:7401, failure_domain: c}\n";

static const char *const groups_text =
    "groups:\n  - name: harbor\n    sites: [{name: dc-a}, {name: dc-b}]\n    lease_ttl: 20s\n";

static inline int make_files(void **state)
{
    struct bw_diag diag = {0};

    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    janitor_add_dir(directory);
    if (chdir(directory) != 0 || mkdir("state", 0700) != 0 || mkdir("data", 0700) != 0 ||
        bw_pki_init("prod", "pki", &diag) != BW_OK)
        return -1;
    issue("agent/dc-a/agent-1", "agent.pem", 90);
    issue("agent/dc-b/agent-1", "other-site.pem", 90);
    issue_named("witness/w1", "w1.pem", 10, "dns:w1");
    issue("operator/anna", "anna.pem", 90);
    put("run.sh", 0755, "#!/bin/sh\n");
    put("look.sh", 0755, "#!/bin/sh\n");
    put("act.sh", 0755, "#!/bin/sh\n");
    put("site.yaml", 0644, site_text);
    put("witness.yaml", 0644, witness_text);
    put("groups.yaml", 0644, groups_text);
    put("cli.yaml", 0644, "endpoints: [w1:7400]\ntls: {ca: pki/ca.pem, identity: anna.pem}\n");
    return 0;
}

static inline int remove_one(const char *path, const struct stat *status, int kind,
                             struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int remove_files(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) : -1;
}

static char output[65536];

/* Runs `breakwater check ARGUMENTS`; its exit status, with both outputs in `output`. */
static inline int check(const char *arguments)
{
    char command[1024];

    (void)snprintf(command, sizeof command, "\"$BREAKWATER_BUILD/breakwater\" check %s 2>&1",
                   arguments);
    return outcome_of(command, output, sizeof output);
}

static inline void assert_says(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, output);
}

#endif
