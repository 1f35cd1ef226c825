/*
 * The index of a partition: 8 segments (index_segment.h) of cache lines (index_line.h), and a crowd for what they
 * cannot hold (index_crowd.h).
 *
 *   fingerprint, 60 bits ──bijective mix──► place, 60 bits
 *
 *   place   59   57 56                                          0
 *          ┌───────┬─────────────────────────────────────────────┐
 *          │segment│ place within it                             │
 *          └───────┴─────────────────────────────────────────────┘
 *                    home line = place * lines >> 57; the low 45 bits are stored, the line implies the others
 *
 * Two fingerprints have one place only if they are equal: which events count as one depends on their 60 bits alone,
 * never on the size, history or seed of an index, so a rebuilt index gives the same verdicts. The mix has a key drawn
 * for each index; nobody can choose identities that meet in one line.
 *
 * How often a conflict stays hidden. Two records of one key with different content share an entry, and the second is
 * called a duplicate, if the first 32 bits of their digests (SHA-256) are equal: 2^-32 for one conflict against one
 * entry of its key. Other keys add nothing to that unless their fingerprint is equal too.
 *
 * How often two events are taken for one. A new event meets a live entry of an equal fingerprint with probability
 * N / 2^60 where N entries are live: 1e8 / 1.15e18 = 8.7e-11 a new event at 100 million entries, so 0.9 % for one such
 * meeting in the life of 100 million of them. It is then called a conflict (its digest differs) and quarantined for a
 * person to see; only with equal digest bits as well (2^-32 of that) would it pass as a duplicate.
 *
 * Memory. A segment grows to 1.4 times its size when 82 % of its slots are taken, so 59-82 % are: 16 / 0.82 to
 * 16 / 0.59 bytes a key. The segments' first sizes are staggered by 1.4^(1/8), and so are all their later ones: at any
 * time some have just grown and some are about to, and the whole stays near 16 / 0.82 * 0.4 / ln(1.4) = 23.2 bytes a
 * key. Growth is in place, so it costs no second table: 1 / 0.4 = 2.5 moves an insertion in all, some 1,000 slots in
 * any eighth one of a segment that grows (2,000 in the last of a growth).
 *
 * Look-ups. Of keys that are not there, those read a second line whose class has left its home line, 0.08 of them on
 * average over a growth; of keys that are there those whose entry has left it, 0.13: 1.08 and 1.13 lines.
 *
 * Expiry. A mark tells 255 generations apart, at most 201 of them live. What is dead is passed over; a sweep takes it
 * out, a few lines an operation, and is brought to an end by force before an entry could come to look 255 generations
 * younger than it is.
 */
#include "gateway/core/index.h"

#include "gateway/base/crypto.h"
#include "gateway/core/index_crowd.h"
#include "gateway/core/index_memory.h"
#include "gateway/core/index_segment.h"
#include "gateway/core/index_sum.h"

#include <assert.h>

#define SEGMENTS 8
#define SWEEP_TURNS                                                                                                    \
    16           /* operations for LT_SWEEP_LINES lines: a pass in a twelfth of the time it takes to fill it anew */
#define AHEAD 32 /* records whose home lines are on their way; half of them later it is their second lines */
#define STAGGER 1.042955 /* 1.4^(1/8) */
/* What an index holds whose limit is below its first lines, 2.8 MiB when all are touched: that many touch less. */
#define SMALLEST_ENTRIES 1000
#define SEGMENT_RESERVE_MIN ((size_t)8 << 20)

struct lt_index {
    struct lt_segment segments[SEGMENTS];
    struct lt_crowd crowd;
    struct lt_line *lines; /* of all segments */
    size_t segment_capacity;
    struct lt_block *block;
    size_t bytes_max;
    bool tiny;       /* the limit is below what the first lines take */
    size_t room;     /* insertions that need no growth, whatever segment they go to */
    uint64_t key[2]; /* of the mix */
    uint32_t keep;   /* K */
    uint64_t now;    /* generation of the running clock */
    int64_t last;    /* offset judged last */
    struct lt_age age;
    /* the sweep */
    bool sweeping;
    unsigned sweep_turn;
    size_t sweep_segment, sweep_line;
    uint64_t sweep_began; /* generation: what was dead then is gone when the pass has ended */
    uint64_t swept;       /* every entry is at most K generations older than this */
    uint64_t moves;       /* times that places have got other home lines */
    struct lt_sum sum;
};

