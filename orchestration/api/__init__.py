"""The REST doors of this app."""
