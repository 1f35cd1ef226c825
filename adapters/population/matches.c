#include "adapters/population/matches.h"

#include "gateway/base/crypto.h"

#include <uthash.h>
#include <utlist.h>

struct match {
    uint8_t key[LT_SHA256_SIZE];
    int64_t until_ms;
    struct match *prev, *next; /* oldest first: all live equally long */
    UT_hash_handle hh;
};

struct lt_matches {
    uint8_t secret[LT_SHA256_SIZE];
    size_t max;
    int64_t life_ms;
    struct match *by_key, *by_age;
};

struct lt_matches *lt_matches_new(size_t max, int64_t life_ms)
{
    struct lt_matches *m = lt_alloc(sizeof(*m));
    m->max = max;
    m->life_ms = life_ms;
    lt_random(m->secret, sizeof(m->secret));
    return m;
}

static void forget(struct lt_matches *m, struct match *e)
{
    HASH_DEL(m->by_key, e);
    DL_DELETE(m->by_age, e);
    free(e);
}

void lt_matches_free(struct lt_matches *m)
{
    if (!m)
        return;
    while (m->by_age)
        forget(m, m->by_age);
    free(m);
}

static void key_of(const struct lt_matches *m, const struct lt_citizen *c, struct lt_span procedure,
                   uint8_t out[LT_SHA256_SIZE])
{
    const struct lt_span fields[] = {c->id, c->name, c->birth, c->officer, procedure};
    LT_AUTOBUF struct lt_buf text = LT_BUF_INIT(1 << 16);
    for (size_t i = 0; i < LT_ARRAY_LEN(fields); i++) { /* lengths first, so that no two questions read alike */
        lt_buf_printf(&text, "%zu:", fields[i].len);
        lt_buf_span(&text, fields[i]);
    }
    lt_hmac_sha256(lt_span(m->secret, sizeof(m->secret)), lt_buf_view(&text), out);
    memset(text.ptr, 0, text.len);
}

static struct match *find(struct lt_matches *m, const uint8_t key[LT_SHA256_SIZE], int64_t now_ms)
{
    struct match *e;
    while (m->by_age && m->by_age->until_ms <= now_ms)
        forget(m, m->by_age);
    HASH_FIND(hh, m->by_key, key, LT_SHA256_SIZE, e);
    return e;
}

void lt_matches_add(struct lt_matches *m, const struct lt_citizen *c, struct lt_span procedure, int64_t now_ms)
{
    uint8_t key[LT_SHA256_SIZE];
    if (m->max == 0 || m->life_ms == 0)
        return;
    key_of(m, c, procedure, key);
    struct match *e = find(m, key, now_ms);
    if (e)
        forget(m, e);
    else if (HASH_COUNT(m->by_key) >= m->max)
        forget(m, m->by_age);
    e = lt_alloc(sizeof(*e));
    memcpy(e->key, key, sizeof(key));
    e->until_ms = now_ms + m->life_ms;
    HASH_ADD(hh, m->by_key, key, LT_SHA256_SIZE, e);
    DL_APPEND(m->by_age, e);
}

bool lt_matches_has(struct lt_matches *m, const struct lt_citizen *c, struct lt_span procedure, int64_t now_ms)
{
    uint8_t key[LT_SHA256_SIZE];
    if (!m->by_age)
        return false;
    key_of(m, c, procedure, key);
    return find(m, key, now_ms) != NULL;
}

size_t lt_matches_count(const struct lt_matches *m)
{
    return HASH_COUNT(m->by_key);
}
