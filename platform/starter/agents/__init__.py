"""The starter agents: real work without any model, through the REST API that every agent uses."""
