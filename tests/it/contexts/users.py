"""Writes what a NATS server with an operator needs, and its users, into a folder: keys (NKeys) and tokens as its own tools make them."""

import base64
import json
import pathlib
import sys
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

folder = pathlib.Path(sys.argv[1])
# What the first letters of an encoded key say.
PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
SEED = 18 << 3


def checksum(data):
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def encoded(data):
    return base64.b32encode(data + checksum(data).to_bytes(2, "little")).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        self.prefix = PREFIXES[kind]
        self.key = Ed25519PrivateKey.generate()
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = encoded(bytes([self.prefix]) + self.key.public_key().public_bytes(*raw))

    def seed(self):
        raw = (serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        head = bytes([SEED | self.prefix >> 5, (self.prefix & 31) << 3])
        return encoded(head + self.key.private_bytes(*raw))


def part(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(kind, name, subject, by, **nats):
    claims = {
        "jti": name, "iat": int(time.time()), "iss": by.public, "name": name, "sub": subject.public,
        "nats": {"type": kind, "version": 2, **nats},
    }
    signed = ".".join(part(json.dumps(one).encode()) for one in [{"typ": "JWT", "alg": "ed25519-nkey"}, claims])
    return f"{signed}.{part(by.key.sign(signed.encode()))}"


operator, system, shop, user = Key("operator"), Key("account"), Key("account"), Key("user")
unlimited = dict.fromkeys(
    ["subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams", "consumer"], -1
)
accounts = {
    system.public: token("account", "SYS", system, operator, limits={key: -1 for key in ["subs", "data", "payload", "conn"]}),
    shop.public: token("account", "SHOP", shop, operator, limits={**unlimited, "wildcards": True}),
}
lines = [
    f"operator: {token('operator', 'test', operator, operator, system_account=system.public)}",
    f"system_account: {system.public}",
    "resolver: MEMORY",
    f"resolver_preload: {json.dumps(accounts)}",
]
(folder / "operator.conf").write_text("\n".join(lines) + "\n")
limits = {"subs": -1, "data": -1, "payload": -1}
signed = token("user", "readside", user, shop, **limits)
bearer = token("user", "readside", user, shop, **limits, bearer_token=True)
creds = f"""-----BEGIN NATS USER JWT-----
{signed}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{user.seed()}
------END USER NKEY SEED------
"""
files = {"user.creds": creds, "user.jwt": signed, "bearer.jwt": bearer, "user.seed": user.seed(), "user.public": user.public}
for name, text in files.items():
    (folder / name).write_text(text + "\n")
