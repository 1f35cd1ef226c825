/* A schedule of faults from a file. */
#include "adapters/mock/faults.h"

struct row {
    const char *kind, *service;
    int64_t every, of_thousand, ms, from_ms, for_ms;
    const struct lt_yaml_node *calls;
};
#define AT(member) offsetof(struct row, member)
static const struct lt_opt row_opts[] = {
    {"kind", LT_OPT_STRING, AT(kind), true, NULL, 0, 0, NULL, "what goes wrong"},
    {"service", LT_OPT_STRING, AT(service), false, NULL, 0, 0, NULL, "of this service; none: all but the login"},
    {"every", LT_OPT_INT, AT(every), false, NULL, 0, 1000000000, NULL, "each n-th call"},
    {"of_thousand", LT_OPT_INT, AT(of_thousand), false, NULL, 0, 1000, NULL, "so many of a thousand calls"},
    {"calls", LT_OPT_NODE, AT(calls), false, NULL, 0, 0, NULL, "these calls, counted from 1"},
    {"ms", LT_OPT_DURATION, AT(ms), false, NULL, 0, LT_MOCK_FAULT_MS_MAX, NULL, "how long"},
    {"from", LT_OPT_DURATION, AT(from_ms), false, NULL, 0, INT64_C(86400000), NULL, "begin, from the first call on"},
    {"for", LT_OPT_DURATION, AT(for_ms), false, NULL, 0, INT64_C(86400000), NULL, "how long the rule holds"},
};

struct file {
    int64_t seed;
    const struct lt_yaml_node *faults;
};
static const struct lt_opt file_opts[] = {
    {"seed", LT_OPT_INT, offsetof(struct file, seed), false, "1", 0, INT64_MAX, NULL, "of the shares"},
    {"faults", LT_OPT_NODE, offsetof(struct file, faults), true, NULL, 0, 0, NULL, "list of rules"},
};

static void row_calls(const struct lt_yaml_node *n, struct lt_arena *a, struct lt_mock_fault_rule *rule,
                      struct lt_diags *diags)
{
    if (n->kind != LT_YAML_SEQ || n->len == 0) {
        lt_yaml_expected(diags, n, "calls", "a list of numbers");
        return;
    }
    int64_t *calls = lt_arena_alloc(a, n->len * sizeof *calls);
    for (size_t i = 0; i < n->len; i++)
        if (!lt_span_i64(lt_yaml_text(n->items[i]), &calls[i]) || calls[i] < 1)
            lt_yaml_expected(diags, n->items[i], "calls", "a number from 1");
    rule->calls = calls;
    rule->calls_len = n->len;
}

static void row_read(struct lt_mock_faults *f, const struct lt_yaml_node *n, uint64_t seed, struct lt_arena *a,
                     struct lt_diags *diags)
{
    struct row row = {0};
    struct lt_mock_fault_rule rule = {.lasting = true, .seed = seed};
    struct lt_err err = LT_ERR_INIT;
    if (n->kind != LT_YAML_MAP) {
        lt_yaml_expected(diags, n, "faults", "{kind: …, every | of_thousand | calls: …}");
        return;
    }
    size_t errors = diags->errors;
    (void)lt_opts_decode(n, "faults", row_opts, LT_ARRAY_LEN(row_opts), &row, a, diags);
    if (diags->errors > errors)
        return;
    if (lt_mock_fault_kind(f, lt_span_str(row.kind), &rule.kind, &err) < 0)
        lt_yaml_error(diags, lt_yaml_get(n, "kind"), "%s", err.text);
    rule.when = row.calls ? LT_WHEN_CALLS : row.of_thousand > 0 ? LT_WHEN_SHARE : LT_WHEN_EVERY;
    rule.n = (uint64_t)(row.of_thousand > 0 ? row.of_thousand : row.every);
    if (row.calls)
        row_calls(row.calls, a, &rule, diags);
    if ((row.calls != NULL) + (row.of_thousand > 0) + (row.every > 0) != (rule.kind != LT_FAULT_MAINTENANCE))
        lt_yaml_error(
            diags, n,
            "faults: expected one of every, of_thousand and calls (none for maintenance), got another number");
    if (rule.kind == LT_FAULT_MAINTENANCE && row.for_ms == 0)
        lt_yaml_error(diags, n, "for: expected how long the maintenance lasts, got nothing");
    if (row.service && strlen(row.service) >= sizeof rule.service)
        lt_yaml_expected(diags, lt_yaml_get(n, "service"), "service", "the name of a service");
    else if (row.service)
        memcpy(rule.service, row.service, strlen(row.service));
    rule.ms = row.ms;
    /* A window becomes one of the clock at the first call: `left` keeps how long after it. */
    rule.left = (uint64_t)row.from_ms;
    rule.until_ms = row.for_ms > 0 ? row.for_ms : row.from_ms > 0 ? INT64_C(1) << 50 : 0;
    if (diags->errors == errors && lt_mock_faults_add(f, &rule, &err) < 0)
        lt_yaml_error(diags, n, "%s", err.text);
}

int lt_mock_faults_schedule(struct lt_mock_faults *f, const char *path, struct lt_arena *a, struct lt_err *err)
{
    struct lt_yaml *yaml = NULL;
    struct lt_diags diags = LT_DIAGS_INIT;
    struct file file = {0};
    int r = LT_OK;
    if (!path)
        return LT_OK;
    if ((r = lt_yaml_load(path, &yaml, &diags)) == LT_OK) {
        (void)lt_opts_decode(lt_yaml_root(yaml), "", file_opts, LT_ARRAY_LEN(file_opts), &file, a, &diags);
        if (file.faults && file.faults->kind != LT_YAML_SEQ)
            lt_yaml_expected(&diags, file.faults, "faults", "a list of rules");
        for (size_t i = 0; diags.errors == 0 && i < file.faults->len; i++)
            row_read(f, file.faults->items[i], (uint64_t)file.seed * 1000003u + i, a, &diags);
    }
    if (diags.errors > 0) {
        LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(65536);
        lt_diags_print(&diags, &text);
        r = lt_err_set(err, r < 0 ? r : LT_E_INVALID, "fault-schedule", LT_SPAN_FMT,
                       LT_SPAN_ARG(lt_span_trim(lt_buf_view(&text))));
    }
    lt_diags_deinit(&diags);
    lt_yaml_free(yaml);
    return r;
}
