"""A nats-server with JetStream, and as much of its protocol as publishing and JetStream's API need."""

import json
import os
import socket
import subprocess

from waiting import free_port, wait_for

# Publishes that wait for their ack at a time.
IN_FLIGHT = 500


class NatsServer:
    """Keeps its port and its streams when it is killed and started again."""

    def __init__(self, folder, accounts=""):
        self.folder = folder / "nats"
        self.folder.mkdir()
        self.port = free_port()
        self.process = None
        self.configure(accounts)

    def configure(self, accounts):
        """Users and what they may do, as its configuration file has them; `reload` takes it while it runs."""
        text = f"listen: 127.0.0.1:{self.port}\njetstream: {{store_dir: {json.dumps(str(self.folder / 'store'))}}}\n{accounts}"
        (self.folder / "nats.conf").write_text(text)

    def start(self):
        with (self.folder / "log").open("a") as log:
            command = [os.environ["NATS_SERVER"], "-c", self.folder / "nats.conf"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for("nats-server does not listen", self._listens)

    def reload(self):
        self.process.send_signal(1)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False


class NatsClient:
    """A connection of its own, for one thread."""

    def __init__(self, server, user=None):
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self._file = self._socket.makefile("rb")
        self._file.readline()
        options = {"verbose": False, "headers": True, "protocol": 1} | ({"user": user, "pass": user} if user else {})
        self._inbox = f"_INBOX.staging{os.urandom(8).hex()}"
        self._send(f"CONNECT {json.dumps(options)}\r\nSUB {self._inbox} 1\r\n".encode())

    def close(self):
        self._file.close()
        self._socket.close()

    def api(self, call, request=None):
        """Asks JetStream's API, such as `STREAM.CREATE.ORDERS`."""
        body = json.dumps(request or {}).encode()
        self._send(f"PUB $JS.API.{call} {self._inbox} {len(body)}\r\n".encode() + body + b"\r\n")
        answer = self._answer()
        if "error" in answer:
            raise OSError(f"JetStream refuses {call}: {answer['error']}")
        return answer

    def publish(self, messages):
        """Publishes `(subject, headers, body)` and waits until all are stored."""
        messages = list(messages)
        for first in range(0, len(messages), IN_FLIGHT):
            part = messages[first : first + IN_FLIGHT]
            self._send(b"".join(self._publication(*message) for message in part))
            for _ in part:
                answer = self._answer()
                if "error" in answer:
                    raise OSError(f"a message is not stored: {answer['error']}")

    def _publication(self, subject, headers, body):
        head = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        head, body = head.encode(), body.encode()
        return f"HPUB {subject} {self._inbox} {len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n"

    def _send(self, text):
        self._socket.sendall(text)

    def _answer(self):
        while True:
            line = self._file.readline()
            words = line.split()
            if not words:
                raise OSError("nats-server has closed the connection")
            if words[0] == b"PING":
                self._send(b"PONG\r\n")
            elif words[0] == b"MSG":
                body = self._file.read(int(words[-1]) + 2)[:-2]
                return json.loads(body)
            elif words[0] == b"HMSG":
                head, whole = int(words[-2]), int(words[-1])
                text = self._file.read(whole + 2)
                # Nobody listens: what would answer is not there.
                if b"503" in text[:head]:
                    raise OSError("JetStream does not answer")
                return json.loads(text[head:whole])
            elif words[0] == b"-ERR":
                raise OSError(line.decode().strip())
