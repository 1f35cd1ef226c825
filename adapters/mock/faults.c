#include "adapters/mock/faults.h"

#include <stdio.h>

#include "gateway/codec/json.h"

static const char *const names[LT_FAULTS] = {
    [LT_FAULT_NONE] = "none",
    [LT_FAULT_TIMEOUT_AFTER_APPLY] = "timeout-after-apply",
    [LT_FAULT_DROP_AFTER_APPLY] = "drop-after-apply",
    [LT_FAULT_DROP_BEFORE] = "drop-before",
    [LT_FAULT_HTTP401] = "http401",
    [LT_FAULT_HTTP500] = "http500",
    [LT_FAULT_HTTP503] = "http503",
    [LT_FAULT_HTML200] = "html200",
    [LT_FAULT_SESSION_EXPIRED] = "session-expired",
    [LT_FAULT_SOAP_FAULT] = "soap-fault",
    [LT_FAULT_DELAY] = "delay",
    [LT_FAULT_APPLY_LATE] = "apply-late",
    [LT_FAULT_HTTP429] = "http429",
    [LT_FAULT_HALF_BODY] = "half-body",
    [LT_FAULT_SLOW_BODY] = "slow-body",
    [LT_FAULT_RESET] = "reset",
    [LT_FAULT_RESET_AFTER] = "reset-after-apply",
    [LT_FAULT_BUSY] = "busy",
    [LT_FAULT_BACKWARDS] = "backwards",
    [LT_FAULT_CERTIFICATE] = "certificate-expired",
    [LT_FAULT_MAINTENANCE] = "maintenance",
};

const char *lt_mock_fault_name(enum lt_mock_fault k)
{
    return names[k];
}

void lt_mock_faults_init(struct lt_mock_faults *f, uint32_t allowed, int64_t hold_ms)
{
    *f = (struct lt_mock_faults){.allowed = allowed, .hold_ms = hold_ms};
}

void lt_mock_faults_deinit(struct lt_mock_faults *f)
{
    lt_vec_deinit(&f->rules);
}

void lt_mock_faults_reset(struct lt_mock_faults *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->rules.len; i++) {
        if (!f->rules.v[i].lasting)
            continue;
        f->rules.v[kept] = f->rules.v[i];
        f->rules.v[kept++].seen = 0;
    }
    f->rules.len = kept;
    f->injected = 0;
    f->begin_ms = 0;
}

int lt_mock_fault_kind(const struct lt_mock_faults *f, struct lt_span word, enum lt_mock_fault *ret, struct lt_err *err)
{
    char known[512] = "";
    for (int k = LT_FAULT_NONE + 1; k < LT_FAULTS; k++) {
        if (!(f->allowed & (1u << k)))
            continue;
        if (lt_span_is(word, names[k])) {
            *ret = (enum lt_mock_fault)k;
            return LT_OK;
        }
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", names[k]);
    }
    return lt_err_set(err, LT_E_INVALID, "fault-kind", "fault: expected one of %s, got \"" LT_SPAN_FMT "\"", known,
                      LT_SPAN_ARG(word));
}

int lt_mock_faults_add(struct lt_mock_faults *f, const struct lt_mock_fault_rule *rule, struct lt_err *err)
{
    if (f->rules.len >= LT_MOCK_FAULT_RULES_MAX)
        return lt_err_set(err, LT_E_LIMIT, "fault-rules", "fault: more than %d rules", LT_MOCK_FAULT_RULES_MAX);
    *lt_vec_push(&f->rules) = *rule;
    return LT_OK;
}

static int faults_add(struct lt_mock_faults *f, struct lt_span kind, enum lt_mock_fault_when when, uint64_t n,
                      struct lt_span service, int64_t ms, int64_t now_ms, struct lt_err *err)
{
    struct lt_mock_fault_rule rule = {.when = when, .n = n, .left = n, .ms = ms, .lasting = when != LT_WHEN_NEXT};
    int r = lt_mock_fault_kind(f, kind, &rule.kind, err);
    if (r < 0)
        return r;
    if (service.len >= sizeof rule.service)
        return lt_err_set(err, LT_E_INVALID, "fault-service", "fault: the name of the service is too long");
    if (service.len)
        memcpy(rule.service, service.ptr, service.len);
    if (rule.kind == LT_FAULT_MAINTENANCE) {
        rule.from_ms = now_ms;
        rule.until_ms = now_ms + (ms > 0 ? ms : f->hold_ms);
    }
    return lt_mock_faults_add(f, &rule, err);
}

