#include "gateway/ingest/intake.h"

#include <stdio.h>
#include <uthash.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

static const struct lt_event nothing_known;

static void produce(struct lt_submission_item *it);
static void refuse_item(struct lt_submission_item *it);

/* ---- life ---- */

struct lt_submission *lt_submission_new(struct lt_intake *in, const struct lt_config_client *client, const char *origin)
{
    struct lt_submission *s = lt_alloc(sizeof(*s));
    s->intake = in;
    s->client = client;
    s->origin = lt_strdup(origin);
    s->arena = LT_ARENA_INIT;
    return s;
}

void lt_submission_free(struct lt_submission *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->parts.len; i++) {
        lt_translation_deinit(&s->parts.v[i]->translation);
        free(s->parts.v[i]);
    }
    lt_vec_deinit(&s->parts);
    lt_vec_deinit(&s->items);
    lt_arena_deinit(&s->arena);
    free(s->origin);
    free(s);
}

/* ---- filling ---- */

static struct lt_submission_part *add_part(struct lt_submission *s, struct lt_span media, struct lt_span body,
                                           const char *position)
{
    struct lt_submission_part *p = lt_alloc(sizeof(*p));
    p->media = media;
    p->body = body;
    p->position = lt_arena_str(&s->arena, lt_span_str(position));
    lt_translation_init(&p->translation);
    *lt_vec_push(&s->parts) = p;
    return p;
}

static struct lt_submission_item *add_item(struct lt_submission *s, size_t index, struct lt_span raw)
{
    struct lt_submission_item *it = lt_vec_push(&s->items);
    memset(it, 0, sizeof(*it));
    it->submission = s;
    it->part = s->parts.len - 1;
    it->index = index;
    it->event = &nothing_known;
    it->raw = (struct lt_raw){.bytes = raw, .length = raw.len};
    it->position = s->parts.v[it->part]->position;
    return it;
}

static const char *item_position(struct lt_submission *s, const char *part, size_t index)
{
    return lt_arena_printf(&s->arena, "%s%sitem %zu", part, *part ? " " : "", index);
}

size_t lt_submission_add(struct lt_submission *s, struct lt_translator *t, struct lt_span media, struct lt_span body,
                         const char *position)
{
    struct lt_submission_part *p = add_part(s, media, body, position);
    const struct lt_config *c = s->intake->config;
    struct lt_translation *tr = &p->translation;
    struct lt_input in = {media, body, (size_t)c->ingest.depth_max, (size_t)c->ingest.batch_max};
    lt_translate(t, &in, tr);
    if (!tr->refused && tr->items.len == 0) {
        tr->refused = true;
        tr->refusal = (struct lt_refusal){
            .status = 422, .code = "empty-batch", .detail = "expected at least one event, got none"};
    }
    if (tr->refused) {
        struct lt_submission_item *it = add_item(s, 0, body);
        p->whole_refused = it->refused = true;
        it->refusal = tr->refusal;
        return 1;
    }
    for (size_t i = 0; i < tr->items.len; i++) {
        struct lt_item *from = &tr->items.v[i];
        struct lt_submission_item *it = add_item(s, i, from->raw);
        it->event = &from->event;
        it->type_word = from->type_word;
        it->refused = !from->accepted;
        if (tr->batch)
            it->position = item_position(s, p->position, i);
        if (it->refused)
            it->refusal = from->refusal;
        else if (!lt_client_may_send(s->client, it->event, lt_span_str(from->type_word), &it->refusal))
            it->refused = true;
    }
    return tr->items.len;
}

void lt_submission_refuse(struct lt_submission *s, const struct lt_refusal *why, struct lt_span media,
                          const struct lt_raw *raw, const char *position)
{
    struct lt_submission_part *p = add_part(s, media, raw->bytes, position);
    struct lt_submission_item *it = add_item(s, 0, raw->bytes);
    it->raw = *raw;
    it->refusal = *why;
    p->whole_refused = it->refused = true;
}

/* ---- ends ---- */

static void release(struct lt_submission *s)
{
    if (atomic_fetch_sub_explicit(&s->open, 1, memory_order_acq_rel) == 1)
        s->done(s->done_ctx, s);
}

