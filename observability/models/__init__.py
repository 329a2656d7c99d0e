from observability.models.rollups import AgentHour, DirtyHour, Fold, TeamHour, ToolHour
from observability.models.usage import UsageDay, UsageHour

__all__ = ["AgentHour", "DirtyHour", "Fold", "TeamHour", "ToolHour", "UsageDay", "UsageHour"]
