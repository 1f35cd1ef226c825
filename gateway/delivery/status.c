#include "gateway/delivery/internal.h"
#include "gateway/delivery/mend.h"

#include <inttypes.h>

static const char *state_name(const struct lt_part *p)
{
    return p->state == LT_PART_RUNNING ? "running" : p->state == LT_PART_STOPPED ? "stopped" : "loading";
}

static void part_status(const struct lt_part *p, struct lt_json_writer *w)
{
    lt_json_begin_object(w);
    lt_json_num(w, "partition", p->number);
    lt_json_str(w, "state", lt_span_str(state_name(p)));
    lt_json_num(w, "offset", p->position.base);
    lt_json_num(w, "next", p->next);
    lt_json_num(w, "lag", LT_MAX(p->high - p->position.base, 0));
    lt_json_num(w, "done_beyond", (int64_t)HASH_COUNT(p->opens));
    lt_json_num(w, "lanes_parked", (int64_t)p->lanes_parked);
    lt_json_num(w, "lanes_retrying", (int64_t)p->lanes_retrying);
    if (p->paused_by[0])
        lt_json_str(w, "paused_by", lt_span_str(p->paused_by));
    lt_json_num(w, "held", (int64_t)p->items_len);
    lt_json_num(w, "dossiers", (int64_t)HASH_COUNT(p->lanes));
    lt_json_num(w, "calls", (int64_t)p->running);
    lt_json_flag(w, "paused", p->paused);
    if (p->state == LT_PART_STOPPED) {
        lt_json_key(w, LT_SPAN_LIT("stop"));
        lt_json_begin_object(w);
        lt_json_str(w, "reason", lt_span_str(p->reason));
        lt_json_str(w, "text", lt_span_str(p->text));
        lt_json_str(w, "command", lt_span_str(p->command));
        if (lt_mend_safe(p->reason)[0]) {
            lt_json_str(w, "safe", lt_span_str(lt_mend_safe(p->reason)));
            lt_json_str(w, "advice", lt_span_str(lt_mend_advice(p->reason)));
        }
        lt_json_num(w, "since_ms", p->since_ms);
        lt_json_flag(w, "retried", p->retry_at_ms > 0);
        lt_json_end_object(w);
    } else if (p->text[0]) {
        lt_json_str(w, "waiting_for", lt_span_str(p->text));
    }
    lt_json_end_object(w);
}

/* Sums over the partitions this instance owns; exact, because they are committed with what they count (protocol 5). */
struct totals {
    int64_t counts[LT_COUNTS];
    size_t parts, parked, retrying, queued, paused;
    int64_t lag, oldest_ms;
    size_t done_beyond;
};

static void sum_up(const struct lt_engine *e, struct totals *t)
{
    const struct lt_part *p;
    int64_t now = lt_engine_now(e);
    *t = (struct totals){0};
    DL_FOREACH2(e->parts, p, next_part)
    {
        for (size_t c = 0; c < LT_COUNTS; c++)
            t->counts[c] += p->position.counts[c];
        t->parked += p->lanes_parked;
        t->retrying += p->lanes_retrying;
        t->queued += p->items_len;
        t->parts++;
        t->paused += p->paused_by[0] != 0;
        t->lag += LT_MAX(p->high - p->position.base, 0);
        t->done_beyond += HASH_COUNT(p->opens);
        if (p->items)
            t->oldest_ms = LT_MAX(t->oldest_ms, now - p->items->arrived_ms);
    }
}

bool lt_engine_held(const struct lt_engine *e)
{
    const struct lt_part *p;
    bool held = false;
    DL_FOREACH2(e->parts, p, next_part)
    {
        held = held || p->paused_by[0];
        if (!p->paused_by[0] && (p->state == LT_PART_RUNNING || p->running > 0))
            return false;
    }
    return held;
}

static void put_counters(const struct lt_engine *e, const struct totals *t, struct lt_json_writer *w)
{
    lt_json_key(w, LT_SPAN_LIT("counters"));
    lt_json_begin_object(w);
    for (int o = 0; o < LT_OUTCOMES; o++)
        lt_json_num(w, lt_outcome_name(o), (int64_t)e->outcomes[o]);
    lt_json_num(w, "records", (int64_t)e->records);
    lt_json_num(w, "skipped_done", (int64_t)e->skipped);
    lt_json_num(w, "forwarded", (int64_t)e->forwarded);
    lt_json_num(w, "calls", (int64_t)e->calls);
    lt_json_num(w, "repeats", t->counts[LT_COUNT_REPEATS]);
    lt_json_num(w, "parkings", (int64_t)e->parkings);
    lt_json_num(w, "transactions", (int64_t)e->transactions);
    lt_json_end_object(w);
    lt_json_key(w, LT_SPAN_LIT("ledger"));
    lt_json_begin_object(w);
    for (int c = 0; c < LT_COUNTS; c++)
        lt_json_num(w, lt_count_name((enum lt_count)c), t->counts[c]);
    lt_json_num(w, "parked_now", t->counts[LT_COUNT_PARKED] - t->counts[LT_COUNT_UNPARKED]);
    lt_json_num(w, "lanes_parked", (int64_t)t->parked);
    lt_json_num(w, "lanes_retrying", (int64_t)t->retrying);
    lt_json_num(w, "done_beyond", (int64_t)t->done_beyond);
    lt_json_end_object(w);
}

