"""The REST doors of the registry."""
