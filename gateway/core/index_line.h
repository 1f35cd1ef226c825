/*
 * One cache line of the dedup index: four entries in no order, any of which may be empty. Inside gateway/core only.
 *
 *   byte 0        16          32         48                             64
 *        ┌─────────┬───────────┬──────────┬─────────────────────────────┐
 *        │ low × 4 │ digest × 4│ first × 4│ meta × 4                    │
 *        └─────────┴───────────┴──────────┴─────────────────────────────┘
 *   low     32  place, bits 0–31
 *   digest  32  of lt_digest
 *   first   32  first offset, bits 0–31
 *   meta    32   31   30   29          17 16        12 11     8 7      0
 *              ┌────┬────┬──────────────┬────────────┬────────┬────────┐
 *              │over│away│ place        │first offset│ version│ mark   │
 *              │    │    │ bits 32–44   │ bits 32–36 │ mod 16 │        │
 *              └────┴────┴──────────────┴────────────┴────────┴────────┘
 *   mark    generation mod 255, + 1; 0 = no entry
 *   away    the entry does not stand in its home line but in its second one
 *   over    of the line, not of the entry: an entry of class s (s the slot, 0–3) whose home this line is stands in its
 *           second line. It stays when the slot is emptied, and is taken back by a sweep or by growth.
 *
 * That is 16 bytes an entry. 45 bits of the place are stored (the tag); the home line implies the others, and tag and
 * `away` lead from the line an entry stands in to its home (index_segment.h), so a place is exact.
 *
 * All four slots are compared at once, in 16-byte vectors where the machine has them.
 */
#ifndef LT_CORE_INDEX_LINE_H
#define LT_CORE_INDEX_LINE_H

#include "gateway/base/base.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LT_LINE_SLOTS 4
#define LT_LINE_ALL 15u /* all slots, as a mask */
#define LT_TAG_BITS 45
#define LT_TAG_MASK ((1ULL << LT_TAG_BITS) - 1)
#define LT_FIRST_BITS 37
#define LT_FIRST_MASK ((1ULL << LT_FIRST_BITS) - 1)
#define LT_MARKS 255 /* marks are 1..255 */

#define LT_META_MARK 0xffu
#define LT_META_VERSION_SHIFT 8
#define LT_META_FIRST_SHIFT 12
#define LT_META_FIRST 0x1fu /* after the shift */
#define LT_META_TAG_SHIFT 17
#define LT_META_TAG 0x3ffe0000u
#define LT_META_AWAY (1u << 30)
#define LT_META_OVER (1u << 31)

struct lt_line {
    uint32_t low[LT_LINE_SLOTS];
    uint32_t digest[LT_LINE_SLOTS];
    uint32_t first[LT_LINE_SLOTS];
    uint32_t meta[LT_LINE_SLOTS];
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct lt_line) == 64, "four entries are one cache line");

/* An entry outside of a line. `meta` holds mark, version and the first offset's upper bits. */
struct lt_entry {
    uint64_t place; /* within the segment, 56 bits */
    uint32_t digest, first, meta;
};

static inline uint32_t lt_meta_make(uint64_t first, unsigned version, unsigned mark)
{
    return ((uint32_t)(first >> 32) & LT_META_FIRST) << LT_META_FIRST_SHIFT | version << LT_META_VERSION_SHIFT | mark;
}
static inline unsigned lt_meta_mark(uint32_t meta)
{
    return meta & LT_META_MARK;
}
static inline unsigned lt_meta_version(uint32_t meta)
{
    return meta >> LT_META_VERSION_SHIFT & 15;
}
static inline uint64_t lt_meta_first(uint32_t meta, uint32_t first)
{
    return (uint64_t)(meta >> LT_META_FIRST_SHIFT & LT_META_FIRST) << 32 | first;
}
/* Without what tells where the entry stands. */
static inline uint32_t lt_meta_bare(uint32_t meta)
{
    return meta & ((1u << LT_META_TAG_SHIFT) - 1);
}

static inline uint64_t lt_line_tag(const struct lt_line *l, unsigned slot)
{
    return (uint64_t)((l->meta[slot] & LT_META_TAG) >> LT_META_TAG_SHIFT) << 32 | l->low[slot];
}
static inline bool lt_line_is_away(const struct lt_line *l, unsigned slot)
{
    return l->meta[slot] & LT_META_AWAY;
}

/* Which entries are dead: those whose mark is more than `keep` generations before `now_mark`. */
struct lt_age {
    unsigned now_mark; /* 1..255 */
    unsigned keep;
};
static inline unsigned lt_age_of(const struct lt_age *a, unsigned mark)
{
    int age = (int)a->now_mark - (int)mark;
    return (unsigned)(age < 0 ? age + LT_MARKS : age);
}

/* Four numbers side by side: a row of a line, or an entry. */
typedef uint32_t lt_quad __attribute__((vector_size(16), may_alias));
typedef int32_t lt_quad_signed __attribute__((vector_size(16)));