/* Partitions of the queue that no instance has: nobody delivers them (docs/decisions/0009-unowned-partitions.md). */
static void put_share(const struct lt_engine *e, struct lt_json_writer *w)
{
    struct lt_log_share s;
    if (!e->log || !e->log->ops->share(e->log, &s))
        return;
    lt_json_key(w, LT_SPAN_LIT("group"));
    lt_json_begin_object(w);
    lt_json_num(w, "members", s.members);
    lt_json_num(w, "partitions", s.partitions);
    lt_json_num(w, "unowned", s.unowned);
    lt_json_end_object(w);
}

void lt_engine_status(const struct lt_engine *e, struct lt_json_writer *w)
{
    struct totals t;
    sum_up(e, &t);
    lt_json_begin_object(w);
    lt_json_str(w, "target", lt_span_str(e->name));
    lt_json_str(w, "adapter", lt_span_str(e->set.adapter->name));
    bool held = lt_engine_held(e) && e->gate.state == LT_GATE_FLOWING;
    lt_json_str(w, "state", lt_span_str(e->fatal ? "fenced" : held ? "paused" : lt_gate_state_name(&e->gate)));
    if (e->gate.state != LT_GATE_FLOWING) {
        lt_json_str(w, "reason", lt_span_str(lt_gate_reason(&e->gate)));
        lt_json_num(w, "resumes_in_ms", lt_gate_wait_ms(&e->gate, lt_engine_now(e)));
        lt_json_str(w, "code", lt_span_str(e->paused_code));
        lt_json_str(w, "why", lt_span_str(e->paused_text));
    } else if (held) {
        lt_json_str(w, "reason", LT_SPAN_LIT("operator"));
    }
    if (e->failed_ms > 0 && e->failed_ms >= e->good_ms) { /* nothing was taken since */
        lt_json_key(w, LT_SPAN_LIT("failing"));
        lt_json_begin_object(w);
        lt_json_str(w, "code", lt_span_str(e->failed_code));
        lt_json_str(w, "why", lt_span_str(e->failed_text));
        lt_json_num(w, "ago_ms", lt_engine_now(e) - e->failed_ms);
        lt_json_end_object(w);
    }
    lt_identity_status(e, w);
    lt_json_flag(w, "ready", lt_engine_ready(e));
    if (t.paused > 0)
        lt_json_num(w, "paused_partitions", (int64_t)t.paused);
    put_share(e, w);
    if (e->log_error[0])
        lt_json_str(w, "log", lt_span_str(e->log_error));
    if (e->txn_error[0]) {
        int64_t since_ms = e->txn_trouble_since_ms;
        lt_json_str(w, "transaction", lt_span_str(e->txn_error));
        lt_json_num(w, "transaction_trouble_s", since_ms ? (lt_engine_now(e) - since_ms) / 1000 : 0);
    }
    lt_json_num(w, "commit_ms", e->commit_ms);
    lt_json_flag(w, "commits_slow", e->commits_slow_at_ms != 0);
    lt_json_num(w, "start_by_ms", e->start_by_ms);
    lt_json_num(w, "intents_late", (int64_t)e->intents_late);
    lt_json_num(w, "in_flight", (int64_t)e->counts[LT_ITEM_RUNNING]);
    lt_json_num(w, "calls_in_flight", (int64_t)e->flying);
    lt_json_num(w, "bytes", (int64_t)e->bytes);
    lt_json_num(w, "lag", t.lag);
    lt_json_num(w, "oldest_ms", t.oldest_ms);
    put_counters(e, &t, w);
    if (e->set.adapter->status) {
        lt_json_key(w, LT_SPAN_LIT("details"));
        lt_json_begin_object(w);
        e->set.adapter->status(e->adapter, w);
        lt_json_end_object(w);
    }
    lt_json_key(w, LT_SPAN_LIT("partitions"));
    lt_json_begin_array(w);
    const struct lt_part *p;
    DL_FOREACH2(e->parts, p, next_part)
    part_status(p, w);
    lt_json_end_array(w);
    lt_json_end_object(w);
}

