#include "gateway/core/core.h"

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/core/worker.h"
#include "gateway/kafka/reader.h"

#include <inttypes.h>
#include <stdio.h>

#define OWNER_FRESH_MS 5000

/* Where receipts of a partition that another instance owns are answered, as lt.position says. */
struct owner {
    char address[128];
};

struct lt_core {
    struct lt_core_settings settings;
    struct lt_worker *workers;
    size_t workers_len;
    pthread_mutex_t owners_lock;
    struct lt_reader *reader;
    struct owner *owners;
    int64_t looked_ms;
    size_t owners_len;
};

struct lt_core *lt_core_new(const struct lt_core_settings *s)
{
    struct lt_core *c = lt_alloc(sizeof(*c));
    c->settings = *s;
    c->workers_len = (size_t)s->config->core.workers;
    c->workers = lt_calloc(LT_MAX(c->workers_len, 1), sizeof(*c->workers));
    pthread_mutex_init(&c->owners_lock, NULL);
    for (size_t i = 0; i < c->workers_len; i++)
        lt_worker_init(&c->workers[i], &c->settings, (int)i);
    return c;
}

int lt_core_run(struct lt_core *c, struct lt_err *err)
{
    int r = LT_OK;
    for (size_t i = 0; i < c->workers_len && r == LT_OK; i++)
        r = lt_worker_start(&c->workers[i], err);
    return r;
}

void lt_core_stop(struct lt_core *c)
{
    for (size_t i = 0; c && i < c->workers_len; i++)
        lt_worker_ask_stop(&c->workers[i]);
    for (size_t i = 0; c && i < c->workers_len; i++)
        lt_worker_stop(&c->workers[i]);
}

void lt_core_free(struct lt_core *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->workers_len; i++)
        lt_worker_deinit(&c->workers[i]);
    free(c->workers);
    free(c->owners);
    lt_reader_free(c->reader);
    pthread_mutex_destroy(&c->owners_lock);
    free(c);
}

static const char *state_name(enum lt_partition_state s)
{
    static const char *const names[] = {"absent", "loading", "running", "stopped"};
    return names[s];
}

/* "stop", or "alarm" when what it concerns is not stopped. */
static void put_reason(struct lt_json_writer *w, const char *kind, enum lt_stop stop, const char *text,
                       const char *command)
{
    lt_json_key(w, lt_span_str(kind));
    lt_json_begin_object(w);
    lt_json_str(w, "reason", lt_span_str(lt_stop_name(stop)));
    lt_json_str(w, "text", lt_span_str(text));
    lt_json_str(w, "cause", lt_span_str(lt_stop_cause(stop)));
    lt_json_str(w, "safe", lt_span_str(lt_stop_safe(stop)));
    lt_json_str(w, "advice", lt_span_str(lt_stop_advice(stop)));
    lt_json_str(w, "command", lt_span_str(command));
    lt_json_end_object(w);
}

static void put_alarm(struct lt_json_writer *w, enum lt_stop alarm, int32_t partition, const char *text)
{
    char command[LT_STOP_COMMAND_MAX];
    lt_stop_command(alarm, partition, command);
    put_reason(w, "alarm", alarm, text, command);
}

static const char *files_name(enum lt_files_state s)
{
    static const char *const names[] = {"off", "in-use", "gone-on-without"};
    return names[s];
}

/* Local index files: a cache, so nothing here stops anything; but without them the next load reads the log. */
static void put_files(const struct lt_partition *p, struct lt_json_writer *w)
{
    lt_json_key(w, LT_SPAN_LIT("files"));
    lt_json_begin_object(w);
    lt_json_str(w, "state", lt_span_str(files_name(p->files_state)));
    lt_json_str(w, "why", lt_span_str(p->files_why));
    lt_json_num(w, "loaded_records", (int64_t)p->files_records);
    lt_json_str(w, "passed_over", lt_span_str(p->files_passed_over));
    lt_json_end_object(w);
}

