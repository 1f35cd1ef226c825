/*
 * The dedup index of one intake partition: a cache of what the log says (protocol 2, "Entry" and "Verdict").
 *
 * One entry per (key, digest). A key is the 60-bit fingerprint of ce_id (or of ce_id and replay id), a digest 32 bits
 * of lt_digest, both made by lt_index_key_of. Every record except *invalid* inserts or refreshes its entry, whatever
 * its verdict, so the verdict of offset o is a pure function of the partition's records of the last window before o.
 * Expiry is by generation of the last record and by nothing else: an entry is live while gen(clock) - gen(entry) <= K.
 *
 * The index also carries the sum: the xor, over live entries, of mix(fingerprint, version, digest, generation). It is
 * committed with the offsets, so a rebuilt index proves that it is complete before it gives a verdict.
 *
 * Open addressing: an entry stands in one of two cache lines. Growth moves the entries a block at a time, in place,
 * while records are judged; what is dead is passed over, swept out a few lines at a time, and left behind by growth.
 * One thread writes; callers that read from another thread hold the partition's lock. Never evicts a live entry: when
 * the memory limit is reached, lt_index_reserve says so.
 */
#ifndef LT_CORE_INDEX_H
#define LT_CORE_INDEX_H

#include "gateway/base/err.h"
#include "gateway/model/verdict.h"

struct lt_index;

/* generations = K; bytes_max bounds the table (old and new together while it grows). */
struct lt_index *lt_index_new(uint32_t generations, size_t bytes_max);
void lt_index_free(struct lt_index *ix);

struct lt_index_key {
    uint64_t fingerprint; /* 60 bits */
    uint32_t digest;
    uint8_t version; /* lt_digest_v, 0..15 */
};
/*
 * ce_id 32 hex digits, digest 64 hex digits, replay the replay or decision id or empty. false: not hex.
 *
 * The gateway's own identities and digests are hashes, a foreign producer's may be counters or patterns, so nothing is
 * taken as it is. With mix the 64-bit finaliser of MurmurHash3 and words w0 (the first 8 bytes), w1, … big-endian:
 *
 *   fingerprint = upper 60 bits of mix(w0 ^ mix(w1))       words of ce_id; with a replay id the head of
 *                                                          SHA-256(ce_id, replay), fields length-prefixed
 *   digest      = upper 32 bits of mix(w0 ^ mix(w1 ^ mix(w2 ^ mix(w3))))
 *
 * mix is a bijection, so with all words but one alike the result before it is cut is a bijection of that one:
 * identities that differ in one half only collide no more often than hashes do. Fixed for ever: the committed sum and
 * the local files are made of it. A change needs another number of both formats (LT_POSITION_FORMAT, FILE_MAGIC).
 */
bool lt_index_key_of(struct lt_span ce_id, struct lt_span digest, unsigned version, struct lt_span replay,
                     struct lt_index_key *ret);

/* An empty index is going to hold about n entries: begin at that size, if the limit allows, and save the growing. */
void lt_index_expect(struct lt_index *ix, size_t n);
/*
 * Room for n more insertions, or LT_E_LIMIT: pause the partition; nothing was changed. What has expired by the clock of
 * the first of them makes room if lt_index_advance has said so before.
 */
int lt_index_reserve(struct lt_index *ix, size_t n, struct lt_err *err) LT_MUST_CHECK;

/*
 * Bring the place of a key near, before lt_index_judge or lt_index_find asks for it. Take the keys of a group of
 * records first (16 to 64 of them), reserve, prefetch them all, then judge in offset order: the look-ups then wait for
 * memory together, not one after the other. A hint: it changes nothing and may be left out.
 */
void lt_index_prefetch(const struct lt_index *ix, const struct lt_index_key *k);
/*
 * The same once more, after the whole group had the first: what goes on to a second line has that brought near too.
 * judge: lt_index_judge is going to be asked, which may write there; else lt_index_find.
 */
void lt_index_prefetch_next(const struct lt_index *ix, const struct lt_index_key *k, bool judge);

struct lt_finding {
    enum lt_verdict_kind verdict; /* NEW, DUPLICATE or CONFLICT */
    bool remapped;                /* CONFLICT: no live entry of the key has this digest version */
    int64_t first_offset;         /* DUPLICATE: of the same content; CONFLICT: oldest other content; NEW: own offset */
};

/*
 * Give the verdict of the record at `offset` whose running clock is in `generation`, and remember it. Records come in
 * offset order; generation never falls. There must be reserved room. Results: LT_OK; LT_E_BUG: an entry claims to come
 * from this offset or later (rule 12: drop the state, load again).
 */
int lt_index_judge(struct lt_index *ix, const struct lt_index_key *k, int64_t offset, uint64_t generation,
                   struct lt_finding *ret, struct lt_err *err) LT_MUST_CHECK;
/* One record of a run. */
struct lt_index_record {
    struct lt_index_key key;
    int64_t offset;
    uint64_t generation;
    bool is_invalid; /* no event: it has no key and only moves the clock, as lt_index_advance does */
};
/*
 * lt_index_judge for a run of records of any length, room reserved and places brought near by itself: the fast way.
 * ret[i] is the finding of v[i]; that of an invalid record is left as it was. Results: LT_OK; LT_E_LIMIT and LT_E_BUG
 * as above, the records before the one that failed have been judged.
 */
int lt_index_judge_run(struct lt_index *ix, const struct lt_index_record *v, size_t n, struct lt_finding *ret,
                       struct lt_err *err) LT_MUST_CHECK;

/* The clock moved without an insertion (an invalid record): entries of dead generations leave the sum. */
void lt_index_advance(struct lt_index *ix, uint64_t generation);

uint64_t lt_index_sum(const struct lt_index *ix); /* over entries live at the generation last seen */
size_t lt_index_live(const struct lt_index *ix);
size_t lt_index_bytes(const struct lt_index *ix);

/* Look only: verdict of a record already judged, for receipts (protocol 4). false: no live entry of (key, digest). */
bool lt_index_find(const struct lt_index *ix, const struct lt_index_key *k, int64_t offset, struct lt_finding *ret);
/* The same of a run of keys and offsets, in any order, their places brought near by itself; ret[i] where ret_found[i].
 */
void lt_index_find_run(const struct lt_index *ix, const struct lt_index_record *v, size_t n, struct lt_finding *ret,
                       bool *ret_found);
#endif
