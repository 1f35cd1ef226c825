/* What the parts of the mock portal share. Private to adapters/portal/mock_portal*.c; every field under the lock. */
#ifndef LT_PORTAL_MOCK_PORTAL_INTERNAL_H
#define LT_PORTAL_MOCK_PORTAL_INTERNAL_H

#include <pthread.h>

#include "adapters/mock/arrivals.h"
#include "adapters/mock/faults.h"
#include "adapters/portal/mock_portal.h"
#include "adapters/portal/mock_portal_catalogue.h"
#include "adapters/portal/mock_portal_sessions.h"
#include "adapters/portal/mock_portal_store.h"

struct lt_mock_portal_counters {
    uint64_t creates, updates, progress; /* items applied */
    uint64_t exists_refused;             /* creates of a dossier that is known: nothing applied */
    uint64_t rejected;                   /* calls refused for their content or an unknown dossier */
    uint64_t logins, login_refused;
    uint64_t lookups;
    uint64_t statuses, ratings; /* DongBoTrangThaiHoSo, DongBoDanhGia */
    uint64_t sessions_expired;  /* calls answered "session ended" */
    uint64_t errors;            /* calls not answered in the portal's own form: malformed, 4xx, 5xx, pages, dropped */
    uint64_t calls;             /* all requests to the three endpoints */
};

struct lt_mock_portal {
    const struct lt_mock_portal_settings *settings;
    pthread_mutex_t lock;
    char *password; /* NULL: any */
    struct lt_mock_sessions *sessions;
    struct lt_mock_portal_store *store;
    struct lt_mock_portal_catalogue *catalogue;
    struct lt_mock_faults faults;
    struct lt_mock_arrivals arrivals;
    struct lt_arena arena;
    struct lt_mock_portal_counters counters;
    uint64_t answers, exists_answers; /* for the quirks that take turns */
};

/* /oracle/… and /control/…; false: not such a path. */
bool lt_mock_portal_oracle(struct lt_mock_portal *p, const struct lt_mock_call *call, struct lt_mock_reply *reply);

#endif
