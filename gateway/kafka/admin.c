#include "gateway/kafka/admin.h"

#include "gateway/base/clock.h"
#include "gateway/kafka/admin_handle.h"
#include "gateway/kafka/client.h"

#include <stdio.h>
#include <time.h>

#define ADMIN_MS 20000
#define ASK_MS 5000
#define VISIBLE_MS 15000 /* how long a new topic may take to appear in the metadata */

int lt_admin_new(const struct lt_config_prop *props, size_t n_props, struct lt_admin **ret, struct lt_err *err)
{
    static const struct lt_kafka_setting forced[] = {{"isolation.level", "read_uncommitted"},
                                                     {"allow.auto.create.topics", "false"}};
    const struct lt_kafka_spec spec = {props, n_props, NULL, forced, 0, LT_ARRAY_LEN(forced)};
    rd_kafka_t *rk;
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &rk, err); /* the consumer kind never creates topics by asking */
    if (r != LT_OK)
        return r;
    struct lt_admin *a = lt_alloc(sizeof(*a));
    a->rk = rk;
    a->props = props;
    a->props_len = n_props;
    *ret = a;
    return LT_OK;
}

void lt_admin_free(struct lt_admin *a)
{
    if (!a)
        return;
    rd_kafka_destroy(a->rk);
    free(a);
}

bool lt_admin_answers(struct lt_admin *a, const char *topic, int timeout_ms)
{
    int32_t n;
    return lt_kafka_partitions(a->rk, topic, timeout_ms, &n, NULL) != LT_LOG_RETRY;
}

void lt_topic_report_deinit(struct lt_topic_report *r)
{
    lt_vec_deinit(&r->drift);
}

static int fail(struct lt_err *err, rd_kafka_resp_err_t code, const char *detail, const char *what)
{
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "%s: %s", what,
               detail && detail[0] ? detail : lt_kafka_text(code));
    return lt_kafka_error(code);
}

/* ---- one request, one answer ---- */

struct request {
    rd_kafka_queue_t *queue; /* of its answer */
    rd_kafka_AdminOptions_t *options;
};

/* The library's call comes next, with both; then answer(). */
static struct request request(struct lt_admin *a, rd_kafka_admin_op_t op)
{
    char text[128];
    struct request q = {rd_kafka_queue_new(a->rk), rd_kafka_AdminOptions_new(a->rk, op)};
    (void)rd_kafka_AdminOptions_set_request_timeout(q.options, ADMIN_MS, text,
                                                    sizeof(text)); /* fails for values out of range only */
    return q;
}

/* Ends the request. The caller destroys *ret. */
static int answer(struct request *q, const char *what, rd_kafka_event_t **ret, struct lt_err *err)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(q->queue, ADMIN_MS + 5000);
    rd_kafka_AdminOptions_destroy(q->options);
    rd_kafka_queue_destroy(q->queue);
    if (!event)
        return fail(err, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, what);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code) {
        int r = fail(err, code, rd_kafka_event_error_string(event), what);
        rd_kafka_event_destroy(event);
        return r;
    }
    *ret = event;
    return LT_OK;
}

