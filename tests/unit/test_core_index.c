/* The dedup index against a plain model of protocol 2: one row per record, searched from the start. */
#include "gateway/core/index.h"
#include "tests/unit/harness.h"
#include "tests/unit/index_book.h"

#include <stdio.h>

#define KEEP 4

static struct lt_index_key key(uint64_t fingerprint, uint32_t digest, uint8_t version)
{
    return (struct lt_index_key){.fingerprint = fingerprint, .digest = digest, .version = version};
}

static struct lt_finding judge(struct lt_index *ix, struct lt_index_key k, int64_t offset, uint64_t generation)
{
    struct lt_finding f;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_index_reserve(ix, 1, &err), LT_OK);
    assert_int_equal(lt_index_judge(ix, &k, offset, generation, &f, &err), LT_OK);
    return f;
}

static void the_first_is_new_the_same_again_a_duplicate_other_content_a_conflict(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    assert_int_equal(judge(ix, key(1, 10, 0), 0, 1).verdict, LT_VERDICT_NEW);
    struct lt_finding f = judge(ix, key(1, 10, 0), 1, 1);
    assert_int_equal(f.verdict, LT_VERDICT_DUPLICATE);
    assert_int_equal(f.first_offset, 0);
    f = judge(ix, key(1, 11, 0), 2, 1);
    assert_int_equal(f.verdict, LT_VERDICT_CONFLICT);
    assert_false(f.remapped);
    assert_int_equal(f.first_offset, 0);
    lt_index_free(ix);
}

static void a_re_send_of_quarantined_content_is_a_duplicate_and_so_is_an_honest_re_send_of_the_first(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    judge(ix, key(1, 10, 0), 0, 1);
    judge(ix, key(1, 11, 0), 1, 1);
    assert_int_equal(judge(ix, key(1, 11, 0), 2, 1).verdict, LT_VERDICT_DUPLICATE);
    assert_int_equal(judge(ix, key(1, 10, 0), 3, 1).verdict, LT_VERDICT_DUPLICATE);
    lt_index_free(ix);
}

static void a_conflict_with_no_entry_of_its_digest_version_is_remapped(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    judge(ix, key(1, 10, 0), 0, 1);
    assert_true(judge(ix, key(1, 11, 1), 1, 1).remapped);
    assert_false(judge(ix, key(1, 12, 1), 2, 1).remapped);
    lt_index_free(ix);
}

static void an_entry_lives_while_its_last_record_is_at_most_k_generations_old(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    judge(ix, key(1, 10, 0), 0, 1);
    judge(ix, key(2, 20, 0), 1, 1);
    assert_int_equal(judge(ix, key(1, 10, 0), 2, 1 + KEEP).verdict, LT_VERDICT_DUPLICATE);
    /* key 2 was last seen in generation 1: dead in 2 + KEEP; key 1 was refreshed by its duplicate. */
    assert_int_equal(judge(ix, key(2, 20, 0), 3, 2 + KEEP).verdict, LT_VERDICT_NEW);
    assert_int_equal(judge(ix, key(1, 10, 0), 4, 2 + KEEP).verdict, LT_VERDICT_DUPLICATE);
    lt_index_free(ix);
}

static void an_index_that_is_ahead_of_the_log_says_so(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    judge(ix, key(1, 10, 0), 7, 1);
    struct lt_index_key k = key(1, 10, 0);
    struct lt_finding f;
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_index_judge(ix, &k, 7, 1, &f, &err), LT_E_BUG);
    k.digest = 99;
    assert_int_equal(lt_index_judge(ix, &k, 3, 1, &f, &err), LT_E_BUG);
    lt_index_free(ix);
}

