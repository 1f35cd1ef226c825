#include "tests/unit/index_book.h"

#include "tests/unit/harness.h"

struct book book_of(uint64_t keep, size_t rows)
{
    struct book b = {.size = 1024, .keep = keep};
    while (b.size < rows * 2)
        b.size *= 2;
    b.v = lt_calloc(b.size, sizeof(*b.v));
    return b;
}

void book_deinit(struct book *b)
{
    free(b->v);
    *b = (struct book){0};
}

uint64_t book_scatter(uint64_t i)
{
    i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9ULL;
    i = (i ^ i >> 27) * 0x94d049bb133111ebULL;
    return i ^ i >> 31;
}

bool book_is_live(const struct book *b, const struct book_row *r, uint64_t generation)
{
    return generation - r->generation <= b->keep;
}

static size_t home(const struct book *b, uint64_t fingerprint)
{
    return fingerprint * 0x9e3779b97f4a7c15ULL >> 20 & (b->size - 1);
}

static void grow(struct book *b)
{
    struct book_row *old = b->v;
    size_t size = b->size;
    b->size *= 2;
    b->v = lt_calloc(b->size, sizeof(*b->v));
    for (size_t i = 0; i < size; i++) {
        if (!old[i].fingerprint)
            continue;
        size_t at = home(b, old[i].fingerprint - 1);
        while (b->v[at].fingerprint)
            at = (at + 1) & (b->size - 1);
        b->v[at] = old[i];
    }
    free(old);
}

/* What the live rows of a key say; `end`: the free row behind them. */
struct rows {
    struct book_row *same, *end; /* same: dead or alive */
    bool same_lives, version, other;
    int64_t oldest;
};

static struct rows rows_of(const struct book *b, struct lt_index_key k, uint64_t generation)
{
    struct rows s = {.oldest = INT64_MAX};
    size_t i = home(b, k.fingerprint);
    for (; b->v[i].fingerprint; i = (i + 1) & (b->size - 1)) {
        struct book_row *r = &b->v[i];
        if (r->fingerprint != k.fingerprint + 1)
            continue;
        bool live = book_is_live(b, r, generation);
        if (r->digest == k.digest) {
            s.same = r;
            s.same_lives = live;
        }
        if (!live)
            continue;
        s.version |= r->version == k.version;
        if (r->digest != k.digest) {
            s.other = true;
            s.oldest = LT_MIN(s.oldest, r->first);
        }
    }
    s.end = &b->v[i];
    return s;
}

struct lt_finding book_judge(struct book *b, struct lt_index_key k, int64_t offset, uint64_t generation)
{
    struct lt_finding f = {.verdict = LT_VERDICT_NEW, .first_offset = offset};
    if (b->rows * 2 >= b->size)
        grow(b);
    struct rows s = rows_of(b, k, generation);
    if (s.same_lives)
        f = (struct lt_finding){.verdict = LT_VERDICT_DUPLICATE, .first_offset = s.same->first};
    else if (s.other)
        f = (struct lt_finding){.verdict = LT_VERDICT_CONFLICT, .remapped = !s.version, .first_offset = s.oldest};
    struct book_row *r = s.same ? s.same : s.end;
    b->rows += !s.same;
    *r = (struct book_row){.fingerprint = k.fingerprint + 1,
                           .generation = generation,
                           .first = s.same_lives ? r->first : offset,
                           .digest = k.digest,
                           .version = k.version};
    return f;
}

bool book_find(const struct book *b, struct lt_index_key k, int64_t offset, uint64_t generation, struct lt_finding *ret)
{
    struct rows s = rows_of(b, k, generation);
    if (!s.same_lives)
        return false;
    *ret = (struct lt_finding){.verdict = LT_VERDICT_NEW, .first_offset = s.same->first};
    if (s.same->first < offset)
        ret->verdict = LT_VERDICT_DUPLICATE;
    else if (s.other && s.oldest < s.same->first)
        *ret = (struct lt_finding){.verdict = LT_VERDICT_CONFLICT, .first_offset = s.oldest};
    return true;
}

size_t book_live(const struct book *b, uint64_t generation)
{
    size_t live = 0;
    for (size_t i = 0; i < b->size; i++)
        live += b->v[i].fingerprint && book_is_live(b, &b->v[i], generation);
    return live;
}

void book_rebuild(const struct book *b, uint64_t generation, struct lt_index *ret_ix)
{
    struct lt_finding f;
    struct lt_err err = LT_ERR_INIT;
    int64_t offset = 0;
    for (uint64_t at = generation < b->keep ? 0 : generation - b->keep; at <= generation; at++)
        for (size_t i = 0; i < b->size; i++) {
            const struct book_row *r = &b->v[i];
            if (!r->fingerprint || r->generation != at)
                continue;
            struct lt_index_key k = {.fingerprint = r->fingerprint - 1, .digest = r->digest, .version = r->version};
            assert_int_equal(lt_index_reserve(ret_ix, 1, &err), LT_OK);
            assert_int_equal(lt_index_judge(ret_ix, &k, offset++, at, &f, &err), LT_OK);
        }
    lt_index_advance(ret_ix, generation);
}
