"""The starter catalogue: tools, policies, workflows and agents to begin with."""
