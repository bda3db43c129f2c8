#include <breakwater/core/script_end.h>

#include <signal.h>

bool bw_script_is_ended_by(int signal)
{
    return signal == SIGKILL || signal == SIGTERM;
}

static enum bw_run_result result_of(const struct bw_script_end *end, bool is_action)
{
    switch (end->how) {
    case BW_SCRIPT_EXITED:
        return end->code == 0 ? BW_RUN_OK : BW_RUN_FAILED;
    case BW_SCRIPT_SIGNALED: /* what somebody has ended in the middle has seen nothing (3.2.4) */
        return bw_script_is_ended_by(end->code) && !is_action ? BW_RUN_KILLED : BW_RUN_FAILED;
    case BW_SCRIPT_TIMED_OUT:
        return BW_RUN_TIMED_OUT;
    case BW_SCRIPT_KILLED:
        return BW_RUN_KILLED;
    case BW_SCRIPT_TOO_LATE:
        return BW_RUN_TOO_LATE;
    case BW_SCRIPT_NOT_STARTED:
        if (end->is_other) /* with other scripts it may start once that is committed (3.4) */
            return BW_RUN_REFUSED;
        if (end->got_no_go && !is_action) /* a look, as above */
            return BW_RUN_KILLED;
        return BW_RUN_NOT_STARTED;
    }
    return BW_RUN_FAILED;
}

void bw_script_end_judge(enum bw_action_kind action, const struct bw_script_end *end,
                         struct bw_guard_run_ended *out_ended)
{
    const bool ends_service = action == BW_ACTION_STOP || action == BW_ACTION_FENCE ||
                              action == BW_ACTION_REMOTE_FENCE;

    out_ended->result = result_of(end, bw_action_is_action(action));
    out_ended->refusal = out_ended->result == BW_RUN_REFUSED ? BW_REFUSAL_OTHER_SCRIPTS
                                                             : BW_REFUSAL_NONE;
    out_ended->exit_status = end->how == BW_SCRIPT_EXITED ? end->code : -1;
    if (out_ended->result != BW_RUN_OK || !ends_service || end->is_tree_gone)
        return;
    out_ended->result = BW_RUN_FAILED;
    out_ended->exit_status = -1;
}
