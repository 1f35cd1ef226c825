#include "gateway/ingest/bridge.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/stopper.h"

#define RECORDS_MAX 200
#define BYTES_MAX ((size_t)4 << 20)
#define POLL_MS 200
#define LINGER_MS 20
#define RETRY_MS_MIN 500
#define RETRY_MS_MAX 30000

struct lt_bridge {
    struct lt_intake *intake;
    struct lt_clients *clients;
    const struct lt_config_bridge *config;
    const struct lt_config_client *client;
    struct lt_translator *translator;
    struct lt_bridge_source source;
    char *origin;
    struct lt_log_record *records[RECORDS_MAX]; /* in work, in the order they came */
    size_t records_len;
    struct lt_stopper stopper;
    /* under stopper.lock */
    uint64_t records_done;
    bool waiting;
    char trouble[300];
};

/* ---- what it shows ---- */

static void set_trouble(struct lt_bridge *b, const char *text)
{
    pthread_mutex_lock(&b->stopper.lock);
    bool news = strcmp(b->trouble, text) != 0;
    if (news)
        snprintf(b->trouble, sizeof(b->trouble), "%s", text);
    pthread_mutex_unlock(&b->stopper.lock);
    if (news && *text)
        lt_warn(b->origin, "bridge-trouble", "%s", text);
}

void lt_bridge_status(struct lt_bridge *b, struct lt_json_writer *w)
{
    pthread_mutex_lock(&b->stopper.lock);
    lt_json_begin_object(w);
    lt_json_str(w, "name", lt_span_str(b->config->name));
    lt_json_str(w, "topic", lt_span_str(b->config->topic));
    lt_json_str(w, "state", lt_span_str(*b->trouble ? "trouble" : b->waiting ? "waiting-for-kafka" : "running"));
    if (*b->trouble)
        lt_json_str(w, "trouble", lt_span_str(b->trouble));
    lt_json_num(w, "records", (int64_t)b->records_done);
    lt_json_end_object(w);
    pthread_mutex_unlock(&b->stopper.lock);
}

void lt_bridge_metrics(struct lt_bridge *b, struct lt_buf *out)
{
    pthread_mutex_lock(&b->stopper.lock);
    lt_buf_printf(out, "lt_ingest_bridge_records_total{bridge=\"%s\"} %" PRIu64 "\n", b->config->name, b->records_done);
    lt_buf_printf(out, "lt_ingest_bridge_trouble{bridge=\"%s\"} %d\n", b->config->name, *b->trouble || b->waiting);
    pthread_mutex_unlock(&b->stopper.lock);
}

/* ---- the work ---- */

static void collect(struct lt_bridge *b)
{
    size_t bytes = 0;
    int64_t until = 0;
    while (b->records_len < RECORDS_MAX && bytes < BYTES_MAX) {
        struct lt_err err = LT_ERR_INIT;
        int64_t left = b->records_len ? LT_MAX(0, until - lt_mono_ms()) : POLL_MS;
        int rc = b->source.poll(b->source.ctx, (int)left, &b->records[b->records_len], &err);
        if (rc == LT_LOG_OK) {
            bytes += b->records[b->records_len]->value.len;
            if (b->records_len++ == 0)
                until = lt_mono_ms() + LINGER_MS;
            continue;
        }
        if (rc != LT_LOG_NONE)
            set_trouble(b, err.text);
        return;
    }
}

/*
 * Send the records that are not finished, in one submission, so that a dossier's events keep their order over records
 * too. Returns whether all are finished; finished[] is what to leave out next time.
 */
static bool send_records(struct lt_bridge *b, bool *finished, bool again)
{
    struct lt_submission *s = lt_submission_new(b->intake, b->client, b->origin);
    size_t which[RECORDS_MAX], parts = 0, events = 0;
    bool all = true;
    s->go_on_after_refusal = true; /* these records never come again by themselves */
    for (size_t i = 0; i < b->records_len; i++) {
        const struct lt_log_record *r = b->records[i];
        char position[300];
        if (finished[i])
            continue;
        snprintf(position, sizeof(position), "%.200s/%" PRId32 "/%" PRId64, r->topic, r->partition, r->offset);
        events += lt_submission_add(s, b->translator, lt_span_str(b->config->media), r->value, position);
        which[parts++] = i;
        finished[i] = true;
    }
    if (!again) /* an outage must not use up the client's rate */
        lt_clients_charge(b->clients, b->client, events);
    lt_submission_run(s);
    for (size_t i = 0; i < s->items.len; i++) {
        const struct lt_submission_item *it = &s->items.v[i];
        if (it->state == LT_ITEM_ACCEPTED || it->state == LT_ITEM_REFUSED)
            continue;
        finished[which[it->part]] = all = false;
    }
    lt_submission_free(s);
    return all;
}

