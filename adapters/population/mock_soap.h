/*
 * Reading a question out of a SOAP envelope and writing answers into one (domain 2.1, 2.2). Pure: a document in, a
 * question or a refusal out.
 */
#ifndef LT_POPULATION_MOCK_SOAP_H
#define LT_POPULATION_MOCK_SOAP_H

#include "adapters/population/mock_citizens.h"
#include "gateway/codec/xml.h"

enum lt_mock_operation { LT_MOCK_TRA_CUU, LT_MOCK_XAC_THUC };

struct lt_mock_soap_request {
    enum lt_mock_operation operation;
    struct lt_span request_id, service, integration, officer; /* MaYeuCau, MaDVC, MaTichHop, MaCanBo */
    struct lt_mock_question question;
    lt_xml_node header; /* soapenv:Header, absent when there is none */
};

struct lt_mock_soap_fault {
    const char *code; /* "soapenv:Client" … */
    char text[256];   /* names elements, never values */
};

/* false: fault is filled; ret->header is set as soon as the envelope was one. Spans live in the arena. */
bool lt_mock_soap_read(const struct lt_xml *doc, bool birth_optional, struct lt_arena *a,
                       struct lt_mock_soap_request *ret, struct lt_mock_soap_fault *fault);

/* Does it hold what X-Road demands of a question: client, service, id? */
bool lt_mock_soap_xroad(lt_xml_node header);
/* header: echoed as far as it is X-Road's, in its order. */
void lt_mock_soap_write_fault(const struct lt_mock_soap_fault *fault, lt_xml_node header, struct lt_buf *out);
/* citizen NULL: an empty CongdanCollection, or TonTai false. */
void lt_mock_soap_write_answer(const struct lt_mock_soap_request *req, const struct lt_mock_citizen *citizen,
                               struct lt_buf *out);

#endif
