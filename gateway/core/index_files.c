#include "gateway/core/index_files.h"

#include "gateway/base/crypto.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAGIC 0x3258494c  /* LIX2 */
#define BATCH_MAGIC 0x3142494c /* LIB1 */
#define BATCH_ENTRIES_MAX 65536
#define FLUSH_RECORDS 4096

struct file_head {
    uint32_t magic;
    int32_t partition;
    uint64_t incarnation;
    int64_t generation_ms;
    uint64_t generations;
    uint64_t generation;
    uint64_t checksum;
};

struct batch_head {
    uint32_t magic, entries;
    int64_t from, to, clock_before_ms, clock_after_ms;
    uint64_t anchor;
    uint64_t checksum; /* over this head with 0 here, the file's head, and the entries */
};

struct file_entry {
    uint64_t tag; /* fingerprint << 4 | version */
    uint32_t digest;
    uint32_t after; /* offset - from */
};
_Static_assert(sizeof(struct file_entry) == 16 && sizeof(struct batch_head) == 56 && sizeof(struct file_head) == 48,
               "no padding: what is written is what is meant");

/* A batch that lt_files_survey accepted. */
struct found {
    uint64_t generation;
    off_t at;
    struct batch_head head;
};

struct lt_files {
    char folder[PATH_MAX];
    int lock;
    uint64_t incarnation;
    int32_t partition;
    struct lt_window window;
    LT_VEC(struct found) found;
    /* writing */
    int fd; /* of the file of `generation`; -1 none */
    uint64_t generation;
    int64_t from, next, clock_before_ms, clock_ms;
    LT_VEC(struct file_entry) gathered;
    size_t records;
    uint64_t oldest; /* generation of the oldest file there may be */
    char trouble[192];
    char passed_over[192];
};

static void trouble(struct lt_files *f, const char *what, const char *why)
{
    if (f->trouble[0])
        return;
    snprintf(f->trouble, sizeof(f->trouble), "%s: %.120s", what, why);
    lt_warn("core", "index-files",
            "partition %d goes on without writing local index files (%s); the next load reads the log",
            (int)f->partition, f->trouble);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

static void path_of(const struct lt_files *f, uint64_t generation, char out[PATH_MAX + 32])
{
    snprintf(out, PATH_MAX + 32, "%s/%020" PRIu64 ".idx", f->folder, generation);
}

static uint64_t checksum(const void *head, size_t head_len, const struct file_head *file, const void *entries,
                         size_t len)
{
    uint8_t out[LT_SHA256_SIZE];
    uint64_t sum;
    struct lt_sha256 *h = lt_sha256_new();
    lt_sha256_update(h, (struct lt_span){head, head_len});
    lt_sha256_update(h, (struct lt_span){(const void *)file, sizeof(*file)});
    lt_sha256_update(h, (struct lt_span){entries, len});
    lt_sha256_final(h, out);
    lt_sha256_free(h);
    memcpy(&sum, out, sizeof(sum));
    return sum;
}

static struct file_head head_of(const struct lt_files *f, uint64_t generation)
{
    struct file_head h = {.magic = FILE_MAGIC,
                          .partition = f->partition,
                          .incarnation = f->incarnation,
                          .generation_ms = f->window.generation_ms,
                          .generations = f->window.generations,
                          .generation = generation};
    h.checksum = checksum(&h, sizeof(h), &h, NULL, 0);
    return h;
}

int lt_files_open(const char *state_dir, uint64_t incarnation, int32_t partition, const struct lt_window *window,
                  struct lt_files **ret, struct lt_err *err)
{
    struct lt_files *f = lt_alloc(sizeof(*f));
    char lock[PATH_MAX + 8];
    *f = (struct lt_files){.fd = -1, .lock = -1, .incarnation = incarnation, .partition = partition, .window = *window};
    int n =
        snprintf(f->folder, sizeof(f->folder), "%s/core/%016" PRIx64 "/%" PRId32, state_dir, incarnation, partition);
    int r = n < (int)sizeof(f->folder) - 64 ? lt_mkdirs(f->folder, 0700, err)
                                            : lt_err_set(err, LT_E_INVALID, "path", "state_dir is too long");
    if (r == LT_OK) {
        snprintf(lock, sizeof(lock), "%s/lock", f->folder);
        f->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (f->lock < 0)
            r = lt_err_set(err, LT_E_IO, "lock", "%s: %s", lock, strerror(errno));
        else if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
            r = lt_err_set(err, LT_E_UNAVAILABLE, "lock", "%s: another process holds it", lock);
    }
    if (r != LT_OK) {
        lt_files_close(f);
        return r;
    }
    *ret = f;
    return LT_OK;
}

void lt_files_close(struct lt_files *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->lock >= 0)
        close(f->lock);
    lt_vec_deinit(&f->found);
    lt_vec_deinit(&f->gathered);
    free(f);
}

