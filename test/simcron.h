/* simcron.h - `run cron` in the simulated world: what sim.c and simcron.c are to each other. */
#ifndef SIMCRON_H
#define SIMCRON_H

#include <stdbool.h>
#include <stdint.h>

struct cron_options {
    int64_t wall;       /* by the right clock at true time 0, nanoseconds since 1970     */
    int64_t catch_up;
    int64_t patience;   /* so long may it take from a decision of ballot's to its effect */
    int64_t timeout;    /* the longest T                                                 */
    bool dst_wall;
};

/* What sim.c knows of a host, now. */
struct cron_seen {
    bool named;         /* the base names a proposal of it that stands                   */
    bool able;          /* nothing is wrong with it, its contact and the servers; and since that is so it has
                           written, and had the answer                                   */
};

/* Chooses a schedule, and when the story begins. */
void cron_begin(struct cron_options *options, int64_t length, int64_t (*dice)(int64_t, int64_t));
const char *cron_spec(void);
char *cron_zone(void);  /* TZ of all machines; NULL: none                           */
int64_t cron_period(void);
bool cron_one_day(void); /* it is about one change of the clocks: far clocks are other stories */

/* Tells the judge: facts now and then, and what happens when it happens. */
void cron_look(const struct cron_seen *seen, int hosts);
bool cron_record(int host, int candidate, bool able, bool excused); /* that host may have written it; excused: it counts from now;
                           false: it has not                                         */
/* How a leader stood when it started a command: a `keep` leader is alone when its lease is over; thawed: the command was
 * forked, and could only be executed when its machine went on. */
enum cron_contact { CRON_IN_CONTACT, CRON_ALONE, CRON_ANYWAY, CRON_THAWED, CRON_CONTACTS };

/* steady: neither was its clock set nor did it stand still just now. */
void cron_started(int host, int candidate, const char *activation, bool steady, enum cron_contact contact, bool executed);
void cron_ended(int host, bool killed); /* its command, with all that it started */
void cron_forgotten(void); /* servers went back, or a stranger changed the tree: the record is another */
void cron_end(void);
void cron_totals(void);

#endif
