"""Signed, expiring output URLs in the style of the real ones: `?_jwt=header.payload.signature`. Pure."""

import base64
import hashlib
import hmac
import json


def sign(path: str, expires: float, secret: bytes) -> str:
    """A token that opens `path` until `expires` (seconds since 1970)."""
    payload = {"keyHash": hashlib.sha256(path.encode()).hexdigest()[:16], "exp": expires}
    body = _text(b'{"alg":"HS256"}') + "." + _text(json.dumps(payload).encode())
    return f"{body}.{_text(hmac.digest(secret, f'{path} {body}'.encode(), 'sha256'))}"


def opens(token: str, path: str, now: float, secret: bytes) -> bool:
    """Whether the token was made for the path and still holds."""
    body, _, signature = token.rpartition(".")
    wanted = _text(hmac.digest(secret, f"{path} {body}".encode(), "sha256"))
    if not hmac.compare_digest(signature.encode(), wanted.encode()):
        return False
    payload = body.partition(".")[2]
    return bool(now < json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
