#include "gateway/core/index.h"

#include "gateway/base/crypto.h"

/*
 * A slot, 24 bytes:
 *
 *   tag         64  fingerprint << 4 | version of the last record
 *   digest      32
 *   generation  32  of the last record, absolute, + 1; 0 = the slot was never used
 *   first       64  first offset
 */
struct slot {
    uint64_t tag;
    uint32_t digest;
    uint32_t generation_plus_1;
    int64_t first;
};

#define SLOTS_MIN 1024
#define GENERATION_RING 256

/* Sum and number of the entries whose last record fell in one generation. */
struct generation_total {
    uint64_t generation, sum, entries;
};

struct lt_index {
    struct slot *slots;
    size_t size; /* power of two */
    size_t used; /* slots that are not empty: live and dead */
    size_t bytes_max;
    uint32_t keep; /* K */
    uint64_t now;  /* generation of the running clock */
    uint64_t sum;  /* xor of the ring's sums */
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

/* Generation mod 256 as in the entry format, so that the sum does not depend on how wide an index keeps it. */
static uint64_t entry_mix(uint64_t tag, uint32_t digest, uint64_t generation)
{
    return mix64(mix64(tag) ^ mix64((uint64_t)digest << 8 | (generation & 0xff)));
}

static uint64_t slot_generation(const struct slot *s)
{
    return s->generation_plus_1 - 1;
}

static bool slot_live(const struct lt_index *ix, const struct slot *s)
{
    return s->generation_plus_1 && ix->now - slot_generation(s) <= ix->keep;
}

struct lt_index *lt_index_new(uint32_t generations, size_t bytes_max)
{
    struct lt_index *ix = lt_alloc(sizeof(*ix));
    ix->keep = generations;
    ix->bytes_max = bytes_max;
    ix->size = SLOTS_MIN;
    ix->slots = lt_calloc(ix->size, sizeof(*ix->slots));
    return ix;
}

void lt_index_free(struct lt_index *ix)
{
    if (!ix)
        return;
    free(ix->slots);
    free(ix);
}

bool lt_index_key_of(struct lt_span ce_id, struct lt_span digest, unsigned version, struct lt_span replay,
                     struct lt_index_key *ret)
{
    uint8_t id[16], dg[LT_SHA256_SIZE];
    if (ce_id.len != 32 || !lt_unhex(ce_id, id, sizeof(id)) || digest.len != 64 || !lt_unhex(digest, dg, sizeof(dg)))
        return false;
    uint8_t h[LT_SHA256_SIZE];
    const uint8_t *source = id; /* already uniform: the head of a SHA-256 */
    if (replay.len) {
        struct lt_sha256 *sha = lt_sha256_new();
        lt_sha256_field(sha, ce_id);
        lt_sha256_field(sha, replay);
        lt_sha256_final(sha, h);
        lt_sha256_free(sha);
        source = h;
    }
    uint64_t f = 0;
    for (int i = 0; i < 8; i++)
        f = f << 8 | source[i];
    ret->fingerprint = f >> 4;
    ret->digest = (uint32_t)dg[0] << 24 | (uint32_t)dg[1] << 16 | (uint32_t)dg[2] << 8 | dg[3];
    ret->version = (uint8_t)(version & 15);
    return true;
}

/* Where the probe of a fingerprint starts. */
static size_t home(const struct lt_index *ix, uint64_t fingerprint)
{
    return (size_t)mix64(fingerprint) & (ix->size - 1);
}

void lt_index_prefetch(const struct lt_index *ix, const struct lt_index_key *k)
{
    __builtin_prefetch(&ix->slots[home(ix, k->fingerprint)], 1);
}

static void place(struct lt_index *ix, const struct slot *s)
{
    size_t i = home(ix, s->tag >> 4);
    while (ix->slots[i].generation_plus_1)
        i = (i + 1) & (ix->size - 1);
    ix->slots[i] = *s;
    ix->used++;
}

int lt_index_reserve(struct lt_index *ix, size_t n, struct lt_err *err)
{
    /* At most 7/8 full: a probe always meets an empty slot. */
    if (ix->used + n <= ix->size / 8 * 7)
        return LT_OK;
    size_t live = lt_index_live(ix), size = SLOTS_MIN;
    while ((live + n) > size / 8 * 5)
        size *= 2;
    size_t bytes;
    if (!lt_mul_size(size == ix->size ? size : size + ix->size, sizeof(struct slot), &bytes) || bytes > ix->bytes_max)
        return lt_err_set(
            err, LT_E_LIMIT, "index-full",
            "the index of this partition needs %zu MiB to hold %zu entries, core.index_memory allows %zu MiB; "
            "raise it and restart",
            bytes >> 20, live + n, ix->bytes_max >> 20);
    struct slot *old = ix->slots;
    size_t old_size = ix->size;
    ix->slots = lt_calloc(size, sizeof(*ix->slots));
    ix->size = size;
    ix->used = 0;
    for (size_t i = 0; i < old_size; i++)
        if (slot_live(ix, &old[i]))
            place(ix, &old[i]);
    free(old);
    return LT_OK;
}

void lt_index_advance(struct lt_index *ix, uint64_t generation)
{
    if (generation <= ix->now)
        return;
    ix->now = generation;
    for (size_t i = 0; i < GENERATION_RING; i++)
        if (generation - ix->ring[i].generation > ix->keep) {
            ix->sum ^= ix->ring[i].sum;
            ix->ring[i] = (struct generation_total){0};
        }
}

static void total_add(struct lt_index *ix, const struct slot *s)
{
    uint64_t g = slot_generation(s);
    struct generation_total *t = &ix->ring[g % GENERATION_RING];
    uint64_t mixed = entry_mix(s->tag, s->digest, g);
    t->generation = g; /* K + 1 <= 201 < 256 live generations never share a place */
    t->sum ^= mixed;
    ix->sum ^= mixed;
    t->entries++;
}

static void total_drop(struct lt_index *ix, const struct slot *s)
{
    uint64_t g = slot_generation(s);
    struct generation_total *t = &ix->ring[g % GENERATION_RING];
    uint64_t mixed = entry_mix(s->tag, s->digest, g);
    t->sum ^= mixed;
    ix->sum ^= mixed;
    t->entries--;
}

/* What the live entries of one key say about one digest. */
struct sighting {
    struct slot *same; /* same digest */
    int64_t oldest_other;
    bool other, version_seen;
};

static struct sighting look(const struct lt_index *ix, const struct lt_index_key *k, struct slot **ret_free)
{
    struct sighting seen = {.oldest_other = INT64_MAX};
    *ret_free = NULL;
    for (size_t i = home(ix, k->fingerprint);; i = (i + 1) & (ix->size - 1)) {
        struct slot *s = &ix->slots[i];
        if (!s->generation_plus_1) {
            if (!*ret_free)
                *ret_free = s;
            return seen;
        }
        if (!slot_live(ix, s)) {
            if (!*ret_free)
                *ret_free = s;
            continue;
        }
        if (s->tag >> 4 != k->fingerprint)
            continue;
        if ((s->tag & 15) == k->version)
            seen.version_seen = true;
        if (s->digest == k->digest) {
            seen.same = s;
        } else {
            seen.other = true;
            seen.oldest_other = LT_MIN(seen.oldest_other, s->first);
        }
    }
}

static struct lt_finding finding_of(const struct sighting *seen, int64_t offset)
{
    if (seen->same)
        return (struct lt_finding){.verdict = LT_VERDICT_DUPLICATE, .first_offset = seen->same->first};
    if (seen->other)
        return (struct lt_finding){
            .verdict = LT_VERDICT_CONFLICT, .remapped = !seen->version_seen, .first_offset = seen->oldest_other};
    return (struct lt_finding){.verdict = LT_VERDICT_NEW, .first_offset = offset};
}

int lt_index_judge(struct lt_index *ix, const struct lt_index_key *k, int64_t offset, uint64_t generation,
                   struct lt_finding *ret, struct lt_err *err)
{
    lt_index_advance(ix, generation);
    struct slot *room;
    struct sighting seen = look(ix, k, &room);
    if ((seen.same && seen.same->first >= offset) || (seen.other && seen.oldest_other >= offset))
        return lt_err_set(err, LT_E_BUG, "index-ahead",
                          "the index holds an entry from offset %lld or later at offset %lld", (long long)offset,
                          (long long)offset);
    *ret = finding_of(&seen, offset);

