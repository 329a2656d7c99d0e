"""What happens: tool calls, workflows, runs, steps, agent tasks."""
