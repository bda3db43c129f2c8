#include "raft_message.h"

#include <stdlib.h>
#include <string.h>

#include <breakwater/base/assert.h>

static void copy_entries(struct raft_append_entries *append)
{
    const struct raft_entry *from = append->entries;
    struct raft_entry *entries;
    size_t size = 0;
    uint8_t *batch;

    for (unsigned i = 0; i < append->n_entries; i++)
        size += from[i].buf.len;
    entries = raft_malloc(append->n_entries * sizeof *entries);
    batch = raft_malloc(size > 0 ? size : 1);
    BW_ASSERT(entries != NULL && batch != NULL);
    size = 0;
    for (unsigned i = 0; i < append->n_entries; i++) {
        memcpy(batch + size, from[i].buf.base, from[i].buf.len);
        entries[i] = (struct raft_entry){.term = from[i].term,
                                         .type = from[i].type,
                                         .buf = {.base = batch + size, .len = from[i].buf.len},
                                         .batch = batch};
        size += from[i].buf.len;
    }
    append->entries = entries;
}

static void copy_snapshot(struct raft_install_snapshot *install)
{
    struct raft_buffer encoded;
    const void *data = install->data.base;

    BW_ASSERT(raft_configuration_encode(&install->conf, &encoded) == 0);
    BW_ASSERT(raft_configuration_decode(&encoded, &install->conf) == 0);
    raft_free(encoded.base);
    install->data.base = raft_malloc(install->data.len);
    BW_ASSERT(install->data.base != NULL);
    memcpy(install->data.base, data, install->data.len);
}

struct sim_raft_message *sim_raft_message_new(const struct raft_message *message, raft_id from,
                                              const struct bw_hello *hello, struct bw_id to)
{
    struct sim_raft_message *copy = malloc(sizeof *copy);

    BW_ASSERT(copy != NULL);
    copy->message = *message;
    copy->hello = *hello;
    copy->to = to;
    copy->message.server_id = from;
    copy->message.server_address = NULL; /* the receiver knows it */
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0)
        copy_entries(&copy->message.append_entries);
    else if (message->type == RAFT_INSTALL_SNAPSHOT)
        copy_snapshot(&copy->message.install_snapshot);
    return copy;
}

void *sim_raft_message_copy(const void *message)
{
    const struct sim_raft_message *from = message;

    return sim_raft_message_new(&from->message, from->message.server_id, &from->hello, from->to);
}

void sim_raft_message_drop(void *payload)
{
    struct sim_raft_message *message = payload;
    struct raft_message *inner = &message->message;

    if (inner->type == RAFT_APPEND_ENTRIES && inner->append_entries.n_entries > 0) {
        raft_free(inner->append_entries.entries[0].batch);
        raft_free(inner->append_entries.entries);
    } else if (inner->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&inner->install_snapshot.conf);
        raft_free(inner->install_snapshot.data.base);
    }
    free(message);
}
