/* ask.c - before `witness init` makes a directory: do the other witnesses know this id by another
 * one? Design 3.9; consensus/hello.h. On a loop of its own: init is no daemon. */
#include "program.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <breakwater/base/assert.h>
#include <breakwater/base/bytes.h>
#include <breakwater/net/tls_stream.h>
#include <breakwater/os/random.h>
#include <breakwater/witness/witness.h>

#define LOOKUP_MS    30000 /* a first name server that is silent costs 5 s or more */
#define DIAL_MS      2000
#define HANDSHAKE_MS 2000
#define ANSWER_MS    2000

struct question {
    const struct bw_witness_config *config;
    const struct bw_witness_member_config *member;
    struct bw_hello hello;
    struct bw_tls_stream *stream;
    uint8_t answer[BW_HELLO_BYTES];
    size_t answer_bytes;
    struct bw_witness_answer *out;
};

static void conclude(struct question *question, const struct bw_hello *answer)
{
    struct bw_witness_answer *out = question->out;

    out->has_answered = true;
    out->cluster_id = answer->cluster_id;
    if (answer->word == BW_HELLO_WELCOME) {
        (void)snprintf(out->text, sizeof out->text, "knows no other directory of this witness");
        return;
    }
    out->refuses = true;
    out->has_used_id = answer->word == BW_HELLO_OTHER_INCARNATION || answer->word == BW_HELLO_REMOVED;
    if (answer->word == BW_HELLO_OTHER_CLUSTER)
        (void)snprintf(out->text, sizeof out->text, "belongs to another cluster");
    else if (answer->word == BW_HELLO_OTHER_INCARNATION)
        (void)snprintf(out->text, sizeof out->text,
                       "knows witness id %u with another data directory: a new directory under this id would have "
                       "lost its votes",
                       question->config->witnesses[question->config->self].id);
    else if (answer->word == BW_HELLO_REMOVED)
        (void)snprintf(out->text, sizeof out->text, "has removed witness id %u: ids are never used again",
                       question->config->witnesses[question->config->self].id);
    else
        (void)snprintf(out->text, sizeof out->text,
                       "has other names or ids of witnesses: give all witnesses the same `witnesses`");
}

static void on_ready(struct bw_tls_stream *stream, void *user)
{
    struct question *question = user;
    const struct bw_identity *peer = bw_tls_stream_peer(stream);
    uint8_t hello[BW_HELLO_BYTES];

    bw_tls_stream_set_deadline(stream, ANSWER_MS);
    if (peer == NULL || peer->role != BW_ROLE_WITNESS ||
        strcmp(peer->cluster, question->config->cluster) != 0 ||
        strcmp(peer->name, question->member->name) != 0) {
        bw_tls_stream_close(stream, BW_ERR_AUTH, "its certificate is not the one of that witness");
        return;
    }
    bw_hello_encode(&question->hello, hello);
    if (bw_tls_stream_write(stream, hello, sizeof hello) != BW_OK)
        bw_tls_stream_close(stream, BW_ERR_IO, "it could not be asked");
}

static void on_data(struct bw_tls_stream *stream, const uint8_t *data, size_t size, void *user)
{
    struct question *question = user;
    const size_t missing = sizeof question->answer - question->answer_bytes;
    const size_t taken = size < missing ? size : missing;
    struct bw_hello answer;

    memcpy(question->answer + question->answer_bytes, data, taken);
    question->answer_bytes += taken;
    if (question->answer_bytes < sizeof question->answer || question->out->has_answered)
        return;
    if (bw_hello_decode(question->answer, &answer) && answer.word >= BW_HELLO_WELCOME)
        conclude(question, &answer);
    bw_tls_stream_close(stream, BW_ERR_INVALID, "its answer is invalid: is it of another version?");
}

