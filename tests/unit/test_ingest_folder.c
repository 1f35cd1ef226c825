#include "tests/unit/test_ingest_kit.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/ingest/folder.h"
#include "gateway/model/event.h"

struct fixture {
    struct ingest_kit kit;
    char *path;
    struct lt_config_folder config;
    struct lt_folder *folder;
};

static int setup(void **state)
{
    struct fixture *f = lt_alloc(sizeof(*f));
    ingest_kit_init(&f->kit);
    f->path = harness_folder();
    f->config = (struct lt_config_folder){.name = "spool", .path = f->path, .client = "tinh-h22", .poll_ms = 10};
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    lt_folder_stop(f->folder);
    lt_folder_free(lt_steal(&f->folder));
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->folder)
        stop(f);
    harness_folder_remove(f->path);
    ingest_kit_deinit(&f->kit);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_folder_start(&f->kit.intake, f->kit.known, f->kit.mapping.m, &f->config, &f->folder, &err) != LT_OK)
        fail_msg("%s", err.text);
}

static char *in(struct fixture *f, const char *name)
{
    return lt_asprintf("%s/%s", f->path, name);
}

static void put(struct fixture *f, const char *name, const char *text)
{
    LT_AUTOFREE char *path = in(f, name);
    assert_int_equal(lt_file_write(path, lt_span_str(text), 0640, NULL), LT_OK);
}

static bool exists(struct fixture *f, const char *name)
{
    LT_AUTOFREE char *path = in(f, name);
    return access(path, F_OK) == 0;
}

static bool status_has(struct fixture *f, const char *part)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(4096);
    struct lt_json_writer w;
    lt_json_writer_init(&w, &out);
    lt_folder_status(f->folder, &w);
    return strstr(out.ptr, part) != NULL;
}

static char *content(struct fixture *f, const char *name)
{
    LT_AUTOFREE char *path = in(f, name);
    char *text = NULL;
    size_t len;
    assert_int_equal(lt_file_read(path, 1 << 20, &text, &len, NULL), LT_OK);
    return text;
}

static void a_file_is_sent_and_put_away_with_its_receipt(void **state)
{
    struct fixture *f = *state;
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(exists(f, "done/a.json"));
    LT_AUTOFREE char *receipt = content(f, "done/a.json.receipt.json");
    assert_non_null(strstr(receipt, "\"status\":\"accepted\""));
    assert_false(exists(f, "a.json"));
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 1);
    assert_span_is(fake_header(fake_at(&f->kit.log, LT_TOPIC_INTAKE, 0), "lt_client"), "tinh-h22");
    put(f, "a.json", small_event("H22.01-2", "receive", "H22.01")); /* the same name again */
    WAIT_UNTIL(exists(f, "done/a~2.json"));
    assert_true(exists(f, "done/a~2.json.receipt.json"));
    WAIT_UNTIL(status_has(f, "\"state\":\"running\",\"done\":2,\"refused\":0"));
}

static void a_refused_file_is_kept_with_the_reason(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *list = lt_asprintf("[%s,%s]", small_event("H22.01-1", "receive", "H22.01"),
                                         small_event("H22.01-2", "receive", "H22.99"));
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.99"));
    put(f, "b.json", list);
    start(f);
    WAIT_UNTIL(exists(f, "refused/b.json"));
    LT_AUTOFREE char *one = content(f, "refused/a.json.reason.json"), *both = content(f, "refused/b.json.reason.json");
    assert_non_null(strstr(one, "\"code\":\"unknown-unit\""));
    assert_non_null(strstr(both, "\"index\":0,\"receipt\":")); /* what was accepted all the same */
    assert_non_null(strstr(both, "\"index\":1,\"status\":\"refused\""));
    assert_span_is(fake_header(fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 0), "lt_position"), "a.json");
    assert_span_is(fake_header(fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 1), "lt_position"), "b.json item 1");
    assert_span_is(fake_header(fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 1), "lt_source"), "folder:spool");
}

