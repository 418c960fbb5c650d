"""A broker's address as people write it."""

from __future__ import annotations

import click

from daemon.publish.client import BrokerAddress


class Broker(click.ParamType[BrokerAddress]):
    """HOST or HOST:PORT."""

    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> BrokerAddress:
        """The address."""
        try:
            return value if isinstance(value, BrokerAddress) else BrokerAddress.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
