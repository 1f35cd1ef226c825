/*
 * A spool folder as a way in (design 4). Files *.xml, *.json and *.ndjson in the folder itself are taken once they have
 * stayed the same over two looks (a half-written file is never read); names that begin with a dot or end in .part or
 * .tmp are not looked at.
 *
 *   <folder>/.claimed/<instance>/   claimed by rename, in work; what a crash leaves here is sent again at the next
 * start (dedup makes that safe) <folder>/done/x.xml + x.xml.receipt.json <folder>/refused/x.xml + x.xml.reason.json
 * refused wholly or in part: the answer says which events were accepted all the same
 *
 * Kafka away: the file stays claimed and is sent again. One thread a folder, files one after the other in name order.
 */
#ifndef LT_INGEST_FOLDER_H
#define LT_INGEST_FOLDER_H

#include "gateway/ingest/intake.h"

struct lt_folder;
/* LT_E_IO: the folder or its sub-folders cannot be made or written; err says what to do. All lent until free. */
int lt_folder_start(struct lt_intake *in, struct lt_clients *clients, const struct lt_mappings *mappings,
                    const struct lt_config_folder *f, struct lt_folder **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_folder_stop(struct lt_folder *f);                             /* after the file in work */
void lt_folder_free(struct lt_folder *f);                             /* after stop */
void lt_folder_status(struct lt_folder *f, struct lt_json_writer *w); /* thread-safe; one object */
void lt_folder_metrics(struct lt_folder *f, struct lt_buf *out);
#endif
