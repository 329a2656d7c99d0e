"""Words for people."""


def sentence(text: str) -> str:
    """The text with a capital first and a full stop last; names inside it stay as they are."""
    return text[:1].upper() + text[1:] + "."
