"""What runs a tool: one table, kind to callable. An executor sees values and never the ORM."""