static void settle(struct lt_submission_item *it, enum lt_item_state state, const char *code)
{
    struct lt_ingest_counters *c = it->submission->intake->counters;
    it->state = state;
    it->code = code;
    switch (state) {
    case LT_ITEM_ACCEPTED:
        atomic_fetch_add(&c->accepted, 1);
        if (lt_submission_item_made(it)->truncated)
            atomic_fetch_add(&c->truncated, lt_submission_item_made(it)->truncated);
        break;
    case LT_ITEM_REFUSED:
        lt_ingest_count_refused(c, it->refusal.code);
        break;
    case LT_ITEM_NOT_ATTEMPTED:
        atomic_fetch_add(&c->not_attempted, 1);
        break;
    case LT_ITEM_UNAVAILABLE:
        atomic_fetch_add(&c->unavailable, 1);
        break;
    case LT_ITEM_PENDING:
        break;
    }
}

/* The chain of a dossier goes on behind an accepted item and ends behind any other. */
static void chain_on(struct lt_submission_item *it)
{
    struct lt_submission *s = it->submission;
    struct lt_submission_item *next = it->next_same;
    bool on = it->state == LT_ITEM_ACCEPTED || (it->state == LT_ITEM_REFUSED && s->go_on_after_refusal);
    if (on && next) {
        if (next->refused)
            refuse_item(next);
        else
            produce(next);
        return;
    }
    for (; next; next = next->next_same)
        settle(next, LT_ITEM_NOT_ATTEMPTED, NULL);
    release(s);
}

static struct lt_record_source source_of(const struct lt_submission_item *it)
{
    const struct lt_submission *s = it->submission;
    const struct lt_submission_part *p = s->parts.v[it->part];
    return (struct lt_record_source){.client = s->client,
                                     .origin = s->origin,
                                     .position = it->position,
                                     .media = p->media,
                                     .mapping = p->translation.mapping,
                                     .generation = lt_config_generation(s->intake->config),
                                     .resubmit_of = s->resubmit_of,
                                     .resubmits = s->resubmits,
                                     .now_ms = lt_now_ms()};
}

/* ---- refused items ---- */

static void refusal_acked(struct lt_submission_item *it, bool lost)
{
    if (lost)
        atomic_store(&it->ack_lost, true);
    if (atomic_fetch_sub(&it->acks, 1) != 1)
        return;
    if (atomic_load(&it->ack_lost))
        settle(it, LT_ITEM_UNAVAILABLE, "kafka-away");
    else
        settle(it, LT_ITEM_REFUSED, NULL);
    chain_on(it);
}

static void refusal_lost(struct lt_submission_item *it, const char *why)
{
    lt_warn("ingest", "deadletter-lost",
            "the refusal (%s) of an input of %s could not be recorded, the input is to be sent again: %s",
            it->refusal.code, it->submission->client->name, why);
    refusal_acked(it, true);
}

static void on_refusal_report(void *ctx, const struct lt_delivery_report *r)
{
    if (r->outcome == LT_DELIVERY_PERSISTED)
        refusal_acked(ctx, false);
    else
        refusal_lost(ctx, r->reason);
}

static void send_refusal(struct lt_submission_item *it, const char *topic, const struct lt_record *rec)
{
    struct lt_intake_port *port = &it->submission->intake->port;
    struct lt_err err = LT_ERR_INIT;
    if (port->send(port->ctx, topic, rec->key, &rec->headers, rec->value, on_refusal_report, it, &err) == LT_OK)
        return;
    refusal_lost(it, err.text);
}

static void refuse_item(struct lt_submission_item *it)
{
    struct lt_submission *s = it->submission;
    struct lt_record_source source = source_of(it);
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record *rec = lt_alloc(sizeof(*rec)); /* its header table is large */
    bool audit = it->refusal.status == 403;
    atomic_store(&it->acks, audit ? 3 : 2); /* one is ours until all are sent */
    lt_record_deadletter(&source, &it->refusal, it->event, &it->raw, (size_t)s->intake->config->topics.record_max, &a,
                         rec);
    send_refusal(it, LT_TOPIC_DEADLETTER, rec);
    if (audit) {
        lt_record_audit(source.now_ms, s->client->name, s->origin, it->refusal.code, it->refusal.detail, it->event, &a,
                        rec);
        send_refusal(it, LT_TOPIC_AUDIT, rec);
    }
    lt_arena_deinit(&a);
    free(rec);
    refusal_acked(it, false);
}

