#include "gateway/model/partition.h"

#include <assert.h>

/* MurmurHash2 as Kafka's Java client computes it (seed 0x9747b28c, little-endian words), so that any tool agrees with
 * us. */
static uint32_t murmur2(const unsigned char *p, size_t len)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ (uint32_t)len;
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h *= m;
        h ^= k;
    }
    if (len >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (len >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (len >= 1) {
        h ^= p[0];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    h ^= h >> 15;
    return h;
}

uint32_t lt_partition_hash(struct lt_span key)
{
    return murmur2((const unsigned char *)key.ptr, key.len) & 0x7fffffff;
}

int32_t lt_partition_of(struct lt_span key, int32_t partitions)
{
    assert(partitions > 0);
    return (int32_t)(lt_partition_hash(key) % (uint32_t)partitions);
}
