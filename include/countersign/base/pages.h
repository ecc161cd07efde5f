/* Memory for a table that is large and looked into anywhere. */
#ifndef CS_BASE_PAGES_H
#define CS_BASE_PAGES_H

#include <stddef.h>

/* `from` bytes at p (NULL: none) become `to`, zeroed where they are new; what was there stays, perhaps in another
 * place. Whole pages; where it is much, large ones if the kernel gives any, so that a look does not begin with a walk
 * through page tables. `to` 0 gives all of it back and returns NULL; otherwise never NULL: running out of memory ends
 * the process, as in mem.h. Thread-safe for different tables. */
void *cs_pages(void *p, size_t from, size_t to);

#endif
