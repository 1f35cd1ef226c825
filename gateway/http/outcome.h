/* From libcurl's result to the outcome of a call (protocol 3, rule 7): one table, pure, so that it can be tested alone.
 */
#ifndef LT_HTTP_OUTCOME_H
#define LT_HTTP_OUTCOME_H

#include "gateway/http/client.h"

struct lt_http_facts {
    int curl_code;         /* CURLcode */
    bool fresh_connection; /* made for this call */
    bool sent;             /* a byte of the request was handed to the socket, on whatever attempt */
    bool answered;         /* a byte of an answer came */
    bool too_large;        /* we stopped it ourselves */
    const char *text;      /* libcurl's error text */
};
enum lt_http_failure lt_http_outcome(const struct lt_http_facts *f);
/* libcurl's code as the word that classifier tables know it by; "" for success, "OTHER" for one without a word. */
const char *lt_http_curl_name(int code);
#endif
