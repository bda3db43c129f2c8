/* directory.c - which witnesses this one knows, and how to reach them: by its file, by the roster (which names
 * those that came later), and by what other members have said of still later ones. Design 3.9. */
#include "program.h"

#include <inttypes.h>
#include <string.h>

#include <breakwater/sys/clock.h>

static const struct bw_roster no_roster;

static const struct bw_roster *roster_of(const struct bw_program *program)
{
    return program->node != NULL ? bw_node_roster(program->node) : &no_roster;
}

static uint64_t version_of(const struct bw_program *program)
{
    return program->node != NULL ? bw_node_roster_version(program->node) : 0;
}

/* ---- building it ---- */

static bool has(const struct bw_directory *directory, uint32_t id, const char *name)
{
    for (uint32_t i = 0; i < directory->count; i++)
        if (directory->list[i].config.id == id ||
            strcmp(directory->list[i].config.name, name) == 0)
            return true;
    return false;
}

static void put(struct bw_directory *directory, const struct bw_witness_member_config *config,
                bool is_member, const struct bw_directory *before)
{
    struct bw_known *known = &directory->list[directory->count];

    if (directory->count == BW_KNOWN_MAX || has(directory, config->id, config->name))
        return;
    *known = (struct bw_known){.config = *config, .is_member = is_member};
    for (uint32_t i = 0; i < before->count; i++)
        if (before->list[i].config.id == config->id) {
            known->level = before->list[i].level;
            memcpy(known->release, before->list[i].release, sizeof known->release);
            known->has_certificate = before->list[i].has_certificate;
            known->certificate_left_s = before->list[i].certificate_left_s;
            known->committed = before->list[i].committed;
            known->unreached = before->list[i].unreached;
            known->certificate_received = before->list[i].certificate_received;
        }
    directory->count++;
}

/* What a file and the roster both say of a witness. */
#define COPY_TEXT(to, from, text)                                                                  \
    do {                                                                                           \
        _Static_assert(sizeof(to)->text == sizeof(from)->text, "of the same size");                \
        memcpy((to)->text, (from)->text, sizeof(to)->text);                                        \
    } while (0)
#define COPY_TEXTS(to, from)                                                                       \
    do {                                                                                           \
        COPY_TEXT(to, from, name);                                                                 \
        COPY_TEXT(to, from, address);                                                              \
        COPY_TEXT(to, from, raft);                                                                 \
        COPY_TEXT(to, from, failure_domain);                                                       \
    } while (0)

struct bw_witness_member_config bw_member_config_of(const struct bw_roster_member *member)
{
    struct bw_witness_member_config config = {.id = (uint32_t)member->id};

    COPY_TEXTS(&config, member);
    return config;
}

struct bw_roster_member bw_roster_member_of(const struct bw_witness_member_config *config,
                                            struct bw_id incarnation)
{
    struct bw_roster_member member = {.id = config->id, .incarnation = incarnation};

    COPY_TEXTS(&member, config);
    return member;
}

/* Once for each, until the file is read again. */
static void warn_of(struct bw_program *program, const struct bw_witness_member_config *own,
                    bool is_other)
{
    struct bw_directory *directory = &program->directory;

    for (uint32_t i = 0; i < directory->outdated_count; i++)
        if (directory->outdated[i] == own->id)
            return;
    directory->outdated[directory->outdated_count++] = own->id; /* of a file: there are no more */
    bw_log_warn(&program->log, "members.file_outdated", "name=%s id=%" PRIu32 " why=%s", own->name,
                own->id,
                bw_log_quote(is_other ? "the cluster knows another name for this id"
                                      : "it was removed from the cluster: take it out of the file"));
}

/* The file says where a member lives, so that it may move; but not who is one. */
static void put_file(struct bw_program *program, struct bw_directory *directory,
                     const struct bw_directory *before)
{
    const struct bw_witness_config *file = program->config;
    const struct bw_roster *roster = roster_of(program);
    const bool is_second = roster->id_max != 0;

    for (uint32_t i = 0; i < file->witness_count; i++) {
        const struct bw_witness_member_config *own = &file->witnesses[i];
        const struct bw_roster_member *member = bw_roster_find(roster, own->id);
        const bool is_other = is_second && member != NULL && strcmp(member->name, own->name) != 0;

        if (i == file->self || (!bw_roster_has_removed(roster, own->id) && !is_other))
            put(directory, own, roster->count == 0 || member != NULL, before);
        else
            warn_of(program, own, is_other);
    }
}

static void build(struct bw_program *program)
{
    struct bw_directory *directory = &program->directory;
    const struct bw_directory before = *directory;
    const struct bw_roster *roster = roster_of(program);

    directory->count = 0;
    put_file(program, directory, &before);
    for (unsigned i = 0; i < roster->count && roster->id_max != 0; i++) {
        const struct bw_witness_member_config config = bw_member_config_of(&roster->members[i]);

        put(directory, &config, true, &before);
    }
    for (uint32_t i = 0; i < directory->later_count; i++)
        if (!bw_roster_has_removed(roster, directory->later[i].id))
            put(directory, &directory->later[i], false, &before);
    directory->version = version_of(program);
    directory->is_built = true;
    bw_drive_use_members(program);
}