    struct slot fresh = {.tag = k->fingerprint << 4 | k->version,
                         .digest = k->digest,
                         .generation_plus_1 = (uint32_t)(ix->now + 1),
                         .first = seen.same ? seen.same->first : offset};
    struct slot *at = room;
    if (seen.same) {
        total_drop(ix, seen.same);
        at = seen.same;
    } else if (!room->generation_plus_1) {
        ix->used++;
    }
    *at = fresh;
    total_add(ix, at);
    return LT_OK;
}

bool lt_index_find(const struct lt_index *ix, const struct lt_index_key *k, int64_t offset, struct lt_finding *ret)
{
    struct slot *room;
    struct sighting seen = look(ix, k, &room);
    if (!seen.same)
        return false;
    if (seen.same->first < offset) {
        *ret = finding_of(&seen, offset);
        return true;
    }
    /* The first of its content: new, or a conflict when other content of the key is older. */
    bool conflict = seen.other && seen.oldest_other < seen.same->first;
    *ret = (struct lt_finding){.verdict = conflict ? LT_VERDICT_CONFLICT : LT_VERDICT_NEW,
                               .first_offset = conflict ? seen.oldest_other : seen.same->first};
    return true;
}

uint64_t lt_index_sum(const struct lt_index *ix)
{
    return ix->sum;
}

size_t lt_index_live(const struct lt_index *ix)
{
    size_t n = 0;
    for (size_t i = 0; i < GENERATION_RING; i++)
        n += ix->ring[i].entries;
    return n;
}

size_t lt_index_bytes(const struct lt_index *ix)
{
    return sizeof(*ix) + ix->size * sizeof(*ix->slots);
}