static void on_closed(struct bw_tls_stream *stream, enum bw_err why, const char *text, void *user)
{
    struct question *question = user;

    (void)stream;
    question->out->is_there = question->out->has_answered || why != BW_ERR_UNREACHABLE;
    if (!question->out->has_answered)
        (void)snprintf(question->out->text, sizeof question->out->text, "%s: %s",
                       question->out->is_there ? "a program listens there, but does not answer"
                                               : "silent",
                       why == BW_OK ? "it closed the connection" : text);
}

static const struct bw_tls_stream_events events = {
    .on_ready = on_ready, .on_data = on_data, .on_closed = on_closed};

static void ask(struct question *question, uv_loop_t *loop, struct bw_names *names, struct ssl_ctx_st *context)
{
    const struct bw_tls_stream_config config = {.context = context,
                                                .events = &events,
                                                .user = question,
                                                .handshake_ms = HANDSHAKE_MS,
                                                .dial_ms = DIAL_MS,
                                                .lookup_ms = LOOKUP_MS,
                                                .names = names,
                                                .user_timeout_ms = DIAL_MS};
    struct bw_diag diag = {0};

    if (bw_tls_stream_connect(loop, question->member->raft, &config, &question->stream, &diag) !=
        BW_OK)
        (void)snprintf(question->out->text, sizeof question->out->text, "silent: %.200s",
                       diag.text);
}

enum bw_err bw_witness_ask_others(const struct bw_witness_config *config,
                                  const struct bw_witness_member_config *members,
                                  uint32_t member_count, struct bw_id cluster_id,
                                  struct bw_witness_answer answers[BW_WITNESSES_ASKED_MAX],
                                  uint32_t *out_count, struct bw_diag *diag)
{
    struct question questions[BW_WITNESSES_ASKED_MAX];
    const uint32_t self = config->witnesses[config->self].id;
    const struct bw_hello hello = {.word = BW_HELLO_ASK,
                                   .cluster_id = cluster_id,
                                   .incarnation = bw_random_id(),
                                   .from = self};
    struct bw_credentials *credentials = NULL;
    struct bw_tls_contexts contexts = {0};
    enum bw_err err = bw_program_load_credentials(config, &credentials, &contexts, diag);
    struct bw_names *names = bw_names_new();
    uv_loop_t loop;
    int result;

    BW_ASSERT(member_count <= BW_WITNESSES_ASKED_MAX);
    *out_count = 0;
    if (err == BW_OK && names == NULL)
        err = bw_diag_set(diag, BW_ERR_NOMEM, "names: out of memory");
    if (err != BW_OK) {
        bw_tls_contexts_free(&contexts);
        bw_credentials_free(credentials);
        bw_names_free(names);
        return err;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* as tls_stream.h wants it */
    result = uv_loop_init(&loop);
    if (result != 0)
        err = bw_diag_set(diag, BW_ERR_LIMIT, "make an event loop: %s", uv_strerror(result));
    else
        err = bw_names_open(names, &loop, diag);
    for (uint32_t i = 0; i < member_count && err == BW_OK; i++) {
        const uint32_t at = *out_count;

        if (members[i].id == self)
            continue;
        answers[at] = (struct bw_witness_answer){.id = members[i].id};
        BW_ASSERT(bw_copy_text(answers[at].name, sizeof answers[at].name, members[i].name));
        questions[at] = (struct question){
            .config = config, .member = &members[i], .hello = hello, .out = &answers[at]};
        questions[at].hello.to = members[i].id;
        ask(&questions[at], &loop, names, contexts.raft_client);
        ++*out_count;
    }
    if (result == 0) {
        while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
            continue;
        bw_names_close(names);
        (void)uv_run(&loop, UV_RUN_DEFAULT); /* 0: nothing is left */
        BW_ASSERT(uv_loop_close(&loop) == 0);
    }
    bw_names_free(names);
    bw_tls_contexts_free(&contexts);
    bw_credentials_free(credentials);
    return err;
}