/* ---- reading ---- */

static bool read_exactly(int fd, void *p, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = pread(fd, p, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p = (char *)p + n;
        len -= (size_t)n;
        at += n;
    }
    return true;
}

/* The batch at this place, whole and unchanged? Its entries stay in `gathered`. */
static bool read_batch(struct lt_files *f, int fd, uint64_t generation, off_t at, struct batch_head *ret)
{
    if (!read_exactly(fd, ret, sizeof(*ret), at) || ret->magic != BATCH_MAGIC || ret->entries > BATCH_ENTRIES_MAX)
        return false;
    while (f->gathered.size < ret->entries)
        lt_vec_push(&f->gathered);
    f->gathered.len = ret->entries;
    size_t len = ret->entries * sizeof(struct file_entry);
    if (!read_exactly(fd, f->gathered.v, len, at + (off_t)sizeof(*ret)))
        return false;
    struct batch_head h = *ret;
    struct file_head file = head_of(f, generation);
    h.checksum = 0;
    return ret->checksum == checksum(&h, sizeof(h), &file, f->gathered.v, len) && ret->to > ret->from;
}

static int by_generation(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

struct generations {
    LT_VEC(uint64_t) all;
};

static struct generations list_files(const struct lt_files *f)
{
    struct generations g = {0};
    DIR *d = opendir(f->folder);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        struct lt_span name = lt_span_str(e->d_name);
        uint64_t n;
        if (name.len == 24 && strcmp(e->d_name + 20, ".idx") == 0 && lt_span_u64((struct lt_span){name.ptr, 20}, &n))
            *lt_vec_push(&g.all) = n;
    }
    if (d)
        closedir(d);
    if (g.all.len)
        qsort(g.all.v, g.all.len, sizeof(*g.all.v), by_generation);
    return g;
}

