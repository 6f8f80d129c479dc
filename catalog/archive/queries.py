"""Queries with parameters: the named ones in `catalog/queries`, and any other, for DuckDB and for Athena.

A parameter is written `$name`, is a text, and is never pasted into the query: DuckDB binds it by name, Athena
by position. Athena takes parameters in WHERE only. A named query's first lines are comments: what it answers,
then `-- name: what it is` for each parameter, with `(default …)` at the end if it need not be given.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import UsageError

FOLDER = Path(__file__).parents[1] / "queries"
# What is quoted or a comment holds no parameter.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$([a-z_][a-z0-9_]*)(?!\$)""", re.DOTALL
)
_PARAMETER = re.compile(r"-- ([a-z_]+): (.*?)(?: \(default (.*)\))?")
_SPACE = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WITH = re.compile(r"with(\s+recursive)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query of ours. `parameters`: what each is; `defaults`: of those that need not be given."""

    name: str
    title: str
    parameters: Mapping[str, str]
    defaults: Mapping[str, str]
    sql: str

    @property
    def times(self) -> frozenset[str]:
        """The parameters that are points in time."""
        return frozenset(name for name, what in self.parameters.items() if what.startswith("the time"))


def named_queries() -> list[NamedQuery]:
    """Return the queries in the folder, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.sql"))]


def named_query(name: str) -> NamedQuery:
    """Return a query. Raises: UsageError."""
    queries = {query.name: query for query in named_queries()}
    if name not in queries:
        raise UsageError(f"no query {name!r}; there are {', '.join(queries)}")
    return queries[name]


def parameters_of(sql: str) -> list[str]:
    """Return the name of each parameter, in the order of the places, the same one perhaps twice."""
    return [found[1] for found in _TOKEN.finditer(sql) if found[1]]


def values_for(sql: str, given: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Return a query's parameters from options such as `product=p1`. Raises: UsageError."""
    values = dict(defaults)
    for option in given:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"--set is {option!r}; such as product=p1 is accepted")
        values[name] = value
    wanted = set(parameters_of(sql))
    if missing := sorted(wanted - values.keys()):
        raise UsageError(f"the query needs --set {missing[0]}=…")
    if unknown := sorted(values.keys() - wanted):
        raise UsageError(
            f"the query has no parameter {unknown[0]!r}; it has {', '.join(sorted(wanted)) or 'none'}"
        )
    return values


def by_position(sql: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the query with `?` in place of each parameter, and the values as SQL literals, in this order."""
    text = _TOKEN.sub(lambda found: "?" if found[1] else found[0], sql)
    return text, [quoted(values[name]) for name in parameters_of(sql)]


def with_tables(tables: str, sql: str) -> str:
    """Return a query that knows more tables; `tables` is what follows WITH, such as `a AS (SELECT 1)`."""
    body = sql.strip().rstrip(";")
    if (begin := _SPACE.match(body)) is not None:
        body = body[begin.end() :]
    with_ = _WITH.match(body)
    if with_ is None:
        return f"WITH {tables}\n{body}"
    return f"WITH{with_[1] or ''} {tables},{body[with_.end() :]}"


def quoted(text: str) -> str:
    """Return text as a literal of SQL, in which only the quote is special."""
    return "'" + text.replace("'", "''") + "'"


def _read(path: Path) -> NamedQuery:
    sql = path.read_text(encoding="utf-8")
    title, *rest = [line for line in sql.splitlines() if line.startswith("--")]
    found = [matched for line in rest if (matched := _PARAMETER.fullmatch(line))]
    return NamedQuery(
        path.stem,
        title.removeprefix("-- "),
        {each[1]: each[2] for each in found},
        {each[1]: each[3] for each in found if each[3] is not None},
        sql,
    )
