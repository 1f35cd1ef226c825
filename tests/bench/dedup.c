/*
 * bench_dedup KEYS [rocksdb|lmdb|files FOLDER]: the dedup index at KEYS keys against the rate at which this machine
 * touches random cache lines, or the same judgements by a general store, or a start from local files. One JSON object
 * on stdout.
 *
 * The yardstick touches as many bytes as the index has, in pages of the same size, with as many prefetches on their
 * way. It takes turns with the index, slice by slice, so that both meet the same machine; the keys of a slice are made
 * before its time is taken, for both alike. Its addresses do not depend on what was read, as those of a run of look-ups
 * do not. Beside it stands the same with a write to each line, which is what an insertion does.
 */
#include "gateway/base/clock.h"
#include "gateway/core/index_files.h"
#include "gateway/core/index_memory.h"

#include <stdio.h>
#include <time.h>

#ifdef LT_BENCH_ROCKSDB
#include <rocksdb/c.h>
#endif
#ifdef LT_BENCH_LMDB
#include <lmdb.h>
#endif

#define GROUP 32 /* records of a batch, and touches on their way */
#define RUN 1024 /* records judged or looked up in one call */
#define SLICE (RUN * 8)
#define KEEP 200
#define RECORDS_A_GENERATION (1 << 20)
#define BUCKETS 40 /* of the histogram: powers of two of nanoseconds */

/* Time this thread ran: the rates are of one core, whoever else wants it. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A number without pattern for each i. */
static inline uint64_t scatter(uint64_t i)
{
    i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9ULL;
    i = (i ^ i >> 27) * 0x94d049bb133111ebULL;
    return i ^ i >> 31;
}

static inline struct lt_index_key key_of(uint64_t n)
{
    uint64_t h = scatter(n + 1);
    return (struct lt_index_key){
        .fingerprint = h >> 4, .digest = (uint32_t)(h * 0x9e3779b97f4a7c15ULL >> 32), .version = 1};
}

/* Of record r: every tenth repeats one of the keys before it. */
struct stream {
    uint64_t record, keys;
};
static inline uint64_t stream_next(struct stream *s)
{
    uint64_t r = s->record++;
    if (r % 10 == 9)
        return scatter(~r) % s->keys;
    return s->keys++;
}

/* ---- one batch's time ---- */

struct histogram {
    uint64_t bucket[BUCKETS], count, max_ns;
    uint32_t *samples;
};

static void histogram_add(struct histogram *h, uint64_t ns)
{
    int b = ns ? 63 - __builtin_clzll(ns) : 0;
    h->bucket[b < BUCKETS ? b : BUCKETS - 1]++;
    h->samples[h->count++] = (uint32_t)(ns > UINT32_MAX ? UINT32_MAX : ns);
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const struct histogram *h, double p)
{
    return h->count ? h->samples[(uint64_t)((double)(h->count - 1) * p)] : 0;
}

/* ---- what the process holds ---- */

static long smaps(const char *field)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kb = -1;
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), ": %ld", &kb);
    if (f)
        fclose(f);
    return kb;
}

/* ---- the yardstick ---- */

struct yardstick {
    struct lt_line *v;
    size_t lines, span;
    double read_s, write_s; /* spent */
    uint64_t reads, writes;
};

static void yardstick_init(struct yardstick *y, size_t bytes, bool huge)
{
    size_t unit = 2 << 20;
    *y = (struct yardstick){.lines = (bytes + unit - 1) / unit * (unit / sizeof(struct lt_line))};
    y->span = bytes / sizeof(struct lt_line);
    y->v = lt_index_memory_reserve(y->lines);
    if (huge)
        lt_index_memory_advise(y->v, y->lines);
    else
        lt_index_memory_small(y->v, y->lines);
    memset(y->v, 1, y->lines * sizeof(*y->v));
}

static void yardstick_deinit(struct yardstick *y)
{
    lt_index_memory_release(y->v, y->lines);
}

