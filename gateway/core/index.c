/*
 * The index of a partition: 16 segments (index_segment.h) of sorted cache lines (index_line.h), and a crowd for what
 * they cannot hold (index_crowd.h).
 *
 *   fingerprint, 60 bits ──bijective mix──► place, 60 bits
 *
 *   place   59   56 55                                          0
 *          ┌───────┬─────────────────────────────────────────────┐
 *          │segment│ place within it                             │
 *          └───────┴─────────────────────────────────────────────┘
 *                    home line = place * lines >> 56; the low 46 bits are stored, the line implies the others
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
 * Memory. A segment grows by 4/10 when 82 % of its slots are taken, so 59-82 % are: 16 / 0.82 to 16 / 0.59 bytes a key.
 * The segments' first sizes are staggered by 1.4^(1/16), and so are all their later ones: at any time some have just
 * grown and some are about to, and the whole stays near 23.2 bytes a key. Growth is in place, so it costs no second
 * table: 1 / 0.4 = 2.5 moves an insertion in all, some 260 slots in any one (2,600 in the last of a growth).
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

#include <assert.h>

#define SEGMENTS 16
#define GENERATION_RING 256
#define SWEEP_LINES 4 /* an operation: a pass over the index in a twelfth of the time it takes to fill it anew */
/* What an index holds whose limit is below its first lines, 2.6 MiB when all are touched: that many touch less. */
#define SMALLEST_ENTRIES 1000
#define SEGMENT_RESERVE_MIN ((size_t)8 << 20)

/* Sum and number of the entries whose last record fell in one generation. */
struct generation_total {
    uint64_t generation, sum, entries;
};

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
    size_t sweep_segment, sweep_line;
    uint64_t sweep_began; /* generation: what was dead then is gone when the pass has ended */
    uint64_t swept;       /* every entry is at most K generations older than this */
    /* the sum */
    uint64_t sum; /* xor of the ring's sums */
    size_t live;
    struct generation_total ring[GENERATION_RING];
};

/* Finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t mix64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

/* Generation mod 256 as in the protocol's entry, so that the sum does not depend on how an index keeps it. */
static uint64_t entry_mix(uint64_t fingerprint, unsigned version, uint32_t digest, uint64_t generation)
{
    return mix64(mix64(fingerprint << 4 | version) ^ mix64((uint64_t)digest << 8 | (generation & 0xff)));
}

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

static bool is_live(const struct lt_index *ix, uint64_t rest)
{
    return lt_age_of(&ix->age, lt_rest_mark(rest)) <= ix->keep;
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
        lt_segment_init(&ix->segments[i], ix->lines + i * ix->segment_capacity, ix->segment_capacity, (size_t)lines,
                        ix->block);
        lines *= 1.02125; /* 1.4^(1/16) */
    }
    ix->room = 0;
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
    ix->segment_capacity = (bytes + huge - 1) / huge * huge / sizeof(struct lt_line);
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
    /* The segments reach from this size to 1.4 times it; at 0.6 of the slots none of them grows at once. */
    size_t lines = n / SEGMENTS * 10 / (6 * LT_LINE_SLOTS);
    if (lines <= LT_SEGMENT_LINES_MIN || ix->live || lines * 14 / 10 + LT_SEGMENT_LINES_MIN > ix->segment_capacity ||
        lines * 6 / 5 * SEGMENTS * sizeof(struct lt_line) > ix->bytes_max)
        return;
    segments_init(ix, lines);
    for (size_t i = 0; i < SEGMENTS; i++)
        lt_index_memory_advise(ix->segments[i].v, lt_segment_lines(&ix->segments[i]), 0);
}

/* n big-endian words of 8 bytes, folded from the last to the first. */
static uint64_t fold(const uint8_t *bytes, size_t n)
{
    uint64_t f = 0;
    for (size_t i = n; i-- > 0;) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8; j++)
            word = word << 8 | bytes[8 * i + j];
        f = mix64(word ^ f);
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

void lt_index_prefetch(const struct lt_index *ix, const struct lt_index_key *k)
{
    uint64_t place = place_of(ix, k->fingerprint);
    lt_segment_prefetch(segment_of(ix, place), within(place));
}

