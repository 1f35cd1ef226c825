/* Our identity towards the target, as files: a certificate that is replaced is tried without waiting for the back-off.
 */
#include "gateway/delivery/internal.h"

#include "gateway/base/log.h"

#include <sys/stat.h>

#define LOOK_MS 1000
#define OLD_CONNECTIONS_MS 5000 /* by then connections made with the former files are given up (gateway/http) */

static struct lt_identity look(const struct lt_config_tls *tls)
{
    const char *const paths[] = {tls->certificate, tls->key, tls->ca};
    struct lt_identity seen = {0};
    for (size_t i = 0; i < LT_ARRAY_LEN(paths); i++) {
        struct stat st;
        if (paths[i] && stat(paths[i], &st) == 0) {
            seen.changed_s[i] = st.st_mtim.tv_sec;
            seen.changed_ns[i] = st.st_mtim.tv_nsec;
            seen.inode[i] = (int64_t)st.st_ino;
        }
    }
    return seen;
}

void lt_identity_begin(struct lt_engine *e)
{
    e->identity = look(&e->set.target->tls);
}

void lt_identity_look(struct lt_engine *e)
{
    int64_t now = lt_engine_now(e);
    if (now < e->identity_look_ms)
        return;
    e->identity_look_ms = now + LOOK_MS;
    struct lt_identity seen = look(&e->set.target->tls);
    if (memcmp(&seen, &e->identity, sizeof(seen)) == 0)
        return;
    e->identity = seen;
    if (e->gate.state != LT_GATE_PAUSED || e->gate.reason != LT_OUTCOME_CREDENTIAL)
        return;
    lt_info(e->subject, "identity-replaced", "certificate, key or CA was replaced: one call probes");
    lt_gate_try_at(&e->gate, now + OLD_CONNECTIONS_MS);
}