static void a_full_index_refuses_room_and_keeps_every_entry(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 4 << 20);
    struct lt_err err = LT_ERR_INIT;
    int64_t n = 0;
    while (lt_index_reserve(ix, 1, &err) == LT_OK) {
        judge(ix, key((uint64_t)n * 77, 1, 0), n, 1);
        n++;
        assert_true(n < 4 << 16); /* its slots, if it were full to the last */
    }
    assert_int_equal(err.code, LT_E_LIMIT);
    assert_int_equal(lt_index_live(ix), n);
    for (int64_t i = 0; i < n; i++) {
        struct lt_index_key k = key((uint64_t)i * 77, 1, 0);
        struct lt_finding f;
        assert_true(lt_index_find(ix, &k, i, &f));
        assert_int_equal(f.verdict, LT_VERDICT_NEW);
    }
    lt_index_free(ix);
}

static void the_key_of_a_replay_differs_from_the_key_of_the_event(void **state)
{
    (void)state;
    struct lt_span id = LT_SPAN_LIT("00112233445566778899aabbccddeeff");
    struct lt_span digest = LT_SPAN_LIT("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    struct lt_index_key plain, replay, other;
    assert_true(lt_index_key_of(id, digest, 3, LT_SPAN_NULL, &plain));
    assert_true(lt_index_key_of(id, digest, 3, LT_SPAN_LIT("r1"), &replay));
    assert_true(lt_index_key_of(id, digest, 3, LT_SPAN_LIT("r2"), &other));
    assert_true(plain.fingerprint != replay.fingerprint && replay.fingerprint != other.fingerprint);
    assert_false(lt_index_key_of(LT_SPAN_LIT("zz"), digest, 3, LT_SPAN_NULL, &plain));
}

/* Another number would be another index: the sum that is committed and the local files are made of these. */
static void the_key_of_an_identity_is_this_one_for_ever(void **state)
{
    (void)state;
    struct lt_span id = LT_SPAN_LIT("00112233445566778899aabbccddeeff");
    struct lt_span digest = LT_SPAN_LIT("0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
    struct lt_index_key plain, replay;
    assert_true(lt_index_key_of(id, digest, 3, LT_SPAN_NULL, &plain));
    assert_true(lt_index_key_of(id, digest, 3, LT_SPAN_LIT("r1"), &replay));
    assert_true(plain.fingerprint == 0x55a0cad5355e4b3 && replay.fingerprint == 0xe19c853ccff61c1);
    assert_true(plain.digest == 0x52a58d93 && replay.digest == plain.digest);
}

/* A foreign producer's counters and patterns: `digits` of the id count, at one place, the others stay. */
static struct lt_index_key key_of_pattern(unsigned n, size_t at, char rest)
{
    char id[33], digest[65], digits[9];
    struct lt_index_key k;
    memset(id, rest, 32);
    memset(digest, rest, 64);
    snprintf(digits, sizeof(digits), "%08x", n);
    memcpy(id + at, digits, 8);
    memcpy(digest + 2 * at, digits, 8);
    assert_true(lt_index_key_of(lt_span(id, 32), lt_span(digest, 64), 1, LT_SPAN_NULL, &k));
    return k;
}

static int by_fingerprint(const void *a, const void *b)
{
    const struct lt_index_key *x = a, *y = b;
    return (x->fingerprint > y->fingerprint) - (x->fingerprint < y->fingerprint);
}

static int by_digest(const void *a, const void *b)
{
    const struct lt_index_key *x = a, *y = b;
    return (x->digest > y->digest) - (x->digest < y->digest);
}

static void identities_and_digests_that_are_patterns_spread_like_hashes(void **state)
{
    (void)state;
    enum { N = 20000, BUCKETS = 64 };
    static struct lt_index_key keys[N];
    for (size_t at = 0; at <= 24; at += 4) { /* wherever the digits that count stand */
        unsigned fill[2][BUCKETS] = {{0}};
        for (unsigned n = 0; n < N; n++) {
            keys[n] = key_of_pattern(n, at, at % 8 ? '0' : 'a');
            fill[0][keys[n].fingerprint >> 54]++;
            fill[1][keys[n].fingerprint % BUCKETS]++;
        }
        qsort(keys, N, sizeof(keys[0]), by_fingerprint);
        for (size_t n = 1; n < N; n++)
            assert_true(keys[n - 1].fingerprint != keys[n].fingerprint);
        size_t equal = 0;
        qsort(keys, N, sizeof(keys[0]), by_digest);
        for (size_t n = 1; n < N; n++)
            equal += keys[n - 1].digest == keys[n].digest;
        assert_true(equal <= 3);             /* of 32 random bits: 0.05 expected */
        for (size_t b = 0; b < BUCKETS; b++) /* 312 expected, 18 standard deviation */
            assert_true(fill[0][b] > 200 && fill[0][b] < 430 && fill[1][b] > 200 && fill[1][b] < 430);
    }
}

/* ---- against a model ---- */

struct row {
    struct lt_index_key k;
    int64_t first;
    uint64_t generation;
    bool used;
};

static struct lt_finding model_judge(struct row *rows, size_t n, struct lt_index_key k, int64_t offset, uint64_t g)
{
    struct lt_finding f = {.verdict = LT_VERDICT_NEW, .first_offset = offset};
    struct row *same = NULL, *room = NULL;
    bool version = false, other = false;
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        struct row *r = &rows[i];
        if (!r->used || g - r->generation > KEEP) {
            room = r;
            r->used = false;
            continue;
        }
        if (r->k.fingerprint != k.fingerprint)
            continue;
        version |= r->k.version == k.version;
        if (r->k.digest == k.digest)
            same = r;
        else
            other = true, oldest = LT_MIN(oldest, r->first);
    }
    if (same)
        f = (struct lt_finding){.verdict = LT_VERDICT_DUPLICATE, .first_offset = same->first};
    else if (other)
        f = (struct lt_finding){.verdict = LT_VERDICT_CONFLICT, .remapped = !version, .first_offset = oldest};
    if (!same) {
        assert_non_null(room);
        *room = (struct row){.k = k, .first = offset, .used = true};
        same = room;
    }
    same->k.version = k.version;
    same->generation = g;
    return f;
}

static void verdicts_and_sum_agree_with_a_plain_model_over_growth_expiry_and_jumps(void **state)
{
    (void)state;
    enum { ROWS = 6000, RECORDS = 20000 };
    struct row *rows = lt_calloc(ROWS, sizeof(*rows));
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    uint64_t seed = 20240101, g = 100;
    for (int64_t o = 0; o < RECORDS; o++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t r = seed >> 33;
        if (r % 211 == 0)
            g += 1;
        if (r % 7001 == 0)
            g += 300; /* further than the ring of generations */
        struct lt_index_key k = key(seed >> 50, (uint32_t)(r % 3), (uint8_t)(r % 2));
        struct lt_finding want = model_judge(rows, ROWS, k, o, g), got = judge(ix, k, o, g);
        assert_int_equal(got.verdict, want.verdict);
        assert_int_equal(got.remapped, want.remapped);
        assert_int_equal(got.first_offset, want.first_offset);
    }
    size_t live = 0;
    for (size_t i = 0; i < ROWS; i++)
        live += rows[i].used && g - rows[i].generation <= KEEP;
    assert_int_equal(lt_index_live(ix), live);

    /* A second index that sees only what is live must carry the same sum: this is what a rebuild proves. */
    struct lt_index *again = lt_index_new(KEEP, 8 << 20);
    int64_t offset = 0;
    for (uint64_t gen = g - KEEP; gen <= g; gen++)
        for (size_t i = 0; i < ROWS; i++)
            if (rows[i].used && rows[i].generation == gen)
                judge(again, rows[i].k, offset++, gen);
    lt_index_advance(again, g);
    assert_true(lt_index_sum(ix) == lt_index_sum(again));
    lt_index_advance(again, g + 1);
    assert_false(lt_index_sum(ix) == lt_index_sum(again));
    lt_index_free(again);
    lt_index_free(ix);
    free(rows);
}

/* The same at a size where segments grow, lines overflow and sweeps run. */
struct course {
    int64_t records;
    uint64_t keys;    /* identities to draw from; 0: nearly all new */
    uint64_t digests; /* contents of one identity */
    uint64_t keep;
    int64_t generation; /* records a generation */
    int64_t jump_every; /* records between jumps of the clock; 0 never */
    uint64_t jump;      /* generations */
};

static void run_course(const struct course *c)
{
    struct book b = book_of(c->keep, (size_t)c->records);
    struct lt_index *ix = lt_index_new((uint32_t)c->keep, 256 << 20);
    uint64_t g = 19000;
    for (int64_t o = 0; o < c->records; o++) {
        uint64_t r = book_scatter((uint64_t)o * 3 + 1), id = c->keys  ? r % c->keys
                                                             : r % 10 ? (uint64_t)o
                                                                      : book_scatter(r) % (uint64_t)(o + 1);
        g += o % c->generation == 0;
        if (c->jump_every && o % c->jump_every == c->jump_every - 1)
            g += c->jump;
        struct lt_index_key k = key(book_scatter(id) >> 4, (uint32_t)book_scatter(id ^ (r >> 40) % c->digests << 50),
                                    (uint8_t)(r >> 60 & 1));
        struct lt_finding want = book_judge(&b, k, o, g), got = judge(ix, k, o, g), again;
        if (got.verdict != want.verdict || got.remapped != want.remapped || got.first_offset != want.first_offset)
            fail_msg("record %lld: %d/%d/%lld, the model says %d/%d/%lld", (long long)o, got.verdict, got.remapped,
                     (long long)got.first_offset, want.verdict, want.remapped, (long long)want.first_offset);
        assert_true(lt_index_find(ix, &k, o + 1, &again));
        assert_int_equal(again.verdict, LT_VERDICT_DUPLICATE);
    }
    struct lt_index *rebuilt = lt_index_new((uint32_t)c->keep, 256 << 20);
    lt_index_expect(rebuilt, lt_index_live(ix));
    book_rebuild(&b, g, rebuilt);
    assert_int_equal(lt_index_live(ix), book_live(&b, g));
    assert_true(lt_index_sum(ix) == lt_index_sum(rebuilt));
    lt_index_free(rebuilt);
    lt_index_free(ix);
    book_deinit(&b);
}

static void hundreds_of_thousands_of_new_keys_grow_every_segment_and_change_no_verdict(void **state)
{
    (void)state;
    run_course(&(struct course){.records = 700000, .digests = 2, .keep = 8, .generation = 400000});
}

/* More of one home than a growth gathers before it counts, and than two lines hold. */
static void identities_of_a_dozen_contents_each_keep_them_all_while_segments_grow(void **state)
{
    (void)state;
    run_course(&(struct course){.records = 400000, .keys = 20000, .digests = 12, .keep = 8, .generation = 400000});
}

static void entries_that_expire_while_segments_grow_leave_and_no_others(void **state)
{
    (void)state;
    run_course(&(struct course){.records = 600000, .digests = 2, .keep = 4, .generation = 20000});
}

static void hundreds_of_generations_go_round_the_mark_without_a_dead_entry_coming_back(void **state)
{
    (void)state;
    run_course(&(struct course){.records = 300000, .keys = 50000, .digests = 3, .keep = 6, .generation = 250});
    run_course(&(struct course){.records = 200000, .keys = 30000, .digests = 2, .keep = 200, .generation = 300});
}

static void a_clock_that_jumps_by_any_distance_expires_exactly_what_is_older(void **state)
{
    (void)state;
    static const uint64_t jumps[] = {3, 54, 55, 100, 150, 199, 200, 201, 254, 255, 256, 510, 100000};
    for (size_t i = 0; i < LT_ARRAY_LEN(jumps); i++)
        run_course(&(struct course){.records = 30000,
                                    .keys = 6000,
                                    .digests = 2,
                                    .keep = 200,
                                    .generation = 2000,
                                    .jump_every = 4999,
                                    .jump = jumps[i]});
}

static void one_event_sent_with_thousands_of_contents_keeps_every_one_of_them(void **state)
{
    (void)state;
    run_course(&(struct course){.records = 12000, .keys = 4, .digests = 900, .keep = 5, .generation = 1200});
}

/*
 * More contents of one event than its two lines hold stand aside. When they expire while a sweep is out and their
 * segment ends a growth behind it, they must not slip into lines that the sweep has passed: nobody would look at them
 * again until their marks have come round.
 */
static void contents_that_stood_aside_and_expired_do_not_come_back_when_the_marks_come_round(void **state)
{
    (void)state;
    enum { EVENTS = 64, CONTENTS = 12, WINDOW = 200 };
    for (uint64_t fill = 60000; fill <= 150000; fill += 15000) {
        struct lt_index *ix = lt_index_new(WINDOW, 64 << 20);
        int64_t offset = 0;
        struct lt_finding f;
        for (uint64_t i = 0; i < EVENTS * CONTENTS; i++)
            judge(ix, key(book_scatter(i % EVENTS) >> 4, (uint32_t)i, 0), offset++, 1000);
        for (uint64_t i = 0; i < fill; i++)
            judge(ix, key(book_scatter(i + EVENTS) >> 4, 1, 0), offset++, 1001);
        uint64_t g = 1001;
        while (g < 1000 + WINDOW + 1) /* at the last of them the contents are dead: a sweep goes out */
            lt_index_advance(ix, ++g);
        for (uint64_t i = fill; i < fill + 30000; i++)
            judge(ix, key(book_scatter(i + EVENTS) >> 4, 1, 0), offset++, g);
        while (g < 1000 + 2 * 255) { /* nobody sweeps */
            lt_index_advance(ix, ++g);
            for (uint64_t i = 0; i < EVENTS * CONTENTS; i++) {
                struct lt_index_key k = key(book_scatter(i % EVENTS) >> 4, (uint32_t)i, 0);
                assert_false(lt_index_find(ix, &k, offset, &f));
            }
        }
        lt_index_free(ix);
    }
}

/* The first offset is a hint for people: however far back it lies, it is no reason to stop a partition. */
static void an_event_that_is_sent_again_after_any_number_of_records_is_a_duplicate(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 8 << 20);
    int64_t far[] = {(1LL << 36) + 5, (1LL << 37) - 3, 1LL << 37, (1LL << 37) + 5, 1LL << 40, (1LL << 41) + 5};
    judge(ix, key(1, 10, 0), 0, 1);
    for (size_t i = 0; i < LT_ARRAY_LEN(far); i++) {
        assert_int_equal(judge(ix, key(1, 10, 0), far[i], 1).verdict, LT_VERDICT_DUPLICATE);
        assert_int_equal(judge(ix, key(1, 11 + (uint32_t)i, 0), far[i] + 1, 1).verdict, LT_VERDICT_CONFLICT);
    }
    lt_index_free(ix);
}

