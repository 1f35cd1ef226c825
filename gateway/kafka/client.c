#include "gateway/kafka/client.h"

#include "gateway/base/log.h"
#include "gateway/config/config.h"

#include <stdarg.h>
#include <stdio.h>

#define WAKE_MS 100

/* A transaction coordinator that is about to load: the library asks again, as on the first start of every Kafka, and
 * who waits for it has a time limit and says so. */
static bool asks_again(const char *fac, const char *text)
{
    return strcmp(fac, "GETPID") == 0 && lt_glob_match("*: retrying", lt_span_str(text));
}

/* The section kafka: is one for producers and consumers: each is told of what is for the other. */
static bool for_the_other_kind(const char *fac, const char *text)
{
    return strcmp(fac, "CONFWARN") == 0 &&
           lt_glob_match("*property and will be ignored by this * instance", lt_span_str(text));
}

/* librdkafka's own log. It names brokers, topics and partitions, never keys or values of records. */
static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *text)
{
    enum lt_log_level l = level <= 2   ? LT_LOG_ERROR
                          : level <= 4 ? LT_LOG_WARN
                          : level <= 5 ? LT_LOG_INFO
                                       : LT_LOG_DEBUG;
    if (asks_again(fac, text) || for_the_other_kind(fac, text))
        l = LT_LOG_DEBUG;
    lt_log(l, rk ? rd_kafka_name(rk) : "kafka", "kafka-client", "%s: %s", fac, text);
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct lt_err *err)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return LT_OK;
    /* librdkafka's text repeats the value; it is left out where it could be a secret. */
    bool secret = strstr(name, "password") || strstr(name, "key.pem") || strstr(name, "secret") ||
                  strstr(name, "jaas") || strstr(name, "oauthbearer");
    return lt_err_set(err, LT_E_INVALID, "kafka-property", "kafka.%s: %s", name,
                      secret ? "librdkafka refuses this name or value" : text);
}

int lt_kafka_conf(const struct lt_kafka_spec *spec, rd_kafka_conf_t **ret, struct lt_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int r = LT_OK;
    rd_kafka_conf_set_log_cb(conf, on_log);
    /* The library waits up to 10 s before it tries a broker again: too long a pause after one that was short. */
    r = set(conf, "reconnect.backoff.max.ms", "1000", err);
    for (size_t i = 0; i < spec->defaults_len && r == LT_OK; i++)
        r = set(conf, spec->defaults[i].name, spec->defaults[i].value, err);
    for (size_t i = 0; i < spec->props_len && r == LT_OK; i++)
        r = set(conf, spec->props[i].name, spec->props[i].value, err);
    for (size_t i = 0; i < spec->forced_len && r == LT_OK; i++)
        r = set(conf, spec->forced[i].name, spec->forced[i].value, err);
    if (r != LT_OK) {
        rd_kafka_conf_destroy(conf);
        return r;
    }
    *ret = conf;
    return LT_OK;
}

int lt_kafka_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct lt_err *err)
{
    char text[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return lt_err_set(err, LT_E_INVALID, "kafka-client", "kafka: %s", text);
    }
    *ret = rk;
    return LT_OK;
}

int lt_kafka_open(rd_kafka_type_t type, const struct lt_kafka_spec *spec, rd_kafka_t **ret, struct lt_err *err)
{
    rd_kafka_conf_t *conf;
    int r = lt_kafka_conf(spec, &conf, err);
    return r == LT_OK ? lt_kafka_handle(type, conf, ret, err) : r;
}

struct lt_config_prop *lt_kafka_props_copy(const struct lt_config_prop *props, size_t n)
{
    struct lt_config_prop *copy = lt_calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = (struct lt_config_prop){.name = lt_strdup(props[i].name), .value = lt_strdup(props[i].value)};
    return copy;
}

void lt_kafka_props_free(struct lt_config_prop *props, size_t n)
{
    for (size_t i = 0; props && i < n; i++) {
        free((void *)(uintptr_t)props[i].name);
        free((void *)(uintptr_t)props[i].value);
    }
    free(props);
}

enum lt_log_result lt_kafka_result(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return LT_LOG_OK;

    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
        return LT_LOG_FENCED;

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: /* rule 14: these three and no others are a record's own fault */
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        return LT_LOG_TOO_LARGE;

    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
        return LT_LOG_ABSENT;

    case RD_KAFKA_RESP_ERR__INCONSISTENT: /* some record of the transaction failed; its own report says why */
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION: /* membership moved on: a new batch under new membership */
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID: /* by whom, the claim tells: log_claim.c */
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER: /* follows a record that was refused: the epoch is raised, then
                                                            it goes on */
    case RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
    case RD_KAFKA_RESP_ERR_OPERATION_NOT_ATTEMPTED:
    case RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED:
        return LT_LOG_ABORTABLE;

    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__NODE_UPDATE:
    case RD_KAFKA_RESP_ERR__SSL: /* a certificate may be renewed */
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__CONFLICT:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR__OUTDATED:
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR__UNKNOWN_BROKER:
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
    case RD_KAFKA_RESP_ERR__BAD_MSG: /* check.crcs: damaged on the way; the fetch is repeated */
    case RD_KAFKA_RESP_ERR_UNKNOWN:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
        return LT_LOG_RETRY;

    default: /* authorisation, missing topic, unsupported …: somebody must put it right */
        return LT_LOG_PERMANENT;
    }
}