/* DescribeConfigs of one resource; the caller destroys *ret. LT_E_NOT_FOUND: no such resource. */
static int describe(struct lt_admin *a, rd_kafka_ResourceType_t type, const char *name, rd_kafka_event_t **ret,
                    const rd_kafka_ConfigEntry_t ***ret_entries, size_t *ret_n, struct lt_err *err)
{
    char what[300];
    snprintf(what, sizeof(what), "settings of %s %s", type == RD_KAFKA_RESOURCE_TOPIC ? "topic" : "broker", name);
    struct request q = request(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
    rd_kafka_DescribeConfigs(a->rk, &resource, 1, q.options, q.queue);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_event_t *event = NULL;
    int r = answer(&q, what, &event, err);
    if (r != LT_OK)
        return r;
    size_t n = 0;
    const rd_kafka_ConfigResource_t **found =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
    rd_kafka_resp_err_t code = n == 1 ? rd_kafka_ConfigResource_error(found[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code) {
        r = fail(err, code, n == 1 ? rd_kafka_ConfigResource_error_string(found[0]) : NULL, what);
        rd_kafka_event_destroy(event);
        return r;
    }
    *ret_entries = rd_kafka_ConfigResource_configs(found[0], ret_n);
    *ret = event;
    return LT_OK;
}

static const char *entry_value(const rd_kafka_ConfigEntry_t **entries, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            return value ? value : "";
        }
    return NULL;
}

/* ---- topics ---- */

static void drift_add(struct lt_topic_report *r, const char *setting, const char *wanted, const char *actual)
{
    struct lt_topic_drift *d = lt_vec_push(&r->drift);
    snprintf(d->setting, sizeof(d->setting), "%s", setting);
    snprintf(d->wanted, sizeof(d->wanted), "%s", wanted);
    snprintf(d->actual, sizeof(d->actual), "%s", actual);
}

/* Partition count and replication factor (of the first partition). 0 partitions: no such topic. */
static int shape(struct lt_admin *a, const char *topic, int32_t *ret_partitions, int32_t *ret_replication,
                 struct lt_err *err)
{
    rd_kafka_topic_t *rkt = rd_kafka_topic_new(a->rk, topic, NULL);
    if (!rkt)
        return fail(err, rd_kafka_last_error(), NULL, topic);
    const struct rd_kafka_metadata *m;
    rd_kafka_resp_err_t code = rd_kafka_metadata(a->rk, 0, rkt, &m, ASK_MS);
    rd_kafka_topic_destroy(rkt);
    if (code)
        return fail(err, code, NULL, topic);
    code = m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    *ret_partitions = code ? 0 : m->topics[0].partition_cnt;
    *ret_replication = *ret_partitions > 0 ? m->topics[0].partitions[0].replica_cnt : 0;
    rd_kafka_metadata_destroy(m);
    return code && code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? fail(err, code, NULL, topic) : LT_OK;
}

int lt_admin_topic_partitions(struct lt_admin *a, const char *topic, int32_t *ret, struct lt_err *err)
{
    int32_t replication;
    return shape(a, topic, ret, &replication, err);
}

int lt_admin_topic_describe(struct lt_admin *a, const struct lt_topic_plan *plan, struct lt_topic_report *ret,
                            struct lt_err *err)
{
    int32_t partitions, replication;
    int r = shape(a, plan->name, &partitions, &replication, err);
    if (r != LT_OK)
        return r;
    struct lt_topic_report report = {.state = LT_TOPIC_MISSING};
    if (partitions == 0) {
        *ret = report;
        return LT_OK;
    }
    rd_kafka_event_t *event;
    const rd_kafka_ConfigEntry_t **entries;
    size_t n;
    r = describe(a, RD_KAFKA_RESOURCE_TOPIC, plan->name, &event, &entries, &n, err);
    if (r != LT_OK)
        return r;
    report.partitions = partitions;
    for (size_t i = 0; i < plan->settings_len; i++) {
        const char *actual = entry_value(entries, n, plan->settings[i].name);
        if (!actual || strcmp(actual, plan->settings[i].value) != 0)
            drift_add(&report, plan->settings[i].name, plan->settings[i].value, actual ? actual : "(no such setting)");
    }
    rd_kafka_event_destroy(event);
    if (plan->replication > 0 && plan->replication != replication) {
        char wanted[16], actual[16];
        snprintf(wanted, sizeof(wanted), "%d", (int)plan->replication);
        snprintf(actual, sizeof(actual), "%d", (int)replication);
        drift_add(&report, "replication.factor", wanted, actual);
    }
    report.state = partitions != plan->partitions ? LT_TOPIC_PARTITIONS_DIFFER
                   : report.drift.len             ? LT_TOPIC_DRIFT
                                                  : LT_TOPIC_SAME;
    *ret = report;
    return LT_OK;
}

/* Brokers learn of a new topic one after the other: gone on only when it can be used. */
static int wait_visible(struct lt_admin *a, const struct lt_topic_plan *plan, struct lt_err *err)
{
    for (int64_t until = lt_mono_ms() + VISIBLE_MS;;) {
        int32_t partitions = 0, replication;
        int r = shape(a, plan->name, &partitions, &replication, err);
        if (r != LT_OK && r != LT_E_TIMEOUT && r != LT_E_UNAVAILABLE)
            return r;
        if (partitions > 0)
            return LT_OK;
        if (lt_mono_ms() >= until)
            return fail(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "created, but the brokers do not show it yet", plan->name);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

int lt_admin_topic_create(struct lt_admin *a, const struct lt_topic_plan *plan, struct lt_err *err)
{
    char text[256], what[300];
    snprintf(what, sizeof(what), "creating topic %s", plan->name);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(plan->name, plan->partitions, plan->replication, text, sizeof(text));
    if (!topic)
        return lt_err_set(err, LT_E_INVALID, "topic-plan", "%s: %s", what, text);
    for (size_t i = 0; i < plan->settings_len; i++) {
        rd_kafka_resp_err_t code = rd_kafka_NewTopic_set_config(topic, plan->settings[i].name, plan->settings[i].value);
        if (code) {
            rd_kafka_NewTopic_destroy(topic);
            return fail(err, code, NULL, what);
        }
    }
    struct request q = request(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(a->rk, &topic, 1, q.options, q.queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_event_t *event = NULL;
    int r = answer(&q, what, &event, err);
    if (r != LT_OK)
        return r;
    size_t n = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    rd_kafka_resp_err_t code = n == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code &&
        code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) /* by somebody else just now: describe tells whether it fits */
        r = fail(err, code, n == 1 ? rd_kafka_topic_result_error_string(results[0]) : NULL, what);
    rd_kafka_event_destroy(event);
    return r == LT_OK ? wait_visible(a, plan, err) : r;
}

int lt_admin_auto_create(struct lt_admin *a, bool *ret, struct lt_err *err)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_resp_err_t code = rd_kafka_metadata(a->rk, 0, NULL, &m, ASK_MS);
    if (code)
        return fail(err, code, NULL, "asking for the brokers");
    char broker[16] = "";
    if (m->broker_cnt > 0)
        snprintf(broker, sizeof(broker), "%d", (int)m->brokers[0].id);
    rd_kafka_metadata_destroy(m);
    if (!broker[0])
        return fail(err, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, NULL, "asking for the brokers");
    rd_kafka_event_t *event;
    const rd_kafka_ConfigEntry_t **entries;
    size_t n;
    int r = describe(a, RD_KAFKA_RESOURCE_BROKER, broker, &event, &entries, &n, err);
    if (r != LT_OK)
        return r;
    const char *value = entry_value(entries, n, "auto.create.topics.enable");
    *ret = value && strcmp(value, "true") == 0;
    rd_kafka_event_destroy(event);
    return LT_OK;
}
