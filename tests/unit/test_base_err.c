#include "tests/unit/harness.h"

#include "gateway/base/err.h"

static void setting_an_error_fills_it_and_gives_the_code_back(void **state)
{
    (void)state;
    struct lt_err err = {.line = 3, .pointer = "/a"};
    assert_int_equal(lt_err_set(&err, LT_E_INVALID, "unknown-unit", "unit %s is unknown", "H99"), LT_E_INVALID);
    assert_int_equal(err.code, LT_E_INVALID);
    assert_string_equal(err.kind, "unknown-unit");
    assert_string_equal(err.text, "unit H99 is unknown");
    assert_int_equal(err.line, 0);
    assert_string_equal(err.pointer, "");
    assert_int_equal(lt_err_set(NULL, LT_E_IO, NULL, "nobody %s", "listens"), LT_E_IO);
}

static void the_old_text_may_be_an_argument_of_the_new_one(void **state)
{
    (void)state;
    struct lt_err err = LT_ERR_INIT;
    lt_err_set(&err, LT_E_IO, "file-io", "disk full");
    lt_err_set(&err, LT_E_LIMIT, err.kind, "spool: %s", err.text);
    assert_string_equal(err.text, "spool: disk full");
    assert_string_equal(err.kind, "file-io");
}

static void a_prefix_goes_before_the_text(void **state)
{
    (void)state;
    struct lt_err err = LT_ERR_INIT;
    lt_err_set(&err, LT_E_IO, "file-io", "disk full");
    lt_err_prefix(&err, "target %s", "portal");
    assert_string_equal(err.text, "target portal: disk full");
    assert_int_equal(err.code, LT_E_IO);
    assert_string_equal(err.kind, "file-io");
    lt_err_prefix(NULL, "nobody");
}

static void a_long_text_is_cut_between_letters(void **state)
{
    (void)state;
    struct lt_err err = LT_ERR_INIT;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(10000);
    for (int i = 0; i < 400; i++)
        lt_buf_str(&b, "ễ"); /* three bytes: 511 is no multiple */
    lt_err_set(&err, LT_E_INVALID, "x", "%s", b.ptr);
    assert_int_equal(strlen(err.text), 510);
    lt_err_prefix(&err, "a");
    assert_int_equal(strlen(err.text), 3 + 507);
}

static void diags_are_printed_in_the_order_of_file_and_line(void **state)
{
    (void)state;
    struct lt_diags d = LT_DIAGS_INIT;
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(10000);
    lt_diags_add(&d, LT_DIAG_ERROR, "routes.yaml", 9, 2, "to: expected %s", "a list");
    lt_diags_add(&d, LT_DIAG_ERROR, "gateway.yaml", 20, 1, "second");
    lt_diags_add(&d, LT_DIAG_WARNING, "gateway.yaml", 3, 5, "old key");
    lt_diags_add(&d, LT_DIAG_ERROR, "gateway.yaml", 20, 1, "third");
    lt_diags_add(&d, LT_DIAG_ERROR, "gateway.yaml", 0, 0, "empty");
    lt_diags_add(&d, LT_DIAG_ERROR, NULL, 0, 0, "no broker answers");
    lt_diags_add(&d, LT_DIAG_ERROR, "gateway.yaml", 3, 2, "first");
    assert_int_equal(d.errors, 6);
    lt_diags_print(&d, &out);
    assert_span_is(lt_buf_view(&out), "no broker answers\n"
                                      "gateway.yaml: empty\n"
                                      "gateway.yaml:3:2: first\n"
                                      "gateway.yaml:3:5: warning: old key\n"
                                      "gateway.yaml:20:1: second\n"
                                      "gateway.yaml:20:1: third\n"
                                      "routes.yaml:9:2: to: expected a list\n");
    lt_diags_deinit(&d);
    assert_int_equal(d.errors, 0);
    lt_buf_reset(&out);
    lt_diags_print(&d, &out);
    assert_span_is(lt_buf_view(&out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_an_error_fills_it_and_gives_the_code_back),
        cmocka_unit_test(the_old_text_may_be_an_argument_of_the_new_one),
        cmocka_unit_test(a_prefix_goes_before_the_text),
        cmocka_unit_test(a_long_text_is_cut_between_letters),
        cmocka_unit_test(diags_are_printed_in_the_order_of_file_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
