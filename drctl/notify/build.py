"""Channels from the configuration. Secrets are read here, and nowhere else."""

from __future__ import annotations

import time

from drctl.config.configuration import (
    ChannelSettings,
    MailSettings,
    NotificationSettings,
    RobotSettings,
    WebhookSettings,
)
from drctl.notify.channel import Channel, DingTalk, Terms, Webhook, WeCom
from drctl.notify.mail import Mail, Security, Server
from drctl.notify.notice import Language


def channels(settings: NotificationSettings) -> tuple[Channel, ...]:
    """Every channel, in the file's order. Raises InvalidInput when a secret is not where the file says."""
    return tuple(channel(each, settings.language) for each in settings.channels)


def channel(settings: ChannelSettings, language: str) -> Channel:
    """One channel. Raises InvalidInput when a secret is not where the file says."""
    terms = Terms(
        name=settings.name,
        severity=settings.severity,
        language=Language(settings.language or language),
        per_minute=settings.per_minute,
    )
    match settings:
        case WebhookSettings():
            return Webhook(terms, settings.url.read(), token=settings.token.read() if settings.token else "")
        case RobotSettings(kind="dingtalk"):
            secret = settings.secret.read() if settings.secret else ""
            return DingTalk(terms, settings.url.read(), secret=secret, now_ms=lambda: int(time.time() * 1000))
        case RobotSettings():
            return WeCom(terms, settings.url.read())
        case MailSettings():
            server = Server(
                host=settings.host,
                port=settings.port,
                security=Security(settings.security),
                user=settings.user,
                password=settings.password.read() if settings.password else "",
            )
            return Mail(terms, server, sender=settings.sender, recipients=settings.recipients)
