#!/usr/bin/env python3
"""A machine's `bash` that answers questions about files with lies. LIE names the lie; all other commands are run as they are."""
import os, re, subprocess, sys, zlib

lie, words = os.environ["LIE"], sys.argv[1:]
command = words[3] if words[:3] == ["--noprofile", "--norc", "-c"] else ""
out = sys.stdout.buffer
if 'eval "$script"' not in command:
    os.execv("/bin/bash", ["bash", *words])
marker = re.search(r"__forgectl_[0-9a-f]{32}__", command).group().encode()


def say(data):
    out.write(data)
    out.flush()


def forever(data, packed=False):
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    while True:
        say(pack.compress(data) if packed else data)


def listed(root, names):
    fields = [[root, b"d" if name == b"" else b"f", b"1", b"644", b"1700000000.0", b"1", b"1:1", b"8", b"0:0", name, b""] for name in names]
    return b"".join(field + b"\0" for entry in fields for field in entry)


def answer_listing(root):
    status = b"\n" + marker + b" "
    if lie == "endless field": forever(b"A" * 65536)
    if lie == "endless packed field": forever(b"A" * (1 << 20), packed=True)
    if lie == "endless list": forever(listed(root, [b""] + [b"%09d" % at for at in range(1000)]), packed=True)
    if lie == "endless status": forever(status + b"0" * 4096)
    if lie == "length that is none": say(status + b"0 x\n")
    if lie == "negative length": say(status + b"0 -100\n")
    if lie == "length beyond all": say(status + b"0 99999999999\n")
    if lie == "status that is none": say(status + b"NaN 0\n")
    if lie == "size that is none": say(listed(root, [b"", b"a"]).replace(b"f\0001\000", b"f\0001e9\000") + status + b"0 0\n")
    if lie == "negative size": say(listed(root, [b"", b"a"]).replace(b"f\0001\000", b"f\000-1\000") + status + b"0 0\n")
    if lie == "mode that is none": say(listed(root, [b""]).replace(b"644", b"zz") + status + b"0 0\n")
    if lie == "time that is none": say(listed(root, [b""]).replace(b"1700000000.0", b"NaN") + status + b"0 0\n")
    # It waits then, as a machine that is asked nothing does.
    while os.read(0, 65536): pass
    sys.exit()


say(b"\n" + marker + b"\n")
read = sys.stdin.buffer
while True:
    script = b""
    while (char := read.read(1)) != b"\0":
        if char == b"": sys.exit()
        script += char
    data = read.read(int(read.readline()))
    if b"find" in script and b"printf" in script and data: answer_listing(data.split(b"\0")[0])
    if lie == "places that are none" and b"WORKSPACE" in script:
        result, told = b"/\n/x/..\n/root\nfind\nGNU tar\n3\n", b""
    elif lie == "path with dots" and b"realpath" in script and b"WORKSPACE" not in script:
        result, told = b"/x/..\0d\0d\0", b""
    elif lie == "kind that is none" and b"realpath" in script and b"WORKSPACE" not in script:
        result, told = b"/x\0socket\0d\0", b""
    else:
        ran = subprocess.run(["/bin/bash", "--noprofile", "--norc", "-c", script], input=data, capture_output=True)
        result, told = ran.stdout, ran.stderr
    say(result + b"\n%s 0 %d\n" % (marker, len(told)) + told)
