/* Decisions on their way to lt.control.<target>, and to lt.audit. */
#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"
#include "gateway/model/partition.h"
#include "gateway/ops/courier.h"
#include "gateway/ops/parked.h"

#include <inttypes.h>
#include <stdio.h>

#define PARTITION_KEY_MAX 24

struct lt_decider {
    struct lt_courier *courier;
    char *control, *target, *who;
    int32_t partitions;
};

int lt_decider_new(const struct lt_config *c, const char *target, const char *who, struct lt_decider **ret,
                   struct lt_err *err)
{
    struct lt_decider *d = lt_alloc(sizeof(*d));
    struct lt_reader *reader = NULL;
    d->control = lt_asprintf(LT_TOPIC_CONTROL_PREFIX "%s", target);
    d->target = lt_strdup(target);
    d->who = lt_strdup(who);
    int r = lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, err);
    if (r == LT_OK)
        r = lt_reader_partitions(reader, d->control, &d->partitions, err);
    lt_reader_free(reader);
    const char *const topics[] = {d->control, LT_TOPIC_AUDIT, NULL};
    if (r == LT_OK)
        r = lt_courier_new(c, topics, &d->courier, err);
    if (r != LT_OK) {
        lt_decider_free(d);
        return r;
    }
    *ret = d;
    return LT_OK;
}

void lt_decider_free(struct lt_decider *d)
{
    if (!d)
        return;
    lt_courier_free(d->courier);
    free(d->control);
    free(d->target);
    free(d->who);
    free(d);
}

static int audit(struct lt_decider *d, const char *key, const struct lt_decision *what, struct lt_err *err)
{
    LT_AUTOFREE char *action = lt_asprintf("delivery-%s", lt_verb_name(what->verb));
    LT_AUTOBUF struct lt_buf members = LT_BUF_INIT(4096);
    lt_buf_str(&members, "\"target\":");
    lt_buf_json(&members, lt_span_str(d->target));
    lt_buf_str(&members, ",\"dossier\":");
    lt_buf_json(&members, lt_span_str(key));
    lt_buf_printf(&members, ",\"order\":%" PRId64 ",\"decision\":\"%s\"", what->order, what->id);
    if (what->data.len) { /* which data, not the data: they are about somebody */
        uint8_t sha[LT_SHA256_SIZE];
        char hex[2 * LT_SHA256_SIZE + 1];
        lt_sha256_once(what->data, sha);
        lt_hex(sha, sizeof(sha), hex);
        lt_buf_printf(&members, ",\"sha256\":\"%s\"", hex);
    }
    return lt_courier_audit(d->courier, d->who, action, lt_buf_view(&members), err);
}

static struct lt_decision decided(const struct lt_decider *d, enum lt_verb verb, int64_t order, struct lt_span data)
{
    struct lt_decision what = {.verb = verb, .order = order, .at_ms = lt_now_ms(), .data = data};
    uint8_t random[8];
    lt_random(random, sizeof(random));
    lt_hex(random, sizeof(random), what.id);
    snprintf(what.who, sizeof(what.who), "%s", d->who);
    return what;
}

/* A key that the gateway's partitioner puts into this partition. */
static void partition_key(const struct lt_decider *d, int32_t partition, char ret[PARTITION_KEY_MAX])
{
    unsigned n = 0;
    do
        snprintf(ret, PARTITION_KEY_MAX, "*%u", n++);
    while (lt_partition_of(lt_span_str(ret), d->partitions) != partition);
}

int lt_decider_send(struct lt_decider *d, const char *key, enum lt_verb verb, int64_t order, struct lt_span data,
                    char ret_id[LT_DECISION_MAX], struct lt_err *err)
{
    struct lt_decision what = decided(d, verb, order, data);
    LT_AUTOFREE char *value = lt_decision_value(&what);
    /* The audit first: a decision that nobody can find the maker of is worse than a decision that was not carried out.
     */
    int r = audit(d, key, &what, err);
    if (r == LT_OK)
        r = lt_courier_send(d->courier, d->control, lt_span_str(key), lt_span_str(value), err);
    if (r == LT_OK)
        snprintf(ret_id, LT_DECISION_MAX, "%s", what.id);
    return r;
}

int lt_decider_send_one(struct lt_decider *d, int32_t partition, enum lt_verb verb, int64_t order,
                        char ret_id[LT_DECISION_MAX], struct lt_err *err)
{
    char key[PARTITION_KEY_MAX];
    if (partition < 0 || partition >= d->partitions)
        return lt_err_set(err, LT_E_INVALID, "no-partition", "%s has no partition %" PRId32 ", only 0 to %" PRId32,
                          d->control, partition, d->partitions - 1);
    partition_key(d, partition, key);
    return lt_decider_send(d, key, verb, order, LT_SPAN_NULL, ret_id, err);
}

int lt_decider_send_all(struct lt_decider *d, enum lt_verb verb, struct lt_err *err)
{
    struct lt_decision what = decided(d, verb, -1, LT_SPAN_NULL);
    LT_AUTOFREE char *value = lt_decision_value(&what);
    char key[PARTITION_KEY_MAX];
    int r = audit(d, "*", &what, err); /* one decision, whatever the number of its copies */
    for (int32_t p = 0; p < d->partitions && r == LT_OK; p++) {
        partition_key(d, p, key);
        r = lt_courier_send(d->courier, d->control, lt_span_str(key), lt_span_str(value), err);
    }
    return r;
}
