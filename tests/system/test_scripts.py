# SPDX-License-Identifier: MIT
"""The scripts that judge: the count of test cases, the floors, the manual page and the links."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(os.environ["LY_SOURCE"]) / "scripts"


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def run_script(self, path, *arguments):
        return subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, check=False)


class Report(Scratch):
    def report(self, *entries):
        log = self.folder / "testlog.json"
        log.write_text("".join(json.dumps({"name": "n", "returncode": 0, **e}) + "\n" for e in entries))
        done = self.run_script(SCRIPTS / "test-report", log)
        return done.returncode, done.stdout.splitlines()[-1], done.stdout

    def test_each_tap_line_is_a_case(self):
        status, last, _ = self.report({"result": "OK", "stdout": "1..2\nok 1 - a\nok 2 - b\n"}, {"result": "OK"})
        self.assertEqual((status, last), (0, "3 passed, 0 failed"))

    def test_a_failed_case_is_named_and_fails_the_run(self):
        status, last, output = self.report(
            {"result": "FAIL", "returncode": 1, "stdout": "ok 1 - a\nnot ok 2 - bad news\n# why\n"}
        )
        self.assertEqual((status, last), (1, "1 passed, 1 failed"))
        self.assertIn("failed: bad news", output)
        self.assertIn("# why", output)

    def test_a_crash_without_a_failed_line_is_a_failure(self):
        status, last, _ = self.report({"result": "ERROR", "returncode": -11, "stdout": "ok 1 - a\n"})
        self.assertEqual((status, last), (1, "1 passed, 1 failed"))

    def test_a_time_out_is_a_failure(self):
        self.assertEqual(self.report({"result": "TIMEOUT", "stdout": ""})[:2], (1, "0 passed, 1 failed"))

    def test_a_skipped_case_is_not_a_passed_one(self):
        status, last, output = self.report({"result": "FAIL", "stdout": "ok 1 - a\nnot ok 2 # SKIP b\n"})
        self.assertEqual((status, last), (0, "1 passed, 0 failed"))
        self.assertIn("1 skipped", output)

    def test_no_case_at_all_is_a_failure(self):
        self.assertEqual(self.report()[:2], (1, "0 passed, 0 failed"))
        self.assertEqual(self.report({"result": "OK", "stdout": "1..1\nok 1 # SKIP a\n"})[:2], (1, "0 passed, 0 failed"))


class Floors(Scratch):
    def offences(self, path, include):
        (self.folder / "scripts").mkdir(exist_ok=True)
        shutil.copy(SCRIPTS / "lint-floors", self.folder / "scripts")
        shutil.rmtree(self.folder / "src", ignore_errors=True)
        source = self.folder / "src" / path
        source.parent.mkdir(parents=True)
        source.write_text(f"#include {include}\n")
        done = self.run_script(self.folder / "scripts" / "lint-floors")
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return done.stdout

    def test_the_own_floor_and_those_below_are_allowed(self):
        for path, include in (
            ("net/a.c", '"net/b.h"'),
            ("net/a.c", '"base/list.h"'),
            ("net/a.c", "<lanyard/socket.h>"),
            ("service/exec.c", '"service/service.h"'),
            ("service/exec_child.c", '"service/exec.h"'),
            ("service/files/send.c", '"service/files/tree.h"'),
            ("cli/a.c", '"daemon/b.h"'),
        ):
            self.assertEqual(self.offences(path, include), "", (path, include))

    def test_a_floor_above_is_refused(self):
        for path, include in (
            ("base/a.c", '"fiber/b.h"'),
            ("net/a.c", "<lanyard/server.h>"),
            ("daemon/a.c", '"cli/b.h"'),
            ("base/a.c", '"../cli/b.h"'),
        ):
            self.assertIn(f"src/{path}:1:", self.offences(path, include), (path, include))

    def test_a_service_does_not_include_another(self):
        self.assertIn("of the service 'exec'", self.offences("service/files.c", '"service/exec.h"'))
        self.assertIn("of the service 'files'", self.offences("service/exec.c", '"service/files/tree.h"'))

    def test_the_library_includes_no_library_of_the_program(self):
        self.assertIn("only the program may use", self.offences("wire/a.c", "<xxhash.h>"))
        self.assertEqual(self.offences("service/a.c", "<xxhash.h>"), "")


class Manual(Scratch):
    def differences(self, header, page):
        for folder, name, text in (
            ("include/lanyard", "a.h", header),
            ("man", "lanyard.3", page),
            ("scripts", "lint-manual", (SCRIPTS / "lint-manual").read_text()),
        ):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
            (self.folder / folder / name).write_text(text)
        done = self.run_script(self.folder / "scripts" / "lint-manual")
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return done.stdout

    def test_a_function_that_the_page_lists_is_no_difference(self):
        page = '.BR ly_go "(), " ly_log ()\n.BR ly_bytes ()\n'
        header = "LY_API int\nly_go(int a);\n#define ly_log(a) a\nstatic inline char *ly_bytes(void)\n{\n}\n"
        self.assertEqual(self.differences(header, page), "")

    def test_a_function_that_the_page_leaves_out_is_named(self):
        said = self.differences("LY_API int ly_go(int a);\nLY_API void ly_stop(void);\n", ".BR ly_go ()\n")
        self.assertEqual(said, "man: no page of section 3 mentions ly_stop\n")

    def test_a_function_that_no_header_declares_is_named(self):
        said = self.differences("/* LY_API int ly_old(void); */\nLY_API int ly_go(int a);\n", ".BR ly_go \"(), \" ly_old ()\n")
        self.assertEqual(said, "man: a page of section 3 mentions ly_old, which no header declares\n")

    def test_headers_without_functions_are_a_difference(self):
        self.assertIn("no function found", self.differences("", ""))


class Conformance(Scratch):
    """The page of rows and the tests that prove them."""

    def make(self, *proofs):
        for folder in ("scripts", "docs", "tests/conformance"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        for name in ("conformance", "test-report"):
            shutil.copy(SCRIPTS / name, self.folder / "scripts")
        rows = [f"C{i}" for i in range(1, 148)] + [f"S{i}" for i in range(1, 127)]
        proofs = dict(proofs)
        lines = [f"| {row} | what | {proofs.get(row, 'none: not in this test')} |" for row in rows]
        (self.folder / "docs/conformance.md").write_text("\n".join(lines) + "\n")
        (self.folder / "tests/conformance/a.c").write_text("ROW(C1_S2_it_holds, ALL)\n{\n}\n")

    def conformance(self, command):
        return self.run_script(self.folder / "scripts/conformance", command)

    def report(self, *lines):
        entry = {"name": "t", "result": "OK", "returncode": 0, "stdout": "\n".join(lines)}
        (self.folder / "log").write_text(json.dumps(entry) + "\n")
        return self.run_script(self.folder / "scripts/test-report", "--all", self.folder / "log")

    def test_the_tests_of_a_row_are_written_beside_it(self):
        self.make(("C1", ""), ("S2", "no test yet"))
        self.assertEqual(self.conformance("check").returncode, 1)
        self.assertEqual(self.conformance("write").returncode, 0)
        self.assertIn("| C1 | what | [a.c](../tests/conformance/a.c) |", (self.folder / "docs/conformance.md").read_text())
        done = self.conformance("check")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_row_without_test_and_reason_is_named(self):
        self.make(("C7", "no test yet"))
        self.assertIn("C7 has neither a test nor a reason", self.conformance("check").stdout)

    def test_a_row_that_no_passed_test_proves_is_a_failure(self):
        self.make(("C1", "x"), ("S2", "x"), ("C3", "as C1, S2"))
        done = self.report("ok 1 - C1_S2_it_holds", "# 1 rows hold over 14 cells")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("2 of 2 behaviours of the calls hold; 145 more have no meaning in C", done.stdout)
        self.assertIn("over 14 cells", done.stdout)
        done = self.report("ok 1 - C1_it_holds")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no passed test proves C3 S2", done.stdout)


class Reference(Scratch):
    def test_pages_are_made_from_the_headers_and_checked(self):
        for folder in ("scripts", "include/lanyard"):
            (self.folder / folder).mkdir(parents=True)
        shutil.copy(SCRIPTS / "reference", self.folder / "scripts")
        header = self.folder / "include/lanyard/a.h"
        header.write_text("/* SPDX */\n/* About a. */\n#ifndef LANYARD_A_H\n\n/* ---- life ---- */\n\n/*\n * Go there.\n *\n"
                          " * n   how far\n *\n * Returns 0.\n */\nLY_API int ly_go(int n);\n\n#endif\n")
        script = self.folder / "scripts/reference"
        self.assertEqual(self.run_script(script, "check").returncode, 1)
        self.assertEqual(self.run_script(script, "write").returncode, 0)
        self.assertEqual(self.run_script(script, "check").returncode, 0)
        page = (self.folder / "docs/reference/a.md").read_text()
        for part in ("About a.", "## Life", "### `ly_go`", "```c\nLY_API int ly_go(int n);\n```", "```text\nn   how far\n```", "Returns 0."):
            self.assertIn(part, page)
        header.write_text(header.read_text().replace("Go there", "Go here"))
        self.assertIn("a.md: not as the headers are", self.run_script(script, "check").stdout)


class Options(Scratch):
    """Copies of the real tables, pages and completions, of which one is changed."""

    PLACES = ("scripts/lint-options", "src/cli", "src/daemon/config_keys.c", "man", "packaging")

    def setUp(self):
        super().setUp()
        for place in self.PLACES:
            source, copy = SCRIPTS.parent / place, self.folder / place
            copy.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)

    def differences(self, place=None, old="", new=""):
        if place:
            text = (self.folder / place).read_text()
            self.assertIn(old, text)
            (self.folder / place).write_text(text.replace(old, new))
        done = self.run_script(self.folder / "scripts" / "lint-options")
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return done.stdout

    def test_manual_and_completions_have_what_the_program_has(self):
        self.assertEqual(self.differences(), "")

    def test_an_option_that_the_manual_leaves_out_is_named_with_its_letter(self):
        said = self.differences("src/cli/mkdir.c", '{"mode", \'m\'', '{"modes", \'x\'')
        self.assertEqual(said, "man/lanyard.1: 'mkdir' has no --modes\nman/lanyard.1: 'mkdir' has no -x, of --modes\n")

    def test_a_letter_that_an_enumeration_gives_is_looked_for_too(self):
        self.assertEqual(self.differences("src/cli/audit.c", "KEY_FOLLOW = 'f'", "KEY_FOLLOW = 'y'"), "man/lanyard.1: 'audit' has no -y, of --follow\n")

    def test_a_setting_that_no_page_has_is_named(self):
        said = self.differences("src/daemon/config_keys.c", '.name = "login-time"', '.name = "patience"')
        self.assertEqual(said, "man/lanyard.1: 'serve' has no --patience\nman/lanyard.conf.5: no key patience\n")

    def test_what_only_a_completion_has_is_named(self):
        said = self.differences("packaging/zsh/_lanyard", "serve --audit", "serve --audits")
        self.assertEqual(said, "packaging/zsh/_lanyard: no command has --audits\n")
        said = self.differences("packaging/bash-completion/lanyard", "'serve exec ", "'serve exac exec ")
        self.assertIn("packaging/bash-completion/lanyard: the command exac is there or in main.c only\n", said)


class Links(Scratch):
    def offences(self, text):
        (self.folder / "scripts").mkdir(exist_ok=True)
        shutil.copy(SCRIPTS / "lint-links", self.folder / "scripts")
        (self.folder / "other.md").write_text("# One `two`, three\n")
        (self.folder / "page.md").write_text(text)
        done = self.run_script(self.folder / "scripts" / "lint-links")
        self.assertEqual(done.returncode, 1 if done.stdout else 0, done.stderr)
        return done.stdout

    def test_links_that_lead_somewhere_pass(self):
        for link in ("other.md", "other.md#one-two-three", "scripts", "https://example.org/x"):
            self.assertEqual(self.offences(f"[a]({link})\n"), "", link)

    def test_links_in_code_are_none(self):
        self.assertEqual(self.offences("`[a](gone)`\n\n```\n[a](gone)\n```\n"), "")

    def test_a_link_to_nothing_is_named(self):
        self.assertEqual(self.offences("[a](gone.md)\n"), "page.md: gone.md is not there\n")
        self.assertEqual(self.offences("[a](other.md#four)\n"), "page.md: other.md#four has no such heading\n")


if __name__ == "__main__":
    unittest.main()
