/*
 * A spool folder as a way in. Files *.xml, *.json and *.ndjson in the folder itself are taken once they have
 * stayed the same over two looks (a half-written file is never read); names that begin with a dot or end in .part or
 * .tmp are not looked at.
 *
 *   <folder>/.claimed/.lock         held by the one instance that works the folder
 *   <folder>/.claimed/<instance>/   claimed by rename, in work
 *   <folder>/done/                  x.xml and x.xml.receipt.json
 *   <folder>/refused/               x.xml and x.xml.reason.json: refused wholly or in part, the answer says which
 *                                   events were accepted all the same
 *
 * Files go one after the other in name order, by one thread of one instance: two at once would put events of a dossier
 * out of order. Other instances stand by and take over when the holder's process ends (flock); whoever holds the folder
 * first sends what a crash left claimed, its own or another's (dedup makes that safe). Kafka away: the file stays
 * claimed and is sent again.
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