/* Every step can be undone within 60 bits, so two fingerprints never share a place. */
static uint64_t place_of(const struct lt_index *ix, uint64_t fingerprint)
{
    const uint64_t mask = (1ULL << 60) - 1;
    uint64_t x = (fingerprint ^ ix->key[0]) & mask;
    x = x * 0xff51afd7ed558ccdULL & mask;
    x ^= x >> 31;
    x = (x + ix->key[1]) * 0xc4ceb9fe1a85ec53ULL & mask;
    return x ^ x >> 30;
}

static struct lt_segment *segment_of(const struct lt_index *ix, uint64_t place)
{
    return (struct lt_segment *)&ix->segments[place >> LT_PLACE_BITS];
}

static uint64_t within(uint64_t place)
{
    return place & ((1ULL << LT_PLACE_BITS) - 1);
}

static uint64_t generation_of(const struct lt_index *ix, unsigned mark)
{
    return ix->now - lt_age_of(&ix->age, mark);
}

static bool is_live(const struct lt_index *ix, uint32_t meta)
{
    return lt_age_of(&ix->age, lt_meta_mark(meta)) <= ix->keep;
}

static void set_now(struct lt_index *ix, uint64_t generation)
{
    ix->now = generation;
    ix->age.now_mark = (unsigned)(generation % LT_MARKS) + 1;
}

static void segments_init(struct lt_index *ix, size_t first_lines)
{
    double lines = (double)first_lines;
    for (size_t i = 0; i < SEGMENTS; i++) {
        lt_segment_init(&ix->segments[i], ix->lines + i * ix->segment_capacity,
                        ix->segment_capacity - LT_INDEX_SMALL_LINES, lines, ix->block);
        lines *= STAGGER;
    }
    ix->room = 0;
    ix->moves++;
}

struct lt_index *lt_index_new(uint32_t generations, size_t bytes_max)
{
    assert(generations < LT_MARKS);
    struct lt_index *ix = lt_alloc(sizeof(*ix));
    ix->keep = ix->age.keep = generations;
    ix->bytes_max = bytes_max;
    ix->block = lt_block_new();
    lt_random(ix->key, sizeof(ix->key));
    /* Twice a segment's share: hashing is not even, and the limit is kept by lt_index_reserve, not by the map. */
    size_t bytes = LT_MAX(bytes_max / SEGMENTS * 2, SEGMENT_RESERVE_MIN), huge = (size_t)2 << 20;
    ix->segment_capacity = (bytes + huge - 1) / huge * huge / sizeof(struct lt_line) + LT_INDEX_SMALL_LINES;
    ix->lines = lt_index_memory_reserve(ix->segment_capacity * SEGMENTS);
    segments_init(ix, LT_SEGMENT_LINES_MIN);
    ix->tiny = lt_index_bytes(ix) > bytes_max;
    set_now(ix, 0);
    return ix;
}

void lt_index_free(struct lt_index *ix)
{
    if (!ix)
        return;
    lt_crowd_deinit(&ix->crowd);
    lt_index_memory_release(ix->lines, ix->segment_capacity * SEGMENTS);
    lt_block_free(ix->block);
    free(ix);
}

void lt_index_expect(struct lt_index *ix, size_t n)
{
    /* The segments reach from this size to 1.34 times it; at 0.8 of the slots none of them grows at once. */
    size_t lines = n / SEGMENTS * 10 / (8 * LT_LINE_SLOTS);
    if (lines <= LT_SEGMENT_LINES_MIN || ix->sum.live || lines * 3 / 2 + LT_SEGMENT_LINES_MIN > ix->segment_capacity ||
        lines * 6 / 5 * SEGMENTS * sizeof(struct lt_line) > ix->bytes_max)
        return;
    segments_init(ix, lines);
    for (size_t i = 0; i < SEGMENTS; i++)
        if (!ix->segments[i].small)
            lt_index_memory_advise(ix->segments[i].v, lt_segment_lines(&ix->segments[i]));
}

