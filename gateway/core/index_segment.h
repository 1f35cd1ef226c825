/*
 * A segment of the dedup index: a sorted array with gaps, in place, which grows without a pause. Inside gateway/core
 * only; one thread.
 *
 * An entry has a place of 56 bits within its segment. Its home line is place * lines >> 56: places in order, so the
 * whole segment is sorted by place. An entry stands in its home line or, when that was full, in one of the next `reach`
 * lines, and nothing but full lines lies between. From this follow the three rules everything here relies on:
 *
 *   - a look-up starts at the home line and ends at the first line that is not full or whose last entry is greater;
 *   - an insertion takes its sorted slot and hands the last entry of a full line on to the front of the next;
 *   - a removal pulls displaced entries back, so that no line before an entry ever has a gap.
 *
 * Places that may stand in one line fill an interval of less than 2^46, because the reach is limited to
 * lines / 1024 - 2: (reach + 1) * 2^56 / lines < 2^46. So the 46 bits that a line stores give the place back exactly.
 *
 * Growth from n to m = 1.4 n lines moves blocks of lines from the top of the same memory to their new, higher lines, a
 * bounded number of slots an insertion. Places >= edge are already under the new shape, the others still under the old
 * one. New lines begin at edge * m >> 56 and old ones end before edge * n >> 56 plus the reach; the block that would
 * let the two meet is the last one and moves together with all that is left.
 */
#ifndef LT_CORE_INDEX_SEGMENT_H
#define LT_CORE_INDEX_SEGMENT_H

#include "gateway/core/index_line.h"

#define LT_PLACE_BITS 56 /* within a segment */
#define LT_SEGMENT_LINES_MIN 2048
#define LT_HITS_MAX 8 /* entries of one place in the lines; more go to the crowd (index_crowd.h) */

struct lt_shape {
    uint64_t lines; /* home lines; `reach` more follow them */
    uint64_t step;  /* places of a line, rounded down */
    uint64_t reach;
};

struct lt_segment {
    struct lt_line *v; /* lent: reserved for the segment, zero where never used */
    size_t capacity;   /* lines that fit */
    struct lt_shape now, next;
    uint64_t edge; /* places from here on are in shape `next`; 2^56 while none are */
    bool growing;
    size_t top;             /* while growing: home lines of `now` not yet moved */
    size_t used;            /* entries, dead ones included */
    struct lt_block *block; /* scratch, lent */
};

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

static inline const struct lt_shape *lt_segment_shape(const struct lt_segment *s, uint64_t place)
{
    return place >= s->edge ? &s->next : &s->now;
}
static inline uint64_t lt_shape_home(const struct lt_shape *h, uint64_t place)
{
    return (uint64_t)((unsigned __int128)place * h->lines >> LT_PLACE_BITS);
}
/*
 * The least place that may stand in the line; all that may are less than 2^46 above it. Below zero (wrapped) for the
 * first lines: only differences to it are ever used.
 */
static inline uint64_t lt_shape_base(const struct lt_shape *h, uint64_t line)
{
    return (line - h->reach) * h->step;
}
/* How far the entry's place lies above the line's base. */
static inline uint64_t lt_line_above(const struct lt_line *l, unsigned slot, uint64_t base)
{
    return (lt_line_tag(l, slot) - base) & LT_TAG_MASK;
}

/* Does a look-up for the place go on to the next line? Without a branch of its own. */
static inline bool lt_line_goes_on(const struct lt_line *l, const struct lt_shape *h, uint64_t line, uint64_t place)
{
    uint64_t base = lt_shape_base(h, line);
    return lt_line_full(l) & (lt_line_above(l, LT_LINE_SLOTS - 1, base) <= ((place - base) & LT_TAG_MASK));
}

/* An entry of the place that was looked for, dead or alive. */
typedef void (*lt_segment_met_fn)(void *ctx, uint32_t digest, uint64_t *rest);

/* Call fn for each entry of the place. Returns the line where the search ended: an insertion goes there. */
__attribute__((always_inline)) static inline uint64_t lt_segment_seek(const struct lt_segment *s, uint64_t place,
                                                                      lt_segment_met_fn fn, void *ctx)
{
    const struct lt_shape *h = lt_segment_shape(s, place);
    uint64_t tag = place & LT_TAG_MASK, at = lt_shape_home(h, place);
    for (;; at++) {
        struct lt_line *l = &s->v[at];
        for (unsigned m = lt_line_match(l, (uint32_t)tag); m; m &= m - 1) {
            unsigned slot = (unsigned)__builtin_ctz(m);
            if (l->rest[slot] >> LT_REST_TAG_SHIFT == tag >> 32 && lt_line_used(l, slot))
                fn(ctx, l->digest[slot], &l->rest[slot]);
        }
        if (!lt_line_goes_on(l, h, at, place))
            return at;
    }
}

static inline void lt_segment_prefetch(const struct lt_segment *s, uint64_t place)
{
    const struct lt_line *l = &s->v[lt_shape_home(lt_segment_shape(s, place), place)];
    __builtin_prefetch(l);
    __asm__ volatile(""); /* GCC calls a function pure that does nothing but prefetch, and drops its calls */
}

/* After that: the next line too where the search, or what an insertion hands on, goes there. */
static inline void lt_segment_prefetch_next(const struct lt_segment *s, uint64_t place, bool insert)
{
    const struct lt_shape *h = lt_segment_shape(s, place);
    uint64_t at = lt_shape_home(h, place);
    const struct lt_line *l = &s->v[at];
    if (insert) {
        unsigned full = lt_line_full(l);
        __builtin_prefetch(l + full);
        __builtin_prefetch(l + 2 * full);
    } else {
        __builtin_prefetch(l + lt_line_goes_on(l, h, at, place));
    }
    __asm__ volatile("");
}

struct lt_block *lt_block_new(void); /* scratch for growth, shared by the segments of an index */
void lt_block_free(struct lt_block *b);

void lt_segment_init(struct lt_segment *s, struct lt_line *v, size_t capacity, size_t lines, struct lt_block *block);
/* Lines of the shape it has or is growing to, with the reach behind them. */
size_t lt_segment_lines(const struct lt_segment *s);
/* What lt_segment_lines becomes with the next growth. */
size_t lt_segment_lines_next(const struct lt_segment *s);
/* More entries than this, and it is time to grow. */
size_t lt_segment_used_max(const struct lt_segment *s);

/*
 * The entry at its sorted place; `end` from the lt_segment_seek just before. false: it would stand further from home
 * than the reach allows, nothing was changed.
 */
bool lt_segment_insert(struct lt_segment *s, const struct lt_entry *e, uint64_t end) LT_MUST_CHECK;

/* Entries that found no place in the new shape; called at most a few times in a life. */
typedef void (*lt_segment_stray_fn)(void *ctx, const struct lt_entry *e);

/* Begin to grow. false: the reserved memory does not hold the next shape. */
bool lt_segment_grow(struct lt_segment *s);
/* Move a block: at most a few hundred slots. Dead entries are left behind. */
void lt_segment_grow_step(struct lt_segment *s, const struct lt_age *age, lt_segment_stray_fn stray, void *ctx);

/* Remove the dead entries of one line. Not while it grows. */
void lt_segment_sweep_line(struct lt_segment *s, size_t line, const struct lt_age *age);
#endif