static void an_index_of_another_seed_or_history_gives_the_same_verdicts_and_the_same_sum(void **state)
{
    (void)state;
    enum { RECORDS = 150000 };
    struct lt_index *one = lt_index_new(KEEP, 64 << 20), *two = lt_index_new(KEEP, 64 << 20);
    for (uint64_t i = 0; i < 100000; i++) /* the second has grown before, and forgotten */
        judge(two, key(book_scatter(i + 77), 1, 0), 0, 1);
    for (int64_t o = 0; o < RECORDS; o++) {
        struct lt_index_key k = key(book_scatter((uint64_t)o * 7 % 50000) >> 4, (uint32_t)(o % 3), 0);
        uint64_t g = 100 + (uint64_t)o / 20000;
        struct lt_finding a = judge(one, k, o + 1, g), b = judge(two, k, o + 1, g);
        assert_int_equal(a.verdict, b.verdict);
        assert_int_equal(a.first_offset, b.first_offset);
    }
    assert_true(lt_index_sum(one) == lt_index_sum(two));
    assert_int_equal(lt_index_live(one), lt_index_live(two));
    lt_index_free(one);
    lt_index_free(two);
}

static void a_settled_index_needs_no_more_than_24_bytes_a_key(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 256 << 20);
    for (int64_t o = 0; o < 2000000; o++) {
        judge(ix, key(book_scatter((uint64_t)o + 1) >> 4, 1, 0), o, 1);
        if (o > 1000000 && o % 10000 == 0)
            assert_true(lt_index_bytes(ix) <= (size_t)o * 24);
    }
    lt_index_free(ix);
}

