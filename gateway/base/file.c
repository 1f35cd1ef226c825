#include "gateway/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int file_failed(struct lt_err *err, const char *path, const char *what)
{
    int code = errno == ENOENT || errno == ENOTDIR ? LT_E_NOT_FOUND : LT_E_IO;
    return lt_err_set(err, code, code == LT_E_NOT_FOUND ? "file-missing" : "file-io", "%s: cannot %s: %s", path, what,
                      strerror(errno));
}

int lt_file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct lt_err *err)
{
    LT_CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    LT_AUTOBUF struct lt_buf buf = LT_BUF_INIT(max);
    char part[16384];
    if (fd < 0)
        return file_failed(err, path, "open");
    for (;;) {
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_failed(err, path, "read");
        if (n == 0)
            break;
        lt_buf_append(&buf, part, (size_t)n);
        if (!lt_buf_ok(&buf))
            return lt_err_set(err, LT_E_LIMIT, "file-too-long", "%s: longer than the %zu bytes allowed", path, max);
    }
    *ret_len = buf.len;
    *ret = lt_buf_take(&buf);
    return LT_OK;
}

static bool write_all(int fd, struct lt_span s)
{
    while (s.len) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        s = lt_span(s.ptr + n, s.len - (size_t)n);
    }
    return true;
}

/* Folder part of path: "." when it has none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return lt_strdup(".");
    return slash == path ? lt_strdup("/") : lt_strndup(path, (size_t)(slash - path));
}

/* The rename is only safe from a power cut once the folder is on disk as well. */
static int folder_sync(const char *folder, struct lt_err *err)
{
    LT_CLEANUP(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return file_failed(err, folder, "sync");
    return LT_OK;
}

/* The temporary begins with a dot, so that whoever watches the folder for new files passes it over. */
int lt_file_write(const char *path, struct lt_span s, unsigned mode, struct lt_err *err)
{
    const char *slash = strrchr(path, '/');
    LT_AUTOFREE char *folder = folder_of(path);
    LT_AUTOFREE char *beside = lt_asprintf("%s/.%s.XXXXXX", folder, slash ? slash + 1 : path);
    LT_CLEANUP(closep) int fd = mkostemp(beside, O_CLOEXEC);
    const char *what;
    if (fd < 0)
        return file_failed(err, path, "create its temporary file");
    if (!write_all(fd, s))
        what = "write";
    else if (fchmod(fd, (mode_t)mode) != 0)
        what = "set the mode";
    else if (fsync(fd) != 0)
        what = "sync";
    else if (rename(beside, path) != 0)
        what = "rename into place";
    else
        return folder_sync(folder, err);
    int code = file_failed(err, path, what);
    (void)unlink(beside); /* the first failure is the one to tell */
    return code;
}

int lt_mkdirs(const char *path, unsigned mode, struct lt_err *err)
{
    LT_AUTOFREE char *part = lt_strdup(path);
    struct stat st;
    for (char *at = part + 1; *path; at++) {
        char stopped = *at;
        if (stopped != '/' && stopped != '\0')
            continue;
        *at = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return file_failed(err, part, "make the folder");
        *at = stopped;
        if (stopped == '\0')
            break;
    }
    if (stat(path, &st) != 0)
        return file_failed(err, path, "make the folder");
    if (!S_ISDIR(st.st_mode))
        return lt_err_set(err, LT_E_IO, "file-io", "%s: expected a folder, found a file", path);
    return LT_OK;
}

void lt_file_mark_take(const char *path, struct lt_file_mark *ret)
{
    struct stat st;
    *ret = (struct lt_file_mark){0};
    if (path && stat(path, &st) == 0)
        *ret = (struct lt_file_mark){.device = st.st_dev,
                                     .inode = st.st_ino,
                                     .size = st.st_size,
                                     .mode = st.st_mode,
                                     .modified_s = st.st_mtim.tv_sec,
                                     .modified_ns = st.st_mtim.tv_nsec,
                                     .changed_s = st.st_ctim.tv_sec,
                                     .changed_ns = st.st_ctim.tv_nsec};
}

bool lt_file_mark_same(const struct lt_file_mark *a, const struct lt_file_mark *b)
{
    return memcmp(a, b, sizeof(*a)) == 0; /* words of one size, no padding */
}

bool lt_file_mark_look(const char *path, struct lt_file_mark *mark)
{
    struct lt_file_mark was = *mark;
    lt_file_mark_take(path, mark);
    return !lt_file_mark_same(mark, &was);
}

char *lt_path_beside(const char *beside, const char *path)
{
    const char *slash = strrchr(beside, '/');
    if (path[0] == '/' || !slash)
        return lt_strdup(path);
    return lt_asprintf("%.*s/%s", (int)(slash - beside), beside, path);
}
