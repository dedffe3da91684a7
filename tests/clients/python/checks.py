"""Statements that a client tries: each is a check of its own, so that one that fails hides no other."""

import sys
import traceback


class Checks:
    def __init__(self, client):
        self.client, self.tried, self.failed = client, 0, 0

    def __call__(self, name):
        """Runs the function below it, now."""
        def run(function):
            self.tried += 1
            try:
                function()
            except BaseException as error:  # noqa: BLE001
                self.fail(name, error)
            return function
        return run

    def fail(self, name, error):
        self.failed += 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = " ".join(str(error).split())[:600]
        print(f"FAILED {self.client}: {name}: {type(error).__name__}: {text} ({where.name}:{where.lineno})")

    def end(self):
        print(f"RESULT {self.client} {self.tried} {self.failed}")
        sys.exit(0)


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, found {found!r}"
