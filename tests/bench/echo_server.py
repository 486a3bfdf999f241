"""An OpenAI-compatible server that answers at once with the last line of what it is asked, and does nothing else.

`python -m tests.bench.echo_server` prints its address, serves until its input is closed, and prints how many seconds of
processor time it took: what a benchmark of clients on the same machine has to know.
"""

import asyncio
import json
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Served(asyncio.Protocol):
    def __init__(self) -> None:
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.pending += data
        head, split, rest = self.pending.partition(b"\r\n\r\n")
        if not split:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) >= length:
            self.pending = rest[length:]
            body = reply(json.loads(rest[:length]))
            self.transport.write(HEAD % len(body) + body)


def reply(asked: dict[str, list[dict[str, str]]]) -> bytes:
    said = asked["messages"][-1]["content"].rstrip().rpartition("\n")[2]
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}
    made = {"id": "c", "object": "chat.completion", "created": 1_715_600_000, "model": asked["model"]}
    usage = {"prompt_tokens": 500, "completion_tokens": 5, "total_tokens": 505}
    return json.dumps({**made, "choices": [choice], "usage": usage}).encode()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Served, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
