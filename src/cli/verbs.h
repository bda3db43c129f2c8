/* verbs.h - the functions behind the verbs, one file each, or one for those of a kind (change.c, move.c, daemons.c). main.c has
 * the table. */
#ifndef BW_CLI_VERBS_H
#define BW_CLI_VERBS_H

#include "options.h"

/* argv[0] is the verb. Messages go to stderr, data to stdout. Returns the exit status. */
enum bw_exit bw_verb_agent(int argc, char **argv);
enum bw_exit bw_verb_apply(int argc, char **argv);
enum bw_exit bw_verb_check(int argc, char **argv);
enum bw_exit bw_verb_condition(int argc, char **argv);
enum bw_exit bw_verb_delete(int argc, char **argv);
enum bw_exit bw_verb_dev(int argc, char **argv);
enum bw_exit bw_verb_explain(int argc, char **argv);
enum bw_exit bw_verb_failover(int argc, char **argv);
enum bw_exit bw_verb_second_enforcer(int argc, char **argv);
enum bw_exit bw_verb_enforcer(int argc, char **argv);
int bw_verb_steps(void); /* the exit status of what it stands for */
enum bw_exit bw_verb_feature_level(int argc, char **argv);
enum bw_exit bw_verb_force_release(int argc, char **argv);
enum bw_exit bw_verb_enter(int argc, char **argv);
enum bw_exit bw_verb_generate(int argc, char **argv);
enum bw_exit bw_verb_gate(int argc, char **argv);
enum bw_exit bw_verb_groups(int argc, char **argv);
enum bw_exit bw_verb_people(int argc, char **argv);
enum bw_exit bw_verb_guard(int argc, char **argv);
enum bw_exit bw_verb_snapshot(int argc, char **argv);
enum bw_exit bw_verb_recover(int argc, char **argv);
enum bw_exit bw_verb_maintenance(int argc, char **argv);
enum bw_exit bw_verb_members(int argc, char **argv);
enum bw_exit bw_verb_ack(int argc, char **argv);
enum bw_exit bw_verb_cancel(int argc, char **argv);
enum bw_exit bw_verb_mode(int argc, char **argv);
enum bw_exit bw_verb_pause(int argc, char **argv);
enum bw_exit bw_verb_resume(int argc, char **argv);
enum bw_exit bw_verb_override(int argc, char **argv);
enum bw_exit bw_verb_prove(int argc, char **argv);
enum bw_exit bw_verb_history(int argc, char **argv);
enum bw_exit bw_verb_report(int argc, char **argv);
/* `dev ledger`; as `ledger` of breakwater-chaos the service of its labs, which is not that of the breakwater
 * under test. */
enum bw_exit bw_verb_ledger(int argc, char **argv);
enum bw_exit bw_lab_verb_ledger(int argc, char **argv);
enum bw_exit bw_verb_pki(int argc, char **argv);
enum bw_exit bw_verb_standalone(int argc, char **argv);
enum bw_exit bw_verb_status(int argc, char **argv);
enum bw_exit bw_verb_switchover(int argc, char **argv);
enum bw_exit bw_verb_witness(int argc, char **argv);

#endif
