from observability.models.rollups import AgentHour, ToolHour

__all__ = ["AgentHour", "ToolHour"]