void bw_directory_rebuild(struct bw_program *program)
{
    program->directory.outdated_count = 0;
    build(program);
}

void bw_directory_refresh(struct bw_program *program)
{
    if (!program->directory.is_built || program->directory.version != version_of(program))
        build(program);
}

void bw_directory_hear(struct bw_program *program, const struct bw_witness_member_config *config)
{
    struct bw_directory *directory = &program->directory;

    if (has(directory, config->id, config->name) || directory->later_count == BW_WITNESSES_MAX ||
        config->id <= roster_of(program)->id_max)
        return;
    directory->later[directory->later_count++] = *config;
    bw_log_info(&program->log, "members.heard_of", "name=%s id=%" PRIu32 " address=%s",
                config->name, config->id, config->address);
    build(program);
}

/* The addresses of a roster are those of the day on which it was written, and who moves is in no order. */
void bw_directory_roster(const struct bw_program *program, struct bw_roster *out_roster)
{
    *out_roster = *roster_of(program);
    for (unsigned i = 0; i < out_roster->count && out_roster->id_max != 0; i++) {
        struct bw_roster_member *member = &out_roster->members[i];
        const struct bw_witness_member_config *config = bw_program_member(program, member->id);

        if (config != NULL) {
            COPY_TEXT(member, config, address);
            COPY_TEXT(member, config, raft);
        }
    }
}

bool bw_directory_complete(const struct bw_program *program, struct bw_roster *out_roster,
                           struct bw_diag *diag)
{
    bw_directory_roster(program, out_roster);
    if (out_roster->id_max != 0 || out_roster->count == 0)
        return out_roster->count > 0;
    for (unsigned i = 0; i < out_roster->count; i++) {
        struct bw_roster_member *member = &out_roster->members[i];
        const struct bw_witness_member_config *config = bw_program_member(program, member->id);

        if (config == NULL) {
            (void)bw_diag_set(diag, BW_ERR_REFUSED,
                              "the file of %s does not name the witness of id %" PRIu64
                              ": give all witnesses the same `witnesses`",
                              program->config->name, member->id);
            return false;
        }
        *member = bw_roster_member_of(config, member->incarnation);
        out_roster->id_max = member->id; /* they are in order */
    }
    return true;
}

/* ---- asking it ---- */

const struct bw_witness_member_config *bw_program_member(const struct bw_program *program,
                                                         uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? &program->directory.list[at].config : NULL;
}

const struct bw_witness_member_config *bw_program_member_named(const struct bw_program *program,
                                                               const char *name)
{
    for (uint32_t i = 0; i < program->directory.count; i++)
        if (strcmp(program->directory.list[i].config.name, name) == 0)
            return &program->directory.list[i].config;
    return NULL;
}

bool bw_program_is_self(const struct bw_program *program,
                        const struct bw_witness_member_config *member)
{
    return strcmp(member->name, program->config->name) == 0;
}

void bw_directory_note_level(struct bw_program *program, uint64_t id, uint64_t level)
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        program->directory.list[at].level = level < UINT32_MAX ? (uint32_t)level : UINT32_MAX;
}

uint32_t bw_directory_level(const struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? program->directory.list[at].level : 0;
}

void bw_directory_note_release(struct bw_program *program, uint64_t id,
                               const char release[BW_HELLO_RELEASE_BYTES])
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        memcpy(program->directory.list[at].release, release, BW_HELLO_RELEASE_BYTES);
}

const char *bw_directory_release(const struct bw_program *program, uint64_t id)
{
    const int at = bw_directory_find(program, id);

    return at >= 0 ? program->directory.list[at].release : "";
}

void bw_directory_note_certificate(struct bw_program *program, uint64_t id, uint64_t left_s)
{
    const int at = bw_directory_find(program, id);
    struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;

    if (known == NULL)
        return;
    known->has_certificate = true;
    known->certificate_left_s = left_s;
    known->certificate_received = bw_clock_now();
}

void bw_directory_note_committed(struct bw_program *program, uint64_t id, struct bw_commit_mark mark)
{
    const int at = bw_directory_find(program, id);

    if (at >= 0)
        program->directory.list[at].committed = mark;
}

bool bw_directory_certificate(const struct bw_program *program, uint64_t id, struct bw_instant now,
                              uint64_t *out_left_s)
{
    const int at = bw_directory_find(program, id);
    const struct bw_known *known = at >= 0 ? &program->directory.list[at] : NULL;
    uint64_t passed_s;

    if (known == NULL || !known->has_certificate)
        return false;
    passed_s = bw_instant_elapsed_ns(now, known->certificate_received) / BW_NS_PER_S;
    *out_left_s = known->certificate_left_s > passed_s ? known->certificate_left_s - passed_s : 0;
    return true;
}
