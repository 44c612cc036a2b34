"""Time stamps over HTTP for tests: FOLDER COMMAND... runs the command while they are served, with "URL" in its words
replaced by where that is. NAME is a certificate NAME.pem and its NAME.key in FOLDER.

URL/old/NAME            counter-signatures as Authenticode had them first (Windows Authenticode PE Signature Format)
URL/weak/NAME           the same with SHA-1
URL/token/NAME          tokens of RFC 3161
URL/token/NAME/SECONDS  the same, of a time since 1970
URL/other/NAME          tokens of RFC 3161 for other data than was asked for
"""
import base64
import datetime
import http.server
import os
import subprocess
import sys
import tempfile
import threading

folder, *command = sys.argv[1:]

SETTINGS = """
[tsa]
default_tsa = own
[own]
serial = serial
signer_cert = %s.pem
signer_key = %s.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""


def contents(value):
    """The values that a DER value holds, one level down."""
    def take(at):
        size, header = value[at + 1], 2
        if size & 0x80:
            count = size & 0x7F
            size, header = int.from_bytes(value[at + 2:at + 2 + count], "big"), 2 + count
        return at + header, at + header + size
    at, end = take(0)
    found = []
    while at < end:
        begin, after = take(at)
        found.append((value[at:after], value[begin:after]))
        at = after
    return found


def openssl(work, *arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, cwd=work, check=True, capture_output=True).stdout


def old(work, stamper, request, digest="sha256"):
    # SEQUENCE { type, SEQUENCE { data, [0] { OCTET STRING, the signature } } }
    content = contents(contents(contents(base64.b64decode(request))[-1][0])[-1][0])[0][1]
    pkcs7 = openssl(work, "smime", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", digest, "-signer",
                    stamper + ".pem", "-inkey", stamper + ".key", "-outform", "DER", data=content)
    return base64.b64encode(pkcs7)


def weak(work, stamper, request):
    return old(work, stamper, request, "sha1")


def token(work, stamper, request):
    with open(os.path.join(work, "query"), "wb") as file:
        file.write(request)
    with open(os.path.join(work, "settings"), "w", encoding="ascii") as file:
        file.write(SETTINGS % (stamper, stamper))
    return openssl(work, "ts", "-reply", "-config", "settings", "-queryfile", "query")


def der(tag, *parts):
    """A value that holds at most 64 KiB."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def token_of(work, stamper, request, seconds):
    """RFC 3161: TimeStampResp { granted, a signed TSTInfo { version, policy, imprint, serial number, time, nonce } }."""
    _version, imprint, *rest = contents(request)
    time = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y%m%d%H%M%SZ")
    nonce = [whole for whole, _ in rest if whole[0] == 0x02]
    info = der(0x30, der(0x02, b"\x01"), der(0x06, b"\x2a\x03\x04"), imprint[0],
               der(0x02, b"\x01" + os.urandom(8)), der(0x18, time.encode("ascii")), *nonce)
    signed = openssl(work, "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-cades", "-md", "sha256",
                     "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-signer", stamper + ".pem", "-inkey",
                     stamper + ".key", "-outform", "DER", data=info)
    return der(0x30, der(0x30, der(0x02, b"\x00")), signed)


def other(work, stamper, _request):
    return token(work, stamper, openssl(work, "ts", "-query", "-sha256", "-cert", "-no_nonce", data=b"other data"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"]))
        kind, name, *time = self.path.strip("/").split("/")
        stamper = os.path.join(folder, name)
        with tempfile.TemporaryDirectory() as work:
            if time:
                answer = token_of(work, stamper, request, int(time[0]))
            else:
                answer = {"old": old, "weak": weak, "token": token, "other": other}[kind](work, stamper, request)
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if kind in ("old", "weak") else "application/timestamp-reply")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
sys.exit(subprocess.run([word.replace("URL", address) for word in command], check=False).returncode)
