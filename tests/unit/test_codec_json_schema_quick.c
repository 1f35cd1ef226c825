/*
 * What is accepted at once against what RapidJSON accepts: random schemas with random values, and the shipped schemas
 * with random changes to documents that conform. The seeds are fixed, so a failure repeats.
 */
#include "gateway/base/file.h"
#include "gateway/codec/json.h"
#include "tests/unit/harness.h"

#include <glob.h>
#include <stdio.h>

static const struct lt_json_limits limits = {1 << 20, 64};
static uint64_t seed;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % n);
}

static const char *one_of(const char *const *list, size_t n)
{
    return list[below(n)];
}

static const char *name(void)
{
    static const char *const names[] = {"a", "b", "ab", "ba", "aab", "abb", "\u0110", "a\\u0000"};
    return one_of(names, LT_ARRAY_LEN(names));
}

static const char *scalar(void)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-1",
                                          "1",
                                          "2",
                                          "5",
                                          "1.0",
                                          "2.5",
                                          "1e2",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551616",
                                          "\"\"",
                                          "\"a\"",
                                          "\"b\"",
                                          "\"12\"",
                                          "\"\u0110\u1EA0\"",
                                          "\"abcab\"",
                                          "\"\U0001F600\"",
                                          "\"\\u0000\"",
                                          "\"a\\u0000b\""};
    return one_of(scalars, LT_ARRAY_LEN(scalars));
}

static void put_value(struct lt_buf *b, unsigned depth)
{
    size_t kind = below(depth ? 4 : 2), n = below(5);
    if (kind < 2) {
        lt_buf_str(b, scalar());
        return;
    }
    lt_buf_char(b, kind == 2 ? '[' : '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            lt_buf_char(b, ',');
        if (kind == 3)
            lt_buf_printf(b, "\"%s\":", name());
        put_value(b, depth - 1);
    }
    lt_buf_char(b, kind == 2 ? ']' : '}');
}

static void put_schema(struct lt_buf *b, unsigned depth);

static void put_names(struct lt_buf *b, const char *word)
{
    lt_buf_printf(b, "\"%s\":[\"%s\",\"%s\"]", word, name(), name());
}

static void put_map(struct lt_buf *b, const char *word, unsigned depth)
{
    static const char *const sets[][3] = {
        {"a", "b", "ab"}, {"ba", "aab", "a"}, {"abb", "\u0110", "b"}, {"a", "a\\u0000", "aab"}};
    const char *const *set = sets[below(LT_ARRAY_LEN(sets))];
    lt_buf_printf(b, "\"%s\":{", word);
    for (size_t i = 0, n = 1 + below(3); i < n; i++) {
        lt_buf_printf(b, "%s\"%s\":", i ? "," : "", set[i]);
        put_schema(b, depth - 1);
    }
    lt_buf_char(b, '}');
}

