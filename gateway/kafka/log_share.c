/*
 * Does somebody own every partition? (docs/decisions/0009-unowned-partitions.md) In a cooperative rebalance the member
 * that gives a partition up must join once more before it can be given on. A static member that dies in between comes
 * back without a rebalance, and nobody owns the partition any more, for good. So the group is looked at now and then,
 * and when a stable one leaves partitions out, its first member changes its subscription for a while, which makes the
 * group share anew; the others keep what they have.
 */
#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

#define LOOK_MS 5000  /* between two looks */
#define ASK_MS 1000   /* for one: polls wait for it */
#define SEEN_BEFORE 2 /* looks in a row before anything is done: a rebalance may be about to begin */
#define SEEN_BEFORE_NEXT 6

/* ConsumerProtocolAssignment: int16 version, array of {string topic, array of int32 partitions}, all big-endian. */
struct cursor {
    const uint8_t *at, *end;
};

static bool take_int(struct cursor *c, size_t bytes, uint32_t *ret)
{
    if ((size_t)(c->end - c->at) < bytes)
        return false;
    for (*ret = 0; bytes; bytes--)
        *ret = *ret << 8 | *c->at++;
    return true;
}

static bool mark_owned(struct cursor c, const char *topic, bool *owned, int32_t partitions)
{
    uint32_t version, topics, len, n, p;
    if (!take_int(&c, 2, &version) || !take_int(&c, 4, &topics))
        return false;
    for (; topics; topics--) {
        if (!take_int(&c, 2, &len) || (size_t)(c.end - c.at) < len)
            return false;
        bool ours = strlen(topic) == len && memcmp(c.at, topic, len) == 0;
        c.at += len;
        if (!take_int(&c, 4, &n))
            return false;
        for (; n; n--) {
            if (!take_int(&c, 4, &p))
                return false;
            if (ours && p < (uint32_t)partitions)
                owned[p] = true;
        }
    }
    return true;
}

/* false: not known now. */
static bool look(struct lt_log_kafka *k, const char *member_id, struct lt_log_share *ret, bool *ret_first)
{
    const struct rd_kafka_group_list *list = NULL;
    struct lt_log_share s = {0};
    if (lt_kafka_partitions(k->peek, k->topic, ASK_MS, &s.partitions, NULL) != LT_LOG_OK ||
        lt_kafka_group(k->peek, k->group, ASK_MS, &list, NULL) != LT_LOG_OK || !list)
        return false;
    const struct rd_kafka_group_info *g = &list->groups[0];
    bool known = strcmp(g->state, "Stable") == 0;
    bool *owned = lt_calloc((size_t)LT_MAX(s.partitions, 1), sizeof(*owned));
    *ret_first = true;
    for (int i = 0; known && i < g->member_cnt; i++) {
        const struct rd_kafka_group_member_info *m = &g->members[i];
        const uint8_t *assignment = m->member_assignment;
        struct cursor c = {assignment, assignment ? assignment + m->member_assignment_size : NULL};
        s.members++;
        *ret_first = *ret_first && strcmp(m->member_id, member_id) >= 0;
        if (m->member_assignment_size > 0)
            known = mark_owned(c, k->topic, owned, s.partitions);
    }
    for (int32_t p = 0; p < s.partitions; p++)
        s.unowned += !owned[p];
    free(owned);
    rd_kafka_group_list_destroy(list);
    *ret = s;
    return known && s.members > 0;
}

int lt_log_kafka_subscribe(struct lt_log_kafka *k, bool with_other, struct lt_err *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, k->topic, RD_KAFKA_PARTITION_UA);
    if (with_other)
        rd_kafka_topic_partition_list_add(topics, k->other_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(k->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code)
        return lt_kafka_fail(err, code, "subscribing to %s", k->topic);
    k->watch.with_other = with_other;
    return LT_LOG_OK;
}

static void change_subscription(struct lt_log_kafka *k, bool with_other)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_log_kafka_subscribe(k, with_other, &err) != LT_LOG_OK)
        lt_warn(k->instance_id, "share", "group %s: its subscription could not be changed: %s; trying again", k->group,
                err.text);
}

void lt_log_kafka_watch(struct lt_log_kafka *k, const char *member_id)
{
    struct lt_log_share now;
    bool first;
    k->watch.next_ms = lt_mono_ms() + LOOK_MS;
    if (!look(k, member_id, &now, &first))
        return; /* between two assignments, or Kafka is away */
    k->watch.last = now;
    k->watch.known = true;
    if (now.unowned == 0) {
        k->watch.seen = 0;
        if (k->watch.with_other)
            change_subscription(k, false);
        return;
    }
    k->watch.seen++;
    if (k->watch.seen == SEEN_BEFORE)
        lt_warn(k->instance_id, "unowned-partitions",
                "group %s: %d of %d partitions of %s are nobody's although %d members are there; sharing anew",
                k->group, (int)now.unowned, (int)now.partitions, k->topic, (int)now.members);
    if (!first || !k->other_topic || k->watch.seen < SEEN_BEFORE)
        return;
    change_subscription(k, !k->watch.with_other);
    k->watch.seen = SEEN_BEFORE - SEEN_BEFORE_NEXT; /* time for it to take effect, then the other way round */
}

bool lt_log_kafka_share(struct lt_log *l, struct lt_log_share *ret)
{
    const struct lt_log_kafka *k = lt_log_kafka_of(l);
    if (k->watch.known)
        *ret = k->watch.last;
    return k->watch.known;
}
