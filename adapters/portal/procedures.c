#include "adapters/portal/procedures.h"

#include "gateway/base/file.h"

#include <string.h>

#define FILE_MAX ((size_t)16 << 20)
#define PUBLIC "1" /* TRANGTHAI (domain 1.7) */

static const char *const keys[LT_PROC_VALUES] = {[LT_PROC_CODE] = "code",
                                                 [LT_PROC_NAME] = "name",
                                                 [LT_PROC_STATUS] = "status",
                                                 [LT_PROC_FIELD] = "linh-vuc",
                                                 [LT_PROC_FIELD_NAME] = "linh-vuc-name",
                                                 [LT_PROC_TIME] = "time-1",
                                                 [LT_PROC_TIME + 1] = "time-2",
                                                 [LT_PROC_TIME + 2] = "time-3",
                                                 [LT_PROC_FEE] = "fee-1",
                                                 [LT_PROC_FEE + 1] = "fee-2",
                                                 [LT_PROC_FEE + 2] = "fee-3"};

void lt_procedures_deinit(struct lt_procedures *p)
{
    lt_vec_deinit(&p->list);
    lt_arena_deinit(&p->arena);
}

/* ---- the file ---- */

static const char *text(const struct lt_yaml_node *n, const char *key, struct lt_arena *a)
{
    const struct lt_yaml_node *v = lt_yaml_get(n, key);
    return v ? lt_arena_str(a, lt_yaml_text(v)) : NULL;
}

int lt_procedures_load(const char *path, struct lt_procedures *ret, struct lt_diags *diags)
{
    LT_AUTOFREE char *content = NULL;
    size_t len;
    struct lt_yaml *yaml = NULL;
    struct lt_err err = LT_ERR_INIT;
    int r = lt_file_read(path, FILE_MAX, &content, &len, &err);
    if (r == LT_E_NOT_FOUND)
        return LT_OK;
    if (r != LT_OK) {
        lt_diags_add(diags, LT_DIAG_ERROR, path, 0, 0, "%s", err.text);
        return r;
    }
    if ((r = lt_yaml_parse(path, lt_span(content, len), &yaml, diags)) != LT_OK)
        return r;
    const struct lt_yaml_node *entries = lt_yaml_get(lt_yaml_root(yaml), "entries");
    if (!entries || entries->kind != LT_YAML_SEQ) {
        lt_yaml_expected(diags, entries ? entries : lt_yaml_root(yaml), "entries", "a list");
        r = LT_E_INVALID;
    }
    for (size_t i = 0; r == LT_OK && i < entries->len; i++) {
        const struct lt_yaml_node *n = entries->items[i];
        struct lt_procedure p = {.from = text(n, "from", &ret->arena), .to = text(n, "to", &ret->arena)};
        for (size_t k = 0; k < LT_PROC_VALUES; k++) {
            p.values[k] = text(n, keys[k], &ret->arena);
            if (!p.values[k])
                p.values[k] = "";
        }
        if (!*p.values[LT_PROC_CODE]) {
            lt_yaml_expected(diags, n, "code", "the code of a procedure");
            r = LT_E_INVALID;
        }
        *lt_vec_push(&ret->list) = p;
    }
    lt_yaml_free(yaml);
    return r;
}

void lt_procedures_write(const struct lt_procedures *table, const char *name, struct lt_buf *out)
{
    lt_buf_printf(
        out,
        "# Procedures of the national portal, pulled by `lienthong procedures pull`; do not edit: the next pull "
        "writes it anew.\n# An entry without `to` is in force; one that vanished at the portal ends at the day "
        "of the pull that missed it.\ntable: %s\nkind: codes\nentries:\n",
        name);
    for (size_t i = 0; i < table->list.len; i++) {
        const struct lt_procedure *p = &table->list.v[i];
        lt_buf_str(out, "  - {code: ");
        lt_buf_json(out, lt_span_str(p->values[LT_PROC_CODE]));
        lt_buf_str(out, ", value: ");
        lt_buf_json(out, lt_span_str(p->values[LT_PROC_CODE]));
        for (size_t k = LT_PROC_NAME; k < LT_PROC_VALUES; k++) {
            if (!*p->values[k])
                continue;
            lt_buf_printf(out, ", %s: ", keys[k]);
            lt_buf_json(out, lt_span_str(p->values[k]));
        }
        if (p->from)
            lt_buf_printf(out, ", from: %s", p->from);
        if (p->to)
            lt_buf_printf(out, ", to: %s", p->to);
        lt_buf_str(out, "}\n");
    }
}