/* n big-endian words of 8 bytes, folded from the last to the first. */
static uint64_t fold(const uint8_t *bytes, size_t n)
{
    uint64_t f = 0;
    for (size_t i = n; i-- > 0;) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8; j++)
            word = word << 8 | bytes[8 * i + j];
        f = lt_sum_mix64(word ^ f);
    }
    return f;
}

bool lt_index_key_of(struct lt_span ce_id, struct lt_span digest, unsigned version, struct lt_span replay,
                     struct lt_index_key *ret)
{
    uint8_t id[16], dg[LT_SHA256_SIZE];
    if (ce_id.len != 32 || !lt_unhex(ce_id, id, sizeof(id)) || digest.len != 64 || !lt_unhex(digest, dg, sizeof(dg)))
        return false;
    uint8_t h[LT_SHA256_SIZE];
    const uint8_t *source = id;
    if (replay.len) {
        struct lt_sha256 *sha = lt_sha256_new();
        lt_sha256_field(sha, ce_id);
        lt_sha256_field(sha, replay);
        lt_sha256_final(sha, h);
        lt_sha256_free(sha);
        source = h;
    }
    ret->fingerprint = fold(source, 2) >> 4;
    ret->digest = (uint32_t)(fold(dg, 4) >> 32);
    ret->version = (uint8_t)(version & 15);
    return true;
}

static struct lt_line *home_of(const struct lt_index *ix, uint64_t place)
{
    return lt_segment_home(segment_of(ix, place), within(place));
}

void lt_index_prefetch(const struct lt_index *ix, const struct lt_index_key *k)
{
    __builtin_prefetch(home_of(ix, place_of(ix, k->fingerprint)), 1);
    __asm__ volatile(""); /* GCC calls a function pure that does nothing but prefetch, and drops its calls */
}

void lt_index_prefetch_next(const struct lt_index *ix, const struct lt_index_key *k, bool judge)
{
    uint64_t place = place_of(ix, k->fingerprint);
    lt_line_prefetch_second(home_of(ix, place), place & LT_TAG_MASK, judge);
}

/* ---- growth ---- */

/* A segment and its index, for what is called back from inside. */
struct at_segment {
    struct lt_index *ix;
    struct lt_segment *segment;
};

static uint64_t whole_place(const struct at_segment *at, uint64_t place)
{
    return (uint64_t)(at->segment - at->ix->segments) << LT_PLACE_BITS | place;
}

static void stray(void *ctx, const struct lt_entry *e)
{
    struct at_segment *at = ctx;
    lt_crowd_add(&at->ix->crowd, whole_place(at, e->place), e);
}

/*
 * A segment that has grown may have room again for its entries in the crowd. true: it stays there. A dead one leaves:
 * in a line that the sweep has passed it would outlive the sweep, and look alive when its mark has come round.
 */
static bool crowd_stays(void *ctx, uint64_t place, const struct lt_entry *e)
{
    struct at_segment *at = ctx;
    if (segment_of(at->ix, place) != at->segment)
        return true;
    if (!is_live(at->ix, e->meta))
        return false;
    return !lt_segment_insert(at->segment, lt_segment_home(at->segment, e->place), e, &at->ix->age);
}

static void grow_step(struct lt_index *ix, struct lt_segment *s)
{
    struct at_segment at = {ix, s};
    if (!lt_segment_grow_step(s, &ix->age, stray, &at))
        return;
    ix->moves++;
    if (!s->growing && ix->crowd.len)
        lt_crowd_filter(&ix->crowd, crowd_stays, &at);
}

size_t lt_index_bytes(const struct lt_index *ix)
{
    size_t lines = 0;
    for (size_t i = 0; i < SEGMENTS; i++)
        lines += lt_segment_lines(&ix->segments[i]);
    return sizeof(*ix) + lines * sizeof(struct lt_line) + ix->crowd.bytes;
}

