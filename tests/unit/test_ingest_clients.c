#include "tests/unit/test_ingest_kit.h"

#include <stdio.h>

static struct lt_opt_strings words(const char *a, const char *b)
{
    struct lt_opt_strings s = {lt_calloc(2, sizeof(char *)), b ? 2 : 1};
    s.v[0] = a;
    s.v[1] = b;
    return s;
}

static struct lt_http_peer peer(const char *cn, const char *san, const char *fingerprint)
{
    struct lt_http_peer p = {.san_len = *san ? 1 : 0};
    snprintf(p.subject_cn, sizeof(p.subject_cn), "%s", cn);
    snprintf(p.san[0], sizeof(p.san[0]), "%s", san);
    snprintf(p.fingerprint, sizeof(p.fingerprint), "%s", fingerprint);
    return p;
}

static void a_certificate_is_found_by_fingerprint_then_san_then_name(void **state)
{
    (void)state;
    static const char digits[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct lt_config_client clients[] = {
        {.name = "by-cn", .subject_cn = "x"},
        {.name = "by-san", .san = "X.test"},
        {.name = "by-print",
         .fingerprint = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00112233445566778899aabbccddeeff"}};
    struct lt_config c = {.clients = clients, .clients_len = 3};
    struct lt_clients *cs = lt_clients_new(&c);
    struct lt_http_peer all = peer("x", "x.test", digits), named = peer("x", "x.test", "ff"),
                        cn = peer("x", "y.test", "ff"), none = peer("X", "y.test", "ff"),
                        plain = peer("x", "x.test", ""), empty = peer("", "", "ff");
    assert_string_equal(lt_clients_of(cs, &all)->name, "by-print");
    assert_string_equal(lt_clients_of(cs, &named)->name, "by-san");
    assert_string_equal(lt_clients_of(cs, &cn)->name, "by-cn");
    assert_null(lt_clients_of(cs, &none));
    assert_null(lt_clients_of(cs, &plain)); /* without a certificate nobody */
    assert_null(lt_clients_of(cs, &empty));
    lt_clients_free(cs);
}

static void a_client_sends_what_its_globs_allow_and_nothing_else(void **state)
{
    (void)state;
    struct lt_event e = {
        .province = LT_SPAN_LIT("H22"), .unit = LT_SPAN_LIT("H22.01"), .source = LT_SPAN_LIT("motcua.h22")};
    struct lt_config_client c = {.role = LT_ROLE_PROVINCE, .provinces = words("H40", "H22")};
    struct lt_span received = LT_SPAN_LIT("received");
    struct lt_refusal why;
    assert_true(lt_client_may_send(&c, &e, received, &why));
    c.units = words("H40.*", "H22.0*");
    c.sources = words("motcua.*", NULL);
    c.types = words("supplement-*", "received");
    assert_true(lt_client_may_send(&c, &e, received, &why));
    assert_false(lt_client_may_send(&c, &e, LT_SPAN_LIT("completed"), &why));
    assert_string_equal(why.code, "type-not-allowed");
    e.unit = LT_SPAN_LIT("H22.11");
    assert_false(lt_client_may_send(&c, &e, received, &why));
    assert_string_equal(why.code, "unit-not-allowed");
    e.source = LT_SPAN_LIT("other");
    assert_false(lt_client_may_send(&c, &e, received, &why));
    assert_string_equal(why.code, "source-not-allowed");
    e.province = LT_SPAN_LIT("H2");
    assert_false(lt_client_may_send(&c, &e, received, &why));
    assert_string_equal(why.code, "other-province");
    assert_int_equal(why.status, 403);
    free(c.provinces.v);
    c.provinces = (struct lt_opt_strings){0};
    assert_false(lt_client_may_send(&c, &e, received, &why)); /* a province without list sends for none */
    free(c.units.v);
    free(c.sources.v);
    free(c.types.v);
    c = (struct lt_config_client){.role = LT_ROLE_POSTAL};
    assert_true(lt_client_may_send(&c, &e, received, &why));
    assert_true(lt_client_sends(&c));
    c.role = LT_ROLE_OPERATOR;
    assert_false(lt_client_sends(&c));
}

static void a_rate_is_a_bucket_that_batches_may_overdraw(void **state)
{
    (void)state;
    struct lt_config_client clients[] = {{.name = "free"}, {.name = "ten", .rate = 10}};
    struct lt_config c = {.clients = clients, .clients_len = 2};
    struct lt_clients *cs = lt_clients_new(&c);
    lt_clients_charge(cs, &clients[0], 1000000);
    assert_int_equal(lt_clients_admit(cs, &clients[0], 0), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(lt_clients_admit(cs, &clients[1], 1000), 0);
        lt_clients_charge(cs, &clients[1], 1);
    }
    assert_int_equal(lt_clients_admit(cs, &clients[1], 1000), 1);
    assert_int_equal(lt_clients_admit(cs, &clients[1], 1100), 0);
    lt_clients_charge(cs, &clients[1], 31); /* owes 30 */
    assert_int_equal(lt_clients_admit(cs, &clients[1], 1100), 4);
    assert_int_equal(lt_clients_admit(cs, &clients[1], 4100), 1);
    assert_int_equal(lt_clients_admit(cs, &clients[1], 4200), 0);
    assert_int_equal(lt_clients_admit(cs, &clients[1], 100000), 0);
    lt_clients_charge(cs, &clients[1], 10); /* never more than a second's worth saved */
    assert_int_equal(lt_clients_admit(cs, &clients[1], 100000), 1);
    lt_clients_free(cs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_found_by_fingerprint_then_san_then_name),
        cmocka_unit_test(a_client_sends_what_its_globs_allow_and_nothing_else),
        cmocka_unit_test(a_rate_is_a_bucket_that_batches_may_overdraw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