/* Masks of a line: bit s is slot s. */
#ifdef __SSE2__
static inline unsigned lt_line_mask(__m128i v)
{
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(v));
}
/* Of lanes that are negative, as those are for which a comparison holds. */
static inline unsigned lt_quad_mask(lt_quad_signed q)
{
    return lt_line_mask((__m128i)q);
}
static inline unsigned lt_line_used(const struct lt_line *l)
{
    __m128i marks = _mm_slli_epi32(_mm_load_si128((const __m128i *)l->meta), 24);
    return lt_line_mask(_mm_cmpeq_epi32(marks, _mm_setzero_si128())) ^ LT_LINE_ALL;
}
/* Slots that hold an entry of this tag, or held one and are empty; away: which has come here from its home. */
static inline unsigned lt_line_match(const struct lt_line *l, uint64_t tag, bool away)
{
    uint32_t want = (uint32_t)(tag >> 32) << LT_META_TAG_SHIFT | (away ? LT_META_AWAY : 0);
    __m128i meta = _mm_load_si128((const __m128i *)l->meta), low = _mm_load_si128((const __m128i *)l->low);
    __m128i upper = _mm_and_si128(meta, _mm_set1_epi32((int)(LT_META_TAG | LT_META_AWAY)));
    return lt_line_mask(_mm_and_si128(_mm_cmpeq_epi32(low, _mm_set1_epi32((int)(uint32_t)tag)),
                                      _mm_cmpeq_epi32(upper, _mm_set1_epi32((int)want))));
}
/* Of which classes an entry stands in its second line. */
static inline unsigned lt_line_over(const struct lt_line *l)
{
    return lt_line_mask(_mm_load_si128((const __m128i *)l->meta));
}
static inline unsigned lt_line_away(const struct lt_line *l)
{
    return lt_line_mask(_mm_slli_epi32(_mm_load_si128((const __m128i *)l->meta), 1));
}
/* Slots whose entry is not dead. */
static inline unsigned lt_line_alive(const struct lt_line *l, const struct lt_age *a)
{
    __m128i marks = _mm_and_si128(_mm_load_si128((const __m128i *)l->meta), _mm_set1_epi32((int)LT_META_MARK));
    __m128i age = _mm_sub_epi32(_mm_set1_epi32((int)a->now_mark), marks);
    age = _mm_add_epi32(age, _mm_and_si128(_mm_srai_epi32(age, 31), _mm_set1_epi32(LT_MARKS)));
    return lt_line_mask(_mm_cmpgt_epi32(_mm_set1_epi32((int)a->keep + 1), age)) & lt_line_used(l);
}
#else
static inline unsigned lt_quad_mask(lt_quad_signed q)
{
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)(q[s] < 0) << s;
    return m;
}
static inline unsigned lt_line_used(const struct lt_line *l)
{
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)(lt_meta_mark(l->meta[s]) != 0) << s;
    return m;
}
static inline unsigned lt_line_match(const struct lt_line *l, uint64_t tag, bool away)
{
    uint32_t want = (uint32_t)(tag >> 32) << LT_META_TAG_SHIFT | (away ? LT_META_AWAY : 0);
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)((l->low[s] == (uint32_t)tag) & ((l->meta[s] & (LT_META_TAG | LT_META_AWAY)) == want)) << s;
    return m;
}
static inline unsigned lt_line_over(const struct lt_line *l)
{
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= l->meta[s] >> 31 << s;
    return m;
}
static inline unsigned lt_line_away(const struct lt_line *l)
{
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)lt_line_is_away(l, s) << s;
    return m;
}
static inline unsigned lt_line_alive(const struct lt_line *l, const struct lt_age *a)
{
    unsigned m = 0;
    for (unsigned s = 0; s < LT_LINE_SLOTS; s++)
        m |= (unsigned)(lt_age_of(a, lt_meta_mark(l->meta[s])) <= a->keep) << s;
    return m & lt_line_used(l);
}
#endif

/* The class of a tag: which of its home line's `over` bits speaks for it. */
static inline unsigned lt_tag_class(uint64_t tag)
{
    return tag & (LT_LINE_SLOTS - 1);
}

static inline unsigned lt_slots_count(unsigned mask)
{
    return 0x4332322132212110ULL >> 4 * mask & 15;
}
/* The lowest slot of a mask that is not empty. */
static inline unsigned lt_slot_of(unsigned mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static inline lt_quad lt_quad_of(const uint32_t row[LT_LINE_SLOTS])
{
    return *(const lt_quad *)row;
}
/* The rows of a line to its entries {low, digest, first, meta}, and back. */
static inline void lt_quads_turn(lt_quad q[LT_LINE_SLOTS])
{
    lt_quad a = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5), b = __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
    lt_quad c = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5), d = __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
    q[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    q[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    q[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    q[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

static inline void lt_line_put(struct lt_line *l, unsigned slot, const struct lt_entry *e, bool away)
{
    uint64_t tag = e->place & LT_TAG_MASK;
    l->low[slot] = (uint32_t)tag;
    l->digest[slot] = e->digest;
    l->first[slot] = e->first;
    l->meta[slot] = (l->meta[slot] & LT_META_OVER) | e->meta | (uint32_t)(tag >> 32) << LT_META_TAG_SHIFT |
                    (away ? LT_META_AWAY : 0);
}
/* Entry `from` of another line as it is, but for where it stands now. */
static inline void lt_line_copy(struct lt_line *l, unsigned slot, const struct lt_line *other, unsigned from, bool away)
{
    l->low[slot] = other->low[from];
    l->digest[slot] = other->digest[from];
    l->first[slot] = other->first[from];
    l->meta[slot] = (l->meta[slot] & LT_META_OVER) | (other->meta[from] & ~(LT_META_OVER | LT_META_AWAY)) |
                    (away ? LT_META_AWAY : 0);
}
static inline void lt_line_clear(struct lt_line *l, unsigned slot)
{
    l->meta[slot] &= LT_META_OVER;
}
#endif