static void partition_status(struct lt_partition *p, int worker, struct lt_json_writer *w)
{
    pthread_mutex_lock(&p->lock);
    if (p->state != LT_PARTITION_ABSENT) {
        lt_json_begin_object(w);
        lt_json_num(w, "partition", p->number);
        lt_json_num(w, "worker", worker);
        lt_json_str(w, "state", lt_span_str(state_name(p->state)));
        lt_json_num(w, "epoch", (int64_t)p->epoch); /* another one: it was given up or loaded since */
        if (p->state == LT_PARTITION_RUNNING) {
            lt_json_num(w, "offset", p->offset);
            lt_json_num(w, "entries", (int64_t)lt_index_live(p->index));
            lt_json_num(w, "index_bytes", (int64_t)lt_index_bytes(p->index));
            for (int v = 0; v < LT_VERDICTS; v++)
                lt_json_num(w, lt_verdict_name((enum lt_verdict_kind)v), (int64_t)p->position.verdicts[v]);
            lt_json_num(w, "undeliverable", (int64_t)p->position.undeliverable);
            lt_json_num(w, "holes", (int64_t)p->position.holes);
            put_files(p, w);
        }
        lt_json_flag(w, "foreign_transaction", p->foreign_transaction);
        if (p->foreign_transaction)
            put_alarm(w, LT_STOP_FOREIGN_TRANSACTION, p->number,
                      "a transaction on " LT_TOPIC_INTAKE " has been open for more than 30 s");
        else if (p->no_append_time)
            put_alarm(w, LT_STOP_NO_APPEND_TIME, p->number, "the last record judged bears its sender's time");
        if (p->state == LT_PARTITION_STOPPED)
            put_reason(w, "stop", p->stop, p->stop_text, p->stop_command);
        lt_json_end_object(w);
    }
    pthread_mutex_unlock(&p->lock);
}

struct totals {
    uint64_t verdicts[LT_VERDICTS], undeliverable, entries, index_bytes;
    uint64_t states[4];
    uint64_t files[3], files_passed_over;
    uint64_t *routed;
};

static void totals_of(struct lt_core *c, struct totals *t)
{
    size_t outputs = lt_routes_outputs(c->settings.routes);
    *t = (struct totals){.routed = lt_calloc(outputs, sizeof(uint64_t))};
    for (size_t i = 0; i < c->workers_len; i++) {
        struct lt_worker *w = &c->workers[i];
        pthread_mutex_lock(&w->lock);
        for (int32_t n = 0; n < w->partitions_len; n++) {
            struct lt_partition *p = &w->partitions[n];
            pthread_mutex_lock(&p->lock);
            t->states[p->state]++;
            if (p->state == LT_PARTITION_RUNNING) {
                for (int v = 0; v < LT_VERDICTS; v++)
                    t->verdicts[v] += p->position.verdicts[v];
                t->undeliverable += p->position.undeliverable;
                t->entries += lt_index_live(p->index);
                t->index_bytes += lt_index_bytes(p->index);
                t->files[p->files_state]++;
                t->files_passed_over += p->files_passed_over[0] != '\0';
                for (size_t o = 0; o < outputs && o < p->routed_len; o++)
                    t->routed[o] += p->routed[o];
            }
            pthread_mutex_unlock(&p->lock);
        }
        pthread_mutex_unlock(&w->lock);
    }
}

/* Under the worker's lock. */
static int32_t worker_partitions(struct lt_worker *w)
{
    int32_t n = 0;
    for (int32_t i = 0; i < w->partitions_len; i++) {
        pthread_mutex_lock(&w->partitions[i].lock);
        n += w->partitions[i].state != LT_PARTITION_ABSENT;
        pthread_mutex_unlock(&w->partitions[i].lock);
    }
    return n;
}

