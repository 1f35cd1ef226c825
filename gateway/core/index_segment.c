#include "gateway/core/index_segment.h"

#include "gateway/core/index_memory.h"

#include <assert.h>

#define GROWTH 1.4
/* Of the slots, when it grows. Far below what two lines of four bear (0.97), so that making room stays short. */
#define USED_MAX_PERCENT 82
#define BLOCK_LINES 256
#define BLOCK_TURNS 8 /* calls of lt_segment_grow_step a block */
/*
 * A block's lines in the new shape. Rounding to huge pages makes a growth one by 1.3 to 1.6. The last block takes 66 /
 * (growth - 1) lines more: at most 480 old lines, at most 620 new ones.
 */
#define WINDOW_LINES 640
#define MOVES_MAX 2 /* entries that move on besides the first, to make room for one */

struct lt_block {
    struct lt_line window[WINDOW_LINES];
    uint8_t count[WINDOW_LINES]; /* entries; packed to the front */
    struct lt_entry spill[WINDOW_LINES * LT_LINE_SLOTS];
    size_t spilled;
};

struct lt_block *lt_block_new(void)
{
    void *p = aligned_alloc(_Alignof(struct lt_block), sizeof(struct lt_block));
    if (!p)
        abort(); /* as every allocation does */
    return p;
}

void lt_block_free(struct lt_block *b)
{
    free(b);
}

static struct lt_shape shape_of(size_t lines)
{
    return (struct lt_shape){.lines = lines, .step = (1ULL << LT_PLACE_BITS) / lines};
}

/* First place whose home is this line. */
static uint64_t line_start(const struct lt_shape *h, uint64_t line)
{
    return (uint64_t)((((unsigned __int128)line << LT_PLACE_BITS) + h->lines - 1) / h->lines);
}

static size_t lines_of(double ideal)
{
    return lt_index_memory_whole((size_t)ideal + LT_SEGMENT_REACH) - LT_SEGMENT_REACH;
}

static size_t used_max_of(size_t lines)
{
    return lines * LT_LINE_SLOTS / 100 * USED_MAX_PERCENT;
}

void lt_segment_init(struct lt_segment *s, struct lt_line *v, size_t capacity, double ideal, struct lt_block *block)
{
    size_t lines = lines_of(ideal);
    bool small = lines + LT_SEGMENT_REACH < LT_INDEX_SMALL_LINES;
    assert(lines >= LT_SEGMENT_LINES_MIN && lines + LT_SEGMENT_REACH <= capacity);
    *s = (struct lt_segment){.v = small ? v : v + LT_INDEX_SMALL_LINES,
                             .small = small ? v : NULL,
                             .large = v + LT_INDEX_SMALL_LINES,
                             .capacity = capacity,
                             .now = shape_of(lines),
                             .edge = 1ULL << LT_PLACE_BITS,
                             .ideal = ideal,
                             .used_max = used_max_of(lines),
                             .block = block};
}

static size_t lines_now(const struct lt_segment *s)
{
    return (s->growing ? s->next.lines : s->now.lines) + LT_SEGMENT_REACH;
}

static size_t lines_next(const struct lt_segment *s)
{
    return lines_of(s->ideal * GROWTH) + LT_SEGMENT_REACH;
}

size_t lt_segment_lines(const struct lt_segment *s)
{
    return lines_now(s) + (s->v != s->w && s->growing ? s->now.lines + LT_SEGMENT_REACH : 0);
}

size_t lt_segment_lines_next(const struct lt_segment *s)
{
    size_t next = lines_next(s);
    return next + (s->small && next >= LT_INDEX_SMALL_LINES ? lines_now(s) : 0);
}

/* ---- insertion ---- */

static void mark_over(struct lt_line *home, uint64_t tag)
{
    home->meta[lt_tag_class(tag)] |= LT_META_OVER;
}

/*
 * Empty a slot of a full line: one of its entries moves to its other line, where another makes room for it if `moves`
 * allows. -1: none can. No entry comes back to a line that is being emptied, for it stays full until its own has left;
 * `from`, the line before, is left out so that no chain turns round.
 *
 * A dead entry never moves: it could get behind the sweep and outlive it.
 */
static int make_room(struct lt_line *l, const struct lt_line *from, const struct lt_age *age, int moves)
{
    unsigned alive = lt_line_alive(l, age);
    for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++) {
        struct lt_line *other = (struct lt_line *)lt_line_other(l, slot);
        unsigned used = lt_line_used(other);
        if (other == from || !(alive >> slot & 1) || (used == LT_LINE_ALL && moves == 0))
            continue;
        int room = used != LT_LINE_ALL ? (int)lt_slot_of(~used) : make_room(other, l, age, moves - 1);
        if (room < 0)
            continue;
        bool away = lt_line_is_away(l, slot);
        lt_line_copy(other, (unsigned)room, l, slot, !away);
        if (!away)
            mark_over(l, lt_line_tag(l, slot));
        lt_line_clear(l, slot);
        return (int)slot;
    }
    return -1;
}

