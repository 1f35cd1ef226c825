/* What a process says of topics that go away, grow, are refused or set otherwise under it. */
#include "gateway/ops/topic_book.h"
#include "tests/unit/core_world.h"

#include <stdio.h>

struct fixture {
    struct core_world core; /* for its routes */
    struct lt_config config;
    struct lt_config_target target;
    struct lt_topic_book *book;
};

static void init(struct fixture *f, unsigned users)
{
    *f = (struct fixture){.target = {.name = "portal", .adapter = "portal"}};
    core_world_init(&f->core, &(struct core_world_plan){.partitions = 1});
    f->config = f->core.config;
    f->config.targets = &f->target;
    f->config.targets_len = 1;
    f->config.topics.record_max = 1000000;
    f->config.topics.queue_retention_ms = 86400000;
    f->book = lt_topic_book_new(&f->config, f->core.routes, users);
}

static void deinit(struct fixture *f)
{
    lt_topic_book_free(f->book);
    core_world_deinit(&f->core);
}

/* lt_topic_book_len when it is not this process's business. */
static size_t find(const struct fixture *f, const char *topic)
{
    size_t n = lt_topic_book_len(f->book), i = 0;
    while (i < n && strcmp(lt_topic_book_plan(f->book, i)->name, topic) != 0)
        i++;
    return i;
}

static void see(struct fixture *f, const char *topic, int32_t partitions)
{
    size_t i = find(f, topic);
    assert_true(i < lt_topic_book_len(f->book));
    lt_topic_book_see(f->book, i, partitions, 1000);
}

static void see_setting(struct fixture *f, const char *topic, const char *setting, const char *wanted,
                        const char *actual)
{
    struct lt_topic_report r = {.state = LT_TOPIC_DRIFT};
    struct lt_topic_drift *d = lt_vec_push(&r.drift);
    snprintf(d->setting, sizeof(d->setting), "%s", setting);
    snprintf(d->wanted, sizeof(d->wanted), "%s", wanted);
    snprintf(d->actual, sizeof(d->actual), "%s", actual);
    lt_topic_book_see_settings(f->book, find(f, topic), &r, 1000);
    lt_topic_report_deinit(&r);
}

static void expect(const struct fixture *f, bool ready, const char *const *parts)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(1 << 16), why = LT_BUF_INIT(1 << 16);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_topic_book_status(f->book, 61000, &w);
    assert_int_equal(lt_topic_book_ready(f->book, &why), ready);
    if (!parts)
        assert_string_equal(lt_buf_view(&out).ptr, "[]");
    for (; parts && *parts; parts++)
        if (!strstr(lt_buf_view(&out).ptr, *parts))
            fail_msg("expected %s in %s", *parts, lt_buf_view(&out).ptr);
}
#define PARTS(...)                                                                                                     \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }

static void a_topic_is_gone_when_two_looks_did_not_find_it_and_well_when_one_does(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, LT_TOPIC_OF_CORE);
    see(&f, "lt.position", 1);
    see(&f, "lt.position", 0);
    expect(&f, true, NULL); /* a broker that has just started may say so */
    see(&f, "lt.position", 1);
    see(&f, "lt.position", 0);
    expect(&f, true, NULL);
    see(&f, "lt.position", 0);
    expect(&f, false,
           PARTS("\"topic\":\"lt.position\"", "\"reason\":\"TOPIC-MISSING\"", "does not exist any more",
                 "\"command\":\"lienthong topics create\"", "\"since_s\":60"));
    LT_AUTOBUF struct lt_buf why = LT_BUF_INIT(1 << 16), metrics = LT_BUF_INIT(1 << 16);
    assert_false(lt_topic_book_ready(f.book, &why));
    assert_non_null(strstr(why.ptr, "lt.position"));
    assert_non_null(strstr(why.ptr, "run: lienthong topics create"));
    lt_topic_book_metrics(f.book, &metrics);
    assert_non_null(strstr(metrics.ptr, "lt_topic_trouble{reason=\"TOPIC-MISSING\"} 1\n"));
    see(&f, "lt.position", 3); /* made again, however it is divided */
    expect(&f, true, NULL);
    deinit(&f);
}

