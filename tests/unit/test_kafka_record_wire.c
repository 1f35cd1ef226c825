/* Headers read where they lie: records of Kafka's format 2 as a broker sends them, one after the other in memory. */
#include "harness.h"

#include "gateway/kafka/record_wire.h"

#define NONE (-1) /* a length: null */

/* An answer of a broker: bytes before, records. */
struct answer {
    unsigned char bytes[1 << 16];
    size_t len;
};

/* Where a record's key and value lie. */
struct place {
    struct lt_span key, value;
    size_t from, to; /* of the record, its length included */
};

struct named {
    const char *name, *value; /* value NULL: null */
};

static void put(struct answer *a, const void *bytes, size_t len)
{
    assert_true(a->len + len <= sizeof(a->bytes));
    memcpy(a->bytes + a->len, bytes, len);
    a->len += len;
}

static void put_varint(struct answer *a, int64_t v)
{
    uint64_t raw = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    do {
        unsigned char c = (unsigned char)((raw & 0x7f) | (raw > 0x7f ? 0x80 : 0));
        put(a, &c, 1);
        raw >>= 7;
    } while (raw);
}

static void put_field(struct answer *a, const char *bytes, int64_t len)
{
    put_varint(a, len);
    if (len > 0)
        put(a, bytes, (size_t)len);
}

/* The fields of a record after its length. */
static void put_fields(struct answer *a, int64_t time, int64_t offset, const char *key, const char *value,
                       size_t value_len)
{
    put(a, "", 1);
    put_varint(a, time);
    put_varint(a, offset);
    put_field(a, key, key ? (int64_t)strlen(key) : NONE);
    put_field(a, value, value ? (int64_t)value_len : NONE);
}

static void put_headers(struct answer *a, const struct named *h, size_t n)
{
    put_varint(a, (int64_t)n);
    for (size_t i = 0; i < n; i++) {
        put_field(a, h[i].name, (int64_t)strlen(h[i].name));
        put_field(a, h[i].value, h[i].value ? (int64_t)strlen(h[i].value) : NONE);
    }
}

/* A record whose headers are `tail`, which need not be any. */
static struct place put_record(struct answer *a, int64_t time, int64_t offset, const char *key, const char *value,
                               size_t value_len, const struct answer *tail)
{
    static struct answer fields;
    fields.len = 0;
    put_fields(&fields, time, offset, key, value, value_len);
    struct place p = {.from = a->len};
    put_varint(a, (int64_t)(fields.len + tail->len));
    put(a, fields.bytes, fields.len);
    const unsigned char *end = a->bytes + a->len;
    p.value = lt_span(end - value_len, value_len);
    static struct answer length;
    length.len = 0;
    put_varint(&length, (int64_t)value_len);
    p.key = lt_span(end - value_len - length.len - strlen(key), strlen(key));
    put(a, tail->bytes, tail->len);
    p.to = a->len;
    return p;
}

static struct place put_simple(struct answer *a, const char *value, size_t value_len, const struct named *h, size_t n)
{
    static struct answer tail;
    tail.len = 0;
    put_headers(&tail, h, n);
    return put_record(a, 1234567, 3, "H22/H22.01-260714-0001", value, value_len, &tail);
}

static const struct named some[] = {{"content-type", "application/json"},
                                    {"ce_id", "0123456789abcdef0123456789abcdef"},
                                    {"ce_unit", ""},
                                    {"lt_replay", NULL}};

static struct answer *answer_new(void)
{
    struct answer *a = lt_alloc(sizeof(*a));
    put(a,
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\xff\xff\xff",
        30);
    return a;
}

/* A copy that ends where the record ends, so that the address sanitizer sees one byte more. */
static bool read_tight(const struct answer *a, const struct place *p, struct lt_headers *ret, unsigned char **ret_owned)
{
    unsigned char *copy = memcpy(lt_alloc(p->to), a->bytes, p->to);
    ptrdiff_t key = (const unsigned char *)p->key.ptr - a->bytes,
              value = (const unsigned char *)p->value.ptr - a->bytes;
    *ret_owned = copy;
    return lt_record_wire_headers(lt_span(copy + key, p->key.len), lt_span(copy + value, p->value.len), ret);
}

