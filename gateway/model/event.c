#include "gateway/model/event.h"

static const struct attribute {
    const char *header;
    size_t offset;
    bool required;
} attributes[] = {
    {"ce_id", offsetof(struct lt_event, id), true},
    {"ce_source", offsetof(struct lt_event, source), true},
    {"ce_type", offsetof(struct lt_event, type), true},
    {"ce_subject", offsetof(struct lt_event, subject), true},
    {"ce_time", offsetof(struct lt_event, time), true},
    {"ce_province", offsetof(struct lt_event, province), true},
    {"ce_unit", offsetof(struct lt_event, unit), false},
    {"ce_procedure", offsetof(struct lt_event, procedure), false},
    {"ce_channel", offsetof(struct lt_event, channel), false},
    {"lt_digest", offsetof(struct lt_event, digest), true},
};

static struct lt_span *field_of(struct lt_event *e, const struct attribute *a)
{
    return (struct lt_span *)((char *)e + a->offset);
}

void lt_event_headers(const struct lt_event *e, struct lt_arena *a, struct lt_headers *h)
{
    lt_headers_reset(h);
    lt_headers_add(h, LT_SPAN_LIT("content-type"), LT_SPAN_LIT("application/json"));
    lt_headers_add(h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    for (size_t i = 0; i < LT_ARRAY_LEN(attributes); i++) {
        struct lt_span value = *(const struct lt_span *)((const char *)e + attributes[i].offset);
        if (value.len || attributes[i].required)
            lt_headers_add(h, lt_span_str(attributes[i].header), value);
    }
    lt_headers_add(h, LT_SPAN_LIT("lt_digest_v"), lt_span_str(lt_arena_printf(a, "%u", e->digest_v)));
}

void lt_event_make_room(struct lt_headers *h, size_t more)
{
    for (size_t i = h->len; h->len > LT_HEADERS_MAX - more && i-- > 0;) {
        struct lt_span name = h->v[i].name;
        if (lt_span_starts(name, "ce_") || lt_span_starts(name, "lt_") || lt_span_is(name, "content-type"))
            continue;
        memmove(&h->v[i], &h->v[i + 1], (h->len - i - 1) * sizeof(h->v[0]));
        h->len--;
    }
}

/*
 * The headers that are read, with their lengths, because every record of intake passes here. In the order in which
 * ingest writes them, in a circle: before the first attribute stands the version.
 */
enum { NAME_DIGEST_V = 10, NAME_TIME, NAME_REPLAY, NAME_EFFECTS, NAME_VERSION, NAMES };
static const struct lt_span names[NAMES] = {
    LT_SPAN_LIT("ce_id"),         LT_SPAN_LIT("ce_source"),   LT_SPAN_LIT("ce_type"),   LT_SPAN_LIT("ce_subject"),
    LT_SPAN_LIT("ce_time"),       LT_SPAN_LIT("ce_province"), LT_SPAN_LIT("ce_unit"),   LT_SPAN_LIT("ce_procedure"),
    LT_SPAN_LIT("ce_channel"),    LT_SPAN_LIT("lt_digest"), /* as in attributes */
    LT_SPAN_LIT("lt_digest_v"),   LT_SPAN_LIT("lt_time"),     LT_SPAN_LIT("lt_replay"), LT_SPAN_LIT("lt_effects"),
    LT_SPAN_LIT("ce_specversion")};
_Static_assert(LT_ARRAY_LEN(attributes) == NAME_DIGEST_V, "names begins with the attributes");

struct found {
    struct lt_span first, last;
    unsigned times;
};

/* Which of the names this is; NAMES: none. The search begins at `from`, because they mostly come in order. */
static size_t name_of(struct lt_span name, size_t from)
{
    if (name.len < 3 || name.ptr[2] != '_') /* ce_ or lt_ */
        return NAMES;
    for (size_t i = 0; i < NAMES; i++) {
        size_t n = from + i < NAMES ? from + i : from + i - NAMES;
        if (names[n].len == name.len && names[n].ptr[name.len - 1] == name.ptr[name.len - 1] &&
            memcmp(names[n].ptr, name.ptr, name.len) == 0)
            return n;
    }
    return NAMES;
}

static bool is_of_copy(struct lt_span name)
{
    return name.len >= 6 && memcmp(name.ptr, "lt_", 3) == 0 &&
           (lt_span_starts(name, "lt_path") || lt_span_starts(name, "lt_hop") || lt_span_is(name, "lt_origin") ||
            lt_span_is(name, "lt_verdict"));
}

/* One pass over the headers. */
static void find(const struct lt_headers *h, struct found f[NAMES], bool *ret_routed)
{
    memset(f, 0, NAMES * sizeof(*f));
    *ret_routed = false;
    for (size_t i = 0, next = 0; i < h->len; i++) {
        size_t n = name_of(h->v[i].name, next);
        if (n == NAMES) {
            *ret_routed |= is_of_copy(h->v[i].name);
            continue;
        }
        f[n].last = h->v[i].value;
        if (f[n].times++ == 0)
            f[n].first = f[n].last;
        next = n + 1 < NAMES ? n + 1 : 0;
    }
}

/* The header's one value. LT_OK with an empty span when it is absent and may be. */
static int take(const struct found *f, size_t n, bool required, struct lt_span *ret, struct lt_err *err)
{
    if (f[n].times > 1)
        return lt_err_set(err, LT_E_INVALID, "bad-header", "%s: expected once, found %u times", names[n].ptr,
                          f[n].times);
    if (required && !f[n].times)
        return lt_err_set(err, LT_E_INVALID, "missing-header", "%s: expected as a header, found none", names[n].ptr);
    if (required && !f[n].last.len)
        return lt_err_set(err, LT_E_INVALID, "missing-header", "%s: expected a value, found it empty", names[n].ptr);
    *ret = f[n].last;
    return LT_OK;
}

static bool is_hex(struct lt_span s, size_t len)
{
    if (s.len != len)
        return false;
    unsigned bad = 0; /* without a branch a digit: 96 of them a record */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bad |= (unsigned)((unsigned)(c - '0') > 9) & (unsigned)((unsigned)(c - 'a') > 5);
    }
    return !bad;
}

