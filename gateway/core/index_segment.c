#include "gateway/core/index_segment.h"

#include "gateway/core/index_memory.h"

#include <assert.h>

#define REACH_MAX 63
#define BLOCK_LINES 64
/* The last block of a growth: everything left, once old and new lines could meet: while more is left, 0.4 p > reach
 * + 1. */
#define LAST_LINES (BLOCK_LINES + 8 * REACH_MAX + 16)

struct lt_block {
    struct lt_entry v[(LAST_LINES + REACH_MAX + 1) * LT_LINE_SLOTS];
    size_t len;
};

struct lt_block *lt_block_new(void)
{
    return lt_alloc(sizeof(struct lt_block));
}

void lt_block_free(struct lt_block *b)
{
    free(b);
}

static struct lt_shape shape_of(size_t lines)
{
    struct lt_shape h = {.lines = lines, .step = (1ULL << LT_PLACE_BITS) / lines};
    h.reach = LT_MIN(lines / 1024 - 2, REACH_MAX);
    return h;
}

/* First place whose home is this line. */
static uint64_t line_start(const struct lt_shape *h, uint64_t line)
{
    return (uint64_t)((((unsigned __int128)line << LT_PLACE_BITS) + h->lines - 1) / h->lines);
}

static size_t lines_after(const struct lt_shape *h)
{
    return h->lines + h->lines * 4 / 10;
}

void lt_segment_init(struct lt_segment *s, struct lt_line *v, size_t capacity, size_t lines, struct lt_block *block)
{
    assert(lines >= LT_SEGMENT_LINES_MIN && lines + REACH_MAX + 1 <= capacity);
    *s = (struct lt_segment){
        .v = v, .capacity = capacity, .now = shape_of(lines), .edge = 1ULL << LT_PLACE_BITS, .block = block};
}

size_t lt_segment_lines(const struct lt_segment *s)
{
    return (s->growing ? s->next.lines : s->now.lines) + REACH_MAX + 1;
}

size_t lt_segment_lines_next(const struct lt_segment *s)
{
    return lines_after(s->growing ? &s->next : &s->now) + REACH_MAX + 1;
}

/*
 * How full it may get. A short reach bears less: with Poisson(4a) entries a line and four slots, the backlog handed on
 * exceeds q entries with probability about exp(-t q), where a = t / (exp(t) - 1); at a = 0.82 t is 0.39, at 0.75 0.53,
 * at 0.55 1.1. What does not fit goes to the crowd, which is slower, never wrong.
 */
size_t lt_segment_used_max(const struct lt_segment *s)
{
    const struct lt_shape *h = s->growing ? &s->next : &s->now;
    size_t percent = h->reach >= 14 ? 82 : h->reach >= 6 ? 75 : h->reach >= 2 ? 55 : 30;
    return h->lines * LT_LINE_SLOTS / 100 * percent;
}

/* Of an entry that stands in `line`. */
static uint64_t place_at(const struct lt_shape *h, const struct lt_line *l, unsigned slot, uint64_t line)
{
    uint64_t base = lt_shape_base(h, line);
    return base + lt_line_above(l, slot, base);
}

/* May the last entry of a full line stand in the next one? Its place is then not below that line's base. */
static bool may_move_on(const struct lt_shape *h, const struct lt_line *l, uint64_t line)
{
    uint64_t above = lt_line_above(l, LT_LINE_SLOTS - 1, lt_shape_base(h, line + 1));
    return above < LT_TAG_MASK - h->step - h->step / 2; /* what lies below wraps to within a step of 2^46 */
}

static bool insert_in(struct lt_segment *s, const struct lt_shape *h, const struct lt_entry *e, uint64_t end)
{
    if (end - lt_shape_home(h, e->place) > h->reach)
        return false;
    /* Who is handed on must not come too far from home: look before anything moves. */
    for (uint64_t last = end; lt_line_full(&s->v[last]); last++)
        if (!may_move_on(h, &s->v[last], last))
            return false;
    struct lt_line *l = &s->v[end];
    uint64_t base = lt_shape_base(h, end), above = (e->place - base) & LT_TAG_MASK;
    unsigned slot = 0;
    for (unsigned i = 0; i < LT_LINE_SLOTS; i++)
        slot += lt_line_used(l, i) & (lt_line_above(l, i, base) <= above);
    assert(slot < LT_LINE_SLOTS);
    struct lt_packed p = lt_entry_pack(e), last = lt_line_get(l, LT_LINE_SLOTS - 1);
    lt_line_insert(l, slot, p);
    while (lt_rest_mark(last.rest)) {
        p = last;
        l++;
        last = lt_line_get(l, LT_LINE_SLOTS - 1);
        lt_line_insert(l, 0, p);
    }
    return true;
}

bool lt_segment_insert(struct lt_segment *s, const struct lt_entry *e, uint64_t end)
{
    if (!insert_in(s, lt_segment_shape(s, e->place), e, end))
        return false;
    s->used++;
    return true;
}

bool lt_segment_grow(struct lt_segment *s)
{
    assert(!s->growing);
    size_t lines = lines_after(&s->now);
    if (lines + REACH_MAX + 1 > s->capacity)
        return false;
    lt_index_memory_advise(s->v, lines + REACH_MAX + 1, lt_segment_lines(s));
    s->next = shape_of(lines);
    s->growing = true;
    s->top = s->now.lines;
    s->edge = 1ULL << LT_PLACE_BITS;
    return true;
}

