"""Published contracts in the formats of others: OpenAI functions, Anthropic and MCP tools, YAML."""
