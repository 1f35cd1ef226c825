/*
 * Local index files under simulation: a state folder for each instance name (a twin shares it, and in some seeds all
 * do), what disks and people do to what lies in it, writes that fail. Files are a cache: whatever happens to them, the
 * oracle expects the same verdicts, sums and counters.
 *
 * Beyond the oracle one thing is checked here. What is read from files and does not give the committed sum is read from
 * the log instead (rule 8), so that a file whose damage went unnoticed would never show. Where nobody has touched the
 * log, the sum or the window, a file that was read whole must agree.
 */
#include "tests/sim/core.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (1 << 20)

struct path {
    char text[FILE_PATH_MAX];
};

static struct {
    LT_VEC(struct path) all;
} list;                         /* of all index files; nftw has no context */
static struct world *the_world; /* NULL: no run, nothing fails */

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_root(void)
{
    if (the_world)
        remove_tree(the_world->root);
}

void files_begin(struct world *w)
{
    the_world = w;
    if (!w->plan.files)
        return;
    snprintf(w->root, sizeof(w->root), "%s/lt-sim-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    sim_check(mkdtemp(w->root), "no folder for local files: %s", strerror(errno));
    sim_on_fail(remove_root);
}

void files_end(struct world *w)
{
    sim_on_fail(NULL);
    if (w->plan.files)
        remove_tree(w->root);
    lt_vec_deinit(&w->kept.bytes);
    lt_vec_deinit(&list.all);
    the_world = NULL;
}

const char *files_folder(struct process *p)
{
    const struct world *w = p->sim.fleet->ctx;
    if (!w->plan.files)
        return NULL;
    snprintf(p->state_dir, sizeof(p->state_dir), "%s/%s", w->root, w->plan.one_folder ? "all" : p->sim.instance);
    return p->state_dir;
}

void files_lose(struct world *w)
{
    static const char *const folders[] = {"a", "b", "c", "all"};
    char path[PATH_MAX];
    for (size_t i = 0; w->plan.files && i < LT_ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", w->root, folders[i]);
        remove_tree(path);
    }
}

/* ---- what happens to a file ---- */

static int list_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    size_t len = strlen(path);
    if (type == FTW_F && len < FILE_PATH_MAX && len > 4 && strcmp(path + len - 4, ".idx") == 0)
        memcpy(lt_vec_push(&list.all)->text, path, len + 1);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All index files of all instances, in the same order in every run. */
static size_t list_files(const struct world *w)
{
    list.all.len = 0;
    (void)nftw(w->root, list_one, 16, FTW_PHYS);
    if (list.all.len)
        qsort(list.all.v, list.all.len, sizeof(*list.all.v), by_path);
    return list.all.len;
}

static void tear(const char *path, off_t size)
{
    sim_check(truncate(path, size ? sim_between(0, size - 1) : 0) == 0, "truncate %s", path);
}

static void flip(const char *path, off_t size)
{
    FILE *f = fopen(path, "r+");
    long at = size ? (long)sim_between(0, size - 1) : 0;
    int bit = (int)sim_between(0, 7);
    sim_check(f && fseek(f, at, SEEK_SET) == 0, "open %s", path);
    int c = fgetc(f);
    if (c != EOF) {
        (void)fseek(f, at, SEEK_SET);
        (void)fputc(c ^ 1 << bit, f);
    }
    fclose(f);
}

static void put(const char *path, const struct kept_file *k)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return; /* its folder has been lost since */
    sim_check(fwrite(k->bytes.v, 1, k->bytes.len, f) == k->bytes.len, "write %s", path);
    fclose(f);
}

static void keep(const char *path, struct kept_file *ret)
{
    FILE *f = fopen(path, "r");
    int c;
    sim_check(f, "open %s", path);
    snprintf(ret->path, sizeof(ret->path), "%s", path);
    ret->bytes.len = 0;
    while ((c = fgetc(f)) != EOF && ret->bytes.len < BYTES_MAX)
        *lt_vec_push(&ret->bytes) = (unsigned char)c;
    fclose(f);
}

/* A copy made earlier comes back in its own place; the first time it is made. */
static bool bring_back(struct world *w, const char *path)
{
    if (w->kept.bytes.len == 0) {
        keep(path, &w->kept);
        return false;
    }
    put(w->kept.path, &w->kept);
    w->kept.bytes.len = 0;
    return true;
}

/* One file takes the place of another: of another generation, partition or instance. */
static bool confuse(const char *path)
{
    struct kept_file copy = {0};
    const char *to = list.all.v[sim_between(0, (int64_t)list.all.len - 1)].text;
    if (strcmp(path, to) == 0)
        return false;
    keep(path, &copy);
    put(to, &copy);
    lt_vec_deinit(&copy.bytes);
    return true;
}