static void names_that_are_not_for_us_stay(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {".hidden.json", "a.json.part", "b.xml.tmp", "c.txt", "README"};
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        put(f, names[i], small_event("H22.01-1", "receive", "H22.01"));
    LT_AUTOFREE char *folder = in(f, "folder.json"), *link = in(f, "link.json");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink("/etc/hostname", link), 0);
    put(f, "z.json", small_event("H22.01-9", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(exists(f, "done/z.json"));
    for (size_t i = 0; i < LT_ARRAY_LEN(names); i++)
        assert_true(exists(f, names[i]));
    assert_true(exists(f, "folder.json"));
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 1);
}

static void a_file_that_is_still_being_written_is_not_read(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *path = in(f, "slow.json");
    const char *text = small_event("H22.01-1", "receive", "H22.01");
    f->config.poll_ms = 400; /* no machine is so busy that nothing is written for so long */
    start(f);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    /* It changes much more often than it is looked at, for some looks. */
    for (size_t i = 0; i < strlen(text); i++) {
        fputc(text[i], file);
        fflush(file);
        assert_true(exists(f, "slow.json"));
        usleep(5000);
    }
    fclose(file);
    WAIT_UNTIL(exists(f, "done/slow.json"));
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_DEADLETTER), 0);
}

static void while_kafka_is_away_the_file_stays_claimed(void **state)
{
    struct fixture *f = *state;
    fake_fault(&f->kit.log, NULL, LT_E_UNAVAILABLE, 0, 2);
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(status_has(f, "\"state\":\"waiting-for-kafka\""));
    assert_true(exists(f, ".claimed/a/a.json"));
    WAIT_UNTIL(exists(f, "done/a.json"));
    WAIT_UNTIL(status_has(f, "\"state\":\"running\""));
}

static void stopping_while_kafka_is_away_leaves_the_file_for_the_next_start(void **state)
{
    struct fixture *f = *state;
    fake_fault(&f->kit.log, NULL, LT_E_UNAVAILABLE, 0, 1000000);
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(status_has(f, "\"state\":\"waiting-for-kafka\""));
    stop(f);
    assert_true(exists(f, ".claimed/a/a.json"));
    fake_fault(&f->kit.log, NULL, LT_OK, 0, 0);
    start(f);
    WAIT_UNTIL(exists(f, "done/a.json"));
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 1);
}

static void what_a_crash_left_claimed_is_sent_again(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *claimed = in(f, ".claimed/a"), *other = in(f, ".claimed/b");
    assert_int_equal(lt_mkdirs(claimed, 0750, NULL), LT_OK);
    assert_int_equal(lt_mkdirs(other, 0750, NULL), LT_OK);
    put(f, ".claimed/a/x.json", small_event("H22.01-1", "receive", "H22.01"));
    put(f, ".claimed/b/y.json", small_event("H22.01-2", "receive", "H22.01"));
    start(f);
    WAIT_UNTIL(exists(f, "done/x.json"));
    put(f, "z.json", small_event("H22.01-3", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, "done/z.json"));
    WAIT_UNTIL(exists(f, "done/y.json")); /* of an instance that is gone: whoever holds the folder */
}

/* A look at .claimed that failed at the start must not strand files, nor let a namesake be claimed over them. */
static void what_stands_claimed_is_sent_before_a_namesake_is_claimed(void **state)
{
    struct fixture *f = *state;
    start(f);
    LT_AUTOFREE char *claimed = lt_asprintf(".claimed/%s/a.json", f->kit.intake.config->instance);
    put(f, claimed, small_event("H22.01-1", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, "done/a.json"));
    put(f, "a.json", small_event("H22.01-2", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, "done/a~2.json"));
    assert_int_equal(fake_count(&f->kit.log, LT_TOPIC_INTAKE), 2);
}

static void a_file_above_the_limit_is_refused_with_its_digest(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *large = lt_alloc(300001);
    memset(large, 'x', 300000);
    put(f, "large.xml", large);
    start(f);
    WAIT_UNTIL(exists(f, "refused/large.xml"));
    LT_AUTOFREE char *reason = content(f, "refused/large.xml.reason.json");
    assert_non_null(strstr(reason, "\"code\":\"body-too-large\""));
    const struct fake_record *r = fake_at(&f->kit.log, LT_TOPIC_DEADLETTER, 0);
    assert_int_equal(r->value_len, 65536);
    assert_span_is(fake_header(r, "lt_length"), "300000");
    assert_int_equal(fake_header(r, "lt_sha256").len, 64);
}

