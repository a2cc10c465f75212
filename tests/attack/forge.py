#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sign-offs as an attacker writes them: takes a genuine envelope line on standard input, changes
the statement (path=JSON, dots between members; path= removes), signs it anew with a key of his
choice, or not at all, and prints the line.

forge.py [--key FILE]... [--ns NAMESPACE] [--keyid ID] [--type PAYLOADTYPE] [--raw WORD] [PATH=JSON]...
"""
import argparse, base64, json, subprocess, sys, tempfile

args = argparse.ArgumentParser()
args.add_argument("--key", action="append", default=[])
args.add_argument("--ns", default="review@countersign")
args.add_argument("--keyid")
args.add_argument("--type", default="application/vnd.in-toto+json")
args.add_argument("--raw", default="")
args.add_argument("changes", nargs="*")
args = args.parse_args()

envelope = json.loads(sys.stdin.readline())
statement = json.loads(base64.b64decode(envelope["payload"]))
for change in args.changes:
    path, _, value = change.partition("=")
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    at = statement
    for p in parents:
        at = at[p]
    if value:
        at[last] = json.loads(value)
    else:
        del at[last]
payload = json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()
if args.changes or args.key:
    envelope["payload"] = base64.b64encode(payload).decode()
envelope["payloadType"] = args.type


def sign(key):
    body = base64.b64decode(envelope["payload"])
    kind = args.type.encode()
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    with tempfile.NamedTemporaryFile() as f:
        f.write(pae)
        f.flush()
        out = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", args.ns],
                             input=pae, stdout=subprocess.PIPE, check=True).stdout.decode()
    blob = "".join(l for l in out.splitlines() if not l.startswith("-----"))
    return {"keyid": args.keyid or "", "sig": blob}


if args.key:
    envelope["signatures"] = [sign(k) for k in args.key]
elif args.keyid:
    envelope["signatures"][0]["keyid"] = args.keyid
if args.raw == "nosigs":
    envelope["signatures"] = []
elif args.raw == "nosigmember":
    del envelope["signatures"]
elif args.raw == "emptysig":
    envelope["signatures"] = [{"keyid": args.keyid or "", "sig": ""}]
elif args.raw == "algorithm":
    sig = base64.b64decode(envelope["signatures"][0]["sig"]).replace(b"sha512", b"sha000")
    envelope["signatures"][0]["sig"] = base64.b64encode(sig).decode()
elif args.raw.startswith("flip"):
    sig = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    sig[int(args.raw[4:])] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(bytes(sig)).decode()
print(json.dumps(envelope, separators=(",", ":")))
