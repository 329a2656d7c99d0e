"""What a project may hold at most. Every refusal names the limit that it met."""

MIB = 1024 * 1024

FILE_BYTES = 1 * MIB
IMPORT_FILE_BYTES = 16 * MIB
FILES = 20_000

PATH_CHARACTERS = 500
NAME_BYTES = 255
LINK_BYTES = 4095

DECISIONS = 100
DECISION_CHARACTERS = 10_000
RATIONALE_CHARACTERS = 20_000
SUMMARY_CHARACTERS = 2_000
STATUS_CHARACTERS = 60
NEXT_STEP_CHARACTERS = 200


def file_bytes(kind: str) -> int:
    """Bytes that one file may have in a changeset of this kind; an import brings larger ones."""
    return IMPORT_FILE_BYTES if kind == "import" else FILE_BYTES


def size(number: int) -> str:
    """Bytes for people to read."""
    return f"{number // MIB} MiB" if number % MIB == 0 else f"{number} bytes"
