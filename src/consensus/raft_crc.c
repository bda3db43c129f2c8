#include "raft_crc.h"

static uint32_t crc_of_byte[256];

static void fill_crc_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte << 24;

        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1) ^ ((crc >> 31) * UINT32_C(0x04C11DB7));
        crc_of_byte[byte] = crc;
    }
}

uint32_t bw_raft_crc32(uint32_t crc, const uint8_t *data, uint64_t size)
{
    if (crc_of_byte[1] == 0)
        fill_crc_table();
    for (uint64_t i = 0; i < size; i++)
        crc = (crc << 8) ^ crc_of_byte[(crc >> 24) ^ data[i]];
    return crc;
}
