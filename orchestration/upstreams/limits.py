"""How much an upstream may take of us. What it sends is hostile: everything has a bound."""

# One message: a line over standard output, a response or an event over HTTP.
MESSAGE_BYTES = 8 << 20
# Of one HTTP response, whatever it holds.
RESPONSE_BYTES = 16 << 20
# Messages that answer nothing (notifications, requests), between two answers.
UNASKED = 1_000
# Lines that are no JSON-RPC, in the life of a program.
MALFORMED = 50
STDERR_BYTES = 8 << 10

PAGES = 100
TOOLS = 2_000
DEFINITION_BYTES = 256 << 10
LIST_BYTES = 8 << 20
NAME_LENGTH = 200
# Of one image or other binary content, as base64; a larger one is told of and left out.
BLOCK_BYTES = 1 << 20
BLOCKS = 1_000
TEXT_OF_ERROR = 2_000

OPEN_SECONDS = 30.0
LIST_SECONDS = 60.0
CLOSE_SECONDS = 5.0
# A program that was started once is ended after a while, so that what it leaked goes with it.
LIFE_SECONDS = 3_600.0
IDLE_SECONDS = 300.0
# How old a list may be when a call relies on it.
FRESH_SECONDS = 60.0
SESSIONS = 32
AT_ONCE = 32
"""Calls of one upstream that one process has under way; more wait, on their own time."""
