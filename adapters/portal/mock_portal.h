/*
 * The mock of the national portal (domain 1.1–1.7): login, integration and share endpoints with their known quirks, an
 * oracle that tells what arrived, and faults on demand. A function from calls to replies; every call may come from any
 * thread, one lock inside.
 *
 * Quirks: error_code is a text and a number in turn; creating a known dossier answers "đã tồn tại" under the codes 0, 3
 * and -3 in turn; sessions end without saying when; a batch is taken whole or not at all and answered by one code;
 * progress rows are appended, never compared.
 */
#ifndef LT_PORTAL_MOCK_PORTAL_H
#define LT_PORTAL_MOCK_PORTAL_H

#include "adapters/mock/call.h"
#include "gateway/config/opt.h"

enum lt_mock_code_form { LT_MOCK_CODE_ALTERNATE, LT_MOCK_CODE_INT, LT_MOCK_CODE_STRING };
enum lt_mock_exists_code { LT_MOCK_EXISTS_ROTATE, LT_MOCK_EXISTS_0, LT_MOCK_EXISTS_3, LT_MOCK_EXISTS_MINUS_3 };

struct lt_mock_portal_settings {
    const char *login_path, *integration_path, *share_path;
    const char *username;        /* NULL = any */
    const char *password_file;   /* NULL = any password that is not empty */
    const char *dstcode;         /* NULL = any, but the header must be there */
    struct lt_opt_strings units; /* accepted madonvi; none = any that is not empty */
    int64_t session_seconds;
    int64_t session_calls; /* 0 = no limit */
    int64_t expired_code;
    const char *expired_message;
    int error_code;  /* enum lt_mock_code_form */
    int exists_code; /* enum lt_mock_exists_code */
    int64_t batch_max;
    bool known_procedures; /* refuse a MaTTHC that the catalogue does not have */
    const char *catalogue; /* file, NULL = built in */
    int64_t memory;
    int64_t hold_ms; /* silence of timeout-after-apply */
    struct lt_opt_strings fault_every;
    const char *fault_schedule; /* file, NULL = none */
    bool refuse_backwards;      /* an earlier status is error_code "01" */
};
extern const struct lt_opt lt_mock_portal_opts[];
extern const size_t lt_mock_portal_opts_len;

struct lt_mock_portal;
/* s and its strings are lent until free. LT_E_INVALID, LT_E_NOT_FOUND, LT_E_IO: a file or a fault rule is wrong. */
int lt_mock_portal_new(const struct lt_mock_portal_settings *s, struct lt_mock_portal **ret,
                       struct lt_err *err) LT_MUST_CHECK;
void lt_mock_portal_free(struct lt_mock_portal *p);
/* The `handle` of struct lt_mock: self is a struct lt_mock_portal. */
void lt_mock_portal_handle(void *self, const struct lt_mock_call *call, struct lt_mock_reply *reply);

#endif
