#include "tests/sim/core.h"

#include <inttypes.h>
#include <stdio.h>

#define SUBJECTS 24
#define YEAR_MS (365LL * 86400000)

static uint64_t scatter(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int64_t put(struct world *w, int partition, const struct sent *s)
{
    struct lt_headers h;
    char key[32], subject[24], id[40], digest[80], version[4], time[24], replay[24], value[PLAIN_MAX + 600];
    const char *province = s->abroad ? "H99" : "H22";
    lt_headers_reset(&h);
    snprintf(subject, sizeof(subject), "HS-%d", s->subject);
    snprintf(key, sizeof(key), "%s/%s", s->broken == BROKEN_KEY ? "H40" : province, subject);
    snprintf(id, sizeof(id), "%016" PRIx64 "%016" PRIx64, scatter((uint64_t)s->id * 2 + 1),
             scatter((uint64_t)s->id * 2 + 2));
    snprintf(digest, sizeof(digest), "%016" PRIx64 "%016" PRIx64 "%032d", scatter((uint64_t)s->digest * 3 + 7),
             scatter((uint64_t)s->digest * 3 + 8), 0);
    snprintf(version, sizeof(version), "%d", s->version);
    snprintf(time, sizeof(time), "%" PRId64, s->time_ms);
    snprintf(replay, sizeof(replay), "rep-%d", s->replay);
    if (s->broken == 2)
        id[31] = '\0';
    if (s->broken == 4)
        digest[5] = 'x';
    lt_headers_add(&h, LT_SPAN_LIT("ce_specversion"), LT_SPAN_LIT("1.0"));
    if (s->broken != 1)
        lt_headers_add(&h, LT_SPAN_LIT("ce_id"), lt_span_str(id));
    lt_headers_add(&h, LT_SPAN_LIT("ce_source"), LT_SPAN_LIT("urn:test"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_type"),
                   s->dossier ? LT_SPAN_LIT("vn.lienthong.dossier.received.v1")
                              : LT_SPAN_LIT("vn.lienthong.postal.order.v1"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_subject"), lt_span_str(subject));
    lt_headers_add(&h, LT_SPAN_LIT("ce_time"), LT_SPAN_LIT("2024-01-01T08:30:00+07:00"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_province"), lt_span_str(province));
    lt_headers_add(&h, LT_SPAN_LIT("ce_unit"), LT_SPAN_LIT("H22.01"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_procedure"), LT_SPAN_LIT("1.001193"));
    lt_headers_add(&h, LT_SPAN_LIT("ce_channel"), LT_SPAN_LIT("1"));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest"), lt_span_str(digest));
    lt_headers_add(&h, LT_SPAN_LIT("lt_digest_v"), lt_span_str(version));
    if (s->time_ms != LT_TIME_MISSING)
        lt_headers_add(&h, LT_SPAN_LIT("lt_time"), lt_span_str(time));
    if (s->replay)
        lt_headers_add(&h, LT_SPAN_LIT("lt_replay"), lt_span_str(replay));
    if (s->replay && s->effects)
        lt_headers_add(&h, LT_SPAN_LIT("lt_effects"), LT_SPAN_LIT("portal"));
    size_t len = (size_t)snprintf(value, sizeof(value), "{\"n\":%zu}", w->logs[partition].v.len);
    if (s->big) {
        memset(value + len, ' ', PLAIN_MAX + 100);
        len += PLAIN_MAX + 100;
    }
    return lt_memory_append_at(w->memory, LT_TOPIC_INTAKE, partition, lt_span_str(key), &h, lt_span(value, len),
                               s->append_ms);
}

/* The broker's clock lies, or both: a jump. */
static void broker_lies(struct sent *s)
{
    switch (sim_between(0, 30)) {
    case 0:
        s->append_ms += YEAR_MS;
        break;
    case 1:
        s->append_ms = -1;
        break;
    case 2:
        s->append_ms -= 3600000;
        break;
    case 3: /* two wrong clocks */
        s->append_ms += sim_between(1, 400) * 1000;
        s->time_ms = s->append_ms;
        break;
    default:
        break;
    }
}

/* The sender's clock lies; alone it moves nothing forward. */
static void sender_lies(struct sent *s)
{
    switch (sim_between(0, 30)) {
    case 0:
        s->time_ms += YEAR_MS;
        break;
    case 1:
        s->time_ms = LT_TIME_MISSING;
        break;
    case 2:
        s->time_ms -= 700000;
        break;
    default:
        break;
    }
}

static void append(struct world *w, int partition, struct sent s)
{
    struct sent_log *log = &w->logs[partition];
    s.append_ms = s.time_ms = sim_now();
    s.judged = s.remapped = s.undeliverable = false;
    s.want = s.seen = 0;
    if (w->plan.clocks)
        sender_lies(&s);
    /* Under another window a load judges its start by the broker's time alone: that must not go back then. */
    if (w->plan.clocks && w->plan.window_ms[0] == w->plan.window_ms[1])
        broker_lies(&s);
    s.clock_ms = model_clock(log, s.append_ms, s.time_ms);
    int64_t offset = put(w, partition, &s);
    sim_check(offset == (int64_t)log->v.len, "the log gave offset %" PRId64 " to record %zu", offset, log->v.len);
    sim_note("ingest", "appended", partition, offset);
    if (w->plan.clocks)
        sim_note("ingest", "  clocks", s.append_ms - sim_now(), s.clock_ms - sim_now());
    *lt_vec_push(&log->v) = s;
}

static struct sent fresh(struct world *w, int partition)
{
    struct sent s = {.version = 1};
    s.subject = (int)sim_between(0, SUBJECTS - 1) * w->plan.partitions + partition;
    s.abroad = s.subject % 7 == 6;
    s.dossier = !s.abroad && !sim_chance(200);
    s.id = ++w->next_id;
    s.digest = ++w->next_digest;
    s.big = w->plan.bigs && !s.abroad && sim_chance(60);
    return s;
}

void ingest_unknown(struct world *w, int partition)
{
    struct sent s = fresh(w, partition);
    s.append_ms = s.time_ms = sim_now();
    (void)put(w, partition, &s);
}

static const struct sent *known(struct world *w, int partition)
{
    const struct sent_log *log = &w->logs[partition];
    if (log->v.len == 0)
        return NULL;
    /* Mostly of late, at times of any age. */
    int64_t back = sim_chance(300) ? (int64_t)log->v.len : LT_MIN((int64_t)log->v.len, 20);
    const struct sent *s = &log->v.v[(int64_t)log->v.len - sim_between(1, back)];
    return s->broken ? NULL : s;
}

void ingest_again(struct world *w, int partition)
{
    const struct sent *s = known(w, partition);
    append(w, partition, s ? *s : fresh(w, partition));
}

void ingest_one(struct world *w, int partition)
{
    const struct sent *k = known(w, partition);
    struct sent s = k ? *k : fresh(w, partition);
    switch (k ? sim_between(0, 11) : 0) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        s = fresh(w, partition);
        break;
    case 6:
    case 7: /* a re-send as it was */
        break;
    case 8: /* the same identity with other content */
        s.digest = ++w->next_digest;
        break;
    case 9: /* the same under a new digest profile, which gives another digest */
        s.digest = ++w->next_digest;
        s.version = (int)sim_between(0, 15);
        break;
    case 10:
        if (w->plan.replays) {
            s.replay = (int)sim_between(1, 3);
            s.effects = sim_chance(500);
        }
        break;
    default:
        s.broken = (int)sim_between(1, 4);
        break;
    }
    append(w, partition, s);
}

void ingest_some(struct world *w, int n)
{
    for (int i = 0; i < n; i++) {
        int p = (int)sim_between(0, w->plan.partitions - 1);
        if (w->cause.phase == CAUSE_IDLE || w->cause.partition != p)
            ingest_one(w, p);
    }
}