int lt_mock_faults_every(struct lt_mock_faults *f, struct lt_span text, struct lt_err *err)
{
    struct lt_span rest = lt_span_trim(text), number, kind, service = LT_SPAN_NULL;
    uint64_t n;
    if (!lt_span_cut(&rest, ' ', &number) || !lt_span_u64(number, &n) || n == 0)
        return lt_err_set(err, LT_E_INVALID, "fault-every",
                          "fault-every: expected a number and a kind, such as \"10 http500\", got \"" LT_SPAN_FMT "\"",
                          LT_SPAN_ARG(text));
    service = lt_span_trim(rest);
    if (!lt_span_cut(&service, ':', &kind))
        kind = LT_SPAN_NULL;
    return faults_add(f, kind, LT_WHEN_EVERY, n, service, 0, 0, err);
}

int lt_mock_faults_every_of(struct lt_mock_faults *f, const struct lt_opt_strings *texts, struct lt_err *err)
{
    int r = LT_OK;
    for (size_t i = 0; r == LT_OK && i < texts->len; i++)
        r = lt_mock_faults_every(f, lt_span_str(texts->v[i]), err);
    return r;
}

static bool rule_fits(const struct lt_mock_fault_rule *rule, const char *service, int64_t now_ms)
{
    if (rule->until_ms > 0 && (now_ms < rule->from_ms || now_ms >= rule->until_ms))
        return false;
    return rule->service[0] ? strcmp(rule->service, service) == 0 : strcmp(service, "login") != 0;
}

/* splitmix64 over seed and number: the same call of the same schedule is always drawn alike. */
static uint64_t draw(uint64_t seed, uint64_t number)
{
    uint64_t z = seed + number * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool rule_hits(struct lt_mock_fault_rule *rule)
{
    uint64_t number = ++rule->seen;
    switch (rule->when) {
    case LT_WHEN_EVERY:
        return number % rule->n == 0;
    case LT_WHEN_SHARE:
        return draw(rule->seed, number) % 1000 < rule->n;
    case LT_WHEN_CALLS:
        for (size_t i = 0; i < rule->calls_len; i++)
            if ((uint64_t)rule->calls[i] == number)
                return true;
        return false;
    case LT_WHEN_NEXT:
        break;
    }
    return false;
}

static struct lt_mock_taken taken(const struct lt_mock_faults *f, const struct lt_mock_fault_rule *rule)
{
    int64_t own = rule->kind == LT_FAULT_HTTP429 || rule->kind == LT_FAULT_DELAY ? 1000 : f->hold_ms;
    return (struct lt_mock_taken){rule->kind, rule->ms > 0 ? rule->ms : own};
}

struct lt_mock_taken lt_mock_faults_take(struct lt_mock_faults *f, const char *service, int64_t now_ms)
{
    struct lt_mock_taken found = {LT_FAULT_NONE, 0};
    if (f->begin_ms == 0) { /* the windows of a schedule begin with the first call */
        f->begin_ms = LT_MAX(now_ms, 1);
        for (size_t i = 0; i < f->rules.len; i++) {
            if (!f->rules.v[i].lasting || f->rules.v[i].until_ms == 0)
                continue;
            int64_t lasts = f->rules.v[i].until_ms - f->rules.v[i].from_ms;
            f->rules.v[i].from_ms = f->begin_ms + f->rules.v[i].left;
            f->rules.v[i].until_ms = f->rules.v[i].from_ms + lasts;
        }
    }
    for (size_t i = 0; i < f->rules.len && found.kind == LT_FAULT_NONE; i++) {
        const struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->kind != LT_FAULT_MAINTENANCE)
            continue;
        if (now_ms >= rule->from_ms && now_ms < rule->until_ms) {
            found = (struct lt_mock_taken){rule->kind, rule->until_ms - now_ms};
        } else if (!rule->lasting && now_ms >= rule->until_ms) { /* over: it makes room for others */
            memmove(&f->rules.v[i], &f->rules.v[i + 1], (f->rules.len - i - 1) * sizeof *rule);
            f->rules.len--;
            i--;
        }
    }
    for (size_t i = 0; i < f->rules.len && found.kind == LT_FAULT_NONE; i++) {
        struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->when != LT_WHEN_NEXT || rule->kind == LT_FAULT_MAINTENANCE || !rule_fits(rule, service, now_ms))
            continue;
        found = taken(f, rule);
        if (--rule->left == 0) {
            memmove(rule, rule + 1, (f->rules.len - i - 1) * sizeof *rule);
            f->rules.len--;
        }
    }
    for (size_t i = 0; i < f->rules.len; i++) {
        struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->when != LT_WHEN_NEXT && rule->kind != LT_FAULT_MAINTENANCE && rule_fits(rule, service, now_ms) &&
            rule_hits(rule) && found.kind == LT_FAULT_NONE)
            found = taken(f, rule);
    }
    if (found.kind != LT_FAULT_NONE)
        f->injected++;
    return found;
}

