# SPDX-License-Identifier: MIT
"""The session that README.md shows: './dev demo' on namespaces, as it is today."""

import os
import pathlib
import subprocess
import sys
import unittest

import hosts

PROGRAM = os.environ["LANYARD"]
SOURCE = pathlib.Path(os.environ["LY_SOURCE"])


@unittest.skipIf(hosts.why_not(), hosts.why_not())
class Demo(unittest.TestCase):
    def test_each_step_ends_as_it_should_and_the_readme_shows_it(self):
        links = pathlib.Path("/proc/self/net/dev").read_text().count(":")
        done = subprocess.run([sys.executable, SOURCE / "scripts" / "demo", "--check", PROGRAM], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=900, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        for words in ("knows this machine's key now", "the same", "is not known here", "do not have the role", "has failed",
                      "HAS ANOTHER KEY THAN BEFORE", "does not know this machine's key", "sh -c 'uname -n; id -un' (exit 0)"):
            self.assertIn(words, done.stdout)
        self.assertEqual(pathlib.Path("/proc/self/net/dev").read_text().count(":"), links)


class Readmes(unittest.TestCase):
    def test_both_show_the_same_session(self):
        blocks = []
        for name in ("README.md", "README.zh-CN.md"):
            text = (SOURCE / name).read_text(encoding="utf-8")
            blocks.append(text.split("<!-- what ./dev demo shows -->\n")[1].split("<!-- until here -->\n")[0])
        self.assertEqual(*blocks)
        self.assertIn("lanyard pair lab", blocks[0])


if __name__ == "__main__":
    unittest.main()
