/*
 * Secrets of a target that are replaced while it runs: taken up when their file rests, whatever way it was replaced;
 * kept as they were while the file cannot be used; and whoever waits for another one does not wait longer.
 */
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "tests/unit/delivery_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct lt_opt opts[] = {{.key = "password", .type = LT_OPT_SECRET, .offset = 0}};

/* The adapter's options, and the password that the target takes. */
static struct lt_secret password;
static const char *wanted;

static void *options(void *self)
{
    (void)self;
    return &password;
}

struct fixture {
    struct world *w;
    char *folder, *path;
    struct lt_yaml *yaml;
};

static void put(const struct fixture *f, const char *text)
{
    assert_int_equal(lt_file_write(f->path, lt_span_str(text), 0600, NULL), LT_OK);
}

static enum reply knows_the_password(struct world *w, const struct seen *call)
{
    (void)w;
    (void)call;
    return strcmp(password.text, wanted) == 0 ? REPLY_OK : REPLY_CREDENTIAL;
}

static void open_with(struct fixture *f, const char *yaml)
{
    struct lt_diags diags = LT_DIAGS_INIT;
    LT_AUTOFREE char *name = lt_asprintf("%s/f.yaml", f->folder);
    assert_int_equal(lt_yaml_parse(name, lt_span_str(yaml), &f->yaml, &diags), LT_OK);
    assert_true(lt_secret_read(lt_yaml_root(f->yaml), "options.password", &password, &diags));
    f->w = world_new();
    f->w->adapter.opts = opts;
    f->w->adapter.opts_len = LT_ARRAY_LEN(opts);
    f->w->adapter.options = options;
    f->w->script = knows_the_password;
    f->w->target.retry_min_ms = f->w->target.retry_max_ms = 1000000; /* nothing here is found by waiting */
    world_open(f->w);
}

static int make(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    f->folder = harness_folder();
    f->path = lt_asprintf("%s/word", f->folder);
    put(f, "former\n");
    wanted = "former";
    *state = f;
    return 0;
}

static int drop(void **state)
{
    struct fixture *f = *state;
    world_free(f->w);
    lt_secret_deinit(&password);
    lt_yaml_free(f->yaml);
    harness_folder_remove(f->folder);
    free(f->path);
    free(f);
    return 0;
}

/* So many looks at the files. */
static void looks(struct world *w, int n)
{
    for (int i = 0; i < n; i++) {
        world_advance(w, 1000);
        world_turns(w, 20);
    }
}

/* A target that takes another password now, and an event that is not let in. */
static void paused(struct fixture *f)
{
    wanted = "the new one";
    world_received(f->w, 0, "A", 0);
    world_turns(f->w, 100);
    world_expect_status(f->w, "\"reason\":\"credential\"");
    assert_int_equal(world_forwarded(f->w), 0);
}

static void a_target_that_is_not_let_in_probes_as_soon_as_its_secret_was_replaced(void **state)
{
    struct fixture *f = *state;
    open_with(f, "{file: word}");
    looks(f->w, 3);
    paused(f);
    looks(f->w, 3);
    assert_int_equal(f->w->calls, 1);
    put(f, "the new one\n");
    looks(f->w, 3);
    assert_string_equal(password.text, "the new one");
    world_run_until_forwarded(f->w, 1);
    world_expect_status(f->w, "\"state\":\"running\"");
    world_expect_status(f->w, "\"option\":\"options.password\"");
    world_expect_status(f->w, "\"state\":\"current\",\"renewed\":1");
    assert_int_equal(world_applied_count(f->w, "A", 0, LT_STEP_UPSERT), 1);
    assert_int_equal(world_applied_count(f->w, "A", 0, LT_STEP_PROGRESS), 1);
}

/* A mounted secret of Kubernetes: word -> ..data/word, and ..data is swapped by a rename. */
static void link_to(const struct fixture *f, const char *version)
{
    LT_AUTOFREE char *beside = lt_asprintf("%s/..data_tmp", f->folder), *data = lt_asprintf("%s/..data", f->folder);
    assert_int_equal(symlink(version, beside), 0);
    assert_int_equal(rename(beside, data), 0);
}