/* ---- accepted items ---- */

static void too_large(struct lt_submission_item *it)
{
    it->refusal = (struct lt_refusal){.status = 413, .code = "record-too-large"};
    snprintf(it->refusal.detail, sizeof(it->refusal.detail),
             "the event is larger than a record may be (%lld bytes with its headers); send attachments by reference",
             (long long)it->submission->intake->config->topics.record_max - (long long)LT_RECORD_ROOM);
    refuse_item(it);
}

static void on_event_report(void *ctx, const struct lt_delivery_report *r)
{
    struct lt_submission_item *it = ctx;
    struct lt_submission *s = it->submission;
    const char *key = s->intake->config->ingest.receipt_key.text;
    if (r->outcome == LT_DELIVERY_TOO_LARGE) {
        too_large(it);
        return;
    }
    if (r->outcome == LT_DELIVERY_PERSISTED) {
        struct lt_receipt receipt = {.partition = r->partition, .offset = r->offset};
        snprintf(receipt.ce_id, sizeof(receipt.ce_id), LT_SPAN_FMT, LT_SPAN_ARG(it->event->id));
        lt_receipt_format(&receipt, lt_span_str(s->client->name), lt_span_str(key), it->receipt);
        settle(it, LT_ITEM_ACCEPTED, NULL);
    } else {
        lt_warn("ingest", "intake-unknown",
                "event " LT_SPAN_FMT " of %s was not acknowledged by Kafka and is to be sent again: %s",
                LT_SPAN_ARG(it->event->id), s->client->name, r->reason);
        settle(it, LT_ITEM_UNAVAILABLE, r->outcome == LT_DELIVERY_UNKNOWN ? "unknown-outcome" : "kafka-away");
    }
    chain_on(it);
}

static void produce(struct lt_submission_item *it)
{
    struct lt_intake *in = it->submission->intake;
    struct lt_record_source source = source_of(it);
    struct lt_err err = LT_ERR_INIT;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record rec;
    lt_record_event(&source, it->event, &a, &rec);
    int rc =
        lt_record_size(&rec) > (size_t)in->config->topics.record_max - LT_RECORD_ROOM
            ? LT_E_INVALID
            : in->port.send(in->port.ctx, LT_TOPIC_INTAKE, rec.key, &rec.headers, rec.value, on_event_report, it, &err);
    lt_arena_deinit(&a);
    if (rc == LT_OK)
        return;
    if (rc == LT_E_INVALID) {
        too_large(it);
        return;
    }
    settle(it, LT_ITEM_UNAVAILABLE, rc == LT_E_LIMIT ? "busy" : "kafka-away");
    chain_on(it);
}

/* ---- start ---- */

struct dossier {
    struct lt_submission_item *last;
    bool blocked;
    UT_hash_handle hh;
};

/*
 * Put the items into chains by dossier and return how many chains there are; heads[i] marks their first items. MaHoSo
 * alone is the measure, as a refused item often knows no more of itself.
 */
static size_t link_dossiers(struct lt_submission *s, bool *heads)
{
    struct dossier *all = NULL;
    size_t chains = 0;
    for (size_t i = 0; i < s->items.len; i++) {
        struct lt_submission_item *it = &s->items.v[i];
        struct lt_span subject = it->event->subject;
        struct dossier *d = NULL;
        if (subject.len) {
            HASH_FIND(hh, all, subject.ptr, subject.len, d);
            if (!d) {
                d = lt_arena_alloc(&s->arena, sizeof(*d));
                HASH_ADD_KEYPTR(hh, all, subject.ptr, subject.len, d);
            }
        }
        if (d && d->blocked) {
            settle(it, LT_ITEM_NOT_ATTEMPTED, NULL);
            continue;
        }
        /* A refused item needs nobody before it but ends what comes after it. */
        if (it->refused && !s->go_on_after_refusal) {
            if (d)
                d->blocked = true;
            heads[i] = true;
            chains++;
            continue;
        }
        if (d && d->last) {
            d->last->next_same = it;
        } else {
            heads[i] = true;
            chains++;
        }
        if (d)
            d->last = it;
    }
    HASH_CLEAR(hh, all);
    return chains;
}

