#include "tests/unit/harness.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/file.h"

static int folder_setup(void **state)
{
    *state = harness_folder();
    return 0;
}

static int folder_teardown(void **state)
{
    harness_folder_remove(*state);
    return 0;
}

static size_t entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static void a_written_file_reads_back_with_its_mode_and_nothing_beside_it(void **state)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/key", (char *)*state), *text = NULL;
    size_t len = 0;
    struct stat st;
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("first"), 0644, NULL), LT_OK);
    assert_int_equal(lt_file_write(path, lt_span("a\0b", 3), 0600, NULL), LT_OK);
    assert_int_equal(lt_file_read(path, 3, &text, &len, NULL), LT_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(text, "a\0b", 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(entries(*state), 1);
}

static void replacing_a_file_leaves_its_open_readers_the_old_one(void **state)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/table", (char *)*state);
    char old[10] = "";
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("old"), 0600, NULL), LT_OK);
    FILE *reader = fopen(path, "r");
    assert_non_null(reader);
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("new"), 0600, NULL), LT_OK);
    assert_int_equal(fread(old, 1, sizeof(old), reader), 3);
    assert_string_equal(old, "old");
    fclose(reader);
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOFREE char *path = lt_asprintf("%s/taken", (char *)*state);
    LT_AUTOFREE char *inside = lt_asprintf("%s/taken/x", (char *)*state);
    LT_AUTOFREE char *missing = lt_asprintf("%s/no/such", (char *)*state);
    assert_int_equal(lt_mkdirs(inside, 0700, NULL), LT_OK);
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("x"), 0600, &err), LT_E_IO);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(lt_file_write(missing, LT_SPAN_LIT("x"), 0600, &err), LT_E_NOT_FOUND);
    assert_int_equal(entries(*state), 1);
}

static void a_missing_file_and_a_file_too_long_are_told_apart(void **state)
{
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOFREE char *path = lt_asprintf("%s/f", (char *)*state);
    char *text = NULL;
    size_t len = 7;
    assert_int_equal(lt_file_read(path, 10, &text, &len, &err), LT_E_NOT_FOUND);
    assert_string_equal(err.kind, "file-missing");
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("eleven byte"), 0600, NULL), LT_OK);
    assert_int_equal(lt_file_read(path, 10, &text, &len, &err), LT_E_LIMIT);
    assert_int_equal(lt_file_read(*state, 10, &text, &len, &err), LT_E_IO);
    assert_null(text);
    assert_int_equal(len, 7);
}

static void a_file_longer_than_one_read_is_whole(void **state)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/long", (char *)*state), *text = NULL;
    LT_AUTOFREE char *bytes = lt_alloc(100001);
    size_t len;
    memset(bytes, 'x', 100000);
    bytes[99999] = 'y';
    assert_int_equal(lt_file_write(path, lt_span(bytes, 100000), 0600, NULL), LT_OK);
    assert_int_equal(lt_file_read(path, 100000, &text, &len, NULL), LT_OK);
    assert_int_equal(len, 100000);
    assert_string_equal(text, bytes);
}

static void an_empty_file_reads_as_the_empty_string(void **state)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/empty", (char *)*state), *text = NULL;
    size_t len = 7;
    assert_int_equal(lt_file_write(path, LT_SPAN_NULL, 0600, NULL), LT_OK);
    assert_int_equal(lt_file_read(path, 0, &text, &len, NULL), LT_OK);
    assert_int_equal(len, 0);
    assert_string_equal(text, "");
}

static void folders_are_made_along_the_path_and_again(void **state)
{
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOFREE char *path = lt_asprintf("%s/a//b/c/", (char *)*state);
    LT_AUTOFREE char *file = lt_asprintf("%s/a/f", (char *)*state);
    struct stat st;
    assert_int_equal(lt_mkdirs(path, 0700, &err), LT_OK);
    assert_int_equal(lt_mkdirs(path, 0700, &err), LT_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(lt_file_write(file, LT_SPAN_LIT("x"), 0600, NULL), LT_OK);
    assert_int_equal(lt_mkdirs(file, 0700, &err), LT_E_IO);
    assert_int_not_equal(lt_mkdirs("", 0700, &err), LT_OK);
}

static void paths_are_taken_beside_the_file_that_names_them(void **state)
{
    (void)state;
    static const struct {
        const char *beside, *path, *want;
    } cases[] = {{"config/gateway.yaml", "tables/x.csv", "config/tables/x.csv"},
                 {"gateway.yaml", "tables/x.csv", "tables/x.csv"},
                 {"/gateway.yaml", "x", "/x"},
                 {"config/gateway.yaml", "/etc/x", "/etc/x"}};
    for (size_t i = 0; i < LT_ARRAY_LEN(cases); i++) {
        LT_AUTOFREE char *got = lt_path_beside(cases[i].beside, cases[i].path);
        assert_string_equal(got, cases[i].want);
    }
}

static void a_mark_tells_a_file_that_is_not_as_it_was(void **state)
{
    const char *folder = *state;
    LT_AUTOFREE char *path = lt_asprintf("%s/a", folder), *beside = lt_asprintf("%s/b", folder);
    struct lt_file_mark last;
    lt_file_mark_take(path, &last);
    assert_false(lt_file_mark_look(path, &last));
    assert_int_equal(lt_file_write(path, LT_SPAN_LIT("one"), 0600, NULL), LT_OK);
    assert_true(lt_file_mark_look(path, &last));
    assert_false(lt_file_mark_look(path, &last));
    assert_int_equal(lt_file_write(beside, LT_SPAN_LIT("two"), 0600, NULL), LT_OK);
    assert_int_equal(rename(beside, path), 0);
    assert_true(lt_file_mark_look(path, &last));
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(lt_file_mark_look(path, &last));
    assert_int_equal(rename(path, beside), 0);
    assert_true(lt_file_mark_look(path, &last));
    assert_int_equal(symlink("b", path), 0);
    assert_true(lt_file_mark_look(path, &last));
    assert_false(lt_file_mark_look(path, &last));
    lt_file_mark_take(NULL, &last);
    assert_false(lt_file_mark_look(NULL, &last));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_written_file_reads_back_with_its_mode_and_nothing_beside_it),
        IN_FOLDER(replacing_a_file_leaves_its_open_readers_the_old_one),
        IN_FOLDER(a_failed_write_leaves_nothing_behind),
        IN_FOLDER(a_missing_file_and_a_file_too_long_are_told_apart),
        IN_FOLDER(a_file_longer_than_one_read_is_whole),
        IN_FOLDER(an_empty_file_reads_as_the_empty_string),
        IN_FOLDER(folders_are_made_along_the_path_and_again),
        IN_FOLDER(a_mark_tells_a_file_that_is_not_as_it_was),
        cmocka_unit_test(paths_are_taken_beside_the_file_that_names_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
