/* What people and other systems do: events for the queue, decisions about parked dossiers, and the keeping of topics.
 */
#include "tests/sim/delivery.h"

#include "gateway/model/event.h"
#include "gateway/model/partition.h"

#include <stdio.h>

/* ---- the queue ---- */

char *event_data(const struct event *e, int version)
{
    int pad = e->big && version == 0 ? NEXT_RECORD_MAX : 0;
    return lt_asprintf("{\"n\":%d,\"v\":%d,\"bad\":%d,\"x\":\"%*s\"}", e->number, version, version == 0 ? e->bad : 0,
                       pad, "");
}

static const struct {
    const char *word;
    unsigned stages;
    bool ensure;
} kinds[] = {
    {"received", 1u << STAGE_PUT | 1u << STAGE_ROW, false},
    {"received", 1u << STAGE_PUT | 1u << STAGE_ROW, false},
    {"progressed", 1u << STAGE_PUT | 1u << STAGE_ROW, true},
    {"progressed", 1u << STAGE_PUT | 1u << STAGE_ROW, true},
    {"suspended", 1u << STAGE_CHECK, false},
    {"extended", 0, false},
};

void source_event(struct scene *s)
{
    const struct delivery_plan *plan = &s->plan;
    int dossier = (int)sim_between(0, plan->dossiers - 1);
    struct dossier *d = &s->dossiers[dossier];
    if ((int)s->events.len >= plan->events_max || trouble_holds_queue(s, d->partition))
        return;
    struct event *e = lt_alloc(sizeof(*e));
    e->dossier = dossier;
    size_t kind = (size_t)sim_between(0, LT_ARRAY_LEN(kinds) - 1);
    e->number = (int)d->events.len;
    e->partition = d->partition;
    e->stages = kinds[kind].stages;
    e->ensure = kinds[kind].ensure;
    e->odd = sim_chance(plan->odd_per_mille);
    e->big = sim_chance(plan->big_per_mille);
    if (sim_chance(plan->bad_per_mille))
        e->bad = (int)sim_between(1, 2);
    if (e->odd)
        e->stages = 0;
    snprintf(e->id, sizeof(e->id), "%024x%08x", (unsigned)e->dossier, (unsigned)e->number);

    struct lt_arena a = LT_ARENA_INIT;
    struct lt_headers h = {0};
    LT_AUTOFREE char *data = event_data(e, 0);
    static const char digest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const char *type =
        e->odd ? "vn.lienthong.sim.odd.v1" : lt_arena_printf(&a, LT_TYPE_DOSSIER_PREFIX "%s.v1", kinds[kind].word);
    const struct lt_event ev = {.id = lt_span_str(e->id),
                                .source = LT_SPAN_LIT("mot-cua"),
                                .type = lt_span_str(type),
                                .subject = lt_span_str(lt_arena_printf(&a, "D%d", e->dossier)),
                                .time = LT_SPAN_LIT("2024-01-01T08:30:00+07:00"),
                                .province = LT_SPAN_LIT("H22"),
                                .digest = lt_span_str(digest),
                                .digest_v = 1,
                                .key = lt_span_str(lt_arena_printf(&a, "H22/D%d", e->dossier)),
                                .data = lt_span_str(data)};
    lt_event_headers(&ev, &a, &h);
    lt_headers_put(&h, "lt_path", LT_SPAN_LIT(TARGET ",next"));
    lt_headers_put(&h, "lt_hop", LT_SPAN_LIT("0"));
    e->headers_len = h.len;
    e->bytes = ev.key.len + ev.data.len;
    for (size_t i = 0; i < h.len; i++)
        e->bytes += h.v[i].name.len + h.v[i].value.len;
    e->offset = lt_memory_append(s->memory, QUEUE, e->partition, ev.key, &h, ev.data);
    lt_arena_deinit(&a);
    *lt_vec_push(&d->events) = e;
    *lt_vec_push(&s->events) = e;
    *lt_vec_push(&s->queues[e->partition].events) = e;
    s->queues[e->partition].came++;
    sim_note("queue", "event", e->dossier * 1000 + e->number, e->offset);
}

/* ---- decisions ---- */

