/*
 * A segment of the dedup index: an array of cache lines, in place, which grows without a pause. Inside gateway/core
 * only; one thread.
 *
 * An entry has a place of 57 bits within its segment. Its home line is place * lines >> 57: the homes follow the order
 * of the places, inside a line there is none. An entry has two lines it may stand in:
 *
 *     home ── 1 to 64 lines, by bits of the tag ──► second
 *
 *   - an insertion goes home, else to its second line, else one of the entries there moves to its own other line;
 *   - an entry that is not at home has left a bit for its class (a quarter of the tags) in its home line. So a look-up
 *     reads the second line only if one entry in four of those that left could be the one it looks for;
 *   - a removal empties a slot. Bits that nobody needs any more are taken back by the sweep.
 *
 * The tag is the low 45 bits of the place. The places of one home line fill an interval of less than 2^45, because
 * there are at least 4,352 lines: 2^57 / 4,352 < 2^45. So home and tag give the place back exactly.
 *
 * Growth from n to m = 1.4 n lines moves blocks of lines from the top of the same memory to their new, higher lines:
 * read in order, put together in scratch memory, written in order. Places >= edge are already under the new shape, the
 * others still under the old one. New lines begin at edge * m >> 57; the old ones end 64 lines behind the homes of what
 * has not moved. The block that would let the two meet is the last one and moves together with all that is left.
 *
 * Once in its life, when it gets large enough for huge pages, a segment grows into other memory instead: what has small
 * pages would have to be copied by the kernel otherwise, in one go.
 */
#ifndef LT_CORE_INDEX_SEGMENT_H
#define LT_CORE_INDEX_SEGMENT_H

#include "gateway/core/index_line.h"

#define LT_PLACE_BITS 57 /* within a segment */
#define LT_SEGMENT_LINES_MIN 4352
#define LT_SEGMENT_REACH 64 /* lines between home and second line, at most; these follow the last home line */
#define LT_SWEEP_LINES 64   /* what lt_segment_sweep takes at once */

struct lt_shape {
    uint64_t lines; /* home lines */
    uint64_t step;  /* places of a line, rounded down */
};

struct lt_segment {
    struct lt_line *v, *w; /* lines of shapes `now` and `next`: lent, zero where never used; the same but for once */
    struct lt_line *small; /* memory for the first shapes; NULL when it has been left */
    struct lt_line *large; /* for the others */
    size_t capacity;       /* lines that fit in `large` */
    struct lt_shape now, next;
    uint64_t edge; /* places from here on are in shape `next`; 2^57 while none are */
    double ideal;  /* lines of the shape it has or is growing to, before they were rounded to whole huge pages */
    size_t top;    /* while growing: home lines of `now` not yet moved */
    size_t used;   /* entries, dead ones included */
    size_t used_max;
    struct lt_block *block; /* scratch, lent */
    unsigned turn;          /* counts up to the next block while it grows */
    bool growing;
} __attribute__((aligned(64))); /* two lines: an index into an array of them is a shift */

static inline uint64_t lt_shape_home(const struct lt_shape *h, uint64_t place)
{
    return (uint64_t)((unsigned __int128)(place << (64 - LT_PLACE_BITS)) * h->lines >> 64);
}
static inline struct lt_line *lt_segment_home(const struct lt_segment *s, uint64_t place)
{
    uint64_t lines = place >= s->edge ? s->next.lines : s->now.lines;
    struct lt_line *v = place >= s->edge ? s->w : s->v;
    return &v[(unsigned __int128)(place << (64 - LT_PLACE_BITS)) * lines >> 64];
}
/* Lines from home to second line. */
static inline size_t lt_tag_distance(uint64_t tag)
{
    return (tag >> 2 & (LT_SEGMENT_REACH - 1)) + 1; /* other bits than the class */
}

/* The other line of an entry: its second line if it stands at home, else its home. */
static inline const struct lt_line *lt_line_other(const struct lt_line *l, unsigned slot)
{
    size_t distance = lt_tag_distance(lt_line_tag(l, slot));
    return l + (lt_line_is_away(l, slot) ? -distance : distance);
}

