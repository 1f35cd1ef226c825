#include "adapters/population/mock_citizens.h"

#include <uthash.h>

#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/base/text.h"
#include "gateway/codec/json.h"

#define FILE_MAX ((size_t)512 << 20)

struct entry {
    struct lt_mock_citizen shown;
    struct lt_span name, bare; /* upper case, single spaces; bare: without accents */
    UT_hash_handle by_id, by_old_id;
};

struct lt_mock_citizens {
    struct entry *by_id, *by_old_id;
    struct lt_arena arena;
};

static struct lt_span single_spaces(struct lt_arena *a, struct lt_span s)
{
    char *out = lt_arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool space = s.ptr[i] == ' ' || s.ptr[i] == '\t' || s.ptr[i] == '\n' || s.ptr[i] == '\r';
        if (!space)
            out[n++] = s.ptr[i];
        else if (n && out[n - 1] != ' ')
            out[n++] = ' ';
    }
    return lt_span_trim(lt_span(out, n));
}

static struct lt_span comparable(struct lt_arena *a, struct lt_span name)
{
    return single_spaces(a, lt_text_upper(a, lt_text_normal(a, name)));
}

static bool all_digits(struct lt_span s, size_t len)
{
    uint64_t n;
    return s.len == len && lt_span_u64(s, &n);
}

static bool is_birth(struct lt_span s)
{
    int64_t ms;
    return all_digits(s, 4) || (s.len == 8 && lt_time_parse(LT_TIME_DATE_COMPACT, s, &ms));
}

static struct lt_span text_of(lt_json_value v, const char *name)
{
    struct lt_span s = LT_SPAN_LIT("");
    (void)lt_json_string(lt_json_get(v, name), &s); /* absent or no text: stays empty */
    return s;
}

static const char *citizens_add(struct lt_mock_citizens *c, lt_json_value v)
{
    struct lt_span id = text_of(v, "SoDinhDanh"), old_id = text_of(v, "SoCMND"), name = text_of(v, "HoVaTen"),
                   birth = text_of(v, "NgayThangNamSinh"), sex = text_of(v, "GioiTinh");
    struct entry *known;
    if (!all_digits(id, 12))
        return "SoDinhDanh: expected 12 digits";
    if (old_id.len && !all_digits(old_id, 9))
        return "SoCMND: expected 9 digits";
    if (name.len == 0)
        return "HoVaTen: expected a name";
    if (!is_birth(birth))
        return "NgayThangNamSinh: expected yyyyMMdd or yyyy";
    if (sex.len && !lt_span_is(sex, "1") && !lt_span_is(sex, "2"))
        return "GioiTinh: expected 1 or 2";
    HASH_FIND(by_id, c->by_id, id.ptr, id.len, known);
    if (known)
        return "SoDinhDanh: there twice";

    struct entry *e = lt_arena_alloc(&c->arena, sizeof *e);
    e->shown.id = lt_arena_str(&c->arena, id);
    e->shown.old_id = lt_arena_str(&c->arena, old_id);
    e->shown.name = lt_arena_str(&c->arena, name);
    e->shown.birth = lt_arena_str(&c->arena, birth);
    e->shown.sex = lt_arena_str(&c->arena, sex);
    e->name = comparable(&c->arena, lt_span_str(e->shown.name));
    e->bare = lt_text_strip_accents(&c->arena, e->name);
    HASH_ADD_KEYPTR(by_id, c->by_id, e->shown.id, id.len, e);
    if (old_id.len)
        HASH_ADD_KEYPTR(by_old_id, c->by_old_id, e->shown.old_id, old_id.len, e);
    return NULL;
}

int lt_mock_citizens_load(const char *path, struct lt_mock_citizens **ret, struct lt_err *err)
{
    struct lt_mock_citizens *c = lt_alloc(sizeof *c);
    if (!path) {
        *ret = c;
        return LT_OK;
    }
    LT_AUTOFREE char *text = NULL;
    LT_AUTO_JSON struct lt_json *doc = NULL;
    size_t len = 0;
    const struct lt_json_limits limits = {.bytes_max = FILE_MAX, .depth_max = 8};
    int r = lt_file_read(path, FILE_MAX, &text, &len, err);
    if (r == LT_OK)
        r = lt_json_parse(lt_span(text, len), &limits, &doc, err);
    if (r == LT_OK && lt_json_type_of(lt_json_root(doc)) != LT_JSON_ARRAY)
        r = lt_err_set(err, LT_E_INVALID, "citizens", "expected a list of citizens");
    for (size_t i = 0; r == LT_OK && i < lt_json_len(lt_json_root(doc)); i++) {
        const char *wrong = citizens_add(c, lt_json_at(lt_json_root(doc), i));
        if (wrong)
            r = lt_err_set(err, LT_E_INVALID, "citizens", "citizen %zu: %s", i, wrong);
    }
    if (r < 0) {
        lt_err_prefix(err, "%s", path);
        lt_mock_citizens_free(c);
        return r;
    }
    *ret = c;
    return LT_OK;
}

void lt_mock_citizens_free(struct lt_mock_citizens *c)
{
    if (!c)
        return;
    HASH_CLEAR(by_id, c->by_id);
    HASH_CLEAR(by_old_id, c->by_old_id);
    lt_arena_deinit(&c->arena);
    free(c);
}

size_t lt_mock_citizens_len(const struct lt_mock_citizens *c)
{
    return HASH_CNT(by_id, c->by_id);
}

static bool birth_agrees(struct lt_span asked, struct lt_span stored)
{
    size_t n = LT_MIN(asked.len, stored.len);
    return asked.len == 0 || memcmp(asked.ptr, stored.ptr, n) == 0;
}

const struct lt_mock_citizen *lt_mock_citizens_match(const struct lt_mock_citizens *c, const struct lt_mock_question *q,
                                                     enum lt_mock_accents accents)
{
    struct entry *e = NULL;
    if (q->id.len)
        HASH_FIND(by_id, c->by_id, q->id.ptr, q->id.len, e);
    else if (q->old_id.len)
        HASH_FIND(by_old_id, c->by_old_id, q->old_id.ptr, q->old_id.len, e);
    if (!e || (q->id.len && q->old_id.len && !lt_span_is(q->old_id, e->shown.old_id)))
        return NULL;

    struct lt_arena a = LT_ARENA_INIT;
    struct lt_span name = comparable(&a, q->name);
    bool same = (accents != LT_MOCK_ACCENTS_STRIP && lt_span_eq(name, e->name)) ||
                (accents != LT_MOCK_ACCENTS_KEEP && lt_span_eq(name, e->bare));
    lt_arena_deinit(&a);
    return same && birth_agrees(q->birth, lt_span_str(e->shown.birth)) ? &e->shown : NULL;
}
