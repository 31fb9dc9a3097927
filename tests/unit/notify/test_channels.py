"""Each way to people against something that receives: HTTP servers, and a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.event import Alarm, RunEnded, Severity
from drctl.model.identity import CenterName, GroupName, RunId
from drctl.model.playbook import RunKind
from drctl.model.run import Outcome
from drctl.notify.channel import DingTalk, Terms, Webhook, WeCom, signature
from drctl.notify.mail import Mail, Security, Server
from drctl.notify.notice import Language, Notice, notice_of
from tests.unit.notify.receivers import receiver

TOKEN, SECRET, PASSWORD = "t0ken", "SECabc", "pw"
AT = "2026-01-02T03:04:05.000+00:00"
OK = (200, '{"errcode":0,"errmsg":"ok"}')


def terms(language: Language = Language.ZH) -> Terms:
    return Terms(name="duty", severity=Severity.INFO, language=language, per_minute=10)


def notice() -> Notice:
    event = Alarm(
        group=GroupName("lis"),
        severity=Severity.ALARM,
        code="person_needed",
        message="three failovers within an hour",
        remedy="drctl history",
    )
    found = notice_of(event, cluster="hospital", center=CenterName("zhaohui"), at_utc=AT)
    assert found is not None
    return found


def test_a_webhook_is_sent_both_languages_and_its_token():
    with receiver() as told:
        Webhook(terms(), told.url, token=TOKEN).send(notice(), deadline_s=5.0)
    assert told.got[0]["code"] == "person_needed"
    assert told.got[0]["title_zh"] == "[告警] hospital 需要人工决定"
    assert told.got[0]["title_en"] == "[ALARM] hospital person needed"
    assert told.got[0]["remedy"] == "drctl history"
    assert told.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert told.headers[0]["Idempotency-Key"]


def test_wecom_is_sent_markdown_within_its_limit():
    with receiver(OK) as told:
        long = Alarm(group=None, severity=Severity.ALARM, code="guard", message="长" * 5000, remedy="做" * 5000)
        found = notice_of(long, cluster="c", center=CenterName("zhaohui"), at_utc=AT)
        assert found is not None
        WeCom(terms(), told.url).send(found, deadline_s=5.0)
    assert told.got[0]["msgtype"] == "markdown"
    assert len(told.got[0]["markdown"]["content"].encode()) < 4096
    assert told.paths == ["/robot?key=k"]


def test_dingtalk_is_sent_a_signature_that_its_secret_explains():
    with receiver(OK) as told:
        DingTalk(terms(), told.url, secret=SECRET, now_ms=lambda: 1767323045000).send(notice(), deadline_s=5.0)
    asked = parse_qs(urlsplit(told.paths[0]).query)
    assert asked["key"] == ["k"]
    assert asked["timestamp"] == ["1767323045000"]
    assert asked["sign"] == [signature(SECRET, 1767323045000)]
    assert told.got[0]["markdown"]["title"] == "[告警] hospital 需要人工决定"


def test_the_signature_is_the_one_that_dingtalk_documents():
    # HMAC-SHA256 over "{timestamp}\n{secret}" with the secret as key, base64: worked out with openssl.
    assert signature("this is secret", 1577262236757) == "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, '{"errcode":45009,"errmsg":"api freq out of limit"}'), EffectUnknown),
        ((200, '{"errcode":93000,"errmsg":"invalid webhook url"}'), EffectRefused),
        ((200, "<html>"), EffectUnknown),
        ((503, ""), EffectUnknown),
        ((429, ""), EffectUnknown),
        ((404, ""), EffectRefused),
    ],
)
def test_what_a_robot_answers_says_whether_to_try_again(answer, error):
    with receiver(answer) as told, pytest.raises(error):
        WeCom(terms(), told.url).send(notice(), deadline_s=5.0)


class Inbox:
    def __init__(self):
        self.messages = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - its name in aiosmtpd
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"


def authenticate(_server, _session, _envelope, _mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == b"drctl" and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@pytest.fixture
def smtp():
    inbox = Inbox()
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=0,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=False,
        auth_exclude_mechanism=["LOGIN"],
    )
    # It looks whether it listens at the port that it was given, and 0 is none.
    with socket.create_server(("127.0.0.1", 0)) as probe:
        controller.port = probe.getsockname()[1]
    controller.start()
    yield controller, inbox
    controller.stop()


def mail(port: int, password: str = PASSWORD) -> Mail:
    server = Server(host="127.0.0.1", port=port, security=Security.NONE, user="drctl", password=password)
    return Mail(
        terms(), server, sender="drctl@hospital.example", recipients=("duty@hospital.example", "dba@hospital.example")
    )


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mail_arrives_at_a_real_server_in_chinese(smtp):
    controller, inbox = smtp
    mail(controller.port).send(notice(), deadline_s=5.0)
    [message] = inbox.messages
    assert message["Subject"] == "[告警] hospital 需要人工决定"
    assert message["To"] == "duty@hospital.example, dba@hospital.example"
    assert "处置：drctl history" in message.get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_wrong_password_is_not_tried_again(smtp):
    controller, _ = smtp
    with pytest.raises(EffectRefused, match="535"):
        mail(controller.port, "wrong").send(notice(), deadline_s=5.0)


def test_a_mail_server_that_drips_is_cut_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip():
            connection, _ = listener.accept()
            with connection:
                while not over.wait(0.05):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        began_s = time.monotonic()
        with pytest.raises(EffectUnknown):
            mail(listener.getsockname()[1]).send(notice(), deadline_s=0.3)
        took_s = time.monotonic() - began_s
        over.set()
        thread.join()
    assert took_s < 3.0


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", list(RunKind))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_end_of_every_operation_has_words(language, kind, outcome):
    event = RunEnded(
        group=GroupName("lis"), run=RunId("lis-8"), kind=kind, outcome=outcome, elapsed_s=0.7, note="a note"
    )
    found = notice_of(event, cluster="c", center=CenterName("zhaohui"), at_utc=AT)
    if found is not None:
        assert "lis" in found.title(language)
        assert "a note" in found.body(language)
