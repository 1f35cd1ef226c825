/*
 * bench_dedup KEYS [rocksdb|lmdb|files FOLDER]: the dedup index at KEYS keys against the rate at which this machine
 * touches random cache lines, or the same judgements by a general store, or a start from local files. One JSON object
 * on stdout.
 *
 * The yardstick touches as many bytes as the index has, in pages of the same size, in groups of the same number of
 * prefetches. Its addresses do not depend on what was read, as those of a group of look-ups do not. It only reads; the
 * index also writes.
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

#define GROUP 32
#define KEEP 200
#define RECORDS_A_GENERATION (1 << 20)
#define BUCKETS 40 /* of the histogram: powers of two of nanoseconds */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
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

static double touch_rate(size_t bytes, bool huge, uint64_t count)
{
    size_t unit = 2 << 20, lines = (bytes + unit - 1) / unit * (unit / sizeof(struct lt_line));
    struct lt_line *v = lt_index_memory_reserve(lines);
    if (huge)
        lt_index_memory_advise(v, lines, 0);
    else
        lt_index_memory_small(v, lines);
    memset(v, 1, lines * sizeof(*v));
    size_t span = bytes / sizeof(*v);
    uint64_t sum = 0;
    double t = now_s();
    for (uint64_t i = 0; i < count; i += GROUP) {
        size_t at[GROUP];
        for (int k = 0; k < GROUP; k++) {
            at[k] = (size_t)((unsigned __int128)scatter(i + (uint64_t)k) * span >> 64);
            __builtin_prefetch(&v[at[k]]);
        }
        for (int k = 0; k < GROUP; k++)
            sum += v[at[k]].low[0];
    }
    t = now_s() - t;
    __asm__ volatile("" ::"r"(sum));
    lt_index_memory_release(v, lines);
    return (double)count / t;
}

/* ---- the index ---- */

static void die(const struct lt_err *err)
{
    fprintf(stderr, "bench_dedup: %s\n", err->text);
    exit(1);
}

static void judge_group(struct lt_index *ix, struct stream *s, uint64_t *duplicates)
{
    struct lt_index_key keys[GROUP];
    struct lt_err err = LT_ERR_INIT;
    uint64_t first = s->record;
    for (int k = 0; k < GROUP; k++)
        keys[k] = key_of(stream_next(s));
    if (lt_index_reserve(ix, GROUP, &err) != LT_OK)
        die(&err);
    for (int k = 0; k < GROUP; k++)
        lt_index_prefetch(ix, &keys[k]);
    for (int k = 0; k < GROUP; k++)
        lt_index_prefetch_next(ix, &keys[k], true);
    for (int k = 0; k < GROUP; k++) {
        struct lt_finding f;
        uint64_t offset = first + (uint64_t)k;
        if (lt_index_judge(ix, &keys[k], (int64_t)offset, offset / RECORDS_A_GENERATION % (KEEP / 2) + 1, &f, &err) !=
            LT_OK)
            die(&err);
        *duplicates += f.verdict == LT_VERDICT_DUPLICATE;
    }
}

/* Half of them known, half not. */
static double look_up_rate(const struct lt_index *ix, uint64_t keys, uint64_t count)
{
    uint64_t found = 0;
    double t = now_s();
    for (uint64_t i = 0; i < count; i += GROUP) {
        struct lt_index_key k[GROUP];
        for (int j = 0; j < GROUP; j++) {
            uint64_t r = scatter(~(i + (uint64_t)j));
            k[j] = key_of(r & 1 ? keys + 1000 + (r >> 1) % keys : (r >> 1) % keys);
            lt_index_prefetch(ix, &k[j]);
        }
        for (int j = 0; j < GROUP; j++)
            lt_index_prefetch_next(ix, &k[j], false);
        for (int j = 0; j < GROUP; j++) {
            struct lt_finding f;
            found += lt_index_find(ix, &k[j], INT64_MAX, &f);
        }
    }
    t = now_s() - t;
    if (found < count / 2 - count / 20 || found > count / 2 + count / 20) {
        fprintf(stderr, "bench_dedup: %llu of %llu found\n", (unsigned long long)found, (unsigned long long)count);
        exit(1);
    }
    return (double)count / t;
}

