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

/*
 * Where a block is put together: entries by their rank in the new line, then by line, so that one is stored at once
 * and lines in a row lie in a row. So many of a line are gathered before their number is looked at; four stay in it.
 */
#define WINDOW_DEPTH 8
#define WINDOW_STRIDE 1024 /* above WINDOW_LINES; a power of two */

struct lt_block {
    lt_quad entry[WINDOW_DEPTH][WINDOW_STRIDE];
    uint8_t count[WINDOW_STRIDE];
    struct lt_entry spill[WINDOW_LINES * LT_LINE_SLOTS]; /* who finds four in its new line before it */
    size_t spilled;
};
_Static_assert(WINDOW_LINES < WINDOW_STRIDE, "the line behind the last has room");

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

/* The lowest line of the new shape that has been written, or the one behind its last home. */
static size_t bottom_of(const struct lt_segment *s)
{
    return s->edge >> LT_PLACE_BITS ? s->next.lines : lt_shape_home(&s->next, s->edge);
}

static struct move next_move(const struct lt_segment *s)
{
    struct move m = {.top = s->top, .from = s->top > BLOCK_LINES ? s->top - BLOCK_LINES : 0};
    m.edge = line_start(&s->now, m.from);
    m.low = lt_shape_home(&s->next, m.edge);
    if (s->v == s->w &&
        m.low <= m.from + LT_SEGMENT_REACH) /* would write where old entries still stand: all that is left */
        m.from = m.edge = m.low = 0;
    m.bottom = bottom_of(s);
    return m;
}

/* In the calls between two blocks: a part of the lines that the next one reads, and of those that it writes. */
static void bring_near(const struct lt_segment *s)
{
    enum { PARTS = BLOCK_TURNS - 1, READ = BLOCK_LINES / PARTS + 1, WRITE = BLOCK_LINES * 7 / 5 / PARTS + 1 };
    size_t part = s->turn % BLOCK_TURNS;
    if (s->top < 2 * BLOCK_LINES)
        return;
    const struct lt_line *read = &s->v[s->top - part * READ], *write = &s->w[bottom_of(s) - part * WRITE];
    for (size_t i = 0; i < READ; i++)
        __builtin_prefetch(read + i);
    for (size_t i = 0; i < WRITE; i++)
        __builtin_prefetch(write + i, 1);
    __asm__ volatile(""); /* GCC calls a function pure that does nothing but prefetch, and drops its calls */
}

/* The distance of each entry of a line from its home: 0 for those that stand there. */
static lt_quad distances(lt_quad low, lt_quad meta)
{
    lt_quad away = (lt_quad)((lt_quad_signed)(meta << 1) < 0);
    return ((low >> 2 & (LT_SEGMENT_REACH - 1)) + 1) & away;
}

static uint64_t tag_and_more(uint32_t low, uint32_t meta)
{
    return (uint64_t)(meta >> LT_META_TAG_SHIFT) << 32 | low;
}

/* The place of a tag, whatever stands above it, in the line that begins at `base`. */
static uint64_t place_at(uint64_t base, uint64_t tag)
{
    return base + ((tag - base) & LT_TAG_MASK);
}

static void spill(struct lt_block *b, uint64_t place, lt_quad e)
{
    b->spill[b->spilled++] =
        (struct lt_entry){.place = place, .digest = e[1], .first = e[2], .meta = lt_meta_bare(e[3])};
}

/*
 * All lines of the window are empty but the last, which may have entries from the block before. One more, behind it, is
 * for what is no entry of the block.
 */
static void open_window(struct lt_segment *s, const struct move *m)
{
    struct lt_block *b = s->block;
    size_t last = m->bottom - m->low;
    assert(last < WINDOW_LINES);
    memset(b->count, 0, last + 2);
    b->spilled = 0;
    const struct lt_line *l = &s->w[m->bottom];
    unsigned used = lt_line_used(l);
    lt_quad q[LT_LINE_SLOTS] = {lt_quad_of(l->low), lt_quad_of(l->digest), lt_quad_of(l->first), lt_quad_of(l->meta)};
    lt_quads_turn(q);
    for (unsigned i = 0; i < LT_LINE_SLOTS; i++)
        b->entry[i][last] = q[i];
    b->count[last] = (uint8_t)lt_slots_count(used);
    assert(used == (1u << b->count[last]) - 1);
}

/* How a block goes from the old shape to the new one. */
struct course {
    uint64_t step;              /* places of an old line */
    uint64_t lines, low, count; /* of the new shape; the window's first, and their number */
};

/*
 * Put entry q, whose old home begins at place `base`, behind those that its new line has. No branch on what it is: what
 * does not count is stored too, where the next one comes, or behind the window. Upper bits of the tag do not matter.
 */
