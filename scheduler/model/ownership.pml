/* Who may write of a run: claim, fence, finish, cancel and adopt, for two nodes, one run of one task, and a target.
 *
 * What is checked, by assertions and by the claim `ends`:
 *   - a final state never changes, and no attempt begins while an earlier one of the run is on record as running;
 *   - a host works only for an attempt that is on record, whatever becomes of the commit's answer;
 *   - the target takes the rows once, and a run is completed only when it has them, also where the store forgets its last
 *     commits (-D FAIL_OVER, once), which the target does not;
 *   - the run ends, however the (at most FAULTS) faults fall.
 *
 * A node that freezes is one that the checker does not let move, so it needs no statement of its own; that is also why
 * nothing here relies on a node's killing its hosts in time. -D SKIP_FENCE and its kin leave one rule out; the checker must
 * then find a fault (tests/scheduler/model_test). README.md beside this file says where each step is in the code.
 */
#ifndef FAULTS
#define FAULTS 3
#endif

mtype = { pending, running, completed, cancelled };       /* the task run on record */
mtype = { none, working, loaded, dead };                  /* a node's host */
mtype = { nothing, begin_attempt, finish, cancel };       /* what a commit writes */

#define is_final(s) (s == completed || s == cancelled)

/* The store: durable, each transaction one atomic step. */
byte node_epoch[2], node_seq[2];
bool lease_over[2];
byte run_epoch, attempts;
mtype task = pending;
byte epochs;                                              /* as many as were ever made: an epoch is never made twice */

/* A transaction whose connection broke before the answer: it may still arrive, or never. */
mtype late_change[2] = nothing;
byte late_epoch[2], late_seq[2];

byte line;                                                /* raised when the store fails over */
#ifdef FAIL_OVER
/* A standby that lags: what it has is what the store had at some moment. It takes over once; connections end, and what is on its way
 * to the former server is lost. Who was told of more than it has must notice. */
byte old_node_epoch[2], old_node_seq[2], old_run_epoch, old_attempts;
bool old_lease_over[2], has_failed_over;
mtype old_task;
#endif

/* The target: its ledger, and how often its rows were written. */
bool in_ledger;
byte rows;

mtype host[2] = none;
byte host_attempt[2], host_line[2];
bool crash[2], cancel_wanted;
byte faults;

inline apply(change) {
    assert(!is_final(task));
    if
    :: change == begin_attempt -> attempts++; task = running
    :: change == finish -> assert(task == running && in_ledger); task = completed
    :: change == cancel -> task = cancelled
    fi
}

/* One transaction of a node's journal: the fence row first. */
inline transact(n, its_epoch, its_seq, change, written) {
    if
#ifdef SKIP_FENCE
    :: true ->
#else
    :: node_epoch[n] == its_epoch && node_seq[n] == its_seq ->
#endif
        node_seq[n]++;
        lease_over[n] = false;
        apply(change);
        written = true
#ifndef SKIP_FENCE
    :: else -> written = false
#endif
    fi
}

/* The node's memory of the store's timeline: history is lost to who finds another. */
#if defined(FAIL_OVER) && !defined(IGNORE_LOST)
#define as_left (line_known == line)
#else
#define as_left true
#endif
#ifdef FAIL_OVER
#define LINE_KNOWN line_known
#else
#define LINE_KNOWN 0
#endif

/* `written`: it is in the store. Not written: we are fenced. A lost answer is settled by the fence row: whoever finds his
 * number raised by one has written, and a transaction that arrives after its repetition finds another number. */
inline look(n) {
    atomic {
        if
        :: as_left && node_epoch[n] == epoch && node_seq[n] == seq + 1 -> seq++; written = true
        :: else -> written = false
        fi
    }
}

inline commit(change) {
    if
    :: atomic { as_left -> transact(n, epoch, seq, change, written); if :: written -> seq++ :: else fi }
    :: atomic { !as_left -> written = false }            /* history is lost: what is remembered is worth nothing */
    :: atomic { as_left && faults < FAULTS && late_change[n] == nothing ->
           faults++; late_change[n] = change; late_epoch[n] = epoch; late_seq[n] = seq };
#ifdef ASSUME_WRITTEN
       written = true; seq++
#else
       look(n);
       if
       :: written
       :: !written ->
           atomic { if :: as_left -> transact(n, epoch, seq, change, written) :: else -> written = false fi;
                    if :: written -> seq++ :: else fi };
           if :: written :: !written -> look(n) fi       /* the late one came first */
       fi
#endif
    fi
}

