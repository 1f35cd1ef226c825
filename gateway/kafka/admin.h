/*
 * Topic administration: what `lienthong topics` does. Creates, shows drift, never shrinks, grows or deletes.
 * Genesis and incarnation of groups (protocol 2 "Settings": one transactional id <group>.repair and
 * metadata_new(group), only where absent or empty, only where the high watermark is 0).
 */
#ifndef LT_KAFKA_ADMIN_H
#define LT_KAFKA_ADMIN_H

#include "gateway/base/err.h"

struct lt_config_prop;
struct lt_admin;
/* props are lent until lt_admin_free. Results of this module: 0 or more, or enum lt_error. Calls block up to 30 s. */
int lt_admin_new(const struct lt_config_prop *props, size_t n_props, struct lt_admin **ret,
                 struct lt_err *err) LT_MUST_CHECK;
void lt_admin_free(struct lt_admin *a);

/* Does a broker answer a question about the topic in this time, whatever it says? */
bool lt_admin_answers(struct lt_admin *a, const char *topic, int timeout_ms);

struct lt_topic_setting {
    const char *name, *value; /* topic configuration entries */
};
struct lt_topic_plan {
    const char *name;
    int32_t partitions;
    int32_t replication;
    struct lt_topic_setting settings[12];
    size_t settings_len;
};
enum lt_topic_state { LT_TOPIC_MISSING, LT_TOPIC_SAME, LT_TOPIC_DRIFT, LT_TOPIC_PARTITIONS_DIFFER };
struct lt_topic_drift {
    char setting[64], wanted[64], actual[64];
};
struct lt_topic_report {
    enum lt_topic_state state;
    int32_t partitions; /* actual, 0 when missing */
    LT_VEC(struct lt_topic_drift) drift;
};
/* How many partitions, 0: no such topic. LT_E_AUTH: not allowed to see it. */
int lt_admin_topic_partitions(struct lt_admin *a, const char *topic, int32_t *ret, struct lt_err *err) LT_MUST_CHECK;
int lt_admin_topic_describe(struct lt_admin *a, const struct lt_topic_plan *plan, struct lt_topic_report *ret,
                            struct lt_err *err) LT_MUST_CHECK;
void lt_topic_report_deinit(struct lt_topic_report *r);
/* Returns when the brokers show it. Already there: LT_OK (describe tells whether it fits). */
int lt_admin_topic_create(struct lt_admin *a, const struct lt_topic_plan *plan, struct lt_err *err) LT_MUST_CHECK;
/* Would a broker create a misspelt topic (protocol 4)? */
int lt_admin_auto_create(struct lt_admin *a, bool *ret, struct lt_err *err) LT_MUST_CHECK;

struct lt_genesis_row {
    int32_t partition;
    int64_t offset; /* committed now, -1 none */
    char metadata[512];
    int64_t low, high;
};
/* Offsets of a group on a topic; fn is called in partition order. */
int lt_admin_group_offsets(struct lt_admin *a, const char *group, const char *topic,
                           void (*fn)(void *ctx, const struct lt_genesis_row *row), void *ctx,
                           struct lt_err *err) LT_MUST_CHECK;
/* How many are in the group; 0 also when there is none of this name. */
int lt_admin_group_members(struct lt_admin *a, const char *group, int *ret, struct lt_err *err) LT_MUST_CHECK;
/* Start and high watermark, records of open transactions included. */
int lt_admin_watermarks(struct lt_admin *a, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                        struct lt_err *err) LT_MUST_CHECK;
/*
 * Write offset 0 with `metadata` for each partition that has no offset and whose high watermark is 0. metadata_for
 * gives the text per partition. Returns how many were written, or < 0. Partitions with an offset are left alone.
 */
int lt_admin_genesis(struct lt_admin *a, const char *group, const char *topic,
                     void (*metadata_for)(void *ctx, int32_t partition, char out[512]), void *ctx,
                     struct lt_err *err) LT_MUST_CHECK;
#endif
