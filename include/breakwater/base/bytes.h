/* bytes.h - integers in bytes, checksums, hex. Pure. */
#ifndef BW_BASE_BYTES_H
#define BW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void bw_put_u32le(uint8_t *out, uint32_t value);
void bw_put_u64le(uint8_t *out, uint64_t value);
uint32_t bw_get_u32le(const uint8_t *in);
uint64_t bw_get_u64le(const uint8_t *in);

/* For qsort: two uint64_t, the lower first. */
int bw_u64_compare(const void *a, const void *b);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `size` bytes, continuing from `crc` (0 to begin). */
uint32_t bw_crc32c(uint32_t crc, const void *data, size_t size);
/* The same without the processor's own instruction, as where there is none: some twenty times
 * slower. */
uint32_t bw_crc32c_by_table(uint32_t crc, const void *data, size_t size);

/* Writes 2*size lower-case hex digits and a NUL to `out_text`. */
void bw_hex_encode(const uint8_t *data, size_t size, char *out_text);
/* Reads exactly `size` bytes from 2*size hex digits; false (out untouched) on anything else. */
bool bw_hex_decode(const char *text, uint8_t *out_data, size_t size);

/* Copies `text` into `out` of `size` bytes. False, and `out` is "", when it does not fit. */
bool bw_copy_text(char *out, size_t size, const char *text);
/* From a field of the same size: nothing can be cut. */
#define BW_COPY_FIELD(to, from)                                                                    \
    do {                                                                                           \
        _Static_assert(sizeof(to) == sizeof(from), "fields of one size");                          \
        memcpy(to, from, sizeof(to));                                                              \
    } while (0)

#endif