/* Batches of one file that go on from where the last one ended. false: nothing follows this file. */
static bool survey_file(struct lt_files *f, uint64_t generation, int64_t committed, struct lt_pulse *pulse)
{
    char path[PATH_MAX + 32];
    path_of(f, generation, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct file_head want = head_of(f, generation), head;
    bool whole = fd >= 0 && read_exactly(fd, &head, sizeof(head), 0) && memcmp(&head, &want, sizeof(head)) == 0;
    const char *why = "its head is damaged, or of another topic, window or version";
    struct stat st = {0};
    if (whole && fstat(fd, &st) == 0) {
        off_t at = sizeof(head);
        while (whole && at < st.st_size) {
            struct batch_head b;
            if (pulse)
                lt_pulse_beat(pulse);
            why = "a batch is torn or damaged";
            whole = read_batch(f, fd, generation, at, &b);
            if (!whole)
                break;
            why = "a batch does not follow the one before";
            whole = (f->found.len == 0 || b.from == f->found.v[f->found.len - 1].head.to) && b.to <= committed;
            if (!whole)
                break;
            *lt_vec_push(&f->found) = (struct found){generation, at, b};
            at += (off_t)(sizeof(b) + b.entries * sizeof(struct file_entry));
        }
    }
    if (!whole) {
        snprintf(f->passed_over, sizeof(f->passed_over), "%020" PRIu64 ".idx: %s", generation, why);
        lt_info("core", "index-files", "partition %d: local index file %s is used up to there: %s", (int)f->partition,
                path, why);
    }
    if (fd >= 0)
        close(fd);
    return whole;
}

/* Nothing behind the last batch found stays, so that what is written next follows it. */
static void cut(struct lt_files *f, const struct generations *g)
{
    const struct found *last = f->found.len ? &f->found.v[f->found.len - 1] : NULL;
    for (size_t i = 0; i < g->all.len; i++) {
        char path[PATH_MAX + 32];
        path_of(f, g->all.v[i], path);
        if (!last || g->all.v[i] > last->generation) {
            if (unlink(path) != 0)
                trouble(f, "removing an unusable file", strerror(errno));
        } else if (g->all.v[i] == last->generation) {
            off_t end = last->at + (off_t)(sizeof(last->head) + last->head.entries * sizeof(struct file_entry));
            struct stat st;
            if (stat(path, &st) == 0 && st.st_size > end && truncate(path, end) != 0)
                trouble(f, "cutting off a damaged end", strerror(errno));
        }
    }
}

void lt_files_survey(struct lt_files *f, int64_t committed, int64_t clock_ms, struct lt_pulse *pulse,
                     struct lt_files_span *ret)
{
    struct generations g = list_files(f);
    bool more = true;
    f->found.len = 0;
    f->passed_over[0] = '\0';
    f->oldest = g.all.len ? g.all.v[0] : 0;
    for (size_t i = 0; i < g.all.len && more; i++)
        more = survey_file(f, g.all.v[i], committed, pulse);
    f->gathered.len = 0;
    /* Rule 6 compares the last record with the log: a batch without anchor cannot be the last. */
    while (f->found.len && f->found.v[f->found.len - 1].head.anchor == 0)
        f->found.len--;
    *ret = (struct lt_files_span){0};
    if (f->found.len) {
        const struct batch_head *first = &f->found.v[0].head, *last = &f->found.v[f->found.len - 1].head;
        uint64_t now = lt_generation_of(&f->window, clock_ms), keep = (uint64_t)f->window.generations + 1;
        uint64_t before = lt_generation_of(&f->window, first->clock_before_ms);
        if (first->from == 0 || (before < now && now - before > keep))
            *ret = (struct lt_files_span){first->from, last->to, last->clock_after_ms, last->anchor, 0};
        else
            f->found.len = 0;
        if (!f->found.len)
            snprintf(f->passed_over, sizeof(f->passed_over), "something live may lie before their first record");
    }
    for (size_t i = 0; i < f->found.len; i++)
        ret->entries += f->found.v[i].head.entries;
    cut(f, &g);
    lt_vec_deinit(&g.all);
}

bool lt_files_read(struct lt_files *f, lt_files_entry_fn fn, void *ctx)
{
    int fd = -1;
    uint64_t open_generation = 0;
    bool ok = true;
    for (size_t i = 0; i < f->found.len && ok; i++) {
        const struct found *b = &f->found.v[i];
        if (fd < 0 || b->generation != open_generation) {
            char path[PATH_MAX + 32];
            if (fd >= 0)
                close(fd);
            path_of(f, b->generation, path);
            fd = open(path, O_RDONLY | O_CLOEXEC);
            open_generation = b->generation;
        }
        struct batch_head again;
        ok = fd >= 0 && read_batch(f, fd, b->generation, b->at, &again) && memcmp(&again, &b->head, sizeof(again)) == 0;
        for (size_t e = 0; ok && e < f->gathered.len; e++) {
            const struct file_entry *x = &f->gathered.v[e];
            struct lt_index_key k = {.fingerprint = x->tag >> 4, .digest = x->digest, .version = x->tag & 15};
            ok = fn(ctx, &k, again.from + x->after, b->generation);
        }
    }
    if (fd >= 0)
        close(fd);
    f->gathered.len = 0;
    return ok;
}

void lt_files_discard(struct lt_files *f)
{
    struct generations g = list_files(f);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->found.len = f->gathered.len = f->records = 0;
    cut(f, &g);
    lt_vec_deinit(&g.all);
}

/* ---- writing ---- */

void lt_files_begin(struct lt_files *f, int64_t from, int64_t clock_ms)
{
    f->from = f->next = from;
    f->clock_before_ms = f->clock_ms = clock_ms;
    f->gathered.len = f->records = 0;
}

static bool write_all(int fd, const void *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p = (const char *)p + n;
        len -= (size_t)n;
    }
    return true;
}

