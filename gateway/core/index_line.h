/*
 * One cache line of the dedup index: four entries, sorted by place, packed to the front. Inside gateway/core only.
 *
 *   byte 0        16          32                                        64
 *        ┌─────────┬───────────┬─────────────────────────────────────────┐
 *        │ low × 4 │ digest × 4│ rest × 4                                │
 *        └─────────┴───────────┴─────────────────────────────────────────┘
 *   low     32  place, bits 0–31
 *   digest  32  of lt_digest
 *   rest    64  63        50 49              12 11     8 7      0
 *              ┌────────────┬──────────────────┬────────┬────────┐
 *              │ place      │ first offset     │ version│ mark   │
 *              │ bits 32–45 │ mod 2^38         │ mod 16 │        │
 *              └────────────┴──────────────────┴────────┴────────┘
 *   mark    generation mod 255, + 1; 0 = no entry
 *
 * That is 16 bytes an entry. 46 bits of the place are stored, the line an entry stands in implies the rest
 * (index_segment.h), so a place is exact. An empty slot is all zero.
 */
#ifndef LT_CORE_INDEX_LINE_H
#define LT_CORE_INDEX_LINE_H

#include "gateway/base/base.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LT_LINE_SLOTS 4
#define LT_TAG_BITS 46
#define LT_TAG_MASK ((1ULL << LT_TAG_BITS) - 1)
#define LT_FIRST_BITS 38
#define LT_FIRST_MASK ((1ULL << LT_FIRST_BITS) - 1)
#define LT_REST_TAG_SHIFT 50
#define LT_REST_FIRST_SHIFT 12
#define LT_REST_VERSION_SHIFT 8
#define LT_MARKS 255 /* marks are 1..255 */

struct lt_line {
    uint32_t low[LT_LINE_SLOTS];
    uint32_t digest[LT_LINE_SLOTS];
    uint64_t rest[LT_LINE_SLOTS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct lt_line) == 64, "four entries are one cache line");

/* An entry outside of a line: its place within the segment, 56 bits, and what `rest` holds beside the tag. */
struct lt_entry {
    uint64_t place;
    uint64_t rest; /* without the tag's bits */
    uint32_t digest;
};

static inline uint64_t lt_rest_make(uint64_t first, unsigned version, unsigned mark)
{
    return (first & LT_FIRST_MASK) << LT_REST_FIRST_SHIFT | (uint64_t)version << LT_REST_VERSION_SHIFT | mark;
}
static inline unsigned lt_rest_mark(uint64_t rest)
{
    return rest & 0xff;
}
static inline unsigned lt_rest_version(uint64_t rest)
{
    return rest >> LT_REST_VERSION_SHIFT & 15;
}
static inline uint64_t lt_rest_first(uint64_t rest)
{
    return rest >> LT_REST_FIRST_SHIFT & LT_FIRST_MASK;
}
static inline uint64_t lt_rest_without_tag(uint64_t rest)
{
    return rest & ((1ULL << LT_REST_TAG_SHIFT) - 1);
}

static inline uint64_t lt_line_tag(const struct lt_line *l, unsigned slot)
{
    return l->rest[slot] >> LT_REST_TAG_SHIFT << 32 | l->low[slot];
}
static inline bool lt_line_used(const struct lt_line *l, unsigned slot)
{
    return lt_rest_mark(l->rest[slot]) != 0;
}
/* Entries are packed: the last slot tells whether the line is full. */
static inline bool lt_line_full(const struct lt_line *l)
{
    return lt_line_used(l, LT_LINE_SLOTS - 1);
}
static inline unsigned lt_line_count(const struct lt_line *l)
{
    unsigned n = 0;
    while (n < LT_LINE_SLOTS && lt_line_used(l, n))
        n++;
    return n;
}

/* Bit s is set where slot s may hold the tag: the low halves are equal. All four slots at once. */
static inline unsigned lt_line_match(const struct lt_line *l, uint32_t low)
{
#ifdef __SSE2__
    __m128i found = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)l->low), _mm_set1_epi32((int)low));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(found));
#else
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)(l->low[s] == low) << s;
    return m;
#endif
}

/* An entry as a line holds it, tag and all: it can be handed from line to line as it is. */
struct lt_packed {
    uint32_t low, digest;
    uint64_t rest;
};
static inline struct lt_packed lt_entry_pack(const struct lt_entry *e)
{
    uint64_t tag = e->place & LT_TAG_MASK;
    return (struct lt_packed){(uint32_t)tag, e->digest, tag >> 32 << LT_REST_TAG_SHIFT | e->rest};
}
static inline struct lt_packed lt_line_get(const struct lt_line *l, unsigned slot)
{
    return (struct lt_packed){l->low[slot], l->digest[slot], l->rest[slot]};
}
static inline void lt_line_put(struct lt_line *l, unsigned slot, struct lt_packed p)
{
    l->low[slot] = p.low;
    l->digest[slot] = p.digest;
    l->rest[slot] = p.rest;
}

/*
 * Put p into the slot; what stood there and behind moves one up, the last entry of a full line is lost: the caller has
 * it. Without a branch: which slot it is cannot be predicted.
 */
static inline void lt_line_insert(struct lt_line *l, unsigned slot, struct lt_packed p)
{
#ifdef __SSE2__
    __m128i lane = _mm_setr_epi32(0, 1, 2, 3), at = _mm_set1_epi32((int)slot);
    __m128i behind = _mm_cmpgt_epi32(lane, at), here = _mm_cmpeq_epi32(lane, at);
    __m128i keep = _mm_cmplt_epi32(lane, at), *v[2] = {(__m128i *)l->low, (__m128i *)l->digest};
    uint32_t fresh[2] = {p.low, p.digest};
    for (int i = 0; i < 2; i++) {
        __m128i old = _mm_load_si128(v[i]), moved = _mm_slli_si128(old, 4);
        _mm_store_si128(v[i], _mm_or_si128(_mm_or_si128(_mm_and_si128(old, keep), _mm_and_si128(moved, behind)),
                                           _mm_and_si128(_mm_set1_epi32((int)fresh[i]), here)));
    }
    __m128i *rest = (__m128i *)l->rest, first = _mm_load_si128(rest), second = _mm_load_si128(rest + 1);
    __m128i value = _mm_set1_epi64x((long long)p.rest);
    __m128i first_moved = _mm_slli_si128(first, 8);
    __m128i second_moved = _mm_or_si128(_mm_srli_si128(first, 8), _mm_slli_si128(second, 8));
    _mm_store_si128(rest, _mm_or_si128(_mm_or_si128(_mm_and_si128(first, _mm_unpacklo_epi32(keep, keep)),
                                                    _mm_and_si128(first_moved, _mm_unpacklo_epi32(behind, behind))),
                                       _mm_and_si128(value, _mm_unpacklo_epi32(here, here))));
    _mm_store_si128(rest + 1,
                    _mm_or_si128(_mm_or_si128(_mm_and_si128(second, _mm_unpackhi_epi32(keep, keep)),
                                              _mm_and_si128(second_moved, _mm_unpackhi_epi32(behind, behind))),
                                 _mm_and_si128(value, _mm_unpackhi_epi32(here, here))));
#else
    for (unsigned s = LT_LINE_SLOTS - 1; s > slot; s--)
        lt_line_put(l, s, lt_line_get(l, s - 1));
    lt_line_put(l, slot, p);
#endif
}

static inline void lt_line_clear(struct lt_line *l, unsigned slot)
{
    l->low[slot] = l->digest[slot] = 0;
    l->rest[slot] = 0;
}
#endif