void lt_core_status(struct lt_core *c, struct lt_json_writer *w)
{
    struct totals t;
    totals_of(c, &t);
    lt_json_begin_object(w);
    lt_json_flag(w, "ready", lt_core_ready(c));
    lt_json_flag(w, "hangs", lt_core_hangs(c));
    lt_json_key(w, LT_SPAN_LIT("verdicts"));
    lt_json_begin_object(w);
    for (int v = 0; v < LT_VERDICTS; v++)
        lt_json_num(w, lt_verdict_name((enum lt_verdict_kind)v), (int64_t)t.verdicts[v]);
    lt_json_end_object(w);
    lt_json_num(w, "undeliverable", (int64_t)t.undeliverable);
    lt_json_key(w, LT_SPAN_LIT("routed"));
    lt_json_begin_object(w);
    for (size_t o = 0; o < lt_routes_outputs(c->settings.routes); o++)
        lt_json_num(w, lt_routes_output(c->settings.routes, o), (int64_t)t.routed[o]);
    lt_json_end_object(w);
    lt_json_key(w, LT_SPAN_LIT("workers"));
    lt_json_begin_array(w);
    for (size_t i = 0; i < c->workers_len; i++) {
        struct lt_worker *k = &c->workers[i];
        pthread_mutex_lock(&k->lock);
        lt_json_begin_object(w);
        lt_json_num(w, "worker", k->number);
        lt_json_flag(w, "open", atomic_load(&k->open));
        lt_json_num(w, "partitions", worker_partitions(k));
        if (k->share_known) {
            lt_json_key(w, LT_SPAN_LIT("group"));
            lt_json_begin_object(w);
            lt_json_num(w, "members", k->share.members);
            lt_json_num(w, "partitions", k->share.partitions);
            lt_json_num(w, "unowned", k->share.unowned);
            lt_json_end_object(w);
        }
        lt_json_str(w, "trouble", lt_span_str(k->trouble));
        lt_json_num(w, "trouble_s", k->trouble[0] ? (lt_mono_ms() - k->trouble_since_ms) / 1000 : 0);
        if (lt_span_starts(lt_span_str(k->trouble), lt_stop_name(LT_STOP_RETRYING)) &&
            lt_mono_ms() - k->trouble_since_ms >= LT_WORKER_RETRYING_MS) /* as the log says it */
            put_alarm(w, LT_STOP_RETRYING, -1, k->trouble);
        lt_json_end_object(w);
        pthread_mutex_unlock(&k->lock);
    }
    lt_json_end_array(w);
    lt_json_key(w, LT_SPAN_LIT("partitions"));
    lt_json_begin_array(w);
    for (size_t i = 0; i < c->workers_len; i++) {
        pthread_mutex_lock(&c->workers[i].lock);
        for (int32_t n = 0; n < c->workers[i].partitions_len; n++)
            partition_status(&c->workers[i].partitions[n], c->workers[i].number, w);
        pthread_mutex_unlock(&c->workers[i].lock);
    }
    lt_json_end_array(w);
    lt_json_end_object(w);
    free(t.routed);
}

