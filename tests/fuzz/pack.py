"""The inputs of a fuzz target's corpus in one file, as replay.c reads it, the short ones first: pack.py FOLDER PACK"""
import os
import struct
import sys


def main():
    folder, path = sys.argv[1:]
    inputs = set()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            inputs.add(file.read())
    with open(path, "wb") as file:
        for data in sorted(inputs, key=lambda data: (len(data), data)):
            file.write(struct.pack("<I", len(data)) + data)
    print(f"{len(inputs)} inputs, {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
