"""What the commands' exit codes mean, beyond 0 (all well), 1 (not all well) and 2 (wrong usage)."""

INTERRUPTED = 130
