#include "gateway/ops/positions.h"

#include "gateway/codec/json.h"
#include "gateway/model/event.h"

#include <inttypes.h>
#include <stdio.h>

static void take_offset_again(void *ctx, const struct lt_genesis_row *r)
{
    struct lt_positions *p = ctx;
    if ((size_t)r->partition >= p->rows.len)
        return;
    struct lt_position_row *row = &p->rows.v[r->partition];
    row->low = r->low;
    row->high = r->high;
    row->offset = r->offset;
    snprintf(row->metadata, sizeof(row->metadata), "%s", r->metadata);
    row->proved = r->offset >= 0 && lt_position_parse(lt_span_str(row->metadata), &row->position, NULL) == LT_OK;
}

static void take_offset(void *ctx, const struct lt_genesis_row *r)
{
    struct lt_positions *p = ctx;
    *lt_vec_push(&p->rows) = (struct lt_position_row){.partition = r->partition, .kept_offset = -1};
    take_offset_again(p, r);
}

/* lt.position: the last of each key wins. Decisions wait until the incarnation is known. */
struct kept {
    struct lt_positions *positions;
    LT_VEC(char *) decisions; /* JSON, by partition; NULL none */
};

static void take_kept(struct lt_position_row *row, struct lt_span value)
{
    static const struct lt_json_limits limits = {.bytes_max = 1 << 20, .depth_max = 8};
    LT_AUTO_JSON struct lt_json *j = NULL;
    struct lt_span metadata, text;
    struct lt_position position;
    int64_t offset;
    if (lt_json_parse(value, &limits, &j, NULL) < 0)
        return;
    lt_json_value root = lt_json_root(j);
    if (!lt_json_int(lt_json_get(root, "offset"), &offset) || offset < 0 ||
        !lt_json_string(lt_json_get(root, "metadata"), &metadata) || metadata.len >= LT_POSITION_MAX ||
        lt_position_parse(metadata, &position, NULL) != LT_OK)
        return;
    row->kept_offset = offset;
    row->kept = position;
    snprintf(row->kept_metadata, sizeof(row->kept_metadata), LT_SPAN_FMT, LT_SPAN_ARG(metadata));
    free(lt_steal(&row->outputs));
    if (lt_json_present(lt_json_get(root, "outputs"))) {
        LT_AUTOBUF struct lt_buf outputs = LT_BUF_INIT(1 << 20);
        lt_json_write(lt_json_get(root, "outputs"), &outputs);
        row->outputs = lt_asprintf(LT_SPAN_FMT, LT_SPAN_ARG(lt_buf_view(&outputs)));
    }
    if (lt_json_string(lt_json_get(root, "instance"), &text))
        snprintf(row->instance, sizeof(row->instance), LT_SPAN_FMT, LT_SPAN_ARG(text));
    if (lt_json_string(lt_json_get(root, "address"), &text))
        snprintf(row->address, sizeof(row->address), LT_SPAN_FMT, LT_SPAN_ARG(text));
}

static int take_record(void *ctx, const struct lt_log_record *r)
{
    struct kept *k = ctx;
    struct lt_span number = r->key;
    bool decision = lt_span_starts(r->key, "accepted/");
    if (decision)
        number = lt_span(r->key.ptr + strlen("accepted/"), r->key.len - strlen("accepted/"));
    uint64_t n;
    if (r->value_null || !lt_span_u64(number, &n) || n >= k->positions->rows.len)
        return 0;
    if (!decision) {
        take_kept(&k->positions->rows.v[n], r->value);
        return 0;
    }
    free(k->decisions.v[n]);
    k->decisions.v[n] = lt_asprintf(LT_SPAN_FMT, LT_SPAN_ARG(r->value));
    return 0;
}

static void settle_incarnation(struct lt_positions *p)
{
    for (size_t i = 0; i < p->rows.len; i++) {
        const struct lt_position_row *row = &p->rows.v[i];
        uint64_t of = row->proved ? row->position.incarnation : 0;
        if (of && p->incarnation && of != p->incarnation)
            p->mixed = true;
        if (of && !p->incarnation)
            p->incarnation = of;
    }
    for (size_t i = 0; i < p->rows.len && !p->incarnation; i++)
        if (p->rows.v[i].kept_offset >= 0)
            p->incarnation = p->rows.v[i].kept.incarnation;
}

/* Those of another incarnation decide nothing: the row's stay empty. */
static void settle_decisions(const struct kept *k)
{
    struct lt_positions *p = k->positions;
    for (size_t i = 0; i < p->rows.len; i++)
        if (k->decisions.v[i] &&
            lt_accepted_parse(lt_span_str(k->decisions.v[i]), p->incarnation, &p->rows.v[i].accepted, NULL) != LT_OK)
            p->rows.v[i].accepted.holes_len = 0;
}

bool lt_position_went_back(const struct lt_position_row *row)
{
    return row->proved && row->kept_offset > row->offset && row->kept.incarnation == row->position.incarnation;
}

static bool went_back(const struct lt_positions *p)
{
    for (size_t i = 0; i < p->rows.len; i++)
        if (lt_position_went_back(&p->rows.v[i]))
            return true;
    return false;
}

