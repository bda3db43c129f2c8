/* punctual.h - whoever has to keep an instant is not kept waiting by what else this machine does:
 * another test beside it, a compiler, another user. Tests judge instants to some 100 ms. */
#ifndef TEST_PUNCTUAL_H
#define TEST_PUNCTUAL_H

/* In a forked child, before exec or the work itself: real-time priority for it and its threads, as
 * a guard may have it; what it starts by the script runner is ordinary again. Where that is not
 * allowed, the best that is. */
void punctual_child(void);
/* For this program itself and its threads, where it plays somebody's peer; not for what it forks. */
void punctual_self(void);

#endif