proctype Node(byte n) {
    byte epoch, seq, attempt;
#ifdef FAIL_OVER
    byte line_known;
#endif
    bool written, mine;
boot:
    /* The lock of the state folder: our former self is dead, its hosts ended with it. A transaction of it may be on its way. */
    atomic {
        host[n] = none; mine = false; written = false; seq = 0; attempt = 0;
#ifdef COUNT_EPOCHS
        epoch = 1;          /* an epoch that can come back */
#else
        epochs++; epoch = epochs;
#endif
        node_epoch[n] = epoch; node_seq[n] = 0; lease_over[n] = false
#ifdef FAIL_OVER
        ; line_known = line
#endif
    }
    {
        do
        :: atomic { !mine && !is_final(task) ->     /* adopt: one transaction */
               if
               :: lease_over[1 - n] && node_epoch[1 - n] == run_epoch ->
#ifndef NO_VOID
                   epochs++; node_epoch[1 - n] = epochs
#else
                   run_epoch = 0
#endif
               :: else
               fi;
               if
               :: run_epoch == 0 || (run_epoch != node_epoch[0] && run_epoch != node_epoch[1]) -> run_epoch = epoch; mine = true
               :: run_epoch == epoch -> mine = true
               :: else
               fi;
               attempt = 0 }
        :: mine && !is_final(task) && !cancel_wanted && (host[n] == none || host[n] == dead) ->
#ifdef WORK_BEFORE_RECORD
               atomic { host[n] = working; host_attempt[n] = attempts + 1; host_line[n] = line }
#endif
               commit(begin_attempt);
               if
               :: written -> atomic { host[n] = working; attempt = attempts; host_attempt[n] = attempts; host_line[n] = LINE_KNOWN }
               :: else -> goto boot         /* fenced: hosts are killed, the process ends and is started again */
               fi
        :: mine && host[n] == loaded && !cancel_wanted ->
               commit(finish);
               if :: written -> host[n] = none; mine = false :: else -> goto boot fi
        :: mine && cancel_wanted && !is_final(task) ->
               commit(cancel);
               if :: written -> host[n] = none; mine = false :: else -> goto boot fi
#ifdef FAIL_OVER
        :: atomic { is_final(task) && (mine || host[n] != none) -> mine = false; host[n] = none }
        :: atomic { is_final(task) && has_failed_over -> break }
#else
        :: is_final(task) -> mine = false; host[n] = none; break
#endif
        od
    } unless { atomic { crash[n] -> crash[n] = false; } goto boot }
}

/* A host's load is one transaction of the target. */
active proctype Hosts() {
    byte n;
end:
    do
    :: atomic { host[0] == working -> n = 0; goto load }
    :: atomic { host[1] == working -> n = 1; goto load }
    od;
load:
    atomic {
        if
        :: host[n] == working ->
            assert(host_attempt[n] <= attempts || host_line[n] != line);    /* of what the store has forgotten it may be */
#ifdef NO_LEDGER
            rows++; in_ledger = true;
#else
            if :: !in_ledger -> in_ledger = true; rows++ :: else fi;
#endif
            assert(rows <= 1);
            host[n] = loaded
        :: else
        fi
    }
    goto end
}

active proctype Faults() {
end:
    do
    :: atomic { faults < FAULTS -> faults++; if :: lease_over[0] = true :: lease_over[1] = true fi }
    :: atomic { faults < FAULTS -> faults++; if :: crash[0] = true :: crash[1] = true fi }
    :: atomic { faults < FAULTS && host[0] == working -> faults++; host[0] = dead }
    :: atomic { faults < FAULTS && host[1] == working -> faults++; host[1] = dead }
    :: atomic { !cancel_wanted && !is_final(task) -> cancel_wanted = true }
    od
}

/* What is late arrives, or is lost. */
active proctype Network() {
    bool ignored;
end:
    do
    :: atomic { late_change[0] != nothing ->
           transact(0, late_epoch[0], late_seq[0], late_change[0], ignored); late_change[0] = nothing }
    :: atomic { late_change[1] != nothing ->
           transact(1, late_epoch[1], late_seq[1], late_change[1], ignored); late_change[1] = nothing }
    :: atomic { late_change[0] != nothing -> late_change[0] = nothing }
    :: atomic { late_change[1] != nothing -> late_change[1] = nothing }
    od
}

#ifdef FAIL_OVER
active proctype FailOver() {
    atomic {
        old_node_epoch[0] = node_epoch[0]; old_node_epoch[1] = node_epoch[1]; old_node_seq[0] = node_seq[0]; old_node_seq[1] = node_seq[1];
        old_lease_over[0] = lease_over[0]; old_lease_over[1] = lease_over[1];
        old_run_epoch = run_epoch; old_attempts = attempts; old_task = task
    }
    atomic {
        node_epoch[0] = old_node_epoch[0]; node_epoch[1] = old_node_epoch[1]; node_seq[0] = old_node_seq[0]; node_seq[1] = old_node_seq[1];
        lease_over[0] = old_lease_over[0]; lease_over[1] = old_lease_over[1];
        run_epoch = old_run_epoch; attempts = old_attempts; task = old_task;
        late_change[0] = nothing; late_change[1] = nothing;
        line++; has_failed_over = true
    }
}
#endif

init { atomic { run Node(0); run Node(1) } }

#ifdef FAIL_OVER
ltl ends { <> [] (task == completed || task == cancelled) }
#else
ltl ends { <> (task == completed || task == cancelled) }
#endif
