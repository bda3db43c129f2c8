/* raft_crc.h - the checksum of libraft's own files. */
#ifndef BW_CONSENSUS_RAFT_CRC_H
#define BW_CONSENSUS_RAFT_CRC_H

#include <stdint.h>

/* CRC-32 as libraft counts it: polynomial 0x04C11DB7, high bit first, from 0; `crc` is that of what came before.
 * Not for two threads at once. */
uint32_t bw_raft_crc32(uint32_t crc, const uint8_t *data, uint64_t size);

#endif
