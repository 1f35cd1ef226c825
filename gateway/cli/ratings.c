/* lienthong ratings send FILE: the ratings of a month to the portal (DongBoDanhGia, domain 1.2). */
#include "adapters/portal/client.h"
#include "gateway/base/crypto.h"
#include "gateway/base/file.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/decide.h"
#include "gateway/cli/portal_target.h"
#include "gateway/ops/courier.h"

#include <stdio.h>

#define FILE_MAX ((size_t)1 << 20)

/* M-yyyy */
static bool is_month(struct lt_span s)
{
    struct lt_span rest = s, part;
    uint64_t month, year;
    return lt_span_cut(&rest, '-', &part) && lt_span_u64(part, &month) && month >= 1 && month <= 12 &&
           part.ptr[0] != '0' && rest.len == 4 && lt_span_u64(rest, &year);
}

/* The file as members of the call: an object of texts and numbers, which go out as texts. */
static int members_of(const char *path, struct lt_buf *out, char ret_month[8], struct lt_err *err)
{
    LT_AUTOFREE char *text = NULL;
    LT_AUTO_JSON struct lt_json *doc = NULL;
    const struct lt_json_limits limits = {.bytes_max = FILE_MAX, .depth_max = 4};
    struct lt_arena a = LT_ARENA_INIT;
    struct lt_span month = LT_SPAN_NULL;
    size_t len;
    int r = lt_file_read(path, FILE_MAX, &text, &len, err);
    if (r == LT_OK && (r = lt_json_parse(lt_span(text, len), &limits, &doc, err)) != LT_OK)
        lt_err_prefix(err, "%s:%d:%d", path, err->line, err->column);
    if (r != LT_OK)
        return r;
    lt_json_value root = lt_json_root(doc);
    if (lt_json_type_of(root) != LT_JSON_OBJECT || lt_json_len(root) == 0)
        r = lt_err_set(err, LT_E_INVALID, "no-object", "%s: expected an object with NgayTongHop, TongSoNguoiDanhGia, …",
                       path);
    for (size_t i = 0; r == LT_OK && i < lt_json_len(root); i++) {
        struct lt_span name, value;
        if (!lt_json_scalar(lt_json_member_at(root, i, &name), &a, &value)) {
            r = lt_err_set(err, LT_E_INVALID, "no-text", "%s: " LT_SPAN_FMT ": expected a text or a number", path,
                           LT_SPAN_ARG(name));
        } else if (lt_span_is(name, "session") || lt_span_is(name, "madonvi") || lt_span_is(name, "service")) {
            r = lt_err_set(err, LT_E_INVALID, "own", "%s: " LT_SPAN_FMT ": the gateway fills it itself", path,
                           LT_SPAN_ARG(name));
        } else {
            if (out->len > 0)
                lt_buf_char(out, ',');
            lt_buf_json(out, name);
            lt_buf_char(out, ':');
            lt_buf_json(out, value);
            if (lt_span_is(name, "NgayTongHop"))
                month = value;
        }
    }
    if (r == LT_OK && !is_month(month))
        r = lt_err_set(err, LT_E_INVALID, "month", "%s: NgayTongHop: expected a month as M-yyyy, such as 9-2025", path);
    if (r == LT_OK)
        snprintf(ret_month, 8, LT_SPAN_FMT, LT_SPAN_ARG(month));
    lt_arena_deinit(&a);
    return r;
}

/* What was sent, for the audit: the month and the digest of the figures; before they leave. */
static int audit(const struct lt_portal_target *t, const char *who, const char *month, struct lt_span members,
                 struct lt_err *err)
{
    uint8_t digest[LT_SHA256_SIZE];
    char hex[2 * LT_SHA256_SIZE + 1];
    lt_sha256_once(members, digest);
    lt_hex(digest, sizeof(digest), hex);
    LT_AUTOFREE char *what =
        lt_asprintf("\"target\":\"%s\",\"NgayTongHop\":\"%s\",\"sha256\":\"%s\"", t->target->name, month, hex);
    return lt_audit(t->config, who, "ratings-send", lt_span_str(what), err);
}

static int ratings(int argc, char **argv)
{
    static const struct option extra[] = {
        {"target", required_argument, NULL, 't'}, {"who", required_argument, NULL, 'w'}, {0}};
    struct lt_cli_options o = {0};
    const char *target = NULL, *who = lt_decide_login();
    int letter;
    while ((letter = lt_cli_option(argc, argv, extra, &o)) > 0) {
        if (letter == 't')
            target = optarg;
        else if (letter == 'w')
            who = optarg;
        else
            return lt_cli_usage(&lt_command_ratings);
    }
    if (o.help)
        return lt_cli_help(&lt_command_ratings);
    if (letter != -1 || optind + 2 != argc || strcmp(argv[optind], "send") != 0)
        return lt_cli_usage(&lt_command_ratings);
    LT_AUTOBUF struct lt_buf members = LT_BUF_INIT(FILE_MAX);
    struct lt_err err = LT_ERR_INIT;
    char month[8];
    if (members_of(argv[optind + 1], &members, month, &err) != LT_OK) {
        fprintf(stderr, "lienthong ratings: %s\n", err.text);
        return LT_EXIT_FINDING;
    }
    if (o.dry_run) {
        printf("{%s}\n", members.ptr);
        return LT_EXIT_OK;
    }
    struct lt_portal_target t;
    int code = lt_portal_target_open(o.config, target, "ratings", &t);
    if (code != LT_EXIT_OK)
        return code;
    if (audit(&t, who, month, lt_buf_view(&members), &err) != LT_OK) {
        fprintf(stderr, "lienthong ratings: %s; nothing was sent\n", err.text);
        lt_portal_target_close(&t);
        return LT_EXIT_UNAVAILABLE;
    }
    struct lt_json *answer = NULL;
    int r =
        lt_portal_client_call(t.client, LT_PORTAL_RATING, "DongBoDanhGia", false, lt_buf_view(&members), &answer, &err);
    lt_json_free(answer);
    lt_portal_target_close(&t);
    if (r == LT_OK) {
        puts(o.json ? "{\"sent\":true}" : "sent");
        return LT_EXIT_OK;
    }
    fprintf(stderr, "lienthong ratings: %s%s\n", err.text,
            r == LT_E_UNAVAILABLE ? "; whether it was taken may be unknown: the same month can be sent again" : "");
    return r == LT_E_INVALID ? LT_EXIT_FINDING : LT_EXIT_UNAVAILABLE;
}

const struct lt_command lt_command_ratings = {
    "ratings", "send FILE [--target NAME] [--who NAME] [--dry-run] [--json]",
    "the ratings of a month (JSON object) to the portal", ratings,
    "  FILE            {\"NgayTongHop\": \"M-yyyy\", …}; the same month can be sent again\n"
    "  --target NAME   which portal, where there are several; --who NAME for the audit (the login); --dry-run, --json\n"
    "  exit 0 taken, 1 refused, 69 the portal or Kafka does not answer, 78 configuration\n"};
