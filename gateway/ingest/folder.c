#include "gateway/ingest/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/crypto.h"
#include "gateway/base/file.h"
#include "gateway/base/log.h"
#include "gateway/base/stopper.h"
#include "gateway/ingest/answer.h"

#define RETRY_MS_MIN 500
#define RETRY_MS_MAX 30000

/* How a file looked at the last look. */
struct seen {
    char *name;
    off_t size;
    struct timespec changed;
    ino_t inode;
};
typedef LT_VEC(struct seen) seen_list;

struct lt_folder {
    struct lt_intake *intake;
    struct lt_clients *clients;
    const struct lt_config_folder *config;
    const struct lt_config_client *client;
    struct lt_translator *translator;
    char *origin, *claims, *claimed, *done, *refused;
    int lock_fd; /* -1: not held */
    seen_list seen;
    struct lt_stopper stopper;
    /* under stopper.lock */
    uint64_t files_done, files_refused;
    size_t files_left; /* in the folder, of a name that is not taken */
    bool waiting;      /* a claimed file waits for Kafka */
    bool standby;      /* another instance has the folder */
    char trouble[400]; /* "" none */
};

/* ---- what it shows ---- */

static void set_trouble(struct lt_folder *f, const char *text)
{
    pthread_mutex_lock(&f->stopper.lock);
    bool news = strcmp(f->trouble, text) != 0;
    if (news)
        snprintf(f->trouble, sizeof(f->trouble), "%s", text);
    pthread_mutex_unlock(&f->stopper.lock);
    if (news && *text)
        lt_error(f->origin, "folder-trouble", "%s", text);
    else if (news)
        lt_info(f->origin, "folder-well", "the folder works again");
}

static void system_trouble(struct lt_folder *f, const char *what, const char *path)
{
    LT_AUTOFREE char *text =
        lt_asprintf("cannot %s %s: %s; the gateway's user must be able to read, write and rename there", what, path,
                    strerror(errno));
    set_trouble(f, text);
}

void lt_folder_status(struct lt_folder *f, struct lt_json_writer *w)
{
    pthread_mutex_lock(&f->stopper.lock);
    lt_json_begin_object(w);
    lt_json_str(w, "name", lt_span_str(f->config->name));
    lt_json_str(w, "path", lt_span_str(f->config->path));
    lt_json_str(w, "state",
                lt_span_str(*f->trouble  ? "trouble"
                            : f->standby ? "standby"
                            : f->waiting ? "waiting-for-kafka"
                                         : "running"));
    if (*f->trouble)
        lt_json_str(w, "trouble", lt_span_str(f->trouble));
    lt_json_num(w, "done", (int64_t)f->files_done);
    lt_json_num(w, "refused", (int64_t)f->files_refused);
    lt_json_num(w, "left", (int64_t)f->files_left);
    lt_json_end_object(w);
    pthread_mutex_unlock(&f->stopper.lock);
}

void lt_folder_metrics(struct lt_folder *f, struct lt_buf *out)
{
    pthread_mutex_lock(&f->stopper.lock);
    lt_buf_printf(out, "lt_ingest_folder_files_total{folder=\"%s\",outcome=\"done\"} %" PRIu64 "\n", f->config->name,
                  f->files_done);
    lt_buf_printf(out, "lt_ingest_folder_files_total{folder=\"%s\",outcome=\"refused\"} %" PRIu64 "\n", f->config->name,
                  f->files_refused);
    lt_buf_printf(out, "lt_ingest_folder_files_left{folder=\"%s\"} %zu\n", f->config->name, f->files_left);
    lt_buf_printf(out, "lt_ingest_folder_trouble{folder=\"%s\"} %d\n", f->config->name, *f->trouble || f->waiting);
    pthread_mutex_unlock(&f->stopper.lock);
}

/* ---- one instance at a time ---- */

static void set_standby(struct lt_folder *f, bool standby)
{
    pthread_mutex_lock(&f->stopper.lock);
    bool news = f->standby != standby;
    f->standby = standby;
    pthread_mutex_unlock(&f->stopper.lock);
    if (news)
        lt_info(f->origin, standby ? "folder-standby" : "folder-taken",
                standby ? "another instance works this folder" : "this instance works the folder now");
}

static void let_go(struct lt_folder *f)
{
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    f->lock_fd = -1;
}

