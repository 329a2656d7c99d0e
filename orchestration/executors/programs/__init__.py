"""Programs that run inside the sandbox, by the standard library alone."""
