"""Misuse that the type checker must refuse, and the uses beside it that it must let through.

Nothing here runs. Every refused line carries the exact rule that refuses it; pyright reports an ignore comment
that is not needed, so a misuse that begins to type-check turns `make test` red.

Not caught here: a bare `pa.Table` in place of permitted rows, since Arrow carries no types. It fails at run time.
"""

from __future__ import annotations

from postreel.consent import Permitted, Seal
from postreel.ports import Events, Transport
from postreel.purposes import (
    Analytics,
    Devices,
    History,
    Mailing,
    MailNews,
    MailPicks,
    Postable,
    Proof,
    Purpose,
    Recommendations,
    Service,
    Training,
)
from postreel.schema import Ids, Mask, Messages, Plays, Rows, Sends, Sessions, Tastes


def train(tastes: Permitted[Tastes, Training]) -> None: ...
def choose(tastes: Permitted[Tastes, Recommendations]) -> None: ...
def report(sessions: Permitted[Sessions, Analytics]) -> None: ...
def tie(plays: Permitted[Plays, Devices]) -> None: ...
def keep_anything(rows: Permitted[Rows, Purpose]) -> None: ...
def post_picks(messages: Permitted[Messages, MailPicks]) -> None: ...
def post_anything(messages: Permitted[Messages, Postable]) -> None: ...
def sessions_of(plays: Plays, gap_s: float) -> Sessions: ...


def one_purpose_is_not_another(
    plays: Permitted[Plays, History],
    sessions: Permitted[Sessions, History],
    for_history: Permitted[Tastes, History],
    for_choice: Permitted[Tastes, Recommendations],
    for_training: Permitted[Tastes, Training],
    of_any: Permitted[Tastes, Purpose],
) -> None:
    train(for_training)
    train(for_history)  # pyright: ignore[reportArgumentType]
    train(for_choice)  # pyright: ignore[reportArgumentType]
    train(of_any)  # pyright: ignore[reportArgumentType]
    choose(for_choice)
    choose(for_training)  # pyright: ignore[reportArgumentType]
    report(sessions)  # pyright: ignore[reportArgumentType]
    tie(plays)  # pyright: ignore[reportArgumentType]


def one_table_is_not_another(
    plays: Permitted[Plays, Training], tastes: Permitted[Tastes, Training], events: Events
) -> None:
    train(tastes)
    train(plays)  # pyright: ignore[reportArgumentType]
    events.append(tastes)  # pyright: ignore[reportArgumentType]


def a_store_takes_permitted_events_alone(
    events: Events,
    plays: Permitted[Plays, History],
    under_training: Permitted[Plays, Training],
    sessions: Permitted[Sessions, History],
    bare: Plays,
) -> None:
    events.append(plays)
    events.append(bare)  # pyright: ignore[reportArgumentType]
    events.append(under_training)  # pyright: ignore[reportArgumentType]
    events.append(sessions)  # pyright: ignore[reportArgumentType]
    events.keep(sessions)
    events.keep(bare)  # pyright: ignore[reportArgumentType]


def a_transport_takes_postable_messages_alone(
    transport: Transport,
    picks: Permitted[Messages, MailPicks],
    news: Permitted[Messages, MailNews],
    any_mail: Permitted[Messages, Mailing],
    notices: Permitted[Messages, Service],
    under_history: Permitted[Messages, History],
    under_recommendations: Permitted[Messages, Recommendations],
    under_proof: Permitted[Messages, Proof],
    under_any: Permitted[Messages, Purpose],
    sends: Permitted[Sends, MailPicks],
    plays: Permitted[Plays, MailPicks],
    bare: Messages,
) -> None:
    transport.send(picks, deadline_s=1.0)
    transport.send(news, deadline_s=1.0)
    transport.send(any_mail, deadline_s=1.0)
    transport.send(notices, deadline_s=1.0)
    transport.send(under_history, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(under_recommendations, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(under_proof, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(under_any, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(sends, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(plays, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(bare, deadline_s=1.0)  # pyright: ignore[reportArgumentType]
    transport.send(picks)  # pyright: ignore[reportCallIssue]


def a_wider_purpose_does_not_fit_a_narrower(
    picks: Permitted[Messages, MailPicks], mail: Permitted[Messages, Mailing], post: Permitted[Messages, Postable]
) -> None:
    as_mail: Permitted[Messages, Mailing] = picks
    post_anything(as_mail)
    keep_anything(as_mail)
    post_picks(picks)
    post_picks(mail)  # pyright: ignore[reportArgumentType]
    post_picks(post)  # pyright: ignore[reportArgumentType]


def mapping_keeps_the_purpose(plays: Permitted[Plays, History]) -> None:
    sessions = plays.map(sessions_of, 1800.0)
    as_history: Permitted[Sessions, History] = sessions
    report(as_history)  # pyright: ignore[reportArgumentType]
    report(sessions)  # pyright: ignore[reportArgumentType]
    plays.map(sessions_of)  # pyright: ignore[reportCallIssue]
    plays.map(sessions_of, "1800")  # pyright: ignore[reportArgumentType]
    sessions.map(sessions_of, 1800.0)  # pyright: ignore[reportArgumentType]


def narrowing_keeps_the_purpose(tastes: Permitted[Tastes, History], mask: Mask) -> None:
    train(tastes.where(mask))  # pyright: ignore[reportArgumentType]


def what_is_wrapped_is_not_to_be_had(plays: Permitted[Plays, History], bare: Plays, mask: Mask) -> tuple[Ids, Ids]:
    plays.table  # pyright: ignore[reportAttributeAccessIssue]
    plays.__rows  # pyright: ignore[reportPrivateUsage]
    plays.unseal()  # pyright: ignore[reportCallIssue]
    plays.unseal(object())  # pyright: ignore[reportArgumentType]
    for _ in plays:  # pyright: ignore[reportGeneralTypeIssues]
        pass
    Permitted(bare, plays.warrant)  # pyright: ignore[reportCallIssue]
    return bare.members, plays.members  # pyright: ignore[reportAttributeAccessIssue]


def a_permit_names_a_purpose(plays: Permitted[Plays, int], seal: Seal) -> None:  # pyright: ignore[reportInvalidTypeArguments]
    plays.unseal(seal)