bool lt_segment_squeeze(struct lt_segment *s, struct lt_line *home, const struct lt_entry *e, const struct lt_age *age)
{
    uint64_t tag = e->place & LT_TAG_MASK;
    struct lt_line *second = home + lt_tag_distance(tag);
    unsigned dead = lt_line_used(home) & ~lt_line_alive(home, age);
    if (dead) {
        lt_line_put(home, lt_slot_of(dead), e, false);
        return true;
    }
    dead = lt_line_used(second) & ~lt_line_alive(second, age);
    int slot = dead ? (int)lt_slot_of(dead) : -1;
    s->used += !dead;
    for (int moves = 0; slot < 0 && moves <= MOVES_MAX; moves++) {
        slot = make_room(second, home, age, moves);
        if (slot < 0 && (slot = make_room(home, second, age, moves)) >= 0) {
            lt_line_put(home, (unsigned)slot, e, false);
            return true;
        }
    }
    if (slot < 0) {
        s->used--;
        return false;
    }
    lt_line_put(second, (unsigned)slot, e, true);
    mark_over(home, tag);
    return true;
}

/* ---- growth ---- */

bool lt_segment_grow(struct lt_segment *s)
{
    assert(!s->growing);
    size_t whole = lines_next(s), lines = whole - LT_SEGMENT_REACH;
    if (whole > s->capacity)
        return false;
    s->w = s->small && whole < LT_INDEX_SMALL_LINES ? s->small : s->large;
    if (s->w == s->large)
        lt_index_memory_advise(s->w, whole);
    s->next = shape_of(lines);
    s->ideal *= GROWTH;
    s->used_max = used_max_of(lines);
    s->growing = true;
    s->top = s->now.lines;
    s->edge = 1ULL << LT_PLACE_BITS;
    s->turn = 0;
    return true;
}

/* What the next step moves, in both shapes: old home lines [from, top), new ones [low, bottom]. */
struct move {
    size_t from, top;
    uint64_t edge, low, bottom;
};

static struct move next_move(const struct lt_segment *s)
{
    struct move m = {.top = s->top, .from = s->top > BLOCK_LINES ? s->top - BLOCK_LINES : 0};
    m.edge = line_start(&s->now, m.from);
    m.low = lt_shape_home(&s->next, m.edge);
    if (s->v == s->w &&
        m.low <= m.from + LT_SEGMENT_REACH) /* would write where old entries still stand: all that is left */
        m.from = m.edge = m.low = 0;
    m.bottom = s->edge >> LT_PLACE_BITS ? s->next.lines : lt_shape_home(&s->next, s->edge);
    return m;
}

/* All lines of the window are empty but the last, which may have entries from the block before. */
static void open_window(struct lt_segment *s, const struct move *m)
{
    struct lt_block *b = s->block;
    size_t lines = m->bottom - m->low + 1;
    assert(lines <= WINDOW_LINES);
    memset(b->window, 0, lines * sizeof(*b->window));
    memset(b->count, 0, lines);
    b->window[lines - 1] = s->w[m->bottom];
    b->count[lines - 1] = (uint8_t)lt_slots_count(lt_line_used(&b->window[lines - 1]));
    assert(lt_line_used(&b->window[lines - 1]) == (1u << b->count[lines - 1]) - 1);
}

/*
 * Put the entries of the old home lines together in the window. What the loop needs is taken out of the structs first:
 * for all the compiler knows, a store of a count could change any of them.
 */
static void fill_window(struct lt_segment *s, const struct move *m, const struct lt_age *age)
{
    open_window(s, m);
    struct lt_block *b = s->block;
    struct lt_line *window = b->window;
    uint8_t *count = b->count;
    struct lt_entry *spill = b->spill;
    const struct lt_shape next = s->next;
    const struct lt_age now = *age;
    const uint64_t step = s->now.step, low = m->low, from = m->from, span = m->top - m->from;
    const struct lt_line *v = s->v;
    size_t dead = 0;
    for (size_t at = from; at < from + span + LT_SEGMENT_REACH; at++) {
        const struct lt_line *l = &v[at];
        __builtin_prefetch(l + 16); /* what the machine sees of the order ends with each 4 KiB */
        unsigned alive = lt_line_alive(l, &now);
        for (unsigned slots = lt_line_used(l); slots; slots &= slots - 1) {
            unsigned slot = lt_slot_of(slots);
            uint64_t tag = lt_line_tag(l, slot);
            size_t home = at - (-(size_t)lt_line_is_away(l, slot) & lt_tag_distance(tag));
            if (home - from >= span)
                continue;
            if (!(alive >> slot & 1)) {
                dead++;
                continue;
            }
            uint64_t base = home * step, place = base + ((tag - base) & LT_TAG_MASK);
            size_t to = lt_shape_home(&next, place) - low;
            unsigned taken = count[to];
            if (taken < LT_LINE_SLOTS) {
                lt_line_copy(&window[to], taken, l, slot, false);
                count[to] = (uint8_t)(taken + 1);
            } else {
                *spill++ = (struct lt_entry){.place = place,
                                             .digest = l->digest[slot],
                                             .first = l->first[slot],
                                             .meta = lt_meta_bare(l->meta[slot])};
            }
        }
    }
    b->spilled = (size_t)(spill - b->spill);
    s->used -= dead;
}