static inline struct lt_line *yardstick_line(const struct yardstick *y, const struct lt_index_record *r)
{
    return &y->v[(unsigned __int128)(r->key.fingerprint << 4) * y->span >> 64];
}

/* One slice of keys. */
static void yardstick_read(struct yardstick *y, const struct lt_index_record *keys)
{
    uint64_t sum = 0;
    double t = now_s();
    for (size_t i = 0; i < SLICE; i += GROUP) {
        for (size_t k = i; k < i + GROUP; k++)
            __builtin_prefetch(yardstick_line(y, &keys[k]));
        for (size_t k = i; k < i + GROUP; k++)
            sum += yardstick_line(y, &keys[k])->low[0];
    }
    y->read_s += now_s() - t;
    y->reads += SLICE;
    __asm__ volatile("" ::"r"(sum));
}

/* Of other lines: those have just been read. */
static void yardstick_write(struct yardstick *y, struct lt_index_record *keys)
{
    for (size_t i = 0; i < SLICE; i++)
        keys[i].key.fingerprint = scatter(keys[i].key.fingerprint) >> 4;
    double t = now_s();
    for (size_t i = 0; i < SLICE; i += GROUP) {
        for (size_t k = i; k < i + GROUP; k++)
            __builtin_prefetch(yardstick_line(y, &keys[k]), 1);
        for (size_t k = i; k < i + GROUP; k++)
            yardstick_line(y, &keys[k])->low[0]++;
    }
    y->write_s += now_s() - t;
    y->writes += SLICE;
}

/* ---- the index ---- */

static void die(const struct lt_err *err)
{
    fprintf(stderr, "bench_dedup: %s\n", err->text);
    exit(1);
}

struct mill {
    struct lt_index *ix;
    struct stream s;
    uint64_t duplicates;
    struct lt_index_record records[SLICE];
    struct lt_finding findings[SLICE];
    bool found[SLICE];
};

/* The next records of the stream. */
static void mill_next(struct mill *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t offset = m->s.record;
        m->records[i] = (struct lt_index_record){.key = key_of(stream_next(&m->s)),
                                                 .offset = (int64_t)offset,
                                                 .generation = offset / RECORDS_A_GENERATION % (KEEP / 2) + 1};
    }
}

/* The time it takes to judge them, `run` in a call. */
static double mill_judge(struct mill *m, size_t n, size_t run)
{
    struct lt_err err = LT_ERR_INIT;
    double t = now_s();
    for (size_t i = 0; i < n; i += run)
        if (lt_index_judge_run(m->ix, &m->records[i], run, &m->findings[i], &err) != LT_OK)
            die(&err);
    t = now_s() - t;
    for (size_t i = 0; i < n; i++)
        m->duplicates += m->findings[i].verdict == LT_VERDICT_DUPLICATE;
    return t;
}

/* Keys half of which are known. */
static void mill_look_up_next(struct mill *m, uint64_t keys, uint64_t *count)
{
    for (size_t i = 0; i < SLICE; i++) {
        uint64_t r = scatter(~(*count)++);
        m->records[i].key = key_of(r & 1 ? keys + 1000 + (r >> 1) % keys : (r >> 1) % keys);
        m->records[i].offset = INT64_MAX;
    }
}

static double mill_look_up(struct mill *m, uint64_t *found)
{
    double t = now_s();
    for (size_t i = 0; i < SLICE; i += RUN)
        lt_index_find_run(m->ix, &m->records[i], RUN, &m->findings[i], &m->found[i]);
    t = now_s() - t;
    for (size_t i = 0; i < SLICE; i++)
        *found += m->found[i];
    return t;
}