static void a_secret_behind_a_symbolic_link_is_taken_up_when_the_link_is_swapped(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *one = lt_asprintf("%s/..one", f->folder), *two = lt_asprintf("%s/..two", f->folder),
                     *first = lt_asprintf("%s/word", one), *second = lt_asprintf("%s/word", two);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(one, 0700) | mkdir(two, 0700), 0);
    assert_int_equal(lt_file_write(first, LT_SPAN_LIT("former"), 0400, NULL), LT_OK);
    assert_int_equal(lt_file_write(second, LT_SPAN_LIT("the new one"), 0400, NULL), LT_OK);
    link_to(f, "..one");
    assert_int_equal(symlink("..data/word", f->path), 0);
    open_with(f, "{file: word}");
    looks(f->w, 3);
    paused(f);
    link_to(f, "..two");
    looks(f->w, 3);
    world_run_until_forwarded(f->w, 1);
}

static void a_file_that_is_written_in_place_with_its_former_date_is_taken_up(void **state)
{
    struct fixture *f = *state;
    struct stat was, is;
    open_with(f, "{file: word}");
    looks(f->w, 3);
    paused(f);
    wanted = "formed"; /* as long as the former */
    assert_int_equal(stat(f->path, &was), 0);
    int64_t end = lt_mono_ms() + 10000;
    do { /* the clock of a file system goes in steps */
        FILE *out = fopen(f->path, "w");
        assert_non_null(out);
        fputs("formed\n", out);
        assert_int_equal(fclose(out), 0);
        const struct timespec times[] = {was.st_atim, was.st_mtim};
        assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
        assert_int_equal(stat(f->path, &is), 0);
        assert_true(lt_mono_ms() < end);
    } while (is.st_ctim.tv_sec == was.st_ctim.tv_sec && is.st_ctim.tv_nsec == was.st_ctim.tv_nsec);
    assert_int_equal(is.st_mtim.tv_nsec, was.st_mtim.tv_nsec);
    looks(f->w, 3);
    world_run_until_forwarded(f->w, 1);
}

static void a_file_that_is_being_written_is_left_alone_until_it_rests(void **state)
{
    struct fixture *f = *state;
    char text[] = "the new one";
    open_with(f, "{file: word}");
    looks(f->w, 3);
    paused(f);
    for (size_t n = 1; n <= strlen(text); n++) {
        LT_AUTOFREE char *part = lt_strndup(text, n);
        put(f, part);
        looks(f->w, 1);
        assert_string_equal(password.text, "former");
        assert_int_equal(f->w->calls, 1);
    }
    looks(f->w, 1);
    assert_string_equal(password.text, text);
    world_run_until_forwarded(f->w, 1);
}

static void a_file_that_says_the_same_again_is_no_reason_to_ask_the_target(void **state)
{
    struct fixture *f = *state;
    open_with(f, "{file: word}");
    looks(f->w, 3);
    paused(f);
    put(f, "former\n");
    looks(f->w, 5);
    assert_int_equal(f->w->calls, 1);
    world_expect_status(f->w, "\"state\":\"current\",\"renewed\":0");
}

static void goes_bad_and_good(const void *arg)
{
    const struct fixture *f = arg;
    lt_log_threshold = LT_LOG_INFO;
    put(f, "");
    looks(f->w, 5);
    assert_string_equal(password.text, "former");
    world_expect_status(f->w, "\"state\":\"kept\"");
    world_expect_status(f->w, "got an empty one at ");
    assert_int_equal(unlink(f->path), 0);
    looks(f->w, 5);
    world_expect_status(f->w, "got none at ");
    world_received(f->w, 0, "A", 0);
    world_run_until_forwarded(f->w, 1); /* with the former one */
    put(f, "the new one\n");
    wanted = "the new one";
    looks(f->w, 3);
    lt_log_threshold = LT_LOG_ERROR + 1;
}

