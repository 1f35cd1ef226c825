/*
 * The dedup index on courses drawn by chance, against a plain table of rows (index_book.h): any limit, window and
 * clock, offsets that come round, contents without end of a few identities, runs, single records, records that are no
 * events, all in one course. `test_core_index_random FIRST COUNT` runs those of these seeds.
 */
#include "tests/unit/harness.h"
#include "tests/unit/index_book.h"

#include <stdio.h>

#define RUN_MAX 600

struct course {
    uint64_t seed, chance;
    struct book book;
    struct lt_index *ix;
    uint64_t keep, generation;
    int64_t offset;
    size_t records;
    /* what the seed has drawn */
    size_t bytes_max;
    uint64_t keys, hot, contents; /* identities, those of them with many contents, and how many */
    unsigned hot_percent, step_every, jump_max;
    size_t full; /* times there was no room */
};

static uint64_t draw(struct course *c, uint64_t below)
{
    c->chance = book_scatter(c->chance + 0x9e3779b97f4a7c15ULL);
    return c->chance % below;
}

static struct lt_index_key draw_key(struct course *c)
{
    bool hot = draw(c, 100) < c->hot_percent;
    uint64_t id = draw(c, hot ? c->hot : c->keys), content = draw(c, hot ? c->contents : 2);
    return (struct lt_index_key){.fingerprint = book_scatter(id * 2 + hot + c->seed) >> 4,
                                 .digest = (uint32_t)book_scatter(content + 99),
                                 .version = (uint8_t)draw(c, 3)};
}

static void same(const struct course *c, int64_t offset, const struct lt_finding *got, const struct lt_finding *want)
{
    if (got->verdict != want->verdict || got->remapped != want->remapped || got->first_offset != want->first_offset)
        fail_msg("seed %llu, offset %lld: %d/%d/%lld, the model says %d/%d/%lld", (unsigned long long)c->seed,
                 (long long)offset, got->verdict, got->remapped, (long long)got->first_offset, want->verdict,
                 want->remapped, (long long)want->first_offset);
}

/* Time passes, by a generation, a few, or as many as there are marks and more. */
static void pass_time(struct course *c)
{
    if (draw(c, c->step_every) == 0)
        c->generation += draw(c, 20) ? 1 : draw(c, c->jump_max) + 1;
}

/* There is no room: nothing may have changed, and when all has expired there is. */
static void full(struct course *c, const struct lt_err *err)
{
    assert_int_equal(err->code, LT_E_LIMIT);
    assert_int_equal(lt_index_live(c->ix), book_live(&c->book, c->generation));
    c->full++;
    c->generation += draw(c, 4) ? 1 : c->keep + 1;
    lt_index_advance(c->ix, c->generation);
}

static void one(struct course *c)
{
    struct lt_index_key k = draw_key(c);
    struct lt_finding got;
    struct lt_err err = LT_ERR_INIT;
    pass_time(c);
    lt_index_advance(c->ix, c->generation);
    if (lt_index_reserve(c->ix, 1, &err) != LT_OK) {
        full(c, &err);
        return;
    }
    assert_int_equal(lt_index_judge(c->ix, &k, c->offset, c->generation, &got, &err), LT_OK);
    struct lt_finding want = book_judge(&c->book, k, c->offset, c->generation);
    same(c, c->offset++, &got, &want);
    c->records++;
}

static void run(struct course *c)
{
    static struct lt_index_record v[RUN_MAX];
    static struct lt_finding got[RUN_MAX];
    struct lt_err err = LT_ERR_INIT;
    size_t n = draw(c, RUN_MAX) + 1, before = lt_index_live(c->ix);
    for (size_t i = 0; i < n; i++) {
        pass_time(c);
        v[i] = (struct lt_index_record){.key = draw_key(c),
                                        .offset = c->offset + (int64_t)i,
                                        .generation = c->generation,
                                        .is_invalid = draw(c, 40) == 0};
        if (i && draw(c, 10) == 0) /* one key twice and thrice in a run */
            v[i].key = v[i - draw(c, LT_MIN(i, (size_t)40)) - 1].key;
        got[i].verdict = LT_VERDICT_INVALID;
    }
    int r = lt_index_judge_run(c->ix, v, n, got, &err);
    size_t judged = n;
    while (r < 0 && judged > 0 && (got[judged - 1].verdict == LT_VERDICT_INVALID))
        judged--;
    for (size_t i = 0; i < judged; i++) {
        if (v[i].is_invalid)
            continue;
        struct lt_finding want = book_judge(&c->book, v[i].key, v[i].offset, v[i].generation);
        same(c, v[i].offset, &got[i], &want);
    }
    (void)before;
    c->offset += (int64_t)n;
    c->records += n;
    lt_index_advance(c->ix, c->generation);
    if (r < 0)
        full(c, &err);
}

