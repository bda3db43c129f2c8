/* ways_snapshot.c - a witness that was away gets the whole state over a thin line, and has to catch up by it.
 *
 * Commands ask every witness for the status of all groups, which is more than a thin line carries in their time: here
 * what is small is asked for instead. */
#include "ways.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/instant.h>

#include "api.h"

#define BULK_GROUPS     960 /* as specs, which nobody serves: more than a MiB of state */
#define BULK_AT_ONCE    160 /* of them in a request, which has a limit */
#define BULK_ROUNDS     4   /* more entries than the leader keeps behind a snapshot */
#define BULK_SITES      8
#define SITE_LETTERS    60 /* of a name; drawn, so that nothing makes them shorter on the way */
#define APPLY_MS        120000
#define ASK_MS          5000
#define AGAIN_MS        2000
#define ANSWER_BYTES    (64 * 1024)
#define CATCH_UP_MS     200000 /* three times as long as its line needs */
#define RECEIVED_MIN    (1 << 20)
#define COUNT_BYTES     512
#define HTTP_OK         200

/* ---- asking one witness ---------------------------------------------------------------------- */

/* The rest is dropped. */
struct answer {
    char text[ANSWER_BYTES];
    size_t used;
};

static size_t take(char *data, size_t one, size_t count, void *user)
{
    struct answer *answer = user;
    const size_t size = one * count;
    const size_t room = sizeof answer->text - answer->used;

    memcpy(answer->text + answer->used, data, size < room ? size : room);
    answer->used += size < room ? size : room;
    return size;
}

/* In a child, at the node from which commands are given. The HTTP status; 0: no answer. `body` NULL: a GET. */
static long request(const struct bw_lab *lab, uint32_t witness, const char *path, const char *body, struct answer *answer)
{
    const struct bw_lab_witness *at = &lab->plan.witnesses[witness];
    struct curl_slist *fields = curl_slist_append(curl_slist_append(NULL, "Content-Type: application/json"), "Expect:");
    CURL *easy = curl_easy_init();
    char url[256];
    char ca[2 * BW_LAB_PATH_BYTES];
    char identity[2 * BW_LAB_PATH_BYTES];
    long status = 0;

    (void)snprintf(url, sizeof url, "https://%s:%u%s", at->host, (unsigned)at->api_port, path);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", lab->dir);
    (void)snprintf(identity, sizeof identity, "%s/%s.pem", lab->dir, lab->plan.person);
    *answer = (struct answer){.used = 0};
    if (easy == NULL || fields == NULL || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SSLCERT, identity) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_SSLKEY, identity) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(body == NULL ? ASK_MS : APPLY_MS)) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer) != CURLE_OK)
        return 0;
    if (body != NULL && (curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT") != CURLE_OK ||
                         curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body) != CURLE_OK))
        return 0;
    if (curl_easy_perform(easy) != CURLE_OK || curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        return 0;
    return status;
}

/* In the child: what the witness answers goes to `out`. */
static bool pass_on(const struct bw_lab *lab, uint32_t witness, const char *path, int out)
{
    static struct answer answer;

    return request(lab, witness, path, NULL, &answer) == HTTP_OK &&
           write(out, answer.text, answer.used) == (ssize_t)answer.used;
}

static size_t read_all(int in, char *text, size_t size)
{
    size_t used = 0;
    ssize_t count;

    while (used < size && (count = read(in, text + used, size - used)) > 0)
        used += (size_t)count;
    return used;
}

json_t *bw_lab_fetch(struct bw_lab *lab, uint32_t witness, const char *path)
{
    static char text[ANSWER_BYTES];
    size_t used = 0;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid = bw_lab_fork(lab, bw_lab_command_node(lab));
    if (pid == 0)
        _exit(pass_on(lab, witness, path, ends[1]) ? 0 : 1);
    (void)close(ends[1]);
    if (pid > 0)
        used = read_all(ends[0], text, sizeof text);
    (void)close(ends[0]);
    return pid > 0 && bw_lab_wait_child(pid) == 0 ? json_loadb(text, used, 0, NULL) : NULL;
}

/* Up to which entry a witness has applied, by its own answer; -1: it gave none. */
static int64_t ask_index(struct bw_lab *lab, uint32_t witness)
{
    char path[128];
    json_t *document;
    int64_t index;

    (void)snprintf(path, sizeof path, "/v1/groups/%s/history?n=1", lab->groups[0]);
    document = bw_lab_fetch(lab, witness, path);
    index = json_is_object(document) ? bw_json_number(document, "index") : -1;
    json_decref(document);
    return index;
}

/* How often a witness has begun to lead, by their logs. */
static uint32_t count_leads(const struct bw_lab *lab)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < lab->process_count; i++) {
        FILE *log = lab->processes[i].role == BW_LAB_WITNESS ? fopen(lab->processes[i].log, "re") : NULL;
        char *line = NULL;
        size_t size = 0;

        while (log != NULL && getline(&line, &size, log) > 0)
            count += strstr(line, " event=raft.leads ") != NULL;
        free(line);
        if (log != NULL)
            (void)fclose(log); /* only read from */
    }
    return count;
}

