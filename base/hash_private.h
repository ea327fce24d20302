/* hash_private.h - the frozen seed, and the two ways to a crc32c, so that a test can
 * compare them. */

#ifndef SL_BASE_HASH_PRIVATE_H
#define SL_BASE_HASH_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

/* Frozen: key groups and content names on disk depend on it ("sluice!1"). */
#define SL_HASH__SEED UINT64_C(0x736c756963652131)

/* As sl_crc32c(), without the instruction of the CPU. */
uint32_t sl_crc32c__table(uint32_t seed, const void *data, size_t size_bytes);

#endif /* SL_BASE_HASH_PRIVATE_H */
