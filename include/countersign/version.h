/* The program's version, as it stands in --version, provenance, /metrics and the User-Agent. */
#ifndef CS_VERSION_H
#define CS_VERSION_H

#define CS_VERSION "0.1.0"
/* The release of OPA whose behaviour this one follows. */
#define CS_VERSION_OPA "1.22.2"

#endif
