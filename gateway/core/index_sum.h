/*
 * The sum of an index: xor over its live entries of mix(fingerprint, version, digest, generation), kept per generation
 * of their last records, so that a generation leaves it in one step (protocol 2). Inside gateway/core only.
 */
#ifndef LT_CORE_INDEX_SUM_H
#define LT_CORE_INDEX_SUM_H

#include "gateway/core/index.h"

#define LT_SUM_RING 256 /* K + 1 <= 201 live generations never share a place */

struct lt_sum {
    uint64_t sum; /* xor of the ring's sums */
    size_t live;  /* entries */
    struct {
        uint64_t generation, sum, entries;
    } ring[LT_SUM_RING];
};

/* Finaliser of MurmurHash3: every input bit reaches every output bit. */
static inline uint64_t lt_sum_mix64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}
/* Generation mod 256 as in the protocol's entry, so that the sum does not depend on how an index keeps it. */
static inline uint64_t lt_sum_mix(const struct lt_index_key *k, unsigned version, uint64_t generation)
{
    return lt_sum_mix64(lt_sum_mix64(k->fingerprint << 4 | version) ^
                        lt_sum_mix64((uint64_t)k->digest << 8 | (generation & 0xff)));
}

static inline void lt_sum_add(struct lt_sum *s, const struct lt_index_key *k, uint64_t generation)
{
    uint64_t mixed = lt_sum_mix(k, k->version, generation);
    s->ring[generation % LT_SUM_RING].generation = generation;
    s->ring[generation % LT_SUM_RING].sum ^= mixed;
    s->ring[generation % LT_SUM_RING].entries++;
    s->sum ^= mixed;
    s->live++;
}
/* version, generation: of the key's last record before this one. */
static inline void lt_sum_drop(struct lt_sum *s, const struct lt_index_key *k, unsigned version, uint64_t generation)
{
    uint64_t mixed = lt_sum_mix(k, version, generation);
    s->ring[generation % LT_SUM_RING].sum ^= mixed;
    s->ring[generation % LT_SUM_RING].entries--;
    s->sum ^= mixed;
    s->live--;
}
/* Generations more than `keep` before this one leave. */
static inline void lt_sum_expire(struct lt_sum *s, uint64_t generation, uint32_t keep)
{
    for (size_t i = 0; i < LT_SUM_RING; i++)
        if (s->ring[i].entries && generation - s->ring[i].generation > keep) {
            s->sum ^= s->ring[i].sum;
            s->live -= s->ring[i].entries;
            s->ring[i].generation = s->ring[i].sum = s->ring[i].entries = 0;
        }
}
#endif
