/*
 * Local files of one partition's index: a cache of the log, so that a start need not read it again (protocol 2, "Local
 * files", rules 5 and 6).
 *
 *   <state_dir>/core/<incarnation>/<partition>/lock             held while the partition is owned
 *                                             /<generation>.idx append-only batches of one generation
 *
 * A file is a header (what it belongs to) and batches: a range of offsets, the clock before and after it, the anchor of
 * its last record, one entry for each of its events, and a checksum (SHA-256, first 64 bits) over all of that. Numbers
 * are in the machine's byte order, which the header shows.
 *
 * Nothing here is ever needed: no lock, no permission, a full disk, a damaged or foreign file only mean that the log is
 * read instead, and the reason is said once. Never synchronised to disk: what a power cut tears is found by its
 * checksum. One thread, the worker's; blocks on the file system.
 */
#ifndef LT_CORE_INDEX_FILES_H
#define LT_CORE_INDEX_FILES_H

#include "gateway/base/pulse.h"
#include "gateway/core/index.h"
#include "gateway/core/position.h"

struct lt_files;

/* Take the partition's folder. LT_OK; < 0: there are no files for this load, err says why; nothing was changed. */
int lt_files_open(const char *state_dir, uint64_t incarnation, int32_t partition, const struct lt_window *window,
                  struct lt_files **ret, struct lt_err *err) LT_MUST_CHECK;
void lt_files_close(struct lt_files *f); /* NULL is fine */

/* What can be used of the files, by rule 5. */
struct lt_files_span {
    int64_t from, to; /* offsets; from = to: nothing */
    int64_t clock_ms; /* after the last record */
    uint64_t anchor;  /* of the record at to - 1 */
    size_t entries;
};
/*
 * Find the contiguous batches up to `committed` whose head is proved at `clock_ms`, and cut off whatever else the files
 * hold: torn or damaged ends, and what does not follow. Reads all of them; beats pulse (NULL: nobody's) meanwhile.
 */
void lt_files_survey(struct lt_files *f, int64_t committed, int64_t clock_ms, struct lt_pulse *pulse,
                     struct lt_files_span *ret);

/* One event of the surveyed batches, in offset order. false: end here. */
typedef bool (*lt_files_entry_fn)(void *ctx, const struct lt_index_key *k, int64_t offset, uint64_t generation);
/* false: fn said so, or a file changed under us: discard and read the log. */
bool lt_files_read(struct lt_files *f, lt_files_entry_fn fn, void *ctx);
void lt_files_discard(struct lt_files *f); /* all of them; what is written from now on begins anew */

/*
 * Write on from `from`; clock_ms is that of the record before it. INT64_MAX: nobody has proved that nothing live lies
 * before, so what is written is for nobody until the head of it has expired.
 */
void lt_files_begin(struct lt_files *f, int64_t from, int64_t clock_ms);
/* The next record, judged; k NULL when it is no event. Kept until lt_files_flush, or written when many have gathered.
 */
void lt_files_add(struct lt_files *f, const struct lt_index_key *k, int64_t offset, int64_t clock_ms);
/* What has gathered is written as one batch; anchor of its last record, 0 when it is not known. */
void lt_files_flush(struct lt_files *f, uint64_t anchor);
bool lt_files_gathered_many(const struct lt_files *f); /* time to flush */
/* Files of generations that no load at this clock or later can need. */
void lt_files_expire(struct lt_files *f, int64_t clock_ms);

/* Why nothing is written any more, "" while it is. */
const char *lt_files_trouble(const struct lt_files *f);
/* Why the last survey did not take all that lay there, "" when it did. */
const char *lt_files_passed_over(const struct lt_files *f);
#endif
