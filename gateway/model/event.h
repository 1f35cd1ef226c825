/*
 * The canonical event: a CloudEvents 1.0 event in Kafka binary mode, and the names of everything around it.
 *
 * Attributes travel as ce_* headers, the data (JSON, portal field names) is the record's value. Routing reads headers
 * only; the core never parses a value. Spans are lent by whoever filled the struct (an arena or a log record).
 */
#ifndef LT_MODEL_EVENT_H
#define LT_MODEL_EVENT_H

#include "gateway/base/err.h"
#include "gateway/model/headers.h"

#define LT_TYPE_PREFIX "vn.lienthong."
#define LT_TYPE_DOSSIER_PREFIX "vn.lienthong.dossier."

/* Topics whose name is fixed. Route topics are lt.events.<route>. */
#define LT_TOPIC_INTAKE "lt.intake"
#define LT_TOPIC_POSITION "lt.position"
#define LT_TOPIC_UNROUTED "lt.events.unrouted"
#define LT_TOPIC_QUARANTINE "lt.quarantine"
#define LT_TOPIC_DEADLETTER "lt.deadletter"
#define LT_TOPIC_ANSWERS "lt.answers"
#define LT_TOPIC_PROVINCE "lt.province"
#define LT_TOPIC_AUDIT "lt.audit"
#define LT_GROUP_CORE "lt.core"
/* The delivery queue of a target and its consumer group have the same name: lt.<target>. */
#define LT_TOPIC_QUEUE_PREFIX "lt."
#define LT_DEADLETTER_KEEP ((size_t)64 * 1024) /* of a value above the record limit (protocol 4) */

#define LT_EVENT_ID_LEN 32     /* ce_id: first 128 bits of SHA-256 in lower-case hex */
#define LT_EVENT_DIGEST_LEN 64 /* lt_digest: SHA-256 in lower-case hex */

struct lt_event {
    struct lt_span id;        /* ce_id */
    struct lt_span source;    /* ce_source: originating system, never the channel or client (protocol 4) */
    struct lt_span type;      /* ce_type: vn.lienthong.dossier.received.v1 … */
    struct lt_span subject;   /* ce_subject: MaHoSo */
    struct lt_span time;      /* ce_time: RFC 3339 with offset */
    struct lt_span province;  /* ce_province: H22 … */
    struct lt_span unit;      /* ce_unit: the unit's successor at ce_time */
    struct lt_span procedure; /* ce_procedure: national code */
    struct lt_span channel;   /* ce_channel: KenhThucHien 1/2/3 */
    struct lt_span digest;    /* lt_digest */
    unsigned digest_v;        /* lt_digest_v, 0..15 */
    struct lt_span key;       /* <province>/<MaHoSo>: record key and lane everywhere */
    struct lt_span data;      /* canonical JSON */
};

/*
 * Fill h (reset first) with content-type, the ce_* and the lt_digest* headers of e in a fixed order; unit, procedure
 * and channel only when they are not empty. Spans are lent from e and the arena.
 */
void lt_event_headers(const struct lt_event *e, struct lt_arena *a, struct lt_headers *h);
/* So many headers more shall fit: where a record brings as many as there can be, those that nobody of ours reads give
 * way. */
void lt_event_make_room(struct lt_headers *h, size_t more);
/*
 * Read an event back from a record. LT_OK or LT_E_INVALID (kind missing-header, bad-header): structural only, decided
 * by the bytes: ce_specversion 1.0, ce_id 32 lower-case hex digits, ce_source, ce_type, ce_subject, ce_time present and
 * not empty, lt_digest 64 lower-case hex digits, lt_digest_v 0..15, key = <ce_province>/<ce_subject>, none of these
 * headers twice, not more headers than fit. Used by the core for the verdict *invalid*: what passes here must pass for
 * ever, or verdicts change with the program.
 */
int lt_event_read(struct lt_span key, const struct lt_headers *h, struct lt_span value, struct lt_event *ret,
                  struct lt_err *err) LT_MUST_CHECK;

/* What the gateway itself has noted on a record of intake. Of a name that came twice the first counts; empty: none. */
struct lt_event_marks {
    struct lt_span time;    /* lt_time */
    struct lt_span replay;  /* lt_replay */
    struct lt_span effects; /* lt_effects */
    bool is_routed; /* has headers of a routed copy (lt_origin, lt_path, lt_hop, lt_verdict): not as ingest writes it */
};
/* The same as lt_event_read, and the marks in the same pass over the headers: they are filled in any case. */
int lt_event_read_marks(struct lt_span key, const struct lt_headers *h, struct lt_span value, struct lt_event *ret,
                        struct lt_event_marks *ret_marks, struct lt_err *err) LT_MUST_CHECK;
#endif
