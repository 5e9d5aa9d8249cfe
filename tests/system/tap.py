# SPDX-License-Identifier: MIT
"""Run one unittest file and speak TAP, so that each of its cases is counted: tap.py FILE."""

import importlib.util
import os
import sys
import tempfile
import unittest


class TapResult(unittest.TestResult):
    """Writes one TAP line as each case ends; what a failed case says follows as comment lines."""

    def __init__(self):
        super().__init__()
        self.number = 0

    def report(self, ok, test, directive="", text=""):
        self.number += 1
        name = test.id().split(".", 1)[-1].replace("#", "")
        print(f"{'ok' if ok else 'not ok'} {self.number} - {name}{directive}")
        for line in text.splitlines():
            print(f"# {line}")
        sys.stdout.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report(True, test)

    def addError(self, test, err):
        super().addError(test, err)
        self.report(False, test, text=self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.report(False, test, text=self.failures[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report(True, test, directive=f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.report(False, subtest, text=(self.failures + self.errors)[-1][1])

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.report(True, test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.report(False, test, text="passed although a failure was expected")


def load(path):
    """The module at this path; its folder is importable, so that helpers beside it are found."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main():
    with tempfile.TemporaryDirectory(prefix="ly") as state:
        os.environ["LANYARD_STATE"] = state  # unless a test says otherwise: never the machine's own
        suite = unittest.defaultTestLoader.loadTestsFromModule(load(sys.argv[1]))
        result = TapResult()
        suite.run(result)
    print(f"1..{result.number}", flush=True)
    return 0 if result.wasSuccessful() and result.number > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
