/*
 * Tables of a running gateway, taken up when their files change (`procedures pull`, an editor): the whole configuration
 * is compiled as `lienthong check` does, examples too, and only when nothing is wrong do the running tables get the new
 * contents. Otherwise the old ones stay, which is logged once, counted and shown. Everything else in the configuration
 * is read at the start only.
 *
 * look() belongs to one thread; metrics and status may be called by others.
 */
#ifndef LT_CLI_RELOAD_H
#define LT_CLI_RELOAD_H

#include "gateway/cli/cli.h"
#include "gateway/codec/json.h"

struct lt_reload;

/* running: compiled from path, lent until free; its tables are what is replaced. */
struct lt_reload *lt_reload_new(const char *path, struct lt_compiled *running);
void lt_reload_free(struct lt_reload *r); /* after everything that looks things up has ended */
/* Have files of tables changed? force: take them up whether they have or not. Blocks while it compiles. */
void lt_reload_look(struct lt_reload *r, bool force);
void lt_reload_metrics(struct lt_reload *r, struct lt_buf *out);
void lt_reload_status(struct lt_reload *r, struct lt_json_writer *w); /* one object */
#endif