static void maybe_grow(struct lt_index *ix, struct lt_segment *s)
{
    if (s->growing)
        return;
    size_t more = (lt_segment_lines_next(s) - lt_segment_lines(s)) * sizeof(struct lt_line);
    if (lt_index_bytes(ix) + more <= ix->bytes_max)
        (void)lt_segment_grow(s); /* false: the map is full; lt_index_reserve has refused long before */
}

/* ---- expiry ---- */

static bool crowd_lives(void *ctx, uint64_t place, const struct lt_entry *e)
{
    (void)place;
    const struct lt_age *age = ctx;
    return lt_age_of(age, lt_meta_mark(e->meta)) <= age->keep;
}

/* The next lines. false: the pass is at its end. */
static bool sweep_some(struct lt_index *ix, const struct lt_age *age)
{
    struct lt_segment *s = &ix->segments[ix->sweep_segment];
    if (s->growing) { /* it leaves the dead behind by itself; what it had moved before they died is still to be swept */
        grow_step(ix, s);
        return true;
    }
    if (s->used && ix->sweep_line < lt_segment_lines(s)) {
        lt_segment_sweep(s, ix->sweep_line, age);
        ix->sweep_line += LT_SWEEP_LINES;
        return true;
    }
    ix->sweep_line = 0;
    return ++ix->sweep_segment < SEGMENTS;
}

static void sweep_begin(struct lt_index *ix)
{
    ix->sweeping = true;
    ix->sweep_segment = ix->sweep_line = 0;
    ix->sweep_began = ix->now;
}

static void sweep_end(struct lt_index *ix, struct lt_age *age)
{
    lt_crowd_filter(&ix->crowd, crowd_lives, age);
    ix->swept = ix->sweep_began;
    ix->sweeping = false;
    ix->room = 0;
}

/* The whole of it now: what is more than `keep` generations old leaves. */
static void sweep_all(struct lt_index *ix, uint32_t keep)
{
    struct lt_age age = {.now_mark = ix->age.now_mark, .keep = keep};
    sweep_begin(ix);
    while (sweep_some(ix, &age))
        ;
    sweep_end(ix, &age);
}

static void clear(struct lt_index *ix)
{
    lt_crowd_deinit(&ix->crowd);
    lt_index_memory_release(ix->lines, ix->segment_capacity * SEGMENTS);
    ix->lines = lt_index_memory_reserve(ix->segment_capacity * SEGMENTS);
    segments_init(ix, LT_SEGMENT_LINES_MIN);
    ix->sweeping = false;
}

static size_t used(const struct lt_index *ix)
{
    size_t n = ix->crowd.len;
    for (size_t i = 0; i < SEGMENTS; i++)
        n += ix->segments[i].used;
    return n;
}

static void sweep_turn(struct lt_index *ix)
{
    if (ix->sweeping && ++ix->sweep_turn % SWEEP_TURNS == 0 && !sweep_some(ix, &ix->age))
        sweep_end(ix, &ix->age);
}

void lt_index_advance(struct lt_index *ix, uint64_t generation)
{
    if (generation <= ix->now)
        return;
    uint64_t ahead = generation - ix->now;
    if (generation - ix->swept + ix->keep >= LT_MARKS) {
        /* Marks would come round: everything that will be dead leaves first. */
        if (ahead > ix->keep && used(ix) > 0)
            clear(ix);
        else if (ahead <= ix->keep)
            sweep_all(ix, ix->keep - (uint32_t)ahead);
        ix->swept = generation;
    }
    set_now(ix, generation);
    lt_sum_expire(&ix->sum, generation, ix->keep);
    if (!ix->sweeping) {
        if (used(ix) > ix->sum.live)
            sweep_begin(ix);
        else
            ix->swept = generation;
    }
}

