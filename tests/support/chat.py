"""A server with OpenAI's chat interface on this machine, whose answers a test chooses."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any


@dataclass
class Reply:
    """What a server sends for one request."""

    text: Any = "50"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """In place of a proper one with the text."""
    delay: float = 0.0


@dataclass
class ChatServer:
    """A running server: its address, and what it was asked."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    """What stood in the header Authorization."""
    peak: int = 0
    """Most requests at once."""
    at_once: int = 0


@contextmanager
def chat_server(reply: Callable[[dict[str, Any], int], Reply]) -> Iterator[ChatServer]:
    """Serve replies, made of a request's body and of how many came before with the same shot."""
    server, lock = ChatServer(), Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                before = sum(asked_for(one) == asked_for(body) for one in server.requests)
                server.requests.append(body)
                server.keys.add(self.headers.get("Authorization", ""))
                server.at_once += 1
                server.peak = max(server.peak, server.at_once)
            made = reply(body, before)
            time.sleep(made.delay)
            with lock:
                server.at_once -= 1
            found = self.path.endswith("/v1/chat/completions")
            content = _completion(made.text) if made.body is None else made.body
            try:
                self.send_response(made.status if found else 404)
                for name, value in {"Content-Type": "application/json", **made.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client left

        def log_message(self, *_):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    server.url = f"http://127.0.0.1:{running.server_port}/v1"
    Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        running.shutdown()
        running.server_close()


def asked_for(body: dict[str, Any]) -> str:
    """The line of a request that says which shot it asks for."""
    content: str = body["messages"][1]["content"]
    return content.splitlines()[-1]


def shot_number(body: dict[str, Any]) -> int:
    """The number of the shot that a request asks for, from 1 on."""
    match = re.match(r"Which number has shot (\d+):", asked_for(body))
    assert match is not None
    return int(match[1])


def _completion(text: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "tiny",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
        }
    ).encode()
