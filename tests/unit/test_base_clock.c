#include "tests/unit/harness.h"

#include "gateway/base/clock.h"

struct sample {
    enum lt_time_format format;
    const char *text;
    int64_t ms;
};

/* The moments were computed with date(1). */
static void every_format_is_read_at_vietnam_time(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {LT_TIME_PORTAL, "20240101083000", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00+07:00", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00+0700", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01T01:30:00Z", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01t01:30:00z", 1704072600000},
        {LT_TIME_RFC3339, "2023-12-31T20:30:00-05:00", 1704072600000},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00.5", 1704072600500},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00.123456789+07:00", 1704072600123},
        {LT_TIME_ISO_SPACE, "2024-01-01 08:30:00", 1704072600000},
        {LT_TIME_EPOCH_MS, "1704072600123", 1704072600123},
        {LT_TIME_EPOCH_MS, "-1", -1},
        {LT_TIME_EPOCH_S, "1704072600", 1704072600000},
        {LT_TIME_DATE_COMPACT, "20240101", 1704042000000},
        {LT_TIME_DATE_ISO, "2024-01-01", 1704042000000},
        {LT_TIME_DATE_SLASH, "01/01/2024", 1704042000000},
        {LT_TIME_DATE_ISO, "1970-01-01", -25200000},
        {LT_TIME_DATE_ISO, "1945-09-02", -767862000000},
        {LT_TIME_DATE_ISO, "2024-02-29", 1709139600000},
        {LT_TIME_DATE_ISO, "2000-02-29", 951757200000},
        {LT_TIME_DATE_ISO, "0001-01-01", -62135622000000},
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(samples); i++) {
        int64_t ms = 0;
        if (!lt_time_parse(samples[i].format, lt_span_str(samples[i].text), &ms) || ms != samples[i].ms)
            fail_msg("%s: got %lld", samples[i].text, (long long)ms);
    }
}

static void dates_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {LT_TIME_PORTAL, "20240230083000", 0},
        {LT_TIME_PORTAL, "20230229000000", 0},
        {LT_TIME_PORTAL, "21000229000000", 0},
        {LT_TIME_PORTAL, "20241301000000", 0},
        {LT_TIME_PORTAL, "20240001000000", 0},
        {LT_TIME_PORTAL, "20240100000000", 0},
        {LT_TIME_PORTAL, "20240431000000", 0},
        {LT_TIME_PORTAL, "20240101240000", 0},
        {LT_TIME_PORTAL, "20240101006000", 0},
        {LT_TIME_PORTAL, "20240101000060", 0},
        {LT_TIME_PORTAL, "00000101000000", 0},
        {LT_TIME_PORTAL, "2024010108300", 0},
        {LT_TIME_PORTAL, "202401010830000", 0},
        {LT_TIME_PORTAL, "", 0},
        {LT_TIME_PORTAL, "2024-1010830000", 0},
        {LT_TIME_RFC3339, "2024-01-01", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00.", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00.1234567890", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00+7", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00+24:00", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00+07:60", 0},
        {LT_TIME_RFC3339, "2024-01-01T08:30:00Z ", 0},
        {LT_TIME_RFC3339, "2024-01-01 08:30:00", 0},
        {LT_TIME_ISO_SPACE, "2024-01-01T08:30:00", 0},
        {LT_TIME_DATE_SLASH, "30/02/2024", 0},
        {LT_TIME_DATE_SLASH, "1/1/2024", 0},
        {LT_TIME_DATE_COMPACT, "20240230", 0},
        {LT_TIME_EPOCH_MS, "1.5", 0},
        {LT_TIME_EPOCH_MS, "9223372036854775807", 0},
        {LT_TIME_EPOCH_S, "9223372036854775807", 0},
        {LT_TIME_EPOCH_S, "", 0},
    };
    int64_t ms = 42;
    for (size_t i = 0; i < LT_ARRAY_LEN(samples); i++) {
        if (lt_time_parse(samples[i].format, lt_span_str(samples[i].text), &ms))
            fail_msg("\"%s\" was read as %lld", samples[i].text, (long long)ms);
    }
    assert_true(ms == 42);
}