int lt_index_reserve(struct lt_index *ix, size_t n, struct lt_err *err)
{
    if (ix->room >= n && !ix->tiny)
        return LT_OK;
    for (bool swept = false;; swept = true) {
        size_t room = SIZE_MAX, lines = 0;
        for (size_t i = 0; i < SEGMENTS; i++) {
            struct lt_segment *s = &ix->segments[i];
            size_t share = n / SEGMENTS * 2 + 8;
            lines += s->used + share > s->used_max ? lt_segment_lines_next(s) - lt_segment_lines(s) : 0;
            room = LT_MIN(room, s->used < s->used_max ? s->used_max - s->used : 0);
        }
        ix->room = room;
        size_t bytes = lt_index_bytes(ix) + lines * sizeof(struct lt_line);
        if (bytes <= ix->bytes_max || (lines == 0 && used(ix) + n <= SMALLEST_ENTRIES))
            return LT_OK;
        if (swept || used(ix) == ix->sum.live)
            return lt_err_set(err, LT_E_LIMIT, "index-full",
                              "the index of this partition needs %zu MiB to hold %zu entries, core.index_memory allows "
                              "%zu MiB for it; raise it and restart",
                              (bytes >> 20) + 1, ix->sum.live + n, ix->bytes_max >> 20);
        sweep_all(ix, ix->keep);
    }
}

/* ---- verdicts ---- */

/* An entry where it stands: in a line or in the crowd. */
struct spot {
    uint32_t *first, *meta;
};

static uint64_t spot_first(struct spot at)
{
    return lt_meta_first(*at.meta, *at.first);
}

/* Offsets between a first offset and `at`; exact while it is less than 2^37. */
static uint64_t offsets_since(uint64_t first, int64_t at)
{
    return ((uint64_t)at - first) & LT_FIRST_MASK;
}

/* What the entries of one key say about one digest. */
struct sighting {
    struct spot same;      /* the live entry with the same digest; meta NULL: none */
    struct spot dead;      /* one that has expired: its room can be used again */
    uint64_t oldest_other; /* how many offsets before `at` the first with other content lies: the most */
    bool other, version_seen;
};

static void sight(struct sighting *seen, const struct lt_index *ix, const struct lt_index_key *k, int64_t at,
                  uint32_t digest, struct spot spot)
{
    bool same = digest == k->digest;
    if (!is_live(ix, *spot.meta)) {
        if (same)
            seen->dead = spot;
        return;
    }
    seen->version_seen |= lt_meta_version(*spot.meta) == k->version;
    if (same) {
        seen->same = spot;
    } else {
        uint64_t since = offsets_since(spot_first(spot), at);
        seen->oldest_other = seen->other ? LT_MAX(seen->oldest_other, since) : since;
        seen->other = true;
    }
}

static struct spot spot_in(struct lt_line *l, unsigned slot)
{
    return (struct spot){&l->first[slot], &l->meta[slot]};
}

static void sight_line(struct sighting *seen, const struct lt_index *ix, const struct lt_index_key *k, int64_t at,
                       struct lt_line *l, unsigned slots)
{
    for (; slots; slots &= slots - 1) {
        unsigned slot = lt_slot_of(slots);
        sight(seen, ix, k, at, l->digest[slot], spot_in(l, slot));
    }
}

/* All entries of the key; `at`: the offset from which first offsets are counted back. */
static struct sighting look(const struct lt_index *ix, const struct lt_index_key *k, uint64_t place,
                            struct lt_line *home, int64_t at)
{
    struct sighting seen = {0};
    struct lt_met met = lt_line_seek(home, place & LT_TAG_MASK);
    sight_line(&seen, ix, k, at, met.home, met.at_home);
    sight_line(&seen, ix, k, at, met.second, met.away);
    struct lt_crowd_list *list = ix->crowd.len ? lt_crowd_find(&ix->crowd, place) : NULL;
    for (size_t i = 0; list && i < list->len; i++)
        sight(&seen, ix, k, at, list->v[i].digest, (struct spot){&list->v[i].first, &list->v[i].meta});
    return seen;
}

/*
 * What is usual: nothing of the key, or one entry alone which has this digest and is alive. No branch on which it is;
 * that it stands in its second line is rare enough for one.
 */
