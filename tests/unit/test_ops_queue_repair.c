/* In which order a repair of a target's positions reads and writes. */
#include "tests/unit/harness.h"

#include "gateway/base/clock.h"
#include "gateway/config/config.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"
#include "gateway/kafka/repair.h"
#include "gateway/ops/ledger_read.h"
#include "gateway/ops/queue_repair.h"

#include <stdio.h>

/* What was asked of Kafka: R a ledger was read, W a record or an offset is to be written, C commit. */
static struct {
    char calls[64];
    size_t len;
    struct lt_ledger ledger; /* as it was written, of all partitions */
} kafka;

static void note(char call)
{
    assert_true(kafka.len + 1 < sizeof(kafka.calls));
    kafka.calls[kafka.len++] = call;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
int __wrap_lt_admin_new(const struct lt_config_prop *props, size_t n, struct lt_admin **ret, struct lt_err *err);
void __wrap_lt_admin_free(struct lt_admin *a);
int __wrap_lt_reader_new(const struct lt_config_prop *props, size_t n, struct lt_reader **ret, struct lt_err *err);
void __wrap_lt_reader_free(struct lt_reader *r);
int __wrap_lt_admin_group_offsets(struct lt_admin *a, const char *group, const char *topic,
                                  void (*fn)(void *ctx, const struct lt_genesis_row *row), void *ctx,
                                  struct lt_err *err);
int __wrap_lt_ledger_read(struct lt_admin *a, struct lt_reader *reader, const char *topic, int32_t partition,
                          struct lt_ledger *ret, struct lt_err *err);
int __wrap_lt_repair_begin(const struct lt_config_prop *props, size_t n, const char *group, struct lt_repair **ret,
                           struct lt_err *err);
void __wrap_lt_repair_free(struct lt_repair *r);
void __wrap_lt_repair_offset(struct lt_repair *r, const char *topic, int32_t partition, int64_t offset,
                             const char *metadata);
int __wrap_lt_repair_record(struct lt_repair *r, const char *topic, int32_t partition, struct lt_span key,
                            const struct lt_headers *headers, struct lt_span value, struct lt_err *err);
int __wrap_lt_repair_commit(struct lt_repair *r, struct lt_err *err);

static char handle; /* stands for all of them */

int __wrap_lt_admin_new(const struct lt_config_prop *props LT_UNUSED, size_t n LT_UNUSED, struct lt_admin **ret,
                        struct lt_err *err LT_UNUSED)
{
    *ret = (struct lt_admin *)&handle;
    return LT_OK;
}

void __wrap_lt_admin_free(struct lt_admin *a LT_UNUSED)
{
}

int __wrap_lt_reader_new(const struct lt_config_prop *props LT_UNUSED, size_t n LT_UNUSED, struct lt_reader **ret,
                         struct lt_err *err LT_UNUSED)
{
    *ret = (struct lt_reader *)&handle;
    return LT_OK;
}

void __wrap_lt_reader_free(struct lt_reader *r LT_UNUSED)
{
}

/* Three partitions, and the group has lost its offsets. */
int __wrap_lt_admin_group_offsets(struct lt_admin *a LT_UNUSED, const char *group LT_UNUSED,
                                  const char *topic LT_UNUSED, void (*fn)(void *ctx, const struct lt_genesis_row *row),
                                  void *ctx, struct lt_err *err LT_UNUSED)
{
    for (int32_t p = 0; p < 3; p++)
        fn(ctx, &(struct lt_genesis_row){.partition = p, .offset = -1, .low = 0, .high = 20});
    return LT_OK;
}

/* Nothing open, nothing parked, delivered up to 10. */
int __wrap_lt_ledger_read(struct lt_admin *a LT_UNUSED, struct lt_reader *reader LT_UNUSED, const char *topic LT_UNUSED,
                          int32_t partition LT_UNUSED, struct lt_ledger *ret, struct lt_err *err)
{
    const struct lt_delivery_position p = {.incarnation = 7, .number = 5, .base = 10};
    char text[LT_DELIVERY_POSITION_MAX];
    note('R');
    lt_delivery_position_format(&p, text);
    const struct lt_log_record r = {
        .topic = "lt.ledger.sim", .key = LT_SPAN_LIT(LT_LEDGER_POSITION_KEY), .value = lt_span_str(text)};
    return lt_ledger_take(ret, &r, err);
}

int __wrap_lt_repair_begin(const struct lt_config_prop *props LT_UNUSED, size_t n LT_UNUSED,
                           const char *group LT_UNUSED, struct lt_repair **ret, struct lt_err *err LT_UNUSED)
{
    *ret = (struct lt_repair *)&handle;
    return LT_OK;
}

void __wrap_lt_repair_free(struct lt_repair *r LT_UNUSED)
{
}

void __wrap_lt_repair_offset(struct lt_repair *r LT_UNUSED, const char *topic LT_UNUSED, int32_t partition LT_UNUSED,
                             int64_t offset, const char *metadata LT_UNUSED)
{
    assert_int_equal(offset, 10);
    note('W');
}

int __wrap_lt_repair_record(struct lt_repair *r LT_UNUSED, const char *topic, int32_t partition LT_UNUSED,
                            struct lt_span key, const struct lt_headers *headers, struct lt_span value,
                            struct lt_err *err)
{
    note('W');
    if (strcmp(topic, "lt.ledger.sim") != 0)
        return LT_OK;
    struct lt_log_record record = {.topic = topic, .key = key, .value = value};
    if (headers)
        record.headers = *headers;
    return lt_ledger_take(&kafka.ledger, &record, err);
}

int __wrap_lt_repair_commit(struct lt_repair *r LT_UNUSED, struct lt_err *err LT_UNUSED)
{
    note('C');
    return LT_OK;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int setup(void **state LT_UNUSED)
{
    memset(&kafka, 0, sizeof(kafka));
    return 0;
}

static int teardown(void **state LT_UNUSED)
{
    lt_ledger_deinit(&kafka.ledger);
    return 0;
}

static void take_report(void *ctx, const struct lt_queue_report *r)
{
    size_t *reports = ctx;
    assert_int_equal(r->mend->outcome, LT_MEND_DONE);
    ++*reports;
}

static void write_positions_back(void)
{
    const struct lt_config config = {0};
    const struct lt_queue_repair q = {
        .config = &config, .target = "sim", .who = "test", .verb = LT_QUEUE_POSITION, .partition = -1};
    struct lt_err err = LT_ERR_INIT;
    size_t reports = 0;
    assert_int_equal(lt_queue_repair(&q, take_report, &reports, &err), LT_OK);
    assert_int_equal(reports, 3);
}

/* With the first record a transaction begins that Kafka ends after 15 s, however long the ledgers take to be read. */
static void every_ledger_is_read_before_anything_is_written(void **state LT_UNUSED)
{
    write_positions_back();
    assert_string_equal(kafka.calls, "RRRWWWWWWWWWC"); /* ledger, audit and offset of each */
}

static void a_position_that_is_written_back_has_its_time(void **state LT_UNUSED)
{
    int64_t before = lt_now_ms();
    write_positions_back();
    assert_true(kafka.ledger.position[0]);
    assert_in_range(kafka.ledger.position_ms, before, lt_now_ms());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_ledger_is_read_before_anything_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_position_that_is_written_back_has_its_time, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