/* Is the folder ours? Asked at each look, as a lock file that somebody removed protects nothing. */
static bool hold(struct lt_folder *f)
{
    LT_AUTOFREE char *path = lt_asprintf("%s/.lock", f->claims);
    struct stat held, there;
    if (f->lock_fd >= 0 && fstat(f->lock_fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
        held.st_dev == there.st_dev)
        return true;
    let_go(f);
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (f->lock_fd >= 0 && flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        set_standby(f, false);
        return true;
    }
    if (f->lock_fd >= 0 && errno == EWOULDBLOCK) {
        set_trouble(f, "");
        set_standby(f, true);
    } else {
        system_trouble(f, "lock", path);
    }
    let_go(f);
    return false;
}

/* ---- looking ---- */

static const char *media_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (!dot || name[0] == '.')
        return NULL;
    if (strcasecmp(dot, ".xml") == 0)
        return "application/xml";
    if (strcasecmp(dot, ".json") == 0)
        return "application/json";
    return strcasecmp(dot, ".ndjson") == 0 ? "application/x-ndjson" : NULL; /* .part and .tmp too are none of ours */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

static void list_free(seen_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->v[i].name);
    lt_vec_deinit(l);
}

/* Under a name for what is not whole yet, or hidden. */
static bool is_unfinished(const char *name)
{
    const char *dot = strrchr(name, '.');
    return *name == '.' || (dot && (strcasecmp(dot, ".part") == 0 || strcasecmp(dot, ".tmp") == 0));
}

/* Whoever drops a table of Excel here waits for an answer that never comes. */
static void tell_left(struct lt_folder *f, size_t n, const char *name)
{
    pthread_mutex_lock(&f->stopper.lock);
    bool more = n > f->files_left;
    f->files_left = n;
    pthread_mutex_unlock(&f->stopper.lock);
    if (more)
        lt_warn(f->origin, "file-left", "%s is not taken: its name must end in .xml, .json or .ndjson", name);
}