static void a_run_of_records_gives_what_one_call_for_each_gives(void **state)
{
    (void)state;
    enum { RECORDS = 300000, RUN = 700 };
    struct lt_index *one = lt_index_new(KEEP, 256 << 20), *run = lt_index_new(KEEP, 256 << 20);
    struct lt_index_record *v = lt_calloc(RUN, sizeof(*v));
    struct lt_finding *ret = lt_calloc(RUN, sizeof(*ret)), want;
    struct lt_err err = LT_ERR_INIT;
    bool found[RUN];
    for (int64_t o = 0; o < RECORDS;) {
        size_t n = book_scatter((uint64_t)o) % RUN + 1; /* runs of one too */
        for (size_t i = 0; i < n; i++) {
            uint64_t r = book_scatter((uint64_t)o + i + 5);
            int64_t offset = o + (int64_t)i;
            v[i] = (struct lt_index_record){
                .key = key(book_scatter(r % 200000) >> 4, (uint32_t)(r >> 40) % 3, (uint8_t)(r >> 60 & 1)),
                .offset = offset,
                .generation = 100 + (uint64_t)offset / 20000 + (offset >= RECORDS / 2 ? 300 : 0),
                .is_invalid = r % 50 == 0};
        }
        assert_int_equal(lt_index_judge_run(run, v, n, ret, &err), LT_OK);
        for (size_t i = 0; i < n; i++) {
            if (v[i].is_invalid) {
                lt_index_advance(one, v[i].generation);
                continue;
            }
            want = judge(one, v[i].key, v[i].offset, v[i].generation);
            assert_int_equal(ret[i].verdict, want.verdict);
            assert_int_equal(ret[i].remapped, want.remapped);
            assert_int_equal(ret[i].first_offset, want.first_offset);
        }
        assert_true(lt_index_sum(one) == lt_index_sum(run));
        for (size_t i = 0; i < n; i++)
            if (i % 3 == 0)
                v[i].key.digest = 77; /* never seen */
        lt_index_find_run(run, v, n, ret, found);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(found[i], lt_index_find(one, &v[i].key, v[i].offset, &want));
            if (found[i]) {
                assert_int_equal(ret[i].verdict, want.verdict);
                assert_int_equal(ret[i].first_offset, want.first_offset);
            }
        }
        o += (int64_t)n;
    }
    free(ret);
    free(v);
    lt_index_free(one);
    lt_index_free(run);
}