static size_t times_in(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

static void while_a_file_cannot_be_used_the_former_secret_goes_on_and_one_warning_says_what_to_do(void **state)
{
    struct fixture *f = *state;
    open_with(f, "{file: word}");
    looks(f->w, 3);
    LT_AUTOFREE char *said = harness_stderr_of(goes_bad_and_good, f);
    assert_int_equal(times_in(said, "secret-kept"), 1);
    assert_contains(said, "options.password: expected a file with the secret, got an empty one at ");
    assert_contains(said, "the former one goes on: write the new one beside it with mode 0600 and rename it over");
    assert_int_equal(times_in(said, "secret-taken"), 1);
    assert_null(strstr(said, "the new one holds"));
    assert_null(strstr(said, ": the new one")); /* never what it is */
    assert_string_equal(password.text, "the new one");
    world_expect_status(f->w, "\"state\":\"current\",\"renewed\":1");
    world_received(f->w, 0, "B", 0);
    world_run_until_forwarded(f->w, 2);
}

static void a_file_that_becomes_readable_again_is_found_without_a_change_of_its_contents(void **state)
{
    struct fixture *f = *state;
    struct lt_buf metrics = LT_BUF_INIT(1 << 16);
    open_with(f, "{file: word}");
    looks(f->w, 3);
    put(f, "the new one\n");
    assert_int_equal(chmod(f->path, 0644), 0);
    looks(f->w, 3);
    world_expect_status(f->w, "that only its owner can read (chmod 600");
    lt_engine_metrics(f->w->engine, &metrics);
    assert_contains(metrics.ptr, "lienthong_delivery_secrets_kept{target=\"sim\"} 1\n");
    paused(f);
    assert_int_equal(chmod(f->path, 0600), 0);
    looks(f->w, 3);
    world_run_until_forwarded(f->w, 1);
    lt_buf_reset(&metrics);
    lt_engine_metrics(f->w->engine, &metrics);
    assert_contains(metrics.ptr, "lienthong_delivery_secrets_kept{target=\"sim\"} 0\n");
    assert_contains(metrics.ptr, "lienthong_delivery_secrets_renewed_total{target=\"sim\"} 1\n");
    lt_buf_deinit(&metrics);
}

static enum reply silent_then_not_let_in(struct world *w, const struct seen *call)
{
    bool *silent = w->ctx;
    (void)call;
    return *silent ? REPLY_HOLD : w->calls == 1 ? REPLY_CREDENTIAL : REPLY_OK;
}

static void a_refusal_of_the_former_secret_that_comes_late_does_not_hold_up_the_new_one(void **state)
{
    struct fixture *f = *state;
    bool silent = true;
    open_with(f, "{file: word}");
    f->w->script = silent_then_not_let_in;
    f->w->ctx = &silent;
    looks(f->w, 3);
    world_received(f->w, 0, "A", 0);
    world_turns(f->w, 100);
    assert_int_equal(f->w->calls, 1);
    put(f, "the new one\n");
    looks(f->w, 3);
    assert_string_equal(password.text, "the new one");
    silent = false;
    world_run_until_forwarded(f->w, 1);
    assert_int_equal(world_history(f->w, "\"what\":\"credential\""), 1);
}

static void what_comes_from_the_environment_is_not_watched(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(setenv("LT_TEST_SECRET", "former", 1), 0);
    open_with(f, "{env: LT_TEST_SECRET}");
    looks(f->w, 3);
    LT_AUTOFREE char *status = world_status(f->w);
    assert_null(strstr(status, "\"secrets\""));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, drop)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_target_that_is_not_let_in_probes_as_soon_as_its_secret_was_replaced),
        IN_FOLDER(a_secret_behind_a_symbolic_link_is_taken_up_when_the_link_is_swapped),
        IN_FOLDER(a_file_that_is_written_in_place_with_its_former_date_is_taken_up),
        IN_FOLDER(a_file_that_is_being_written_is_left_alone_until_it_rests),
        IN_FOLDER(a_file_that_says_the_same_again_is_no_reason_to_ask_the_target),
        IN_FOLDER(while_a_file_cannot_be_used_the_former_secret_goes_on_and_one_warning_says_what_to_do),
        IN_FOLDER(a_file_that_becomes_readable_again_is_found_without_a_change_of_its_contents),
        IN_FOLDER(a_refusal_of_the_former_secret_that_comes_late_does_not_hold_up_the_new_one),
        IN_FOLDER(what_comes_from_the_environment_is_not_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
