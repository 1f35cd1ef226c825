/* The dedup index against a plain model of protocol 2: one row per record, searched from the start. */
#include "gateway/core/index.h"
#include "tests/unit/harness.h"

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
    struct lt_index *ix = lt_index_new(KEEP, 1 << 20);
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
    struct lt_index *ix = lt_index_new(KEEP, 1 << 20);
    judge(ix, key(1, 10, 0), 0, 1);
    judge(ix, key(1, 11, 0), 1, 1);
    assert_int_equal(judge(ix, key(1, 11, 0), 2, 1).verdict, LT_VERDICT_DUPLICATE);
    assert_int_equal(judge(ix, key(1, 10, 0), 3, 1).verdict, LT_VERDICT_DUPLICATE);
    lt_index_free(ix);
}

static void a_conflict_with_no_entry_of_its_digest_version_is_remapped(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 1 << 20);
    judge(ix, key(1, 10, 0), 0, 1);
    assert_true(judge(ix, key(1, 11, 1), 1, 1).remapped);
    assert_false(judge(ix, key(1, 12, 1), 2, 1).remapped);
    lt_index_free(ix);
}

static void an_entry_lives_while_its_last_record_is_at_most_k_generations_old(void **state)
{
    (void)state;
    struct lt_index *ix = lt_index_new(KEEP, 1 << 20);
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
    struct lt_index *ix = lt_index_new(KEEP, 1 << 20);
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
    struct lt_index *ix = lt_index_new(KEEP, 64 * 1024);
    struct lt_err err = LT_ERR_INIT;
    int64_t n = 0;
    while (lt_index_reserve(ix, 1, &err) == LT_OK) {
        judge(ix, key((uint64_t)n * 77, 1, 0), n, 1);
        n++;
        assert_true(n < 100000);
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
    assert_int_equal(plain.fingerprint, 0x001122334455667);
    assert_int_equal(plain.digest, 0x01020304);
    assert_true(plain.fingerprint != replay.fingerprint && replay.fingerprint != other.fingerprint);
    assert_false(lt_index_key_of(LT_SPAN_LIT("zz"), digest, 3, LT_SPAN_NULL, &plain));
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
        cmocka_unit_test(verdicts_and_sum_agree_with_a_plain_model_over_growth_expiry_and_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
