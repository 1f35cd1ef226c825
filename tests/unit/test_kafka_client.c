/* The one table from librdkafka's codes to results, and how handles are configured. */
#include "harness.h"

#include "gateway/config/config.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/client.h"
#include "gateway/kafka/properties.h"

#include <stdio.h>
#include <unistd.h>

static void only_three_codes_are_a_records_own_fault(void **state LT_UNUSED)
{
    int found = 0;
    for (int code = -200; code <= 200; code++)
        found += lt_kafka_result((rd_kafka_resp_err_t)code) == LT_LOG_TOO_LARGE;
    assert_int_equal(found, 3);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), LT_LOG_TOO_LARGE);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE), LT_LOG_TOO_LARGE);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_INVALID_RECORD), LT_LOG_TOO_LARGE);
}

static void authorisation_and_missing_topics_are_permanent(void **state LT_UNUSED)
{
    const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,   RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(codes); i++)
        assert_int_equal(lt_kafka_result(codes[i]), LT_LOG_PERMANENT);
    assert_int_equal(lt_kafka_error(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), LT_E_AUTH);
    assert_int_equal(lt_kafka_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), LT_E_NOT_FOUND);
}

static void what_passes_by_itself_is_tried_again(void **state LT_UNUSED)
{
    const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR__TIMED_OUT,
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
        RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    };
    for (size_t i = 0; i < LT_ARRAY_LEN(codes); i++)
        assert_int_equal(lt_kafka_result(codes[i]), LT_LOG_RETRY);
    assert_int_equal(lt_kafka_error(RD_KAFKA_RESP_ERR__TIMED_OUT), LT_E_TIMEOUT);
    assert_int_equal(lt_kafka_error(RD_KAFKA_RESP_ERR__TRANSPORT), LT_E_UNAVAILABLE);
}

static void fencing_and_membership_have_results_of_their_own(void **state LT_UNUSED)
{
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID), LT_LOG_ABORTABLE);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR__FENCED), LT_LOG_FENCED);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_PRODUCER_FENCED), LT_LOG_FENCED);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION), LT_LOG_ABORTABLE);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID), LT_LOG_ABORTABLE);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE), LT_LOG_ABSENT);
    assert_int_equal(lt_kafka_result(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET), LT_LOG_ABSENT);
}

