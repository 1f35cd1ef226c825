#include "gateway/ingest/resubmit.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/model/event.h"

/* ---- letters ---- */

static struct lt_span letter_header(const struct lt_log_record *r, const char *name)
{
    return lt_headers_value(&r->headers, name);
}

bool lt_letter_read(const struct lt_log_record *r, struct lt_letter *ret)
{
    struct lt_letter l = {.key = r->key,
                          .value = r->value,
                          .reason = letter_header(r, "lt_reason"),
                          .client = letter_header(r, "lt_client"),
                          .source = letter_header(r, "lt_source"),
                          .position = letter_header(r, "lt_position"),
                          .media = letter_header(r, "lt_media"),
                          .mapping = letter_header(r, "lt_mapping"),
                          .province = letter_header(r, "ce_province"),
                          .truncated = letter_header(r, "lt_truncated").len > 0};
    /* What deliveries and the core put there names a target, or no way in. */
    if (letter_header(r, "lt_target").len || !l.reason.len || !l.client.len ||
        !(lt_span_is(l.source, "http") || lt_span_starts(l.source, "folder:") || lt_span_starts(l.source, "bridge:")))
        return false;
    snprintf(l.id, sizeof(l.id), "%" PRId32 ".%" PRId64, r->partition, r->offset);
    if (!lt_span_i64(letter_header(r, "lt_time"), &l.time_ms))
        l.time_ms = r->append_ms;
    if (!lt_span_i64(letter_header(r, "lt_resubmits"), &l.resubmits))
        l.resubmits = 0;
    *ret = l;
    return true;
}

static bool letter_glob(const char *pattern, struct lt_span text)
{
    return !pattern || lt_glob_match(pattern, text);
}

bool lt_letter_match(const struct lt_letter *l, const struct lt_config *c, const struct lt_letter_filter *f)
{
    struct lt_span province = l->province;
    const struct lt_config_client *client = lt_config_client(c, l->client);
    if (!province.len && client && client->provinces.len == 1)
        province = lt_span_str(client->provinces.v[0]);
    return letter_glob(f->reason, l->reason) && letter_glob(f->client, l->client) &&
           letter_glob(f->province, province) && (!f->since_ms || l->time_ms >= f->since_ms) &&
           (!f->until_ms || l->time_ms < f->until_ms);
}

/* ---- once more ---- */

static int leave_out(struct lt_refusal *ret, int status, const char *code, const char *detail)
{
    *ret = (struct lt_refusal){.status = status};
    snprintf(ret->code, sizeof(ret->code), "%s", code);
    snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
    return LT_E_INVALID;
}

static int may_go(const struct lt_resubmitter *r, const struct lt_letter *l, const struct lt_config_client *client,
                  struct lt_refusal *why)
{
    const struct lt_config *c = r->intake->config;
    if (l->truncated)
        return leave_out(why, 413, "truncated",
                         "only the first 64 KiB of it were kept (protocol 4): its sender has to send it again");
    if (l->resubmits >= r->rounds_max)
        return leave_out(why, 422, "too-often",
                         "it was sent once more as often as is allowed and refused each time: what it says is wrong, "
                         "or raise --rounds-max");
    if (!client)
        return leave_out(why, 403, "unknown-client", "the configuration does not know its client any more");
    if (!lt_client_sends(client))
        return leave_out(why, 403, "role-not-allowed", "a client of this role may not send events");
    int64_t max = client->body_max > 0 ? LT_MIN(client->body_max, c->ingest.body_max) : c->ingest.body_max;
    if (l->value.len > (size_t)max)
        return leave_out(why, 413, "body-too-large", "it is larger than its client may send");
    return LT_OK;
}

static bool no_mapping(const struct lt_submission *s)
{
    return s->parts.v[0]->whole_refused && strcmp(s->items.v[0].refusal.code, "no-mapping") == 0;
}

static struct lt_submission *submission_of(const struct lt_resubmitter *r, const struct lt_letter *l,
                                           const struct lt_config_client *client)
{
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_submission *s =
        lt_submission_new(r->intake, client, lt_arena_printf(&a, LT_SPAN_FMT, LT_SPAN_ARG(l->source)));
    s->go_on_after_refusal = true; /* as a bridge's: nobody sends the later ones again */
    s->resubmit_of = lt_arena_str(&s->arena, lt_span_str(l->id));
    s->resubmits = l->resubmits + 1;
    lt_arena_deinit(&a);
    return s;
}