static int digest_version(struct lt_span s, unsigned *ret, struct lt_err *err)
{
    uint64_t v;
    if (!lt_span_u64(s, &v) || v > 15 || s.len != (v > 9 ? 2 : 1))
        return lt_err_set(err, LT_E_INVALID, "bad-header", "lt_digest_v: expected 0 to 15, found something else");
    *ret = (unsigned)v;
    return LT_OK;
}

static bool key_is(struct lt_span key, const struct lt_event *e)
{
    return key.len == e->province.len + 1 + e->subject.len &&
           lt_span_eq(lt_span(key.ptr, e->province.len), e->province) && key.ptr[e->province.len] == '/' &&
           lt_span_eq(lt_span(key.ptr + e->province.len + 1, e->subject.len), e->subject);
}

/* What was found is an event? */
static int check(struct lt_span key, const struct lt_headers *h, const struct found f[NAMES], struct lt_span value,
                 struct lt_event *ret, struct lt_err *err)
{
    struct lt_event e = {.key = key, .data = value};
    struct lt_span version, digest_v;
    int r;
    if (h->over)
        return lt_err_set(err, LT_E_INVALID, "bad-header", "headers: expected at most %d, found more", LT_HEADERS_MAX);
    if ((r = take(f, NAME_VERSION, true, &version, err)) < 0)
        return r;
    if (!lt_span_is(version, "1.0"))
        return lt_err_set(err, LT_E_INVALID, "bad-header", "ce_specversion: expected 1.0, found another");
    for (size_t i = 0; i < LT_ARRAY_LEN(attributes); i++) {
        if ((r = take(f, i, attributes[i].required, field_of(&e, &attributes[i]), err)) < 0)
            return r;
    }
    if (!is_hex(e.id, LT_EVENT_ID_LEN))
        return lt_err_set(err, LT_E_INVALID, "bad-header", "ce_id: expected %d lower-case hex digits", LT_EVENT_ID_LEN);
    if (!is_hex(e.digest, LT_EVENT_DIGEST_LEN))
        return lt_err_set(err, LT_E_INVALID, "bad-header", "lt_digest: expected %d lower-case hex digits",
                          LT_EVENT_DIGEST_LEN);
    if ((r = take(f, NAME_DIGEST_V, true, &digest_v, err)) < 0 || (r = digest_version(digest_v, &e.digest_v, err)) < 0)
        return r;
    if (!key_is(key, &e))
        return lt_err_set(err, LT_E_INVALID, "bad-header", "key: expected <ce_province>/<ce_subject>, found another");
    *ret = e;
    return LT_OK;
}

int lt_event_read_marks(struct lt_span key, const struct lt_headers *h, struct lt_span value, struct lt_event *ret,
                        struct lt_event_marks *ret_marks, struct lt_err *err)
{
    struct found f[NAMES];
    find(h, f, &ret_marks->is_routed);
    ret_marks->time = f[NAME_TIME].first;
    ret_marks->replay = f[NAME_REPLAY].first;
    ret_marks->effects = f[NAME_EFFECTS].first;
    return check(key, h, f, value, ret, err);
}

int lt_event_read(struct lt_span key, const struct lt_headers *h, struct lt_span value, struct lt_event *ret,
                  struct lt_err *err)
{
    struct lt_event_marks unused;
    return lt_event_read_marks(key, h, value, ret, &unused, err);
}