static void a_failure_names_what_was_tried_and_the_code(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    assert_int_equal(lt_kafka_fail(&err, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic %s", "lt.intake"),
                     LT_LOG_PERMANENT);
    assert_int_equal(err.code, LT_E_NOT_FOUND);
    assert_string_equal(err.kind, "UNKNOWN_TOPIC_OR_PART");
    assert_string_equal(err.text, "topic lt.intake: Kafka has no such topic or partition; `lienthong topics` shows "
                                  "what is missing");
    assert_int_equal(lt_kafka_fail(&err, RD_KAFKA_RESP_ERR__TRANSPORT, "topic lt.intake"), LT_LOG_RETRY);
    assert_string_equal(err.text,
                        "topic lt.intake: Kafka does not answer: no connection to any broker of bootstrap.servers");
}

static void what_the_protocol_demands_wins_over_the_configuration_and_that_over_defaults(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_config_prop props[] = {{"linger.ms", "7"}, {"acks", "1"}};
    const struct lt_kafka_setting defaults[] = {{"linger.ms", "2"}, {"client.id", "default"}},
                                  forced[] = {{"acks", "all"}};
    const struct lt_kafka_spec spec = {props, 2, defaults, forced, 2, 1};
    rd_kafka_conf_t *conf = NULL;
    char value[64];
    size_t size = sizeof(value);
    assert_int_equal(lt_kafka_conf(&spec, &conf, &err), LT_OK);
    assert_int_equal(rd_kafka_conf_get(conf, "linger.ms", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "7");
    size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(conf, "acks", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "-1"); /* all */
    size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(conf, "client.id", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "default");
    rd_kafka_conf_destroy(conf);
}

static void a_bad_property_is_named_and_a_secret_is_not_repeated(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    rd_kafka_conf_t *conf = NULL;
    const struct lt_config_prop wrong[] = {{"session.timeout.ms", "soon"}}, secret[] = {{"sasl.pasword", "hunter2"}},
                                key[] = {{"ssl.key.passwordd", "hunter2"}};
    struct lt_kafka_spec spec = {.props = wrong, .props_len = 1};
    assert_int_equal(lt_kafka_conf(&spec, &conf, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "kafka.session.timeout.ms"));
    spec.props = secret;
    assert_int_equal(lt_kafka_conf(&spec, &conf, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "kafka.sasl.pasword"));
    assert_null(strstr(err.text, "hunter2"));
    spec.props = key;
    assert_int_equal(lt_kafka_conf(&spec, &conf, &err), LT_E_INVALID);
    assert_null(strstr(err.text, "hunter2"));
    assert_null(conf);
}

static void properties_are_proved_one_by_one_and_together_without_a_broker(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_config_prop good[] = {{"bootstrap.servers", "127.0.0.1:1"}, {"socket.timeout.ms", "9000"}},
                                unknown = {"bootstrp.servers", "127.0.0.1:1"}, bad = {"socket.timeout.ms", "soon"},
                                apart[] = {{"security.protocol", "ssl"}, {"ssl.ca.location", "/nowhere/ca.pem"}};
    assert_int_equal(lt_kafka_property_check(&good[1], &err), LT_OK);
    assert_int_equal(lt_kafka_properties_check(good, 2, &err), LT_OK);
    assert_int_equal(lt_kafka_property_check(&unknown, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "kafka.bootstrp.servers"));
    assert_int_equal(lt_kafka_property_check(&bad, &err), LT_E_INVALID);
    assert_int_equal(lt_kafka_property_check(&apart[0], &err), LT_OK);
    assert_int_equal(lt_kafka_property_check(&apart[1], &err), LT_OK);
    assert_int_equal(lt_kafka_properties_check(apart, 2, &err), LT_E_INVALID);
    assert_non_null(strstr(err.text, "ssl.ca.location"));
}

static void a_consumer_does_not_warn_of_what_the_section_says_to_producers(void **state LT_UNUSED)
{
    struct lt_err err = LT_ERR_INIT;
    const struct lt_config_prop props[] = {{"batch.size", "100000"}};
    const struct lt_kafka_spec spec = {.props = props, .props_len = 1};
    char text[4096];
    rd_kafka_t *rk;
    FILE *into = tmpfile();
    int kept = dup(STDERR_FILENO);
    assert_true(into && kept >= 0 && dup2(fileno(into), STDERR_FILENO) >= 0);
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &rk, &err);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(r, LT_OK);
    rd_kafka_destroy(rk);
    rewind(into);
    text[fread(text, 1, sizeof(text) - 1, into)] = 0;
    fclose(into);
    assert_null(strstr(text, "batch.size"));
}

static void headers_go_over_in_order_with_null_and_empty_values(void **state LT_UNUSED)
{
    struct lt_headers h = {0};
    assert_null(lt_kafka_headers(&h));
    assert_null(lt_kafka_headers(NULL));
    lt_headers_add(&h, LT_SPAN_LIT("b"), LT_SPAN_LIT("2"));
    lt_headers_add(&h, LT_SPAN_LIT("a"), LT_SPAN_LIT(""));
    rd_kafka_headers_t *to = lt_kafka_headers(&h);
    const char *name;
    const void *value;
    size_t len;
    assert_int_equal(rd_kafka_header_cnt(to), 2);
    assert_int_equal(rd_kafka_header_get_all(to, 0, &name, &value, &len), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_string_equal(name, "b");
    assert_span_is(lt_span(value, len), "2");
    assert_int_equal(rd_kafka_header_get_all(to, 1, &name, &value, &len), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_string_equal(name, "a");
    assert_int_equal(len, 0);
    rd_kafka_headers_destroy(to);
}

/* What the library answers of groups, and whether somebody gives it back. */
static struct {
    rd_kafka_resp_err_t code;
    struct rd_kafka_group_info group;
    struct rd_kafka_group_list list;
    int lent;
} groups;

rd_kafka_resp_err_t __wrap_rd_kafka_list_groups(rd_kafka_t *rk, const char *group,
                                                const struct rd_kafka_group_list **ret, int timeout_ms);
rd_kafka_resp_err_t __wrap_rd_kafka_list_groups(rd_kafka_t *rk LT_UNUSED, const char *group LT_UNUSED,
                                                const struct rd_kafka_group_list **ret, int timeout_ms LT_UNUSED)
{
    if (groups.code && groups.code != RD_KAFKA_RESP_ERR__PARTIAL)
        return groups.code;
    *ret = &groups.list;
    groups.lent++;
    return groups.code;
}

void __wrap_rd_kafka_group_list_destroy(const struct rd_kafka_group_list *list);
void __wrap_rd_kafka_group_list_destroy(const struct rd_kafka_group_list *list)
{
    assert_ptr_equal(list, &groups.list);
    groups.lent--;
}

static int members(rd_kafka_resp_err_t code, int found, rd_kafka_resp_err_t of_group, int *ret)
{
    static const struct lt_config_prop props[] = {{"bootstrap.servers", "127.0.0.1:1"}};
    struct lt_admin *a = NULL;
    struct lt_err err = LT_ERR_INIT;
    groups.code = code;
    groups.group = (struct rd_kafka_group_info){.err = of_group, .member_cnt = 2};
    groups.list = (struct rd_kafka_group_list){.groups = &groups.group, .group_cnt = found};
    assert_int_equal(lt_admin_new(props, 1, &a, &err), LT_OK);
    *ret = -1;
    int r = lt_admin_group_members(a, "g", ret, &err);
    assert_int_equal(groups.lent, 0);
    lt_admin_free(a);
    return r;
}

/* All brokers are asked for their groups: one that hangs must neither hide a group that another one has told of, nor
 * make one that may be its own look empty. */
static void a_broker_that_does_not_answer_matters_only_if_the_group_may_be_its(void **state LT_UNUSED)
{
    int n;
    assert_int_equal(members(RD_KAFKA_RESP_ERR_NO_ERROR, 1, RD_KAFKA_RESP_ERR_NO_ERROR, &n), LT_OK);
    assert_int_equal(n, 2);
    assert_int_equal(members(RD_KAFKA_RESP_ERR_NO_ERROR, 0, RD_KAFKA_RESP_ERR_NO_ERROR, &n), LT_OK);
    assert_int_equal(n, 0);
    assert_int_equal(members(RD_KAFKA_RESP_ERR__PARTIAL, 1, RD_KAFKA_RESP_ERR_NO_ERROR, &n), LT_OK);
    assert_int_equal(n, 2);
    assert_int_equal(members(RD_KAFKA_RESP_ERR__PARTIAL, 0, RD_KAFKA_RESP_ERR_NO_ERROR, &n), LT_E_TIMEOUT);
    assert_int_equal(members(RD_KAFKA_RESP_ERR__TIMED_OUT, 0, RD_KAFKA_RESP_ERR_NO_ERROR, &n), LT_E_TIMEOUT);
    assert_int_equal(members(RD_KAFKA_RESP_ERR_NO_ERROR, 1, RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND, &n), LT_OK);
    assert_int_equal(n, 0);
    assert_int_equal(members(RD_KAFKA_RESP_ERR_NO_ERROR, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, &n),
                     LT_E_AUTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_three_codes_are_a_records_own_fault),
        cmocka_unit_test(authorisation_and_missing_topics_are_permanent),
        cmocka_unit_test(what_passes_by_itself_is_tried_again),
        cmocka_unit_test(fencing_and_membership_have_results_of_their_own),
        cmocka_unit_test(a_failure_names_what_was_tried_and_the_code),
        cmocka_unit_test(what_the_protocol_demands_wins_over_the_configuration_and_that_over_defaults),
        cmocka_unit_test(a_bad_property_is_named_and_a_secret_is_not_repeated),
        cmocka_unit_test(properties_are_proved_one_by_one_and_together_without_a_broker),
        cmocka_unit_test(a_consumer_does_not_warn_of_what_the_section_says_to_producers),
        cmocka_unit_test(headers_go_over_in_order_with_null_and_empty_values),
        cmocka_unit_test(a_broker_that_does_not_answer_matters_only_if_the_group_may_be_its),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