int lt_kafka_error(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return LT_OK;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return LT_E_TIMEOUT;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return LT_E_NOT_FOUND;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return LT_E_AUTH;
    default:
        break;
    }
    switch (lt_kafka_result(code)) {
    case LT_LOG_RETRY:
    case LT_LOG_FENCED:
    case LT_LOG_ABORTABLE:
        return LT_E_UNAVAILABLE;
    case LT_LOG_ABSENT:
        return LT_E_NOT_FOUND;
    case LT_LOG_TOO_LARGE:
        return LT_E_LIMIT;
    default:
        return LT_E_INVALID;
    }
}

const char *lt_kafka_text(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return "Kafka does not answer: no connection to any broker of bootstrap.servers";
    case RD_KAFKA_RESP_ERR__RESOLVE:
        return "Kafka does not answer: a host of bootstrap.servers cannot be resolved";
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        return "Kafka did not answer in time";
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return "Kafka has no such topic or partition; `lienthong topics` shows what is missing";
    default:
        return rd_kafka_err2str(code);
    }
}

int lt_kafka_fail(struct lt_err *err, rd_kafka_resp_err_t code, const char *fmt, ...)
{
    char what[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "%s: %s", what, lt_kafka_text(code));
    return lt_kafka_result(code);
}

int lt_kafka_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms, int32_t *ret, struct lt_err *err)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
    if (!rkt)
        return lt_kafka_fail(err, rd_kafka_last_error(), "topic %s", topic);
    const struct rd_kafka_metadata *m = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 0, rkt, &m, timeout_ms);
    rd_kafka_topic_destroy(rkt);
    if (code)
        return lt_kafka_fail(err, code, "asking for the partitions of topic %s", topic);
    int r = LT_LOG_OK;
    if (m->topic_cnt != 1)
        r = lt_kafka_fail(err, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "topic %s", topic);
    else if (m->topics[0].err)
        r = lt_kafka_fail(err, m->topics[0].err, "topic %s", topic);
    else
        *ret = m->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(m);
    return r;
}

int lt_kafka_group(rd_kafka_t *rk, const char *group, int timeout_ms, const struct rd_kafka_group_list **ret,
                   struct lt_err *err)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(rk, group, &list, timeout_ms);
    bool found = list && list->group_cnt > 0;
    if (code == RD_KAFKA_RESP_ERR__PARTIAL && found) /* all brokers are asked, and one has not answered */
        code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!code && found)
        code = list->groups[0].err;
    *ret = code || !found ? NULL : list;
    if (list && !*ret)
        rd_kafka_group_list_destroy(list);
    if (code == RD_KAFKA_RESP_ERR__PARTIAL)
        code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    return code && code != RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND ? lt_kafka_fail(err, code, "members of group %s", group)
                                                                : LT_LOG_OK;
}

/*
 * ListOffsets with one of its two special times, through the one call of 2.0.2 that sends it under a time limit. The
 * handle's isolation level goes with the request.
 */
static int edge(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t which, int timeout_ms, int64_t *ret,
                struct lt_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, topic, partition);
    e->offset = which;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(rk, list, timeout_ms);
    if (!code)
        code = e->err;
    int64_t offset = e->offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (!code && offset < 0)
        code = RD_KAFKA_RESP_ERR__NO_OFFSET; /* not answered: never taken for an offset */
    if (code)
        return lt_kafka_fail(err, code, "%s of %s partition %d",
                             which == RD_KAFKA_OFFSET_BEGINNING ? "first offset" : "end", topic, (int)partition);
    *ret = offset;
    return LT_LOG_OK;
}

int lt_kafka_low(rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *ret, struct lt_err *err)
{
    return edge(rk, topic, partition, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, ret, err);
}

int lt_kafka_end(rd_kafka_t *rk, const char *topic, int32_t partition, int timeout_ms, int64_t *ret, struct lt_err *err)
{
    return edge(rk, topic, partition, RD_KAFKA_OFFSET_END, timeout_ms, ret, err);
}

void lt_kafka_wake(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(partitions);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    (void)rd_kafka_offsets_for_times(rk, list, WAKE_MS); /* also a request that fails has woken it */
    rd_kafka_topic_partition_list_destroy(list);
}

rd_kafka_headers_t *lt_kafka_headers(const struct lt_headers *h)
{
    if (!h || h->len == 0)
        return NULL;
    rd_kafka_headers_t *to = rd_kafka_headers_new(h->len);
    for (size_t i = 0; i < h->len; i++)
        (void)rd_kafka_header_add(to, h->v[i].name.ptr, (ssize_t)h->v[i].name.len, h->v[i].value.ptr,
                                  (ssize_t)h->v[i].value.len); /* fails on read-only lists only */
    return to;
}
