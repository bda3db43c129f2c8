#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <breakwater/base/name.h>

/* ---- claims ---- */

void fuzz_failed(const char *fact, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: the claim does not hold: %s\n", file, line, fact);
    abort();
}

void fuzz_check_outcome(enum bw_err err, const struct bw_diag *diag)
{
    FUZZ_CHECK(err >= BW_OK && err <= BW_ERR_VERSION);
    if (err == BW_OK)
        return;
    FUZZ_CHECK(fuzz_is_text(diag->text, sizeof diag->text));
    FUZZ_CHECK(diag->text[0] != '\0');
    FUZZ_CHECK(diag->err == err);
}

/* ---- bytes ---- */

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    FUZZ_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

bool fuzz_is_text(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

const char *fuzz_file(unsigned slot, const void *data, size_t size)
{
    static char paths[FUZZ_FILES_MAX][32];
    static int files[FUZZ_FILES_MAX];

    FUZZ_CHECK(slot < FUZZ_FILES_MAX);
    if (paths[slot][0] == '\0') {
        files[slot] = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(files[slot] >= 0 && fchmod(files[slot], 0600) == 0);
        (void)snprintf(paths[slot], sizeof paths[slot], "/proc/self/fd/%d", files[slot]);
    }
    FUZZ_CHECK(ftruncate(files[slot], 0) == 0);
    FUZZ_CHECK(pwrite(files[slot], data, size, 0) == (ssize_t)size);
    return paths[slot];
}

static char directory[256];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_directory(void)
{
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* the process ends either way */
}

const char *fuzz_directory(void)
{
    const char *top = getenv("TMPDIR");

    if (directory[0] != '\0')
        return directory;
    (void)snprintf(directory, sizeof directory, "%s/breakwater-fuzz-XXXXXX",
                   top != NULL ? top : "/tmp");
    FUZZ_CHECK(mkdtemp(directory) != NULL);
    FUZZ_CHECK(atexit(remove_directory) == 0);
    return directory;
}

/* ---- records ---- */

static bool take_varint(struct fuzz_records *records, uint64_t *out_value)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < records->size && i < 10; i++) {
        value |= (uint64_t)(records->data[i] & 0x7f) << (7 * i);
        if ((records->data[i] & 0x80) == 0) {
            records->data += i + 1;
            records->size -= i + 1;
            *out_value = value;
            return true;
        }
    }
    return false;
}

bool fuzz_record_next(struct fuzz_records *records, struct fuzz_record *out_record)
{
    uint64_t tag;
    uint64_t value;

    if (!take_varint(records, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX ||
        ((tag & 7) != 0 && (tag & 7) != 2) || !take_varint(records, &value))
        return false;
    *out_record = (struct fuzz_record){.number = (uint32_t)(tag >> 3), .value = value};
    if ((tag & 7) == 0)
        return true;
    if (value > records->size)
        return false;
    out_record->data = records->data;
    out_record->size = (size_t)value;
    records->data += value;
    records->size -= (size_t)value;
    return true;
}

struct bw_instant fuzz_instant_ms(uint64_t ms)
{
    return (struct bw_instant){.boot_ns = ms * BW_NS_PER_MS, .raw_ns = ms * BW_NS_PER_MS};
}

/* ---- structs by their tables ---- */

#define WORK_MAX 4096
struct work {
    const struct bw_shape *shape;
    const uint8_t *core;
};
struct worklist {
    size_t count;
    struct work list[WORK_MAX];
};

static void push(struct worklist *work, const struct bw_shape *shape, const uint8_t *core)
{
    FUZZ_CHECK(work->count < WORK_MAX);
    work->list[work->count++] = (struct work){shape, core};
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static void check_list(struct worklist *work, const struct bw_field *field, const uint8_t *core)
{
    const uint8_t *list = core + field->core_offset;
    uint32_t count = field->kind == BW_FIELD_ARRAY ? field->max
                                                   : get_u32(core + field->core_count_offset);

    FUZZ_CHECK(count <= field->max);
    if (field->kind == BW_FIELD_HEAP_LIST)
        memcpy(&list, core + field->core_offset, sizeof list);
    for (uint32_t i = 0; i < count; i++)
        push(work, field->shape, list + i * field->core_size);
}

static void check_name(const struct bw_field *field, const char *name)
{
    FUZZ_CHECK(fuzz_is_text(name, field->core_size));
    FUZZ_CHECK(name[0] == '\0' ? !field->is_required : bw_name_is_valid(name));
}

static void check_heap_bytes(const struct bw_field *field, const uint8_t *core)
{
    size_t size;

    memcpy(&size, core + field->core_count_offset, sizeof size);
    FUZZ_CHECK(size <= field->max);
}

static void check_field(struct worklist *work, const struct bw_field *field, const uint8_t *core)
{
    const uint8_t *at = core + field->core_offset;

    switch (field->kind) {
    case BW_FIELD_VERSION:
    case BW_FIELD_NUMBER:
    case BW_FIELD_NUMBERS:
    case BW_FIELD_ID:
        return;
    case BW_FIELD_BOOL:
    case BW_FIELD_BOOLS:
        for (size_t i = 0; i < field->core_size; i++)
            FUZZ_CHECK(at[i] <= 1);
        return;
    case BW_FIELD_BITS:
        FUZZ_CHECK((uint64_t)get_u32(at) < UINT64_C(1) << field->max);
        return;
    case BW_FIELD_ENUM:
        FUZZ_CHECK(get_u32(at) < field->max);
        FUZZ_CHECK(!field->is_required || get_u32(at) > 0);
        return;
    case BW_FIELD_NAME:
        check_name(field, (const char *)at);
        return;
    case BW_FIELD_TEXT:
        FUZZ_CHECK(fuzz_is_text((const char *)at, field->core_size));
        return;
    case BW_FIELD_HEAP_BYTES:
        check_heap_bytes(field, core);
        return;
    case BW_FIELD_MESSAGE:
        push(work, field->shape, at);
        return;
    case BW_FIELD_ARRAY:
    case BW_FIELD_LIST:
    case BW_FIELD_HEAP_LIST:
        check_list(work, field, core);
        return;
    case BW_FIELD_CHOICE:
        FUZZ_CHECK(get_u32(at) < field->max);
        push(work, field->choices[get_u32(at)].shape,
             core + field->choices[get_u32(at)].shape->core_offset);
        return;
    }
}

void fuzz_check_shape(const struct bw_shape *shape, const void *core)
{
    static struct worklist work; /* one thread */

    work.count = 0;
    push(&work, shape, core);
    while (work.count > 0) {
        const struct work item = work.list[--work.count];

        for (size_t i = 0; i < item.shape->field_count; i++)
            check_field(&work, &item.shape->fields[i], item.core);
    }
}
