"""Other formats become drafts of tools: read a document, plan what it changes, apply the plan.

`openapi`, `mcp`, `functions` and `messages` read a document each and know nothing of the database;
`planning` compares their drafts with the registry and writes them, all or none.
"""
