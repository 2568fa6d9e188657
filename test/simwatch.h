/* simwatch.h - `watch` in the simulated world: what sim.c and simwatch.c are to each other. */
#ifndef SIMWATCH_H
#define SIMWATCH_H

#include <stdbool.h>
#include <stddef.h>

void watch_begin(void);
void watch_born(int host, int pid);      /* a new process: its story begins anew         */
void watch_read(int host, const char *text, size_t length); /* what it wrote to its stdout */
void watch_tree(void);                   /* looks at what is there; often                */
void watch_judge(int host, long long patience); /* it can have seen and told all that is older than that */
void watch_totals(void);

#endif