static int index_bench(uint64_t n)
{
    struct mill *m = lt_alloc(sizeof(*m));
    struct yardstick y;
    uint64_t late = n / 10 * 9, slices = 0, looked_up = 0, found = 0;
    double worst = 0, fill_s = 0, insert_s = 0, look_up_s = 0;

    /* Memory that this process had before, whoever gives it: a first use of the machine's costs its host as well. */
    yardstick_init(&y, n * 24, true);
    yardstick_deinit(&y);
    long rss_before = smaps("Rss"), huge_before = smaps("AnonHugePages");
    m->ix = lt_index_new(KEEP, LT_MAX((size_t)n * 64, (size_t)64 << 20));
    while (m->s.keys < late) {
        mill_next(m, SLICE);
        fill_s += mill_judge(m, SLICE, RUN);
        double each = (double)lt_index_bytes(m->ix) / (double)lt_index_live(m->ix);
        if (m->s.keys > n / 10 && each > worst)
            worst = each;
    }
    double fill_per_s = (double)m->s.record / fill_s;
    long huge_kb = smaps("AnonHugePages") - huge_before;
    bool huge = (double)huge_kb * 1024 > (double)lt_index_bytes(m->ix) / 2;
    yardstick_init(&y, lt_index_bytes(m->ix), huge);
    long rss_y = (long)(y.lines * sizeof(*y.v) / 1024);
    for (; m->s.keys < n; slices++) {
        mill_next(m, SLICE);
        insert_s += mill_judge(m, SLICE, RUN);
        yardstick_read(&y, m->records);
        yardstick_write(&y, m->records);
    }
    double insert = (double)(slices * SLICE) / insert_s, touch_beside_insert = (double)y.reads / y.read_s;
    double write = (double)y.writes / y.write_s;
    long rss = smaps("Rss") - rss_before - rss_y;
    double bytes = (double)lt_index_bytes(m->ix), each = bytes / (double)lt_index_live(m->ix);
    size_t live = lt_index_live(m->ix);

    y.reads = 0;
    y.read_s = 0;
    uint64_t count = LT_MIN(LT_MAX(n, 4000000), 20000000), keys = m->s.keys;
    while (looked_up < count) {
        mill_look_up_next(m, keys, &looked_up);
        look_up_s += mill_look_up(m, &found);
        yardstick_read(&y, m->records);
    }
    if (found < looked_up / 2 - looked_up / 20 || found > looked_up / 2 + looked_up / 20) {
        fprintf(stderr, "bench_dedup: %llu of %llu found\n", (unsigned long long)found, (unsigned long long)looked_up);
        return 1;
    }
    double look_up = (double)looked_up / look_up_s, touch_beside_look_up = (double)y.reads / y.read_s;
    yardstick_deinit(&y);

    /* The times of batches, in a run of their own: asking for the time costs too. */
    uint64_t batches = n / 10 / GROUP;
    struct histogram h = {.samples = lt_calloc(batches + 1, sizeof(uint32_t))};
    for (uint64_t i = 0; i < batches; i++) {
        mill_next(m, GROUP);
        uint64_t t = now_ns();
        (void)mill_judge(m, GROUP, GROUP);
        histogram_add(&h, now_ns() - t);
    }
    qsort(h.samples, h.count, sizeof(uint32_t), by_value);
    if (m->duplicates != m->s.record / 10 || lt_index_live(m->ix) != m->s.keys) {
        fprintf(stderr, "bench_dedup: %llu duplicates of %llu records\n", (unsigned long long)m->duplicates,
                (unsigned long long)m->s.record);
        return 1;
    }
    printf("{\"keys\": %llu, \"bytes_per_key\": %.2f, \"bytes_per_key_growing\": %.2f, \"rss_per_key\": %.2f, "
           "\"huge_pages\": %s, \"huge_kb\": %ld, \"touch_per_s\": %.0f, \"touch_write_per_s\": %.0f, "
           "\"lookup_per_s\": %.0f, \"insert_per_s\": %.0f, "
           "\"fill_per_s\": %.0f, \"lookup_ratio\": %.3f, \"insert_ratio\": %.3f, \"insert_write_ratio\": %.3f, "
           "\"group\": %d, \"batch_ns\": {\"p50\": %u, \"p99\": %u, \"p99.9\": %u, \"max\": %llu}, \"histogram_ns\": {",
           (unsigned long long)n, each, worst, (double)rss * 1024 / (double)live, huge ? "true" : "false", huge_kb,
           touch_beside_insert, write, look_up, insert, fill_per_s, look_up / touch_beside_look_up,
           insert / touch_beside_insert, insert / write, GROUP, percentile(&h, .5), percentile(&h, .99),
           percentile(&h, .999), (unsigned long long)h.max_ns);
    const char *comma = "";
    for (int b = 0; b < BUCKETS; b++)
        if (h.bucket[b]) {
            printf("%s\"%llu\": %llu", comma, 1ULL << b, (unsigned long long)h.bucket[b]);
            comma = ", ";
        }
    puts("}}");
    free(h.samples);
    lt_index_free(m->ix);
    free(m);
    return 0;
}

