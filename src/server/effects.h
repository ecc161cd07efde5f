/* A decision whose result may ask for effects, on its way through the server (effects.c): recall, evaluate, commit, and
 * only then answer. */
#ifndef CS_SERVER_EFFECTS_H
#define CS_SERVER_EFFECTS_H

#include "countersign/effect.h"
#include "countersign/net.h"
#include "route.h"

enum { CS_SERVER__ANSWER_HEADERS = 40 };

typedef struct cs_server__effects {
    /* Who asks: set by the handler. */
    cs_slice path;               /* of the decision */
    bool gateway;                /* refusals are 403 */
    cs_server__handler *refused; /* answers a refusal: status, code and text are below */
    cs_server__handler *granted; /* sends `answer`, whose body stands in the exchange; records it */
    /* Known while it goes on. */
    cs_value given; /* the input as it came, or as the handler made it: without the server's facts */
    cs_slice tenant;
    bool named; /* the client chose the request's id: it may come again */
    int tries;
    int waits;       /* for other replicas */
    cs_timer *timer; /* while it waits for them; the loop's */
    uint8_t digest[CS_INPUT_DIGEST];
    bool digested;
    cs_effects_plan plan;
    cs_answer answer;
    cs_answer_header headers[CS_SERVER__ANSWER_HEADERS];
    int status; /* of a refusal */
    const char *code;
    cs_error error;
    cs_commit_end end;
} cs_server__effects;

/* The server ends in the middle of it. */
void cs_server__effects_drop(cs_server__request *r);
/* Is the decision listed in gateways.effects? Then r->effects is made. */
bool cs_server__effects_listed(cs_server__request *r, cs_slice path);
/* With the facts filled into r->eval.input (the handler's, from r->effects->given): false if the request has been
 * answered before, or is being answered. */
bool cs_server__effects_recall(cs_server__request *r);
/* With the result at hand: reads what it asks for and adds `holds` to it. false: a refusal was given. */
bool cs_server__effects_plan(cs_server__request *r);
/* With the answer at hand (status, content type, body in the exchange; headers by cs_server__effects_header): sends it,
 * at once if nothing was asked for, else when that is done. */
void cs_server__effects_answer(cs_server__request *r, int status, const char *content_type);
void cs_server__effects_header(cs_server__request *r, cs_slice name, cs_slice value);

#endif
