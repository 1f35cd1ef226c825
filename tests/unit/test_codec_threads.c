/* Compiled schemas and paths shared by threads. What goes wrong here is seen by the thread sanitizer's build. */
#include "gateway/codec/json.h"
#include "gateway/codec/xml.h"
#include "tests/unit/harness.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 4
#define ROUNDS 200

struct shared {
    struct lt_json_schema *json_schema;
    struct lt_xsd *xsd;
    struct lt_xpath *paths[5];
};

static const char *const exprs[] = {"s:MaHoSo", "s:SuKien/s:MaHoSo", "count(*)", "*[position() = 1]",
                                    "s:SuKien[1]/s:MaHoSo"};
static const char *const results[] = {NULL, "H22.01", "1", NULL, "H22.01"};

/* Threads return what went wrong, NULL for nothing. */
static const char *read_json(const struct shared *sh)
{
    static const struct lt_json_limits limits = {1 << 16, 32};
    for (int i = 0; i < ROUNDS; i++) {
        struct lt_json *j = NULL;
        struct lt_err err;
        bool good = i % 2;
        const char *text = good ? "{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"1\",\"NgayTiepNhan\":\"20240101083000\","
                                  "\"Kenh\":1,\"TrangThai\":\"1\"}"
                                : "{\"MaHoSo\":\"H22.01\",\"MaTTHC\":\"1\",\"NgayTiepNhan\":\"2024010108300x\"}";
        if (lt_json_parse(lt_span_str(text), &limits, &j, &err))
            return "parse";
        int rc = lt_json_schema_check(sh->json_schema, lt_json_root(j), &err);
        lt_json_free(j);
        if (rc != (good ? LT_OK : LT_E_INVALID))
            return "check";
        if (!good && strcmp(err.pointer, "/NgayTiepNhan") != 0)
            return "pointer";
    }
    return NULL;
}

static void *json_thread(void *arg)
{
    return (void *)read_json(arg);
}

static const char *paths_agree(const struct shared *sh, struct lt_xpath_eval *e, struct lt_xml *x, struct lt_arena *a)
{
    for (size_t k = 0; k < LT_ARRAY_LEN(exprs); k++) {
        struct lt_span s;
        bool found;
        if (lt_xpath_string(e, sh->paths[k], lt_xml_root(x), a, &s, &found, NULL, NULL))
            return "xpath";
        if (results[k] && (!found || !lt_span_is(s, results[k])))
            return exprs[k];
    }
    return NULL;
}

static void *xml_thread(void *arg)
{
    struct shared *sh = arg;
    static const struct lt_xml_limits limits = {1 << 16, 32};
    struct lt_xpath_eval *e = lt_xpath_eval_new();
    struct lt_arena a = LT_ARENA_INIT;
    const char *wrong = NULL;
    for (int i = 0; i < ROUNDS && !wrong; i++) {
        struct lt_xml *x = NULL;
        struct lt_err err;
        bool good = i % 2;
        LT_AUTOFREE char *text =
            lt_asprintf("<s:SuKienHoSo xmlns:s='urn:thu:su-kien' phienBan='1'><s:SuKien><s:MaHoSo>H22.01</s:MaHoSo>"
                        "<s:LoaiSuKien>XU_LY</s:LoaiSuKien><s:ThoiDiem>%s</s:ThoiDiem><s:Ngay>2024-01-01</s:Ngay></"
                        "s:SuKien></s:SuKienHoSo>",
                        good ? "20240101083000" : "2024");
        if (lt_xml_parse(lt_span_str(text), &limits, &x, &err)) {
            wrong = "parse";
            break;
        }
        if (lt_xsd_check(sh->xsd, x, &err) != (good ? LT_OK : LT_E_INVALID))
            wrong = "check";
        else
            wrong = paths_agree(sh, e, x, &a);
        lt_xml_free(x);
        if (lt_xml_parse(LT_SPAN_LIT("<a><b></a>"), &limits, &x, &err) != LT_E_INVALID)
            wrong = "bad";
        lt_arena_reset(&a);
    }
    lt_xpath_eval_free(e);
    lt_arena_deinit(&a);
    return (void *)wrong;
}

static void schemas_and_paths_are_shared_by_threads(void **state)
{
    (void)state;
    struct shared sh = {0};
    struct lt_err err;
    static const struct lt_xml_ns ns[] = {{"s", "urn:thu:su-kien"}};
    lt_xml_init();
    assert_int_equal(lt_json_schema_load("tests/unit/data/codec/schema/dossier.json", &sh.json_schema, &err), 0);
    assert_int_equal(lt_xsd_load("tests/unit/data/codec/xsd/su-kien.xsd", &sh.xsd, &err), 0);
    for (size_t k = 0; k < LT_ARRAY_LEN(exprs); k++)
        assert_int_equal(lt_xpath_compile(exprs[k], ns, 1, &sh.paths[k], &err), 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? json_thread : xml_thread, &sh), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        if (wrong)
            fail_msg("%s", (const char *)wrong);
    }
    for (size_t k = 0; k < LT_ARRAY_LEN(exprs); k++)
        lt_xpath_free(sh.paths[k]);
    lt_xsd_free(sh.xsd);
    lt_json_schema_free(sh.json_schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_and_paths_are_shared_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