/* The lines behind the homes that stay in the old shape keep only what belongs to those. */
static void trim_behind(struct lt_segment *s, size_t from)
{
    for (size_t at = from; at < from + LT_SEGMENT_REACH; at++) {
        struct lt_line *l = &s->v[at];
        for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++) {
            bool stays = lt_line_is_away(l, slot) & (at - lt_tag_distance(lt_line_tag(l, slot)) < from);
            l->meta[slot] &= stays ? ~LT_META_OVER : 0;
        }
    }
}

bool lt_segment_grow_step(struct lt_segment *s, const struct lt_age *age, lt_segment_stray_fn stray, void *ctx)
{
    assert(s->growing);
    if (++s->turn % BLOCK_TURNS)
        return false;
    struct lt_block *b = s->block;
    struct move m = next_move(s);
    fill_window(s, &m, age);
    if (m.from)
        trim_behind(s, m.from);
    memcpy(&s->w[m.low], b->window, (m.bottom - m.low + 1) * sizeof(*s->w));
    s->top = m.from;
    s->edge = m.edge;
    /* Who is not at home comes last: all homes of the block have been given to those who are. */
    s->used -= b->spilled;
    for (size_t i = 0; i < b->spilled; i++)
        if (!lt_segment_insert(s, lt_segment_home(s, b->spill[i].place), &b->spill[i], age))
            stray(ctx, &b->spill[i]);
    if (m.from)
        return true;
    if (s->v != s->w) {
        lt_index_memory_forget(s->small, LT_INDEX_SMALL_LINES);
        s->small = NULL;
    }
    s->v = s->w;
    s->now = s->next;
    s->growing = false;
    s->edge = 1ULL << LT_PLACE_BITS;
    return true;
}

/* ---- expiry ---- */

static void drop_dead(struct lt_segment *s, size_t line, size_t end, const struct lt_age *age)
{
    for (size_t at = line; at < end; at++) {
        struct lt_line *l = &s->v[at];
        for (unsigned used = lt_line_used(l); used; used &= used - 1) {
            unsigned slot = lt_slot_of(used);
            if (lt_age_of(age, lt_meta_mark(l->meta[slot])) > age->keep) {
                lt_line_clear(l, slot);
                s->used--;
            }
        }
    }
}

void lt_segment_sweep(struct lt_segment *s, size_t line, const struct lt_age *age)
{
    assert(!s->growing);
    size_t end = LT_MIN(line + LT_SWEEP_LINES, lt_segment_lines(s));
    uint8_t over[LT_SWEEP_LINES] = {0};
    drop_dead(s, line, end, age);
    for (size_t at = line + 1; at < LT_MIN(end + LT_SEGMENT_REACH, lt_segment_lines(s)); at++) {
        struct lt_line *l = &s->v[at];
        for (unsigned used = lt_line_used(l); used; used &= used - 1) {
            unsigned slot = lt_slot_of(used);
            uint64_t tag = lt_line_tag(l, slot);
            size_t home = at - lt_tag_distance(tag);
            if (!lt_line_is_away(l, slot) || home < line || home >= end)
                continue;
            unsigned full = lt_line_used(&s->v[home]);
            if (lt_age_of(age, lt_meta_mark(l->meta[slot])) > age->keep) {
                lt_line_clear(l, slot); /* it would get behind the sweep */
                s->used--;
            } else if (full == LT_LINE_ALL) {
                over[home - line] |= (uint8_t)(1u << lt_tag_class(tag));
            } else {
                lt_line_copy(&s->v[home], lt_slot_of(~full), l, slot, false);
                lt_line_clear(l, slot);
            }
        }
    }
    for (size_t at = line; at < end; at++)
        for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++)
            s->v[at].meta[slot] =
                (s->v[at].meta[slot] & ~LT_META_OVER) | (over[at - line] >> slot & 1 ? LT_META_OVER : 0);
}
