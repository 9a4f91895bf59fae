"""Commands as real processes without the second of imports that each would begin with.

A server imports the package and loads its kernels once; each command is a fork of it, with the
caller's arguments, folder, environment and standard streams. `python forks.py ADDRESS ARGUMENT...`
is the caller: it hands these over and ends with the command's exit code.
"""

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path

SIZE = 1 << 20  # no request is longer: arguments, folder, environment


def call(address: str, arguments: list[str]) -> int:
    """Have the server run a command on our streams; returns its exit code."""
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
        return int(server.makefile().readline())


def serve(address: str) -> None:
    """Fork for each caller until standard input ends; returns in a fork that is to be a command."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    print("ready", flush=True)
    while True:
        if sys.stdin in select.select([server, sys.stdin], [], [])[0]:
            sys.exit()
        caller, _ = server.accept()
        if os.fork() == 0:
            server.close()
            return _become(caller)
        caller.close()


def _become(caller: socket.socket) -> None:
    """Fork once more, into one that waits for the exit code and the command itself."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, streams, _, _ = socket.recv_fds(caller, SIZE, 3)
    while not request.endswith(b"\n"):
        request += caller.recv(SIZE)
    command = os.fork()
    if command:
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        caller.sendall(b"%d\n" % code)
        os._exit(0)
    caller.close()
    for ours, theirs in enumerate(streams):
        os.dup2(theirs, ours)
        os.close(theirs)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    given = json.loads(request)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ.update(given["environment"])
    sys.argv = ["w2v-hs", *given["arguments"]]


def main() -> None:
    """The server, with the package and the kernels of a small run loaded."""
    import w2v_hs
    import w2v_hs.evaluation
    from w2v_hs.__main__ import main

    w2v_hs.train([["king", "queen", "land"]] * 10, dim=8, epochs=1, sample=0, threads=1)
    serve(sys.argv[2])
    main()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        main()
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
