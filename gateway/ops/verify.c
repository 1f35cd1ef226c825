#include "gateway/ops/verify.h"

#include "gateway/base/crypto.h"
#include "gateway/core/tell.h"
#include "gateway/model/partition.h"
#include "gateway/ops/output_heads.h"

#include <inttypes.h>
#include <stdio.h>
#include <uthash.h>

#define OUTPUTS_MAX 64 /* bits of a mask: outputs of the routes beyond them are only counted */
#define ID_MAX (LT_EVENT_ID_LEN + 1 + 2 * LT_SHA256_SIZE + 1) /* ce_id / SHA-256 of the replay id in hex */

/* What was last seen of one identity with one content. */
struct content {
    char digest[LT_EVENT_DIGEST_LEN + 1];
    uint64_t generation; /* of its last record */
    struct content *next;
};

/* An identity that occurs in the range: ce_id, or ce_id and replay id. */
struct identity {
    char id[ID_MAX];
    struct content *contents;
    UT_hash_handle hh;
};

/* One offset of the range. */
struct expected {
    bool present;
    uint8_t verdict; /* enum lt_verdict_kind */
    bool quarantine, deadletter, doubled;
    bool told_want, told, told_wrong; /* to the province: by today's configuration, in fact, as another verdict */
    uint16_t routed;                  /* copies in outputs of the routes, undeliverable ones included */
    uint32_t key_hash;
    uint64_t outputs_want, outputs_seen;
};

struct lt_verify {
    const struct lt_routes *routes;
    struct lt_window window;
    uint64_t incarnation;
    int32_t partition;
    int64_t from, to;
    struct expected *range;
    struct identity *identities;
    int64_t clock_ms;
    struct lt_output_heads heads;
    uint64_t copies, gone;
    uint64_t counts[LT_VERIFY_WHATS];
    LT_VEC(struct lt_verify_finding) findings;
};

struct lt_verify *lt_verify_new(const struct lt_routes *routes, const struct lt_window *window, uint64_t incarnation,
                                int32_t partition, int64_t from, int64_t to)
{
    struct lt_verify *v = lt_alloc(sizeof(*v));
    *v = (struct lt_verify){.routes = routes,
                            .window = *window,
                            .incarnation = incarnation,
                            .partition = partition,
                            .from = from,
                            .to = LT_MAX(from, to)};
    v->range = lt_calloc(LT_MAX((size_t)(v->to - from), 1), sizeof(*v->range));
    return v;
}

void lt_verify_free(struct lt_verify *v)
{
    if (!v)
        return;
    struct identity *i, *next_identity;
    HASH_ITER (hh, v->identities, i, next_identity) {
        while (i->contents) {
            struct content *c = i->contents;
            i->contents = c->next;
            free(c);
        }
        HASH_DEL(v->identities, i);
        free(i);
    }
    lt_vec_deinit(&v->findings);
    lt_output_heads_deinit(&v->heads);
    free(v->range);
    free(v);
}

/* false: no valid event, and so no identity. */
static bool identity_of(const struct lt_log_record *r, struct lt_event *e, char id[ID_MAX])
{
    if (lt_event_read(r->key, &r->headers, r->value, e, NULL) < 0)
        return false;
    struct lt_span replay = lt_headers_value(&r->headers, "lt_replay");
    char run[2 * LT_SHA256_SIZE + 1] = "";
    if (replay.len) { /* of any length, and any bytes */
        uint8_t sha[LT_SHA256_SIZE];
        lt_sha256_once(replay, sha);
        lt_hex(sha, sizeof(sha), run);
    }
    snprintf(id, ID_MAX, LT_SPAN_FMT "/%s", LT_SPAN_ARG(e->id), run);
    return true;
}

static struct expected *at(struct lt_verify *v, int64_t offset)
{
    return offset >= v->from && offset < v->to ? &v->range[offset - v->from] : NULL;
}

