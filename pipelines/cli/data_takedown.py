"""`touchstone data takedown`: which artifacts hold a dialogue, and which checkpoints were trained on it."""

from __future__ import annotations

import click


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--in", "tree", default="runs", show_default=True, help="Folder of runs, a store, or s3://BUCKET/PREFIX.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def takedown(ids: tuple[str, ...], tree: str, as_json: bool) -> None:
    """Name every subset that contains a dialogue, and every checkpoint trained on one of them.

    Exit code 1 when a dialogue is nowhere, or when something could not be read.
    """
    from components.contracts.errors import TouchstoneError
    from pipelines.data.takedown import search, table

    found = search(tuple(dict.fromkeys(ids)), tree)
    click.echo(found.model_dump_json(indent=1) if as_json else table(found), nl=as_json)
    for problem in found.unread:
        click.echo(f"not read: {problem}", err=True)
    if found.nowhere:
        raise TouchstoneError(
            f"{', '.join(found.nowhere)}: in none of {found.num_artifacts} artifacts below {tree}",
            expected="the id of a dialogue, as the `id` of its row says",
            remedy="correct the id, or search another folder or store with --in",
        )
    if found.unread:
        raise TouchstoneError(
            f"{len(found.unread)} artifacts below {tree} could not be read, so there may be more",
            remedy="restore or remove them, and search again",
        )
