/*
 * The core's positions as Kafka has them: committed offset and metadata of the group, ends of lt.intake, the last
 * record of lt.position and what an operator accepted. Read without the running gateway; the base of `lienthong core
 * status` and of every repair.
 */
#ifndef LT_OPS_POSITIONS_H
#define LT_OPS_POSITIONS_H

#include "gateway/config/config.h"
#include "gateway/core/accepted.h"
#include "gateway/core/position.h"
#include "gateway/core/stop.h"
#include "gateway/kafka/admin.h"
#include "gateway/kafka/reader.h"

struct lt_position_row {
    int32_t partition;
    int64_t low, high;           /* of lt.intake */
    int64_t offset;              /* committed, -1 none */
    char metadata[512];          /* of it */
    bool proved;                 /* the metadata is ours */
    struct lt_position position; /* when proved */
    int64_t kept_offset;         /* last record of lt.position, -1 none */
    char kept_metadata[LT_POSITION_MAX];
    struct lt_position kept;         /* when kept_offset >= 0 */
    char *outputs;                   /* the counters beside it, a JSON object; NULL none. Owned by lt_positions */
    char instance[64], address[128]; /* who wrote it */
    struct lt_accepted accepted;     /* of the incarnation below */
};

struct lt_positions {
    LT_VEC(struct lt_position_row) rows; /* by partition */
    uint64_t incarnation;                /* of the positions; 0: none known */
    bool mixed;                          /* partitions say different incarnations */
};

/* LT_OK; LT_E_UNAVAILABLE, LT_E_TIMEOUT (Kafka is away, or a transaction on lt.position stays open); LT_E_NOT_FOUND (a
 * topic is missing). */
int lt_positions_read(struct lt_admin *a, struct lt_reader *reader, struct lt_positions *ret,
                      struct lt_err *err) LT_MUST_CHECK;
void lt_positions_deinit(struct lt_positions *p);

/* Does the group tell of an older position than the one in lt.position, of the same log? Then it is not to be believed
 * (docs/decisions/0015-a-group-that-goes-back.md). */
bool lt_position_went_back(const struct lt_position_row *row);

#define LT_POSITION_TEXT_MAX 384
/*
 * What the positions themselves show: the stop a worker would make of this partition, or LT_STOP_NONE. Holes inside
 * the log and an index that differs only show to who reads the log. text: the numbers; command: the way out.
 */
enum lt_stop lt_position_diagnose(const struct lt_positions *all, const struct lt_position_row *row,
                                  char text[LT_POSITION_TEXT_MAX], char command[LT_STOP_COMMAND_MAX]);
#endif