static void assert_headers(const struct lt_headers *h, const struct named *want, size_t n)
{
    assert_int_equal(h->len, n);
    assert_false(h->over);
    for (size_t i = 0; i < n; i++) {
        assert_span_is(h->v[i].name, want[i].name);
        assert_span_is(h->v[i].value, want[i].value ? want[i].value : "");
        assert_int_equal(h->v[i].value.ptr == NULL, want[i].value == NULL);
    }
}

/* Read it as it stands; it is one that can be read. */
static void assert_read(const struct answer *a, const struct place *p, const struct named *want, size_t n)
{
    struct lt_headers h;
    LT_AUTOFREE unsigned char *owned = NULL;
    assert_true(read_tight(a, p, &h, &owned));
    assert_headers(&h, want, n);
}

static void assert_refused(const struct answer *a, const struct place *p)
{
    struct lt_headers h;
    LT_AUTOFREE unsigned char *owned = NULL;
    assert_false(read_tight(a, p, &h, &owned));
    assert_int_equal(h.len, 0);
}

static void headers_are_read_in_order_with_empty_and_null_values(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    struct place p = put_simple(a, "{}", 2, some, LT_ARRAY_LEN(some));
    assert_read(a, &p, some, LT_ARRAY_LEN(some));
}

static void a_record_without_headers_has_none(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    struct place p = put_simple(a, "{}", 2, NULL, 0);
    assert_read(a, &p, NULL, 0);
}

/* The length's own length changes at 64, 8192 …; and what stands before it is any byte of the record before. */
static void records_of_any_size_are_read_whatever_stands_before_them(void **state LT_UNUSED)
{
    static char value[40000];
    memset(value, 0xff, sizeof(value));
    const size_t sizes[] = {1, 10, 30, 62, 63, 64, 65, 500, 8060, 8190, 8191, 8192, 8193, 40000};
    for (size_t i = 0; i < LT_ARRAY_LEN(sizes); i++) {
        for (int before = 0; before < 256; before++) {
            LT_AUTOFREE struct answer *a = answer_new();
            memset(a->bytes, before, a->len);
            struct place p = put_simple(a, value, sizes[i], some, LT_ARRAY_LEN(some));
            assert_read(a, &p, some, LT_ARRAY_LEN(some));
        }
    }
}

static void deltas_of_any_size_are_stepped_over(void **state LT_UNUSED)
{
    const int64_t deltas[] = {0, 1, -1, 63, 64, -65, 8191, 8192, INT32_MAX, INT64_MAX, INT64_MIN};
    struct answer *tail = lt_alloc(sizeof(*tail));
    put_headers(tail, some, LT_ARRAY_LEN(some));
    for (size_t t = 0; t < LT_ARRAY_LEN(deltas); t++) {
        for (size_t o = 0; o < 9; o++) {
            LT_AUTOFREE struct answer *a = answer_new();
            struct place p = put_record(a, deltas[t], deltas[o], "k", "v", 1, tail);
            assert_read(a, &p, some, LT_ARRAY_LEN(some));
        }
    }
    free(tail);
}

static void records_that_follow_each_other_keep_their_own(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    const struct named other[] = {{"x", "\xc3\xa9"}};
    struct place first = put_simple(a, "{}", 2, other, 1), second = put_simple(a, "[]", 2, some, 4),
                 third = put_simple(a, "1", 1, NULL, 0);
    assert_read(a, &first, other, 1);
    assert_read(a, &second, some, 4);
    assert_read(a, &third, NULL, 0);
}

/* Nothing behind the end that the record gives is read, and nothing short of it is taken for all. */
static void headers_that_do_not_end_where_the_record_ends_are_refused(void **state LT_UNUSED)
{
    struct answer *whole = lt_alloc(sizeof(*whole));
    put_headers(whole, some, LT_ARRAY_LEN(some));
    for (size_t len = 0; len < whole->len; len++) {
        LT_AUTOFREE struct answer *a = answer_new();
        struct answer *cut = lt_alloc(sizeof(*cut));
        put(cut, whole->bytes, len);
        struct place p = put_record(a, 0, 0, "k", "v", 1, cut);
        assert_refused(a, &p);
        free(cut);
    }
    LT_AUTOFREE struct answer *a = answer_new();
    put(whole, "", 1);
    struct place p = put_record(a, 0, 0, "k", "v", 1, whole);
    assert_refused(a, &p);
    free(whole);
}

