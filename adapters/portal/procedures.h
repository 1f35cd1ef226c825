/*
 * The portal's catalogue of procedures as an effective-dated table (domain 1.7): what is new begins today, what changed
 * ends and begins anew today, what vanished ends today and is flagged. Entries are never taken out, so that an event of
 * an earlier day still finds what was in force then. The file is a table of codes like any other
 * (gateway/mapping/tables.h).
 */
#ifndef LT_PORTAL_PROCEDURES_H
#define LT_PORTAL_PROCEDURES_H

#include "gateway/codec/json.h"
#include "gateway/config/yaml.h"

/* In the order of the file: code, name, status ("" for the 1 of what is public), field, its name, then time limit and
 * fee of channel 1, 2, 3. */
enum {
    LT_PROC_CODE,
    LT_PROC_NAME,
    LT_PROC_STATUS,
    LT_PROC_FIELD,
    LT_PROC_FIELD_NAME,
    LT_PROC_TIME,
    LT_PROC_FEE = LT_PROC_TIME + 3,
    LT_PROC_VALUES = LT_PROC_FEE + 3
};

struct lt_procedure {
    const char *values[LT_PROC_VALUES]; /* "" when the portal says nothing */
    const char *from, *to;              /* yyyy-MM-dd, NULL open */
};

struct lt_procedures {
    LT_VEC(struct lt_procedure) list; /* in the order of the file */
    struct lt_arena arena;
};
#define LT_PROCEDURES_INIT ((struct lt_procedures){.arena = LT_ARENA_INIT})
void lt_procedures_deinit(struct lt_procedures *p);

/* The table as it is; a file that is not there is an empty one. LT_E_INVALID: diags say what is wrong. */
int lt_procedures_load(const char *path, struct lt_procedures *ret, struct lt_diags *diags) LT_MUST_CHECK;
/* Codes of a LayDanhSachTTHC answer. LT_E_INVALID: no list. */
int lt_procedures_codes(lt_json_value answer, struct lt_procedures *ret, struct lt_err *err) LT_MUST_CHECK;
/* One procedure of a LayThuTuc answer, appended. LT_E_INVALID: no such procedure in it, or another one. */
int lt_procedures_take(lt_json_value answer, struct lt_span code, struct lt_procedures *ret,
                       struct lt_err *err) LT_MUST_CHECK;

struct lt_procedure_change {
    enum { LT_PROC_ADDED, LT_PROC_CHANGED, LT_PROC_VANISHED, LT_PROC_BACK } what;
    const char *code, *name, *field, *before, *after; /* field …: CHANGED, one entry a field */
};
struct lt_procedure_changes {
    LT_VEC(struct lt_procedure_change) list;
};
/* Bring table to what the portal has now; today is yyyy-MM-dd. Texts of the changes live in both arenas. */
void lt_procedures_merge(struct lt_procedures *table, const struct lt_procedures *now, const char *today,
                         struct lt_procedure_changes *ret);
/* Entries that have not ended. */
size_t lt_procedures_in_force(const struct lt_procedures *table);
/* The file. */
void lt_procedures_write(const struct lt_procedures *table, const char *name, struct lt_buf *out);

#endif
