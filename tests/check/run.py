#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the tests of the programs in tools/; print a line of TAP for each test, or for each fault
that a test tries."""

import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))


class Tap(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0
        self.parts = set()      # tests that consist of others

    def line(self, test, error=None):
        self.number += 1
        name = test.id().partition(".")[2].replace(".test_", "/")
        name = re.sub("[^-./_0-9A-Za-z]+", "-", name).strip("-")
        print(f"{'not ' if error else ''}ok {self.number} - /{name}")
        if error:
            text = self._exc_info_to_string(error, test)
            print("".join(f"# {t}\n" for t in text.splitlines()), end="")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        self.parts.add(test.id())
        self.line(subtest, err)

    def addSuccess(self, test):
        super().addSuccess(test)
        if test.id() not in self.parts:
            self.line(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, err)


def main():
    result = Tap()
    unittest.defaultTestLoader.discover(HERE).run(result)
    print(f"1..{result.number}")
    return 0 if result.wasSuccessful() and result.number else 1


if __name__ == "__main__":
    sys.exit(main())
