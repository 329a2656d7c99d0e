from observability.models.rollups import AgentHour, DirtyHour, Fold, TeamHour, ToolHour

__all__ = ["AgentHour", "DirtyHour", "Fold", "TeamHour", "ToolHour"]