/* A keyword of its group, so that none stands twice. */
static void put_keyword(struct lt_buf *b, size_t group, unsigned depth)
{
    static const char *const types[] = {"\"object\"",
                                        "\"array\"",
                                        "\"string\"",
                                        "\"integer\"",
                                        "\"number\"",
                                        "\"boolean\"",
                                        "\"null\"",
                                        "[\"string\",\"null\"]",
                                        "[\"object\",\"array\"]",
                                        "[\"integer\",\"string\"]"};
    static const char *const patterns[] = {"^[0-9]{2}$", "^a", "b$", "^([ab]|\u0110)*$", "^(12|ab)?$"};
    static const char *const limits_of[] = {"0", "-1", "1.5", "2", "9223372036854775807", "9223372036854775808"};
    switch (group) {
    case 0:
        lt_buf_printf(b, "\"type\":%s", one_of(types, LT_ARRAY_LEN(types)));
        break;
    case 1:
        lt_buf_printf(b, "\"enum\":[%s,%s,%s]", scalar(), scalar(), scalar());
        break;
    case 2:
        lt_buf_printf(b, "\"minLength\":%zu,\"maxLength\":%zu", below(4), below(6));
        break;
    case 3:
        lt_buf_printf(b, "\"pattern\":\"%s\"", one_of(patterns, LT_ARRAY_LEN(patterns)));
        break;
    case 4:
        lt_buf_printf(b, "\"minimum\":%s", one_of(limits_of, LT_ARRAY_LEN(limits_of)));
        if (below(4) == 0)
            lt_buf_str(b, ",\"exclusiveMinimum\":true");
        break;
    case 5:
        lt_buf_printf(b, "\"maximum\":%s", one_of(limits_of, LT_ARRAY_LEN(limits_of)));
        break;
    case 6:
        put_map(b, "properties", depth);
        break;
    case 7:
        put_names(b, "required");
        break;
    case 8:
        lt_buf_str(b, below(3) ? "\"additionalProperties\":false" : "\"additionalProperties\":{\"type\":\"string\"}");
        break;
    case 9:
        lt_buf_str(b, "\"items\":");
        put_schema(b, depth - 1);
        break;
    case 10:
        lt_buf_printf(b, "\"minItems\":%zu,\"maxItems\":%zu", below(3), below(5));
        break;
    case 11:
        lt_buf_str(b, "\"dependencies\":{\"a\":[\"b\"],\"ab\":[\"a\",\"ba\"]}");
        break;
    default:
        lt_buf_printf(b, "\"%s\":[", one_of((const char *const[]){"allOf", "anyOf", "oneOf"}, 3));
        put_schema(b, depth - 1);
        lt_buf_char(b, ',');
        put_schema(b, depth - 1);
        lt_buf_char(b, ']');
        break;
    }
}

static void put_schema(struct lt_buf *b, unsigned depth)
{
    size_t n = 0;
    if (below(8) == 0) {
        lt_buf_str(b, below(2) ? "{\"$ref\":\"#/definitions/x\"}" : "{}");
        return;
    }
    lt_buf_char(b, '{');
    for (size_t group = 0; group < 13; group++) {
        bool deep = group == 6 || group == 9 || group == 12;
        if ((deep && !depth) || below(group == 6 ? 2 : group == 12 ? 12 : 4))
            continue;
        if (n++)
            lt_buf_char(b, ',');
        put_keyword(b, group, depth);
    }
    lt_buf_char(b, '}');
}

/* True: accepted. Both must have said the same. */
static bool agreed(const struct lt_json_schema *s, struct lt_span text, const char *of)
{
    struct lt_json *j = NULL;
    struct lt_err err = LT_ERR_INIT;
    if (lt_json_parse(text, &limits, &j, NULL))
        return false; /* a name stands twice */
    int rc = lt_json_schema_check(s, lt_json_root(j), NULL);
    if (rc != lt_json_schema_check_closely(s, lt_json_root(j), NULL)) {
        rc = lt_json_schema_check_closely(s, lt_json_root(j), &err);
        fail_msg("%s: " LT_SPAN_FMT ": %s by RapidJSON alone: %s: %s", of, LT_SPAN_ARG(text),
                 rc ? "refused only" : "accepted only", err.pointer, err.text);
    }
    lt_json_free(j);
    return rc == LT_OK;
}

static void random_schemas_accept_what_the_library_accepts(void **state)
{
    (void)state;
    char *folder = harness_folder();
    LT_AUTOFREE char *path = lt_asprintf("%s/s.json", folder);
    size_t loaded = 0, accepted = 0;
    seed = 20240105;
    for (int i = 0; i < 800; i++) {
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 16), value = LT_BUF_INIT(1 << 16);
        struct lt_json_schema *s = NULL;
        lt_buf_str(&text, "{\"definitions\":{\"x\":{\"type\":[\"string\",\"object\"],\"maxLength\":3,\"properties\":"
                          "{\"a\":{\"$ref\":\"#/definitions/x\"}}}},\"properties\":{\"b\":");
        put_schema(&text, 3);
        lt_buf_str(&text, "},\"items\":");
        put_schema(&text, 3);
        lt_buf_char(&text, '}');
        assert_int_equal(lt_file_write(path, lt_buf_view(&text), 0600, NULL), 0);
        if (lt_json_schema_load(path, &s, NULL))
            continue; /* required names that a closed object does not know */
        loaded++;
        for (int k = 0; k < 60; k++) {
            lt_buf_reset(&value);
            lt_buf_char(&value, '[');
            put_value(&value, 3);
            lt_buf_str(&value, ",{\"b\":");
            put_value(&value, 3);
            lt_buf_str(&value, "}]");
            accepted += agreed(s, lt_buf_view(&value), text.ptr);
        }
        lt_json_schema_free(s);
    }
    assert_true(loaded > 300 && accepted > 1000); /* else nothing was compared */
    harness_folder_remove(folder);
}