static void fault_page(struct lt_mock_reply *r, int status, const char *title)
{
    r->status = status;
    r->content_type = "text/html; charset=utf-8";
    lt_buf_reset(&r->body);
    lt_buf_printf(&r->body, "<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title, title);
}

static int whole_seconds(int64_t ms)
{
    return (int)((ms + 999) / 1000);
}

bool lt_mock_fault_before(const struct lt_mock_taken *t, struct lt_mock_reply *r)
{
    switch (t->kind) {
    case LT_FAULT_DROP_BEFORE:
        r->action = LT_MOCK_DROP;
        return true;
    case LT_FAULT_RESET:
        r->action = LT_MOCK_RESET;
        return true;
    case LT_FAULT_CERTIFICATE:
        r->action = LT_MOCK_DROP;
        r->expired_ms = t->ms;
        return true;
    case LT_FAULT_APPLY_LATE:
        r->action = LT_MOCK_LATER;
        r->hold_ms = t->ms;
        return true;
    case LT_FAULT_HTTP401:
        fault_page(r, 401, "401 Unauthorized");
        return true;
    case LT_FAULT_HTTP429:
        fault_page(r, 429, "429 Too Many Requests");
        r->retry_after_s = whole_seconds(t->ms);
        return true;
    case LT_FAULT_HTTP500:
        fault_page(r, 500, "500 Internal Server Error");
        return true;
    case LT_FAULT_HTTP503:
        fault_page(r, 503, "503 Service Unavailable");
        r->retry_after_s = 1;
        return true;
    case LT_FAULT_MAINTENANCE:
        fault_page(r, 503, "Hệ thống đang bảo trì");
        r->retry_after_s = whole_seconds(t->ms);
        return true;
    case LT_FAULT_HTML200:
        fault_page(r, 200, "Hệ thống đang bảo trì");
        return true;
    default:
        return false;
    }
}

void lt_mock_fault_after(const struct lt_mock_taken *t, struct lt_mock_reply *r)
{
    switch (t->kind) {
    case LT_FAULT_DROP_AFTER_APPLY:
        r->action = LT_MOCK_DROP;
        break;
    case LT_FAULT_RESET_AFTER:
        r->action = LT_MOCK_RESET;
        break;
    case LT_FAULT_TIMEOUT_AFTER_APPLY:
        r->action = LT_MOCK_HOLD;
        r->hold_ms = t->ms;
        break;
    case LT_FAULT_DELAY:
        r->delay_ms = t->ms;
        break;
    case LT_FAULT_HALF_BODY:
        r->half = true;
        break;
    case LT_FAULT_SLOW_BODY:
        r->slow_ms = t->ms;
        break;
    default:
        break;
    }
}

static void control_list(const struct lt_mock_faults *f, struct lt_mock_reply *r)
{
    struct lt_json_writer w;
    lt_json_writer_init(&w, &r->body);
    lt_json_begin_object(&w);
    lt_json_num(&w, "injected", (int64_t)f->injected);
    lt_json_key(&w, LT_SPAN_LIT("rules"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < f->rules.len; i++) {
        const struct lt_mock_fault_rule *rule = &f->rules.v[i];
        lt_json_begin_object(&w);
        lt_json_str(&w, "kind", lt_span_str(names[rule->kind]));
        lt_json_str(&w, "service", lt_span_str(rule->service));
        static const char *const words[] = {"count", "every", "of_thousand", "calls"};
        lt_json_num(&w, words[rule->when],
                    (int64_t)(rule->when == LT_WHEN_NEXT    ? rule->left
                              : rule->when == LT_WHEN_CALLS ? rule->calls_len
                                                            : rule->n));
        if (rule->ms > 0)
            lt_json_num(&w, "ms", rule->ms);
        lt_json_end_object(&w);
    }
    lt_json_end_array(&w);
    lt_json_end_object(&w);
}

static void control_withdraw(struct lt_mock_faults *f, struct lt_span kind, struct lt_span service)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->rules.len; i++) {
        const struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->lasting || !lt_span_is(kind, names[rule->kind]) || !lt_span_is(service, rule->service))
            f->rules.v[kept++] = *rule;
    }
    f->rules.len = kept;
}

