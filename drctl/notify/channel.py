"""One way to people: what is sent, and what the answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote_plus

from drctl.model.command import WebRequest
from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.event import Severity
from drctl.notify.notice import Language, Notice
from drctl.outside.web import Web

SEND_TIMEOUT_S = 10.0
"""For one message, whatever the other side does."""
BUSY_CODES = {-1, 45009, 130101, 410100}
"""WeCom's and DingTalk's for: later, or too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every channel has."""

    name: str
    severity: Severity
    """The least that is sent."""
    language: Language
    per_minute: int
    """Messages at most; more are counted, and the count is told."""


class Channel(Protocol):
    """One way to people."""

    terms: Terms

    def send(self, notice: Notice, *, deadline_s: float) -> None:
        """Send one message. Raises EffectRefused when it is of no use to try again, EffectUnknown when it may be."""


class Webhook:
    """A program of the hospital's that takes JSON."""

    def __init__(self, terms: Terms, url: str, *, token: str = "") -> None:
        self.terms = terms
        self._url = url
        self._token = token
        self._web = Web()

    def send(self, notice: Notice, *, deadline_s: float) -> None:
        """POST the notice in both languages."""
        document = {
            "version": 1,
            "severity": notice.severity,
            "event": notice.event,
            "code": notice.code,
            "cluster": notice.cluster,
            "center": notice.center,
            "group": notice.group,
            "run": notice.run,
            "at": notice.at_utc,
            "remedy": notice.remedy,
            **{f"title_{language}": notice.title(language) for language in Language},
            **{f"text_{language}": notice.body(language) for language in Language},
        }
        headers = (("Authorization", f"Bearer {self._token}"),) if self._token else ()
        _post(self._web, self._url, document, notice, deadline_s, headers=headers)


class WeCom:
    """A group robot of WeCom (企业微信)."""

    def __init__(self, terms: Terms, url: str) -> None:
        self.terms = terms
        self._url = url
        self._web = Web()

    def send(self, notice: Notice, *, deadline_s: float) -> None:
        """POST the notice as Markdown."""
        language = self.terms.language
        text = f"**{notice.title(language)}**\n{notice.body(language)}"
        _robot(self._web, self._url, {"msgtype": "markdown", "markdown": {"content": text}}, notice, deadline_s)


class DingTalk:
    """A group robot of DingTalk (钉钉), signed when it has a secret."""

    def __init__(self, terms: Terms, url: str, *, secret: str = "", now_ms: Callable[[], int]) -> None:
        self.terms = terms
        self._url = url
        self._secret = secret
        self._now_ms = now_ms
        self._web = Web()

    def send(self, notice: Notice, *, deadline_s: float) -> None:
        """POST the notice as Markdown."""
        language = self.terms.language
        title = notice.title(language)
        # DingTalk's Markdown joins lines that no empty line separates.
        text = f"**{title}**\n\n" + notice.body(language).replace("\n", "\n\n")
        document = {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
        url = self._url
        if self._secret:
            at_ms = self._now_ms()
            url += f"{'&' if '?' in url else '?'}timestamp={at_ms}&sign={quote_plus(signature(self._secret, at_ms))}"
        _robot(self._web, url, document, notice, deadline_s)


def signature(secret: str, at_ms: int) -> str:
    """DingTalk's: HMAC-SHA256 over time and secret, in base64."""
    digest = hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _post(
    web: Web,
    url: str,
    document: object,
    notice: Notice,
    deadline_s: float,
    *,
    headers: tuple[tuple[str, str], ...] = (),
) -> str:
    request = WebRequest(
        method="POST",
        url=url,
        body=json.dumps(document, ensure_ascii=False),
        content_type="application/json",
        headers=headers,
    )
    key = hashlib.sha256("\n".join((notice.at_utc, *notice.key)).encode()).hexdigest()[:32]
    answer = web.request(request, key=key, deadline_s=deadline_s)
    if 200 <= answer.status < 300:
        return answer.body
    said = " ".join(answer.body.split())[:200]
    if answer.status == 429 or answer.status >= 500:
        raise EffectUnknown(f"answered {answer.status}: {said}")
    raise EffectRefused(f"answered {answer.status}: {said}")


def _robot(web: Web, url: str, document: object, notice: Notice, deadline_s: float) -> None:
    """Both robots answer 200 and say in the body what became of it."""
    body = _post(web, url, document, notice, deadline_s)
    try:
        said = json.loads(body)
        code, message = int(said.get("errcode", 0)), str(said.get("errmsg", ""))
    except (ValueError, TypeError, AttributeError) as error:
        raise EffectUnknown(f"answered what no robot answers: {body[:200]}") from error
    if code in BUSY_CODES:
        raise EffectUnknown(f"errcode {code}: {message}")
    if code != 0:
        raise EffectRefused(f"errcode {code}: {message}")