/* Where the entries of a place are, dead or alive. */
struct lt_met {
    struct lt_line *home, *second;
    unsigned at_home, away; /* slots */
};
static inline struct lt_met lt_line_seek(struct lt_line *home, uint64_t tag)
{
    struct lt_met m = {.home = home, .second = home + lt_tag_distance(tag)};
    m.at_home = lt_line_match(m.home, tag, false) & lt_line_used(m.home);
    if (lt_line_over(m.home) >> lt_tag_class(tag) & 1)
        m.away = lt_line_match(m.second, tag, true) & lt_line_used(m.second);
    return m;
}

/* The second line too, where a look-up or (insert) an insertion would go on to it. Without a branch. */
static inline void lt_line_prefetch_second(const struct lt_line *home, uint64_t tag, bool insert)
{
    size_t on = (lt_line_over(home) >> lt_tag_class(tag) & 1) | (insert & (lt_line_used(home) == LT_LINE_ALL));
    __builtin_prefetch(home + (-on & lt_tag_distance(tag)), 1);
    __asm__ volatile(""); /* GCC calls a function pure that does nothing but prefetch, and drops its calls */
}
/* After that, before an insertion: where it finds both lines full, two lines that one of their entries could move to.
 */
static inline void lt_line_prefetch_room(const struct lt_line *home, uint64_t tag)
{
    const struct lt_line *second = home + lt_tag_distance(tag);
    if (lt_line_used(home) != LT_LINE_ALL || lt_line_used(second) != LT_LINE_ALL)
        return;
    __builtin_prefetch(lt_line_other(second, 0), 1);
    __builtin_prefetch(lt_line_other(second, 1), 1);
    __builtin_prefetch(lt_line_other(second, 2), 1);
    __builtin_prefetch(lt_line_other(second, 3), 1);
    __asm__ volatile("");
}

struct lt_block *lt_block_new(void); /* scratch for growth, shared by the segments of an index */
void lt_block_free(struct lt_block *b);

/*
 * Empty, of about `ideal` home lines; >= LT_SEGMENT_LINES_MIN. v: LT_INDEX_SMALL_LINES for the time before it has huge
 * pages, and `capacity` lines more.
 */
void lt_segment_init(struct lt_segment *s, struct lt_line *v, size_t capacity, double ideal, struct lt_block *block);
/* Lines of the shape it has or is growing to, with those behind the last home and those it is leaving for others. */
size_t lt_segment_lines(const struct lt_segment *s);
/* What lt_segment_lines becomes with the next growth. */
size_t lt_segment_lines_next(const struct lt_segment *s);

/* For an entry whose two lines are full: a dead one of theirs gives up its slot, or one of theirs moves. */
bool lt_segment_squeeze(struct lt_segment *s, struct lt_line *home, const struct lt_entry *e,
                        const struct lt_age *age) LT_MUST_CHECK;

/* false: neither of its lines has room or can be given room; nothing was changed. */
LT_MUST_CHECK static inline bool lt_segment_insert(struct lt_segment *s, struct lt_line *home, const struct lt_entry *e,
                                                   const struct lt_age *age)
{
    /* At home or in the second line, whichever it is: no branch for that. */
    uint64_t tag = e->place & LT_TAG_MASK;
    bool away = lt_line_used(home) == LT_LINE_ALL;
    struct lt_line *l = home + (-(size_t)away & lt_tag_distance(tag));
    unsigned used = lt_line_used(l);
    if (used == LT_LINE_ALL)
        return lt_segment_squeeze(s, home, e, age);
    lt_line_put(l, lt_slot_of(~used), e, away);
    home->meta[lt_tag_class(tag)] |= away ? LT_META_OVER : 0;
    s->used++;
    return true;
}

/* Entries that found no place in the new shape; called at most a few times in a life. */
typedef void (*lt_segment_stray_fn)(void *ctx, const struct lt_entry *e);

/* Begin to grow. false: the reserved memory does not hold the next shape. */
bool lt_segment_grow(struct lt_segment *s);
/* Every so many calls move a block: at most some thousand slots. Dead entries are left behind. true: it did. */
bool lt_segment_grow_step(struct lt_segment *s, const struct lt_age *age, lt_segment_stray_fn stray, void *ctx);

/* Remove the dead entries of LT_SWEEP_LINES lines, and let those come home that can. Not while it grows. */
void lt_segment_sweep(struct lt_segment *s, size_t line, const struct lt_age *age);
#endif
