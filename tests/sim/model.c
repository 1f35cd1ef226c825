#include "tests/sim/model.h"

struct window model_window(int64_t window_ms)
{
    struct window w;
    w.generation_ms = (window_ms + 199) / 200;
    if (w.generation_ms < 1000)
        w.generation_ms = 1000;
    w.generations = (window_ms + w.generation_ms - 1) / w.generation_ms;
    return w;
}

int64_t model_clock(const struct sent_log *log, int64_t append_ms, int64_t time_ms)
{
    int64_t before = log->v.len ? log->v.v[log->v.len - 1].clock_ms : 0;
    if (append_ms < 0 || time_ms == LT_TIME_MISSING)
        return before;
    int64_t told = time_ms + 10 * 60 * 1000;
    int64_t now = append_ms < told ? append_ms : told;
    return now > before ? now : before;
}

/* Is the record at q still alive at o? Its entry lives on the last record of its content; q being one of them is
 * enough. */
static bool alive(const struct sent_log *log, size_t q, size_t o, struct window w)
{
    return log->v.v[o].clock_ms / w.generation_ms - log->v.v[q].clock_ms / w.generation_ms <= w.generations;
}

static enum verdict verdict_of(const struct sent_log *log, size_t o, struct window w, bool *ret_remapped)
{
    const struct sent *s = &log->v.v[o];
    int versions_of[64];
    int digests[64];
    size_t n = 0;
    bool version_seen = false;
    *ret_remapped = false;
    if (s->broken)
        return VERDICT_INVALID;
    for (size_t q = o; q-- > 0;) { /* from the last: the first record met of a digest is its last */
        const struct sent *e = &log->v.v[q];
        if (!alive(log, q, o, w))
            break; /* the clock never falls */
        if (e->broken || e->id != s->id || e->replay != s->replay)
            continue;
        if (e->digest == s->digest)
            return VERDICT_DUPLICATE;
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known |= digests[i] == e->digest;
        if (!known && n < LT_ARRAY_LEN(digests)) {
            digests[n] = e->digest;
            versions_of[n++] = e->version;
        }
    }
    for (size_t i = 0; i < n; i++)
        version_seen |= versions_of[i] == s->version;
    if (n == 0)
        return s->replay ? VERDICT_REPLAY : VERDICT_NEW;
    *ret_remapped = !version_seen;
    return VERDICT_CONFLICT;
}

void model_judge(struct sent_log *log, size_t offset, struct window w)
{
    struct sent *s = &log->v.v[offset];
    s->judged = true;
    s->verdict = verdict_of(log, offset, w, &s->remapped);
    s->want = 0;
    if (s->verdict == VERDICT_INVALID)
        s->want = 1u << OUTPUT_DEADLETTER;
    if (s->verdict == VERDICT_CONFLICT)
        s->want = 1u << OUTPUT_QUARANTINE;
    bool told = s->verdict == VERDICT_DUPLICATE || s->verdict == VERDICT_CONFLICT ||
                (s->verdict == VERDICT_INVALID && s->broken != BROKEN_KEY);
    if (told && !s->replay) /* a replay is an operator's own doing */
        s->want |= 1u << OUTPUT_PROVINCE;
    if (s->verdict != VERDICT_NEW && s->verdict != VERDICT_REPLAY)
        return;
    if (s->abroad) {
        s->want = 1u << OUTPUT_UNROUTED;
        return;
    }
    s->undeliverable = s->big;
    s->want = 1u << (s->big ? OUTPUT_DEADLETTER : OUTPUT_PLAIN);
    if (s->dossier && (!s->replay || s->effects)) /* a replay reaches a target only when it says so */
        s->want |= 1u << OUTPUT_HOP;
}
