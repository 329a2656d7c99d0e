"""What the toolbox's programs share. Runs in the sandbox: standard library, rope, packaging."""
