#pragma once
/* `svc @engine RUN_DIR`: the engine of one stack, a child of the keeper (keeper.h), which starts it
 * again when it dies. Loads the resolved stack from RUN_DIR, makes what is missing, keeps it so,
 * serves the control socket. Observes, plans, acts: after a crash it goes on from the journal and
 * from what the keeper held. fd 3 is the keeper's channel. Returns the exit code. */
int engine_main(int argc, char **argv);
