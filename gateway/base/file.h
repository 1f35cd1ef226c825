/* Whole files: read with a limit, write by rename so that no reader ever sees half of one. Blocking. */
#ifndef LT_BASE_FILE_H
#define LT_BASE_FILE_H

#include "gateway/base/err.h"

/* ret is NUL-terminated, caller frees. LT_E_NOT_FOUND, LT_E_LIMIT (longer than max), LT_E_IO. */
int lt_file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct lt_err *err) LT_MUST_CHECK;
/* Written beside and renamed; mode as given. */
int lt_file_write(const char *path, struct lt_span s, unsigned mode, struct lt_err *err) LT_MUST_CHECK;
int lt_mkdirs(const char *path, unsigned mode, struct lt_err *err) LT_MUST_CHECK; /* mkdir -p */

/*
 * What tells that a path leads to another file or other contents than before: also after a rename over it, a symbolic
 * link on the way that points elsewhere (as Kubernetes replaces what it mounts), or a copy that keeps the date.
 */
struct lt_file_mark {
    uint64_t device, inode; /* both 0: nothing there */
    int64_t size, mode;
    int64_t modified_s, modified_ns, changed_s, changed_ns; /* contents; contents, owner or mode */
};
void lt_file_mark_take(const char *path, struct lt_file_mark *ret); /* path NULL: nothing there */
bool lt_file_mark_same(const struct lt_file_mark *a, const struct lt_file_mark *b);
bool lt_file_mark_look(const char *path, struct lt_file_mark *mark); /* taken anew; true: not as it was */
/* path relative to the folder of `beside` unless absolute; caller frees. */
char *lt_path_beside(const char *beside, const char *path);
#endif
