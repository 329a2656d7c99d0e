"""The registry's pages: the tools that there are, and each tool's documentation."""
