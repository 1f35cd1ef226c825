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
        if (f->rules.v[i].every == 0)
            continue;
        f->rules.v[kept] = f->rules.v[i];
        f->rules.v[kept++].seen = 0;
    }
    f->rules.len = kept;
    f->injected = 0;
}

static int faults_kind(const struct lt_mock_faults *f, struct lt_span word, enum lt_mock_fault *ret, struct lt_err *err)
{
    char known[256] = "";
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

static int faults_add(struct lt_mock_faults *f, struct lt_span kind, uint64_t every, uint64_t count,
                      struct lt_span service, struct lt_err *err)
{
    enum lt_mock_fault k;
    int r = faults_kind(f, kind, &k, err);
    if (r < 0)
        return r;
    if (service.len >= sizeof f->rules.v->service)
        return lt_err_set(err, LT_E_INVALID, "fault-service", "fault: the name of the service is too long");
    if (f->rules.len >= LT_MOCK_FAULT_RULES_MAX)
        return lt_err_set(err, LT_E_LIMIT, "fault-rules", "fault: more than %d rules", LT_MOCK_FAULT_RULES_MAX);
    struct lt_mock_fault_rule *rule = lt_vec_push(&f->rules);
    *rule = (struct lt_mock_fault_rule){.kind = k, .every = every, .left = count};
    if (service.len)
        memcpy(rule->service, service.ptr, service.len);
    return LT_OK;
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
    return faults_add(f, kind, n, 0, service, err);
}

int lt_mock_faults_every_of(struct lt_mock_faults *f, const struct lt_opt_strings *texts, struct lt_err *err)
{
    int r = LT_OK;
    for (size_t i = 0; r == LT_OK && i < texts->len; i++)
        r = lt_mock_faults_every(f, lt_span_str(texts->v[i]), err);
    return r;
}

static bool rule_fits(const struct lt_mock_fault_rule *rule, const char *service)
{
    return rule->service[0] ? strcmp(rule->service, service) == 0 : strcmp(service, "login") != 0;
}

enum lt_mock_fault lt_mock_faults_take(struct lt_mock_faults *f, const char *service)
{
    enum lt_mock_fault found = LT_FAULT_NONE;
    for (size_t i = 0; i < f->rules.len; i++) {
        struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->every || !rule_fits(rule, service))
            continue;
        found = rule->kind;
        if (--rule->left == 0) {
            memmove(rule, rule + 1, (f->rules.len - i - 1) * sizeof *rule);
            f->rules.len--;
        }
        break;
    }
    for (size_t i = 0; i < f->rules.len; i++) {
        struct lt_mock_fault_rule *rule = &f->rules.v[i];
        if (rule->every && rule_fits(rule, service) && ++rule->seen % rule->every == 0 && found == LT_FAULT_NONE)
            found = rule->kind;
    }
    if (found != LT_FAULT_NONE)
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

bool lt_mock_fault_before(enum lt_mock_fault k, struct lt_mock_reply *r)
{
    switch (k) {
    case LT_FAULT_DROP_BEFORE:
        r->action = LT_MOCK_DROP;
        return true;
    case LT_FAULT_HTTP401:
        fault_page(r, 401, "401 Unauthorized");
        return true;
    case LT_FAULT_HTTP500:
        fault_page(r, 500, "500 Internal Server Error");
        return true;
    case LT_FAULT_HTTP503:
        fault_page(r, 503, "503 Service Unavailable");
        r->retry_after_s = 1;
        return true;
    case LT_FAULT_HTML200:
        fault_page(r, 200, "Hệ thống đang bảo trì");
        return true;
    default:
        return false;
    }
}

void lt_mock_fault_after(const struct lt_mock_faults *f, enum lt_mock_fault k, struct lt_mock_reply *r)
{
    if (k == LT_FAULT_DROP_AFTER_APPLY) {
        r->action = LT_MOCK_DROP;
    } else if (k == LT_FAULT_TIMEOUT_AFTER_APPLY) {
        r->action = LT_MOCK_HOLD;
        r->hold_ms = f->hold_ms;
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
        lt_json_num(&w, rule->every ? "every" : "count", (int64_t)(rule->every ? rule->every : rule->left));
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
        if (rule->every || !lt_span_is(kind, names[rule->kind]) || !lt_span_is(service, rule->service))
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
    int64_t count = 1;
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
    enum lt_mock_fault k;
    int rc = count > 0 ? faults_add(f, kind, 0, (uint64_t)count, service, &err) : faults_kind(f, kind, &k, &err);
    if (rc < 0) {
        lt_mock_refuse(r, 400, "%s", err.text);
        return;
    }
    if (count == 0)
        control_withdraw(f, kind, service);
    lt_buf_printf(&r->body, "{\"scheduled\":%lld}", (long long)count);
}
