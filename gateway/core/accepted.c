#include "gateway/core/accepted.h"

#include "gateway/base/crypto.h"
#include "gateway/codec/json.h"

#include <inttypes.h>
#include <stdio.h>

void lt_accepted_key(int32_t partition, char out[LT_ACCEPTED_KEY_MAX])
{
    snprintf(out, LT_ACCEPTED_KEY_MAX, LT_ACCEPTED_KEY_PREFIX "%" PRId32, partition);
}

static bool get_hex16(lt_json_value v, const char *name, uint64_t *ret)
{
    struct lt_span s;
    uint8_t b[8];
    if (!lt_json_string(lt_json_get(v, name), &s) || s.len != 16 || !lt_unhex(s, b, sizeof(b)))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof(b); i++)
        *ret = *ret << 8 | b[i];
    return true;
}

static bool get_holes(lt_json_value list, struct lt_accepted *a)
{
    if (lt_json_len(list) > LT_ACCEPTED_HOLES_MAX)
        return false;
    int64_t after = -1;
    for (size_t i = 0; i < lt_json_len(list); i++) {
        lt_json_value pair = lt_json_at(list, i);
        struct lt_hole h;
        if (!lt_json_int(lt_json_at(pair, 0), &h.from) || !lt_json_int(lt_json_at(pair, 1), &h.to) || h.from <= after ||
            h.to <= h.from)
            return false;
        a->holes[a->holes_len++] = h;
        after = h.to;
    }
    return true;
}

int lt_accepted_parse(struct lt_span json, uint64_t incarnation, struct lt_accepted *a, struct lt_err *err)
{
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    a->holes_len = 0;
    a->index = false;
    int r = lt_json_parse(json, &limits, &j, err);
    if (r < 0)
        return r;
    lt_json_value root = lt_json_root(j), index = lt_json_get(root, "index");
    uint64_t of;
    if (!get_hex16(root, "incarnation", &of))
        return lt_err_set(err, LT_E_INVALID, "bad-decision", "incarnation: expected 16 hex digits");
    if (of != incarnation)
        return lt_err_set(err, LT_E_NOT_FOUND, "other-incarnation",
                          "the decisions belong to another incarnation of the topic");
    bool ok = get_holes(lt_json_get(root, "holes"), a);
    if (ok && lt_json_present(index)) {
        a->index =
            lt_json_int(lt_json_get(index, "offset"), &a->index_offset) && get_hex16(index, "sum", &a->index_sum);
        ok = a->index;
    }
    if (ok)
        return LT_OK;
    a->holes_len = 0;
    a->index = false;
    return lt_err_set(err, LT_E_INVALID, "bad-decision", "holes or index: not written by this program");
}

void lt_accepted_write(const struct lt_accepted *a, int32_t partition, uint64_t incarnation, const char *by,
                       const char *at, struct lt_buf *out)
{
    struct lt_json_writer w;
    char hex[17];
    lt_json_writer_init(&w, out);
    lt_json_begin_object(&w);
    lt_json_num(&w, "partition", partition);
    snprintf(hex, sizeof(hex), "%016" PRIx64, incarnation);
    lt_json_str(&w, "incarnation", lt_span_str(hex));
    lt_json_key(&w, LT_SPAN_LIT("holes"));
    lt_json_begin_array(&w);
    for (size_t i = 0; i < a->holes_len; i++) {
        lt_json_begin_array(&w);
        lt_json_put_int(&w, a->holes[i].from);
        lt_json_put_int(&w, a->holes[i].to);
        lt_json_end_array(&w);
    }
    lt_json_end_array(&w);
    if (a->index) {
        lt_json_key(&w, LT_SPAN_LIT("index"));
        lt_json_begin_object(&w);
        lt_json_num(&w, "offset", a->index_offset);
        snprintf(hex, sizeof(hex), "%016" PRIx64, a->index_sum);
        lt_json_str(&w, "sum", lt_span_str(hex));
        lt_json_end_object(&w);
    }
    lt_json_str(&w, "by", lt_span_str(by));
    lt_json_str(&w, "time", lt_span_str(at));
    lt_json_end_object(&w);
}

static void forget_before(struct lt_accepted *a, int64_t low)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->holes_len; i++)
        if (a->holes[i].to >= low)
            a->holes[kept++] = a->holes[i];
    a->holes_len = kept;
}

int lt_accepted_add_hole(struct lt_accepted *a, struct lt_hole hole, int64_t low, struct lt_err *err)
{
    if (hole.from < 0 || hole.to <= hole.from)
        return lt_err_set(err, LT_E_INVALID, "bad-hole", "a hole ends after it begins");
    if (a->holes_len == LT_ACCEPTED_HOLES_MAX)
        forget_before(a, low);
    size_t first = 0, last;
    while (first < a->holes_len && a->holes[first].to < hole.from)
        first++;
    for (last = first; last < a->holes_len && a->holes[last].from <= hole.to; last++) {
        hole.from = LT_MIN(hole.from, a->holes[last].from);
        hole.to = LT_MAX(hole.to, a->holes[last].to);
    }
    if (first == last && a->holes_len == LT_ACCEPTED_HOLES_MAX)
        return lt_err_set(err, LT_E_LIMIT, "too-many-holes",
                          "%d holes of this partition were accepted already: something keeps writing to the topic",
                          LT_ACCEPTED_HOLES_MAX);
    memmove(&a->holes[first + 1], &a->holes[last], (a->holes_len - last) * sizeof(hole));
    a->holes_len += 1 + first - last;
    a->holes[first] = hole;
    return LT_OK;
}

bool lt_accepted_covers(const struct lt_accepted *a, int64_t from, int64_t to)
{
    for (size_t i = 0; i < a->holes_len; i++)
        if (a->holes[i].from <= from && to <= a->holes[i].to)
            return true;
    return from >= to;
}
