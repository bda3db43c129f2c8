#include <breakwater/base/bytes.h>

#include <string.h>

void bw_put_u32le(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

void bw_put_u64le(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

uint32_t bw_get_u32le(const uint8_t *in)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++)
        value |= (uint32_t)in[i] << (8 * i);
    return value;
}

uint64_t bw_get_u64le(const uint8_t *in)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

int bw_u64_compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* What four bits leave behind, of the polynomial 0x82f63b78 (reversed; RFC 3720, B.4). */
static const uint32_t crc32c_of_nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t bw_crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ crc32c_of_nibble[crc & 15];
        crc = (crc >> 4) ^ crc32c_of_nibble[crc & 15];
    }
    return ~crc;
}

#ifdef __x86_64__
/* The processor's own instruction: a snapshot of 8 MB takes 2 ms of the witness's loop instead
 * of 40. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_processor(uint32_t crc,
                                                                      const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t wide = ~crc;

    for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), bytes += sizeof(uint64_t)) {
        uint64_t eight;

        memcpy(&eight, bytes, sizeof eight);
        wide = __builtin_ia32_crc32di(wide, eight);
    }
    for (; size > 0; size--)
        wide = __builtin_ia32_crc32qi((uint32_t)wide, *bytes++);
    return ~(uint32_t)wide;
}
#endif

uint32_t bw_crc32c(uint32_t crc, const void *data, size_t size)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_by_processor(crc, data, size);
#endif
    return bw_crc32c_by_table(crc, data, size);
}

void bw_hex_encode(const uint8_t *data, size_t size, char *out_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        out_text[2 * i] = digits[data[i] >> 4];
        out_text[2 * i + 1] = digits[data[i] & 15];
    }
    out_text[2 * size] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool bw_hex_decode(const char *text, uint8_t *out_data, size_t size)
{
    if (strlen(text) != 2 * size)
        return false;
    for (size_t i = 0; i < 2 * size; i++)
        if (hex_digit(text[i]) < 0)
            return false;
    for (size_t i = 0; i < size; i++)
        out_data[i] = (uint8_t)((unsigned)hex_digit(text[2 * i]) << 4 |
                                (unsigned)hex_digit(text[2 * i + 1]));
    return true;
}

bool bw_copy_text(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);

    if (length >= size) {
        out[0] = '\0';
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}