/* The value with some of it changed: scalars, names, members left out or added. */
static void put_changed(struct lt_buf *b, lt_json_value v, size_t chance)
{
    enum lt_json_type type = lt_json_type_of(v);
    const char *before = "";
    if (below(chance) == 0) {
        put_value(b, 1);
        return;
    }
    if (type != LT_JSON_OBJECT && type != LT_JSON_ARRAY) {
        lt_json_write(v, b);
        return;
    }
    lt_buf_char(b, type == LT_JSON_OBJECT ? '{' : '[');
    for (size_t i = 0, n = lt_json_len(v); i < n; i++) {
        struct lt_span key = LT_SPAN_NULL;
        lt_json_value one = type == LT_JSON_ARRAY ? lt_json_at(v, i) : lt_json_member_at(v, i, &key);
        if (below(chance) == 0)
            continue;
        lt_buf_str(b, before);
        before = ",";
        if (key.ptr) {
            lt_buf_json(b, below(chance) ? key : lt_span(key.ptr, key.len - 1));
            lt_buf_char(b, ':');
        }
        put_changed(b, one, chance);
    }
    lt_buf_char(b, type == LT_JSON_OBJECT ? '}' : ']');
}

/* True: the document conforms as it is. */
static bool changed(const struct lt_json_schema *s, const char *path)
{
    LT_AUTOFREE char *text = NULL;
    LT_AUTOBUF struct lt_buf b = LT_BUF_INIT(1 << 20);
    struct lt_json *j = NULL;
    size_t len;
    assert_int_equal(lt_file_read(path, 1 << 20, &text, &len, NULL), 0);
    if (lt_json_parse(lt_span(text, len), &limits, &j, NULL))
        return false; /* an example of what is no JSON */
    bool conforms = agreed(s, lt_span(text, len), path);
    for (int i = 0; i < 200; i++) {
        lt_buf_reset(&b);
        put_changed(&b, lt_json_root(j), 20 + below(200));
        (void)agreed(s, lt_buf_view(&b), path);
    }
    lt_json_free(j);
    return conforms;
}

static void shipped_schemas_accept_what_the_library_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *examples;
    } all[] = {
        {"schemas/canonical/received.json", "schemas/canonical/valid/received*.json"},
        {"schemas/canonical/progressed.json", "schemas/canonical/valid/progressed*.json"},
        {"schemas/canonical/completed.json", "schemas/canonical/valid/completed*.json"},
        {"schemas/canonical/returned.json", "schemas/canonical/valid/returned*.json"},
        {"schemas/canonical/supplement-requested.json", "schemas/canonical/valid/supplement-requested*.json"},
        {"schemas/provincial/opencps/dossier-1.0.json", "config/mappings/examples/opencps-json/*[!t].json"},
        {"schemas/provincial/igate/dossier-1.0.json", "config/mappings/examples/igate-json/*[!t].json"},
    };
    seed = 20240106;
    for (size_t i = 0; i < LT_ARRAY_LEN(all); i++) {
        struct lt_json_schema *s = NULL;
        struct lt_err err = LT_ERR_INIT;
        size_t conform = 0;
        glob_t found;
        if (lt_json_schema_load(all[i].schema, &s, &err))
            fail_msg("%s: %s", all[i].schema, err.text);
        assert_int_equal(glob(all[i].examples, 0, NULL, &found), 0);
        for (size_t k = 0; k < found.gl_pathc; k++)
            conform += changed(s, found.gl_pathv[k]);
        assert_true(conform > 0);
        globfree(&found);
        lt_json_schema_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_schemas_accept_what_the_library_accepts),
        cmocka_unit_test(shipped_schemas_accept_what_the_library_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