/* Regular files of ours in a folder, in name order. incoming: it is the one where people put files. */
static bool list_files(struct lt_folder *f, const char *path, bool incoming, seen_list *ret)
{
    DIR *dir = opendir(path);
    if (!dir) {
        system_trouble(f, "read the folder", path);
        return false;
    }
    size_t left = 0;
    char left_name[NAME_MAX + 1] = "";
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (is_unfinished(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        if (media_of(e->d_name)) {
            *lt_vec_push(ret) = (struct seen){lt_strdup(e->d_name), st.st_size, st.st_mtim, st.st_ino};
        } else {
            left++;
            snprintf(left_name, sizeof(left_name), "%s", e->d_name);
        }
    }
    closedir(dir);
    if (incoming)
        tell_left(f, left, left_name);
    if (ret->len)
        qsort(ret->v, ret->len, sizeof(*ret->v), by_name);
    return true;
}

static bool is_unchanged(const struct lt_folder *f, const struct seen *now)
{
    for (size_t i = 0; i < f->seen.len; i++) {
        const struct seen *s = &f->seen.v[i];
        if (strcmp(s->name, now->name) == 0)
            return s->size == now->size && s->inode == now->inode && s->changed.tv_sec == now->changed.tv_sec &&
                   s->changed.tv_nsec == now->changed.tv_nsec;
    }
    return false;
}

/* ---- one file ---- */

/* First 64 KiB, length and digest of a file that is too large to be taken. */
static bool read_digest(const char *path, char *head, struct lt_raw *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    struct lt_sha256 *h = lt_sha256_new();
    uint8_t sha[LT_SHA256_SIZE];
    LT_AUTOFREE char *piece = lt_alloc(LT_DEADLETTER_KEEP);
    size_t kept = 0;
    ssize_t n;
    ret->length = 0;
    while ((n = read(fd, piece, LT_DEADLETTER_KEEP)) > 0) {
        size_t keep = LT_MIN((size_t)n, LT_DEADLETTER_KEEP - kept);
        memcpy(head + kept, piece, keep);
        kept += keep;
        ret->length += (uint64_t)n;
        lt_sha256_update(h, lt_span(piece, (size_t)n));
    }
    close(fd);
    lt_sha256_final(h, sha);
    lt_sha256_free(h);
    lt_hex(sha, sizeof(sha), ret->sha256);
    ret->bytes = lt_span(head, kept);
    return n == 0;
}

/* <folder>/<name>, or <folder>/<stem>~2<.ending> … when that is taken. */
static char *free_place(const char *folder, const char *name)
{
    const char *dot = strrchr(name, '.');
    char *path = lt_asprintf("%s/%s", folder, name);
    for (unsigned n = 2; access(path, F_OK) == 0; n++) {
        free(path);
        path = lt_asprintf("%s/%.*s~%u%s", folder, (int)(dot - name), name, n, dot);
    }
    return path;
}

/* The answer first, then the file: a crash between leaves the file claimed, and it is sent again. */
static bool put_away(struct lt_folder *f, const char *claimed, const char *name, const struct lt_submission *s)
{
    bool good = lt_submission_all_accepted(s);
    struct lt_err err = LT_ERR_INIT;
    struct lt_answer a;
    LT_AUTOFREE char *to = free_place(good ? f->done : f->refused, name);
    LT_AUTOFREE char *beside = lt_asprintf("%s.%s.json", to, good ? "receipt" : "reason");
    lt_answer_of(s, &a);
    lt_buf_char(&a.body, '\n');
    int rc = lt_file_write(beside, lt_buf_view(&a.body), 0640, &err);
    lt_answer_deinit(&a);
    if (rc != LT_OK) {
        set_trouble(f, err.text);
        return false;
    }
    if (rename(claimed, to) != 0) {
        system_trouble(f, "rename to", to);
        return false;
    }
    pthread_mutex_lock(&f->stopper.lock);
    f->files_done += good;
    f->files_refused += !good;
    f->waiting = false;
    pthread_mutex_unlock(&f->stopper.lock);
    lt_info(f->origin, good ? "file-done" : "file-refused", "%s", name);
    return true;
}

/* True: put away. False: it stays claimed. */
static bool send_file(struct lt_folder *f, const char *claimed, const char *name)
{
    char *bytes = NULL, *head = NULL;
    size_t len = 0;
    struct lt_err err = LT_ERR_INIT;
    struct lt_raw raw = {0};
    struct lt_span media = lt_span_str(media_of(name));
    int64_t max = f->client->body_max > 0 ? LT_MIN(f->client->body_max, f->intake->config->ingest.body_max)
                                          : f->intake->config->ingest.body_max;
    bool away = false;
    struct lt_submission *s = lt_submission_new(f->intake, f->client, f->origin);
    int rc = lt_file_read(claimed, (size_t)max, &bytes, &len, &err);
    if (rc == LT_OK) {
        lt_clients_charge(f->clients, f->client, lt_submission_add(s, f->translator, media, lt_span(bytes, len), name));
    } else if (rc == LT_E_LIMIT) {
        struct lt_refusal why = {.status = 413, .code = "body-too-large"};
        head = lt_alloc(LT_DEADLETTER_KEEP);
        if (!read_digest(claimed, head, &raw)) {
            system_trouble(f, "read", claimed);
            goto out;
        }
        snprintf(why.detail, sizeof(why.detail), "the file has %" PRIu64 " bytes, at most %" PRId64 " are taken",
                 raw.length, max);
        lt_submission_refuse(s, &why, media, &raw, name);
    } else {
        set_trouble(f, err.text);
        goto out;
    }
    lt_submission_run(s);
    if (lt_submission_unavailable(s)) {
        pthread_mutex_lock(&f->stopper.lock);
        f->waiting = true;
        pthread_mutex_unlock(&f->stopper.lock);
    } else {
        away = put_away(f, claimed, name, s);
    }
out:
    lt_submission_free(s);
    free(bytes);
    free(head);
    return away;
}

/* Send a claimed file until it is put away. False: stop. */
static bool work_off(struct lt_folder *f, const char *folder, const char *name)
{
    LT_AUTOFREE char *claimed = lt_asprintf("%s/%s", folder, name);
    for (int64_t pause = RETRY_MS_MIN;; pause = LT_MIN(pause * 2, RETRY_MS_MAX)) {
        int wait_s;
        while ((wait_s = lt_clients_admit(f->clients, f->client, lt_mono_ms())) > 0)
            if (lt_stopper_wait(&f->stopper, wait_s * 1000))
                return false;
        if (send_file(f, claimed, name)) {
            set_trouble(f, "");
            return true;
        }
        if (access(claimed, F_OK) != 0 && errno == ENOENT)
            return true; /* somebody took it away by hand */
        if (lt_stopper_wait(&f->stopper, pause))
            return false;
    }
}

/* False: stop. ret_well: whether nothing is left claimed in it. */
static bool work_off_folder(struct lt_folder *f, const char *folder, bool *ret_well)
{
    seen_list left = {0};
    bool on = true;
    *ret_well = list_files(f, folder, false, &left);
    for (size_t i = 0; on && i < left.len; i++)
        on = work_off(f, folder, left.v[i].name);
    list_free(&left);
    return on;
}

/* What any instance left claimed. False: stop. ret_well: whether nothing is left. */
static bool work_off_claimed(struct lt_folder *f, bool *ret_well)
{
    bool on = work_off_folder(f, f->claimed, ret_well);
    if (!on || !*ret_well)
        return on;
    DIR *dir = opendir(f->claims);
    *ret_well = dir != NULL;
    if (!dir)
        system_trouble(f, "read the folder", f->claims);
    for (struct dirent *e; dir && on && *ret_well && (e = readdir(dir));) {
        struct stat st;
        if (e->d_name[0] == '.' || strcmp(e->d_name, f->intake->config->instance) == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
            continue;
        LT_AUTOFREE char *folder = lt_asprintf("%s/%s", f->claims, e->d_name);
        on = work_off_folder(f, folder, ret_well);
    }
    if (dir)
        closedir(dir);
    return on;
}

/*
 * Claim what has stayed the same since the last look, and send it; first what still stands claimed (a crash, a look
 * that failed), as a namesake claimed over it would be its end. False: stop.
 */
static bool look(struct lt_folder *f)
{
    seen_list now = {0};
    if (!hold(f))
        return true;
    bool well, on = work_off_claimed(f, &well);
    if (!on || !well)
        return on;
    well = list_files(f, f->config->path, true, &now);
    for (size_t i = 0; on && i < now.len; i++) {
        if (!is_unchanged(f, &now.v[i]))
            continue;
        LT_AUTOFREE char *from = lt_asprintf("%s/%s", f->config->path, now.v[i].name);
        LT_AUTOFREE char *to = lt_asprintf("%s/%s", f->claimed, now.v[i].name);
        if (rename(from, to) == 0) {
            on = work_off(f, f->claimed, now.v[i].name);
        } else if (errno != ENOENT) { /* ENOENT: somebody took it away by hand */
            system_trouble(f, "claim (rename into .claimed)", from);
            well = false;
        }
    }
    if (well && on)
        set_trouble(f, "");
    list_free(&f->seen);
    f->seen = now;
    return on;
}

static void *folder_main(void *arg)
{
    struct lt_folder *f = arg;
    do {
        if (!look(f))
            return NULL;
    } while (!lt_stopper_wait(&f->stopper, f->config->poll_ms));
    return NULL;
}

/* ---- life ---- */

static int prepare(struct lt_folder *f, struct lt_err *err)
{
    const char *const folders[] = {f->config->path, f->claimed, f->done, f->refused};
    for (size_t i = 0; i < LT_ARRAY_LEN(folders); i++) {
        int rc = lt_mkdirs(folders[i], 0750, err);
        if (rc == LT_OK && access(folders[i], R_OK | W_OK | X_OK) != 0)
            rc = lt_err_set(err, LT_E_IO, "folder-unwritable", "%s: %s", folders[i], strerror(errno));
        if (rc != LT_OK) {
            lt_err_prefix(err, "folder %s cannot be used (the gateway's user must be able to write there)",
                          f->config->name);
            return rc;
        }
    }
    return LT_OK;
}

int lt_folder_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                    const struct lt_config_folder *config, struct lt_folder **ret, struct lt_err *err)
{
    struct lt_folder *f = lt_alloc(sizeof(*f));
    f->intake = in;
    f->clients = clients;
    f->config = config;
    f->client = lt_config_client(in->config, lt_span_str(config->client));
    f->origin = lt_asprintf("folder:%s", config->name);
    f->lock_fd = -1;
    f->claims = lt_asprintf("%s/.claimed", config->path);
    f->claimed = lt_asprintf("%s/%s", f->claims, in->config->instance);
    f->done = lt_asprintf("%s/done", config->path);
    f->refused = lt_asprintf("%s/refused", config->path);
    f->translator = lt_translator_new(mappings);
    lt_stopper_init(&f->stopper);
    int rc = f->client ? prepare(f, err)
                       : lt_err_set(err, LT_E_INVALID, "unknown-client", "folder %s: no client %s", config->name,
                                    config->client);
    if (rc == LT_OK && !lt_stopper_start(&f->stopper, folder_main, f))
        rc = lt_err_set(err, LT_E_IO, "thread", "folder %s: no thread could be started", config->name);
    if (rc != LT_OK) {
        lt_folder_free(f);
        return rc;
    }
    *ret = f;
    return LT_OK;
}

void lt_folder_stop(struct lt_folder *f)
{
    lt_stopper_stop(&f->stopper);
}

void lt_folder_free(struct lt_folder *f)
{
    if (!f)
        return;
    lt_stopper_deinit(&f->stopper);
    lt_translator_free(f->translator);
    list_free(&f->seen);
    let_go(f);
    free(f->origin);
    free(f->claims);
    free(f->claimed);
    free(f->done);
    free(f->refused);
    free(f);
}
