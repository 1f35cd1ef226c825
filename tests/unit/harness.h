/*
 * What every unit test needs: cmocka with the headers it forgets to include, comparisons of spans with literals, and
 * a folder of its own for tests that write files. Link lt_test_harness (lt_test(... DEPS test_harness)).
 */
#ifndef LT_TESTS_UNIT_HARNESS_H
#define LT_TESTS_UNIT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/base.h"

/* Shows both texts when they differ. */
void harness_span_is(struct lt_span got, const char *want, const char *file, int line);
#define assert_span_is(got, want) harness_span_is((got), (want), __FILE__, __LINE__)

/* Shows the text when the part is not in it. */
void harness_contains(const char *text, const char *part, const char *file, int line);
#define assert_contains(text, part) harness_contains((text), (part), __FILE__, __LINE__)

/*
 * Looks again and again until the condition, which another thread or process brings about, holds; fails when it has not
 * come after a minute.
 */
#define WAIT_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        int64_t end_ms_ = 0;                                                                                           \
        while (!(condition))                                                                                           \
            harness_pause(&end_ms_, #condition, __FILE__, __LINE__);                                                   \
    } while (0)
void harness_pause(int64_t *end_ms, const char *condition, const char *file, int line);

/* A new empty folder below TMPDIR (or the system's); caller frees the path and removes the folder below. */
char *harness_folder(void);
/* Removes the folder and all in it; frees the path. */
void harness_folder_remove(char *path);

/*
 * What file descriptor 2 receives while fn runs; caller frees. For tests of the log.
 */
char *harness_stderr_of(void (*fn)(const void *), const void *arg);

#endif