void lt_verify_want(struct lt_verify *v, const struct lt_log_record *r)
{
    struct lt_event e;
    char id[ID_MAX];
    struct identity *i;
    if (!at(v, r->offset) || !identity_of(r, &e, id))
        return;
    HASH_FIND_STR(v->identities, id, i);
    if (i)
        return;
    i = lt_alloc(sizeof(*i));
    *i = (struct identity){0};
    memcpy(i->id, id, sizeof(id));
    HASH_ADD_STR(v->identities, id, i);
}

static uint64_t outputs_of(const struct lt_verify *v, const struct lt_log_record *r, const struct lt_event *e)
{
    struct lt_copy copies[LT_ROUTE_COPIES_MAX];
    uint64_t mask = 0;
    size_t n = v->routes ? lt_routes_match(v->routes, e, lt_headers_value(&r->headers, "lt_replay").len > 0,
                                           lt_headers_value(&r->headers, "lt_effects"), copies)
                         : 0;
    for (size_t i = 0; i < n; i++)
        if (copies[i].output < OUTPUTS_MAX)
            mask |= UINT64_C(1) << copies[i].output;
    return mask;
}

static bool is_told(const struct lt_verify *v, const struct lt_log_record *r, enum lt_verdict_kind verdict)
{
    return v->routes && lt_tell_has_addressee(r->key, &r->headers) &&
           lt_routes_told(v->routes, lt_headers_value(&r->headers, "lt_replay").len > 0,
                          lt_headers_value(&r->headers, "lt_effects")) &
               1u << verdict;
}

/* The verdict, and the record remembered: every valid one refreshes, whatever its verdict. */
static enum lt_verdict_kind judge(struct identity *i, struct lt_span digest, uint64_t generation, uint32_t keep)
{
    enum lt_verdict_kind verdict = LT_VERDICT_NEW;
    struct content *same = NULL;
    for (struct content *c = i->contents; c; c = c->next) {
        bool live = generation - c->generation <= keep;
        if (lt_span_is(digest, c->digest)) {
            same = c;
            if (live)
                verdict = LT_VERDICT_DUPLICATE;
        } else if (live && verdict == LT_VERDICT_NEW) {
            verdict = LT_VERDICT_CONFLICT;
        }
    }
    if (!same) {
        same = lt_alloc(sizeof(*same));
        snprintf(same->digest, sizeof(same->digest), LT_SPAN_FMT, LT_SPAN_ARG(digest));
        same->next = i->contents;
        i->contents = same;
    }
    same->generation = generation;
    return verdict;
}

void lt_verify_log(struct lt_verify *v, const struct lt_log_record *r)
{
    struct expected *x = at(v, r->offset);
    struct lt_event e;
    char id[ID_MAX];
    struct identity *i = NULL;
    v->clock_ms = lt_position_clock(v->clock_ms, r);
    if (x) {
        x->present = true;
        x->verdict = LT_VERDICT_INVALID;
        x->key_hash = lt_partition_hash(r->key);
        x->told_want = is_told(v, r, LT_VERDICT_INVALID);
    }
    if (!identity_of(r, &e, id))
        return;
    HASH_FIND_STR(v->identities, id, i);
    if (!i)
        return;
    enum lt_verdict_kind verdict = judge(i, e.digest, lt_generation_of(&v->window, v->clock_ms), v->window.generations);
    if (!x)
        return;
    if (verdict == LT_VERDICT_NEW && lt_headers_value(&r->headers, "lt_replay").len)
        verdict = LT_VERDICT_REPLAY;
    x->verdict = (uint8_t)verdict;
    x->told_want = is_told(v, r, verdict);
    if (verdict == LT_VERDICT_NEW || verdict == LT_VERDICT_REPLAY)
        x->outputs_want = outputs_of(v, r, &e);
}

