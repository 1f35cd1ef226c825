/* A secret that is read again: what replaces it, what leaves it as it was, and that nothing of it stays in memory. */
#include "gateway/base/file.h"
#include "gateway/config/secret.h"
#include "tests/unit/harness.h"

#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what was cleansed: the linker leads every call of the module through here ---- */

static const char *watched;
static size_t cleansed;

void __real_OPENSSL_cleanse(void *p, size_t len);
void __wrap_OPENSSL_cleanse(void *p, size_t len);
void __wrap_OPENSSL_cleanse(void *p, size_t len)
{
    cleansed += watched && len > 0 && memmem(p, len, watched, strlen(watched)) != NULL;
    __real_OPENSSL_cleanse(p, len);
}

/* ---- a secret in a file of a folder ---- */

struct fixture {
    char *folder, *path;
    struct lt_yaml *yaml;
    struct lt_secret secret;
    struct lt_err err;
};

static void put(struct fixture *f, const char *text)
{
    assert_int_equal(lt_file_write(f->path, lt_span_str(text), 0600, NULL), LT_OK);
}

static int make(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    struct lt_diags diags = LT_DIAGS_INIT;
    f->folder = harness_folder();
    f->path = lt_asprintf("%s/word", f->folder);
    LT_AUTOFREE char *name = lt_asprintf("%s/f.yaml", f->folder);
    put(f, "former\n");
    assert_int_equal(lt_yaml_parse(name, LT_SPAN_LIT("{file: word}"), &f->yaml, &diags), LT_OK);
    assert_true(lt_secret_read(lt_yaml_root(f->yaml), "options.password", &f->secret, &diags));
    *state = f;
    watched = NULL;
    cleansed = 0;
    return 0;
}

static int drop(void **state)
{
    struct fixture *f = *state;
    watched = NULL;
    lt_secret_deinit(&f->secret);
    lt_yaml_free(f->yaml);
    harness_folder_remove(f->folder);
    free(f->path);
    free(f);
    return 0;
}

static void a_file_that_says_the_same_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *text = f->secret.text;
    put(f, "former\r\n");
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_OK);
    assert_ptr_equal(f->secret.text, text);
}

static void another_secret_takes_its_place_and_the_former_is_cleansed(void **state)
{
    struct fixture *f = *state;
    put(f, "the new one\n");
    watched = "former";
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_SECRET_RENEWED);
    assert_int_equal(cleansed, 1);
    assert_string_equal(f->secret.text, "the new one");
    assert_string_equal(f->secret.key, "options.password");
    put(f, "a third\n");
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_SECRET_RENEWED);
    assert_string_equal(f->secret.text, "a third");
}

static void nothing_of_a_file_that_was_read_is_left_in_a_buffer(void **state)
{
    struct fixture *f = *state;
    put(f, "the new one\n");
    watched = "the new one";
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_SECRET_RENEWED);
    assert_int_equal(cleansed, 1); /* what it was read into */
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_OK);
    assert_int_equal(cleansed, 3); /* that, and the copy that was not needed */
    lt_secret_deinit(&f->secret);
    assert_int_equal(cleansed, 4);
    assert_null(f->secret.text);
    lt_secret_deinit(&f->secret);
}

static void refused(struct fixture *f, const char *why)
{
    f->err = LT_ERR_INIT;
    assert_int_equal(lt_secret_renew(&f->secret, &f->err), LT_E_INVALID);
    assert_contains(f->err.text, "options.password: expected ");
    assert_contains(f->err.text, why);
    assert_contains(f->err.text, f->path);
    assert_string_equal(f->secret.text, "former");
}

static void what_cannot_be_used_leaves_the_former_one_and_says_why(void **state)
{
    struct fixture *f = *state;
    put(f, "");
    refused(f, "got an empty one");
    put(f, "\n");
    refused(f, "got an empty one");
    assert_int_equal(unlink(f->path), 0);
    refused(f, "got none at");
    assert_int_equal(symlink("nowhere", f->path), 0);
    refused(f, "got none at");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(lt_file_write(f->path, LT_SPAN_LIT("hunter2"), 0640, NULL), LT_OK);
    refused(f, "that only its owner can read (chmod 600");
    assert_null(strstr(f->err.text, "hunter2"));
    assert_int_equal(lt_file_write(f->path, LT_SPAN_LIT("hun\0ter2"), 0600, NULL), LT_OK);
    refused(f, "got bytes with NUL");
    LT_AUTOFREE char *much = lt_alloc(100000);
    memset(much, 'x', 100000);
    assert_int_equal(lt_file_write(f->path, lt_span(much, 100000), 0600, NULL), LT_OK);
    refused(f, "got one of more than 65536 bytes");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    refused(f, "got something else");
    assert_int_equal(rmdir(f->path), 0);
}

static void a_pipe_in_its_place_is_refused_and_nobody_waits_for_it(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    refused(f, "got something else");
}

static void one_of_the_environment_stands_in_no_file(void **state)
{
    (void)state;
    struct lt_yaml *yaml;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_secret s = {0};
    assert_int_equal(setenv("LT_TEST_SECRET", "from outside", 1), 0);
    assert_int_equal(lt_yaml_parse("f.yaml", LT_SPAN_LIT("{env: LT_TEST_SECRET}"), &yaml, &diags), LT_OK);
    assert_true(lt_secret_read(lt_yaml_root(yaml), "options.password", &s, &diags));
    assert_null(lt_secret_path(&s));
    lt_secret_deinit(&s);
    assert_null(lt_secret_path(&s));
    lt_yaml_free(yaml);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, drop)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_file_that_says_the_same_changes_nothing),
        IN_FOLDER(another_secret_takes_its_place_and_the_former_is_cleansed),
        IN_FOLDER(nothing_of_a_file_that_was_read_is_left_in_a_buffer),
        IN_FOLDER(what_cannot_be_used_leaves_the_former_one_and_says_why),
        IN_FOLDER(a_pipe_in_its_place_is_refused_and_nobody_waits_for_it),
        cmocka_unit_test(one_of_the_environment_stands_in_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