struct glance {
    struct spot spot;
    bool any, over; /* over: the second line may hold more */
    bool usual;
};
static inline struct glance glance_at(const struct lt_index *ix, const struct lt_index_key *k, struct lt_line *home,
                                      uint64_t tag)
{
    struct lt_line *l = home;
    unsigned slots = lt_line_match(l, tag, false);
    bool over = lt_line_over(l) >> lt_tag_class(tag) & 1;
    if (__builtin_expect(over & (slots == 0), 0)) {
        l += lt_tag_distance(tag);
        slots = lt_line_match(l, tag, true);
    }
    unsigned slot = lt_slot_of(slots | 1u << LT_LINE_SLOTS) % LT_LINE_SLOTS;
    uint32_t meta = l->meta[slot];
    bool same =
        ((slots & (slots - 1)) == 0) & (l->digest[slot] == k->digest) & (lt_meta_mark(meta) != 0) & is_live(ix, meta);
    return (struct glance){spot_in(l, slot), slots != 0, over, ((slots == 0) | same) & (ix->crowd.len == 0)};
}

/* Field by field into the caller's: a struct put together on the stack and copied at once waits for its own stores. */
static inline void put_finding(const struct sighting *seen, int64_t at, int64_t offset, struct lt_finding *ret)
{
    ret->remapped = false;
    if (seen->same.meta) {
        ret->verdict = LT_VERDICT_DUPLICATE;
        ret->first_offset = at - (int64_t)offsets_since(spot_first(seen->same), at);
    } else if (seen->other) {
        ret->verdict = LT_VERDICT_CONFLICT;
        ret->remapped = !seen->version_seen;
        ret->first_offset = at - (int64_t)seen->oldest_other;
    } else {
        ret->verdict = LT_VERDICT_NEW;
        ret->first_offset = offset;
    }
}

/*
 * An entry cannot come from this offset or later: counted back from it, it would lie absurdly far. Where the offset is
 * behind all that has been judged there can be none, and one that does lie that far is only an old event.
 */
static bool is_ahead(const struct lt_index *ix, uint64_t since, int64_t offset)
{
    return offset <= ix->last && (since == 0 || since > LT_FIRST_MASK / 2);
}

static int say_ahead(int64_t offset, struct lt_err *err)
{
    return lt_err_set(err, LT_E_BUG, "index-ahead", "the index holds an entry from offset %lld or later at offset %lld",
                      (long long)offset, (long long)offset);
}

static inline void remember(struct lt_index *ix, const struct lt_index_key *k, uint64_t place, struct lt_line *home,
                            int64_t offset)
{
    struct lt_segment *s = segment_of(ix, place);
    struct lt_entry e = {.place = within(place),
                         .digest = k->digest,
                         .first = (uint32_t)offset,
                         .meta = lt_meta_make((uint64_t)offset, k->version, ix->age.now_mark)};
    if (!lt_segment_insert(s, home, &e, &ix->age))
        lt_crowd_add(&ix->crowd, place, &e);
    ix->room -= ix->room > 0;
    if (s->used >= s->used_max)
        maybe_grow(ix, s);
}

/* The entry leaves the sum as its last record put it there. */
static inline void drop(struct lt_index *ix, const struct lt_index_key *k, uint32_t meta)
{
    lt_sum_drop(&ix->sum, k, lt_meta_version(meta), generation_of(ix, lt_meta_mark(meta)));
}

/* Version and mark are the last record's, the first offset stays. */
static inline void refresh(struct lt_index *ix, const struct lt_index_key *k, struct spot at)
{
    uint32_t last = LT_META_MARK | 15u << LT_META_VERSION_SHIFT;
    *at.meta = (*at.meta & ~last) | lt_meta_make(0, k->version, ix->age.now_mark);
}

/* What is not usual (struct glance). */
__attribute__((noinline)) static int judge_known(struct lt_index *ix, const struct lt_index_key *k, uint64_t place,
                                                 struct lt_line *home, int64_t offset, struct lt_finding *ret,
                                                 struct lt_err *err)
{
    struct sighting seen = look(ix, k, place, home, offset);
    if ((seen.same.meta && is_ahead(ix, offsets_since(spot_first(seen.same), offset), offset)) ||
        (seen.other && is_ahead(ix, seen.oldest_other, offset)))
        return say_ahead(offset, err);
    put_finding(&seen, offset, offset, ret);
    if (seen.same.meta) {
        drop(ix, k, *seen.same.meta);
        refresh(ix, k, seen.same);
    } else if (seen.dead.meta) {
        *seen.dead.meta = (*seen.dead.meta ^ lt_meta_bare(*seen.dead.meta)) |
                          lt_meta_make((uint64_t)offset, k->version, ix->age.now_mark);
        *seen.dead.first = (uint32_t)offset;
    } else {
        remember(ix, k, place, home, offset);
    }
    return LT_OK;
}

