/* Throw-away certificates for tests: EC P-256, made by OpenSSL in a folder of the test's own. */
#ifndef LT_TESTS_UNIT_HTTP_PKI_H
#define LT_TESTS_UNIT_HTTP_PKI_H

/*
 * Writes <name>.pem and <name>.key: ca, server (localhost, 127.0.0.1), client (CN client-h22; SAN DNS h22.test, URI
 * urn:test:h22), expired (as client, ended yesterday), stranger (as client, of a CA of its own: stranger-ca.pem),
 * gateway (CN gateway, SAN DNS gateway.test).
 */
void pki_make(const char *folder);
/* For a whole program: the folder is made once and removed by the last. */
extern char *pki_folder;
int pki_setup(void **state);
int pki_teardown(void **state);
/* <folder>/<name>; caller frees. */
char *pki_file(const char *folder, const char *name);
#endif
