"""From the file's entries to the channels that people are told through."""

from __future__ import annotations

from collections.abc import Iterator

from drctl.config.configuration import (
    ChannelSettings,
    MailSettings,
    NotificationSettings,
    RobotSettings,
    WebhookSettings,
)
from drctl.config.entries import NotificationsEntry


def notifications(entry: NotificationsEntry) -> NotificationSettings:
    """Who is told what happened."""
    return NotificationSettings(language=entry.language, channels=tuple(_channels(entry)))


def _channels(entry: NotificationsEntry) -> Iterator[ChannelSettings]:
    for name, hook in entry.webhooks.items():
        yield WebhookSettings(
            name=name,
            severity=hook.severity,
            language=hook.language or "",
            per_minute=hook.per_minute,
            url=hook.url,
            token=hook.token,
        )
    for name, mail in entry.mail.items():
        yield MailSettings(
            name=name,
            severity=mail.severity,
            language=mail.language or "",
            per_minute=mail.per_minute,
            host=mail.host,
            port=mail.port,
            security=mail.security,
            user=mail.user or "",
            password=mail.password,
            sender=mail.sender,
            recipients=tuple(mail.recipients),
        )
    for name, robot in entry.wecom.items():
        yield RobotSettings(
            name=name,
            severity=robot.severity,
            language=robot.language or "",
            per_minute=robot.per_minute,
            kind="wecom",
            url=robot.url,
            secret=None,
        )
    for name, signed in entry.dingtalk.items():
        yield RobotSettings(
            name=name,
            severity=signed.severity,
            language=signed.language or "",
            per_minute=signed.per_minute,
            kind="dingtalk",
            url=signed.url,
            secret=signed.secret,
        )