static void each_kind_of_topic_says_what_is_safe_and_what_went_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *safe, *advice;
    } rows[] = {
        {"lt.intake", "nothing more is accepted", "is another log"},
        {"lt.position", "the group lt.core as well", "it goes on by itself"},
        {"lt.quarantine", "events wait in lt.intake", "it goes on by itself"},
        {"lt.portal", "had not been begun went with it", "QUEUE-CHANGED"},
        {"lt.ledger.portal", "nothing is sent", "LEDGER-DIFFERS"},
        {"lt.control.portal", "stands in the ledger", "Decide again"},
        {"lt.history.portal", "outcomes wait", "past attempts"},
        {"lt.audit", "what must be audited is not done", "it goes on by itself"},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(rows); i++) {
        struct fixture f;
        init(&f, LT_TOPIC_OF_INGEST | LT_TOPIC_OF_CORE | LT_TOPIC_OF_DELIVERY);
        see(&f, rows[i].topic, 0);
        see(&f, rows[i].topic, 0);
        expect(&f, false, PARTS(rows[i].topic, rows[i].safe, rows[i].advice));
        deinit(&f);
    }
}

static void topics_of_other_roles_are_not_this_process_business(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, LT_TOPIC_OF_INGEST);
    assert_true(find(&f, "lt.intake") < lt_topic_book_len(f.book));
    assert_true(find(&f, "lt.deadletter") < lt_topic_book_len(f.book));
    assert_int_equal(find(&f, "lt.ledger.portal"), lt_topic_book_len(f.book));
    assert_int_equal(find(&f, "lt.position"), lt_topic_book_len(f.book));
    deinit(&f);
    init(&f, LT_TOPIC_OF_DELIVERY);
    assert_true(find(&f, "lt.ledger.portal") < lt_topic_book_len(f.book));
    assert_int_equal(find(&f, "lt.intake"), lt_topic_book_len(f.book));
    deinit(&f);
}

static void a_topic_that_grew_is_an_alarm_and_no_reason_not_to_be_ready(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, LT_TOPIC_OF_CORE);
    see(&f, "lt.intake", 2);
    see(&f, "lt.intake", 3);
    expect(&f, true, PARTS("\"reason\":\"TOPIC-DIVIDED\"", "has 3 partitions, it had 2", "INTAKE-CHANGED"));
    deinit(&f);
}

static void a_topic_that_may_not_be_seen_names_the_rights(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, LT_TOPIC_OF_CORE);
    see(&f, "lt.quarantine", 2);
    see(&f, "lt.quarantine", -1);
    see(&f, "lt.quarantine", -1);
    expect(&f, false, PARTS("\"reason\":\"TOPIC-REFUSED\"", "Mend the ACL"));
    see(&f, "lt.quarantine", 2);
    expect(&f, true, NULL);
    deinit(&f);
}

static void only_settings_that_endanger_records_are_told_with_the_command_that_mends_them(void **state)
{
    (void)state;
    struct fixture f;
    init(&f, LT_TOPIC_OF_CORE | LT_TOPIC_OF_DELIVERY);
    see_setting(&f, "lt.portal", "retention.ms", "86400000", "172800000"); /* longer: nothing is lost */
    expect(&f, true, NULL);
    see_setting(&f, "lt.portal", "retention.ms", "86400000", "-1");
    expect(&f, true, NULL);
    see_setting(&f, "lt.portal", "retention.ms", "86400000", "1000");
    expect(&f, true,
           PARTS("\"reason\":\"TOPIC-SETTINGS\"", "retention.ms is 1000, wanted 86400000",
                 "--alter --topic lt.portal --add-config retention.ms=86400000"));
    see_setting(&f, "lt.portal", "retention.bytes", "-1", "1000");
    expect(&f, true, PARTS("retention.bytes is 1000, wanted -1"));
    see_setting(&f, "lt.portal", "max.message.bytes", "1000000", "500");
    expect(&f, true, PARTS("max.message.bytes is 500"));
    see_setting(&f, "lt.portal", "cleanup.policy", "delete", "compact");
    expect(&f, true, PARTS("cleanup.policy is compact"));
    see_setting(&f, "lt.portal", "segment.bytes", "100", "10");
    expect(&f, true, NULL);
    deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_gone_when_two_looks_did_not_find_it_and_well_when_one_does),
        cmocka_unit_test(each_kind_of_topic_says_what_is_safe_and_what_went_with_it),
        cmocka_unit_test(topics_of_other_roles_are_not_this_process_business),
        cmocka_unit_test(a_topic_that_grew_is_an_alarm_and_no_reason_not_to_be_ready),
        cmocka_unit_test(a_topic_that_may_not_be_seen_names_the_rights),
        cmocka_unit_test(only_settings_that_endanger_records_are_told_with_the_command_that_mends_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
