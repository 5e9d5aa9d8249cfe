# SPDX-License-Identifier: MIT
"""What a table of numbers is worth nothing without: the machine, the system, the day."""
import datetime
import os
import platform
import subprocess


def _first(path, key):
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith(key):
                return line[len(key):].strip(" \t:=\n\"")
    return "unknown"


def file_system(path):
    out = subprocess.run(["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=False)
    return out.stdout.strip() or "unknown"


def describe(context):
    """Pairs of (what, value)."""
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    return [
        ("processor", f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} CPUs; server on CPU 0, load on CPU 1"),
        ("memory", f"{memory:.0f} GiB"),
        ("kernel", platform.release()),
        ("system", _first("/etc/os-release", "PRETTY_NAME")),
        ("files on", file_system(context.dir)),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("rounds", str(context.rounds)),
    ]