int lt_resubmit_prepare(const struct lt_resubmitter *r, const struct lt_letter *l, struct lt_submission **ret,
                        struct lt_refusal *ret_why)
{
    const struct lt_config_client *client = lt_config_client(r->intake->config, l->client);
    int rc = may_go(r, l, client, ret_why);
    if (rc != LT_OK)
        return rc;
    struct lt_submission *s = submission_of(r, l, client);
    const char *position = lt_arena_str(&s->arena, l->position);
    lt_submission_add(s, r->translator, l->media, l->value, position);
    if (!l->mapping.len || !no_mapping(s)) {
        *ret = s;
        return LT_OK;
    }
    /* A mapping had been chosen, and none takes it now: it is an item of a list, without what stood around it. */
    LT_AUTOBUF struct lt_buf whole = LT_BUF_INIT(l->value.len + 65536);
    bool made = lt_mappings_envelope(r->mappings, l->mapping, l->value, &whole);
    lt_submission_free(s);
    if (made) {
        s = submission_of(r, l, client);
        lt_submission_add(s, r->translator, l->media, lt_arena_span(&s->arena, lt_buf_view(&whole)),
                          lt_arena_str(&s->arena, l->position));
        if (!no_mapping(s)) {
            *ret = s;
            return LT_OK;
        }
        lt_submission_free(s);
    }
    return leave_out(ret_why, 415, "part-of-list",
                     "it is a part of an input that no mapping takes alone any more: its sender has to send it again");
}

void lt_resubmit_count(const struct lt_submission *s, struct lt_resubmit_count *ret)
{
    *ret = (struct lt_resubmit_count){0};
    for (size_t i = 0; i < s->items.len; i++) {
        const struct lt_submission_item *it = &s->items.v[i];
        bool refused = it->state == LT_ITEM_REFUSED || (it->state == LT_ITEM_PENDING && it->refused);
        bool accepted = it->state == LT_ITEM_ACCEPTED || (it->state == LT_ITEM_PENDING && !it->refused);
        if (refused)
            ret->refused++;
        else if (accepted)
            ret->accepted++;
        else
            ret->unavailable++;
    }
}

/* ---- audit ---- */

struct audit_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct lt_delivery_report report;
};

static void on_audited(void *ctx, const struct lt_delivery_report *report)
{
    struct audit_wait *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->report = *report;
    w->done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static struct lt_span audit_text(const struct lt_resubmitter *r, const struct lt_letter *l,
                                 const struct lt_resubmit_count *n, int64_t now, struct lt_arena *a)
{
    LT_AUTOBUF struct lt_buf out = LT_BUF_INIT(8192);
    struct lt_json_writer w;
    char time[30];
    lt_time_rfc3339(now, time);
    lt_json_writer_init(&w, &out);
    lt_json_begin_object(&w);
    lt_json_str(&w, "time", lt_span_str(time));
    lt_json_str(&w, "actor", lt_span_str(r->actor));
    lt_json_str(&w, "action", LT_SPAN_LIT("deadletter-resubmit"));
    lt_json_str(&w, "deadletter", lt_span_str(l->id));
    lt_json_str(&w, "client", l->client);
    lt_json_str(&w, "reason", l->reason);
    lt_json_num(&w, "accepted", (int64_t)n->accepted);
    lt_json_num(&w, "refused", (int64_t)n->refused);
    lt_json_end_object(&w);
    return lt_arena_span(a, lt_buf_view(&out));
}

int lt_resubmit_audit(const struct lt_resubmitter *r, const struct lt_letter *l, const struct lt_resubmit_count *n,
                      struct lt_err *err)
{
    struct audit_wait w = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct lt_intake_port *port = &r->intake->port;
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_headers *h = lt_alloc(sizeof(*h)); /* its table is large */
    int64_t now = lt_now_ms();
    lt_headers_reset(h);
    lt_headers_put(h, "lt_time", lt_span_str(lt_arena_printf(&a, "%" PRId64, now)));
    lt_headers_put(h, LT_RESUBMIT_AUDITED, lt_span_str(l->id));
    lt_headers_put(h, "lt_result", n->refused ? LT_SPAN_LIT("refused") : LT_SPAN_LIT("accepted"));
    int rc = port->send(port->ctx, LT_TOPIC_AUDIT, lt_span_str(r->actor), h, audit_text(r, l, n, now, &a), on_audited,
                        &w, err);
    if (rc == LT_OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.done)
            pthread_cond_wait(&w.changed, &w.lock);
        pthread_mutex_unlock(&w.lock);
        if (w.report.outcome != LT_DELIVERY_PERSISTED)
            rc = lt_err_set(err, LT_E_UNAVAILABLE, "audit", "the audit entry about %s was not written: %s", l->id,
                            w.report.reason);
    }
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    free(h);
    lt_arena_deinit(&a);
    return rc;
}