/* Bytes that the network device of a process has received; 0: it does not run. */
static uint64_t count_received(const struct bw_lab_process *process)
{
    char line[COUNT_BYTES];
    uint64_t count = 0;
    FILE *file;

    (void)snprintf(line, sizeof line, "/proc/%d/net/dev", (int)process->pid);
    file = process->pid == 0 ? NULL : fopen(line, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, "wan0:");

        if (at != NULL)
            count = strtoull(at + sizeof "wan0:" - 1, NULL, 10);
    }
    if (file != NULL)
        (void)fclose(file); /* only read from */
    return count;
}

/* ---- much state ------------------------------------------------------------------------------ */

static json_t *make_group(struct bw_lab *lab, int number, int round)
{
    json_t *sites = json_array();

    for (int i = 0; i < BULK_SITES; i++) {
        char letters[SITE_LETTERS + 1] = {0};

        for (int k = 0; k < SITE_LETTERS; k++)
            letters[k] = (char)('a' + (int)bw_prng_below(&lab->prng, 26));
        (void)json_array_append_new(sites, json_pack("{s:s, s:i}", "name", letters, "priority", i + 1)); /* looked at whole */
    }
    return json_pack("{s:o, s:s, s:i, s:o}", "name", json_sprintf("bulk-%04d", number), "mode", "observe", "lease_ttl_ms",
                     1000 * (20 + round), "sites", sites);
}

static char *make_body(struct bw_lab *lab, int first, int round)
{
    json_t *groups = json_array();
    json_t *body;
    char *text;

    for (int i = 0; i < BULK_AT_ONCE; i++)
        (void)json_array_append_new(groups, make_group(lab, first + i, round)); /* counted below */
    if (json_array_size(groups) != BULK_AT_ONCE) {
        json_decref(groups);
        return NULL;
    }
    body = json_pack("{s:o}", "groups", groups);
    text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* Whoever leads takes it; the others say that they do not. */
static bool is_applied(const struct bw_lab *lab, const char *body)
{
    struct answer answer;

    for (uint32_t i = 0; i < BW_LAB_WITNESSES; i++)
        if (request(lab, i, "/v1/groups", body, &answer) == HTTP_OK)
            return true;
    return false;
}

static enum bw_err apply(struct bw_lab *lab, int first, int round, struct bw_diag *diag)
{
    const uint64_t until_ns = bw_lab_now_ns() + bw_ms_to_ns(APPLY_MS);
    char *body = make_body(lab, first, round);
    bool is_done = false;

    while (body != NULL && !is_done && bw_lab_now_ns() < until_ns) {
        const pid_t pid = bw_lab_fork(lab, bw_lab_command_node(lab));

        if (pid == 0)
            _exit(is_applied(lab, body) ? 0 : 1);
        is_done = pid > 0 && bw_lab_wait_child(pid) == 0;
        if (!is_done)
            bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(AGAIN_MS));
    }
    free(body);
    return is_done ? BW_OK : bw_diag_set(diag, BW_ERR_TIMEOUT, "no leader took %d groups", BULK_AT_ONCE);
}

/* ---- the fault ------------------------------------------------------------------------------- */

/* It is started anew once its line is thin. */
enum bw_err bw_begin_thin_snapshot(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    struct bw_lab_process *process = bw_fault_struck(lab, fault);
    enum bw_err err = BW_OK;

    process->hold_count++;
    bw_lab_kill(lab, process);
    lab->has_more_groups = true;
    for (int round = 0; round < BULK_ROUNDS && err == BW_OK; round++)
        for (int first = 0; first < BULK_GROUPS && err == BW_OK; first += BULK_AT_ONCE)
            err = apply(lab, first, round, diag);
    lab->lead_count = count_leads(lab);
    process->hold_count--;
    return err;
}

/* Until it has applied all that the others had then; the line is thin until that. */
enum bw_err bw_end_thin_snapshot(struct bw_lab *lab, struct bw_lab_fault *fault, struct bw_diag *diag)
{
    const struct bw_lab_process *process = bw_fault_struck(lab, fault);
    const uint64_t begun_ns = bw_lab_now_ns();
    const uint64_t until_ns = begun_ns + bw_ms_to_ns(CATCH_UP_MS);
    const uint64_t received = count_received(process);
    const int64_t wanted = ask_index(lab, fault->node == 0 ? 1 : 0); /* one of the two that have all of it */
    int64_t applied = -1;

    if (wanted < 0)
        return bw_diag_set(diag, BW_ERR_TIMEOUT, "another witness did not say what it has applied");
    while (applied < wanted && bw_lab_now_ns() < until_ns) {
        bw_lab_turn(lab, bw_lab_now_ns() + bw_ms_to_ns(AGAIN_MS));
        applied = ask_index(lab, fault->node);
    }
    bw_lab_say(lab, applied < wanted ? BW_LAB_PROBLEM : BW_LAB_NOTE, (int)fault->node, -1,
               "%s has applied %" PRId64 " of %" PRId64 " entries after %.0f s; its machine received %" PRIu64 " bytes",
               process->name, applied, wanted, (double)(bw_lab_now_ns() - begun_ns) / (double)BW_NS_PER_S,
               count_received(process));
    if (count_received(process) - received < RECEIVED_MIN)
        bw_lab_say(lab, BW_LAB_PROBLEM, (int)fault->node, -1, "that is less than the state which it has to receive");
    if (count_leads(lab) != lab->lead_count)
        bw_lab_say(lab, BW_LAB_PROBLEM, (int)fault->node, -1,
                   "a witness began to lead meanwhile: a peer that receives moves nothing");
    return BW_OK;
}
