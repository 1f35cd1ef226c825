#include "gateway/core/stop.h"

#include <inttypes.h>
#include <stdio.h>

struct row {
    const char *name, *cause, *safe, *advice;
    const char *command; /* "%" stands for the partition; NULL: none, or built where the offsets are known */
};

#define NOTHING_DECIDED                                                                                                \
    "nothing is decided; new events are still accepted and wait in lt.intake; other partitions go on"

static const struct row rows[LT_STOPS] = {
    [LT_STOP_NONE] = {"NONE", "", "", "", NULL},
    [LT_STOP_NOT_INITIALISED] = {"NOT-INITIALISED", "The group lt.core has no first position on an empty lt.intake.",
                                 "nothing was accepted yet: ingest answers 503 until the position exists",
                                 "Run lienthong topics create.", "lienthong topics create"},
    [LT_STOP_OFFSETS_LOST] =
        {"OFFSETS-LOST",
         "The committed offset of lt.core is gone (group deleted or expired) though lt.intake "
         "holds records; or Kafka tells of an older one than was committed last (a broker that was killed "
         "may: start the group's coordinator again); or lt.intake was deleted, its offsets with it, and made "
         "again.",
         "nothing is decided; what was accepted waits in lt.intake; where the offset is gone ingest answers "
         "503 until every partition has its position again",
         "Run lienthong core position: it writes back the last position from lt.position. Starting "
         "anew would decide old events twice.",
         "lienthong core position --partition %"},
    [LT_STOP_MOVED] = {"MOVED",
                       "Another tool set the offset of lt.core: the metadata that proves it is empty or not ours.",
                       NOTHING_DECIDED,
                       "Run lienthong core position; never use a reset-offsets tool on the group lt.core.",
                       "lienthong core position --partition %"},
    [LT_STOP_INTAKE_CHANGED] = {"INTAKE-CHANGED",
                                "lt.intake is not the log the position was written for: made anew, restored, lost "
                                "acknowledged records, or another partition count.",
                                NOTHING_DECIDED,
                                "Bring the old topic back if it exists. If its end is lost for good, lienthong core "
                                "position --relog goes on after the last record that was routed and lists possible "
                                "repeats. Another partition count cannot be repaired in place.",
                                NULL},
    [LT_STOP_UNJUDGED_DELETED] =
        {"UNJUDGED-DELETED",
         "Retention deleted records before they were judged: the outage was longer than the "
         "retention.",
         NOTHING_DECIDED,
         "Those records are lost unless a backup has them. Accept the loss with lienthong core "
         "accept-hole, as the stop says it.",
         NULL},
    [LT_STOP_TRUNCATED] =
        {"TRUNCATED", "The log starts inside the window: identities sent before its start are unknown.",
         NOTHING_DECIDED,
         "If only retention shortened the log, everything it took is older than the retention: when "
         "that is longer than the window, go on with lienthong core accept-index, as the stop says "
         "it. Else raise the retention of lt.intake, set `window` to the time the log reaches back, "
         "restart, and widen it again when enough has accrued; or accept that what is sent again from "
         "the lost time passes as new.",
         NULL},
    [LT_STOP_HOLE] = {"HOLE", "An offset is missing in lt.intake although later ones exist.", NOTHING_DECIDED,
                      "Something other than the gateway wrote to lt.intake, or deleted from it: mend the ACL, then "
                      "accept the missing offsets with lienthong core accept-hole, as the stop says it.",
                      NULL},
    [LT_STOP_INDEX_DIFFERS] = {"INDEX-DIFFERS",
                               "The index built from the log is not the one that was committed: the log was changed, "
                               "or this is a bug.",
                               NOTHING_DECIDED,
                               "Report it with its text. lienthong core verify compares the log with the outputs; when "
                               "they agree, lienthong core accept-index goes on with the index the log gives.",
                               NULL},
    [LT_STOP_INDEX_FULL] = {"INDEX-FULL", "core.index_memory does not hold the live entries of the partition.",
                            "nothing is decided on this partition and no entry is evicted; new events wait in "
                            "lt.intake; other partitions go on",
                            "Raise core.index_memory and restart, or spread the partitions over more instances.", NULL},
    [LT_STOP_TOPIC_MISSING] = {"TOPIC-MISSING", "A topic that the routes write to does not exist.", NOTHING_DECIDED,
                               "Run lienthong topics create.", "lienthong topics create"},
    [LT_STOP_FETCH_FAILED] = {"FETCH-FAILED", "lt.intake cannot be read, and was loaded again without coming further.",
                              NOTHING_DECIDED,
                              "The text has Kafka's error: give the right to read lt.intake back, look at the brokers. "
                              "It is tried again by itself.",
                              NULL},
    [LT_STOP_WAITING] = {"WAITING", "Kafka does not answer, or what is needed is not there yet.", NOTHING_DECIDED,
                         "It goes on by itself; if it lasts, look at the brokers.", NULL},
    [LT_STOP_FOREIGN_TRANSACTION] = {"FOREIGN-TRANSACTION",
                                     "Another producer holds a transaction open on lt.intake, which holds back every "
                                     "record after it.",
                                     "what is held back is judged when that transaction ends; nothing is lost",
                                     "Find the producer (it is the one with an open transaction in the list), end its "
                                     "transaction (kafka-transactions.sh abort), and mend the ACL: only the gateway "
                                     "may write lt.intake. Its markers are then a HOLE.",
                                     "kafka-transactions.sh --bootstrap-server BROKER describe-producers --topic "
                                     "lt.intake --partition %"},
    [LT_STOP_NO_APPEND_TIME] = {"NO-APPEND-TIME",
                                "Records of lt.intake bear the sender's time instead of the broker's: they do not "
                                "move the clock by which identities expire.",
                                "every record is judged; identities are only remembered for longer than the window",
                                "Set message.timestamp.type=LogAppendTime on lt.intake (lienthong topics shows the "
                                "drift); while it lasts the index grows beyond its window.",
                                "lienthong topics"},
    [LT_STOP_RETRYING] = {"RETRYING", "A transaction could not be committed for a minute.",
                          "the same batch is written again with the same verdicts; nothing is committed twice",
                          "The text has Kafka's error: brokers, ACL, missing topic. It goes on by itself when that "
                          "is mended.",
                          "lienthong topics"},
    [LT_STOP_TWIN] = {"TWIN", "Two processes run under one instance name.",
                      "one of them ended at once with exit code 78; Kafka lets only one commit",
                      "Give each gateway its own `instance`, then start the ended one again.", NULL},
};

const char *lt_stop_name(enum lt_stop s)
{
    return rows[s].name;
}

const char *lt_stop_cause(enum lt_stop s)
{
    return rows[s].cause;
}

const char *lt_stop_safe(enum lt_stop s)
{
    return rows[s].safe;
}

const char *lt_stop_advice(enum lt_stop s)
{
    return rows[s].advice;
}

void lt_stop_command(enum lt_stop s, int32_t partition, char out[LT_STOP_COMMAND_MAX])
{
    const char *command = rows[s].command ? rows[s].command : "";
    size_t fixed = strcspn(command, "%");
    if (command[fixed])
        snprintf(out, LT_STOP_COMMAND_MAX, "%.*s%" PRId32 "%s", (int)fixed, command, partition, command + fixed + 1);
    else
        snprintf(out, LT_STOP_COMMAND_MAX, "%s", command);
}
