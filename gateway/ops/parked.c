#include "gateway/ops/parked.h"

#include "gateway/kafka/reader.h"
#include "gateway/model/event.h"

#include <stdio.h>

struct reading {
    LT_VEC(struct lt_ledger) ledgers; /* by partition */
    struct lt_parked *parked;
    struct lt_span data_of;
    struct lt_err *err;
    int failed;
};

static char *header(const struct lt_headers *h, const char *name)
{
    struct lt_span s = lt_headers_value(h, name);
    return lt_strndup(s.ptr ? s.ptr : "", s.len);
}

static void event_free(struct lt_parked_event *e)
{
    free(e->id);
    free(e->type);
    free(e->procedure);
    free(e->unit);
    free(e->time);
    free(e->data);
    free(e->key);
    free(e);
}

/* Is it called so: province and code, or the code alone? */
static bool is_named(struct lt_span dossier, struct lt_span name)
{
    struct lt_span code = dossier, province;
    return lt_span_eq(dossier, name) || (lt_span_cut(&code, '/', &province) && name.len && lt_span_eq(code, name));
}

static void take_event(struct reading *x, const struct lt_log_record *r, enum lt_ledger_kind kind,
                       struct lt_span dossier, int64_t order)
{
    struct lt_parked_event *e;
    LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, dossier, order);
    HASH_FIND_STR(x->parked->events, key, e);
    if (kind == LT_LEDGER_DATA) { /* an operator's data takes the place of the event's own */
        if (e && !r->value_null && is_named(dossier, x->data_of)) {
            free(e->data);
            e->data = lt_strndup(r->value.ptr, r->value.len);
        }
        return;
    }
    if (e) {
        HASH_DEL(x->parked->events, e);
        event_free(e);
    }
    if (r->value_null)
        return;
    struct lt_headers h = r->headers;
    e = lt_alloc(sizeof(*e));
    e->order = order;
    lt_parked_state_get(&h, &e->state);
    e->id = header(&h, "ce_id");
    e->type = header(&h, "ce_type");
    e->procedure = header(&h, "ce_procedure");
    e->unit = header(&h, "ce_unit");
    e->time = header(&h, "ce_time");
    if (is_named(dossier, x->data_of))
        e->data = lt_strndup(r->value.ptr, r->value.len);
    e->key = lt_steal(&key);
    HASH_ADD_KEYPTR(hh, x->parked->events, e->key, strlen(e->key), e);
}

static int take(void *ctx, const struct lt_log_record *r)
{
    struct reading *x = ctx;
    enum lt_ledger_kind kind;
    struct lt_span dossier;
    int64_t order;
    while (x->ledgers.len <= (size_t)r->partition)
        *lt_vec_push(&x->ledgers) = (struct lt_ledger){0};
    x->failed = lt_ledger_take(&x->ledgers.v[r->partition], r, x->err);
    if (x->failed == LT_OK && lt_ledger_key(r->key, &kind, &dossier, &order) &&
        (kind == LT_LEDGER_PARKED || kind == LT_LEDGER_DATA))
        take_event(x, r, kind, dossier, order);
    return x->failed;
}

static void adopt_lane(struct lt_parked *p, int32_t partition, const struct lt_ledger_lane *l)
{
    struct lt_parked_lane *lane = lt_vec_push(&p->lanes);
    *lane = (struct lt_parked_lane){.dossier = lt_strdup(l->key), .partition = partition, .record = l->record};
    for (size_t i = 0; i < l->parked.len; i++) {
        struct lt_parked_event *e;
        LT_AUTOFREE char *key = lt_ledger_order_key(LT_LEDGER_PARKED, lt_span_str(l->key), l->parked.v[i]);
        HASH_FIND_STR(p->events, key, e);
        if (e)
            *lt_vec_push(&lane->events) = e;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct lt_parked_lane *x = a, *y = b;
    if (x->record.since_ms != y->record.since_ms)
        return x->record.since_ms < y->record.since_ms ? -1 : 1;
    return strcmp(x->dossier, y->dossier);
}

int lt_parked_read(const struct lt_config *c, const char *target, const char *data_of, struct lt_parked *ret,
                   struct lt_err *err)
{
    struct lt_reader *reader = NULL;
    struct reading x = {.parked = ret, .data_of = lt_span_str(data_of), .err = err};
    LT_AUTOFREE char *topic = lt_asprintf(LT_TOPIC_LEDGER_PREFIX "%s", target);
    *ret = (struct lt_parked){0};
    int r = lt_reader_new(c->kafka.props, c->kafka.props_len, &reader, err);
    if (r == LT_OK)
        r = lt_reader_partitions(reader, topic, &ret->partitions, err);
    if (r == LT_OK)
        r = lt_reader_scan(reader, topic, take, &x, err);
    if (r == LT_OK)
        r = x.failed;
    lt_reader_free(reader);
    for (size_t n = 0; n < x.ledgers.len; n++) {
        struct lt_ledger *l = &x.ledgers.v[n];
        struct lt_ledger_lane *lane, *next;
        HASH_ITER (hh, l->lanes, lane, next)
            adopt_lane(ret, (int32_t)n, lane);
        ret->open += l->opens_len;
        *lt_vec_push(&ret->paused_by) = l->paused_by[0] ? lt_strdup(l->paused_by) : NULL;
        lt_ledger_deinit(l);
    }
    lt_vec_deinit(&x.ledgers);
    if (ret->lanes.len > 0)
        qsort(ret->lanes.v, ret->lanes.len, sizeof(*ret->lanes.v), by_time);
    if (r != LT_OK)
        lt_parked_deinit(ret);
    return r;
}

void lt_parked_deinit(struct lt_parked *p)
{
    for (size_t i = 0; i < p->lanes.len; i++) {
        free(p->lanes.v[i].dossier);
        lt_vec_deinit(&p->lanes.v[i].events);
    }
    lt_vec_deinit(&p->lanes);
    struct lt_parked_event *e, *next;
    HASH_ITER (hh, p->events, e, next) {
        HASH_DEL(p->events, e);
        event_free(e);
    }
    for (size_t i = 0; i < p->paused_by.len; i++)
        free(p->paused_by.v[i]);
    lt_vec_deinit(&p->paused_by);
    *p = (struct lt_parked){0};
}

struct lt_parked_lane *lt_parked_find(const struct lt_parked *p, const char *name)
{
    struct lt_parked_lane *found = NULL;
    for (size_t i = 0; i < p->lanes.len; i++) {
        struct lt_parked_lane *l = &p->lanes.v[i];
        if (strcmp(l->dossier, name) == 0)
            return l;
        if (is_named(lt_span_str(l->dossier), lt_span_str(name))) {
            if (found)
                return NULL; /* two provinces have this code */
            found = l;
        }
    }
    return found;
}

static bool matches(const char *pattern, const char *text)
{
    return !pattern || lt_glob_match(pattern, lt_span_str(text));
}

bool lt_parked_match(const struct lt_parked_lane *l, const struct lt_parked_filter *f)
{
    const struct lt_parked_event *first = l->events.len ? l->events.v[0] : NULL;
    const char *slash = strchr(l->dossier, '/');
    LT_AUTOFREE char *province = lt_strndup(l->dossier, slash ? (size_t)(slash - l->dossier) : 0);
    return matches(f->reason, l->record.reason) && matches(f->code, l->record.code) && matches(f->province, province) &&
           matches(f->procedure, first ? first->procedure : "") &&
           (f->since_ms == 0 || l->record.since_ms >= f->since_ms) &&
           (f->until_ms == 0 || l->record.since_ms < f->until_ms);
}
