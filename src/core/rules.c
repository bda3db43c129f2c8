/* rules.c - the list of all rule ids: manual page, `explain --rule`, the simulator's coverage and
 * the lint come from it. A new rule is one line; RARE says why a campaign need not fire it. The id of
 * a rule that goes joins these, so that none says two things in the logs of two versions.
 * Retired: G5 G11 G13 G14 G21 G22 G25 G27 G28 G31 G32 G33 G41 G42 G57 G59 S29 S45 U21 U70 U71 U72 U73 U74
 * U81 U82 U84 U85 U86 U87 U88 V71 V75 V76 W40. */
#include <breakwater/core/rules.h>

#include <string.h>

#define RULE(id, section, sentence)      {#id, section, sentence, NULL},
#define RARE(id, section, sentence, why) {#id, section, sentence, why},

#define SICK_IS_APART "services are sick in worlds of their own: breakwater-sim --often sick-service"
#define PROOF_IS_APART "an operator asks for it at the site (breakwater prove): the simulator has none"
#define LOOP_IS_NONE "a service that its own loop starts: the simulator has none"

/* clang-format off */
static const struct bw_rule rules[] = {
    /* lint: a table. The steps of the arbiter (arbiter.c), in the order of evaluation. */
    RARE(A0, "4", "nothing to do", "nothing is done")
    RULE(A36, "3.8", "a site reports that it serves without the open epoch, or may, or names what the log lacks: Claim")
    RULE(A37, "3.8", "its site, the arm of the open epoch or an operator has ended a claim: ClaimOver")
    RULE(A1, "4", "the holder gave back: Released")
    RULE(A2, "4", "a fence failed: FenceFailed")
    RULE(A20, "4", "the holder's site has seen where the service is: Reach")
    RULE(A33, "3.4", "whether a second enforcer of the holder's site is seen: SecondEnforcer")
    RULE(A34, "4", "the holder's start waits before its point of no return: Passed")
    RULE(A32, "3.3", "a fence from another site has seen the end: Fenced")
    RULE(A3, "4", "the lease lapsed: Expired")
    RULE(A4, "4", "the lease lapsed, time alone is not enough: Close")
    RULE(A25, "3.1", "a person vouches that the holder is off: Close")
    RULE(A26, "3.1", "a person vouches that the holder is off, and no lease can live: Forced")
    RULE(A5, "4", "the move took too long: Unrevoke")
    RULE(A30, "3.5", "the holder renews from another boot: Boot")
    RULE(A31, "3.8", "one site serves by a person's word, and no other: Grant")
    RULE(A6, "3.9", "the first grant: Grant")
    RULE(A7, "3.6", "the switchover's target takes over: Grant")
    RULE(A8, "3.6", "the switchover failed, its origin gets the group back: Grant")
    RULE(A9, "4", "the best candidate takes over: Grant")
    RULE(A10, "3.9", "the service was adopted: Adopted")
    RULE(A11, "3.6", "a person asked for a switchover: Revoke")
    RARE(A35, "4", "the holder cannot show that it serves, and another site could: Revoke", SICK_IS_APART)
    RULE(A12, "4", "the preferred site is back: Revoke")
    RULE(A13, "3.9", "a maintenance is over: Maintenance of no duration")

    /* The cluster's commands (cluster.c). */
    RULE(C1, "3.9", "the cluster begins: Found")
    RULE(C2, "3.9", "the group begins, above the epoch floor: SetSpec")
    RARE(C3, "5.3", "everybody can, or a person said without whom: RaiseLevel", "a newer release")
    RULE(C4, "3.9", "a majority is lost for good: what is left is the new beginning of the cluster")
    RULE(C5, "3.1", "the record is told that the epoch serves: Note")
    RULE(C6, "4", "a person asks for a move, and whoever leads goes on with it: Wish")
    RULE(C7, "4", "what a person asked for is asked for no more: WishOver")
    RULE(C8, "3.8", "a site may serve without the open epoch: Claim")
    RULE(C9, "3.8", "and does no more: ClaimOver")
    RARE(C10, "5.3", "an operator for everything sets the rights: SetPeople", "the simulator has no HTTP")

    /* The rows of the group's table (group.c): one rule may have a row in several phases. */
    RULE(G1, "3.1", "no epoch is open: Grant")
    RULE(G2, "3.1", "a planned move has begun; renewals go on: Revoke")
    RULE(G3, "3.1", "the move was given up: Unrevoke")
    RULE(G4, "3.1", "the lease is surely over: Expired")
    RULE(G6, "3.1", "the lease is surely over and no fence of it failed: Expired")
    RULE(G7, "3.1",
         "the holder gave it back; a switchover's start that failed early rolls back: Released")
    RULE(G8, "3.1", "the holder gave it back for the target: Released")
    RULE(G9, "3.1", "the holder gave it back before anyone fenced it: Released")
    RULE(G10, "3.1", "nobody confirms a renewal from here: Close")
    RULE(G12, "3.1", "the holder may serve on; time alone ends nothing: FenceFailed")
    RULE(G15, "3.1", "the site reported the adoption armed: Adopted")
    RULE(G16, "3.1", "a fence ordered after the close succeeded: Fenced")
    RULE(G17, "3.1", "a person vouches that the site is off: Forced")
    RULE(G18, "3.1", "people want it otherwise: SetSpec")
    RULE(G19, "3.1", "holder and target stay in the spec; the terms of the epoch stay pinned: SetSpec")
    RULE(G20, "3.1", "the new spec only observes: let go, untouched: SetSpec")
    RULE(G23, "3.1", "an epoch that is being fenced is not let go: SetSpec")
    RULE(G24, "3.1", "people want it otherwise: SetMode")
    RULE(G26, "3.1", "observe: let go, untouched: SetMode")
    RULE(G29, "3.1", "an epoch that is being fenced is not let go: SetMode")
    RULE(G30, "3.1", "a site is worked on: Maintenance")
    RULE(G34, "3.1", "no epoch is open; the cluster keeps its epoch as the floor: Delete")
    RULE(G40, "3.1", "its site has seen where the service is: Reach")
    RULE(G56, "3.4", "whether a second enforcer is seen: SecondEnforcer")
    RULE(G58, "4", "the holder may begin what lies behind its point of no return: Passed")
    RULE(G55, "3.1", "the epoch is renewed from one more boot: Boot")

    /* The site's machine at the agent: orders and what they lead to (core/site). */
    RULE(S1, "3.4",
         "a grant to this site is accepted: its epoch is saved before anything rests on it")
    RULE(S2, "3.7",
         "the group is granted to another instance of this site: what this one runs is stopped")
    RULE(S3, "3.5", "a newer grant came while an older epoch is open: the older one is ended first")
    RULE(S4, "3.6", "the witnesses have ordered the stop of this epoch: the service is stopped")
    RULE(S5, "3.2",
         "ordered to stand by with an epoch open: it is over elsewhere, the service is stopped")
    RULE(S6, "3.9",
         "another site was granted an epoch: this site is enforced from here on, durably")
    RULE(S7, "3.9",
         "the group was let go: the guard is told to disarm and leave the service as it is")
    RULE(S8, "3.4", "what had to be durable is on disk: the witnesses are told at once")
    RULE(S9, "4", "the service was seen to serve: the witnesses are told at once")
    RULE(S10, "4", "the start has ended, and the service did not come up in time: it is stopped")
    RULE(S11, "4", "a start is about to begin: that is saved first")
    RULE(S12, "3.4",
         "the lease lives and the service was seen stopped: the guard is told to start it")
    RARE(S53, "5.1", "a start by steps was interrupted, and status says stopped: it is ordered again, to go on",
         "a start of the simulator is one script")
    RULE(S13, "3.5", "the epoch is to end: the guard is told to stop the service")
    RULE(S14, "3.5", "the service was seen to end: the guard is asked to end the epoch")
    RULE(S15, "4",
         "the service was down failure_threshold times in a row: it is started again here")
    RULE(S16, "4",
         "the service is down and max_local_restarts are used up: stopped, so that another site may")
    RULE(S17, "4", "another site serves a newer epoch: rejoin_script makes this site follow it")
    RULE(S18, "3.4", "the agent's state could not be saved, or has a manual lease of another boot: it is saved again")
    RULE(S19, "3.5",
         "a fence has failed and none has seen the end since: the guard is told to fence again")
    RULE(S20, "3.2", "a renewal was confirmed: the guard is asked for the later deadline")
    RULE(S21, "3.9",
         "the guard has armed a lease here: this site is enforced from here on, durably")
    RULE(S22, "3.5", "the guard says that the epoch is ended: it is given back")
    RULE(S23, "3.9", "the guard has let the group go: that is saved, and nothing is enforced here")
    RULE(S24, "3.3", "a fence has failed: the witnesses are told at once")
    RULE(S25, "3.5",
         "a fence saw the end, D is over, and no guard can keep it: the epoch is given back")
    RULE(S26, "3.4",
         "the fence window has begun without the guard: its mirror is read for a later deadline")
    RULE(S27, "3.4",
         "a quarter of the fence window is over and no fence has succeeded: the agent fences")
    RULE(S28, "3.4",
         "neither guard nor mirror knows the deadline of an open epoch: the agent fences at once")
    RULE(S30, "3.9", "the guard says that the group is enforced here: that is saved")
    RULE(S31, "3.5",
         "the guard had ended the epoch and its answer was lost: the epoch is given back")
    RULE(S32, "4", "the start has failed: the service is stopped and the epoch ended")
    RULE(S33, "3.5", "the stop has failed: the guard is told to fence at once")
    RULE(S34, "4", "the rejoin has succeeded: that is saved, so that it is not run again")
    RULE(S35, "3.3",
         "status says started after the lease has ended: the witnesses are told at once")
    RULE(S36, "4",
         "what status says has changed, or is the first under a new spec: the witnesses are told")
    RULE(S37, "3.6", "readiness was measured for a move: the witnesses are told at once")
    RULE(S38, "4", "a look is due: the guard is told to run status, readiness, condition or verify")
    RULE(S39, "3.8",
         "not stopped without a lease, twice in a row (a rogue start): the guard is told to fence")
    RULE(S40, "3.8", "a rogue start was found: the witnesses are told at once")
    RULE(S41, "3.9",
         "another epoch than the open one was let go: the open one is over, the service is stopped")
    RULE(S42, "3.5",
         "an epoch that was given back is still armed at the guard: the guard is asked to end it")
    RULE(S43, "3.4",
         "the window of another instance's lease has begun: the guard's mirror is read again")
    RULE(S44, "3.4", "another instance's lease ends here and no guard fences it: the agent fences")
    RULE(S46, "3.7",
         "the guard knows a newer epoch and ours is over: nothing is left to end, it is given back")
    RULE(S47, "3.7",
         "the guard refuses a run, knowing a newer epoch, and ours is over: it is given back")
    RULE(S48, "3.9",
         "an adoption that was never armed is to end: it is given back, the service untouched")
    RULE(S49, "3.6",
         "an agent before this one had the epoch ended: readiness is asked for the final position")
    RULE(S60, "3.3",
         "the epoch is held by a failed fence: the guard is told to fence, to see the end")
    RULE(S61, "3.3", "a fence that began after the failed one has seen the end: that is saved")
    RARE(S62, "3.3",
         "it serves again after the fence that answered for a held epoch: another fence is owed",
         "a service that comes back after a fence that answered for a held epoch")
    RULE(S65, "3.8", "an operator asks for a manual lease: the witnesses are told, should they hear")
    RULE(S66, "3.8", "an operator ends a manual lease that has not begun: that is saved")
    RULE(S67, "3.8", "a manual lease is over: the witnesses are told at once")
    RULE(S70, "3.8", "an operator asks for a manual lease: that is saved, and one longest lease is waited for")
    RULE(S71, "3.8", "no other lease can live and its own epoch is over: that the manual lease has begun is saved")
    RULE(S72, "3.8", "the manual lease has begun, and that is durable: the guard is told to arm it")
    RULE(S73, "3.8", "the manual lease is armed: the guard is told to start")
    RULE(S74, "3.8", "an operator ends the manual lease: that is saved")
    RULE(S75, "3.8", "the manual lease is to end: the guard is told to fence")
    RULE(S76, "3.8", "a fence has seen the end of what a manual lease let serve: that is saved")
    RULE(S77, "3.8", "the witnesses answer before the manual lease has begun: it does not")
    RULE(S78, "3.8", "the epoch by which it was adopted is armed: the manual lease is over")
    RULE(S79, "3.8", "a start under a manual lease has failed: the guard is told to stop first")
    RARE(S80, "3.8",
         "the manual lease is to end and the guard is away, or stands still: the agent fences",
         "a guard that is away while a manual lease ends")
    RULE(S59, "3.8", "the end of a manual lease has come: that is saved, and what serves is fenced")
    RARE(S68, "3.8", "the guard has no deadline of a manual lease any more: that is saved, and what serves is fenced",
         "a guard that forgot its mirror, in the boot of the command")
    RULE(S69, "3.8", "an operator ends the manual lease: the guard is told to stop first")
    RARE(S81, "3.8", "the guard has a manual lease armed that its agent does not know: fenced",
         "an agent that fenced under a manual lease itself, or forgot it")
    RULE(S82, "3.8", "a start under a manual lease is next: that it writes is durable first")
    RARE(S83, "3.8", "a fence of the epoch by which it was adopted has begun: the manual lease is over",
         "an acknowledgement of an arm that was lost, and the deadline after it")
    RARE(S84, "3.8", "the agent fences the epoch by which it was adopted: the manual lease is over",
         "neither guard nor mirror after a restart in the middle of an adoption")
    RARE(S85, "3.8", "the guard has ended the epoch by which it was adopted: the manual lease is over",
         "an agent that ended in the middle of an adoption, and of its end")
    RARE(S86, "3.8", "its group was let go: what a manual lease lets serve is fenced first",
         "observe, delete or another spec while a site overrides")
    RARE(S99, "3.8", "a let-go that it had not heard of is over: without a service the manual lease is over",
         "observed and back, while a site that overrides hears nobody")
    RARE(S56, "3.9", "the guard has let go what was committed before the open epoch: noted, the epoch goes on",
         "a guard whose disk stands still from a let-go to the next grant")
    RARE(S87, "3.8", "another site has armed an epoch: what a manual lease lets serve is fenced",
         "an override that the witnesses could not hear")
    RULE(S88, "3.8", "a start under a manual lease has failed: the witnesses are told at once")
    RULE(S89, "3.8", "status says started under a manual lease: the witnesses are told at once")
    RARE(S63, "3.3",
         "stopped without a lease, and its last fence has failed: the guard is told to fence again",
         "a guard that begins anew after a fence that failed where nothing is held")
    RARE(S64, "3.9",
         "let go after a fence that failed, and status has said the same twice: the fence is over",
         "a let-go after a fence that failed where nothing is held")
    RULE(S90, "3.4",
         "the guard is away: its mirror is read now and then for what another agent armed")
    RULE(S91, "3.4", "the guard is back and another instance's lease is armed: its mirror is read")
    RARE(S92, "3.4",
         "the guard takes no lease of this epoch any more: the service is stopped, to give it back",
         "a service that comes back while its end is written down")
    RARE(S57, "3.8",
         "the guard has fenced an epoch that this agent has forgotten: it is stopped, to give it back",
         "an agent whose state is put back as its guard fences")
    RARE(S93, "4", "the service serves and this agent began no start: that is saved as if it had",
         "a service that nobody here has begun")
    RARE(S94, "4",
         "the guard knows of a start that the agent's state does not: the guard's word is saved",
         "an agent whose state is an older copy")
    RARE(S95, "3.3",
         "the epoch is held by a failed fence and the guard is away: the agent fences, to see the end",
         "an order that comes after the epoch was given back, while the guard is away")
    RARE(S96, "3.8",
         "granted beside an override, never armed, and no leader answers: it is given back untouched",
         "a leader that grants where a site overrides, and is gone before it confirms")
    RARE(S58, "3.8", "the agent stood still: the wait of a manual lease begins anew",
         "an agent that is stopped, or a machine that is paused, while its site waits to override")
    RARE(S97, "3.8",
         "the stop after a start under a manual lease has failed: that is its end, which is saved",
         "a start and a stop that fail at a site which overrides")
    RULE(S54, "4",
         "a start waits before its point of no return, or serves already: the witnesses are told at once")
    RULE(S55, "4", "that it may pass is committed: the guard is told")
    RARE(S100, "4", "it runs and does not do its work: it is stopped, and started again under its epoch", SICK_IS_APART)
    RARE(S101, "4", "the stop before that start", SICK_IS_APART)
    RARE(S102, "4", "that stop was not seen: it is fenced, and given back", SICK_IS_APART)
    RARE(S103, "3.4", "an operator asks for the proof of its reach: stopped, the last time by a KILL, and started again",
         PROOF_IS_APART)
    RULE(S104, "3.9", "an order names a higher epoch or index: written down, since a witness may lose it")
    RULE(S98, "3.4", "what is made of a second enforcer has changed: the witnesses are told at once")
    RULE(S50, "3.3",
         "a leader asks for a fence of another site's closed epoch: the guard is told to run it")
    RULE(S51, "3.3", "a fence of another site's epoch has begun: the witnesses are told at once")
    RULE(S52, "3.3", "a fence of another site's epoch has ended: the witnesses are told at once")

    /* The guard: deadlines, ends of epochs, letting go, hello (core/guard). */
    RULE(U1, "3.4",
         "the deadline moves: the mirror is written before the agent hears that it is armed")
    RULE(U2, "3.4", "an arm is refused; why= says what forbids it")
    RULE(U3, "3.4", "the first arm of an epoch: epoch and enforced bit are saved before it counts")
    RULE(U4, "3.4", "the mirror could not be written: the deadline stays and the arm is refused")
    RULE(U5, "3.4", "the mirror has the new deadline: the agent is told that it is armed")
    RULE(U6, "3.4",
         "the epoch was seen to end before, and the answer was lost: the agent is told again")
    RULE(U7, "3.4", "the end of an epoch is refused; why= says what forbids it")
    RULE(U8, "3.4",
         "the epoch is to end: it is saved that no arm or run up to it is taken any more")
    RULE(U9, "3.9", "this let-go was done before: the agent is told again")
    RULE(U10, "3.9", "the group was let go: that is saved before the deadline is disarmed")
    RULE(U11, "3.4", "the guard's state could not be saved: the arm is refused")
    RULE(U12, "3.4", "the guard's state could not be saved: the end of the epoch is refused")
    RULE(U13, "3.4", "the guard's state could not be saved: the run is refused")
    RULE(U14, "3.4", "the epoch was seen to end: the mirror says that it is disarmed")
    RULE(U15, "3.4", "the epoch was seen to end: the agent is told")
    RULE(U16, "3.9", "the group was let go: the mirror says that it is disarmed")
    RULE(U17, "3.9", "the group was let go: the agent is told")
    RULE(U18, "3.4", "the higher epoch of a run is saved: the run begins")
    RULE(U19, "3.4", "an agent has said hello: it is told all that the guard knows of the group")
    RULE(U20, "3.4", "an action was cut short by a restart of the guard: the agent is told")
    RULE(U30, "3.4", "a look has shown whether the guard can end the service: that is saved")
    RARE(U80, "3.4", "the lease is to end: its own loop may start the service no more", LOOP_IS_NONE)
    RARE(U83, "3.3", "an arm, an end or a start is asked for: a fence of another site's service makes way for it",
         "a grant in the moment of a remote fence")
    RULE(U41, "3.4", "an arm came while something else is being saved: refused as busy")
    RULE(U42, "3.4",
         "while the first arm was being saved something came to forbid it: it is refused")
    RULE(U43, "3.4",
         "the end of an epoch was asked for while something is being saved: refused as busy")
    RARE(U44, "3.4",
         "while the end of an epoch was being saved something came to forbid it: it is refused",
         "an end that meets a save under way")
    RARE(U60, "3.4", "the look for the end did not see one: the end of the epoch is refused",
         "a service that comes back while its end is written down")
    RARE(U89, "3.4", "the look for the end found something of a start left: the mirror says that no end was seen",
         "a service that comes back while its end is written down")

    /* The guard: runs of scripts (guard/run.c, guard/fence.c). */
    RULE(V1, "3.4", "a run is refused; why= says what forbids it")
    RULE(V2, "3.4", "a look begins: status, readiness, condition or verify")
    RULE(V3, "3.4",
         "a stop is ordered while a start or rejoin runs: that is killed, the stop waits for it")
    RULE(V4, "3.4", "an action begins: start, stop or rejoin")
    RULE(V5, "3.4", "a run of a higher epoch than any seen: the epoch is saved first")
    RULE(V6, "3.4", "a script's process is made: it is written to the mirror before it is let run")
    RULE(V7, "3.4", "a script is let run; a start only before D - F")
    RULE(V8, "3.4", "a script runs: the agent is told")
    RULE(V9, "3.2", "the look after a stop has seen the end: the mirror is written")
    RULE(V10, "4", "the look after a stop has seen the end, or not in time: the agent is told")
    RULE(V11, "3.3", "status has changed what is known of the service's end: the mirror is written")
    RULE(V12, "3.4", "a look has ended: the agent is told what it said")
    RULE(V13, "3.4", "an action has ended: the agent is told how")
    RULE(V14, "3.4", "what it waited for is gone: the stop begins")
    RULE(V15, "3.4", "a script has ended: the mirror is written")
    RULE(V16, "4", "a stop_script has ended: status looks whether the service has")
    RULE(V17, "3.4",
         "the guard has just started, and has not seen yet whether something serves without a deadline: "
         "status looks")
    RULE(V18, "3.4", "the mirror could not be written: the script is not let run, but killed")
    RULE(V19, "3.2",
         "the service is stopped, but what its start began is still there: it gets TERM")
    RULE(V40, "3.4",
         "a stop of a higher epoch than any seen: it begins at once and waits for no disk")
    RULE(V41, "3.5", "a look of the agent runs where an end is looked for, and can tell nothing of that: it makes way")
    RULE(V60, "3.2",
         "the stop ran into its limit in this epoch: the fence begins with a look instead of it")
    RULE(V61, "3.2",
         "what a start had left behind is gone: stop_script runs once more for what it had ordered")
    RULE(V62, "3.4", "the end of an epoch is saved: status looks whether the service has ended")
    RARE(V70, "3.4", "it serves under its lease: its own loop may start it, which is mirrored first",
         LOOP_IS_NONE)
    RARE(V72, "3.4", "the mirror has it: its own loop may start the service", LOOP_IS_NONE)
    RARE(V73, "3.4", "the start of its own loop is told as what it came to at the guard",
         LOOP_IS_NONE)
    RARE(V74, "3.4", "no start of its own loop can be under way any more", LOOP_IS_NONE)
    RULE(V77, "4", "what lies behind the point of no return may begin: the start that runs is told")
    RARE(V78, "3.4", "an operator asks for the proof of its reach: all in it is killed in place of a stop script",
         PROOF_IS_APART)
    RARE(V79, "3.4", "that KILL is refused, or nobody has seen the end that it was to bring", PROOF_IS_APART)

    /* The guard: fences (guard/fence.c). */
    RULE(W1, "3.2", "a fence is ordered by the agent, or due at the guard's start: it begins")
    RULE(W2, "3.2", "the fence has succeeded: stop_script cleans up")
    RULE(W3, "3.2", "everything in reach was killed: the last look begins")
    RULE(W4, "3.2", "what this fence has killed is gone: its script begins")
    RULE(W5, "3.2", "the fence's script has ended: status looks")
    RULE(W6, "3.2", "the look has seen that nothing serves or is left: the fence has succeeded")
    RULE(W7, "3.2", "the look has not seen the end: everything in reach gets TERM, then KILL")
    RULE(W8, "3.2", "the last look was killed, and has seen nothing: it is repeated")
    RULE(W9, "3.2", "the last look is over: the fence has succeeded or failed by what it saw")
    RULE(W10, "3.2", "D - F without a newer confirmation: what runs is killed, the fence begins")
    RULE(W11, "3.2", "the fence's time for KILL has come: everything in reach is killed")
    RULE(W12, "3.2", "the fence's time for TERM has come: everything in reach gets it")
    RULE(W13, "3.3", "the last fence has failed: another begins")
    RULE(W14, "3.2", "the last look did not end in time: the fence has failed")
    RULE(W15, "3.2", "stopped, but what was killed or left behind may still act: another look")
    RULE(W16, "3.2",
         "the service is stopped, but what its start began is still there: it gets TERM, then KILL")
    RULE(W20, "3.2", "the look after the script was killed, and has seen nothing: it is repeated")
    RULE(W30, "3.2",
         "the script that ran beside KILL, or after it, has ended: the last look begins")
    RULE(W31, "3.2", "D is reached: the script that still runs is killed")
    RARE(W32, "3.3",
         "the service serves again: what was seen to end before counts no more",
         "a look that meets a save under way")
    RULE(W33, "3.2",
         "everything in reach was killed: the script runs once more for what that had ordered")
    RARE(W34, "3.2",
         "what a start had left behind is gone: the script runs once more for what it had ordered",
         "a script that runs once more for what a start has left behind")

    /* The agent's own fence (own_fence.c). */
    RULE(F1, "3.4", "the agent's own fence begins with its script")
    RULE(F2, "3.4", "the script is over, or has no time: status looks")
    RULE(F3, "3.2", "the fence's time for TERM has come: everything in reach gets it")
    RULE(F4, "3.2",
         "the fence's time for KILL has come: everything in reach is killed, and what runs")
    RULE(F5, "3.2", "no look has seen the end, or no script could be run: KILL follows at once")
    RULE(F6, "3.2", "status said stopped: is anything left of what a start began?")
    RULE(F7, "3.2", "something is left of what a start began: KILL follows at once")
    RULE(F8, "3.2", "KILL by the next of the means that this site has")
    RULE(F9, "3.2", "the script had no time before: it runs after KILL")
    RULE(F10, "3.2", "after KILL: the last look")
    RULE(F11, "3.2", "the agent's own fence has succeeded: the end was seen")
    RULE(F12, "3.2", "the agent's own fence has failed: the end was not seen")
    RARE(F30, "3.2", "D is reached: the script that still runs is killed",
         "an agent's own fence of a service outside")
    RULE(F31, "3.2",
         "what a start left behind was killed: the script runs once more for what it had ordered")

    /* The second enforcer (second.c). */
    RULE(E1, "3.4", "a second enforcer hears of a newer epoch: it takes its deadline, durably")
    RULE(E2, "3.4", "nothing of the epoch is left to end: its second enforcer rests")
    RULE(E3, "3.4", "a second enforcer has seen what its agent says serves: that is kept")
    RULE(E4, "3.4", "a second enforcer sees something else than before: its agent is told at once")
    RULE(E5, "3.4", "what the second enforcer has fenced serves again: it is fenced again")
    RULE(E6, "3.4", "what a second enforcer keeps is durable: its agent is told at once")
    RULE(E7, "3.4", "the second enforcer runs the fence script")
    RULE(E8, "3.4", "a second enforcer looks at the service")
    RULE(E9, "3.4", "the fence window has come, and no word of more: the second enforcer fences")
    RULE(E10, "3.2", "the second enforcer's script has ended well: only a look that begins now has seen the end")
    RULE(E11, "3.4", "what a second enforcer could not keep is written again")
    RULE(E12, "3.4",
         "a second enforcer was told a deadline, or nothing is left to end: that is mirrored, for after a restart")
    RARE(E13, "3.4", "the scripts of a second enforcer are others than before: what it has agreed on, or proved, counts no more",
         "its scripts never change in the simulator")
    RARE(E14, "3.4", "the agent of a second enforcer is of another cluster than what that keeps: that is forgotten",
         "its agent is of one cluster in the simulator")
    RARE(E15, "3.4", "a second enforcer fences under a lease that goes on, to prove that it can", PROOF_IS_APART)
    RARE(E16, "3.4", "the proof of a second enforcer's fence is over: the outcome is kept, and the agent told at once",
         PROOF_IS_APART)

    /* From who votes to who is to vote (members.c): one step at a time. */
    RULE(M1, "3.9", "a change of who votes is under way: waited for")
    RULE(M2, "3.9", "the next change waits until each live voter has an entry from after the last")
    RULE(M3, "3.9", "a new member is added, without a vote")
    RULE(M4, "3.9", "a new member is sent the log")
    RULE(M5, "3.9", "a new member votes once it has caught up")
    RULE(M6, "3.9", "a leader that is to be removed hands over first")
    RULE(M7, "3.9", "who leaves votes no more, once the others are a live majority without it")
    RULE(M8, "3.9", "who has left stands in the roster no more")

    /* What libraft leaves open between itself and its disk and network (consensus/safe_io.h). */
    RULE(L1, "3",
         "a write of term, vote or entries failed, unnoticed by libraft: the witness stops")
    RULE(L2, "3", "a vote that is durable already is not written again through \"no vote\"")
    RULE(L3, "3", "no write of the log gets on: libraft's retry is not safe, the witness stops")
    RULE(L4, "3", "a snapshot came while one is being taken: it is dropped, and sent again")
    RULE(L5, "3", "a snapshot newer than planned is sent with its own term")
    RULE(L6, "3", "a snapshot could not be read: the message that needs it is dropped")
    RARE(L7, "3",
         "a batch of entries is cut before a change of members", "no member changes in a campaign")
    RARE(L8, "3",
         "a snapshot whose members may be older than its index is refused, and tried again",
         "no member changes in a campaign")
    RULE(L10, "3", "libraft's term and vote were behind the checked copy, which is believed")
    RULE(L11, "3",
         "a live peer does not take what is committed: perhaps its log was cut (raft.peer_behind)")
    RULE(L12, "3", "a pre-vote of a low term is answered with the higher one")
    RARE(L13, "3", "votes tell no free disk space, so that no new leader breaks off for want of it",
         "done to each vote, and not counted")
    RULE(L14, "3", "a leader's commit index counts up to what its message vouches for")
    RULE(L15, "3", "a leader of an old term is refused without an index that nobody wrote")
    RULE(L16, "3", "a follower hears its own term in a late vote")
    RARE(L20, "3", "a member that does not know itself as this incarnation grants no vote",
         "its peers refuse such a member before it is asked")
    RULE(L21, "3",
         "on an empty log only the founder stands for election; who has no more than the roster needs "
         "all votes")
    RULE(L22, "3", "a peer of another incarnation than the one known is not heard")
    RARE(L23, "3",
         "blank segments and those before a snapshot are removed before libraft meets them",
         "the simulator's log has no segments")
    RARE(L24, "3", "a truncation that a crash has cut short is finished at the next start",
         "the simulator's log has no segments")
    RARE(L25, "3.9", "who is asked for its vote grants it, also where its own configuration has it without one",
         "a leader has to go just as it gives somebody a vote")
    RARE(L26, "3.9", "who has no vote, as far as is known, asks for none past a leader that is heard",
         "a leader has to hand over to one of whose vote somebody has not heard yet")
    RARE(L27, "3", "a snapshot whose install ends in a close counts as given up, so that libraft frees it",
         "a witness has to end in the moment in which an install does")
    RULE(L28, "3.9", "the only voter begins a term of its own at each start: it leads at once")
    RARE(L29, "3", "a log segment could not be closed, unnoticed by libraft: the witness stops before another is",
         "the simulator's log has no segments")
    RARE(L30, "3", "entries could not be cut off the log, unnoticed by libraft: the witness stops, and cuts them at its start",
         "the simulator's log has no segments")
    RARE(L31, "3", "the newest snapshot cannot be read: nothing is started in its place from an older one",
         "the simulator's snapshots are no files")
    RULE(L32, "3", "a message sends a copy of its entries: the log may drop its own meanwhile")
    RARE(L33, "3.9", "a leader, or a log at its start, lacks what this witness knows to be decided: the witness ends",
         "no directory there goes back in time")
    RULE(L34, "3", "a new entry is sent at once to a follower that would get it with the next heartbeat")
};
/* clang-format on */
#define RULE_COUNT (sizeof rules / sizeof rules[0])

const struct bw_rule *bw_rules(size_t *out_count)
{
    *out_count = RULE_COUNT;
    return rules;
}

const struct bw_rule *bw_rule_find(const char *id)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (strcmp(rules[i].id, id) == 0)
            return &rules[i];
    return NULL;
}
