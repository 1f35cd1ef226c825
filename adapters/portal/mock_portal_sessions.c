#include "adapters/portal/mock_portal_sessions.h"

#include <uthash.h>

#include "gateway/base/crypto.h"

struct session {
    char word[LT_MOCK_SESSION_LEN + 1];
    int64_t opened_ms, calls;
    UT_hash_handle hh;
};

struct lt_mock_sessions {
    struct session *open; /* in the order they were opened */
    int64_t life_ms, calls_max;
};

struct lt_mock_sessions *lt_mock_sessions_new(int64_t life_ms, int64_t calls_max)
{
    struct lt_mock_sessions *s = lt_alloc(sizeof *s);
    s->life_ms = life_ms;
    s->calls_max = calls_max;
    return s;
}

static void sessions_remove(struct lt_mock_sessions *s, struct session *one)
{
    HASH_DEL(s->open, one);
    free(one);
}

void lt_mock_sessions_end_all(struct lt_mock_sessions *s)
{
    struct session *one, *next;
    HASH_ITER (hh, s->open, one, next)
        sessions_remove(s, one);
}

void lt_mock_sessions_free(struct lt_mock_sessions *s)
{
    if (!s)
        return;
    lt_mock_sessions_end_all(s);
    free(s);
}

void lt_mock_sessions_open(struct lt_mock_sessions *s, int64_t now_ms, char ret[LT_MOCK_SESSION_LEN + 1])
{
    uint8_t random[LT_MOCK_SESSION_LEN / 2];
    struct session *one = lt_alloc(sizeof *one);
    lt_random(random, sizeof random);
    lt_hex(random, sizeof random, one->word);
    one->opened_ms = now_ms;
    if (HASH_COUNT(s->open) >= LT_MOCK_SESSIONS_MAX)
        sessions_remove(s, s->open);
    HASH_ADD(hh, s->open, word, LT_MOCK_SESSION_LEN, one);
    memcpy(ret, one->word, sizeof one->word);
}

static struct session *sessions_find(const struct lt_mock_sessions *s, struct lt_span word)
{
    struct session *one = NULL;
    if (word.len == LT_MOCK_SESSION_LEN)
        HASH_FIND(hh, s->open, word.ptr, word.len, one);
    return one;
}

bool lt_mock_sessions_use(struct lt_mock_sessions *s, struct lt_span word, int64_t now_ms)
{
    struct session *one = sessions_find(s, word);
    if (!one)
        return false;
    if (now_ms - one->opened_ms >= s->life_ms || (s->calls_max > 0 && one->calls >= s->calls_max)) {
        sessions_remove(s, one);
        return false;
    }
    one->calls++;
    return true;
}

void lt_mock_sessions_end(struct lt_mock_sessions *s, struct lt_span word)
{
    struct session *one = sessions_find(s, word);
    if (one)
        sessions_remove(s, one);
}