/* ---- general stores: get, then put, of the same 20 bytes ---- */

struct value {
    uint32_t digest, generation;
    int64_t first;
};

#ifdef LT_BENCH_ROCKSDB
static int rocksdb_bench(uint64_t n, const char *folder)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_increase_parallelism(o, 2);
    rocksdb_options_optimize_for_point_lookup(o, 512); /* hash index, bloom filter, 512 MiB of cache */
    rocksdb_options_set_write_buffer_size(o, (size_t)64 << 20);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(w, 1);
    rocksdb_readoptions_t *ro = rocksdb_readoptions_create();
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    char *err = NULL;
    rocksdb_t *db = rocksdb_open(o, folder, &err);
    struct stream s = {0};
    double t = now_s();
    uint64_t duplicates = 0, filled = 0;
    while (!err && s.keys < n) {
        for (int k = 0; k < 1000 && !err; k++) {
            struct lt_index_key key = key_of(stream_next(&s));
            struct value v = {key.digest, 1, (int64_t)s.record};
            rocksdb_pinnableslice_t *old = rocksdb_get_pinned(db, ro, (char *)&key.fingerprint, 8, &err);
            duplicates += old != NULL;
            rocksdb_pinnableslice_destroy(old);
            rocksdb_writebatch_put(b, (char *)&key.fingerprint, 8, (char *)&v, sizeof(v));
        }
        if (!err)
            rocksdb_write(db, w, b, &err);
        rocksdb_writebatch_clear(b);
        filled = s.record;
    }
    if (err) {
        fprintf(stderr, "bench_dedup: rocksdb: %s\n", err);
        return 1;
    }
    printf("{\"store\": \"rocksdb\", \"keys\": %llu, \"per_s\": %.0f, \"rss_per_key\": %.1f, \"duplicates\": %llu}\n",
           (unsigned long long)n, (double)filled / (now_s() - t), (double)smaps("Rss") * 1024 / (double)n,
           (unsigned long long)duplicates);
    rocksdb_close(db);
    rocksdb_writebatch_destroy(b);
    rocksdb_readoptions_destroy(ro);
    rocksdb_writeoptions_destroy(w);
    rocksdb_options_destroy(o);
    return 0;
}
#endif

#ifdef LT_BENCH_LMDB
static int lmdb_bench(uint64_t n, const char *folder)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    struct stream s = {0};
    uint64_t duplicates = 0;
    int r = mdb_env_create(&env);
    if (!r)
        r = mdb_env_set_mapsize(env, (size_t)n * 256 + ((size_t)64 << 20));
    if (!r)
        r = mdb_env_open(env, folder, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC, 0644);
    double t = now_s();
    while (!r && s.keys < n) {
        r = mdb_txn_begin(env, NULL, 0, &txn);
        if (!r)
            r = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi);
        for (int k = 0; k < 10000 && !r; k++) {
            struct lt_index_key key = key_of(stream_next(&s));
            struct value v = {key.digest, 1, (int64_t)s.record};
            MDB_val mk = {8, &key.fingerprint}, mv = {sizeof(v), &v}, old;
            duplicates += mdb_get(txn, dbi, &mk, &old) == 0;
            r = mdb_put(txn, dbi, &mk, &mv, 0);
        }
        if (!r)
            r = mdb_txn_commit(txn);
    }
    if (r) {
        fprintf(stderr, "bench_dedup: lmdb: %s\n", mdb_strerror(r));
        return 1;
    }
    printf("{\"store\": \"lmdb\", \"keys\": %llu, \"per_s\": %.0f, \"rss_per_key\": %.1f, \"duplicates\": %llu}\n",
           (unsigned long long)n, (double)s.record / (now_s() - t), (double)smaps("Rss") * 1024 / (double)n,
           (unsigned long long)duplicates);
    mdb_env_close(env);
    return 0;
}
#endif