void lt_core_metrics(struct lt_core *c, struct lt_buf *out)
{
    struct totals t;
    totals_of(c, &t);
    lt_buf_str(
        out,
        "# HELP lt_core_events_total Verdicts of the partitions owned now.\n# TYPE lt_core_events_total counter\n");
    for (int v = 0; v < LT_VERDICTS; v++)
        lt_buf_printf(out, "lt_core_events_total{verdict=\"%s\"} %" PRIu64 "\n",
                      lt_verdict_name((enum lt_verdict_kind)v), t.verdicts[v]);
    lt_buf_str(out, "# HELP lt_core_routed_total Copies written per output.\n# TYPE lt_core_routed_total counter\n");
    for (size_t o = 0; o < lt_routes_outputs(c->settings.routes); o++)
        lt_buf_printf(out, "lt_core_routed_total{topic=\"%s\"} %" PRIu64 "\n", lt_routes_output(c->settings.routes, o),
                      t.routed[o]);
    lt_buf_str(out, "# HELP lt_core_undeliverable_total Copies that became dead letters.\n# TYPE "
                    "lt_core_undeliverable_total counter\n");
    lt_buf_printf(out, "lt_core_undeliverable_total %" PRIu64 "\n", t.undeliverable);
    lt_buf_str(out, "# HELP lt_core_partitions Partitions by state.\n# TYPE lt_core_partitions gauge\n");
    for (int s = LT_PARTITION_LOADING; s <= LT_PARTITION_STOPPED; s++)
        lt_buf_printf(out, "lt_core_partitions{state=\"%s\"} %" PRIu64 "\n", state_name((enum lt_partition_state)s),
                      t.states[s]);
    lt_buf_str(out, "# HELP lt_core_index_entries Live index entries.\n# TYPE lt_core_index_entries gauge\n");
    lt_buf_printf(out, "lt_core_index_entries %" PRIu64 "\nlt_core_index_bytes %" PRIu64 "\n", t.entries,
                  t.index_bytes);
    lt_buf_str(out, "# HELP lt_core_index_files Running partitions by what is done with their local index files.\n"
                    "# TYPE lt_core_index_files gauge\n");
    for (int f = LT_FILES_OFF; f <= LT_FILES_WITHOUT; f++)
        lt_buf_printf(out, "lt_core_index_files{state=\"%s\"} %" PRIu64 "\n", files_name((enum lt_files_state)f),
                      t.files[f]);
    lt_buf_printf(out,
                  "# HELP lt_core_index_files_passed_over Running partitions whose load could not use all of their "
                  "files.\n# TYPE lt_core_index_files_passed_over gauge\nlt_core_index_files_passed_over %" PRIu64 "\n",
                  t.files_passed_over);
    int32_t unowned = 0;
    for (size_t i = 0; i < c->workers_len; i++) {
        pthread_mutex_lock(&c->workers[i].lock);
        if (c->workers[i].share_known)
            unowned = LT_MAX(unowned, c->workers[i].share.unowned);
        pthread_mutex_unlock(&c->workers[i].lock);
    }
    lt_buf_printf(out,
                  "# HELP lt_core_unowned_partitions Partitions of lt.intake that no member of the group has.\n"
                  "# TYPE lt_core_unowned_partitions gauge\nlt_core_unowned_partitions %" PRId32 "\n",
                  unowned);
    lt_buf_str(out, "# HELP lt_core_silent_ms How long a worker's thread has not come on.\n"
                    "# TYPE lt_core_silent_ms gauge\n");
    for (size_t i = 0; i < c->workers_len; i++)
        lt_buf_printf(out, "lt_core_silent_ms{worker=\"%d\"} %" PRId64 "\n", c->workers[i].number,
                      lt_pulse_silent_ms(&c->workers[i].pulse));
    free(t.routed);
}

/* Everything is owned by somebody, and this worker has a part of it, unless there are more members than partitions. */
static bool has_share(struct lt_worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool whole = !w->share_known || w->share.unowned == 0;
    bool spare = w->share_known && w->share.members > w->share.partitions;
    bool ok = whole && (spare || worker_partitions(w) > 0);
    pthread_mutex_unlock(&w->lock);
    return ok;
}

bool lt_core_hangs(const struct lt_core *c)
{
    int64_t hangs_ms = c->settings.hangs_ms > 0 ? c->settings.hangs_ms : LT_PULSE_HANGS_MS;
    for (size_t i = 0; i < c->workers_len; i++)
        if (lt_pulse_silent_ms(&c->workers[i].pulse) > hangs_ms)
            return true;
    return false;
}

bool lt_core_ready(struct lt_core *c)
{
    if (lt_core_hangs(c))
        return false;
    struct totals t;
    totals_of(c, &t);
    free(t.routed);
    for (size_t i = 0; i < c->workers_len; i++)
        if (!atomic_load(&c->workers[i].open) || !has_share(&c->workers[i]))
            return false;
    return t.states[LT_PARTITION_LOADING] == 0 && t.states[LT_PARTITION_STOPPED] == 0;
}

bool lt_core_look(struct lt_core *c, int32_t partition, bool rebuild)
{
    bool owned = false;
    for (size_t i = 0; i < c->workers_len && !owned; i++) {
        struct lt_worker *w = &c->workers[i];
        pthread_mutex_lock(&w->lock);
        if (partition >= 0 && partition < w->partitions_len) {
            struct lt_partition *p = &w->partitions[partition];
            pthread_mutex_lock(&p->lock);
            owned = p->state != LT_PARTITION_ABSENT;
            if (owned)
                atomic_store(rebuild ? &p->rebuild : &p->look, true);
            pthread_mutex_unlock(&p->lock);
        }
        pthread_mutex_unlock(&w->lock);
    }
    return owned;
}