static void a_folder_that_cannot_be_used_is_told_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    put(f, "file", "x");
    LT_AUTOFREE char *path = in(f, "file/spool");
    f->config.path = path;
    assert_true(lt_folder_start(&f->kit.intake, f->kit.known, f->kit.mapping.m, &f->config, &f->folder, &err) < 0);
    assert_non_null(strstr(err.text, "folder spool cannot be used"));
    assert_null(f->folder);
}

static void a_second_instance_stands_by_and_takes_over(void **state)
{
    struct fixture *f = *state;
    struct lt_err err = LT_ERR_INIT;
    struct lt_config second_config = f->kit.mapping.config;
    struct lt_intake second_intake = f->kit.intake;
    struct lt_folder *first;
    second_config.instance = "second";
    second_intake.config = &second_config;
    start(f);
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, "done/a.json"));
    first = f->folder;
    assert_int_equal(lt_folder_start(&second_intake, f->kit.known, f->kit.mapping.m, &f->config, &f->folder, &err),
                     LT_OK);
    WAIT_UNTIL(status_has(f, "\"state\":\"standby\""));
    for (int i = 0; i < 5; i++) { /* whoever works, one after the other */
        LT_AUTOFREE char *name = lt_asprintf("b%d.json", i), *done = lt_asprintf("done/b%d.json", i);
        LT_AUTOFREE char *code = lt_asprintf("H22.01-2%d", i);
        put(f, name, small_event(code, "receive", "H22.01"));
        WAIT_UNTIL(exists(f, done));
    }
    WAIT_UNTIL(status_has(f, "\"state\":\"standby\",\"done\":0"));
    fake_fault(&f->kit.log, NULL, LT_OK, LT_DELIVERY_UNKNOWN, 1000000);
    put(f, "c.json", small_event("H22.01-3", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, ".claimed/a/c.json")); /* the first instance ends with a file in work */
    lt_folder_stop(first);
    lt_folder_free(first);
    fake_fault(&f->kit.log, NULL, LT_OK, LT_DELIVERY_PERSISTED, 0);
    WAIT_UNTIL(exists(f, "done/c.json"));
    WAIT_UNTIL(status_has(f, "\"state\":\"running\",\"done\":1"));
    stop(f);
}

static void a_folder_that_goes_bad_says_so_in_its_status_and_recovers(void **state)
{
    struct fixture *f = *state;
    LT_AUTOFREE char *claimed = in(f, ".claimed/a");
    start(f);
    put(f, "a.json", small_event("H22.01-1", "receive", "H22.01"));
    WAIT_UNTIL(exists(f, "done/a.json"));
    assert_int_equal(rmdir(claimed), 0);
    put(f, ".claimed/a", "in the way"); /* fails for every user, root too */
    put(f, "b.json", small_event("H22.01-2", "receive", "H22.01"));
    WAIT_UNTIL(status_has(f, "\"state\":\"trouble\",\"trouble\":\"cannot read the folder"));
    assert_true(exists(f, "b.json"));
    assert_int_equal(unlink(claimed), 0);
    assert_int_equal(mkdir(claimed, 0750), 0);
    WAIT_UNTIL(exists(f, "done/b.json"));
    WAIT_UNTIL(status_has(f, "\"state\":\"running\""));
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_is_sent_and_put_away_with_its_receipt),
        T(a_refused_file_is_kept_with_the_reason),
        T(names_that_are_not_for_us_stay),
        T(a_file_that_is_still_being_written_is_not_read),
        T(while_kafka_is_away_the_file_stays_claimed),
        T(stopping_while_kafka_is_away_leaves_the_file_for_the_next_start),
        T(what_a_crash_left_claimed_is_sent_again),
        T(what_stands_claimed_is_sent_before_a_namesake_is_claimed),
        T(a_file_above_the_limit_is_refused_with_its_digest),
        T(a_folder_that_cannot_be_used_is_told_at_the_start),
        T(a_second_instance_stands_by_and_takes_over),
        T(a_folder_that_goes_bad_says_so_in_its_status_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
