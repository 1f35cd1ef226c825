/* The portal's catalogue as an effective-dated table. */
#include "adapters/portal/procedures.h"
#include "gateway/base/file.h"
#include "tests/unit/harness.h"

struct table {
    struct lt_procedures procedures, now; /* now: of the last pull, whose changes tell its texts */
    struct lt_procedure_changes changes;
};

static const char *status = "1"; /* TRANGTHAI of all of them */

static void take(struct lt_procedures *now, const char *code, const char *name, const char *days)
{
    LT_AUTO_JSON struct lt_json *doc = NULL;
    struct lt_err err = LT_ERR_INIT;
    const struct lt_json_limits limits = {.bytes_max = 65536, .depth_max = 16};
    LT_AUTOFREE char *text =
        lt_asprintf("{\"result\":[{\"MATTHC\":\"%s\",\"TENTTHC\":\"%s\",\"TRANGTHAI\":\"%s\",\"LINHVUCTHUCHIEN\":[{"
                    "\"MALINHVUC\":\"HT\",\"TENLINHVUC\":\"Hộ "
                    "tịch\"}],\"CACHTHUCTHUCHIEN\":[{\"KENH\":\"2\",\"THOIGIAN\":[{"
                    "\"THOIGIANGIAIQUYET\":\"%s\",\"DONVITINH\":\"ngày\","
                    "\"PHILEPHI\":[{\"SOTIEN\":\"8000\"}]}]}]}]}",
                    code, name, status, days);
    assert_int_equal(lt_json_parse(lt_span_str(text), &limits, &doc, NULL), LT_OK);
    if (lt_procedures_take(lt_json_root(doc), lt_span_str(code), now, &err) != LT_OK)
        fail_msg("%s", err.text);
}

/* Of each procedure that the portal has now its code, name and days. */
static void pull(struct table *t, const char *today, const char *const *codes, size_t n)
{
    t->changes.list.len = 0;
    lt_procedures_deinit(&t->now);
    t->now = LT_PROCEDURES_INIT;
    for (size_t i = 0; i < n; i += 3)
        take(&t->now, codes[i], codes[i + 1], codes[i + 2]);
    lt_procedures_merge(&t->procedures, &t->now, today, &t->changes);
}
#define PULL(t, today, ...)                                                                                            \
    do {                                                                                                               \
        static const char *const codes[] = {__VA_ARGS__};                                                              \
        pull((t), (today), codes, LT_ARRAY_LEN(codes));                                                                \
    } while (0)

/* "code name from..to", one a line. */
static void is(const struct table *t, const char *want)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(65536);
    for (size_t i = 0; i < t->procedures.list.len; i++) {
        const struct lt_procedure *p = &t->procedures.list.v[i];
        lt_buf_printf(&out, "%s %s %s..%s\n", p->values[LT_PROC_CODE], p->values[LT_PROC_NAME], p->from ? p->from : "",
                      p->to ? p->to : "");
    }
    assert_span_is(lt_buf_view(&out), want);
}

static void unload(struct table *t)
{
    lt_procedures_deinit(&t->procedures);
    lt_procedures_deinit(&t->now);
    lt_vec_deinit(&t->changes.list);
}

static void changes_begin_and_end_at_their_day_and_nothing_is_taken_out(void **state)
{
    (void)state;
    struct table t = {.procedures = LT_PROCEDURES_INIT};
    PULL(&t, "2025-09-01", "1", "A", "3", "2", "B", "3");
    is(&t, "1 A ..\n2 B ..\n"); /* what the first pull finds counts for earlier events too */
    assert_int_equal(t.changes.list.len, 2);
    PULL(&t, "2025-09-02", "1", "A", "3", "2", "B", "3");
    assert_int_equal(t.changes.list.len, 0);
    PULL(&t, "2025-09-03", "1", "A2", "5", "3", "C", "3");
    is(&t, "1 A ..2025-09-03\n2 B ..2025-09-03\n1 A2 2025-09-03..\n3 C 2025-09-03..\n");
    assert_int_equal(t.changes.list.len, 4); /* vanished 2; name and time of 1; added 3 */
    assert_int_equal(t.changes.list.v[0].what, LT_PROC_VANISHED);
    assert_string_equal(t.changes.list.v[0].code, "2");
    assert_string_equal(t.changes.list.v[2].field, "time-2");
    PULL(&t, "2025-09-04", "1", "A2", "5", "2", "B", "3", "3", "C", "3");
    is(&t, "1 A ..2025-09-03\n2 B ..2025-09-03\n1 A2 2025-09-03..\n3 C 2025-09-03..\n2 B 2025-09-04..\n");
    assert_int_equal(t.changes.list.v[0].what, LT_PROC_BACK);
    assert_int_equal(lt_procedures_in_force(&t.procedures), 3);
    unload(&t);
}