static size_t output_index(const struct lt_verify *v, struct lt_span topic)
{
    for (size_t i = 0; v->routes && i < lt_routes_outputs(v->routes); i++)
        if (lt_span_is(topic, lt_routes_output(v->routes, i)))
            return i;
    return OUTPUTS_MAX;
}

static void saw_output(struct lt_verify *v, struct expected *x, struct lt_span topic)
{
    size_t n = output_index(v, topic);
    x->routed++;
    if (n >= OUTPUTS_MAX)
        return;
    if (x->outputs_seen & UINT64_C(1) << n)
        x->doubled = true;
    x->outputs_seen |= UINT64_C(1) << n;
}

static void saw_flag(struct expected *x, bool *flag)
{
    if (*flag)
        x->doubled = true;
    *flag = true;
}

void lt_verify_head(struct lt_verify *v, const struct lt_output_head *head)
{
    lt_output_heads_add(&v->heads, head);
}

void lt_verify_copy(struct lt_verify *v, const struct lt_output_copy *copy)
{
    struct expected *x = at(v, copy->offset);
    if (copy->incarnation != v->incarnation || copy->partition != v->partition)
        return;
    lt_output_heads_copy(&v->heads, copy->offset);
    if (!x)
        return;
    v->copies++;
    if (copy->told.len) {
        saw_flag(x, &x->told);
        x->told_wrong |= !lt_span_is(copy->told, lt_verdict_name((enum lt_verdict_kind)x->verdict));
        return;
    }
    switch (copy->kind) {
    case LT_OUTPUT_KIND_ROUTED:
        saw_output(v, x, lt_span_str(copy->topic));
        break;
    case LT_OUTPUT_KIND_CONFLICT:
        saw_flag(x, &x->quarantine);
        break;
    case LT_OUTPUT_KIND_INVALID:
        saw_flag(x, &x->deadletter);
        break;
    case LT_OUTPUT_KIND_UNDELIVERABLE:
        if (lt_span_is(copy->missing, LT_TOPIC_QUARANTINE))
            saw_flag(x, &x->quarantine);
        else
            saw_output(v, x, copy->missing);
        break;
    case LT_OUTPUT_KIND_TOLD: /* an empty verdict is not the core's */
        x->told_wrong = true;
        break;
    }
}

const char *lt_verify_what_name(enum lt_verify_what w)
{
    static const char *const names[] = {"lost", "doubled", "wrong-verdict", "other-routes"};
    return names[w];
}

static void find(struct lt_verify *v, int64_t offset, enum lt_verify_what what, const char *text)
{
    v->counts[what]++;
    if (v->findings.len >= LT_VERIFY_FINDINGS_MAX)
        return;
    struct lt_verify_finding *f = lt_vec_push(&v->findings);
    *f = (struct lt_verify_finding){
        .what = what, .offset = offset, .verdict = (enum lt_verdict_kind)v->range[offset - v->from].verdict};
    snprintf(f->text, sizeof(f->text), "%s", text);
}

/* Where the copies of a verdict's record stand. */
struct places {
    bool routed, quarantine, deadletter;
};

static struct places places_of(enum lt_verdict_kind verdict)
{
    return (struct places){.routed = verdict == LT_VERDICT_NEW || verdict == LT_VERDICT_REPLAY,
                           .quarantine = verdict == LT_VERDICT_CONFLICT,
                           .deadletter = verdict == LT_VERDICT_INVALID};
}

/* May the topic, or the dead letters where a copy stands that did not fit it, have had one and lost it to retention? */
static bool gone(const struct lt_verify *v, int64_t offset, const char *topic)
{
    uint32_t hash = v->range[offset - v->from].key_hash;
    return lt_output_heads_gone(&v->heads, topic, hash, offset) ||
           lt_output_heads_gone(&v->heads, LT_TOPIC_DEADLETTER, hash, offset);
}

