"""Carries what Erlang nodes say to each other, so that tests can cut a node off: nothing arrives, nothing is refused.

A process of its own. For each node it plays the port mapper (epmd), which names to a node, for each of the others,
a port here that leads there. While a node is cut off, nothing is read from its links, as behind a broken switch:
senders fill their buffers and hear nothing, new connections stay silent. Afterwards what was sent arrives.

Port mapper's protocol: https://www.erlang.org/doc/apps/erts/erl_dist_protocol
"""

import argparse
import asyncio
import contextlib
import json
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

ALIVE, ALIVE_ANSWER, PORT_PLEASE, PORT_ANSWER, NAMES = 120, 118, 122, 119, 110
CHUNK_BYTES = 65_536
Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Network:
    """Nodes `[{"name", "epmd", "dist"}]` and the ports that lead from each to each: `links[from][to]`."""

    def __init__(self, nodes: list[dict[str, Any]], links: list[list[int]]) -> None:
        self._nodes, self._links = nodes, links
        self._registered: set[str] = set()
        self._cut: set[int] = set()
        self._changed = asyncio.Condition()

    async def serve(self, control: int) -> None:
        """Until it is ended. `control` is the port that takes the lines `cut INDEX` and `heal`, each answered `ok`."""
        for here, node in enumerate(self._nodes):
            await asyncio.start_server(self._mapper_of(here), "127.0.0.1", node["epmd"])
            for there in range(len(self._nodes)):
                if there != here:
                    await asyncio.start_server(self._link(here, there), "127.0.0.1", self._links[here][there])
        server = await asyncio.start_server(self._obey, "127.0.0.1", control)
        await server.serve_forever()

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().split():
            async with self._changed:
                if line[0] == "cut":
                    self._cut.add(int(line[1]))
                else:
                    self._cut.clear()
                self._changed.notify_all()
            writer.write(b"ok\n")
            await writer.drain()
        writer.close()

    def _mapper_of(self, here: int) -> Conversation:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                (length,) = struct.unpack(">H", await reader.readexactly(2))
                await self._answer(here, await reader.readexactly(length), reader, writer)
            writer.close()

        return answer

    async def _answer(
        self, here: int, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if request[0] == ALIVE:
            (length,) = struct.unpack_from(">H", request, 9)
            name = request[11 : 11 + length].decode()
            self._registered.add(name)
            writer.write(struct.pack(">BBI", ALIVE_ANSWER, 0, int(time.time())))
            await writer.drain()
            await reader.read()  # a node is registered for as long as it keeps this connection
            self._registered.discard(name)
        elif request[0] == PORT_PLEASE:
            writer.write(self._port_of(here, request[1:].decode()))
            await writer.drain()
        elif request[0] == NAMES:
            ports = {node["name"]: node["dist"] for node in self._nodes if node["name"] in self._registered}
            lines = "".join(f"name {name} at port {port}\n" for name, port in ports.items())
            writer.write(struct.pack(">I", self._nodes[here]["epmd"]) + lines.encode())
            await writer.drain()

    def _port_of(self, here: int, name: str) -> bytes:
        there = next((index for index, node in enumerate(self._nodes) if node["name"] == name), None)
        if there is None or name not in self._registered:
            return struct.pack(">BB", PORT_ANSWER, 1)
        port = self._nodes[there]["dist"] if there == here else self._links[here][there]
        head = struct.pack(">BBHBBHHH", PORT_ANSWER, 0, port, 77, 0, 6, 5, len(name))
        return head + name.encode() + struct.pack(">H", 0)

    def _link(self, here: int, there: int) -> Conversation:
        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await self._until_joined(here, there)
                reader_there, writer_there = await asyncio.open_connection("127.0.0.1", self._nodes[there]["dist"])
                with contextlib.closing(writer_there):
                    await asyncio.gather(
                        self._pump(here, there, reader, writer_there), self._pump(here, there, reader_there, writer)
                    )
            writer.close()

        return carry

    async def _pump(self, here: int, there: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._until_joined(here, there)
                writer.write(data)
                await writer.drain()
            await self._until_joined(here, there)
        finally:
            writer.close()  # the end of one direction is the end of an Erlang connection

    async def _until_joined(self, here: int, there: int) -> None:
        if not self._cut.isdisjoint((here, there)):
            async with self._changed:
                await self._changed.wait_for(lambda: self._cut.isdisjoint((here, there)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", required=True, help='JSON: [{"name", "epmd", "dist"}, ...]')
    parser.add_argument("--links", required=True, help="JSON: the port that leads from each node (row) to each")
    parser.add_argument("--control", required=True, type=int, help="the port that takes `cut INDEX` and `heal`")
    given = parser.parse_args()

    async def run() -> None:
        await Network(json.loads(given.nodes), json.loads(given.links)).serve(given.control)

    asyncio.run(run())


if __name__ == "__main__":
    main()
