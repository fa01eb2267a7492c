"""Options that the commands of `edgellm docs` share."""

from __future__ import annotations

import click

from edgellm.cli.names import COLLECTION_NAME

COLLECTION = click.option(
    "-c", "--collection", type=COLLECTION_NAME, required=True, metavar="NAME", help="The collection."
)
JSON = click.option("--json", "as_data", is_flag=True, help="Print JSON.")
