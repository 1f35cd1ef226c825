#include "gateway/codec/json.h"

#include <inttypes.h>

void lt_json_writer_init(struct lt_json_writer *w, struct lt_buf *out)
{
    *w = (struct lt_json_writer){.out = out};
}

/* Before a value or a name: a comma when something stands before it on this level. */
static void writer_separate(struct lt_json_writer *w)
{
    if (w->need_comma[w->depth])
        lt_buf_char(w->out, ',');
    w->need_comma[w->depth] = true;
}

/* Deeper than the writer can count, or closed more often than opened, is our bug: the buffer says that it is not whole.
 */
static void writer_open(struct lt_json_writer *w, char c)
{
    writer_separate(w);
    lt_buf_char(w->out, c);
    if (w->depth + 1 >= LT_JSON_WRITER_DEPTH) {
        w->out->over = true;
        return;
    }
    w->need_comma[++w->depth] = false;
}

static void writer_close(struct lt_json_writer *w, char c)
{
    lt_buf_char(w->out, c);
    if (w->depth == 0) {
        w->out->over = true;
        return;
    }
    w->depth--;
}

void lt_json_begin_object(struct lt_json_writer *w)
{
    writer_open(w, '{');
}

void lt_json_end_object(struct lt_json_writer *w)
{
    writer_close(w, '}');
}

void lt_json_begin_array(struct lt_json_writer *w)
{
    writer_open(w, '[');
}

void lt_json_end_array(struct lt_json_writer *w)
{
    writer_close(w, ']');
}

void lt_json_key(struct lt_json_writer *w, struct lt_span name)
{
    writer_separate(w);
    lt_buf_json(w->out, name);
    lt_buf_char(w->out, ':');
    w->need_comma[w->depth] = false; /* for the value that follows */
}

void lt_json_key_ready(struct lt_json_writer *w, struct lt_span quoted)
{
    writer_separate(w);
    lt_buf_span(w->out, quoted);
    w->need_comma[w->depth] = false;
}

void lt_json_put_string(struct lt_json_writer *w, struct lt_span s)
{
    writer_separate(w);
    lt_buf_json(w->out, s);
}

void lt_json_put_int(struct lt_json_writer *w, int64_t n)
{
    writer_separate(w);
    lt_buf_printf(w->out, "%" PRId64, n);
}

void lt_json_put_bool(struct lt_json_writer *w, bool b)
{
    writer_separate(w);
    lt_buf_str(w->out, b ? "true" : "false");
}

void lt_json_put_null(struct lt_json_writer *w)
{
    writer_separate(w);
    lt_buf_str(w->out, "null");
}

void lt_json_put_raw(struct lt_json_writer *w, struct lt_span json)
{
    writer_separate(w);
    lt_buf_span(w->out, json);
}

void lt_json_str(struct lt_json_writer *w, const char *name, struct lt_span s)
{
    lt_json_key(w, lt_span_str(name));
    lt_json_put_string(w, s);
}

void lt_json_num(struct lt_json_writer *w, const char *name, int64_t n)
{
    lt_json_key(w, lt_span_str(name));
    lt_json_put_int(w, n);
}

void lt_json_flag(struct lt_json_writer *w, const char *name, bool b)
{
    lt_json_key(w, lt_span_str(name));
    lt_json_put_bool(w, b);
}
