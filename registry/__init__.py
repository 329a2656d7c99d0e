"""What exists: users, teams, agents, credentials, tools and their versions."""