void lt_submission_start(struct lt_submission *s, void (*done)(void *ctx, struct lt_submission *s), void *ctx)
{
    struct lt_intake *in = s->intake;
    s->done = done;
    s->done_ctx = ctx;
    atomic_store(&s->open, 1);
    if (!in->genesis_ready(in->genesis_ctx)) { /* protocol 2: nothing enters lt.intake before its genesis */
        for (size_t i = 0; i < s->items.len; i++)
            settle(&s->items.v[i], LT_ITEM_UNAVAILABLE, "not-initialised");
        release(s);
        return;
    }
    LT_AUTOFREE bool *heads = lt_calloc(LT_MAX(s->items.len, 1), sizeof(*heads));
    atomic_fetch_add(&s->open, link_dossiers(s, heads));
    for (size_t i = 0; i < s->items.len; i++) {
        if (!heads[i])
            continue;
        if (s->items.v[i].refused)
            refuse_item(&s->items.v[i]);
        else
            produce(&s->items.v[i]);
    }
    release(s);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void on_waited(void *ctx, struct lt_submission *s)
{
    struct waiter *w = ctx;
    (void)s;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->changed); /* under the lock: the waiter's stack goes away as soon as it sees done */
    pthread_mutex_unlock(&w->lock);
}

void lt_submission_run(struct lt_submission *s)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    lt_submission_start(s, on_waited, &w);
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
}

/* ---- afterwards ---- */

bool lt_submission_unavailable(const struct lt_submission *s)
{
    for (size_t i = 0; i < s->items.len; i++)
        if (s->items.v[i].state == LT_ITEM_UNAVAILABLE)
            return true;
    return false;
}

bool lt_submission_all_accepted(const struct lt_submission *s)
{
    for (size_t i = 0; i < s->items.len; i++)
        if (s->items.v[i].state != LT_ITEM_ACCEPTED)
            return false;
    return true;
}

bool lt_submission_is_batch(const struct lt_submission *s)
{
    return s->items.len > 1 || (s->parts.len == 1 && s->parts.v[0]->translation.batch && !s->parts.v[0]->whole_refused);
}

int lt_intake_retry_after(const char *code)
{
    return strcmp(code, "busy") == 0 ? 1 : strcmp(code, "not-initialised") == 0 ? 10 : 3;
}

const char *lt_intake_explain(const char *code)
{
    if (strcmp(code, "not-initialised") == 0)
        return "the gateway is not initialised yet (its operator runs `lienthong topics`); send it again later";
    if (strcmp(code, "busy") == 0)
        return "too many events wait to be written just now; send it again, same content";
    if (strcmp(code, "kafka-away") == 0)
        return "it could not be written just now; send it again, same content";
    return "whether it was written is not known; send it again, same content: a second copy is recognised";
}

/* ---- audit ---- */

static void on_audit_report(void *ctx, const struct lt_delivery_report *r)
{
    (void)ctx;
    if (r->outcome != LT_DELIVERY_PERSISTED)
        lt_warn("ingest", "audit-lost",
                "the audit entry of a refused request could not be written, it stays refused: %s", r->reason);
}

void lt_intake_audit(struct lt_intake *in, const char *actor, const char *origin, const char *code, const char *detail)
{
    struct lt_err err = LT_ERR_INIT;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_record rec;
    lt_record_audit(lt_now_ms(), actor, origin, code, detail, NULL, &a, &rec);
    if (in->port.send(in->port.ctx, LT_TOPIC_AUDIT, rec.key, &rec.headers, rec.value, on_audit_report, NULL, &err) !=
        LT_OK)
        lt_warn("ingest", "audit-lost",
                "the audit entry of a refused request of %s (%s) could not be written, it stays refused: %s", actor,
                code, err.text);
    lt_arena_deinit(&a);
}