static void write_decision(struct scene *s, struct decision x, struct lt_span key, int64_t order)
{
    struct lt_headers none = {0};
    struct lt_decision d = {.verb = x.verb, .order = order, .at_ms = sim_now()};
    LT_AUTOFREE char *data = x.event && x.verb == LT_VERB_REPLACE ? event_data(x.event, x.version) : NULL;
    snprintf(d.id, sizeof(d.id), "d%zu", s->decisions.len);
    snprintf(d.who, sizeof(d.who), "operator");
    d.data = lt_span_str(data);
    LT_AUTOFREE char *value = lt_decision_value(&d);
    x.twice = sim_chance(150);
    *lt_vec_push(&s->decisions) = x;
    for (int i = 0; i < 1 + x.twice; i++)
        lt_memory_append(s->memory, "lt.control." TARGET, x.partition, key, &none, lt_span_str(value));
    sim_note("operator", lt_verb_name(x.verb), (int64_t)s->decisions.len - 1, order);
}

void operator_decide(struct scene *s, struct dossier *d, enum lt_verb verb)
{
    char key[16];
    struct event *e = first_parked(d);
    if (!e) /* mistaken, or too late */
        e = d->events.len > 0 ? d->events.v[sim_between(0, (int64_t)d->events.len - 1)] : NULL;
    if (!e || e->offset < 0)
        return;
    snprintf(key, sizeof(key), "H22/D%d", e->dossier);
    write_decision(
        s, (struct decision){.verb = verb, .event = e, .partition = d->partition, .version = (int)s->decisions.len + 1},
        lt_span_str(key), sim_chance(200) && verb != LT_VERB_REPLACE ? -1 : e->offset); /* data are of one event */
}

void operator_decide_something(struct scene *s)
{
    struct dossier *d = &s->dossiers[sim_between(0, s->plan.dossiers - 1)];
    for (int i = 0; i < 5 && d->lane != LANE_PARKED; i++)
        d = &s->dossiers[sim_between(0, s->plan.dossiers - 1)];
    operator_decide(s, d, (enum lt_verb)sim_between(LT_VERB_RETRY, LT_VERB_RELEASE));
}

void operator_redrive(struct scene *s)
{
    for (int d = 0; d < s->plan.dossiers; d++)
        if (s->dossiers[d].lane == LANE_PARKED)
            operator_decide(s, &s->dossiers[d], LT_VERB_RETRY);
}

void operator_pause(struct scene *s, int partition, bool pause)
{
    s->resumes += !pause;
    write_decision(s, (struct decision){.verb = pause ? LT_VERB_PAUSE : LT_VERB_RESUME, .partition = partition},
                   LT_SPAN_LIT("*"), -1);
}

void operator_pass_over(struct scene *s, struct event *e)
{
    write_decision(s, (struct decision){.verb = LT_VERB_PASS, .event = e, .partition = e->partition}, LT_SPAN_LIT("*"),
                   e->offset);
}

void operator_resolve(struct scene *s)
{
    for (int n = 0; n < s->plan.dossiers; n++) {
        struct dossier *d = &s->dossiers[n];
        const struct event *e = first_parked(d);
        if (d->lane != LANE_PARKED || !e)
            continue;
        bool big = e->big && e->version == 0;
        operator_decide(s, d, e->odd ? LT_VERB_SKIP : big ? LT_VERB_REPLACE : LT_VERB_RETRY);
    }
}

/* ---- the keeping of topics ---- */

struct kept {
    int64_t offset;
    char *key;
};
struct keeping {
    LT_VEC(struct kept) latest; /* by key */
    LT_VEC(int64_t) gone;
};

static void keep(void *ctx, const struct lt_log_record *r)
{
    struct keeping *k = ctx;
    for (size_t i = 0; i < k->latest.len; i++) {
        if (!lt_span_is(r->key, k->latest.v[i].key))
            continue;
        *lt_vec_push(&k->gone) = k->latest.v[i].offset;
        k->latest.v[i].offset = r->offset;
        return;
    }
    *lt_vec_push(&k->latest) = (struct kept){r->offset, lt_strndup(r->key.ptr, r->key.len)};
}

/* What the cleaner does to a ledger: only the last record of each key stays. Tombstones stay for a day. */
void world_compact(struct scene *s)
{
    struct keeping k = {0};
    int partition = (int)sim_between(0, s->plan.partitions - 1);
    lt_memory_read(s->memory, "lt.ledger." TARGET, partition, keep, &k);
    for (size_t i = 0; i < k.gone.len; i++)
        lt_memory_remove(s->memory, "lt.ledger." TARGET, partition, k.gone.v[i]);
    s->coverage->n[DCOUNT_COMPACTED] += k.gone.len > 0;
    sim_note("broker", "compacted", partition, (int64_t)k.gone.len);
    for (size_t i = 0; i < k.latest.len; i++)
        free(k.latest.v[i].key);
    lt_vec_deinit(&k.latest);
    lt_vec_deinit(&k.gone);
}