/* What a record's clock does to the index, before it is looked at. */
static inline void pass_time(struct lt_index *ix, uint64_t generation)
{
    if (generation > ix->now)
        lt_index_advance(ix, generation);
    if (ix->sweeping)
        sweep_turn(ix);
}

__attribute__((always_inline)) static inline int judge_at(struct lt_index *ix, const struct lt_index_key *k,
                                                          uint64_t place, struct lt_line *home, int64_t offset,
                                                          struct lt_finding *ret, struct lt_err *err)
{
    struct glance seen = glance_at(ix, k, home, place & LT_TAG_MASK);
    if (!seen.usual) {
        int r = judge_known(ix, k, place, home, offset, ret, err);
        if (r != LT_OK)
            return r;
    } else if (!seen.any) {
        ret->verdict = LT_VERDICT_NEW;
        ret->remapped = false;
        ret->first_offset = offset;
        remember(ix, k, place, home, offset);
    } else {
        uint64_t since = offsets_since(spot_first(seen.spot), offset);
        if (is_ahead(ix, since, offset))
            return say_ahead(offset, err);
        ret->verdict = LT_VERDICT_DUPLICATE;
        ret->remapped = false;
        ret->first_offset = offset - (int64_t)since;
        drop(ix, k, *seen.spot.meta);
        refresh(ix, k, seen.spot);
    }
    ix->last = LT_MAX(ix->last, offset);
    lt_sum_add(&ix->sum, k, ix->now);
    return LT_OK;
}

int lt_index_judge(struct lt_index *ix, const struct lt_index_key *k, int64_t offset, uint64_t generation,
                   struct lt_finding *ret, struct lt_err *err)
{
    uint64_t place = place_of(ix, k->fingerprint);
    pass_time(ix, generation);
    if (segment_of(ix, place)->growing)
        grow_step(ix, segment_of(ix, place));
    return judge_at(ix, k, place, home_of(ix, place), offset, ret, err);
}

/*
 * A run goes through in strides: the home line of record i + AHEAD is asked for, the second line of record
 * i + AHEAD / 2 if it is needed, of record i + AHEAD / 4 what is needed to make room in both, and record i is judged.
 * So memory is never idle, as it would be between two groups.
 */
struct pending {
    uint64_t place;
    struct lt_line *home;
};

static inline struct pending pending_of(const struct lt_index *ix, const struct lt_index_record *r)
{
    uint64_t place = place_of(ix, r->key.fingerprint);
    struct pending p = {place, home_of(ix, place)};
    __builtin_prefetch(p.home, 1);
    return p;
}

static inline void pending_second(const struct pending *p, bool judge)
{
    lt_line_prefetch_second(p->home, p->place & LT_TAG_MASK, judge);
}