static void lose_folder(const char *of)
{
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof(path), "%s", of);
    for (int up = (int)sim_between(1, 4); up > 0; up--) /* the partition's, the incarnation's, … the whole state */
        *strrchr(path, '/') = '\0';
    remove_tree(path);
}

void files_disturb(struct world *w)
{
    struct stat st;
    if (!w->plan.files || !list_files(w))
        return;
    const char *path = list.all.v[sim_between(0, (int64_t)list.all.len - 1)].text;
    enum count what = (enum count)sim_between(COUNT_FILE_TORN, COUNT_FILE_FOLDER);
    bool done = true;
    sim_check(stat(path, &st) == 0, "stat %s", path);
    sim_note("disk", "file", (int64_t)what, st.st_size);
    if (what == COUNT_FILE_TORN)
        tear(path, st.st_size);
    else if (what == COUNT_FILE_FLIPPED)
        flip(path, st.st_size);
    else if (what == COUNT_FILE_REMOVED)
        sim_check(unlink(path) == 0, "unlink %s", path);
    else if (what == COUNT_FILE_FOREIGN)
        done = confuse(path);
    else if (what == COUNT_FILE_OLD)
        done = bring_back(w, path);
    else
        lose_folder(path);
    w->coverage->n[what] += done;
}

/* ---- what the core's calls meet (--wrap) ---- */

static struct process *caller(void)
{
    const struct sim_process *p = the_world ? sim_process_current() : NULL;
    return p ? core_process_of(p) : NULL;
}

static struct file_use *use_of(struct process *p, const struct lt_files *f)
{
    for (int i = 0; p && i < PARTITIONS_MAX; i++)
        if (p->file_uses[i].files == f)
            return &p->file_uses[i];
    return NULL;
}

int __real_lt_files_open(const char *state_dir, uint64_t incarnation, int32_t partition, const struct lt_window *window,
                         struct lt_files **ret, struct lt_err *err);
int __wrap_lt_files_open(const char *state_dir, uint64_t incarnation, int32_t partition, const struct lt_window *window,
                         struct lt_files **ret, struct lt_err *err);
bool __real_lt_files_read(struct lt_files *f, lt_files_entry_fn fn, void *ctx);
bool __wrap_lt_files_read(struct lt_files *f, lt_files_entry_fn fn, void *ctx);
void __real_lt_files_discard(struct lt_files *f);
void __wrap_lt_files_discard(struct lt_files *f);
ssize_t __real_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len);

int __wrap_lt_files_open(const char *state_dir, uint64_t incarnation, int32_t partition, const struct lt_window *window,
                         struct lt_files **ret, struct lt_err *err)
{
    int r = __real_lt_files_open(state_dir, incarnation, partition, window, ret, err);
    struct process *p = caller();
    if (p && r == LT_OK) {
        struct file_use *closed = use_of(p, *ret); /* the same memory again */
        if (closed)
            *closed = (struct file_use){0};
        p->file_uses[partition] = (struct file_use){.files = *ret};
    }
    if (p && r == LT_E_UNAVAILABLE)
        the_world->coverage->n[COUNT_FILE_LOCKED]++;
    return r;
}

bool __wrap_lt_files_read(struct lt_files *f, lt_files_entry_fn fn, void *ctx)
{
    bool whole = __real_lt_files_read(f, fn, ctx);
    struct process *p = caller();
    struct file_use *use = use_of(p, f);
    if (use && whole) {
        use->whole = true;
        the_world->coverage->n[COUNT_FILE_LOADS]++;
        sim_note(p->sim.instance, "  loaded from files", use - p->file_uses, 0);
    }
    return whole;
}

void __wrap_lt_files_discard(struct lt_files *f)
{
    struct process *p = caller();
    struct file_use *use = use_of(p, f);
    if (use) {
        int partition = (int)(use - p->file_uses);
        sim_check(!use->whole || the_world->window_changed || the_world->seen[partition].stops_allowed,
                  "partition %d: files that were read whole do not give the committed sum", partition);
        *use = (struct file_use){.files = f};
    }
    __real_lt_files_discard(f);
}

/* A disk that is full takes what still fits. */
ssize_t __wrap_write(int fd, const void *p, size_t len)
{
    struct process *by = fd > STDERR_FILENO ? caller() : NULL;
    if (!by || !the_world->fleet.faults_on || !sim_chance(the_world->plan.write_per_mille))
        return __real_write(fd, p, len);
    size_t fits = (size_t)sim_between(0, (int64_t)len - 1);
    the_world->coverage->n[COUNT_FILE_FULL]++;
    sim_note(by->sim.instance, "  disk full", (int64_t)fits, (int64_t)len);
    if (fits)
        (void)!__real_write(fd, p, fits);
    errno = ENOSPC;
    return -1;
}
