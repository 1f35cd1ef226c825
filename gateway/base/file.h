/* Whole files: read with a limit, write by rename so that no reader ever sees half of one. Blocking. */
#ifndef LT_BASE_FILE_H
#define LT_BASE_FILE_H

#include "gateway/base/err.h"

/* ret is NUL-terminated, caller frees. LT_E_NOT_FOUND, LT_E_LIMIT (longer than max), LT_E_IO. */
int lt_file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct lt_err *err) LT_MUST_CHECK;
/* Written beside and renamed; mode as given. */
int lt_file_write(const char *path, struct lt_span s, unsigned mode, struct lt_err *err) LT_MUST_CHECK;
int lt_mkdirs(const char *path, unsigned mode, struct lt_err *err) LT_MUST_CHECK; /* mkdir -p */
/* path relative to the folder of `beside` unless absolute; caller frees. */
char *lt_path_beside(const char *beside, const char *path);
#endif
