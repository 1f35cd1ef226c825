/*
 * Notifications as a delivery target (`adapter: notify`): one POST of one small document (gateway/delivery/message.h)
 * for each event that a route brings to lt.<target>: a message gateway, a chat, a city's app.
 *
 * The shortest complete adapter: docs/adding-a-target.md walks through it.
 */
#ifndef LT_NOTIFY_NOTIFY_H
#define LT_NOTIFY_NOTIFY_H

#include "gateway/delivery/adapter.h"

extern const struct lt_adapter_type lt_notify_adapter;

#endif
