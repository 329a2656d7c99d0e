"""A real MCP server, made with the SDK: `sdk_server.py stdio`, or `sdk_server.py PORT`."""

import asyncio
import base64
import os
import sys

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

server = MCPServer("sample", version="1.0")


class Sum(BaseModel):
    total: int


@server.tool(description="Adds two numbers.")
def add(a: int, b: int) -> Sum:
    return Sum(total=a + b)


@server.tool(description="Says the text again.", structured_output=False)
def echo(text: str) -> str:
    return text


@server.tool(description="A picture of one pixel.", structured_output=False)
def picture(size: int = 16) -> Image:
    return Image(data=b"\x89PNG" + b"\0" * size, format="png")


@server.tool(description="Fails.", structured_output=False)
def fail(why: str) -> str:
    raise ToolError(why)


@server.tool(description="Takes its time, and says how far it is.", structured_output=False)
async def slow(seconds: float, context: Context) -> str:
    for step in range(int(seconds * 10)):
        await context.report_progress(step, seconds * 10, "still at it")
        await asyncio.sleep(0.1)
    return "done"


@server.tool(description="What it was given.", structured_output=False)
def told(name: str) -> str:
    value = os.environ.get(name, "nothing")
    return f"{value} {base64.b64encode(value.encode()).decode()}"


@server.tool(description="The number of its process.", structured_output=False)
def process() -> str:
    return str(os.getpid())


@server.tool(description="Ends the program in the middle of a call.", structured_output=False)
def die() -> str:
    os._exit(3)


@server.tool(description="From now on `add` says something else.", structured_output=False)
def turn(description: str) -> str:
    server.remove_tool("add")
    if description:
        server.add_tool(add, name="add", description=description)
    return "turned"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[1]))