int lt_positions_read(struct lt_admin *a, struct lt_reader *reader, struct lt_positions *ret, struct lt_err *err)
{
    struct lt_positions p = {0};
    struct kept kept = {.positions = &p};
    int64_t low = 0, high = 0;
    int r = lt_admin_group_offsets(a, LT_GROUP_CORE, LT_TOPIC_INTAKE, take_offset, &p, err);
    for (size_t i = 0; i < p.rows.len; i++)
        *lt_vec_push(&kept.decisions) = NULL;
    if (r == LT_OK)
        r = lt_admin_watermarks(a, LT_TOPIC_POSITION, 0, &low, &high, err);
    /* Rule 4: read_committed, up to the read_uncommitted end, so that nothing committed just now is missed. */
    if (r == LT_OK)
        r = lt_reader_range(reader, LT_TOPIC_POSITION, 0, low, high, take_record, &kept, err);
    /* A running gateway has committed more between the two: only what the group still does not know went back. */
    if (r == LT_OK && went_back(&p))
        r = lt_admin_group_offsets(a, LT_GROUP_CORE, LT_TOPIC_INTAKE, take_offset_again, &p, err);
    if (r == LT_OK) {
        settle_incarnation(&p);
        settle_decisions(&kept);
        *ret = p;
    } else {
        lt_positions_deinit(&p);
    }
    for (size_t i = 0; i < kept.decisions.len; i++)
        free(kept.decisions.v[i]);
    lt_vec_deinit(&kept.decisions);
    return r;
}

void lt_positions_deinit(struct lt_positions *p)
{
    for (size_t i = 0; i < p->rows.len; i++)
        free(p->rows.v[i].outputs);
    lt_vec_deinit(&p->rows);
}

enum lt_stop lt_position_diagnose(const struct lt_positions *all, const struct lt_position_row *row,
                                  char text[LT_POSITION_TEXT_MAX], char command[LT_STOP_COMMAND_MAX])
{
    enum lt_stop stop = LT_STOP_NONE;
    text[0] = command[0] = '\0';
    if (row->offset < 0 && row->high == 0 && row->kept_offset > 0) {
        stop = LT_STOP_OFFSETS_LOST;
        snprintf(text, LT_POSITION_TEXT_MAX,
                 "no committed offset, no records, but %" PRId64 " had been judged: the topic was made again",
                 row->kept_offset);
    } else if (row->offset < 0 && row->high == 0) {
        stop = LT_STOP_NOT_INITIALISED;
        snprintf(text, LT_POSITION_TEXT_MAX, "no committed offset, no records");
    } else if (row->offset < 0) {
        stop = LT_STOP_OFFSETS_LOST;
        snprintf(text, LT_POSITION_TEXT_MAX, "no committed offset, log from %" PRId64 " to %" PRId64, row->low,
                 row->high);
    } else if (!row->proved) {
        stop = LT_STOP_MOVED;
        snprintf(text, LT_POSITION_TEXT_MAX, "offset %" PRId64 " with %s metadata", row->offset,
                 row->metadata[0] ? "foreign" : "empty");
    } else if (all->mixed && row->position.incarnation != all->incarnation) {
        stop = LT_STOP_INTAKE_CHANGED;
        snprintf(text, LT_POSITION_TEXT_MAX,
                 "the position belongs to incarnation %016" PRIx64 ", others to %016" PRIx64, row->position.incarnation,
                 all->incarnation);
    } else if (lt_position_went_back(row)) {
        stop = LT_STOP_OFFSETS_LOST;
        snprintf(text, LT_POSITION_TEXT_MAX,
                 "the group tells of offset %" PRId64 ", but the last transaction committed %" PRId64, row->offset,
                 row->kept_offset);
    } else if (row->position.partitions != (int32_t)all->rows.len) {
        stop = LT_STOP_INTAKE_CHANGED;
        snprintf(text, LT_POSITION_TEXT_MAX,
                 LT_TOPIC_INTAKE " has %zu partitions, the position was written for %" PRId32, all->rows.len,
                 row->position.partitions);
    } else if (row->high < row->offset) {
        stop = LT_STOP_INTAKE_CHANGED;
        snprintf(text, LT_POSITION_TEXT_MAX, "the log ends at %" PRId64 ", below the committed offset %" PRId64,
                 row->high, row->offset);
        snprintf(command, LT_STOP_COMMAND_MAX, "lienthong core position --relog --partition %" PRId32 " --dry-run",
                 row->partition);
        return stop;
    } else if (row->low > row->offset && !lt_accepted_covers(&row->accepted, row->offset, row->low)) {
        stop = LT_STOP_UNJUDGED_DELETED;
        snprintf(text, LT_POSITION_TEXT_MAX,
                 "%" PRId64 " records were deleted unjudged: committed %" PRId64 ", the log starts at %" PRId64,
                 row->low - row->offset, row->offset, row->low);
        snprintf(command, LT_STOP_COMMAND_MAX,
                 "lienthong core accept-hole --partition %" PRId32 " --from %" PRId64 " --to %" PRId64, row->partition,
                 row->offset, row->low);
        return stop;
    }
    lt_stop_command(stop, row->partition, command);
    return stop;
}