void lt_index_prefetch_next(const struct lt_index *ix, const struct lt_index_key *k, bool judge)
{
    uint64_t place = place_of(ix, k->fingerprint);
    lt_segment_prefetch_next(segment_of(ix, place), within(place), judge);
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

static void count_met(void *ctx, uint32_t digest, uint64_t *rest)
{
    (void)digest;
    (void)rest;
    ++*(unsigned *)ctx;
}

/* A segment that has grown may have room again for its entries in the crowd. true: it stays there. */
static bool crowd_stays(void *ctx, uint64_t place, const struct lt_entry *e)
{
    struct at_segment *at = ctx;
    if (segment_of(at->ix, place) != at->segment)
        return true;
    unsigned met = 0;
    uint64_t end = lt_segment_seek(at->segment, e->place, count_met, &met);
    return met >= LT_HITS_MAX || !lt_segment_insert(at->segment, e, end);
}

static void grow_step(struct lt_index *ix, struct lt_segment *s)
{
    struct at_segment at = {ix, s};
    lt_segment_grow_step(s, &ix->age, stray, &at);
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
    if (s->used < lt_segment_used_max(s) || s->growing)
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
    return lt_age_of(age, lt_rest_mark(e->rest)) <= age->keep;
}

/* false: the pass is at its end. */
static bool sweep_some(struct lt_index *ix, size_t lines, const struct lt_age *age)
{
    struct lt_segment *s = &ix->segments[ix->sweep_segment];
    while (s->growing) {
        grow_step(ix, s);
        if (lines <= SWEEP_LINES)
            return true;
    }
    size_t end = s->used ? lt_segment_lines(s) : 0;
    for (; lines && ix->sweep_line < end; lines--)
        lt_segment_sweep_line(s, ix->sweep_line++, age);
    if (ix->sweep_line < end)
        return true;
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
    while (sweep_some(ix, SIZE_MAX, &age))
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
    if (ix->sweeping && !sweep_some(ix, SWEEP_LINES, &ix->age))
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
    for (size_t i = 0; i < GENERATION_RING; i++)
        if (ix->ring[i].entries && generation - ix->ring[i].generation > ix->keep) {
            ix->sum ^= ix->ring[i].sum;
            ix->live -= ix->ring[i].entries;
            ix->ring[i] = (struct generation_total){0};
        }
    if (!ix->sweeping) {
        if (used(ix) > ix->live)
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
            size_t max = lt_segment_used_max(s), share = n / SEGMENTS * 2 + 8;
            lines += s->used + share > max ? lt_segment_lines_next(s) - lt_segment_lines(s) : 0;
            room = LT_MIN(room, s->used < max ? max - s->used : 0);
        }
        ix->room = room;
        size_t bytes = lt_index_bytes(ix) + lines * sizeof(struct lt_line);
        if (bytes <= ix->bytes_max || (lines == 0 && used(ix) + n <= SMALLEST_ENTRIES))
            return LT_OK;
        if (swept || used(ix) == ix->live)
            return lt_err_set(err, LT_E_LIMIT, "index-full",
                              "the index of this partition needs %zu MiB to hold %zu entries, core.index_memory allows "
                              "%zu MiB for it; raise it and restart",
                              (bytes >> 20) + 1, ix->live + n, ix->bytes_max >> 20);
        sweep_all(ix, ix->keep);
    }
}

/* ---- the sum ---- */

static void total_add(struct lt_index *ix, const struct lt_index_key *k)
{
    struct generation_total *t = &ix->ring[ix->now % GENERATION_RING];
    uint64_t mixed = entry_mix(k->fingerprint, k->version, k->digest, ix->now);
    t->generation = ix->now; /* K + 1 <= 201 < 256 live generations never share a place */
    t->sum ^= mixed;
    t->entries++;
    ix->sum ^= mixed;
    ix->live++;
}

static void total_drop(struct lt_index *ix, const struct lt_index_key *k, uint64_t rest)
{
    uint64_t g = generation_of(ix, lt_rest_mark(rest));
    struct generation_total *t = &ix->ring[g % GENERATION_RING];
    uint64_t mixed = entry_mix(k->fingerprint, lt_rest_version(rest), k->digest, g);
    t->sum ^= mixed;
    t->entries--;
    ix->sum ^= mixed;
    ix->live--;
}

/* ---- verdicts ---- */

/* What the entries of one key say about one digest. */
struct sighting {
    const struct lt_index *ix;
    const struct lt_index_key *key;
    int64_t at;            /* offset from which first offsets are counted back */
    uint64_t *same;        /* `rest` of the live entry with the same digest */
    uint64_t *dead;        /* of one that has expired: its room can be used again */
    uint64_t oldest_other; /* how many offsets before `at` the first with other content lies: the most */
    bool other, version_seen;
    unsigned met; /* entries of the key in the lines */
    uint64_t end; /* line where the search ended */
};

/* Offsets between a first offset and `at`; exact while it is less than 2^38. */
static uint64_t offsets_since(uint64_t rest, int64_t at)
{
    return ((uint64_t)at - lt_rest_first(rest)) & LT_FIRST_MASK;
}