/* ---- answers ---- */

static struct lt_span member(lt_json_value v, const char *name, struct lt_arena *a)
{
    struct lt_span s = LT_SPAN_LIT("");
    lt_json_value m = lt_json_get(v, name);
    if (lt_json_present(m))
        (void)lt_json_scalar(m, a, &s);
    return lt_span_trim(s);
}

int lt_procedures_codes(lt_json_value answer, struct lt_procedures *ret, struct lt_err *err)
{
    lt_json_value list = lt_json_get(answer, "result");
    if (!lt_json_present(list) || lt_json_type_of(list) != LT_JSON_ARRAY)
        return lt_err_set(err, LT_E_INVALID, "no-list", "LayDanhSachTTHC was answered without a list");
    for (size_t i = 0; i < lt_json_len(list); i++) {
        struct lt_span code = member(lt_json_at(list, i), "MATTHC", &ret->arena);
        if (code.len == 0)
            return lt_err_set(err, LT_E_INVALID, "no-code", "LayDanhSachTTHC: entry %zu has no MATTHC", i + 1);
        struct lt_procedure p = {0};
        p.values[LT_PROC_CODE] = lt_arena_str(&ret->arena, code);
        *lt_vec_push(&ret->list) = p;
    }
    return LT_OK;
}

static void take_channel(lt_json_value way, struct lt_procedure *p, struct lt_arena *a)
{
    struct lt_span channel = member(way, "KENH", a);
    if (channel.len != 1 || channel.ptr[0] < '1' || channel.ptr[0] > '3')
        return; /* the receiving channels have these numbers (domain 1.6) */
    int k = channel.ptr[0] - '1';
    lt_json_value time = lt_json_at(lt_json_get(way, "THOIGIAN"), 0);
    if (!lt_json_present(time))
        return;
    struct lt_span limit = member(time, "THOIGIANGIAIQUYET", a), unit = member(time, "DONVITINH", a);
    p->values[LT_PROC_TIME + k] =
        lt_arena_printf(a, LT_SPAN_FMT "%s" LT_SPAN_FMT, LT_SPAN_ARG(limit), unit.len ? " " : "", LT_SPAN_ARG(unit));
    lt_json_value fee = lt_json_at(lt_json_get(time, "PHILEPHI"), 0);
    if (lt_json_present(fee))
        p->values[LT_PROC_FEE + k] = lt_arena_str(a, member(fee, "SOTIEN", a));
}

int lt_procedures_take(lt_json_value answer, struct lt_span code, struct lt_procedures *ret, struct lt_err *err)
{
    struct lt_arena *a = &ret->arena;
    lt_json_value result = lt_json_get(answer, "result");
    lt_json_value v =
        lt_json_present(result) && lt_json_type_of(result) == LT_JSON_ARRAY ? lt_json_at(result, 0) : result;
    if (!lt_json_present(v) || !lt_span_eq(member(v, "MATTHC", a), code))
        return lt_err_set(err, LT_E_INVALID, "no-procedure",
                          "LayThuTuc of " LT_SPAN_FMT " was answered without that procedure", LT_SPAN_ARG(code));
    struct lt_procedure p = {0};
    for (size_t k = 0; k < LT_PROC_VALUES; k++)
        p.values[k] = "";
    struct lt_span status = member(v, "TRANGTHAI", a);
    lt_json_value field = lt_json_at(lt_json_get(v, "LINHVUCTHUCHIEN"), 0), ways = lt_json_get(v, "CACHTHUCTHUCHIEN");
    p.values[LT_PROC_CODE] = lt_arena_str(a, code);
    p.values[LT_PROC_NAME] = lt_arena_str(a, member(v, "TENTTHC", a));
    if (!lt_span_is(status, PUBLIC))
        p.values[LT_PROC_STATUS] = lt_arena_str(a, status);
    if (lt_json_present(field)) {
        p.values[LT_PROC_FIELD] = lt_arena_str(a, member(field, "MALINHVUC", a));
        p.values[LT_PROC_FIELD_NAME] = lt_arena_str(a, member(field, "TENLINHVUC", a));
    }
    for (size_t i = 0; lt_json_present(ways) && i < lt_json_len(ways); i++)
        take_channel(lt_json_at(ways, i), &p, a);
    *lt_vec_push(&ret->list) = p;
    return LT_OK;
}