static uint64_t outputs_gone(const struct lt_verify *v, int64_t offset, uint64_t outputs)
{
    uint64_t mask = 0;
    for (size_t i = 0; v->routes && outputs && i < LT_MIN(lt_routes_outputs(v->routes), OUTPUTS_MAX); i++)
        if (outputs & UINT64_C(1) << i && gone(v, offset, lt_routes_output(v->routes, i)))
            mask |= UINT64_C(1) << i;
    return mask;
}

/* No copy is where the verdict wants one: all that could hold it begin after it. */
static bool all_gone(const struct lt_verify *v, int64_t offset, const struct places *want)
{
    const struct expected *x = &v->range[offset - v->from];
    if (want->routed)
        return x->outputs_want && outputs_gone(v, offset, x->outputs_want) == x->outputs_want;
    return gone(v, offset, want->quarantine ? LT_TOPIC_QUARANTINE : LT_TOPIC_DEADLETTER);
}

static void compare(struct lt_verify *v, int64_t offset)
{
    const struct expected *x = &v->range[offset - v->from];
    struct places want = places_of((enum lt_verdict_kind)x->verdict);
    bool routed = x->routed > 0;
    uint64_t missing = x->outputs_want ^ x->outputs_seen; /* or too many: never gone */
    char text[200];
    if (!x->present) {
        if (routed || x->quarantine || x->deadletter || x->told)
            find(v, offset, LT_VERIFY_WRONG_VERDICT, "the log has no such record, but outputs have copies of it");
        return;
    }
    if (x->doubled)
        find(v, offset, LT_VERIFY_DOUBLED, "an output holds it twice");
    if ((routed && !want.routed) || (x->quarantine && !want.quarantine) || (x->deadletter && !want.deadletter)) {
        snprintf(text, sizeof(text), "expected %s, found in%s%s%s", lt_verdict_name((enum lt_verdict_kind)x->verdict),
                 routed ? " a route's output" : "", x->quarantine ? " " LT_TOPIC_QUARANTINE : "",
                 x->deadletter ? " " LT_TOPIC_DEADLETTER : "");
        find(v, offset, LT_VERIFY_WRONG_VERDICT, text);
    } else if (x->told_wrong) {
        snprintf(text, sizeof(text), "expected %s, the province was told another verdict",
                 lt_verdict_name((enum lt_verdict_kind)x->verdict));
        find(v, offset, LT_VERIFY_WRONG_VERDICT, text);
    } else if ((want.routed && !routed) || (want.quarantine && !x->quarantine) || (want.deadletter && !x->deadletter)) {
        if (all_gone(v, offset, &want))
            v->gone++;
        else
            find(v, offset, LT_VERIFY_LOST, "no output holds a copy");
    } else if (v->routes && x->told_want != x->told &&
               (x->told || !gone(v, offset, lt_routes_output(v->routes, lt_routes_province(v->routes))))) {
        find(v, offset, LT_VERIFY_OTHER_ROUTES,
             x->told ? "the province was told, by today's core.tell_province it is not"
                     : "by today's core.tell_province the province is told, it was not");
    } else if (v->routes && missing != outputs_gone(v, offset, missing)) {
        snprintf(text, sizeof(text), "the routes of today name outputs %" PRIx64 ", it went to %" PRIx64 " (bit masks)",
                 x->outputs_want, x->outputs_seen);
        find(v, offset, LT_VERIFY_OTHER_ROUTES, text);
    }
}

void lt_verify_finish(struct lt_verify *v, struct lt_verify_result *ret)
{
    *ret = (struct lt_verify_result){.copies = v->copies};
    for (int64_t o = v->from; o < v->to; o++) {
        const struct expected *x = &v->range[o - v->from];
        if (x->present) {
            ret->records++;
            ret->verdicts[x->verdict]++;
        } else {
            ret->holes++;
        }
        compare(v, o);
    }
    ret->gone = v->gone;
    memcpy(ret->counts, v->counts, sizeof(ret->counts));
    ret->findings = v->findings.v;
    ret->findings_len = v->findings.len;
}
