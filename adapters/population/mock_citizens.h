/*
 * The citizens the mock population database knows, and when a question about one matches (domain 2.1): id, name and
 * birth must all agree, and the answer never tells which did not. Synthetic people only. Immutable once loaded.
 */
#ifndef LT_POPULATION_MOCK_CITIZENS_H
#define LT_POPULATION_MOCK_CITIZENS_H

#include "gateway/base/err.h"

enum lt_mock_accents {
    LT_MOCK_ACCENTS_EITHER, /* the name as written, or wholly without accents */
    LT_MOCK_ACCENTS_STRIP,  /* only the name without accents */
    LT_MOCK_ACCENTS_KEEP,   /* only the name with its accents */
};

struct lt_mock_citizen {
    const char *id, *old_id; /* 12 digits; 9 digits or "" */
    const char *name;        /* as in the file */
    const char *birth;       /* yyyyMMdd or yyyy */
    const char *sex;         /* 1 nam, 2 nữ, "" unknown */
};

/* What is asked: ids may be empty (one of them is there); birth yyyyMMdd, yyyy, or empty = not compared. */
struct lt_mock_question {
    struct lt_span id, old_id, name, birth;
};

struct lt_mock_citizens;
/*
 * path NULL: nobody. The file is a JSON array of {SoDinhDanh, HoVaTen, NgayThangNamSinh, GioiTinh?, SoCMND?};
 * LT_E_INVALID names the element that is wrong.
 */
int lt_mock_citizens_load(const char *path, struct lt_mock_citizens **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_mock_citizens_free(struct lt_mock_citizens *c);
size_t lt_mock_citizens_len(const struct lt_mock_citizens *c);
/* NULL: no match. Upper and lower case and the number of spaces never matter; births at the coarser precision. */
const struct lt_mock_citizen *lt_mock_citizens_match(const struct lt_mock_citizens *c, const struct lt_mock_question *q,
                                                     enum lt_mock_accents accents);

#endif