static void counts_and_lengths_that_cannot_be_are_refused(void **state LT_UNUSED)
{
    static const struct {
        const char *bytes;
        size_t len;
    } tails[] = {
        {"\x01", 1},                          /* -1 headers */
        {"\x62\x00\x00", 3},                  /* 49 headers: more than are kept */
        {"\x02\x01\x00", 3},                  /* a name of length -1 */
        {"\x02\x02n\x03", 4},                 /* a value of length -2 */
        {"\x02\xff\xff\xff\xff\x0fn\x00", 8}, /* a name of 2 GiB */
        {"\x80\x80\x80\x80\x80\x00", 6},      /* a number of six bytes */
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(tails); i++) {
        LT_AUTOFREE struct answer *a = answer_new();
        LT_AUTOFREE struct answer *tail = lt_alloc(sizeof(*tail));
        put(tail, tails[i].bytes, tails[i].len);
        struct place p = put_record(a, 0, 0, "k", "v", 1, tail);
        assert_refused(a, &p);
    }
}

/* librdkafka tells names as C strings: it would see another name. */
static void a_name_with_a_nul_is_left_to_librdkafka(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    LT_AUTOFREE struct answer *tail = lt_alloc(sizeof(*tail));
    put_varint(tail, 1);
    put_field(tail, "ce_id\0x", 7);
    put_field(tail, "1", 1);
    struct place p = put_record(a, 0, 0, "k", "v", 1, tail);
    assert_refused(a, &p);
}

static void key_and_value_that_are_copies_are_refused(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    struct lt_headers h;
    struct place p = put_simple(a, "{}", 2, some, 4);
    LT_AUTOFREE char *key = lt_strndup(p.key.ptr, p.key.len), *value = lt_strndup(p.value.ptr, p.value.len);
    assert_false(lt_record_wire_headers(lt_span(key, p.key.len), p.value, &h));
    assert_false(lt_record_wire_headers(p.key, lt_span(value, p.value.len), &h));
    assert_false(lt_record_wire_headers(LT_SPAN_NULL, p.value, &h));
    assert_false(lt_record_wire_headers(p.key, LT_SPAN_NULL, &h));
    assert_int_equal(h.len, 0);
}

/* Format 1 has lengths of four bytes, and no headers: what follows its value is another record. */
static void records_of_the_older_formats_are_refused(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    put(a, "\0\0\0\1k", 5);
    struct place p = {.key = lt_span(a->bytes + a->len - 1, 1)};
    put(a, "\0\0\0\2{}", 6);
    p.value = lt_span(a->bytes + a->len - 2, 2);
    put(a, "\0\0\0\0\0\0\0\0", 8);
    p.to = a->len;
    assert_refused(a, &p);
}

static void attributes_that_are_not_defined_are_refused(void **state LT_UNUSED)
{
    LT_AUTOFREE struct answer *a = answer_new();
    struct place p = put_simple(a, "{}", 2, some, 4);
    a->bytes[p.from + 2] = 1; /* after a length of two bytes */
    assert_refused(a, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_in_order_with_empty_and_null_values),
        cmocka_unit_test(a_record_without_headers_has_none),
        cmocka_unit_test(records_of_any_size_are_read_whatever_stands_before_them),
        cmocka_unit_test(deltas_of_any_size_are_stepped_over),
        cmocka_unit_test(records_that_follow_each_other_keep_their_own),
        cmocka_unit_test(headers_that_do_not_end_where_the_record_ends_are_refused),
        cmocka_unit_test(counts_and_lengths_that_cannot_be_are_refused),
        cmocka_unit_test(a_name_with_a_nul_is_left_to_librdkafka),
        cmocka_unit_test(key_and_value_that_are_copies_are_refused),
        cmocka_unit_test(records_of_the_older_formats_are_refused),
        cmocka_unit_test(attributes_that_are_not_defined_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