/* ---- receipts ---- */

static int take_owner(void *ctx, const struct lt_log_record *r)
{
    struct lt_core *c = ctx;
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    uint64_t n;
    if (r->value_null || !lt_span_u64(r->key, &n) || n >= c->owners_len)
        return 0;
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_span address;
    if (lt_json_parse(r->value, &limits, &j, NULL) == LT_OK &&
        lt_json_string(lt_json_get(lt_json_root(j), "address"), &address))
        snprintf(c->owners[n].address, sizeof(c->owners[n].address), LT_SPAN_FMT, LT_SPAN_ARG(address));
    return 0;
}

static void find_owner(struct lt_core *c, int32_t partition, char out[128])
{
    int64_t now = lt_mono_ms();
    pthread_mutex_lock(&c->owners_lock);
    if ((size_t)partition >= c->owners_len) {
        c->owners = lt_realloc(c->owners, ((size_t)partition + 1) * sizeof(*c->owners));
        memset(&c->owners[c->owners_len], 0, ((size_t)partition + 1 - c->owners_len) * sizeof(*c->owners));
        c->owners_len = (size_t)partition + 1;
    }
    const struct lt_config *g = c->settings.config;
    struct owner *o = &c->owners[partition];
    /* A look that failed counts too: nobody waits for Kafka again and again. */
    if (!c->looked_ms || now - c->looked_ms > OWNER_FRESH_MS) {
        bool open = c->reader || lt_reader_new(g->kafka.props, g->kafka.props_len, &c->reader, NULL) == LT_OK;
        if (open && lt_reader_scan(c->reader, LT_TOPIC_POSITION, take_owner, c, NULL) != LT_OK)
            lt_debug("core", "owner-unknown", "lt.position cannot be read now");
        c->looked_ms = lt_mono_ms();
    }
    snprintf(out, 128, "%s", o->address);
    pthread_mutex_unlock(&c->owners_lock);
}

static bool ask_worker(struct lt_worker *w, int32_t partition, int64_t offset, const struct lt_index_key *k,
                       struct lt_fate *ret)
{
    bool owned = false;
    pthread_mutex_lock(&w->lock);
    if (partition < w->partitions_len) {
        struct lt_partition *p = &w->partitions[partition];
        pthread_mutex_lock(&p->lock);
        owned = p->state != LT_PARTITION_ABSENT;
        struct lt_finding f;
        if (p->state != LT_PARTITION_RUNNING || offset >= p->offset)
            ret->state = LT_FATE_PENDING;
        else if (lt_index_find(p->index, k, offset, &f))
            *ret = (struct lt_fate){.state = LT_FATE_DECIDED, .verdict = f.verdict, .first_offset = f.first_offset};
        else
            ret->state = LT_FATE_EXPIRED;
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return owned;
}

static void ask(void *ctx, int32_t partition, int64_t offset, struct lt_span ce_id, struct lt_span digest,
                struct lt_fate *ret)
{
    struct lt_core *c = ctx;
    struct lt_index_key k;
    *ret = (struct lt_fate){.state = LT_FATE_PENDING, .first_offset = -1};
    if (partition < 0 || partition > 100000 || !lt_index_key_of(ce_id, digest, 0, LT_SPAN_NULL, &k)) {
        ret->state = LT_FATE_EXPIRED;
        return;
    }
    for (size_t i = 0; i < c->workers_len; i++)
        if (ask_worker(&c->workers[i], partition, offset, &k, ret))
            return;
    *ret = (struct lt_fate){.state = LT_FATE_ELSEWHERE, .first_offset = -1};
    find_owner(c, partition, ret->owner);
}

struct lt_fate_port lt_core_fate(struct lt_core *c)
{
    return (struct lt_fate_port){.ctx = c, .ask = ask};
}
