"""What is wrong with a text, and where."""

from vestnik.domain.errors import InvalidInputError


class MarkupError(InvalidInputError):
    """The source cannot be read as it is meant; `line` and `column` begin at 1 and count characters."""

    def __init__(self, problem: str, *, line: int, column: int, field: str | None) -> None:
        super().__init__(f"line {line}, column {column}: {problem}", field=field)
        self.problem = problem
        self.line = line
        self.column = column
