/*
 * Who runs under an instance id (docs/decisions/0008-claims.md). The group cannot be asked: a broker fences a static
 * member also for a join of its own whose answer was lost, and shows the client id of whoever was first. So each owner
 * of a log writes a claim when it first opens it: an offset's metadata in a group named as the instance id, in a
 * transaction of the transactional id, hence in one order with everybody else's. Whoever finds another claim after its
 * own is the older one and must end; whoever finds its own, or none, is alone. Claims are numbered upwards, because a
 * group can tell of one that is long past (docs/decisions/0015-a-group-that-goes-back.md): that one is nobody's.
 */
#include "gateway/kafka/log_kafka.h"

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define ASK_MS 5000
#define WRITE_MS 5000
#define CLAIM_FORMAT "claim-2 "

/* The claim as it stands. "": none. */
struct claim {
    char text[300]; /* CLAIM_FORMAT, nonce of 16 hexadecimal digits, number, what is for people */
    uint64_t nonce; /* all three as they are in the text; INT64_MAX where it has another form: a stranger's */
    int64_t number;
    const char *owner; /* host, process and time, in text */
};

static void claim_parse(struct claim *c)
{
    int read = 0;
    if (sscanf(c->text, CLAIM_FORMAT "%16" SCNx64 " %" SCNd64 " %n", &c->nonce, &c->number, &read) == 2 && read > 0) {
        c->owner = c->text + read;
        return;
    }
    c->nonce = 0;
    c->number = INT64_MAX;
    c->owner = c->text;
}

/*
 * Through a handle of its own, which never joins: the admin call for it (ListConsumerGroupOffsets of 2.0.2) ends the
 * process by an assertion when it times out. read_committed: an unfinished claim is waited for.
 */
static int claim_read(struct lt_log_kafka *k, struct claim *ret, struct lt_err *err)
{
    const struct lt_kafka_setting forced[] = {{"group.id", k->instance_id},
                                              {"client.id", k->instance_id},
                                              {"enable.auto.commit", "false"},
                                              {"isolation.level", "read_committed"},
                                              {"allow.auto.create.topics", "false"}};
    const struct lt_kafka_spec spec = lt_log_kafka_spec(k, NULL, 0, forced, LT_ARRAY_LEN(forced));
    rd_kafka_t *reader;
    int r = lt_kafka_open(RD_KAFKA_CONSUMER, &spec, &reader, err);
    if (r != LT_OK)
        return r;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, k->topic, 0);
    rd_kafka_resp_err_t code = rd_kafka_committed(reader, list, ASK_MS);
    if (!code)
        code = e->err;
    if (code) {
        r = lt_kafka_fail(err, code, "asking who runs as %s", k->instance_id);
    } else {
        int len = e->offset >= 0 && e->metadata ? (int)LT_MIN(e->metadata_size, sizeof(ret->text) - 1) : 0;
        snprintf(ret->text, sizeof(ret->text), "%.*s", len, len ? (const char *)e->metadata : "");
        claim_parse(ret);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(reader);
    return r;
}

void lt_log_twin_text(const char *instance, const struct lt_err *err, char out[LT_LOG_TWIN_TEXT_MAX])
{
    snprintf(
        out, LT_LOG_TWIN_TEXT_MAX,
        "another process runs under the instance name %s (%.300s); nothing is in danger, Kafka lets only one of the "
        "two commit; give each gateway its own `instance:`, then start this one again",
        instance, err->text);
}

int lt_log_kafka_claim_check(struct lt_log_kafka *k, struct lt_err *err)
{
    if (!k->claim || !k->claim->made)
        return LT_LOG_OK;
    struct claim now;
    int r = claim_read(k, &now, err);
    if (r != LT_LOG_OK)
        return r;
    if (!now.text[0]) {
        k->claim->made = false; /* the offset expired, or the topic was made anew: claimed again when it is opened */
        return LT_LOG_OK;
    }
    if (now.nonce == k->claim->nonce)
        return LT_LOG_OK;
    if (now.number < k->claim->number) {
        k->claim->made = false; /* the group went back: claimed again when it is opened, lest a twin is not told */
        return LT_LOG_OK;
    }
    lt_err_set(err, LT_E_INVALID, "twin", "%s was taken over by another process: %s", k->instance_id, now.owner);
    return LT_LOG_TWIN;
}

static rd_kafka_error_t *write_offset(struct lt_log_kafka *k, const char *text)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(k->producer);
    if (error)
        return error;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *e = rd_kafka_topic_partition_list_add(list, k->topic, 0);
    e->offset = 0;
    e->metadata_size = strlen(text);
    e->metadata = rd_kafka_mem_malloc(NULL, e->metadata_size); /* freed with the list */
    memcpy(e->metadata, text, e->metadata_size);
    rd_kafka_consumer_group_metadata_t *nobody = rd_kafka_consumer_group_metadata_new(k->instance_id);
    error = rd_kafka_send_offsets_to_transaction(k->producer, list, nobody, WRITE_MS);
    rd_kafka_consumer_group_metadata_destroy(nobody);
    rd_kafka_topic_partition_list_destroy(list);
    return error ? error : rd_kafka_commit_transaction(k->producer, WRITE_MS);
}

int lt_log_kafka_claim_make(struct lt_log_kafka *k, struct lt_err *err)
{
    if (!k->claim || k->claim->made)
        return LT_LOG_OK;
    int32_t partitions; /* a missing topic is said at once, and by its name */
    int r = lt_kafka_partitions(k->peek, k->topic, ASK_MS, &partitions, err);
    if (r != LT_LOG_OK)
        return r;
    struct claim former;
    r = claim_read(k, &former, err);
    if (r != LT_LOG_OK)
        return r;
    while (k->claim->nonce == 0)
        lt_random(&k->claim->nonce, sizeof(k->claim->nonce));
    /* Above the one before, whatever the clocks of the two hosts; above it too when only a past one was told of. */
    int64_t wall = lt_now_ms();
    bool known = former.text[0] && former.number < INT64_MAX;
    k->claim->number = known ? LT_MAX(former.number + 1, wall) : wall;
    char host[65] = "", since[30], text[200];
    (void)gethostname(host, sizeof(host) - 1); /* for people only */
    lt_time_rfc3339(wall, since);
    snprintf(text, sizeof(text), CLAIM_FORMAT "%016" PRIx64 " %" PRId64 " host %s, process %ld, since %s",
             k->claim->nonce, k->claim->number, host, (long)getpid(), since);
    rd_kafka_error_t *error = write_offset(k, text);
    if (!error) {
        k->claim->made = true;
        return LT_LOG_OK;
    }
    /* Whatever became of it, the log is not opened, and the next attempt makes a new producer and writes it again. */
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    r = lt_kafka_result(code);
    lt_err_set(err, lt_kafka_error(code), rd_kafka_err2name(code), "claiming %s: %s", k->instance_id,
               rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    k->transaction = LT_TXN_UNKNOWN;
    return r == LT_LOG_PERMANENT ? LT_LOG_PERMANENT : LT_LOG_RETRY;
}