/* ---- a start from local files ---- */

/* In runs, as the loader does. */
struct load {
    struct lt_index *ix;
    struct lt_index_record run[RUN];
    struct lt_finding findings[RUN];
    size_t len;
};

static bool load_run(struct load *l)
{
    struct lt_err err = LT_ERR_INIT;
    if (lt_index_judge_run(l->ix, l->run, l->len, l->findings, &err) != LT_OK)
        die(&err);
    l->len = 0;
    return true;
}

static bool load_entry(void *ctx, const struct lt_index_key *k, int64_t offset, uint64_t generation)
{
    struct load *l = ctx;
    l->run[l->len++] = (struct lt_index_record){.key = *k, .offset = offset, .generation = generation};
    return l->len < RUN || load_run(l);
}

static int files_bench(uint64_t n, const char *folder)
{
    struct lt_window window = lt_window_of(400LL * 86400000);
    struct lt_files *f;
    struct lt_err err = LT_ERR_INIT;
    int64_t clock_ms = 0;
    double t = now_s();
    if (lt_files_open(folder, 1, 0, &window, &f, &err) != LT_OK)
        die(&err);
    lt_files_begin(f, 0, 0);
    for (uint64_t i = 0; i < n; i++) {
        struct lt_index_key k = key_of(i);
        clock_ms = (int64_t)(1 + i * KEEP / n) * window.generation_ms; /* over the whole window */
        lt_files_add(f, &k, (int64_t)i, clock_ms);
        if (lt_files_gathered_many(f))
            lt_files_flush(f, i + 1);
    }
    lt_files_flush(f, n);
    lt_files_close(f);
    double written = now_s() - t;

    t = now_s();
    struct lt_index *ix = lt_index_new(KEEP, (size_t)n * 64);
    struct lt_files_span span;
    if (lt_files_open(folder, 1, 0, &window, &f, &err) != LT_OK)
        die(&err);
    lt_files_survey(f, (int64_t)n, clock_ms, NULL, &span);
    static struct load l;
    l.ix = ix;
    lt_index_expect(ix, span.entries);
    bool whole = lt_files_read(f, load_entry, &l) && load_run(&l);
    t = now_s() - t;
    if (!whole || lt_index_live(ix) != n) {
        fprintf(stderr, "bench_dedup: %zu of %llu entries came back\n", lt_index_live(ix), (unsigned long long)n);
        return 1;
    }
    printf("{\"keys\": %llu, \"local_s\": %.3f, \"write_s\": %.3f, \"bytes_per_key_on_disk\": 16}\n",
           (unsigned long long)n, t, written);
    lt_files_close(f);
    lt_index_free(ix);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    if (n < 100000 || (argc != 2 && argc != 4)) {
        fprintf(stderr, "usage: bench_dedup KEYS [rocksdb|lmdb|files FOLDER], KEYS from 100000\n");
        return 2;
    }
    if (argc == 2)
        return index_bench(n);
    if (strcmp(argv[2], "files") == 0)
        return files_bench(n, argv[3]);
#ifdef LT_BENCH_ROCKSDB
    if (strcmp(argv[2], "rocksdb") == 0)
        return rocksdb_bench(n, argv[3]);
#endif
#ifdef LT_BENCH_LMDB
    if (strcmp(argv[2], "lmdb") == 0)
        return lmdb_bench(n, argv[3]);
#endif
    fprintf(stderr, "bench_dedup: built without %s\n", argv[2]);
    return 3;
}
