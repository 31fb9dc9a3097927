"""`python -m chaos.oracles`: judge the ledgers of a run against its members."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import psycopg
from rich.console import Console

from chaos.oracles.dump import NotQuiet, read_members, rows_that_differ
from chaos.oracles.judgement import judge, overall
from chaos.oracles.table import verdict_table, verdicts_json
from chaos.oracles.verdict import Result
from chaos.workload.ledger import read_history
from drctl.model.identity import MemberName


@click.command()
@click.option("--member", "members", multiple=True, required=True, metavar="NAME=DSN", help="every member of the group")
@click.option("--deadline-s", default=60.0, show_default=True, help="for the members to come to rest and be read")
@click.option("--json", "as_json", is_flag=True)
@click.argument("ledgers", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(*, members: tuple[str, ...], deadline_s: float, as_json: bool, ledgers: tuple[Path, ...]) -> None:
    """Judge LEDGERS against what every member holds. Exit code: 0 pass, 1 fail, 5 inconclusive."""
    dsns = {}
    for member in members:
        name, equals, dsn = member.partition("=")
        if not equals:
            raise click.UsageError(
                f"--member {member!r}: expected NAME=DSN, like lis-zhaohui='host=10.77.0.11 port=5432'"
            )
        dsns[MemberName(name)] = dsn
    try:
        history = read_history(ledgers)
        dumps = read_members(dsns, deadline_s=deadline_s)
        tables = {table for dump in dumps for table in dump.tables}
        differ = [table for table in sorted(tables) if len({dump.tables.get(table) for dump in dumps}) > 1]
        rows = {table: rows_that_differ(dsns, table, deadline_s=deadline_s) for table in differ}
    except (NotQuiet, ValueError, psycopg.Error) as error:
        click.echo(f"error: nothing was proved: {error}", err=True)
        sys.exit(5)
    verdicts = judge(history, dumps, rows)
    if as_json:
        click.echo(json.dumps(verdicts_json(verdicts), ensure_ascii=False, indent=2))
    else:
        Console().print(verdict_table(verdicts))
    sys.exit({Result.PASS: 0, Result.FAIL: 1, Result.INCONCLUSIVE: 5}[overall(verdicts)])


if __name__ == "__main__":
    main()
