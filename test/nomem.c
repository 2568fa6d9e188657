/* nomem - a malloc() for LD_PRELOAD that has no memory for blocks of NOMEM bytes. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

void *__libc_malloc(size_t count);

void *malloc(size_t count)
{
    const char *none = getenv("NOMEM");
    if (!none || count != strtoul(none, NULL, 10))
        return __libc_malloc(count);
    errno = ENOMEM;
    return NULL;
}
