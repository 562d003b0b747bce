"""Start the language host: print its port, and serve until the engine ends the process.

The engine passes its own address as the last argument.
"""

import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
from pulumi.runtime.proto import language_pb2_grpc

# Started by its path, so that it works from any folder: its package is then not importable.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tools.pulumi_language_python.host import LanguageHost  # noqa: E402

MAX_MESSAGE = 400 << 20  # as much as the engine and the SDK allow


def main() -> None:
    """Serve one engine."""
    host = LanguageHost(engine=sys.argv[-1] if len(sys.argv) > 1 else "")
    # `Run` keeps its thread for as long as the program lasts; the engine may ask other things.
    options = [("grpc.max_receive_message_length", MAX_MESSAGE)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is how the engine ends its plugins
        signal.signal(number, lambda *_: ended.set())
    print(port, flush=True)
    engine = os.getppid()
    while not ended.wait(timeout=2) and os.getppid() == engine:
        pass  # a killed engine sends no signal
    server.stop(grace=None)  # cancels `Run`, which ends the program


if __name__ == "__main__":
    main()
