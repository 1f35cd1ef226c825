/*
 * The population database as a delivery target (`adapter: population`; domain 2): is the dossier's citizen who the
 * dossier says?
 *
 *   match        ok; forwarded with {"MaCSDL": database_code} in HoSo.DSKetNoiCSDL
 *   no match     ok; forwarded unchanged, and a mismatch event goes to the province; with on_mismatch: park the dossier
 * waits error        retry, or as `faults` says unavailable  retry: waits; with on_unavailable: forward it goes on
 * unverified after so many attempts, and is told no CongDan   pass; forwarded unchanged (an incomplete one too, with an
 * answer event that says so)
 *
 * Each question that was answered leaves a record in lt.audit, keyed by the officer it was asked for. A match may be
 * remembered for a stated time (matches.h).
 *
 * A question changes nothing over there, so every step may be repeated. No answer or event holds citizen data.
 */
#ifndef LT_POPULATION_POPULATION_H
#define LT_POPULATION_POPULATION_H

#include "gateway/delivery/adapter.h"

#define LT_POPULATION_ANSWER_TYPE "vn.lienthong.population.answer.v1"
#define LT_POPULATION_MISMATCH_TYPE "vn.lienthong.population.mismatch.v1"
#define LT_POPULATION_AUDIT_TYPE "vn.lienthong.population.consulted.v1"

extern const struct lt_adapter_type lt_population_adapter;

/* The data with {"MaCSDL": code} in HoSo.DSKetNoiCSDL, unless it is there; false: no HoSo, nothing written. */
bool lt_population_connected(struct lt_span data, const char *code, struct lt_buf *out);

#endif