int lt_index_judge_run(struct lt_index *ix, const struct lt_index_record *v, size_t n, struct lt_finding *ret,
                       struct lt_err *err)
{
    struct pending ring[AHEAD];
    uint64_t moves = ix->moves;
    for (size_t i = 0; i < LT_MIN(n, (size_t)AHEAD); i++)
        ring[i] = pending_of(ix, &v[i]);
    for (size_t i = 0; i < LT_MIN(n, (size_t)AHEAD / 2); i++)
        pending_second(&ring[i], true);
    for (size_t i = 0; i < n; i++) {
        struct pending now = ring[i % AHEAD];
        int r = LT_OK;
        if (i + AHEAD < n)
            ring[i % AHEAD] = pending_of(ix, &v[i + AHEAD]);
        if (i + AHEAD / 2 < n)
            pending_second(&ring[(i + AHEAD / 2) % AHEAD], true);
        if (i + AHEAD / 4 < n)
            lt_line_prefetch_room(ring[(i + AHEAD / 4) % AHEAD].home,
                                  ring[(i + AHEAD / 4) % AHEAD].place & LT_TAG_MASK);
        if (v[i].is_invalid) {
            lt_index_advance(ix, v[i].generation);
        } else {
            pass_time(ix, v[i].generation); /* first: what has expired makes room */
            if (ix->room == 0 || ix->tiny)
                r = lt_index_reserve(ix, LT_MIN(n - i, (size_t)AHEAD), err);
            if (r < 0)
                return r;
            if (segment_of(ix, now.place)->growing)
                grow_step(ix, segment_of(ix, now.place));
            if (ix->moves != moves)
                now.home = home_of(ix, now.place);
            r = judge_at(ix, &v[i].key, now.place, now.home, v[i].offset, &ret[i], err);
        }
        if (r < 0)
            return r;
        if (ix->moves != moves) {
            for (size_t k = 0; k < LT_MIN(n, (size_t)AHEAD); k++)
                ring[k].home = home_of(ix, ring[k].place);
            moves = ix->moves;
        }
    }
    return LT_OK;
}

/* ---- look only ---- */

__attribute__((noinline)) static bool find_known(const struct lt_index *ix, const struct lt_index_key *k,
                                                 uint64_t place, struct lt_line *home, int64_t offset,
                                                 struct lt_finding *ret)
{
    struct sighting seen = look(ix, k, place, home, ix->last);
    if (!seen.same.meta)
        return false;
    uint64_t since = offsets_since(spot_first(seen.same), ix->last);
    if (ix->last - (int64_t)since < offset) {
        put_finding(&seen, ix->last, offset, ret);
        return true;
    }
    /* The first of its content: new, or a conflict when other content of the key is older. */
    bool conflict = seen.other && seen.oldest_other > since;
    ret->verdict = conflict ? LT_VERDICT_CONFLICT : LT_VERDICT_NEW;
    ret->remapped = false;
    ret->first_offset = ix->last - (int64_t)(conflict ? seen.oldest_other : since);
    return true;
}

static inline bool find_at(const struct lt_index *ix, const struct lt_index_key *k, uint64_t place,
                           struct lt_line *home, int64_t offset, struct lt_finding *ret)
{
    struct glance seen = glance_at(ix, k, home, place & LT_TAG_MASK);
    int64_t first = ix->last - (int64_t)offsets_since(spot_first(seen.spot), ix->last);
    bool again = first < offset;
    if (!(seen.usual & (again | !seen.over)))
        return find_known(ix, k, place, home, offset, ret);
    ret->first_offset = first;
    ret->verdict = again ? LT_VERDICT_DUPLICATE : LT_VERDICT_NEW;
    ret->remapped = false;
    return seen.any;
}

bool lt_index_find(const struct lt_index *ix, const struct lt_index_key *k, int64_t offset, struct lt_finding *ret)
{
    uint64_t place = place_of(ix, k->fingerprint);
    return find_at(ix, k, place, home_of(ix, place), offset, ret);
}

void lt_index_find_run(const struct lt_index *ix, const struct lt_index_record *v, size_t n, struct lt_finding *ret,
                       bool *ret_found)
{
    struct pending ring[AHEAD];
    for (size_t i = 0; i < LT_MIN(n, (size_t)AHEAD); i++)
        ring[i] = pending_of(ix, &v[i]);
    for (size_t i = 0; i < LT_MIN(n, (size_t)AHEAD / 2); i++)
        pending_second(&ring[i], false);
    for (size_t i = 0; i < n; i++) {
        struct pending now = ring[i % AHEAD];
        if (i + AHEAD < n)
            ring[i % AHEAD] = pending_of(ix, &v[i + AHEAD]);
        if (i + AHEAD / 2 < n)
            pending_second(&ring[(i + AHEAD / 2) % AHEAD], false);
        ret_found[i] = find_at(ix, &v[i].key, now.place, now.home, v[i].offset, &ret[i]);
    }
}

uint64_t lt_index_sum(const struct lt_index *ix)
{
    return ix->sum.sum;
}

size_t lt_index_live(const struct lt_index *ix)
{
    return ix->sum.live;
}
