/* The fault schedule of the log in memory, and that a worker which keeps the rules loses and doubles nothing under it.
 */
#include "kafka_worker.h"

#include <inttypes.h>

/* A joined worker with one record written up to commit; the fault comes at the next step. */
struct fixture {
    struct lt_memory *m;
    struct worker w;
    struct lt_log_membership *ms;
};

static void prepare(struct fixture *f, enum lt_memory_fault fault)
{
    struct lt_err err = LT_ERR_INIT;
    f->m = cluster_new(1);
    cluster_append(f->m, 0, "x");
    worker_open(&f->w, f->m, "g.a");
    worker_poll(&f->w, NULL);
    f->ms = worker_capture(&f->w);
    assert_int_equal(worker_write(&f->w, f->ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    lt_memory_fault_at(f->m, lt_memory_steps(f->m) + 1, fault);
}

static int commit(struct fixture *f)
{
    struct lt_err err = LT_ERR_INIT;
    return f->w.log->ops->commit(f->w.log, &err);
}

static int64_t position(struct fixture *f)
{
    struct lt_log_offset at;
    lt_memory_offset_get(f->m, "g", "in", 0, &at);
    return at.offset;
}

static void end(struct fixture *f)
{
    f->w.log->ops->membership_free(f->w.log, f->ms);
    worker_close(&f->w);
    lt_memory_free(f->m);
}

static void a_commit_whose_answer_is_lost_took_effect(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    prepare(&f, LT_FAULT_LOST_APPLIED);
    assert_int_equal(commit(&f), LT_LOG_UNKNOWN);
    assert_int_equal(position(&f), 1);
    assert_int_equal(lt_memory_count(f.m, "out"), 1);
    assert_int_equal(f.w.log->ops->begin(f.w.log, &err), LT_LOG_UNKNOWN);
    assert_int_equal(f.w.log->ops->abort(f.w.log, &err), LT_LOG_UNKNOWN);
    assert_int_equal(f.w.log->ops->renew(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->begin(f.w.log, &err), LT_LOG_OK);
    end(&f);
}

static void a_commit_that_is_dropped_stays_open_until_the_producer_is_renewed(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_offset at;
    prepare(&f, LT_FAULT_LOST_DROPPED);
    assert_int_equal(commit(&f), LT_LOG_UNKNOWN);
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_RETRY);
    assert_int_equal(f.w.log->ops->renew(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, 0);
    assert_int_equal(lt_memory_count(f.m, "out"), 0);
    end(&f);
}

static void a_crash_before_commit_leaves_the_transaction_to_the_successor(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    prepare(&f, LT_FAULT_CRASH);
    assert_true(commit(&f) < 0);
    assert_true(lt_memory_crashed(f.w.log));
    assert_true(f.w.log->ops->begin(f.w.log, &err) < 0);
    f.w.log->ops->membership_free(f.w.log, f.ms);
    worker_close(&f.w);
    worker_open(&f.w, f.m, "g.a"); /* its init ends what the dead one began */
    worker_poll(&f.w, NULL);
    struct lt_log_offset at;
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(at.offset, 0);
    assert_int_equal(lt_memory_count(f.m, "out"), 0);
    f.ms = worker_capture(&f.w);
    end(&f);
}

static void a_crash_after_commit_leaves_it_committed(void **state LT_UNUSED)
{
    struct fixture f;
    prepare(&f, LT_FAULT_CRASH_AFTER);
    assert_true(commit(&f) < 0);
    assert_int_equal(position(&f), 1);
    assert_int_equal(lt_memory_count(f.m, "out"), 1);
    end(&f);
}

static void a_fenced_producer_is_good_again_after_renew(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    prepare(&f, LT_FAULT_FENCED);
    assert_int_equal(commit(&f), LT_LOG_FENCED);
    assert_int_equal(position(&f), 0);
    assert_int_equal(f.w.log->ops->renew(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    assert_int_equal(commit(&f), LT_LOG_OK);
    end(&f);
}

static void a_transaction_past_its_timeout_is_aborted_and_its_owner_fenced(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    struct lt_log_offset at;
    prepare(&f, LT_FAULT_NONE);
    lt_memory_advance(f.m, 15001);
    assert_int_equal(f.w.log->ops->transaction_age_ms(f.w.log), 15001);
    assert_int_equal(f.w.log->ops->committed(f.w.log, 0, 0, &at, &err), LT_LOG_OK);
    assert_int_equal(commit(&f), LT_LOG_FENCED);
    end(&f);
}

static void an_abortable_commit_can_be_repeated(void **state LT_UNUSED)
{
    struct fixture f;
    struct lt_err err = LT_ERR_INIT;
    prepare(&f, LT_FAULT_ABORTABLE);
    assert_int_equal(commit(&f), LT_LOG_ABORTABLE);
    assert_int_equal(f.w.log->ops->abort(f.w.log, &err), LT_LOG_OK);
    assert_int_equal(worker_write(&f.w, f.ms, 0, 0, LT_SPAN_LIT("x"), &err), LT_LOG_OK);
    assert_int_equal(commit(&f), LT_LOG_OK);
    assert_int_equal(lt_memory_count(f.m, "out"), 1);
    end(&f);
}

static void a_twin_ends_everything(void **state LT_UNUSED)
{
    struct fixture f;
    int result;
    prepare(&f, LT_FAULT_TWIN);
    assert_null(worker_poll(&f.w, &result));
    assert_int_equal(result, LT_LOG_TWIN);
    end(&f);
}

/* ---- a worker that keeps the rules, under chaos ---- */

#define RECORDS 60

/* One turn: take a record, move it in a transaction, decide an unknown outcome by looking. false: the log crashed or is
 * a twin. */
static bool turn(struct worker *w)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_log_ops *ops = w->log->ops;
    int result;
    struct lt_log_record *rec = worker_poll(w, &result);
    if (result < 0 || result == LT_LOG_TWIN)
        return false;
    if (worker_start_all(w) < 0) {
        ops->record_free(w->log, rec);
        return false;
    }
    if (!rec)
        return true;
    int32_t p = rec->partition;
    int64_t offset = rec->offset;
    bool alive = true, done = false;
    while (alive && !done && w->started[p]) {
        struct lt_log_membership *ms = NULL;
        int r = ops->capture(w->log, &ms, &err);
        if (r == LT_LOG_OK)
            r = worker_write(w, ms, p, offset, rec->value, &err);
        if (r == LT_LOG_OK)
            r = ops->commit(w->log, &err);
        if (r == LT_LOG_OK) {
            done = true;
        } else if (r == LT_LOG_UNKNOWN || r == LT_LOG_FENCED) { /* rule 15 */
            struct lt_log_offset at = {.offset = -2};
            do
                r = ops->renew(w->log, &err);
            while (r == LT_LOG_RETRY);
            while (r == LT_LOG_OK && (r = ops->committed(w->log, p, 0, &at, &err)) == LT_LOG_RETRY)
                r = LT_LOG_OK;
            done = r == LT_LOG_OK && at.offset == offset + 1;
        } else if (r > 0 &&
                   r != LT_LOG_TWIN) { /* abortable, or no membership: serve polls, then the same again (rule 14) */
            r = ops->abort(w->log, &err);
            struct lt_log_record *other = worker_poll(w, &result);
            if (other) { /* another record came first: fetched again later */
                if (w->started[other->partition]) {
                    (void)ops->stop(w->log, other->partition, &err);
                    w->started[other->partition] = false;
                }
                ops->record_free(w->log, other);
            }
            if (result < 0 || result == LT_LOG_TWIN)
                r = result;
        }
        alive = r >= 0 && r != LT_LOG_TWIN;
        ops->membership_free(w->log, ms);
    }
    ops->record_free(w->log, rec);
    return alive;
}

struct tally {
    char values[4096];
    size_t n;
};

static void take(void *ctx, const struct lt_log_record *r)
{
    struct tally *t = ctx;
    t->n++;
    snprintf(t->values + strlen(t->values), sizeof(t->values) - strlen(t->values), LT_SPAN_FMT " ",
             LT_SPAN_ARG(r->value));
}

static void storm(uint64_t seed, unsigned faults, char out[2][4096], uint64_t *ret_steps)
{
    struct lt_memory *m = cluster_new(2);
    struct worker workers[2];
    const char *names[2] = {"g.a", "g.b"};
    for (int i = 0; i < RECORDS; i++) {
        char value[16];
        snprintf(value, sizeof(value), "%d", i);
        cluster_append(m, i % 2, value);
    }
    for (int i = 0; i < 2; i++)
        worker_open(&workers[i], m, names[i]);
    lt_memory_chaos(m, seed, 60, faults);
    bool ready = false;
    for (int turns = 0; turns < 20000 && !ready; turns++) {
        int i = turns % 2;
        if (!turn(&workers[i])) {
            worker_close(&workers[i]);
            worker_open(&workers[i], m, names[i]);
        }
        struct lt_log_offset at[2];
        lt_memory_offset_get(m, "g", "in", 0, &at[0]);
        lt_memory_offset_get(m, "g", "in", 1, &at[1]);
        ready = at[0].offset == RECORDS / 2 && at[1].offset == RECORDS / 2;
    }
    assert_true(ready);
    *ret_steps = lt_memory_steps(m);
    for (int i = 0; i < 2; i++)
        worker_close(&workers[i]);
    for (int p = 0; p < 2; p++) {
        struct tally t = {.n = 0};
        lt_memory_read(m, "out", p, take, &t);
        assert_int_equal(t.n, RECORDS / 2);
        memcpy(out[p], t.values, sizeof(t.values));
    }
    lt_memory_free(m);
}

static void under_any_faults_a_worker_that_keeps_the_rules_moves_every_record_once_and_in_order(void **state LT_UNUSED)
{
    char expected[2][4096] = {"", ""}, got[2][4096];
    for (int i = 0; i < RECORDS; i++)
        snprintf(expected[i % 2] + strlen(expected[i % 2]), 4096 - strlen(expected[i % 2]), "%d ", i);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t steps;
        storm(seed, (1u << LT_FAULTS) - 1, got, &steps);
        assert_string_equal(got[0], expected[0]);
        assert_string_equal(got[1], expected[1]);
    }
}

static void the_same_seed_gives_the_same_run(void **state LT_UNUSED)
{
    char got[2][4096];
    uint64_t first, again, other;
    storm(7, (1u << LT_FAULTS) - 1, got, &first);
    storm(7, (1u << LT_FAULTS) - 1, got, &again);
    storm(8, (1u << LT_FAULTS) - 1, got, &other);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_whose_answer_is_lost_took_effect),
        cmocka_unit_test(a_commit_that_is_dropped_stays_open_until_the_producer_is_renewed),
        cmocka_unit_test(a_crash_before_commit_leaves_the_transaction_to_the_successor),
        cmocka_unit_test(a_crash_after_commit_leaves_it_committed),
        cmocka_unit_test(a_fenced_producer_is_good_again_after_renew),
        cmocka_unit_test(a_transaction_past_its_timeout_is_aborted_and_its_owner_fenced),
        cmocka_unit_test(an_abortable_commit_can_be_repeated),
        cmocka_unit_test(a_twin_ends_everything),
        cmocka_unit_test(under_any_faults_a_worker_that_keeps_the_rules_moves_every_record_once_and_in_order),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
