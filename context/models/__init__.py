from context.models.changes import Changeset, Decision
from context.models.files import Blob, File, FileVersion, ReadMark
from context.models.projects import Project

__all__ = ["Blob", "Changeset", "Decision", "File", "FileVersion", "Project", "ReadMark"]
