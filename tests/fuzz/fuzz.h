/* fuzz.h - what the targets of tests/fuzz share: claims, bytes as files, and records.
 *
 * A target that needs more than one piece of input reads it as records in the shape of a protobuf
 * message (field number: which kind; varint or bytes: its argument), so that one mutator
 * (proto_mutator.c) knows the structure of all of them. */
#ifndef BW_FUZZ_FUZZ_H
#define BW_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <breakwater/base/diag.h>
#include <breakwater/base/instant.h>

#include "../../src/wire/shape.h"

#define FUZZ_INPUT_BYTES_MAX 4096 /* of a corpus file; the runner gives it to libFuzzer too */

/* What each target defines; never longer inputs than the corpus has. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A claim of the target; ends the process when it does not hold. */
#define FUZZ_CHECK(fact)                                                                          \
    do {                                                                                          \
        if (!(fact))                                                                              \
            fuzz_failed(#fact, __FILE__, __LINE__);                                               \
    } while (0)
__attribute__((noreturn)) void fuzz_failed(const char *fact, const char *file, int line);

/* An outcome of the list; and when it is an error, the diag has a text that ends. */
void fuzz_check_outcome(enum bw_err err, const struct bw_diag *diag);

/* `size` bytes and a NUL; freed with free(). */
char *fuzz_text(const uint8_t *data, size_t size);
/* No NUL within `size` bytes: BW_ERR for who needs a text that ends in its place. */
bool fuzz_is_text(const char *text, size_t size);

/* A file that holds `data`, mode 0600: its path, good until the next call for this slot. */
#define FUZZ_FILES_MAX 3
const char *fuzz_file(unsigned slot, const void *data, size_t size);

/* A directory of this process, made at the first call (in TMPDIR) and removed with what is in it at
 * the end of the process. */
const char *fuzz_directory(void);

/* The next record; false: none is left, or what is left is none. */
struct fuzz_record {
    uint32_t number;     /* of the field, > 0 */
    uint64_t value;      /* of a varint; else the size */
    const uint8_t *data; /* NULL: a varint */
    size_t size;
};
struct fuzz_records {
    const uint8_t *data;
    size_t size;
};
bool fuzz_record_next(struct fuzz_records *records, struct fuzz_record *out_record);

/* Everything that a decoded struct promises by its table: enums, bits and bools in range, lists
 * within their bounds, names valid, texts ended. */
void fuzz_check_shape(const struct bw_shape *shape, const void *core);

/* "now" of a machine under test, as a duration since its boot on both clocks. */
struct bw_instant fuzz_instant_ms(uint64_t ms);

#endif
