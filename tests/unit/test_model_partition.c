#include "tests/unit/harness.h"

#include "gateway/model/partition.h"

/* From org.apache.kafka.common.utils.Utils of kafka-clients 4.1.1: toPositive(murmur2(key)). */
static const struct {
    const char *key;
    int32_t positive;
} java[] = {
    {"", 275646681},
    {"a", 584102524},
    {"ab", 316155434},
    {"21", 1173551340},
    {"foobar", 1357151166},
    {"a-little-bit-long-string", 1161502112},
    {"a-little-bit-longer-string", 661178819},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 2088585677},
    {"H22/000.00.01.H22-240101-0001", 1244605550},
    {"H29/Đăng ký khai sinh", 410665511},
};

static void a_key_has_the_partition_that_the_java_client_gives_it(void **state)
{
    (void)state;
    static const int32_t counts[] = {1, 2, 6, 12, 100, 1021, INT32_MAX};
    for (size_t i = 0; i < LT_ARRAY_LEN(java); i++) {
        for (size_t c = 0; c < LT_ARRAY_LEN(counts); c++)
            assert_int_equal(lt_partition_of(lt_span_str(java[i].key), counts[c]), java[i].positive % counts[c]);
    }
}

static void a_key_may_hold_any_bytes(void **state)
{
    (void)state;
    /* Above 127, where Java's signed bytes and C's unsigned ones could part; from the same Java method. */
    const unsigned char key[] = {0xff, 0x80, 0x00};
    int32_t p = lt_partition_of(lt_span(key, sizeof(key)), INT32_MAX);
    assert_int_equal(p, 1530524458);
    assert_int_not_equal(p, lt_partition_of(lt_span(key, 2), INT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_the_partition_that_the_java_client_gives_it),
        cmocka_unit_test(a_key_may_hold_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
