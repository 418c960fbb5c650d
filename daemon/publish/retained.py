"""The retained messages a broker should hold, whatever it forgot: the last wanted of each topic. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.publish.payloads import NO_ALARM, Message


class Retained:
    """What a broker should hold, and what it is known to hold."""

    def __init__(self, alarm_topics: Iterable[str] = ()) -> None:
        """`alarm_topics` are of alarms that were raised earlier, by a process that is gone."""
        self._wanted: dict[str, Message] = {}
        self._confirmed: dict[str, Message] = {}
        self._alarms = set(alarm_topics)

    @property
    def alarm_topics(self) -> frozenset[str]:
        """The topics of all alarms that are on, or that the broker still shows."""
        return frozenset(self._alarms)

    def want(self, *messages: Message) -> None:
        """Let the broker hold these."""
        self._wanted.update({message.topic: message for message in messages})

    def want_alarms(self, root: str, messages: Iterable[Message]) -> None:
        """Let the broker hold these alarms and no other whose topic begins with `root`."""
        on = {message.topic: message for message in messages}
        off = {topic for topic in self._alarms if topic.startswith(root) and topic not in on}
        self.want(*on.values(), *(Message(topic, NO_ALARM, retain=True) for topic in sorted(off)))
        self._alarms |= set(on)

    def forget_broker(self) -> None:
        """There is a new connection: the broker may hold nothing."""
        self._confirmed.clear()

    def due(self) -> list[Message]:
        """What is to be published, in the order it was first wanted."""
        return [message for topic, message in self._wanted.items() if self._confirmed.get(topic) != message]

    def confirm(self, message: Message) -> None:
        """The broker has acknowledged a retained message."""
        if message.topic in self._alarms and message.payload == NO_ALARM:
            self._alarms.discard(message.topic)
            self._confirmed.pop(message.topic, None)
            if self._wanted.get(message.topic) == message:
                del self._wanted[message.topic]
            return
        self._confirmed[message.topic] = message