/* ---- what changed ---- */

/* The last entry of a code: the one in force, or the one that ended. */
static struct lt_procedure *last_of(struct lt_procedures *table, const char *code)
{
    for (size_t i = table->list.len; i > 0; i--)
        if (strcmp(table->list.v[i - 1].values[LT_PROC_CODE], code) == 0)
            return &table->list.v[i - 1];
    return NULL;
}

static bool listed(const struct lt_procedures *now, const char *code)
{
    for (size_t i = 0; i < now->list.len; i++)
        if (strcmp(now->list.v[i].values[LT_PROC_CODE], code) == 0)
            return true;
    return false;
}

static void tell(struct lt_procedure_changes *c, int what, const struct lt_procedure *p, size_t field,
                 const char *before, const char *after)
{
    struct lt_procedure_change *one = lt_vec_push(&c->list);
    *one = (struct lt_procedure_change){.code = p->values[LT_PROC_CODE],
                                        .name = p->values[LT_PROC_NAME],
                                        .field = keys[field],
                                        .before = before,
                                        .after = after};
    one->what = (__typeof__(one->what))what;
}

static struct lt_procedure copied(struct lt_procedures *table, const struct lt_procedure *p, const char *from)
{
    struct lt_procedure copy = {.from = from ? lt_arena_str(&table->arena, lt_span_str(from)) : NULL};
    for (size_t k = 0; k < LT_PROC_VALUES; k++)
        copy.values[k] = lt_arena_str(&table->arena, lt_span_str(p->values[k]));
    return copy;
}

static bool same(const struct lt_procedure *a, const struct lt_procedure *b)
{
    for (size_t k = 0; k < LT_PROC_VALUES; k++)
        if (strcmp(a->values[k], b->values[k]) != 0)
            return false;
    return true;
}

static void merge_one(struct lt_procedures *table, const struct lt_procedure *p, const char *today, bool first,
                      struct lt_procedure_changes *ret)
{
    struct lt_procedure *old = last_of(table, p->values[LT_PROC_CODE]);
    if (!old || old->to) {
        tell(ret, old ? LT_PROC_BACK : LT_PROC_ADDED, p, LT_PROC_CODE, "", "");
        if (old && strcmp(old->to, today) == 0 && same(old, p)) { /* away for no day: as if it had stayed */
            old->to = NULL;
            return;
        }
        /* The first pull knows nothing of beginnings: what it finds counts for earlier events too. */
        struct lt_procedure copy = copied(table, p, first ? NULL : today);
        *lt_vec_push(&table->list) = copy;
        return;
    }
    bool changed = false;
    for (size_t k = LT_PROC_NAME; k < LT_PROC_VALUES; k++)
        if (strcmp(old->values[k], p->values[k]) != 0) {
            tell(ret, LT_PROC_CHANGED, p, k, old->values[k], p->values[k]);
            changed = true;
        }
    if (!changed)
        return;
    struct lt_procedure copy = copied(table, p, today);
    if (old->from && strcmp(old->from, today) == 0) {
        *old = copy; /* changed twice in a day: an entry of no time at all would be refused */
        return;
    }
    old->to = lt_arena_str(&table->arena, lt_span_str(today));
    *lt_vec_push(&table->list) = copy;
}

size_t lt_procedures_in_force(const struct lt_procedures *table)
{
    size_t n = 0;
    for (size_t i = 0; i < table->list.len; i++)
        n += !table->list.v[i].to;
    return n;
}

void lt_procedures_merge(struct lt_procedures *table, const struct lt_procedures *now, const char *today,
                         struct lt_procedure_changes *ret)
{
    bool first = table->list.len == 0;
    size_t before = table->list.len;
    for (size_t i = 0; i < before; i++) {
        struct lt_procedure *old = &table->list.v[i];
        if (old->to || listed(now, old->values[LT_PROC_CODE]))
            continue;
        tell(ret, LT_PROC_VANISHED, old, LT_PROC_CODE, "", "");
        if (old->from && strcmp(old->from, today) == 0) { /* came and went within a day: it was in force at no time */
            memmove(old, old + 1, (table->list.len - i - 1) * sizeof(*old));
            table->list.len--;
            before--;
            i--;
            continue;
        }
        old->to = lt_arena_str(&table->arena, lt_span_str(today));
    }
    for (size_t i = 0; i < now->list.len; i++)
        merge_one(table, &now->list.v[i], today, first, ret);
}
