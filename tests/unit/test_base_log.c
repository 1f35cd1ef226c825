#include "tests/unit/harness.h"

#include <errno.h>
#include <pthread.h>

#include "gateway/base/log.h"

static void say_one(const void *text)
{
    errno = EDOM;
    lt_warn("core/3", "topic-missing", "%s", (const char *)text);
    assert_int_equal(errno, EDOM);
}

static void json_lines_keep_every_text_on_one_line(void **state)
{
    (void)state;
    lt_log_init(LT_LOG_INFO, true);
    LT_AUTOFREE char *line = harness_stderr_of(say_one, "a \"b\"\nĐà Nẵng\xFF");
    static const char want[] = "\",\"level\":\"warn\",\"subject\":\"core/3\",\"event\":\"topic-missing\","
                               "\"message\":\"a \\\"b\\\"\\nĐà Nẵng\xEF\xBF\xBD\"}\n";
    static const char start[] = "{\"time\":\"";
    assert_memory_equal(line, start, sizeof(start) - 1);
    assert_string_equal(line + sizeof(start) - 1 + strlen("2024-01-01T08:30:00.000+07:00"), want);
}

static void text_lines_cannot_be_broken_by_what_they_quote(void **state)
{
    (void)state;
    lt_log_init(LT_LOG_INFO, false);
    LT_AUTOFREE char *line = harness_stderr_of(say_one, "Hà Nội\nERROR forged\x1b[0m");
    assert_string_equal(line + strlen("2024-01-01T08:30:00.000+07:00"),
                        " warn  core/3 topic-missing: Hà Nội\\nERROR forged\\x1b[0m\n");
}

static int evaluated;
static const char *costly(void)
{
    evaluated++;
    return "x";
}

static void say_each_level(const void *arg)
{
    (void)arg;
    lt_debug("a", "b", "%s", costly());
    lt_info("a", "b", "%s", costly());
    lt_warn("a", "b", "%s", costly());
    lt_error("a", "b", "%s", costly());
}

static void levels_below_the_threshold_are_not_even_formatted(void **state)
{
    (void)state;
    lt_log_init(LT_LOG_WARN, false);
    LT_AUTOFREE char *lines = harness_stderr_of(say_each_level, NULL);
    assert_int_equal(evaluated, 2);
    assert_null(strstr(lines, "info"));
    assert_non_null(strstr(lines, "error a b: x\n"));
}

static void a_long_text_is_cut_and_says_so(void **state)
{
    (void)state;
    LT_AUTOFREE char *text = lt_alloc(100001);
    memset(text, 0x01, 100000); /* each takes six bytes in JSON */
    lt_log_init(LT_LOG_INFO, true);
    LT_AUTOFREE char *line = harness_stderr_of(say_one, text);
    size_t len = strlen(line);
    assert_true(len > 6 * 4000 && len < 32768);
    assert_string_equal(line + len - 6, "...\"}\n");
}

static void *say_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++)
        lt_info("thread", "tick", "0123456789");
    return NULL;
}

static void say_in_threads(const void *arg)
{
    (void)arg;
    pthread_t threads[4];
    for (size_t i = 0; i < LT_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, say_many, NULL), 0);
    for (size_t i = 0; i < LT_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    lt_log_init(LT_LOG_INFO, false);
    LT_AUTOFREE char *lines = harness_stderr_of(say_in_threads, NULL);
    struct lt_span rest = lt_span_str(lines), line;
    int count = 0;
    while (lt_span_cut(&rest, '\n', &line) && line.len) {
        assert_true(line.len > 29);
        assert_span_is(lt_span(line.ptr + 29, line.len - 29), " info  thread tick: 0123456789");
        count++;
    }
    assert_int_equal(count, 800);
}

static void level_words_are_read(void **state)
{
    (void)state;
    enum lt_log_level level = LT_LOG_DEBUG;
    assert_true(lt_log_level_parse("error", &level));
    assert_int_equal(level, LT_LOG_ERROR);
    assert_true(lt_log_level_parse("debug", &level));
    assert_int_equal(level, LT_LOG_DEBUG);
    assert_false(lt_log_level_parse("WARN", &level));
    assert_false(lt_log_level_parse("", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_keep_every_text_on_one_line),
        cmocka_unit_test(text_lines_cannot_be_broken_by_what_they_quote),
        cmocka_unit_test(levels_below_the_threshold_are_not_even_formatted),
        cmocka_unit_test(a_long_text_is_cut_and_says_so),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(level_words_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
