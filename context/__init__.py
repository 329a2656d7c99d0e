"""What is known: projects, files by version, decisions, changesets."""
