#include "adapters/portal/mock_portal_store.h"

#include <assert.h>
#include <uthash.h>

#include "gateway/base/clock.h"

struct row {
    uint64_t seq;
    int64_t at_ms;
    char unit[36];
    char *item;
    size_t item_len;
};

struct lt_mock_portal_dossier {
    char *code;
    LT_VEC(struct row) rows[LT_MOCK_ROW_KINDS];
    UT_hash_handle hh;
};

struct lt_mock_portal_store {
    struct lt_mock_portal_dossier *by_code;
    LT_VEC(struct lt_mock_portal_dossier *) all; /* in the order of creation, for the oracle's pages */
    uint64_t seq;
    size_t bytes, bytes_max;
};

struct lt_mock_portal_store *lt_mock_portal_store_new(size_t bytes_max)
{
    struct lt_mock_portal_store *s = lt_alloc(sizeof *s);
    s->bytes_max = bytes_max;
    return s;
}

void lt_mock_portal_store_reset(struct lt_mock_portal_store *s)
{
    HASH_CLEAR(hh, s->by_code);
    for (size_t i = 0; i < s->all.len; i++) {
        struct lt_mock_portal_dossier *d = s->all.v[i];
        for (int k = 0; k < LT_MOCK_ROW_KINDS; k++) {
            for (size_t r = 0; r < d->rows[k].len; r++)
                free(d->rows[k].v[r].item);
            lt_vec_deinit(&d->rows[k]);
        }
        free(d->code);
        free(d);
    }
    lt_vec_deinit(&s->all);
    s->seq = 0;
    s->bytes = 0;
}

void lt_mock_portal_store_free(struct lt_mock_portal_store *s)
{
    if (!s)
        return;
    lt_mock_portal_store_reset(s);
    free(s);
}

bool lt_mock_portal_store_full(const struct lt_mock_portal_store *s)
{
    return s->bytes >= s->bytes_max;
}

size_t lt_mock_portal_store_len(const struct lt_mock_portal_store *s)
{
    return s->all.len;
}

struct lt_mock_portal_dossier *lt_mock_portal_store_find(const struct lt_mock_portal_store *s, struct lt_span code)
{
    struct lt_mock_portal_dossier *d;
    HASH_FIND(hh, s->by_code, code.ptr, code.len, d);
    return d;
}

static struct lt_mock_portal_dossier *store_make(struct lt_mock_portal_store *s, struct lt_span code)
{
    struct lt_mock_portal_dossier *d = lt_alloc(sizeof *d);
    d->code = lt_strndup(code.ptr, code.len);
    HASH_ADD_KEYPTR(hh, s->by_code, d->code, code.len, d);
    *lt_vec_push(&s->all) = d;
    s->bytes += sizeof *d + code.len;
    return d;
}

void lt_mock_portal_store_add(struct lt_mock_portal_store *s, enum lt_mock_portal_row_kind kind, struct lt_span code,
                              struct lt_span unit, lt_json_value item, int64_t now_ms)
{
    struct lt_mock_portal_dossier *d = lt_mock_portal_store_find(s, code);
    if (!d && kind == LT_MOCK_CREATE)
        d = store_make(s, code);
    assert(d);

    struct lt_buf text = LT_BUF_INIT((size_t)64 << 20);
    lt_json_write(item, &text);
    struct row *r = lt_vec_push(&d->rows[kind]);
    *r = (struct row){.seq = ++s->seq, .at_ms = now_ms, .item_len = text.len};
    memcpy(r->unit, unit.ptr, LT_MIN(unit.len, sizeof r->unit - 1));
    r->item = lt_buf_take(&text);
    s->bytes += sizeof *r + r->item_len;
}

struct lt_span lt_mock_portal_dossier_snapshot(const struct lt_mock_portal_dossier *d)
{
    enum lt_mock_portal_row_kind kind = d->rows[LT_MOCK_UPDATE].len ? LT_MOCK_UPDATE : LT_MOCK_CREATE;
    assert(d->rows[kind].len > 0);
    const struct row *r = &d->rows[kind].v[d->rows[kind].len - 1];
    return lt_span(r->item, r->item_len);
}

static const char *const kind_names[LT_MOCK_ROW_KINDS] = {"creates", "updates", "progress"};

void lt_mock_portal_store_write_line(const struct lt_mock_portal_store *s, size_t n, struct lt_json_writer *w)
{
    const struct lt_mock_portal_dossier *d = s->all.v[n];
    lt_json_begin_object(w);
    lt_json_str(w, "MaHoSo", lt_span_str(d->code));
    for (int k = 0; k < LT_MOCK_ROW_KINDS; k++)
        lt_json_num(w, kind_names[k], (int64_t)d->rows[k].len);
    lt_json_end_object(w);
}

void lt_mock_portal_dossier_write(const struct lt_mock_portal_dossier *d, struct lt_json_writer *w)
{
    lt_json_begin_object(w);
    lt_json_str(w, "MaHoSo", lt_span_str(d->code));
    for (int k = 0; k < LT_MOCK_ROW_KINDS; k++) {
        lt_json_key(w, lt_span_str(kind_names[k]));
        lt_json_begin_array(w);
        for (size_t i = 0; i < d->rows[k].len; i++) {
            const struct row *r = &d->rows[k].v[i];
            char at[30];
            lt_time_rfc3339(r->at_ms, at);
            lt_json_begin_object(w);
            lt_json_num(w, "seq", (int64_t)r->seq);
            lt_json_str(w, "at", lt_span_str(at));
            lt_json_str(w, "madonvi", lt_span_str(r->unit));
            lt_json_key(w, LT_SPAN_LIT("item"));
            lt_json_put_raw(w, lt_span(r->item, r->item_len));
            lt_json_end_object(w);
        }
        lt_json_end_array(w);
    }
    lt_json_end_object(w);
}