static void moments_are_written_at_vietnam_time(void **state)
{
    (void)state;
    char portal[15], rfc[30], date[9];
    lt_time_portal(1704072600123, portal);
    lt_time_rfc3339(1704072600123, rfc);
    lt_time_date(1704042000000 - 1, date);
    assert_string_equal(portal, "20240101083000");
    assert_string_equal(rfc, "2024-01-01T08:30:00.123+07:00");
    assert_string_equal(date, "20231231");
    lt_time_rfc3339(-1, rfc);
    assert_string_equal(rfc, "1970-01-01T06:59:59.999+07:00");
    lt_time_rfc3339(INT64_MAX, rfc);
    assert_string_equal(rfc, "9999-12-31T23:59:59.999+07:00");
    lt_time_rfc3339(INT64_MIN, rfc);
    assert_string_equal(rfc, "0001-01-01T00:00:00.000+07:00");
}

static void what_is_written_reads_back_for_every_day_of_four_centuries(void **state)
{
    (void)state;
    int64_t day, previous;
    assert_true(lt_time_parse(LT_TIME_DATE_ISO, LT_SPAN_LIT("1699-12-31"), &previous));
    for (int i = 0; i < 146097 + 2; i++) {
        char date[9], rfc[30];
        day = previous + 86400000;
        lt_time_date(day, date);
        lt_time_rfc3339(day + 12345678, rfc);
        int64_t again, moment;
        assert_true(lt_time_parse(LT_TIME_DATE_COMPACT, lt_span_str(date), &again));
        assert_true(lt_time_parse(LT_TIME_RFC3339, lt_span_str(rfc), &moment));
        assert_true(again == day && moment == day + 12345678);
        previous = day;
    }
}

static void format_names_are_read_back(void **state)
{
    (void)state;
    for (int i = 0; i < LT_TIME_FORMATS; i++) {
        enum lt_time_format f;
        assert_true(lt_time_format_parse(lt_span_str(lt_time_format_name((enum lt_time_format)i)), &f));
        assert_int_equal(f, i);
    }
    enum lt_time_format f;
    assert_false(lt_time_format_parse(LT_SPAN_LIT("dd-MM-yyyy"), &f));
}

static void durations_need_a_unit_and_do_not_overflow(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"500ms", 500}, {"10s", 10000}, {"5m", 300000}, {"2h", 7200000}, {"400d", 34560000000}, {"0s", 0}};
    static const char *const bad[] = {
        "", "5", "s", "-5s", "5 s", "1.5s", "5S", "5sec", "1h30m", " 5s", "9223372036854775807d", "106751991168d"};
    int64_t ms;
    for (size_t i = 0; i < LT_ARRAY_LEN(good); i++) {
        assert_true(lt_duration_parse(lt_span_str(good[i].text), &ms));
        assert_true(ms == good[i].ms);
    }
    ms = 42;
    for (size_t i = 0; i < LT_ARRAY_LEN(bad); i++) {
        if (lt_duration_parse(lt_span_str(bad[i]), &ms))
            fail_msg("\"%s\" was read as %lld", bad[i], (long long)ms);
    }
    assert_true(ms == 42);
}

static void clocks_go_on(void **state)
{
    (void)state;
    int64_t mono = lt_mono_ms(), boot = lt_boottime_ms();
    assert_true(lt_now_ms() > 1704072600000);
    assert_true(lt_mono_ms() >= mono && lt_boottime_ms() >= boot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read_at_vietnam_time),
        cmocka_unit_test(dates_that_do_not_exist_are_refused),
        cmocka_unit_test(moments_are_written_at_vietnam_time),
        cmocka_unit_test(what_is_written_reads_back_for_every_day_of_four_centuries),
        cmocka_unit_test(format_names_are_read_back),
        cmocka_unit_test(durations_need_a_unit_and_do_not_overflow),
        cmocka_unit_test(clocks_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
