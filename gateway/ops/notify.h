/* sd_notify(3) without the library: one datagram to $NOTIFY_SOCKET, nothing when it is not set. */
#ifndef LT_OPS_NOTIFY_H
#define LT_OPS_NOTIFY_H
void lt_notify(const char *state); /* "READY=1", "STOPPING=1", "STATUS=…" */
#endif