static void metric(const struct lt_engine *e, struct lt_buf *out, const char *name, uint64_t v)
{
    lt_buf_printf(out, "lienthong_delivery_%s{target=\"%s\"} %" PRIu64 "\n", name, e->name, v);
}

void lt_engine_metrics(const struct lt_engine *e, struct lt_buf *out)
{
    for (int o = 0; o < LT_OUTCOMES; o++)
        lt_buf_printf(out, "lienthong_delivery_outcomes_total{target=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", e->name,
                      lt_outcome_name(o), e->outcomes[o]);
    size_t states[3] = {0};
    const struct lt_part *p;
    DL_FOREACH2(e->parts, p, next_part)
    states[p->state]++;
    lt_buf_printf(out, "lienthong_delivery_partitions{target=\"%s\",state=\"loading\"} %zu\n", e->name,
                  states[LT_PART_LOADING]);
    lt_buf_printf(out, "lienthong_delivery_partitions{target=\"%s\",state=\"running\"} %zu\n", e->name,
                  states[LT_PART_RUNNING]);
    lt_buf_printf(out, "lienthong_delivery_partitions{target=\"%s\",state=\"stopped\"} %zu\n", e->name,
                  states[LT_PART_STOPPED]);
    struct totals t;
    sum_up(e, &t);
    for (int c = 0; c < LT_COUNTS; c++)
        lt_buf_printf(out, "lienthong_delivery_ledger_total{target=\"%s\",what=\"%s\"} %" PRId64 "\n", e->name,
                      lt_count_name((enum lt_count)c), t.counts[c]);
    lt_buf_printf(out, "lienthong_delivery_lanes{target=\"%s\",state=\"parked\"} %zu\n", e->name, t.parked);
    lt_buf_printf(out, "lienthong_delivery_lanes{target=\"%s\",state=\"retrying\"} %zu\n", e->name, t.retrying);
    static const char *const breaker[] = {"running", "paused", "probing"};
    for (size_t i = 0; i < LT_ARRAY_LEN(breaker); i++)
        lt_buf_printf(out, "lienthong_delivery_breaker{target=\"%s\",state=\"%s\"} %d\n", e->name, breaker[i],
                      strcmp(lt_gate_state_name(&e->gate), breaker[i]) == 0);
    static const char *const reasons[] = {"credential", "throttle", "trouble", "refusals"};
    for (size_t i = 0; i < LT_ARRAY_LEN(reasons); i++)
        lt_buf_printf(out, "lienthong_delivery_paused_for{target=\"%s\",reason=\"%s\"} %d\n", e->name, reasons[i],
                      strcmp(lt_gate_reason(&e->gate), reasons[i]) == 0);
    lt_buf_printf(out, "lienthong_delivery_paused_for{target=\"%s\",reason=\"operator\"} %d\n", e->name, t.paused > 0);
    metric(e, out, "parked_records", (uint64_t)(t.counts[LT_COUNT_PARKED] - t.counts[LT_COUNT_UNPARKED]));
    metric(e, out, "lag_records", (uint64_t)t.lag);
    metric(e, out, "oldest_unfinished_ms", (uint64_t)t.oldest_ms);
    metric(e, out, "done_beyond_offset", t.done_beyond);
    metric(e, out, "paused", e->gate.state != LT_GATE_FLOWING || t.paused > 0);
    metric(e, out, "in_flight", e->counts[LT_ITEM_RUNNING]);
    metric(e, out, "queued",
           e->counts[LT_ITEM_QUEUED] + e->counts[LT_ITEM_READY] + e->counts[LT_ITEM_LOCAL] +
               e->counts[LT_ITEM_DELAYED]);
    metric(e, out, "memory_bytes", e->bytes);
    metric(e, out, "calls_total", e->calls);
    metric(e, out, "forwarded_total", e->forwarded);
    metric(e, out, "answers_total", e->notes);
    metric(e, out, "repeats_total", (uint64_t)t.counts[LT_COUNT_REPEATS]);
    metric(e, out, "transactions_total", e->transactions);
    metric(e, out, "latency_ms_total", e->latency_ms_sum);
    metric(e, out, "commit_ms", (uint64_t)e->commit_ms);
    metric(e, out, "intents_late_total", e->intents_late);
    lt_identity_metrics(e, out);
    if (e->set.adapter->metrics)
        e->set.adapter->metrics(e->adapter, e->name, out);
}

bool lt_engine_ready(const struct lt_engine *e)
{
    const struct lt_part *p;
    struct lt_log_share s;
    if (e->fatal || !e->log)
        return false;
    if (!e->parts) /* one instance more than there are partitions has nothing to do, and nothing is wrong with it */
        return e->log->ops->share(e->log, &s) && s.members > s.partitions;
    DL_FOREACH2(e->parts, p, next_part)
    if (p->state != LT_PART_RUNNING)
        return false;
    return true;
}