void lt_mock_faults_control(struct lt_mock_faults *f, const struct lt_mock_call *c, struct lt_mock_reply *r)
{
    if (strcmp(c->method, "GET") == 0) {
        control_list(f, r);
        return;
    }
    if (!lt_mock_method_is(c, "POST", r))
        return;
    LT_AUTO_JSON struct lt_json *doc = NULL;
    struct lt_err err = LT_ERR_INIT;
    const struct lt_json_limits limits = {.bytes_max = 65536, .depth_max = 8};
    if (lt_json_parse(c->body, &limits, &doc, &err) < 0) {
        lt_mock_refuse(r, 400, "%s", err.text);
        return;
    }
    struct lt_span kind = LT_SPAN_NULL, service = LT_SPAN_NULL;
    int64_t count = 1, ms = 0;
    lt_json_value root = lt_json_root(doc), v;
    if (!lt_json_string(lt_json_get(root, "kind"), &kind)) {
        lt_mock_refuse(r, 400, "kind: expected the name of a fault");
        return;
    }
    v = lt_json_get(root, "count");
    if (lt_json_present(v) && (!lt_json_int(v, &count) || count < 0)) {
        lt_mock_refuse(r, 400, "count: expected a number of calls");
        return;
    }
    v = lt_json_get(root, "service");
    if (lt_json_present(v) && !lt_json_string(v, &service)) {
        lt_mock_refuse(r, 400, "service: expected the name of a service");
        return;
    }
    v = lt_json_get(root, "ms");
    if (lt_json_present(v) && (!lt_json_int(v, &ms) || ms < 0 || ms > LT_MOCK_FAULT_MS_MAX)) {
        lt_mock_refuse(r, 400, "ms: expected milliseconds, at most %d", LT_MOCK_FAULT_MS_MAX);
        return;
    }
    if (lt_span_is(kind, "certificate-expired")) {
        r->expired_ms = count == 0 ? -1 : ms > 0 ? ms : f->hold_ms;
        lt_buf_printf(&r->body, "{\"scheduled\":%lld}", (long long)count);
        return;
    }
    enum lt_mock_fault k;
    int rc = count > 0 ? faults_add(f, kind, LT_WHEN_NEXT, (uint64_t)count, service, ms, c->now_ms, &err)
                       : lt_mock_fault_kind(f, kind, &k, &err);
    if (rc < 0) {
        lt_mock_refuse(r, 400, "%s", err.text);
        return;
    }
    if (count == 0)
        control_withdraw(f, kind, service);
    lt_buf_printf(&r->body, "{\"scheduled\":%lld}", (long long)count);
}