static void several_pulls_of_a_day_leave_no_entry_of_no_time(void **state)
{
    (void)state;
    struct table t = {.procedures = LT_PROCEDURES_INIT};
    PULL(&t, "2025-09-01", "1", "A", "3", "2", "B", "3");
    PULL(&t, "2025-09-05", "1", "A", "3", "2", "B", "3", "3", "C", "3");
    PULL(&t, "2025-09-05", "1", "A", "3", "3", "C2", "3");
    is(&t, "1 A ..\n2 B ..2025-09-05\n3 C2 2025-09-05..\n");
    PULL(&t, "2025-09-05", "1", "A", "3", "2", "B", "3");
    is(&t, "1 A ..\n2 B ..\n"); /* 3 came and went, 2 was away for no day */
    unload(&t);
}

/* A table of a former version knows nothing of it, and is no other one for that. */
static void a_procedure_that_is_not_public_any_more_is_a_difference_and_stands_in_the_table(void **state)
{
    (void)state;
    struct table t = {.procedures = LT_PROCEDURES_INIT};
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(65536);
    PULL(&t, "2025-09-01", "1", "A", "3");
    assert_string_equal(t.procedures.list.v[0].values[LT_PROC_STATUS], "");
    status = "2";
    PULL(&t, "2025-09-02", "1", "A", "3");
    assert_int_equal(t.changes.list.len, 1);
    assert_int_equal(t.changes.list.v[0].what, LT_PROC_CHANGED);
    assert_string_equal(t.changes.list.v[0].field, "status");
    assert_string_equal(t.changes.list.v[0].after, "2");
    is(&t, "1 A ..2025-09-02\n1 A 2025-09-02..\n");
    lt_procedures_write(&t.procedures, "portal-procedures", &out);
    assert_contains(out.ptr, "name: \"A\", status: \"2\", linh-vuc");
    status = "1";
    PULL(&t, "2025-09-03", "1", "A", "3");
    assert_string_equal(t.changes.list.v[0].before, "2");
    unload(&t);
}

static void what_is_written_is_read_again_alike(void **state)
{
    (void)state;
    struct table t = {.procedures = LT_PROCEDURES_INIT}, again = {.procedures = LT_PROCEDURES_INIT};
    struct lt_diags diags = LT_DIAGS_INIT;
    struct lt_buf out = LT_BUF_INIT(65536), second = LT_BUF_INIT(65536);
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/t.yaml", folder);
    assert_int_equal(lt_procedures_load(path, &again.procedures, &diags), LT_OK); /* none yet: an empty one */
    PULL(&t, "2025-09-01", "1.001193", "Đăng ký \\\"khai sinh\\\": {a}", "3");
    PULL(&t, "2025-09-02", "2.000815", "B", "3");
    lt_procedures_write(&t.procedures, "portal-procedures", &out);
    assert_contains(out.ptr, "table: portal-procedures\nkind: codes\n");
    assert_contains(out.ptr,
                    "{code: \"2.000815\", value: \"2.000815\", name: \"B\", linh-vuc: \"HT\", linh-vuc-name: \"Hộ "
                    "tịch\", time-2: \"3 ngày\", fee-2: \"8000\", from: 2025-09-02}");
    assert_int_equal(lt_file_write(path, lt_buf_view(&out), 0644, NULL), LT_OK);
    assert_int_equal(lt_procedures_load(path, &again.procedures, &diags), LT_OK);
    lt_procedures_write(&again.procedures, "portal-procedures", &second);
    assert_string_equal(out.ptr, second.ptr);
    lt_buf_deinit(&out);
    lt_buf_deinit(&second);
    lt_diags_deinit(&diags);
    unload(&t);
    unload(&again);
    harness_folder_remove(folder);
}

static void an_answer_about_another_procedure_is_none(void **state)
{
    (void)state;
    struct lt_procedures now = LT_PROCEDURES_INIT;
    static const char *const answers[] = {"{}", "{\"result\":[]}", "{\"result\":[{\"MATTHC\":\"2\"}]}",
                                          "{\"result\":null}"};
    const struct lt_json_limits limits = {.bytes_max = 65536, .depth_max = 16};
    for (size_t i = 0; i < LT_ARRAY_LEN(answers); i++) {
        LT_AUTO_JSON struct lt_json *doc = NULL;
        assert_int_equal(lt_json_parse(lt_span_str(answers[i]), &limits, &doc, NULL), LT_OK);
        assert_int_equal(lt_procedures_take(lt_json_root(doc), LT_SPAN_LIT("1"), &now, NULL), LT_E_INVALID);
    }
    assert_int_equal(now.list.len, 0);
    lt_procedures_deinit(&now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_begin_and_end_at_their_day_and_nothing_is_taken_out),
        cmocka_unit_test(several_pulls_of_a_day_leave_no_entry_of_no_time),
        cmocka_unit_test(a_procedure_that_is_not_public_any_more_is_a_difference_and_stands_in_the_table),
        cmocka_unit_test(what_is_written_is_read_again_alike),
        cmocka_unit_test(an_answer_about_another_procedure_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