static void look(struct course *c)
{
    static struct lt_index_record v[RUN_MAX];
    static struct lt_finding got[RUN_MAX];
    static bool found[RUN_MAX];
    size_t n = draw(c, RUN_MAX) + 1;
    for (size_t i = 0; i < n; i++)
        v[i] = (struct lt_index_record){.key = draw_key(c),
                                        .offset = c->offset - (int64_t)draw(c, LT_MIN(c->records, (size_t)5000) + 1)};
    lt_index_find_run(c->ix, v, n, got, found);
    for (size_t i = 0; i < n; i++) {
        struct lt_finding want, single;
        bool is = book_find(&c->book, v[i].key, v[i].offset, c->generation, &want);
        assert_int_equal(found[i], is);
        assert_int_equal(lt_index_find(c->ix, &v[i].key, v[i].offset, &single), is);
        if (is) {
            same(c, v[i].offset, &got[i], &want);
            same(c, v[i].offset, &single, &want);
        }
    }
}

/* Every row there has ever been is there if and only if it is live; and a rebuilt index has the same sum. */
static void audit(struct course *c)
{
    struct lt_finding got;
    lt_index_advance(c->ix, c->generation);
    for (size_t i = 0; i < c->book.size; i++) {
        const struct book_row *r = &c->book.v[i];
        struct lt_index_key k = {.fingerprint = r->fingerprint - 1, .digest = r->digest, .version = r->version};
        if (!r->fingerprint)
            continue;
        bool found = lt_index_find(c->ix, &k, r->first + 1, &got);
        if (found != book_is_live(&c->book, r, c->generation))
            fail_msg("seed %llu: at generation %llu a row of generation %llu is %sthere", (unsigned long long)c->seed,
                     (unsigned long long)c->generation, (unsigned long long)r->generation, found ? "" : "not ");
        assert_true(!found || (got.verdict == LT_VERDICT_DUPLICATE && got.first_offset == r->first));
    }
    assert_int_equal(lt_index_live(c->ix), book_live(&c->book, c->generation));
    assert_true(lt_index_bytes(c->ix) <= c->bytes_max + (c->bytes_max >> 3) + ((size_t)4 << 20));
    struct lt_index *rebuilt = lt_index_new((uint32_t)c->keep, (size_t)256 << 20);
    if (draw(c, 2))
        lt_index_expect(rebuilt, lt_index_live(c->ix));
    book_rebuild(&c->book, c->generation, rebuilt);
    assert_true(lt_index_sum(rebuilt) == lt_index_sum(c->ix));
    lt_index_free(rebuilt);
}

static void run_course(uint64_t seed, size_t records)
{
    static const int64_t origins[] = {
        0, 0, 1, (1LL << 32) - 1000, (1LL << 36) - 1000, (1LL << 37) - 1000, (1LL << 40) - 1000};
    static const uint64_t keeps[] = {1, 4, 20, 199, 200};
    static const uint64_t jumps[] = {2, 54, 100, 255, 520};
    struct course c = {.seed = seed, .chance = book_scatter(seed + 1)};
    c.keep = keeps[draw(&c, LT_ARRAY_LEN(keeps))];
    c.offset = origins[draw(&c, LT_ARRAY_LEN(origins))];
    c.bytes_max = (size_t)1 << (20 + draw(&c, 7)); /* 1 to 64 MiB */
    c.keys = (uint64_t)1 << (5 + draw(&c, 15));
    c.hot = draw(&c, 40) + 1;
    c.contents = draw(&c, 3) ? draw(&c, 40) + 1 : draw(&c, 600) + 1;
    c.hot_percent = (unsigned)(draw(&c, 3) ? draw(&c, 10) : draw(&c, 90));
    c.step_every = 1u << (1 + draw(&c, 15));
    c.jump_max = (unsigned)jumps[draw(&c, LT_ARRAY_LEN(jumps))];
    c.generation = draw(&c, 2) ? draw(&c, 3) : 19000 + draw(&c, 1000);
    c.book = book_of(c.keep, 1024);
    c.ix = lt_index_new((uint32_t)c.keep, c.bytes_max);
    if (draw(&c, 3) == 0)
        lt_index_expect(c.ix, draw(&c, 400000));
    bool in_runs = draw(&c, 2);
    for (size_t audits = 0; c.records < records && c.full < 3000; audits++) {
        size_t until = c.records + records / 6;
        while (c.records < until && c.full < 3000) {
            if (draw(&c, 200) == 0)
                look(&c);
            if (in_runs ? draw(&c, 20) != 0 : draw(&c, 1000) == 0)
                run(&c);
            else
                one(&c);
        }
        audit(&c);
    }
    lt_index_free(c.ix);
    book_deinit(&c.book);
}

static uint64_t seed_first = 1, seed_count = 16;

static void on_any_course_the_index_says_what_a_plain_table_of_rows_says(void **state)
{
    (void)state;
    for (uint64_t s = seed_first; s < seed_first + seed_count; s++)
        run_course(s, 60000);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        seed_first = strtoull(argv[1], NULL, 10);
        seed_count = strtoull(argv[2], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_any_course_the_index_says_what_a_plain_table_of_rows_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