static void a_run_ends_at_the_record_that_finds_no_room_and_what_came_before_it_stays(void **state)
{
    (void)state;
    enum { RUN = 200000 };
    struct lt_index *ix = lt_index_new(KEEP, 4 << 20);
    struct lt_index_record *v = lt_calloc(RUN, sizeof(*v));
    struct lt_finding *ret = lt_calloc(RUN, sizeof(*ret));
    struct lt_err err = LT_ERR_INIT;
    for (size_t i = 0; i < RUN; i++)
        v[i] = (struct lt_index_record){.key = key(book_scatter(i) >> 4, 1, 0), .offset = (int64_t)i, .generation = 1};
    assert_int_equal(lt_index_judge_run(ix, v, RUN, ret, &err), LT_E_LIMIT);
    size_t held = lt_index_live(ix);
    assert_in_range(held, 1, RUN - 1);
    for (size_t i = 0; i < RUN; i++)
        assert_int_equal(lt_index_find(ix, &v[i].key, (int64_t)i, &ret[0]), i < held);
    free(ret);
    free(v);
    lt_index_free(ix);
}

/* Millions: the segments go over to memory with huge pages on the way. */
static void every_key_is_found_again_after_the_segments_have_grown_into_other_memory(void **state)
{
    (void)state;
    enum { KEYS = 2500000, RUN = 1000 };
    struct lt_index *ix = lt_index_new(KEEP, 256 << 20);
    struct lt_index_record *v = lt_calloc(RUN, sizeof(*v));
    struct lt_finding *ret = lt_calloc(RUN, sizeof(*ret));
    struct lt_err err = LT_ERR_INIT;
    bool found[RUN];
    for (int again = 0; again < 2; again++)
        for (uint64_t o = 0; o < KEYS; o += RUN) {
            for (size_t i = 0; i < RUN; i++)
                v[i] = (struct lt_index_record){
                    .key = key(book_scatter(o + i + 1) >> 4, 1, 0), .offset = (int64_t)(o + i), .generation = 1};
            if (!again)
                assert_int_equal(lt_index_judge_run(ix, v, RUN, ret, &err), LT_OK);
            else
                lt_index_find_run(ix, v, RUN, ret, found);
            for (size_t i = 0; i < RUN; i++) {
                assert_true(ret[i].verdict == LT_VERDICT_NEW && ret[i].first_offset == (int64_t)(o + i));
                assert_true(!again || found[i]);
            }
            assert_true(again || o < 1000000 || lt_index_bytes(ix) <= (size_t)o * 32);
        }
    assert_int_equal(lt_index_live(ix), KEYS);
    free(ret);
    free(v);
    lt_index_free(ix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_new_the_same_again_a_duplicate_other_content_a_conflict),
        cmocka_unit_test(a_re_send_of_quarantined_content_is_a_duplicate_and_so_is_an_honest_re_send_of_the_first),
        cmocka_unit_test(a_conflict_with_no_entry_of_its_digest_version_is_remapped),
        cmocka_unit_test(an_entry_lives_while_its_last_record_is_at_most_k_generations_old),
        cmocka_unit_test(an_index_that_is_ahead_of_the_log_says_so),
        cmocka_unit_test(a_full_index_refuses_room_and_keeps_every_entry),
        cmocka_unit_test(the_key_of_a_replay_differs_from_the_key_of_the_event),
        cmocka_unit_test(the_key_of_an_identity_is_this_one_for_ever),
        cmocka_unit_test(identities_and_digests_that_are_patterns_spread_like_hashes),
        cmocka_unit_test(verdicts_and_sum_agree_with_a_plain_model_over_growth_expiry_and_jumps),
        cmocka_unit_test(hundreds_of_thousands_of_new_keys_grow_every_segment_and_change_no_verdict),
        cmocka_unit_test(identities_of_a_dozen_contents_each_keep_them_all_while_segments_grow),
        cmocka_unit_test(entries_that_expire_while_segments_grow_leave_and_no_others),
        cmocka_unit_test(hundreds_of_generations_go_round_the_mark_without_a_dead_entry_coming_back),
        cmocka_unit_test(a_clock_that_jumps_by_any_distance_expires_exactly_what_is_older),
        cmocka_unit_test(one_event_sent_with_thousands_of_contents_keeps_every_one_of_them),
        cmocka_unit_test(contents_that_stood_aside_and_expired_do_not_come_back_when_the_marks_come_round),
        cmocka_unit_test(an_event_that_is_sent_again_after_any_number_of_records_is_a_duplicate),
        cmocka_unit_test(an_index_of_another_seed_or_history_gives_the_same_verdicts_and_the_same_sum),
        cmocka_unit_test(a_settled_index_needs_no_more_than_24_bytes_a_key),
        cmocka_unit_test(a_run_of_records_gives_what_one_call_for_each_gives),
        cmocka_unit_test(a_run_ends_at_the_record_that_finds_no_room_and_what_came_before_it_stays),
        cmocka_unit_test(every_key_is_found_again_after_the_segments_have_grown_into_other_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