/* The file of a generation, open for appending. */
static bool open_for(struct lt_files *f, uint64_t generation)
{
    if (f->fd >= 0 && f->generation == generation)
        return true;
    char path[PATH_MAX + 32];
    struct stat st;
    path_of(f, generation, path);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    f->generation = generation;
    struct file_head head = head_of(f, generation);
    if (f->fd < 0 || fstat(f->fd, &st) != 0 || (st.st_size == 0 && !write_all(f->fd, &head, sizeof(head)))) {
        trouble(f, "opening a file", strerror(errno));
        return false;
    }
    return true;
}

void lt_files_flush(struct lt_files *f, uint64_t anchor)
{
    size_t len = f->gathered.len * sizeof(struct file_entry);
    uint64_t generation = lt_generation_of(&f->window, f->clock_ms);
    if (f->records && !f->trouble[0] && open_for(f, generation)) {
        struct batch_head h = {.magic = BATCH_MAGIC,
                               .entries = (uint32_t)f->gathered.len,
                               .from = f->from,
                               .to = f->next,
                               .clock_before_ms = f->clock_before_ms,
                               .clock_after_ms = f->clock_ms,
                               .anchor = anchor};
        struct file_head file = head_of(f, generation);
        h.checksum = checksum(&h, sizeof(h), &file, f->gathered.v, len);
        if (!write_all(f->fd, &h, sizeof(h)) || !write_all(f->fd, f->gathered.v, len))
            trouble(f, "appending", strerror(errno)); /* what was written of it is a torn end: cut at the next load */
    }
    f->from = f->next;
    f->clock_before_ms = f->clock_ms;
    f->gathered.len = f->records = 0;
}

void lt_files_add(struct lt_files *f, const struct lt_index_key *k, int64_t offset, int64_t clock_ms)
{
    if (f->trouble[0])
        return;
    /* A batch is of one generation, and of a bounded size whatever the caller does. */
    if (f->records && (f->gathered.len == BATCH_ENTRIES_MAX || offset - f->from > UINT32_MAX ||
                       lt_generation_of(&f->window, clock_ms) != lt_generation_of(&f->window, f->clock_ms)))
        lt_files_flush(f, 0);
    if (k)
        *lt_vec_push(&f->gathered) =
            (struct file_entry){k->fingerprint << 4 | k->version, k->digest, (uint32_t)(offset - f->from)};
    f->records++;
    f->next = offset + 1;
    f->clock_ms = clock_ms;
}

bool lt_files_gathered_many(const struct lt_files *f)
{
    return f->records >= FLUSH_RECORDS;
}

void lt_files_expire(struct lt_files *f, int64_t clock_ms)
{
    uint64_t now = lt_generation_of(&f->window, clock_ms), keep = (uint64_t)f->window.generations + 2;
    if (now < keep || f->oldest >= now - keep)
        return;
    struct generations g = list_files(f);
    for (size_t i = 0; i < g.all.len && g.all.v[i] < now - keep; i++) {
        char path[PATH_MAX + 32];
        path_of(f, g.all.v[i], path);
        (void)unlink(path); /* one that stays is read and passed over */
    }
    f->oldest = now - keep;
    lt_vec_deinit(&g.all);
}

const char *lt_files_trouble(const struct lt_files *f)
{
    return f->trouble;
}

const char *lt_files_passed_over(const struct lt_files *f)
{
    return f->passed_over;
}
