/* The lines of the log about requests. */
#ifndef CS_SERVER_ACCESS_LOG_H
#define CS_SERVER_ACCESS_LOG_H

#include "server/internal.h"

enum { CS_SERVER__MAIN, CS_SERVER__DIAGNOSTIC }; /* tags of addresses */

void cs_server__log_received(cs_server__request *r);
/* Keeps the body of the reply for the line below. */
void cs_server__log_reply_body(cs_server__request *r);
void cs_server__log_sent(const cs_server__request *r, const cs_http_done *what);

#endif