static inline void window_put(struct lt_block *b, const struct course *c, uint64_t base, uint64_t tag, lt_quad q,
                              unsigned counts)
{
    uint64_t place = place_at(base, tag);
    uint64_t to = ((unsigned __int128)(place << (64 - LT_PLACE_BITS)) * c->lines >> 64) - c->low;
    to = LT_MIN(to, c->count);
    unsigned taken = b->count[to];
    if (__builtin_expect(taken == WINDOW_DEPTH, 0)) {
        if (counts)
            spill(b, place, q);
        return;
    }
    b->entry[taken][to] = q;
    b->count[to] = (uint8_t)(taken + counts);
}

/* Put the entries of the old home lines together in the window. */
static void fill_window(struct lt_segment *s, const struct move *m, const struct lt_age *age)
{
    open_window(s, m);
    struct lt_block *b = s->block;
    const struct course c = {
        .step = s->now.step, .lines = s->next.lines, .low = m->low, .count = m->bottom - m->low + 1};
    const struct lt_age now = *age;
    const int span = (int)(m->top - m->from);
    const struct lt_line *l = &s->v[m->from];
    uint64_t base = m->from * c.step;
    size_t dead = 0;
    for (int at = 0; at < span + LT_SEGMENT_REACH; at++, l++, base += c.step) {
        __builtin_prefetch(l + 16); /* what the machine sees of the order ends with each 4 KiB */
        lt_quad q[LT_LINE_SLOTS] = {lt_quad_of(l->low), lt_quad_of(l->digest), lt_quad_of(l->first),
                                    lt_quad_of(l->meta)};
        lt_quad away = distances(q[0], q[3]);
        lt_quad_signed home = at - (lt_quad_signed)away;
        unsigned used = lt_line_used(l) & lt_quad_mask((home >= 0) & (home < span));
        unsigned alive = used & lt_line_alive(l, &now);
        dead += lt_slots_count(used ^ alive);
        q[3] &= ~(LT_META_OVER | LT_META_AWAY);
        lt_quads_turn(q);
        if (at < span)
            for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++)
                window_put(b, &c, base - away[slot] * c.step, tag_and_more(l->low[slot], l->meta[slot]), q[slot],
                           alive >> slot & 1);
        else /* only some of those that are away */
            for (; alive; alive &= alive - 1) {
                unsigned slot = lt_slot_of(alive);
                window_put(b, &c, base - away[slot] * c.step, tag_and_more(l->low[slot], l->meta[slot]), q[slot], 1);
            }
    }
    s->used -= dead;
}

/* Write the window to the new lines, and note who spills. The last line's bits are of entries that have left it. */
static void empty_window(struct lt_segment *s, const struct move *m)
{
    static const lt_quad taken[LT_LINE_SLOTS + 1] = {{0}, {~0u}, {~0u, ~0u}, {~0u, ~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}};
    struct lt_block *b = s->block;
    struct lt_line *l = &s->w[m->low];
    lt_quad over = lt_quad_of(s->w[m->bottom].meta) & LT_META_OVER;
    for (uint64_t home = m->low; home <= m->bottom; home++, l++) {
        size_t i = home - m->low;
        unsigned count = b->count[i];
        lt_quad q[LT_LINE_SLOTS] = {b->entry[0][i], b->entry[1][i], b->entry[2][i], b->entry[3][i]};
        lt_quads_turn(q);
        *(lt_quad *)l->low = q[0];
        *(lt_quad *)l->digest = q[1];
        *(lt_quad *)l->first = q[2];
        *(lt_quad *)l->meta = q[3] & taken[LT_MIN(count, (unsigned)LT_LINE_SLOTS)];
        for (unsigned k = LT_LINE_SLOTS; k < count; k++) {
            lt_quad e = b->entry[k][i];
            spill(b, place_at(home * s->next.step, tag_and_more(e[0], e[3])), e);
        }
    }
    *(lt_quad *)s->w[m->bottom].meta |= over;
}

/* The lines behind the homes that stay in the old shape keep only what belongs to those. */
static void trim_behind(struct lt_segment *s, size_t from)
{
    struct lt_line *l = &s->v[from];
    for (int at = 0; at < LT_SEGMENT_REACH; at++, l++) {
        lt_quad_signed stays = at - (lt_quad_signed)distances(lt_quad_of(l->low), lt_quad_of(l->meta)) < 0;
        *(lt_quad *)l->meta &= (lt_quad)stays & ~LT_META_OVER;
    }
}

bool lt_segment_grow_step(struct lt_segment *s, const struct lt_age *age, lt_segment_stray_fn stray, void *ctx)
{
    assert(s->growing);
    if (++s->turn % BLOCK_TURNS) {
        bring_near(s);
        return false;
    }
    struct lt_block *b = s->block;
    struct move m = next_move(s);
    fill_window(s, &m, age);
    if (m.from)
        trim_behind(s, m.from);
    empty_window(s, &m);
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