static void commit_records(struct lt_bridge *b)
{
    for (size_t i = 0; i < b->records_len; i++) {
        const struct lt_log_record *r = b->records[i];
        bool last = true;
        for (size_t o = i + 1; o < b->records_len && last; o++)
            last = b->records[o]->partition != r->partition;
        struct lt_err err = LT_ERR_INIT;
        if (last && b->source.commit(b->source.ctx, r->partition, r->offset + 1, &err) != LT_LOG_OK)
            lt_info(b->origin, "bridge-commit", "%s; the records may come again, as duplicates", err.text);
    }
    pthread_mutex_lock(&b->stopper.lock);
    b->records_done += b->records_len;
    pthread_mutex_unlock(&b->stopper.lock);
}

static void set_waiting(struct lt_bridge *b, bool waiting)
{
    pthread_mutex_lock(&b->stopper.lock);
    b->waiting = waiting;
    pthread_mutex_unlock(&b->stopper.lock);
}

/*
 * Before records are taken, not after: held for longer than max.poll.interval.ms they belong to another member, their
 * commit fails, and they come again for ever. False: stop.
 */
static bool await_rate(struct lt_bridge *b)
{
    int wait_s;
    while ((wait_s = lt_clients_admit(b->clients, b->client, lt_mono_ms())) > 0)
        if (lt_stopper_wait(&b->stopper, (int64_t)wait_s * 1000))
            return false;
    return true;
}

/* False: stop; nothing is committed then, the records come again. */
static bool work_off(struct lt_bridge *b)
{
    bool finished[RECORDS_MAX] = {false}, again = false;
    for (int64_t pause = RETRY_MS_MIN; !send_records(b, finished, again); pause = LT_MIN(pause * 2, RETRY_MS_MAX)) {
        again = true;
        set_waiting(b, true);
        if (lt_stopper_wait(&b->stopper, pause))
            return false;
    }
    set_waiting(b, false);
    set_trouble(b, "");
    commit_records(b);
    return true;
}

static void *bridge_main(void *arg)
{
    struct lt_bridge *b = arg;
    bool on = true;
    while (on && !lt_stopper_stopping(&b->stopper) && await_rate(b)) {
        collect(b);
        if (b->records_len)
            on = work_off(b);
        for (size_t i = 0; i < b->records_len; i++)
            b->source.record_free(b->source.ctx, b->records[i]);
        b->records_len = 0;
    }
    b->source.free(b->source.ctx); /* on the thread that owns it */
    return NULL;
}

/* ---- life ---- */

static int consumer_poll(void *ctx, int timeout_ms, struct lt_log_record **ret, struct lt_err *err)
{
    return lt_consumer_poll(ctx, timeout_ms, ret, err);
}

static void consumer_record_free(void *ctx, struct lt_log_record *r)
{
    lt_consumer_record_free(ctx, r);
}

static int consumer_commit(void *ctx, int32_t partition, int64_t next, struct lt_err *err)
{
    return lt_consumer_commit(ctx, partition, next, err);
}

static void consumer_free(void *ctx)
{
    lt_consumer_free(ctx);
}

static int open_source(const struct lt_config *c, const struct lt_config_bridge *config, struct lt_bridge_source *ret,
                       struct lt_err *err)
{
    LT_AUTOFREE char *group = lt_asprintf("lt.bridge.%s", config->name);
    LT_AUTOFREE char *id = lt_asprintf("%s.%s", group, c->instance);
    struct lt_consumer *consumer = NULL;
    int rc = lt_consumer_new(c->kafka.props, c->kafka.props_len, group, config->topic, id, &consumer, err);
    *ret = (struct lt_bridge_source){consumer, consumer_poll, consumer_record_free, consumer_commit, consumer_free};
    return rc;
}

int lt_bridge_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                    const struct lt_config_bridge *config, const struct lt_bridge_source *source,
                    struct lt_bridge **ret, struct lt_err *err)
{
    struct lt_bridge *b = lt_alloc(sizeof(*b));
    b->intake = in;
    b->clients = clients;
    b->config = config;
    b->client = lt_config_client(in->config, lt_span_str(config->client));
    b->origin = lt_asprintf("bridge:%s", config->name);
    b->translator = lt_translator_new(mappings);
    lt_stopper_init(&b->stopper);
    int rc = LT_OK;
    if (source)
        b->source = *source;
    else
        rc = open_source(in->config, config, &b->source, err);
    if (rc == LT_OK && !b->client)
        rc = lt_err_set(err, LT_E_INVALID, "unknown-client", "bridge %s: no client %s", config->name, config->client);
    if (rc == LT_OK && !lt_stopper_start(&b->stopper, bridge_main, b))
        rc = lt_err_set(err, LT_E_IO, "thread", "bridge %s: no thread could be started", config->name);
    if (rc != LT_OK) {
        if (b->source.ctx)
            b->source.free(b->source.ctx);
        lt_bridge_free(b);
        return rc;
    }
    *ret = b;
    return LT_OK;
}

void lt_bridge_stop(struct lt_bridge *b)
{
    lt_stopper_stop(&b->stopper);
}

void lt_bridge_free(struct lt_bridge *b)
{
    if (!b)
        return;
    lt_stopper_deinit(&b->stopper);
    lt_translator_free(b->translator);
    free(b->origin);
    free(b);
}