static int index_bench(uint64_t n)
{
    struct lt_index *ix = lt_index_new(KEEP, LT_MAX((size_t)n * 64, (size_t)64 << 20));
    struct stream s = {0};
    uint64_t duplicates = 0, late = n / 10 * 9;
    long rss_before = smaps("Rss");
    double worst = 0, begun = now_s();
    while (s.keys < late) {
        judge_group(ix, &s, &duplicates);
        double each = (double)lt_index_bytes(ix) / (double)s.keys;
        if (s.keys > n / 10 && each > worst)
            worst = each;
    }
    double filled = now_s();
    uint64_t filled_records = s.record;
    while (s.keys < n)
        judge_group(ix, &s, &duplicates);
    double ended = now_s();
    uint64_t insert_records = s.record - filled_records;
    long rss = smaps("Rss") - rss_before, huge_kb = smaps("AnonHugePages");
    double bytes = (double)lt_index_bytes(ix), each = bytes / (double)lt_index_live(ix);
    uint64_t count = LT_MIN(LT_MAX(n, 4000000), 20000000);
    double look_up = look_up_rate(ix, s.keys, count);

    /* The times of batches, in a run of their own: asking for the time costs too. */
    struct histogram h = {.samples = lt_calloc(insert_records / GROUP + 1, sizeof(uint32_t))};
    for (uint64_t i = 0; i < insert_records / GROUP; i++) {
        uint64_t t = now_ns();
        judge_group(ix, &s, &duplicates);
        histogram_add(&h, now_ns() - t);
    }
    qsort(h.samples, h.count, sizeof(uint32_t), by_value);
    if (duplicates != s.record / 10 && duplicates != s.record / 10 + 1) {
        fprintf(stderr, "bench_dedup: %llu duplicates of %llu records\n", (unsigned long long)duplicates,
                (unsigned long long)s.record);
        return 1;
    }
    lt_index_free(ix);
    bool huge = huge_kb * 1024.0 > bytes / 2;
    double touch = touch_rate((size_t)bytes, huge, count);
    double insert = (double)insert_records / (ended - filled);
    printf(
        "{\"keys\": %llu, \"bytes_per_key\": %.2f, \"bytes_per_key_growing\": %.2f, \"rss_per_key\": %.2f, "
        "\"huge_pages\": %s, \"huge_kb\": %ld, \"touch_per_s\": %.0f, \"lookup_per_s\": %.0f, \"insert_per_s\": %.0f, "
        "\"fill_per_s\": %.0f, \"lookup_ratio\": %.3f, \"insert_ratio\": %.3f, \"group\": %d, \"batch_ns\": "
        "{\"p50\": %u, \"p99\": %u, \"p99.9\": %u, \"max\": %llu}, \"histogram_ns\": {",
        (unsigned long long)n, each, worst, (double)rss * 1024 / (double)n, huge ? "true" : "false", huge_kb, touch,
        look_up, insert, (double)filled_records / (filled - begun), look_up / touch, insert / touch, GROUP,
        percentile(&h, .5), percentile(&h, .99), percentile(&h, .999), (unsigned long long)h.max_ns);
    const char *comma = "";
    for (int b = 0; b < BUCKETS; b++)
        if (h.bucket[b]) {
            printf("%s\"%llu\": %llu", comma, 1ULL << b, (unsigned long long)h.bucket[b]);
            comma = ", ";
        }
    puts("}}");
    free(h.samples);
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

/* In groups, as the loader does. */
struct load {
    struct lt_index *ix;
    struct {
        struct lt_index_key key;
        int64_t offset;
        uint64_t generation;
    } group[GROUP];
    size_t len;
};

static bool load_group(struct load *l)
{
    struct lt_finding f;
    struct lt_err err = LT_ERR_INIT;
    if (lt_index_reserve(l->ix, l->len, &err) != LT_OK)
        die(&err);
    for (size_t i = 0; i < l->len; i++)
        lt_index_prefetch(l->ix, &l->group[i].key);
    for (size_t i = 0; i < l->len; i++)
        lt_index_prefetch_next(l->ix, &l->group[i].key, true);
    for (size_t i = 0; i < l->len; i++)
        if (lt_index_judge(l->ix, &l->group[i].key, l->group[i].offset, l->group[i].generation, &f, &err) != LT_OK)
            die(&err);
    l->len = 0;
    return true;
}

static bool load_entry(void *ctx, const struct lt_index_key *k, int64_t offset, uint64_t generation)
{
    struct load *l = ctx;
    l->group[l->len].key = *k;
    l->group[l->len].offset = offset;
    l->group[l->len++].generation = generation;
    return l->len < GROUP || load_group(l);
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
    lt_files_survey(f, (int64_t)n, clock_ms, &span);
    struct load l = {.ix = ix};
    lt_index_expect(ix, span.entries);
    bool whole = lt_files_read(f, load_entry, &l) && load_group(&l);
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
