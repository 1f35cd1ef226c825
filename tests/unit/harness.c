#include "tests/unit/harness.h"

#include <ftw.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/file.h"

#define WAIT_MS 60000

void harness_span_is(struct lt_span got, const char *want, const char *file, int line)
{
    if (lt_span_is(got, want))
        return;
    print_error("got  \"" LT_SPAN_FMT "\" (%zu bytes)\nwant \"%s\" (%zu bytes)\n", LT_SPAN_ARG(got), got.len, want,
                strlen(want));
    _fail(file, line);
}

void harness_contains(const char *text, const char *part, const char *file, int line)
{
    if (strstr(text, part))
        return;
    print_error("expected \"%s\" in:\n%s\n", part, text);
    _fail(file, line);
}

void harness_pause(int64_t *end_ms, const char *condition, const char *file, int line)
{
    if (*end_ms == 0)
        *end_ms = lt_mono_ms() + WAIT_MS;
    if (lt_mono_ms() >= *end_ms) {
        print_error("waited in vain for %s\n", condition);
        _fail(file, line);
    }
    usleep(1000);
}

char *harness_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *path = lt_asprintf("%s/lienthong-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path))
        fail_msg("cannot make %s", path);
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void harness_folder_remove(char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("cannot remove %s", path);
    free(path);
}

char *harness_stderr_of(void (*fn)(const void *), const void *arg)
{
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/stderr", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    fn(arg);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    fclose(file);
    char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(path, (size_t)1 << 20, &text, &len, NULL), LT_OK);
    harness_folder_remove(folder);
    return text;
}