static inline void sight(void *ctx, uint32_t digest, uint64_t *rest)
{
    struct sighting *seen = ctx;
    bool same = digest == seen->key->digest;
    seen->met++;
    if (!is_live(seen->ix, *rest)) {
        if (same)
            seen->dead = rest;
        return;
    }
    seen->version_seen |= lt_rest_version(*rest) == seen->key->version;
    if (same) {
        seen->same = rest;
    } else {
        uint64_t since = offsets_since(*rest, seen->at);
        seen->oldest_other = seen->other ? LT_MAX(seen->oldest_other, since) : since;
        seen->other = true;
    }
}

static void look_crowd(struct sighting *seen, uint64_t place)
{
    struct lt_crowd_list *list = lt_crowd_find(&seen->ix->crowd, place);
    for (size_t i = 0; list && i < list->len; i++)
        sight(seen, list->v[i].digest, &list->v[i].rest);
}

static inline void look(struct sighting *seen, uint64_t place)
{
    seen->end = lt_segment_seek(segment_of(seen->ix, place), within(place), sight, seen);
    if (seen->ix->crowd.len)
        look_crowd(seen, place);
}

/* Field by field into the caller's: a struct put together on the stack and copied at once waits for its own stores. */
static inline void put_finding(const struct sighting *seen, int64_t at, int64_t offset, struct lt_finding *ret)
{
    ret->remapped = false;
    if (seen->same) {
        ret->verdict = LT_VERDICT_DUPLICATE;
        ret->first_offset = at - (int64_t)offsets_since(*seen->same, at);
    } else if (seen->other) {
        ret->verdict = LT_VERDICT_CONFLICT;
        ret->remapped = !seen->version_seen;
        ret->first_offset = at - (int64_t)seen->oldest_other;
    } else {
        ret->verdict = LT_VERDICT_NEW;
        ret->first_offset = offset;
    }
}

/* An entry cannot come from this offset or later: counted back from it, it would lie absurdly far. */
static bool is_ahead(uint64_t since)
{
    return since == 0 || since > LT_FIRST_MASK / 2;
}

static void remember(struct lt_index *ix, uint64_t place, const struct lt_entry *e, const struct sighting *seen)
{
    struct lt_segment *s = segment_of(ix, place);
    if (seen->met >= LT_HITS_MAX || !lt_segment_insert(s, e, seen->end))
        lt_crowd_add(&ix->crowd, place, e);
    ix->room -= ix->room > 0;
    maybe_grow(ix, s);
}

int lt_index_judge(struct lt_index *ix, const struct lt_index_key *k, int64_t offset, uint64_t generation,
                   struct lt_finding *ret, struct lt_err *err)
{
    if (generation > ix->now)
        lt_index_advance(ix, generation);
    sweep_turn(ix);
    uint64_t place = place_of(ix, k->fingerprint);
    if (segment_of(ix, place)->growing)
        grow_step(ix, segment_of(ix, place));

    struct sighting seen = {.ix = ix, .key = k, .at = offset};
    look(&seen, place);
    if ((seen.same && is_ahead(offsets_since(*seen.same, offset))) || (seen.other && is_ahead(seen.oldest_other)))
        return lt_err_set(err, LT_E_BUG, "index-ahead",
                          "the index holds an entry from offset %lld or later at offset %lld", (long long)offset,
                          (long long)offset);
    put_finding(&seen, offset, offset, ret);
    ix->last = LT_MAX(ix->last, offset);

    uint64_t first = seen.same ? lt_rest_first(*seen.same) : (uint64_t)offset;
    uint64_t rest = lt_rest_make(first, k->version, ix->age.now_mark), *at = seen.same ? seen.same : seen.dead;
    if (seen.same)
        total_drop(ix, k, *seen.same);
    if (at)
        *at = (*at ^ lt_rest_without_tag(*at)) | rest;
    else
        remember(ix, place, &(struct lt_entry){.place = within(place), .rest = rest, .digest = k->digest}, &seen);
    total_add(ix, k);
    return LT_OK;
}

bool lt_index_find(const struct lt_index *ix, const struct lt_index_key *k, int64_t offset, struct lt_finding *ret)
{
    struct sighting seen = {.ix = ix, .key = k, .at = ix->last};
    look(&seen, place_of(ix, k->fingerprint));
    if (!seen.same)
        return false;
    uint64_t since = offsets_since(*seen.same, ix->last);
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

uint64_t lt_index_sum(const struct lt_index *ix)
{
    return ix->sum;
}

size_t lt_index_live(const struct lt_index *ix)
{
    return ix->live;
}