/* Take the entries of places >= edge out of the lines from `line` on, in order; those below are a prefix and stay. */
static void block_take(struct lt_segment *s, uint64_t line, uint64_t edge, const struct lt_age *age)
{
    struct lt_block *b = s->block;
    uint64_t end = s->top + s->now.reach + 1; /* no old entry stands there or beyond */
    size_t taken = 0;
    b->len = 0;
    for (; line < end; line++) {
        struct lt_line *l = &s->v[line];
        uint64_t base = lt_shape_base(&s->now, line);
        bool stays = false, full = lt_line_full(l);
        assert(b->len + LT_LINE_SLOTS <= LT_ARRAY_LEN(b->v));
        for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++) {
            uint64_t place = base + lt_line_above(l, slot, base), rest = l->rest[slot];
            bool used = lt_line_used(l, slot), mine = used & (place >= edge);
            bool dead = lt_age_of(age, lt_rest_mark(rest)) > age->keep;
            b->v[b->len] =
                (struct lt_entry){.place = place, .rest = lt_rest_without_tag(rest), .digest = l->digest[slot]};
            b->len += mine & !dead;
            taken += mine;
            stays |= used & !mine;
        }
        if (!stays)
            *l = (struct lt_line){0};
        else
            for (unsigned slot = 0; slot < LT_LINE_SLOTS; slot++)
                if (lt_line_used(l, slot) && base + lt_line_above(l, slot, base) >= edge)
                    lt_line_clear(l, slot);
        if (line >= s->top && !full)
            break; /* nothing but full lines lies between an entry and its home */
    }
    s->used -= taken - b->len;
}

/* Where the sorted insertion of a place goes, in this shape. */
static uint64_t insertion_line(const struct lt_segment *s, const struct lt_shape *h, uint64_t place)
{
    uint64_t at = lt_shape_home(h, place);
    while (lt_line_goes_on(&s->v[at], h, at, place))
        at++;
    return at;
}

/* The next block, where it is and where it goes: it is moved a dozen records later. */
static void prefetch_block(const struct lt_segment *s)
{
    size_t from = s->top > LAST_LINES ? s->top - BLOCK_LINES : 0;
    for (size_t line = LT_MAX(from, s->top - LT_MIN(s->top, BLOCK_LINES)); line < s->top; line++)
        __builtin_prefetch(&s->v[line], 1);
    uint64_t end = lt_shape_home(&s->next, s->edge), begin = lt_shape_home(&s->next, line_start(&s->now, from));
    for (uint64_t line = LT_MAX(begin, end - LT_MIN(end, 2 * BLOCK_LINES)); line < end; line++)
        __builtin_prefetch(&s->v[line], 1);
    __asm__ volatile(""); /* as in lt_segment_prefetch */
}

void lt_segment_grow_step(struct lt_segment *s, const struct lt_age *age, lt_segment_stray_fn stray, void *ctx)
{
    assert(s->growing);
    const struct lt_shape *h = &s->next;
    uint64_t bottom = lt_shape_home(h, s->edge); /* first line of what has moved before */
    size_t from = s->top > LAST_LINES ? s->top - BLOCK_LINES : 0;
    uint64_t edge = line_start(&s->now, from);
    block_take(s, from, edge, age);
    s->top = from;
    s->edge = edge;

    /* Below what has moved the lines are empty: each entry goes to its home or right behind the one before. */
    uint64_t next = 0; /* slot, counted through all lines */
    for (size_t i = 0; i < s->block->len; i++) {
        const struct lt_entry *e = &s->block->v[i];
        uint64_t home = lt_shape_home(h, e->place), at = LT_MAX(home * LT_LINE_SLOTS, next);
        uint64_t line = at / LT_LINE_SLOTS;
        if (line < bottom && line - home <= h->reach) {
            lt_line_put(&s->v[line], at % LT_LINE_SLOTS, lt_entry_pack(e));
            next = at + 1;
            continue;
        }
        next = bottom * LT_LINE_SLOTS; /* the others meet what is there already */
        if (!insert_in(s, h, e, insertion_line(s, h, e->place))) {
            s->used--;
            stray(ctx, e);
        }
    }
    if (from > 0) {
        prefetch_block(s);
        return;
    }
    s->now = s->next;
    s->growing = false;
    s->edge = 1ULL << LT_PLACE_BITS;
}

/* Lines behind hand back what does not stand at home. */
static void remove_slot(struct lt_segment *s, size_t line, unsigned slot)
{
    const struct lt_shape *h = &s->now;
    for (;;) {
        struct lt_line *l = &s->v[line];
        bool was_full = lt_line_full(l);
        for (unsigned i = slot; i + 1 < LT_LINE_SLOTS; i++)
            lt_line_put(l, i, lt_line_get(l, i + 1));
        lt_line_clear(l, LT_LINE_SLOTS - 1);
        if (!was_full)
            return;
        const struct lt_line *behind = &s->v[line + 1];
        if (!lt_line_used(behind, 0) || lt_shape_home(h, place_at(h, behind, 0, line + 1)) > line)
            return;
        lt_line_put(l, LT_LINE_SLOTS - 1, lt_line_get(behind, 0));
        line++;
        slot = 0;
    }
}

void lt_segment_sweep_line(struct lt_segment *s, size_t line, const struct lt_age *age)
{
    assert(!s->growing);
    struct lt_line *l = &s->v[line];
    for (unsigned slot = 0; slot < LT_LINE_SLOTS && lt_line_used(l, slot);) {
        if (lt_age_of(age, lt_rest_mark(l->rest[slot])) > age->keep) {
            remove_slot(s, line, slot);
            s->used--;
        } else {
            slot++;
        }
    }
}
